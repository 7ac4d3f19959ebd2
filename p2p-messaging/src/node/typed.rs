//! What a node answers, as types. The same as JSON is in `spec/control.md`.

use crate::codes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::decision::Reason;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Why a node did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AskError {
    /// The stable reason code. Of a message that would be refused: the first reason that another minute
    /// does not take away, if there is one.
    pub code: Code,
    /// The same as a sentence. Of a message that would be refused: every reason, each with its code.
    pub message: String,
    /// Of a message that its channel would refuse: every reason, with what it comes from. Else empty.
    /// [`crate::codes::find`] gives the [`Code`] that one names.
    pub reasons: Vec<Reason>,
}

impl AskError {
    /// Whether a code is among what it says: its own, those of its reasons, and of what they come from.
    #[must_use]
    pub fn has(&self, code: Code) -> bool {
        let named = |reason: &Reason| {
            reason.code == code.id() || reason.causes.iter().any(|cause| cause.code == code.id())
        };
        self.code == code || self.reasons.iter().any(named)
    }
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = format!("[{}]", self.code);
        if self.message.contains(&code) {
            return f.write_str(&self.message);
        }
        write!(f, "{} {code}", self.message)
    }
}

impl std::error::Error for AskError {}

impl From<(Code, String)> for AskError {
    fn from((code, message): (Code, String)) -> Self {
        Self { code, message, reasons: Vec::new() }
    }
}

/// A message that was sent: it is durable here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Sent {
    /// Its name.
    pub id: EnvelopeId,
    /// The channel.
    pub channel: ContentId,
    /// The topic.
    pub topic: String,
    /// The version of the topic.
    pub version: u32,
    /// Its number among those of this node in the channel.
    pub sequence: u64,
    /// When it was made.
    pub issued: UnixMillis,
    /// Until when it counts.
    pub expires: UnixMillis,
    /// The conversation that it belongs to.
    pub thread: Option<EnvelopeId>,
    /// The reference under which it was sent once.
    #[serde(default, rename = "ref")]
    pub reference: Option<String>,
    /// Whether it was sent before, under the same reference, and nothing was sent now.
    #[serde(default)]
    pub repeated: bool,
    /// How far it came: `over` where it was sent before and counts no more, else as in the outbox.
    #[serde(default)]
    pub state: String,
    /// Of a sealed message: the recipients of whom no node is known that could open it. One may come, or
    /// the DID is misspelt.
    pub recipients_without_node: Vec<Did>,
}

/// A message that was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Delivered {
    /// The node's own number of it: the next one comes after this.
    pub number: u64,
    /// Its name.
    pub id: EnvelopeId,
    /// The channel.
    pub channel: ContentId,
    /// The channel's name, where the node still has its descriptor.
    pub channel_name: Option<String>,
    /// The topic.
    pub topic: String,
    /// The version of the topic.
    pub version: u32,
    /// What kind of document the payload is.
    pub media_type: String,
    /// Who sent it.
    pub sender: Did,
    /// The node that signed it, where that is not the sender itself.
    pub node: Option<Did>,
    /// Its number among those that this node of the sender sent in the channel.
    pub sequence: u64,
    /// When, as its sender says.
    pub issued: UnixMillis,
    /// Until when it counts.
    pub expires: UnixMillis,
    /// To whom; to all who read the channel, if it names nobody.
    pub recipients: Vec<Did>,
    /// The conversation that it belongs to.
    pub thread: Option<EnvelopeId>,
    /// The attributes of its header.
    pub attributes: Map<String, Value>,
    /// Whether it was sealed.
    pub sealed: bool,
    /// Whether it was caught up with, and did not come when it was sent.
    pub caught_up: bool,
    /// As of when it was decided about.
    pub decided_at: UnixMillis,
    /// What it says; absent where it is sealed and the key is not here, or it is not kept any more.
    #[serde(default, deserialize_with = "bytes")]
    pub payload: Option<Vec<u8>>,
    /// Why it does not say what it says.
    #[serde(default)]
    pub withheld: Option<Withheld>,
}

/// Why a delivered message is given without its payload.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Withheld {
    /// The code: a text, since another version may know more of them; [`crate::codes::find`] gives the
    /// [`Code`].
    pub code: String,
    /// The same as a sentence.
    pub sentence: String,
}

/// A message of somebody that was refused here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Refused {
    /// The node's own number of it: the next one comes after this.
    pub number: u64,
    /// Its name.
    pub id: EnvelopeId,
    /// The channel.
    pub channel: ContentId,
    /// The channel's name, where the node still has its descriptor.
    pub channel_name: Option<String>,
    /// The topic.
    pub topic: String,
    /// Who sent it.
    pub sender: Did,
    /// The node that signed it, where that is not the sender itself.
    pub node: Option<Did>,
    /// Its number among those that this node of the sender sent in the channel.
    pub sequence: u64,
    /// When, as its sender says.
    pub issued: UnixMillis,
    /// As of when it was decided about.
    pub decided_at: UnixMillis,
    /// Why.
    pub reasons: Vec<RefusedFor>,
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct RefusedFor {
    /// The code: [`crate::codes::find`] gives the [`Code`].
    pub code: String,
    /// What it means.
    pub sentence: String,
    /// Of whom or what, and what that comes from, as far as it can be said again from the facts that are kept.
    #[serde(default)]
    pub why: Option<String>,
}

/// What a listener is given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Given {
    /// A message.
    Message(Box<Delivered>),
    /// What stands in the place of what a damaged log does not give any more.
    Lost(Lost),
}

impl Given {
    /// The number: the next one comes after this.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Message(delivered) => delivered.number,
            Self::Lost(lost) => lost.number,
        }
    }

    /// The message.
    ///
    /// # Errors
    /// `GP-LOG-DAMAGED` where it is lost.
    pub fn message(self) -> Result<Delivered, AskError> {
        match self {
            Self::Message(delivered) => Ok(*delivered),
            Self::Lost(lost) => Err((codes::LOG_DAMAGED, lost.withheld.sentence).into()),
        }
    }

    /// Only what is lost has no name.
    pub(super) fn read(shown: Value) -> Result<Self, AskError> {
        match shown.get("id") {
            Some(_) => read(shown).map(|delivered| Self::Message(Box::new(delivered))),
            None => read(shown).map(Self::Lost),
        }
    }
}

/// A place where the node's log is damaged. What stood there, a message or something else, nobody knows;
/// where a peer still has a message, it is delivered again with a later number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Lost {
    /// The last number of it: the next one comes after this.
    pub number: u64,
    /// The first number of it.
    pub from: u64,
    /// Why nothing is there: `GP-LOG-DAMAGED`.
    pub withheld: Withheld,
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let decode = |text: String| STANDARD.decode(text).map_err(serde::de::Error::custom);
    text.map(decode).transpose()
}

/// What a recipient said of a message, in a receipt that it signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Said {
    /// It was delivered there.
    Delivered {
        /// When the receipt was signed.
        at: UnixMillis,
    },
    /// It was refused there.
    Refused {
        /// When the receipt was signed.
        at: UnixMillis,
        /// Why: codes, of what the reasons come from too. Texts, since another version may know more of
        /// them; [`crate::codes::find`] gives the [`Code`].
        reasons: Vec<String>,
    },
}

/// How far an own message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reached {
    /// It is durable here, and nobody has it yet.
    Queued,
    /// It is of an earlier run of the node, and nobody said anything of it since.
    Unknown,
    /// It went out.
    Sent,
    /// A keeper of the channel has it.
    Stored,
}

/// How it stands with one recipient of an own message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
#[non_exhaustive]
pub enum AtRecipient {
    /// It waits here.
    Queued,
    /// It is of an earlier run of the node, and nothing was said of it since.
    Unknown,
    /// It went out, and nothing was said of it.
    Sent,
    /// Its time is over, and nothing was said of it.
    Overdue,
    /// As [`Said::Delivered`].
    Delivered {
        /// When the receipt was signed.
        at: UnixMillis,
    },
    /// As [`Said::Refused`].
    Refused {
        /// When the receipt was signed.
        at: UnixMillis,
        /// Why: codes.
        reasons: Vec<String>,
    },
}

/// An own message, and what became of it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    /// Its name.
    pub id: EnvelopeId,
    /// The channel.
    pub channel: ContentId,
    /// The topic.
    pub topic: String,
    /// Its number among those of this node in the channel.
    pub sequence: u64,
    /// When it was made.
    pub issued: UnixMillis,
    /// Until when it counts.
    pub expires: UnixMillis,
    /// The version of the topic.
    pub version: u32,
    /// The conversation that it belongs to.
    pub thread: Option<EnvelopeId>,
    /// The attributes of its header.
    pub attributes: Map<String, Value>,
    /// The CID of its payload as it travels: of a sealed one, of what was sealed.
    pub payload_cid: ContentId,
    /// The reference under which it was sent, if under one.
    #[serde(default, rename = "ref")]
    pub reference: Option<String>,
    /// How far it came.
    pub state: Reached,
    /// Those whom it names, and those who said something of it.
    pub recipients: BTreeMap<Did, AtRecipient>,
}

/// Reads an answer.
pub(super) fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, AskError> {
    serde_json::from_value(answer).map_err(|e| {
        let message = format!("the node's answer cannot be read: {e}");
        AskError::from((gridpass_identity::codes::INTERNAL, message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_credentials::codes as credential_codes;
    use gridpass_policy::codes as policy_codes;
    use gridpass_policy::direct::Cause;
    use serde_json::json;

    #[test]
    fn a_refusal_tells_every_code_and_shows_none_twice() {
        let rate = policy_codes::MESSAGE_RATE;
        let told = AskError::from((rate, format!("it is too fast [{rate}]")));
        assert_eq!(told.to_string(), "it is too fast [GP-MESSAGE-RATE]");
        let plain = AskError::from((codes::NODE_BUSY, "it is busy".to_owned()));
        assert_eq!(plain.to_string(), format!("it is busy [{}]", codes::NODE_BUSY));
        let revoked = credential_codes::VISA_REVOKED;
        let cause = Cause { code: revoked.id().to_owned(), sentence: "it is revoked".to_owned() };
        let unmet = policy_codes::POLICY_UNMET;
        let reasons = vec![Reason::of_requirement(unmet, "zone", "it says", vec![cause])];
        let refused = AskError { reasons, ..AskError::from((rate, String::new())) };
        assert!([rate, unmet, revoked].iter().all(|code| refused.has(*code)));
        assert!(!refused.has(codes::NODE_BUSY));
    }

    #[test]
    fn what_is_lost_is_told_from_a_message() {
        let withheld = json!({"code": "GP-LOG-DAMAGED", "sentence": "it is damaged"});
        let shown = json!({"number": 19, "from": 17, "withheld": withheld});
        let given = Given::read(shown).expect("it is read");
        let Given::Lost(lost) = &given else { panic!("{given:?}") };
        assert_eq!((lost.from, given.number()), (17, 19));
        assert_eq!(given.message().expect_err("lost").code, codes::LOG_DAMAGED);
        // What cannot be read is no reason to go on as if it were not there.
        let unread = Given::read(json!({"number": 20, "id": "of a later version"}));
        assert_eq!(unread.expect_err("no message").code, gridpass_identity::codes::INTERNAL);
    }

    #[test]
    fn what_became_of_own_messages_is_read_in_every_state() {
        let (alpha, beta) = ("did:web:alpha.example", "did:web:beta.example");
        let at = "2026-03-01T12:00:00Z";
        let state = |of: Value| serde_json::from_value::<AtRecipient>(of).expect("a state");
        assert_eq!(state(json!({"state": "queued"})), AtRecipient::Queued);
        assert_eq!(state(json!({"state": "overdue"})), AtRecipient::Overdue);
        assert_eq!(state(json!({"state": "unknown"})), AtRecipient::Unknown);
        let id = EnvelopeId::of_block(b"a block").expect("a name");
        let answer = json!({
            "id": id,
            "channel": ContentId::of_bytes(b"a channel").expect("a name"),
            "topic": "bids",
            "version": 1,
            "thread": null,
            "attributes": {"zone": "GB-1"},
            "payloadCid": ContentId::of_bytes(b"{}").expect("a name"),
            "ref": "bid 17",
            "sequence": 7,
            "issued": at,
            "expires": at,
            "state": "stored",
            "keepers": {"did:web:keeper.example": {"at": at}},
            "recipients": {
                alpha: {"state": "refused", "at": at, "reasons": ["GP-POLICY-UNMET"]},
                beta: {"state": "sent"},
            },
        });
        let outgoing: Outgoing = read(answer).expect("it is read");
        assert_eq!((&outgoing.id, outgoing.state), (&id, Reached::Stored));
        assert_eq!(outgoing.reference.as_deref(), Some("bid 17"));
        let at = UnixMillis::parse_rfc3339(at).expect("a time");
        let reasons = vec!["GP-POLICY-UNMET".to_owned()];
        let found: Vec<_> = outgoing.recipients.iter().map(|(d, s)| (d.as_str(), s)).collect();
        let refused = AtRecipient::Refused { at, reasons };
        assert_eq!(found, [(alpha, &refused), (beta, &AtRecipient::Sent)]);
        let code = read::<Sent>(json!({})).expect_err("nothing is in it").code;
        assert_eq!(code, gridpass_identity::codes::INTERNAL);
    }
}
