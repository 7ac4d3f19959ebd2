//! What an operator asks of a running node, and what it is answered: JSON, one object on a line,
//! over a socket in the node's folder that only its owner can open. `spec/control.md`.

use super::typed::AskError;
use crate::codes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::trust::LogPin;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The longest line, in bytes.
pub const MAX_LINE: usize = 24 * 1024 * 1024;
/// How a question is read: as a document is, whatever its length.
const LIMITS: Limits = Limits { bytes: MAX_LINE, depth: Limits::DOCUMENT.depth };

/// A message to send.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewMessage {
    /// The channel: its CID, or its name where only one owner has it; of several versions the newest that
    /// the node has joined, that counts already and that it has a presentation for.
    pub channel: String,
    /// The topic.
    pub topic: String,
    /// Its version; the newest that counts, if none is named.
    #[serde(default)]
    pub version: Option<u32>,
    /// The payload, in base64.
    pub payload: String,
    /// To whom.
    #[serde(default)]
    pub recipients: Vec<Did>,
    /// The conversation that it belongs to.
    #[serde(default)]
    pub thread: Option<EnvelopeId>,
    /// Attributes of the header; those that the payload says are read from it.
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// For how long it counts, in milliseconds; the channel's longest, up to an hour, if not said.
    #[serde(default)]
    pub lifetime_millis: Option<u64>,
    /// A text of the caller's, 128 bytes at most: a message with the same one in this channel is sent once,
    /// however often it is asked for.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl NewMessage {
    /// A message without recipients, in no conversation, that counts for as long as the channel allows,
    /// up to an hour. Attributes that the payload says are read from it by the node.
    #[must_use]
    pub fn new(channel: &str, topic: &str, payload: &[u8]) -> Self {
        Self {
            channel: channel.to_owned(),
            topic: topic.to_owned(),
            version: None,
            payload: STANDARD.encode(payload),
            recipients: Vec::new(),
            thread: None,
            attributes: Map::new(),
            lifetime_millis: None,
            reference: None,
        }
    }

    /// To one more recipient.
    #[must_use]
    pub fn to(mut self, recipient: Did) -> Self {
        self.recipients.push(recipient);
        self
    }

    /// In a conversation: that of a message that is answered, or the message itself if it is in none.
    #[must_use]
    pub fn in_thread(mut self, thread: EnvelopeId) -> Self {
        self.thread = Some(thread);
        self
    }

    /// With one more attribute in its header.
    #[must_use]
    pub fn with(mut self, attribute: &str, value: impl Into<Value>) -> Self {
        self.attributes.insert(attribute.to_owned(), value.into());
        self
    }

    /// Sent once under this reference, however often it is asked for: whoever does not know whether it was
    /// sent, after a restart of this program or of the node too, asks for it again.
    #[must_use]
    pub fn once(mut self, reference: &str) -> Self {
        self.reference = Some(reference.to_owned());
        self
    }

    /// Counts for so long, in milliseconds.
    #[must_use]
    pub fn for_millis(mut self, lifetime: u64) -> Self {
        self.lifetime_millis = Some(lifetime);
        self
    }
}

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    tag = "do",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
#[non_exhaustive]
pub enum Asked {
    /// How it is.
    Status,
    /// The status lists that count here.
    Lists,
    /// Who is connected.
    Peers,
    /// The figures for Prometheus.
    Metrics,
    /// Send a message. Answered when it is durable here.
    Send(NewMessage),
    /// Delivered messages after a number.
    Inbox {
        /// The number.
        after: u64,
        /// The most of them.
        most: u32,
    },
    /// The same for who listens, and asks again and again: without what was passed over. Not by the socket.
    #[serde(skip)]
    Given {
        /// The number.
        after: u64,
        /// The most of them.
        most: u32,
    },
    /// Messages of others that were refused, after a number, and why.
    Refused {
        /// The number.
        after: u64,
        /// The most of them.
        most: u32,
    },
    /// Delivered messages after a number, and those that come: a line for each, without end.
    Listen {
        /// The number; where a reader left off, if none is named.
        after: Option<u64>,
        /// A name under which is remembered how far was read.
        reader: Option<String>,
        /// Only of this channel: its CID or its name, under which the reader's place is remembered too.
        #[serde(default)]
        channel: Option<String>,
    },
    /// A line whenever something happened, without end: whoever waits looks again.
    Watch,
    /// An application is done with the messages up to a number.
    Done {
        /// Its name.
        reader: String,
        /// The channel to which it listens, as it named it to [`Asked::Listen`].
        #[serde(default)]
        channel: Option<String>,
        /// The number.
        number: u64,
    },
    /// Own messages, the newest first, and what became of them.
    Outbox {
        /// The most of them.
        most: u32,
        /// Only those that come after this one, which is the last of the page before.
        #[serde(default)]
        before: Option<EnvelopeId>,
    },
    /// What recipients say of one own message.
    Receipts {
        /// Which.
        envelope: EnvelopeId,
    },
    /// What was sent under a reference of the caller's, in the channel or another version of it.
    Sent {
        /// The channel, as [`NewMessage::channel`] names it.
        channel: String,
        /// The reference.
        #[serde(rename = "ref")]
        reference: String,
    },
    /// A message as it was signed, to show to somebody.
    Envelope {
        /// Which.
        envelope: EnvelopeId,
    },
    /// A ticket for others.
    Invite {
        /// To these channels.
        channels: Vec<ContentId>,
    },
    /// Use a ticket.
    Join {
        /// The ticket.
        ticket: String,
    },
    /// Take part in a channel no more.
    Leave {
        /// The channel: its CID, or its name where only one has it.
        channel: String,
    },
    /// Take a file: a trust pack, channel, schema, presentation, authorisation or status lists.
    Add {
        /// Its bytes, in base64.
        content: String,
    },
    /// Take a trust pack, and its logs that end so in the place of known ones that contradict them.
    Replace {
        /// The bytes of the pack, in base64.
        content: String,
        /// How the logs end, as the owners of the DIDs told.
        logs: Vec<LogPin>,
        /// The CID of the pack, as the charter's signers told: it is taken also where its charter contradicts the
        /// node's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin: Option<ContentId>,
        /// Whether it is done: else it is only told what would change.
        confirmed: bool,
    },
    /// Keep a public document from now on, and give it to who asks for it by its CID. Answered when
    /// it is kept and, where it is to be, told to the peers.
    Publish {
        /// Its bytes, in base64.
        content: String,
        /// Whether everybody is told of it, and keeps it too.
        peers: bool,
    },
    /// Keep a public document that somebody has, from now on.
    Pin {
        /// Its name.
        cid: ContentId,
        /// Whether everybody is told of it, and keeps it too.
        peers: bool,
    },
    /// The bytes under a name.
    Fetch {
        /// The name.
        cid: ContentId,
        /// Of the peers, not of this node.
        peers: bool,
    },
    /// What there is to give by CIDs, and who else gives.
    Content {
        /// Who has this one.
        cid: Option<ContentId>,
    },
    /// Take over a file that was staged in the folder of the node's files.
    FileAdd {
        /// The name of its folder there.
        staged: String,
    },
    /// Fetch the file that a delivered message refers to, from now on.
    FileFetch {
        /// The message.
        message: EnvelopeId,
    },
    /// How it stands with files.
    Files {
        /// Only this one: the CID of its manifest, or of a message that refers to it.
        file: Option<String>,
    },
    /// Look whether a block is damaged on disk, and get it again if it is.
    FileCheck {
        /// Of which file.
        file: String,
        /// Its number.
        block: u64,
    },
    /// Let a file stand, or go on with it.
    FilePause {
        /// Which.
        file: String,
        /// Which of both.
        paused: bool,
    },
    /// Keep and give a file no more.
    FileRemove {
        /// Which.
        file: String,
    },
    /// Have nothing to do with a node, or have again.
    Block {
        /// Its did:key.
        node: Did,
        /// Which of both.
        blocked: bool,
    },
    /// End.
    Stop,
}

/// What is answered, or why not.
pub type ControlResult = Result<Value, AskError>;
/// The same of what has one reason only.
pub(super) type Answered = Result<Value, (Code, String)>;

/// An answer as a line.
#[must_use]
pub fn to_line(result: &ControlResult) -> Vec<u8> {
    let value = match result {
        Ok(value) => json!({"ok": value}),
        Err(refused) => {
            let mut error = json!({"code": refused.code, "message": refused.message});
            if let Some(error) = error.as_object_mut().filter(|_| !refused.reasons.is_empty()) {
                error.insert("reasons".into(), json!(refused.reasons));
            }
            json!({"error": error})
        }
    };
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// Reads a question.
///
/// # Errors
/// [`AskError`].
pub fn parse(line: &[u8]) -> Result<Asked, AskError> {
    let refused = |why: String| AskError::from((codes::NODE_REQUEST, why));
    let members = match json::parse_strict(line, LIMITS) {
        Ok(Value::Object(members)) => members,
        Ok(_) => return Err(refused("a question is an object".to_owned())),
        Err(e) => return Err(refused(e.to_string())),
    };
    let nothing_beside = members.keys().find(|name| *name != "do").cloned();
    // serde takes an array for this object too.
    let pins = members.get("logs").and_then(Value::as_array);
    if pins.is_some_and(|pins| !pins.iter().all(Value::is_object)) {
        return Err(refused("a log in `logs` is an object".to_owned()));
    }
    let number = not_whole(&members);
    let asked: Asked = serde_json::from_value(Value::Object(members))
        .map_err(|e| refused(number.unwrap_or_else(|| e.to_string())))?;
    // Of a question without members serde takes any.
    if matches!(
        asked,
        Asked::Status | Asked::Lists | Asked::Peers | Asked::Metrics | Asked::Watch | Asked::Stop
    ) && let Some(name) = nothing_beside
    {
        return Err(refused(format!("unknown field `{}`", name.escape_default())));
    }
    Ok(asked)
}

/// Which number is none that a question has.
fn not_whole(asked: &Map<String, Value>) -> Option<String> {
    let (name, number) = asked.iter().find_map(|(name, value)| match value {
        Value::Number(number) if number.as_u64().is_none() => Some((name, number)),
        _ => None,
    })?;
    let short = |text: &str| text.chars().take(80).collect::<String>();
    let (name, number) = (short(name), short(&number.to_string()));
    Some(format!("{name:?} is {number}: a number here is whole, and from 0 to {}", u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_policy::codes as policy_codes;
    use gridpass_policy::decision::Reason;

    #[test]
    fn an_error_has_reasons_where_a_message_was_judged_and_else_none() {
        let read = |error: AskError| {
            let line = to_line(&Err(error));
            serde_json::from_slice::<Value>(&line).expect("a line of JSON")
        };
        let busy = AskError::from((codes::NODE_BUSY, "it is busy".to_owned()));
        let plain = json!({"error": {"code": "GP-NODE-BUSY", "message": "it is busy"}});
        assert_eq!(read(busy.clone()), plain);
        let unmet = policy_codes::POLICY_UNMET;
        let reasons = vec![Reason::of_requirement(unmet, "zone", "it says", Vec::new())];
        let line = read(AskError { reasons, ..busy });
        assert_eq!(
            line["error"]["reasons"],
            json!([{"code": unmet, "requirement": "zone", "sentence": "it says"}])
        );
    }

    #[test]
    fn a_question_with_a_member_that_it_has_not_is_refused() {
        let asked = [
            json!({"do": "status"}),
            json!({"do": "inbox", "after": 0, "most": 5}),
            json!({"do": "listen", "after": null, "reader": "scada"}),
            json!({"do": "send", "channel": "a", "topic": "b", "payload": ""}),
            json!({"do": "stop"}),
        ];
        for mut one in asked {
            let line = one.to_string();
            assert!(parse(line.as_bytes()).is_ok(), "{line}");
            one["chanel"] = json!("flex.gb.bids");
            let line = one.to_string();
            let refused = parse(line.as_bytes()).expect_err("refused");
            assert_eq!(refused.code, codes::NODE_REQUEST, "{line}");
        }
        let inbox = json!({"do": "inbox", "after": 0, "most": 5, "channel": "flex.gb.bids"});
        assert!(parse(inbox.to_string().as_bytes()).is_err(), "of all channels it would be told");
        let given = json!({"do": "given", "after": 0, "most": 5});
        assert!(parse(given.to_string().as_bytes()).is_err(), "listeners alone ask so");
    }

    #[test]
    fn a_question_is_an_object_that_says_everything_once() {
        for line in [
            r#"["inbox",0,5]"#,
            r#"{"do":"replace","content":"","logs":[["did:web:a.example","1-x"]],"confirmed":false}"#,
            r#"{"do":"send","channel":"a","topic":"b","payload":"","attributes":{"z":1,"z":2}}"#,
            r#"{"do":"send","channel":"a","topic":"b","payload":"","attributes":{"z":1e999}}"#,
        ] {
            let refused = parse(line.as_bytes()).expect_err(line);
            assert_eq!(refused.code, codes::NODE_REQUEST, "{line}");
        }
        let deep = |levels: usize| {
            let lists = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
            format!(
                r#"{{"do":"send","channel":"a","topic":"b","payload":"","attributes":{{"z":{lists}}}}}"#
            )
        };
        assert!(parse(deep(30).as_bytes()).is_ok(), "32 levels with the two around them");
        assert!(parse(deep(31).as_bytes()).is_err(), "33 levels");
    }

    #[test]
    fn a_number_that_is_not_whole_is_named() {
        for number in ["0.0", "1e+20", "-1", "18446744073709551616"] {
            let line = format!(r#"{{"do": "inbox", "after": {number}, "most": 1}}"#);
            let refused = parse(line.as_bytes()).expect_err(number);
            assert_eq!(refused.code, codes::NODE_REQUEST);
            let said = refused.message.starts_with(&format!("\"after\" is {number}:"));
            assert!(said, "{refused}");
        }
        let line = br#"{"do": "inbox", "after": 18446744073709551615, "most": 1}"#;
        assert!(matches!(parse(line), Ok(Asked::Inbox { after: u64::MAX, most: 1 })));
        // What else is wrong is told as it was.
        let refused = parse(br#"{"do": "inbox", "after": 1}"#).expect_err("no most");
        assert!(refused.message.contains("most"), "{refused}");
    }

    #[test]
    fn a_message_is_what_was_said_of_it() {
        let to = Did::parse("did:web:dso.example").expect("a DID");
        let thread = EnvelopeId::of_block(b"a block").expect("a name");
        let message = NewMessage::new("flex.gb.bids", "bids", b"{}")
            .to(to.clone())
            .in_thread(thread.clone())
            .with("zone", "GB-1")
            .with("quantityKw", 5)
            .once("bid 17")
            .for_millis(60_000);
        let expected = json!({
            "do": "send", "channel": "flex.gb.bids", "topic": "bids", "version": null,
            "payload": STANDARD.encode("{}"), "recipients": [to], "thread": thread,
            "attributes": {"zone": "GB-1", "quantityKw": 5}, "lifetimeMillis": 60_000,
            "ref": "bid 17",
        });
        assert_eq!(json!(Asked::Send(message)), expected);
    }
}
