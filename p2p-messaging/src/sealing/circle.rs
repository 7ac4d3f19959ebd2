//! A sender's side of a sealed channel: who may read, which epoch is under way for whom, and when
//! another has to begin. No clock, no randomness.

use super::SELDOM_MILLIS;
use super::allowance::{self, JOINS_AN_HOUR};
use super::epoch::Epoch;
use super::ratchet::{ChainKey, MAX_STEPS};
use super::sending::Terms;
use crate::checking::Speaker;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most nodes that are remembered of one channel.
const MAX_KNOWN: usize = 4096;
/// The most nodes of one participant.
const MAX_NODES: usize = 16;
/// How long a node that may read was silent when it makes room for another, in milliseconds.
const SILENT_MILLIS: u64 = 2 * SELDOM_MILLIS;
/// The most sets of recipients with an epoch under way.
const MAX_UNDER_WAY: usize = 1024;
/// How long an epoch counts at least before somebody who joins begins another, in milliseconds:
/// many who join at once do not begin one each.
const JOIN_MILLIS: u64 = 5_000;

/// A node that may be handed keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Member {
    /// The node: a did:key, to which keys are sealed.
    pub node: Did,
    /// For whom it acts.
    pub participant: Did,
    /// By which authorisation; absent where the participant is the node.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<ContentId>,
    /// By which presentation its participant may read.
    pub presentation: ContentId,
}

impl Member {
    /// The same, as who asks to read a channel.
    #[must_use]
    pub fn speaker<'s>(&'s self, channel: &'s ContentId) -> Speaker<'s> {
        Speaker {
            channel,
            participant: &self.participant,
            node: Some(&self.node).zip(self.authorisation.as_ref()),
            presentation: &self.presentation,
        }
    }
}

/// What was found out about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it may be handed keys.
    pub may: bool,
    /// Until when that counts where nothing changes but the time.
    pub until: UnixMillis,
}

impl Standing {
    /// Of a node of which nothing was found out yet.
    pub const UNKNOWN: Self = Self { may: false, until: UnixMillis::from_millis(0) };
}

/// By what is known, and when, something is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// How often something changed that rights rest on.
    pub changes: u64,
    /// The time.
    pub now: UnixMillis,
}

struct Heard {
    member: Member,
    /// What was found out last, and when.
    standing: Standing,
    judged: AsOf,
    last: UnixMillis,
}

impl Heard {
    fn may(&self) -> bool {
        self.standing.may
    }

    /// Whether it has to be found out again.
    fn is_due(&self, as_of: AsOf) -> bool {
        self.judged.changes != as_of.changes
            || as_of.now >= self.standing.until
            || as_of.now < self.judged.now
    }
}

/// The epoch that is under way for a set of recipients.
struct UnderWay {
    id: ContentId,
    first: u64,
    begun: UnixMillis,
    cost: u64,
    members: BTreeSet<Member>,
    /// Those who were or will be handed its key beside its document.
    granted: BTreeSet<Member>,
    /// As of which change of the circle it was looked at, and whether somebody had joined.
    looked: Option<(u64, bool)>,
    /// How far its chain key was moved on: up to this message.
    at: u64,
    key: ChainKey,
}

/// Those who may read a channel, as far as a sender knows them.
#[derive(Default)]
pub struct Circle {
    heard: BTreeMap<Did, Heard>,
    /// How often somebody came, went, or was found to stand otherwise.
    changes: u64,
    epochs: BTreeMap<Vec<Did>, UnderWay>,
}

impl Circle {
    /// A node said that it may read, and that was found to be so or not. Whether this is news; it is none
    /// where there is no room for it.
    pub fn heard(&mut self, member: Member, standing: Standing, judged: AsOf) -> bool {
        let before = self.heard.get(&member.node);
        let news = before.is_none_or(|h| h.member != member || h.may() != standing.may);
        if before.is_none() && !self.make_room(&member.participant, judged.now) {
            return false;
        }
        if news {
            self.changes = self.changes.saturating_add(1);
        }
        let last = judged.now;
        self.heard.insert(member.node.clone(), Heard { member, standing, judged, last });
        news
    }

    /// Whether there is room for another node of a participant. One that may not read makes some, else the
    /// one that was silent longest, where it may be gone. One that is there would say so again, and each
    /// that is put out ends the epochs that it is in: more nodes than there is room for would end one with
    /// every message.
    fn make_room(&mut self, participant: &Did, now: UnixMillis) -> bool {
        let first = |h: &&Heard| (h.may(), h.last);
        let own = self.heard.values().filter(|h| h.member.participant == *participant);
        let first = if own.clone().count() >= MAX_NODES {
            own.min_by_key(first)
        } else if self.heard.len() >= MAX_KNOWN {
            self.heard.values().min_by_key(first)
        } else {
            return true;
        };
        let gone = first.filter(|h| !h.may() || now.millis_since(h.last) > SILENT_MILLIS);
        let Some(node) = gone.map(|h| h.member.node.clone()) else { return false };
        self.heard.remove(&node);
        true
    }

    /// Whether a node was heard of.
    #[must_use]
    pub fn knows(&self, node: &Did) -> bool {
        self.heard.contains_key(node)
    }

    /// Finds out again who may read, of those who may be meant by these recipients (of all, if there are
    /// none): where something changed, or the time has come at which it could have. So many at most, those
    /// who could first. How many were looked at.
    pub fn judge(
        &mut self,
        as_of: AsOf,
        recipients: &[Did],
        most: usize,
        mut look: impl FnMut(&Member) -> Standing,
    ) -> usize {
        let named = |m: &Member| recipients.is_empty() || recipients.contains(&m.participant);
        let mut due: Vec<_> =
            self.heard.values_mut().filter(|h| h.is_due(as_of) && named(&h.member)).collect();
        if due.len() > most {
            due.sort_by_key(|h| (!h.may(), h.judged.now));
            due.truncate(most);
        }
        let mut changed = false;
        for heard in &mut due {
            let found = look(&heard.member);
            changed |= found.may != heard.may();
            (heard.standing, heard.judged) = (found, as_of);
        }
        let count = due.len();
        if changed {
            self.changes = self.changes.saturating_add(1);
        }
        count
    }

    /// Those who may read what is for these recipients; for all, if there are none.
    #[must_use]
    pub fn members(&self, recipients: &[Did]) -> Vec<Member> {
        let named = |m: &Member| recipients.is_empty() || recipients.contains(&m.participant);
        let all = self.heard.values().filter(|h| h.may()).map(|h| &h.member);
        all.filter(|m| named(m)).cloned().collect()
    }

    /// How many may read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heard.values().filter(|h| h.may()).count()
    }

    /// Whether nobody may.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a node may read.
    #[must_use]
    pub fn has(&self, node: &Did) -> bool {
        self.heard.get(node).is_some_and(Heard::may)
    }

    /// The epoch of the next message, and its key; nothing where another epoch has to begin: for the
    /// first message, after a while, where somebody may not read any more, or where somebody joined.
    pub fn current(
        &mut self,
        recipients: &[Did],
        sequence: u64,
        now: UnixMillis,
        terms: Terms,
    ) -> Option<(ContentId, ChainKey)> {
        let mut audience = recipients.to_vec();
        audience.sort();
        let changes = self.changes;
        let looked = self.epochs.get(&audience)?.looked.filter(|(of, _)| *of == changes);
        let joined = match looked {
            Some((_, joined)) => joined,
            None => self.look_at(&audience)?,
        };
        let epoch = self.epochs.get_mut(&audience)?;
        let age = now.millis_since(epoch.begun);
        // Who joined is handed the key beside it as long as peers might not take another epoch.
        let pause = allowance::join_pause(epoch.cost).max(JOIN_MILLIS);
        let spare = terms.spent.saturating_add(epoch.cost) <= JOINS_AN_HOUR;
        let joined = joined && age >= pause && spare;
        // A clock that was set back says nothing of how old it is.
        let over = age >= terms.longest_millis || now < epoch.begun;
        let steps = sequence.checked_sub(epoch.first).filter(|s| *s < MAX_STEPS);
        if joined || over || steps.is_none() {
            return None;
        }
        // What was passed over is not needed again: own messages are opened with the first key.
        let on = sequence.checked_sub(epoch.at)?;
        epoch.key = epoch.key.forward(on).ok()?;
        epoch.at = sequence;
        Some((epoch.id.clone(), epoch.key.clone()))
    }

    /// Whether somebody joined since the epoch for these began; nothing where somebody may not read any
    /// more who is in it or was granted it.
    fn look_at(&mut self, audience: &[Did]) -> Option<bool> {
        let members: BTreeSet<Member> = self.members(audience).into_iter().collect();
        let epoch = self.epochs.get_mut(audience)?;
        // By other documents than before a node still acts for the same participant.
        let nodes: BTreeMap<&Did, &Did> =
            members.iter().map(|m| (&m.node, &m.participant)).collect();
        let may = |m: &Member| nodes.get(&m.node).is_some_and(|p| **p == m.participant);
        if !epoch.members.iter().chain(&epoch.granted).all(may) {
            return None;
        }
        // Who joined meanwhile is entitled to what is sent, and will be handed its key.
        let new: Vec<_> = members.difference(&epoch.members).cloned().collect();
        let joined = !new.is_empty();
        epoch.granted.extend(new);
        epoch.looked = Some((self.changes, joined));
        Some(joined)
    }

    /// A node was handed the key of an epoch beside its document: when its right ends, so does the
    /// epoch.
    pub fn granted(&mut self, epoch: &ContentId, member: &Member) {
        if let Some(under_way) = self.epochs.values_mut().find(|e| &e.id == epoch) {
            under_way.granted.insert(member.clone());
            under_way.looked = None;
        }
    }

    /// Forgets the epochs that are under way: the next messages begin others.
    pub fn begin_anew(&mut self) {
        self.epochs.clear();
    }

    /// An epoch began.
    pub fn begin(&mut self, epoch: &Epoch, key: ChainKey) {
        if self.epochs.len() >= MAX_UNDER_WAY
            && let Some(oldest) =
                self.epochs.iter().min_by_key(|(_, e)| e.begun).map(|(a, _)| a.clone())
        {
            self.epochs.remove(&oldest);
        }
        let under_way = UnderWay {
            id: epoch.id().clone(),
            first: epoch.first(),
            begun: epoch.begun(),
            cost: epoch.cost(),
            members: epoch.members().iter().cloned().collect(),
            granted: BTreeSet::new(),
            looked: None,
            at: epoch.first(),
            key,
        };
        self.epochs.insert(epoch.recipients().to_vec(), under_way);
    }
}

#[cfg(test)]
#[path = "circle_tests.rs"]
mod tests;
