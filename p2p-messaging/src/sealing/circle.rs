//! A sender's side of a sealed channel: who may read, which epoch is under way for whom, and when
//! another has to begin. No clock, no randomness.

use super::epoch::Epoch;
use super::ratchet::{ChainKey, MAX_STEPS};
use crate::checking::Speaker;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most nodes that are remembered of one channel.
const MAX_KNOWN: usize = 4096;
/// The most nodes of one participant: the one that was silent longest makes room for another.
const MAX_NODES: usize = 16;
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

struct Heard {
    member: Member,
    /// Whether it may read, as far as was found out last.
    may: bool,
    last: UnixMillis,
}

/// The epoch that is under way for a set of recipients.
struct UnderWay {
    id: ContentId,
    first: u64,
    begun: UnixMillis,
    members: BTreeSet<Member>,
    /// Those who were or will be handed its key beside its document.
    granted: BTreeSet<Member>,
    /// How far its chain key was moved on: up to this message.
    at: u64,
    key: ChainKey,
}

/// Those who may read a channel, as far as a sender knows them.
#[derive(Default)]
pub struct Circle {
    heard: BTreeMap<Did, Heard>,
    epochs: BTreeMap<Vec<Did>, UnderWay>,
}

impl Circle {
    /// A node said that it may read, and that was found to be so or not. Whether this is news.
    pub fn heard(&mut self, member: Member, may: bool, now: UnixMillis) -> bool {
        let before = self.heard.get(&member.node);
        let news = before.is_none_or(|h| h.member != member || h.may != may);
        if before.is_none() {
            let of_it = |h: &&Heard| h.member.participant == member.participant;
            let own = self.heard.values().filter(of_it);
            // One that may not read makes room, and else the one that was silent longest.
            let gone = if own.clone().count() >= MAX_NODES {
                own.min_by_key(|h| (h.may, h.last))
            } else {
                let all = Some(&self.heard).filter(|all| all.len() >= MAX_KNOWN);
                all.and_then(|all| all.values().min_by_key(|h| (h.may, h.last)))
            };
            if let Some(node) = gone.map(|h| h.member.node.clone()) {
                self.heard.remove(&node);
            }
        }
        self.heard.insert(member.node.clone(), Heard { member, may, last: now });
        news
    }

    /// Whether a node was heard of.
    #[must_use]
    pub fn knows(&self, node: &Did) -> bool {
        self.heard.contains_key(node)
    }

    /// Finds out again who may read.
    pub fn judge(&mut self, mut may: impl FnMut(&Member) -> bool) {
        for heard in self.heard.values_mut() {
            heard.may = may(&heard.member);
        }
    }

    /// Those who may read what is for these recipients; for all, if there are none.
    #[must_use]
    pub fn members(&self, recipients: &[Did]) -> Vec<Member> {
        let named = |m: &Member| recipients.is_empty() || recipients.contains(&m.participant);
        let all = self.heard.values().filter(|h| h.may).map(|h| &h.member);
        all.filter(|m| named(m)).cloned().collect()
    }

    /// How many may read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heard.values().filter(|h| h.may).count()
    }

    /// Whether nobody may.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a node may read.
    #[must_use]
    pub fn has(&self, node: &Did) -> bool {
        self.heard.get(node).is_some_and(|h| h.may)
    }

    /// The epoch of the next message, and its key; nothing where another epoch has to begin: for the
    /// first message, after a while, where somebody may not read any more, or where somebody joined.
    pub fn current(
        &mut self,
        recipients: &[Did],
        sequence: u64,
        now: UnixMillis,
        longest_millis: u64,
    ) -> Option<(ContentId, ChainKey)> {
        let members: BTreeSet<Member> = self.members(recipients).into_iter().collect();
        let mut audience = recipients.to_vec();
        audience.sort();
        let epoch = self.epochs.get_mut(&audience)?;
        let age = now.millis_since(epoch.begun);
        // By other documents than before a node still acts for the same participant.
        let nodes: BTreeMap<&Did, &Did> =
            members.iter().map(|m| (&m.node, &m.participant)).collect();
        let may = |m: &Member| nodes.get(&m.node).is_some_and(|p| **p == m.participant);
        let left = !epoch.members.iter().chain(&epoch.granted).all(may);
        let joined = !members.is_subset(&epoch.members) && age >= JOIN_MILLIS;
        // A clock that was set back says nothing of how old it is.
        let over = age >= longest_millis || now < epoch.begun;
        let steps = sequence.checked_sub(epoch.first).filter(|s| *s < MAX_STEPS);
        if left || joined || over || steps.is_none() {
            return None;
        }
        // What was passed over is not needed again: own messages are opened with the first key.
        let on = sequence.checked_sub(epoch.at)?;
        epoch.key = epoch.key.forward(on).ok()?;
        epoch.at = sequence;
        // Who joined meanwhile is entitled to this message, and will be handed its key.
        epoch.granted.extend(members.difference(&epoch.members).cloned().collect::<Vec<_>>());
        Some((epoch.id.clone(), epoch.key.clone()))
    }

    /// A node was handed the key of an epoch beside its document: when its right ends, so does the
    /// epoch.
    pub fn granted(&mut self, epoch: &ContentId, member: &Member) {
        if let Some(under_way) = self.epochs.values_mut().find(|e| &e.id == epoch) {
            under_way.granted.insert(member.clone());
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
            members: epoch.members().iter().cloned().collect(),
            granted: BTreeSet::new(),
            at: epoch.first(),
            key,
        };
        self.epochs.insert(epoch.recipients().to_vec(), under_way);
    }
}

#[cfg(test)]
#[path = "circle_tests.rs"]
mod tests;
