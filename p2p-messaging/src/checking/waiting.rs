//! Envelopes that cannot be decided yet: held in a bounded queue until what they wait for comes.

use super::{Limits, Source};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// A document: a presentation, or an authorisation.
    Document(ContentId),
    /// What proves a DID, such as its log.
    Did(Did),
}

struct Held {
    wire: Vec<u8>,
    source: Source,
    sender: Did,
    since: UnixMillis,
    missing: BTreeSet<Missing>,
}

pub(super) struct Waiting {
    limits: Limits,
    held: BTreeMap<EnvelopeId, Held>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, held: BTreeMap::new(), bytes: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Holds an envelope; says whether there was room. Nobody is thrown out for it: else whoever
    /// sends most would have all of the room.
    pub(super) fn hold(
        &mut self,
        id: &EnvelopeId,
        wire: &[u8],
        source: Source,
        sender: Did,
        missing: Vec<Missing>,
        now: UnixMillis,
    ) -> bool {
        if self.held.contains_key(id) {
            return true;
        }
        let of_sender = self.held.values().filter(|h| h.sender == sender).count();
        let bytes = self.bytes.saturating_add(wire.len());
        if missing.is_empty()
            || self.held.len() >= self.limits.waiting
            || bytes > self.limits.waiting_bytes
            || of_sender >= self.limits.waiting_per_sender
        {
            return false;
        }
        self.bytes = bytes;
        let missing = missing.into_iter().collect();
        let held = Held { wire: wire.to_vec(), source, sender, since: now, missing };
        self.held.insert(id.clone(), held);
        true
    }

    /// Those for which this was the last thing missing.
    pub(super) fn take(&mut self, what: &Missing) -> Vec<(Vec<u8>, Source)> {
        for held in self.held.values_mut() {
            held.missing.remove(what);
        }
        self.remove(|held| held.missing.is_empty())
            .into_iter()
            .map(|(_, h)| (h.wire, h.source))
            .collect()
    }

    pub(super) fn give_up(&mut self, now: UnixMillis) -> Vec<EnvelopeId> {
        let most = self.limits.waiting_millis;
        self.remove(|held| now.millis_since(held.since) >= most)
            .into_iter()
            .map(|(id, _)| id)
            .collect()
    }

    fn remove(&mut self, which: impl Fn(&Held) -> bool) -> Vec<(EnvelopeId, Held)> {
        let ids: Vec<_> =
            self.held.iter().filter(|(_, h)| which(h)).map(|(id, _)| id.clone()).collect();
        let mut removed = Vec::new();
        for id in ids {
            if let Some(held) = self.held.remove(&id) {
                self.bytes = self.bytes.saturating_sub(held.wire.len());
                removed.push((id, held));
            }
        }
        removed
    }
}
