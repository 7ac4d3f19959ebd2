//! A group: entries that are seen, and not yet durable.

use super::StoreError;
use super::entry::{Entry, Kept};
use super::index::Located;
use crate::checking::{Chain, Link};
use crate::envelope::Envelope;
use crate::sealing::Outline;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the index notes of an entry.
pub(super) enum Noted {
    Envelope(Box<Located>),
    Other(Entry),
}

impl Noted {
    /// The time of its record: what was opened is no earlier than its message ([`super::Store::stage`]).
    fn logged(&self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Other(Entry::Opened { at, .. }) => now.max(*at),
            Self::Envelope(_) | Self::Other(_) => now,
        }
    }
}

#[derive(Default)]
pub(super) struct Staged {
    /// What the index needs of each, and how it is written.
    noted: Vec<Noted>,
    bodies: Vec<Vec<u8>>,
    /// The place of each envelope in the group.
    envelopes: HashMap<EnvelopeId, usize>,
    chains: HashMap<Chain, BTreeMap<u64, Link>>,
    documents: HashMap<ContentId, Vec<u8>>,
    /// What new epochs cost, by channel, sender and hour.
    epochs: HashMap<(ContentId, Did, u64), u64>,
    /// By which messages chains contradict themselves: the name of the one, and the number of the other.
    forks: HashMap<Chain, (EnvelopeId, u64)>,
    opened: HashSet<EnvelopeId>,
}

impl Staged {
    pub(super) fn take(&mut self, entry: Entry) -> Result<(), StoreError> {
        let body = body_of(&entry)?;
        match &entry {
            Entry::Envelope(kept) => {
                let envelope = kept.envelope().map_err(|_| StoreError::Entry)?;
                self.take_located(Located::of(&envelope, kept), body);
                return Ok(());
            }
            Entry::Document(bytes) | Entry::Epoch(bytes) => {
                let id = ContentId::of_bytes(bytes).map_err(|_| StoreError::Entry)?;
                self.documents.insert(id, bytes.to_vec());
            }
            Entry::Fork { first, second } => {
                let other = Envelope::parse_block(second).map_err(|_| StoreError::Entry)?;
                let header = other.header();
                self.forks.insert(Chain::of(header), (first.clone(), header.sequence));
            }
            Entry::Opened { envelope, .. } => {
                self.opened.insert(envelope.clone());
            }
            Entry::Cursor { .. }
            | Entry::Sent { .. }
            | Entry::Receipt { .. }
            | Entry::Grant { .. }
            | Entry::Forgotten(_) => {}
        }
        self.noted.push(Noted::Other(entry));
        self.bodies.push(body);
        Ok(())
    }

    pub(super) fn take_envelope(
        &mut self,
        envelope: &Envelope,
        kept: Kept,
    ) -> Result<(), StoreError> {
        let located = Located::of(envelope, &kept);
        let body = body_of(&Entry::Envelope(Box::new(kept)))?;
        self.take_located(located, body);
        Ok(())
    }

    fn take_located(&mut self, located: Located, body: Vec<u8>) {
        let Located { chain, sequence, link, .. } = &located;
        self.envelopes.insert(link.id.clone(), self.noted.len());
        self.chains.entry(chain.clone()).or_default().insert(*sequence, link.clone());
        self.noted.push(Noted::Envelope(Box::new(located)));
        self.bodies.push(body);
    }

    pub(super) fn len(&self) -> usize {
        self.noted.len()
    }

    /// Each as it is written, with its time.
    pub(super) fn records(&self, now: UnixMillis) -> Vec<(UnixMillis, &[u8])> {
        let all = self.noted.iter().zip(&self.bodies);
        all.map(|(noted, body)| (noted.logged(now), body.as_slice())).collect()
    }

    pub(super) fn noted(&self) -> &[Noted] {
        &self.noted
    }

    /// Where a reader is, by the last that it said.
    pub(super) fn cursor(&self, of: &str) -> Option<u64> {
        self.noted.iter().rev().find_map(|noted| match noted {
            Noted::Other(Entry::Cursor { reader, number }) if reader == of => Some(*number),
            _ => None,
        })
    }

    /// What is sent in a channel under a reference, and its number in the own chain.
    pub(super) fn sent(&self, of: &ContentId, under: &str) -> Option<(EnvelopeId, u64)> {
        self.noted.iter().rev().find_map(|noted| match noted {
            Noted::Other(Entry::Sent { channel, reference, envelope, sequence })
                if channel == of && reference == under =>
            {
                Some((envelope.clone(), *sequence))
            }
            _ => None,
        })
    }

    /// Under which reference a message is sent.
    pub(super) fn reference(&self, id: &EnvelopeId) -> Option<&str> {
        self.noted.iter().rev().find_map(|noted| match noted {
            Noted::Other(Entry::Sent { reference, envelope, .. }) if envelope == id => {
                Some(reference.as_str())
            }
            _ => None,
        })
    }

    pub(super) fn has(&self, id: &EnvelopeId) -> bool {
        self.envelopes.contains_key(id)
    }

    pub(super) fn envelope(&self, id: &EnvelopeId) -> Option<Kept> {
        match Entry::decode(self.bodies.get(*self.envelopes.get(id)?)?)? {
            Entry::Envelope(kept) => Some(*kept),
            _ => None,
        }
    }

    pub(super) fn link(&self, chain: &Chain, sequence: u64) -> Option<&Link> {
        self.chains.get(chain)?.get(&sequence)
    }

    pub(super) fn newest(&self, chain: &Chain) -> Option<u64> {
        self.chains.get(chain)?.last_key_value().map(|(number, _)| *number)
    }

    pub(super) fn numbers(&self, chain: &Chain) -> impl Iterator<Item = u64> {
        self.chains.get(chain).into_iter().flat_map(BTreeMap::keys).copied()
    }

    pub(super) fn document(&self, id: &ContentId) -> Option<&[u8]> {
        self.documents.get(id).map(Vec::as_slice)
    }

    pub(super) fn count_epoch(&mut self, epoch: &Outline) {
        let Chain { channel, sender, .. } = epoch.chain.clone();
        let cost = self.epochs.entry((channel, sender, epoch.hour())).or_default();
        *cost = cost.saturating_add(epoch.cost);
    }

    pub(super) fn epochs_cost(&self, (channel, sender): (&ContentId, &Did), hour: u64) -> u64 {
        // Most often there is none, and the key is not to be had for nothing.
        if self.epochs.is_empty() {
            return 0;
        }
        let place = (channel.clone(), sender.clone(), hour);
        self.epochs.get(&place).copied().unwrap_or_default()
    }

    pub(super) fn fork(&self, chain: &Chain) -> Option<&(EnvelopeId, u64)> {
        self.forks.get(chain)
    }

    pub(super) fn opened(&self, id: &EnvelopeId) -> bool {
        self.opened.contains(id)
    }
}

/// An entry as it is written; not one that the log does not take, since it takes a group whole.
fn body_of(entry: &Entry) -> Result<Vec<u8>, StoreError> {
    entry.encode().filter(|b| b.len() <= crate::log::MAX_BODY).ok_or(StoreError::Entry)
}
