//! What a checker is told of what is stored.

use crate::envelope::{Envelope, Header};
use crate::sealing::Opening;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::verify::Evidence;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::time::UnixMillis;

/// Whose messages are numbered together: those of one sender and key in one channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain {
    /// The channel's descriptor.
    pub channel: ContentId,
    /// The sender.
    pub sender: Did,
    /// The key that signs: the sender's own, or a node's.
    pub key: DidUrl,
}

impl Chain {
    /// The chain that an envelope belongs to.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        Self {
            channel: header.channel.clone(),
            sender: header.sender.clone(),
            key: header.key.clone(),
        }
    }
}

/// A known message of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub id: EnvelopeId,
    /// The one that it names as its predecessor.
    pub previous: Option<EnvelopeId>,
    /// When it was made, as its sender says.
    pub issued: UnixMillis,
}

/// What is stored. Asked again and again: answers must be quick.
pub trait Known {
    /// The message of a chain with a number, allowed or refused.
    fn at(&self, chain: &Chain, sequence: u64) -> Option<Link>;
    /// The greatest number of a chain that is known.
    fn head(&self, chain: &Chain) -> Option<u64>;
    /// Whether two messages are kept by which a chain contradicts itself, in whatever.
    fn forked(&self, chain: &Chain) -> bool;
    /// Whether that proof is of two messages of one number, which are proof to everybody.
    fn proven(&self, chain: &Chain) -> bool;
    /// A document by its name: a presentation, an authorisation, or an epoch. Its bytes were held against it.
    fn document(&self, id: &ContentId) -> Option<Vec<u8>>;
    /// Whether an epoch was kept with a message of it.
    fn keeps_epoch(&self, id: &ContentId) -> bool;
    /// What the epochs of a sender in a channel cost, by all of its keys, that were kept and say that they
    /// began in an hour: [`crate::sealing::allowance`].
    fn epochs_cost(&self, sender: (&ContentId, &Did), hour: u64) -> u64;
    /// What presentations and authorisations are judged by.
    fn evidence(&self) -> Evidence<'_>;
    /// The payload of a sealed envelope, where its key is at hand.
    fn open(&self, envelope: &Envelope) -> Opening {
        let _ = envelope;
        Opening::NoKey
    }
}
