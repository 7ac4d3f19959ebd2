//! What an operator asks of a running node, and what it is answered: JSON, one object on a line,
//! over a socket in the node's folder that only its owner can open. `spec/control.md`.

use crate::codes;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The longest line, in bytes.
pub const MAX_LINE: usize = 24 * 1024 * 1024;

/// A message to send.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewMessage {
    /// The channel: its CID, or its name where only one has it.
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
}

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
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
    },
    /// What recipients say of one own message.
    Receipts {
        /// Which.
        envelope: EnvelopeId,
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
pub type ControlResult = Result<Value, (Code, String)>;

/// An answer as a line.
#[must_use]
pub fn to_line(result: &ControlResult) -> Vec<u8> {
    let value = match result {
        Ok(value) => json!({"ok": value}),
        Err((code, message)) => json!({"error": {"code": code.id(), "message": message}}),
    };
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// Reads a question.
///
/// # Errors
/// The code and what is wrong.
pub fn parse(line: &[u8]) -> Result<Asked, (Code, String)> {
    serde_json::from_slice(line).map_err(|e| (codes::NODE_REQUEST, e.to_string()))
}
