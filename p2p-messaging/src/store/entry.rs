//! What a node writes into its log. `spec/log.md` section 5.

use crate::checking::Chain;
use crate::envelope::{Envelope, EnvelopeError};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::facts::CheckFacts;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// One record: DAG-CBOR, with the version of the format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Entry {
    /// An envelope that took its place in its chain.
    Envelope(Box<Kept>),
    /// A document that is named by the CID of its bytes.
    Document(ByteBuf),
    /// Two envelopes that contradict each other: the name of the one that was kept, and the other.
    Fork {
        /// The one that was kept.
        first: EnvelopeId,
        /// The block of the other.
        second: ByteBuf,
    },
    /// A receipt: of this participant for what others sent, or of others for what it sent.
    Receipt {
        /// Whether this participant signed it.
        own: bool,
        /// As it was signed.
        receipt: ByteBuf,
    },
    /// A sealed message that was opened later, since its key came later: it is delivered with this
    /// number, or refused.
    Opened {
        /// Which.
        envelope: EnvelopeId,
        /// Whether it is delivered here.
        deliver: bool,
        /// How its payload fits its schema.
        payload: CheckFacts,
        /// When it was opened.
        at: UnixMillis,
    },
    /// The document of an epoch, an own or another's, of which a message is kept.
    Epoch(ByteBuf),
    /// Keys that a sender handed to this node, and the epochs that they are of.
    Grant {
        /// The channel.
        channel: ContentId,
        /// The sender.
        sender: Did,
        /// The sender's key.
        key: String,
        /// The epochs.
        epochs: Vec<ContentId>,
        /// The statement, as it was signed.
        statement: ByteBuf,
    },
    /// What was the document of an epoch, or a statement that granted keys, and is forgotten: its name, the
    /// CID of its bytes.
    Forgotten(ContentId),
    /// Under which reference of its sender an own message is sent. It stands before the message: what was
    /// cut off between both was never sent.
    Sent {
        /// The channel.
        channel: ContentId,
        /// The reference.
        #[serde(rename = "ref")]
        reference: String,
        /// The message.
        envelope: EnvelopeId,
        /// Its number in the own chain.
        sequence: u64,
    },
    /// How far an application has read.
    Cursor {
        /// The application\'s name for itself.
        reader: String,
        /// The number of the last record that it is done with.
        number: u64,
    },
}

/// An envelope with what was decided about it. With the envelope\'s own header this is everything
/// that its decision is made again from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// The envelope: as it travels, or its block where the payload is not kept.
    pub envelope: ByteBuf,
    /// Whether `envelope` has the payload.
    pub whole: bool,
    /// Whether the channel allows it.
    pub allowed: bool,
    /// Whether it is delivered here.
    pub deliver: bool,
    /// Whether it came by catching up.
    pub caught_up: bool,
    /// The time for which it was decided.
    pub at: UnixMillis,
    /// When it came, where its channel asks for that.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub arrived: Option<UnixMillis>,
    /// The facts about the sender.
    pub admission: ContentId,
    /// How the payload fits its schema, where it was looked at.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub payload: Option<CheckFacts>,
    /// To whom the payload is sealed, where that was looked at.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub sealing: Option<CheckFacts>,
    /// How many of the sender had come in the minute before, where that was counted.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub sent_last_minute: Option<u64>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Kept {
    /// The envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`] if it is none: the record was written by another program.
    pub fn envelope(&self) -> Result<Envelope, EnvelopeError> {
        if self.whole {
            Envelope::parse(&self.envelope)
        } else {
            Envelope::parse_block(&self.envelope)
        }
    }
}

impl Entry {
    /// Whose keys a grant is of.
    pub(super) fn granted_by(&self) -> Option<Chain> {
        let Self::Grant { channel, sender, key, .. } = self else { return None };
        let key = DidUrl::parse(key).ok()?;
        Some(Chain { channel: channel.clone(), sender: sender.clone(), key })
    }
}

/// The version of the format of records.
const VERSION: u8 = 1;

impl Entry {
    /// As it is written.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![VERSION];
        serde_ipld_dagcbor::to_writer(&mut bytes, self).ok()?;
        Some(bytes)
    }

    /// Reads one; nothing for a record of another version, or that is none of this version's.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => serde_ipld_dagcbor::from_slice(rest).ok(),
            _ => None,
        }
    }

    /// Whether a body is of a version that is not known here.
    #[must_use]
    pub fn is_of_another_version(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|version| *version != VERSION)
    }

    /// Whether all of it can be read, the envelope in it too.
    pub(super) fn is_readable(bytes: &[u8]) -> bool {
        Self::decode(bytes).is_some_and(|entry| match entry {
            Self::Envelope(kept) => kept.envelope().is_ok(),
            _ => true,
        })
    }
}
