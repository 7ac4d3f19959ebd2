//! Files: what the operator sends and fetches, what peers may have of it. `spec/files.md`.
//!
//! ```text
//! gridpass file send  -> staged folder -> file-add -> message that refers to it -> offer
//! gridpass file fetch -> message -> reference -> offer -> fetching (task) <- block exchange <- peers
//! peers -> block exchange -> library: offers and rights, for each block
//! ```

mod asked;
mod fetching;
mod here;
mod lanes;
mod library;
mod rights;

pub use library::files_of;
pub(super) use library::{Both, Files};
pub(super) use rights::PeerRights;

use crate::envelope::Envelope;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// A message that refers to a file: who may have it follows from this and from who a peer is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Offer {
    /// The message.
    pub message: EnvelopeId,
    /// Its channel.
    pub channel: ContentId,
    /// Its sender.
    pub sender: Did,
    /// Its recipients; everybody who may read the channel, if none are named.
    pub recipients: Vec<Did>,
    /// When it was sent.
    pub issued: UnixMillis,
}

impl Offer {
    fn of(envelope: &Envelope) -> Self {
        let header = envelope.header();
        Self {
            message: envelope.id().clone(),
            channel: header.channel.clone(),
            sender: header.sender.clone(),
            recipients: header.recipients.clone(),
            issued: header.issued,
        }
    }
}

#[cfg(test)]
mod staging_tests;
