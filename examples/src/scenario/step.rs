//! What happens in a scenario, step by step.

use crate::documents::DocumentPlan;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A step. Steps are taken one after the other; a step is over when what it expects was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// A visa is asked for, reviewed, issued and accepted.
    Issue(Issue),
    /// A message is sent.
    Send(SendMessage),
    /// A file is sent, and fetched by those to whom it goes.
    SendFile(SendFile),
    /// A visa is revoked.
    Revoke(Revoke),
    /// The bytes of an earlier message are sent once more.
    Replay(Replay),
    /// A message is changed on its way.
    Tamper(Tamper),
    /// A participant's process is killed: no farewell, nothing written.
    Kill(Process),
    /// It is started again on what it left behind.
    Restart(Process),
    /// A participant's process ends in an orderly way.
    Leave(Process),
    /// It comes back.
    Return(Process),
}

/// See [`Step::Issue`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Issue {
    /// The step's own name.
    pub id: String,
    /// What happens, as a sentence.
    pub says: String,
    /// The visa, by its id; who holds and who issues it stands there.
    pub visa: String,
}

/// See [`Step::Send`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SendMessage {
    /// The step's own name; other steps refer to the message by it.
    pub id: String,
    /// What happens, as a sentence.
    pub says: String,
    /// Who sends.
    pub from: String,
    /// The channel.
    pub channel: String,
    /// The topic.
    pub topic: String,
    /// The recipients that the message names: none in a broadcast channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// The step whose message this answers: the two are in one thread, and the document refers to
    /// the other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The document: which kind, and its sizes.
    pub document: DocumentPlan,
    /// What is changed in the document's text before it is sent, where it is to be refused for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoil: Option<Spoil>,
    /// Attributes of the header that the payload does not say, or says otherwise. A text `@name`
    /// stands for the DID of a participant.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// What comes of it.
    pub expect: Expect,
}

/// See [`Step::SendFile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SendFile {
    /// The step's own name.
    pub id: String,
    /// What happens, as a sentence.
    pub says: String,
    /// Who sends.
    pub from: String,
    /// The channel.
    pub channel: String,
    /// The topic, whose schema is `file-reference`.
    pub topic: String,
    /// The recipients that the message names: none in a broadcast channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// The file's name.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// What it holds.
    pub document: DocumentPlan,
    /// What comes of it: who is delivered the reference fetches the file too.
    pub expect: Expect,
}

/// See [`Step::Revoke`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Revoke {
    /// The step's own name.
    pub id: String,
    /// What happens, as a sentence.
    pub says: String,
    /// The visa, by its id. Its issuer revokes it.
    pub visa: String,
    /// Who must come to know of it: participants.
    pub reaches: Vec<String>,
}

/// See [`Step::Replay`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Replay {
    /// The step's own name.
    pub id: String,
    /// What happens, as a sentence.
    pub says: String,
    /// The step whose message is sent again.
    pub of: String,
    /// Who sends it again.
    pub by: String,
    /// What comes of it.
    pub expect: Refusal,
    /// Whether it may also be that all know it by its bytes still, and do not look at it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub or_known: bool,
}

/// See [`Step::Tamper`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tamper {
    /// The step's own name.
    pub id: String,
    /// What happens, as a sentence.
    pub says: String,
    /// The step whose message is changed.
    pub of: String,
    /// Who passes the changed message on.
    pub by: String,
    /// What is changed: one bit of it.
    pub part: Part,
    /// What comes of it.
    pub expect: Refusal,
}

/// A part of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What policy reads.
    Protected,
    /// What the schema reads.
    Payload,
    /// The signature over both.
    Signature,
}

/// A participant's process ends or begins: [`Step::Kill`], [`Step::Restart`], [`Step::Leave`],
/// [`Step::Return`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Process {
    /// The step's own name.
    pub id: String,
    /// What happens, as a sentence.
    pub says: String,
    /// Whose process.
    pub participant: String,
    /// The steps whose messages it has, or gets now, though it was away: of those that come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub has: Vec<String>,
}

/// A change to the text of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spoil {
    /// What stands in it.
    pub find: String,
    /// What is put in its place, the first time that it stands there.
    pub replace: String,
}

/// What comes of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expect {
    /// It is delivered to these participants: who is away at the time gets it on coming back.
    Delivered(Vec<String>),
    /// Nobody is delivered it.
    Refused(Refusal),
}

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The code of the decision or check: `GP-POLICY-UNMET`.
    pub code: String,
    /// The requirements that are not satisfied, and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Codes that are among the causes: `GP-VALUE-DIFFERS`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

impl Step {
    /// Its own name.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Issue(s) => &s.id,
            Self::Send(s) => &s.id,
            Self::SendFile(s) => &s.id,
            Self::Revoke(s) => &s.id,
            Self::Replay(s) => &s.id,
            Self::Tamper(s) => &s.id,
            Self::Kill(s) | Self::Restart(s) | Self::Leave(s) | Self::Return(s) => &s.id,
        }
    }

    /// What happens, as a sentence.
    #[must_use]
    pub fn says(&self) -> &str {
        match self {
            Self::Issue(s) => &s.says,
            Self::Send(s) => &s.says,
            Self::SendFile(s) => &s.says,
            Self::Revoke(s) => &s.says,
            Self::Replay(s) => &s.says,
            Self::Tamper(s) => &s.says,
            Self::Kill(s) | Self::Restart(s) | Self::Leave(s) | Self::Return(s) => &s.says,
        }
    }

    /// The message that it sends, if it sends one that is no file.
    #[must_use]
    pub fn send(&self) -> Option<&SendMessage> {
        match self {
            Self::Send(send) => Some(send),
            Self::Issue(_)
            | Self::SendFile(_)
            | Self::Revoke(_)
            | Self::Replay(_)
            | Self::Tamper(_)
            | Self::Kill(_)
            | Self::Restart(_)
            | Self::Leave(_)
            | Self::Return(_) => None,
        }
    }
}
