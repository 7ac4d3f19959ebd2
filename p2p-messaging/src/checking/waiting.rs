//! Envelopes that cannot be decided yet: held in a bounded queue until what they wait for comes.

use super::{Chain, Limits, Source};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missing {
    /// A document: a presentation, an authorisation or a schema.
    Document(ContentId),
    /// What proves a DID, such as its log, or a newer state of it.
    Did(Did),
    /// A status list, role definition or DID document that the visas of a sender rest on: what an
    /// admission calls `restsOn`.
    Evidence(Did),
}

/// An envelope that waits, or has waited.
#[derive(Clone, Debug)]
pub struct Held {
    pub(super) wire: Vec<u8>,
    pub(super) source: Source,
    /// Its place in its chain: what comes together is checked in order.
    pub(super) place: (Chain, u64),
    /// The peer that passed it on. Room is given by peer: whose name stands in an envelope that
    /// was not verified is anybody's choice.
    pub(super) peer: String,
    pub(super) since: UnixMillis,
    pub(super) missing: BTreeSet<Missing>,
    /// What was asked for already: it is not asked for again.
    pub(super) asked: BTreeSet<Missing>,
}

impl Held {
    /// How it came.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The peer that passed it on, as it was named when it came.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }
}

/// What became of an envelope that should wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// It waits.
    Held,
    /// It waits already: what it waits for was asked for.
    Already,
    /// There is no room.
    Full,
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

    /// Holds an envelope, where there is room. Nobody is thrown out for it: else whoever sends most
    /// would have all of the room.
    pub(super) fn hold(&mut self, id: &EnvelopeId, new: Held) -> Hold {
        if self.held.contains_key(id) {
            return Hold::Already;
        }
        let (mut of_peer, mut peer_bytes) = (0_usize, new.wire.len());
        for held in self.held.values().filter(|h| h.peer == new.peer) {
            of_peer = of_peer.saturating_add(1);
            peer_bytes = peer_bytes.saturating_add(held.wire.len());
        }
        let bytes = self.bytes.saturating_add(new.wire.len());
        if new.missing.is_empty()
            || self.held.len() >= self.limits.waiting
            || bytes > self.limits.waiting_bytes
            || of_peer >= self.limits.waiting_per_peer
            || peer_bytes > self.limits.waiting_bytes_per_peer
        {
            return Hold::Full;
        }
        self.bytes = bytes;
        self.held.insert(id.clone(), new);
        Hold::Held
    }

    /// Those for which this was the last thing missing, in the order of their chains.
    pub(super) fn take(&mut self, what: &Missing) -> Vec<Held> {
        for held in self.held.values_mut() {
            held.missing.remove(what);
        }
        let ready = self.remove(|held| held.missing.is_empty());
        let mut ready: Vec<Held> = ready.into_iter().map(|(_, held)| held).collect();
        ready.sort_by(|a, b| a.place.cmp(&b.place));
        ready
    }

    /// Nobody has it: what needs it waits no longer, and leaves its room to others.
    pub(super) fn nobody_has(&mut self, what: &Missing) -> Vec<EnvelopeId> {
        let gone = self.remove(|held| held.missing.contains(what));
        gone.into_iter().map(|(id, _)| id).collect()
    }

    pub(super) fn give_up(&mut self, now: UnixMillis) -> Vec<EnvelopeId> {
        let most = self.limits.waiting_millis;
        let over = self.remove(|held| now.millis_since(held.since) >= most);
        over.into_iter().map(|(id, _)| id).collect()
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
