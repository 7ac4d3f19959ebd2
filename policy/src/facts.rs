//! Facts: what was established about a sender and a message before anything is decided. Recorded as
//! they are, so that a decision can be made again from them.

use crate::odrl::Action;
use gridpass_credentials::content_id::{ContentId, ContentIdError, EnvelopeId};
use gridpass_credentials::verify::Step;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What the member `type` of an admission says.
pub const TYPE: &str = "gridpass-admission";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// How a check came out, as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// The evidence shows that it holds.
    Passed,
    /// The evidence shows that it does not hold.
    Failed,
    /// The evidence does not suffice to say.
    Indeterminate,
}

impl From<Outcome> for Finding {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Passed,
            Outcome::Failed => Self::Failed,
            Outcome::Indeterminate => Self::Indeterminate,
        }
    }
}

/// A check, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckFacts {
    /// How it came out.
    pub outcome: Finding,
    /// The reason's code.
    pub code: String,
    /// The reason as a sentence.
    pub sentence: String,
}

impl CheckFacts {
    /// Of a check.
    #[must_use]
    pub fn new(outcome: Outcome, code: Code, sentence: impl Into<String>) -> Self {
        Self { outcome: outcome.into(), code: code.id().into(), sentence: sentence.into() }
    }
}

/// A step from a visa towards the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFacts {
    /// The visa.
    pub evidence: ContentId,
    /// Who issued it.
    pub issuer: Did,
}

impl From<&Step> for StepFacts {
    fn from(step: &Step) -> Self {
        Self { evidence: step.evidence.clone(), issuer: step.issuer.clone() }
    }
}

/// What was established about one visa.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VisaFacts {
    /// The hash of the visa as it was shown.
    pub evidence: ContentId,
    /// The role's name.
    pub role: String,
    /// The role's definition.
    pub definition: ContentId,
    /// Who issued it.
    pub issuer: Did,
    /// How it stands.
    pub standing: CheckFacts,
    /// What it says of its holder.
    pub claims: Map<String, Value>,
    /// What the visas say by which its issuer was allowed to issue it, each of those that hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<Map<String, Value>>,
    /// Until when it is valid.
    pub valid_until: UnixMillis,
    /// Whether nothing is open but its status, which is unknown or old. What is open for another
    /// reason, such as who authorised its issuer, may be anybody's invention.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_status_open: bool,
    /// The date of the oldest status list that decides on it.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub status_dated: Option<UnixMillis>,
    /// From the visa to the root.
    pub path: Vec<StepFacts>,
}

/// A status list that was relied on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFacts {
    /// Its id.
    pub list: String,
    /// Who signed it.
    pub signer: Did,
    /// Its date.
    pub dated: UnixMillis,
    /// Its hash.
    pub evidence: ContentId,
}

/// What was established about the node that signs for the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeFacts {
    /// The node.
    pub node: Did,
    /// How its authorisation stands.
    pub standing: CheckFacts,
    /// The authorisation; absent where it has no name, since it cannot be read.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ContentId>,
    /// Until when it is valid; absent where it cannot be read.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<UnixMillis>,
}

/// What a change would have to touch for the facts to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RestsOn {
    /// The status lists that any visa of the presentation, or the node's authorisation, names, at
    /// hand or not.
    pub status_lists: BTreeSet<String>,
    /// The definitions of all of them.
    pub definitions: BTreeSet<ContentId>,
    /// Whose keys were or would be asked for: presenter, issuers, signers of lists, and those whom
    /// a definition names as revokers.
    pub dids: BTreeSet<Did>,
    /// Whether holders of a role may revoke: then anybody's list may matter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revokers_by_role: bool,
}

/// Which trust it was judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustFacts {
    /// The framework: its first charter.
    pub framework: ContentId,
    /// The trust pack.
    pub pack: ContentId,
    /// Its newest charter.
    pub charter: ContentId,
}

/// What was established about a sender in a channel, from one presentation. It counts until
/// `expires`, and no longer than the lists and the charter that it rests on are the newest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Admission {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The channel's descriptor.
    pub channel: ContentId,
    /// The sender.
    pub sender: Did,
    /// Its presentation.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub presentation: Option<ContentId>,
    /// The trust pack that it was judged by.
    pub trust: TrustFacts,
    /// When it was judged.
    pub judged: UnixMillis,
    /// Until when it counts: the earliest end of any visa, status or authorisation.
    pub expires: UnixMillis,
    /// How the presentation itself stands.
    pub standing: CheckFacts,
    /// The visas that were shown, ordered by their hash.
    pub visas: Vec<VisaFacts>,
    /// The node's authorisation, where a node signs.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeFacts>,
    /// The status lists that were read.
    pub lists: Vec<ListFacts>,
    /// What it rests on, read or not.
    pub rests_on: RestsOn,
}

impl Admission {
    /// The name and the bytes (JCS) by which it is recorded.
    ///
    /// # Errors
    /// [`ContentIdError::NotJson`] if a claim has no canonical form.
    pub fn encode(&self) -> Result<(ContentId, Vec<u8>), ContentIdError> {
        ContentId::of_json(self)
    }

    /// Whether presentation or node failed: then nothing in it is anybody's.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        let node = self.node.as_ref().map(|n| n.standing.outcome);
        self.standing.outcome == Finding::Failed || node == Some(Finding::Failed)
    }

    /// Whether something in it may be judged otherwise as soon as something that is missing comes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let open = |c: &CheckFacts| c.outcome == Finding::Indeterminate;
        open(&self.standing)
            || self.node.iter().any(|n| open(&n.standing))
            || self.visas.iter().any(|v| open(&v.standing))
    }

    /// The hash of everything that it rests on, sorted.
    #[must_use]
    pub fn evidence(&self) -> Vec<ContentId> {
        let mut all: Vec<_> = [&self.trust.pack, &self.trust.charter].into_iter().collect();
        all.extend(&self.presentation);
        all.extend(self.visas.iter().map(|v| &v.evidence));
        all.extend(self.visas.iter().flat_map(|v| &v.path).map(|s| &s.evidence));
        all.extend(self.node.iter().filter_map(|n| n.evidence.as_ref()));
        all.extend(self.lists.iter().map(|l| &l.evidence));
        all.sort();
        all.dedup();
        all.into_iter().cloned().collect()
    }
}

/// Which envelope, and from whom: what ties the facts about a message to those about its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeFacts {
    /// The envelope's CID.
    pub id: EnvelopeId,
    /// The channel's descriptor, as its header names it.
    pub channel: ContentId,
    /// The sender.
    pub sender: Did,
    /// The node that signed it for the sender.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub node: Option<Did>,
    /// The authorisation that it names.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<ContentId>,
    /// The presentation that it names.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub presentation: Option<ContentId>,
}

/// What an envelope's header says, and what was found out about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MessageFacts {
    /// The envelope; absent where nothing was sent, and the question is what would be.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub envelope: Option<EnvelopeFacts>,
    /// The topic.
    pub topic: String,
    /// Its version.
    pub version: u32,
    /// The schema that the header names.
    pub schema: ContentId,
    /// The media type that the header names.
    pub media_type: String,
    /// Whom it is addressed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Did>,
    /// When it was made, as its sender says.
    pub issued: UnixMillis,
    /// Until when it counts.
    pub expires: UnixMillis,
    /// When it came to whoever decides, by its clock, live or caught up with; absent where no
    /// requirement of its topic asks for it.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub arrived: Option<UnixMillis>,
    /// The size of the payload as it travels.
    pub payload_bytes: u64,
    /// Whether the payload is sealed.
    pub sealed: bool,
    /// The header's attributes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// How the envelope's signature stands.
    pub signature: CheckFacts,
    /// To whom the payload is sealed; absent where it is not, or where nobody looked.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub sealing: Option<CheckFacts>,
    /// How the payload fits its schema; absent where it was not looked at.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub payload: Option<CheckFacts>,
    /// How many messages of the sender came in the minute before, where that is counted.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub sent_last_minute: Option<u64>,
}

/// A use of data that was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UseFacts {
    /// What is to be done with it.
    pub action: Action,
    /// Which data: its IRI or CID.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What for.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The duties that are undertaken, such as `attribute`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undertakes: Vec<String>,
}

/// What is to be decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Question {
    /// Whether the sender's message may pass.
    Publish(Box<MessageFacts>),
    /// Whether it may receive.
    Subscribe,
    /// Whether it may hold sealed messages for others.
    Keep,
    /// Whether it may use what it received.
    Use(UseFacts),
}
