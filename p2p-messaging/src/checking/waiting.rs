//! Envelopes that cannot be decided yet: held in a bounded queue until what they wait for comes.

use super::room::{Taken, who_makes_room};
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
    /// As whom that peer is known, where it is somebody.
    pub(super) known_as: Option<String>,
    /// When it came first.
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

    /// Whose room it takes: of those that are somebody, or of strangers.
    fn holder(&self) -> (bool, &str) {
        self.known_as.as_deref().map_or((false, self.peer.as_str()), |name| (true, name))
    }

    fn taken(&self, cost: usize) -> Taken<'_, UnixMillis> {
        Taken { holder: self.holder(), cost, since: self.since }
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
    /// Those that made room for others, and of which nobody was told yet.
    displaced: Vec<EnvelopeId>,
}

impl Waiting {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, held: BTreeMap::new(), displaced: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn has(&self, id: &EnvelopeId) -> bool {
        self.held.contains_key(id)
    }

    /// Since when one waits, if it does.
    pub(super) fn since(&self, id: &EnvelopeId) -> Option<UnixMillis> {
        self.held.get(id).map(|held| held.since)
    }

    /// Holds an envelope, where there is room. Where there is none, the latest of whoever has most makes
    /// it, if that is more than the new one's holder has with it: whoever sends most has no more of the
    /// room than anybody else who asks for some.
    pub(super) fn hold(&mut self, id: &EnvelopeId, new: Held) -> Hold {
        if self.held.contains_key(id) {
            return Hold::Already;
        }
        let (mut of_it, mut its_bytes) = (0_usize, new.wire.len());
        for held in self.held.values().filter(|h| h.holder() == new.holder()) {
            of_it = of_it.saturating_add(1);
            its_bytes = its_bytes.saturating_add(held.wire.len());
        }
        if new.missing.is_empty()
            || of_it >= self.limits.waiting_per_peer
            || its_bytes > self.limits.waiting_bytes_per_peer
            || !self.make_room(&new)
        {
            return Hold::Full;
        }
        self.held.insert(id.clone(), new);
        Hold::Held
    }

    /// What an envelope takes of the room, in bytes: a place at least.
    fn cost(&self, held: &Held) -> usize {
        let place = self.limits.waiting_bytes.checked_div(self.limits.waiting).unwrap_or_default();
        held.wire.len().max(place)
    }

    /// Whether there is room for one more, or others made some. Strangers have a quarter, whatever is in
    /// the rest: names cost nothing, so that they could have all of it.
    fn make_room(&mut self, new: &Held) -> bool {
        let strangers = self.limits.waiting_bytes.checked_div(4).unwrap_or_default();
        let (is_known, _) = new.holder();
        let room = match is_known {
            true => self.limits.waiting_bytes.saturating_sub(strangers),
            false => strangers,
        };
        let of = |held: &Held| self.cost(held);
        let (ids, waiting): (Vec<&EnvelopeId>, Vec<_>) =
            self.held.iter().map(|(id, held)| (id, held.taken(of(held)))).unzip();
        let Some(gone) = who_makes_room(&waiting, &new.taken(of(new)), room) else {
            return false;
        };
        let gone: Vec<EnvelopeId> =
            gone.iter().filter_map(|place| ids.get(*place).copied().cloned()).collect();
        for id in gone {
            self.held.remove(&id);
            if self.displaced.len() < self.limits.waiting {
                self.displaced.push(id);
            }
        }
        true
    }

    /// A peer is gone: what it brought as a stranger leaves its room to others. Else it would come back
    /// under another name for as much again.
    pub(super) fn peer_gone(&mut self, peer: &str) -> Vec<EnvelopeId> {
        let gone = self.remove(|held| held.holder() == (false, peer));
        gone.into_iter().map(|(id, _)| id).collect()
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
        for held in self.held.values_mut() {
            // A clock that was set back: it waits no longer than from now on.
            held.since = held.since.min(now);
        }
        let most = self.limits.waiting_millis;
        let over = self.remove(|held| now.millis_since(held.since) >= most);
        let mut given_up = std::mem::take(&mut self.displaced);
        given_up.extend(over.into_iter().map(|(id, _)| id));
        given_up
    }

    fn remove(&mut self, which: impl Fn(&Held) -> bool) -> Vec<(EnvelopeId, Held)> {
        let ids: Vec<_> =
            self.held.iter().filter(|(_, h)| which(h)).map(|(id, _)| id.clone()).collect();
        let mut removed = Vec::new();
        for id in ids {
            if let Some(held) = self.held.remove(&id) {
                removed.push((id, held));
            }
        }
        removed
    }
}
