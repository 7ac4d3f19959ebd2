//! What one node knows and remembers: its checking core, and around it what the real node and
//! gossipsub keep for each peer.

use super::rules::{
    BROKEN, DENIED_FORGOTTEN, FORGETS, FORGOTTEN_MILLIS, INVALID, MAX_DENIED, SEEN_MILLIS,
    SHUT_BELOW, TOGETHER_MILLIS,
};
use super::setting::Kind;
use crate::messages::{Memory, Sender};
use crate::world::Party;
use gridpass_credentials::secured::Secured;
use gridpass_messaging::checking::{Checker, Source};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The gossip topics: the channel's, and the framework's.
pub(super) const TOPICS: usize = 2;
pub(super) const CHANNEL: usize = 0;
pub(super) const FRAMEWORK: usize = 1;

/// One node. A participant has one, but for those that crowd others.
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its participant.
    pub participant: usize,
    pub(super) party: Party,
    pub(super) presentation: Arc<Secured>,
    pub(super) checker: Checker,
    pub(super) memory: Memory,
    pub(super) sender: Sender,
    /// Whom it dials.
    pub(super) dials: BTreeMap<usize, Dial>,
    pub(super) peers: BTreeMap<usize, Peer>,
    /// What participants answer for.
    pub(super) accounts: BTreeMap<usize, Account>,
    /// Who is shut out, and until when.
    pub(super) shut: BTreeMap<usize, u64>,
    pub(super) up: bool,
    pub(super) ticks: u64,
    /// Which status list it has.
    pub list: usize,
    pub(super) documents: BTreeSet<usize>,
    pub(super) fetches: BTreeMap<usize, Fetch>,
    pub(super) evidence: BTreeMap<usize, u64>,
    pub(super) chains: BTreeMap<usize, Stored>,
    /// When each item came by gossip last that was new then, and 1 more; 0 for never.
    seen: Vec<u64>,
    /// What it took in, and in which tick: others are told, and may ask.
    pub(super) recent: VecDeque<(u64, u32)>,
    /// What was asked for by gossip, and when.
    pub(super) wanted: BTreeMap<u32, u64>,
    /// What waits, and since when.
    pub(super) unreported: BTreeMap<u32, u64>,
    /// What was delivered, when, and how it had come.
    pub delivered: BTreeMap<u32, (u64, bool)>,
    /// Whose contradictions it knows, and since when.
    pub forks: BTreeMap<usize, u64>,
    /// The proofs of them that it gives.
    pub(super) proofs: BTreeMap<usize, u32>,
    /// Since when it has the newer status list.
    pub informed: Option<u64>,
    /// Copies of each envelope that came.
    pub copies: BTreeMap<u32, u32>,
    /// Bytes that came, of whatever kind.
    pub bytes: u64,
}

/// Somebody to dial.
pub(super) struct Dial {
    pub next: u64,
    pub wait: u64,
}

/// What a participant answers for.
#[derive(Default)]
pub(super) struct Account {
    pub score: f64,
    /// How many of its own messages, brought by its own nodes, were denied to it lately.
    pub denied: f64,
}

impl Account {
    pub(super) fn is_shut(&self) -> bool {
        self.score <= SHUT_BELOW || self.denied >= MAX_DENIED
    }

    /// A second went by. Gives whether anything is left.
    pub(super) fn forget(&mut self) -> bool {
        self.score = if self.score > -0.1 { 0.0 } else { self.score * FORGETS };
        self.denied = (self.denied - DENIED_FORGOTTEN).max(0.0);
        self.score < 0.0 || self.denied > 0.0
    }
}

/// What a peer said of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    None,
    Later,
    /// It has the last one: this.
    Last(u32),
}

/// A range to ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub chain: usize,
    pub from: u64,
    pub until: u64,
    pub claim: Claim,
}

/// Somebody who is connected.
pub(super) struct Peer {
    /// Whether this node dialled.
    pub outbound: bool,
    pub since: u64,
    /// Whether it may read: then its subscription is taken.
    pub reads: bool,
    /// Since when it is in the mesh of each topic.
    pub mesh: [Option<u64>; TOPICS],
    /// Until when it is not taken in again.
    pub backoff: [u64; TOPICS],
    first: [f64; TOPICS],
    invalid: [f64; TOPICS],
    /// The node's own score of it.
    pub score: f64,
    pub useful: bool,
    /// What is on its way to it.
    pub queued: u32,
    /// Ranges to ask for, the one that is asked for, and since when.
    pub ranges: VecDeque<Wanted>,
    pub asking: Option<(Wanted, u64)>,
    /// Up to where it gave of a chain what it has, and since when.
    pub hopeless: BTreeMap<usize, (u64, u64)>,
    /// Whether it gave nothing when it was asked last, or not what it said.
    pub barren: bool,
    /// How many promises it broke in a row, and when the last.
    broken: (u32, Option<u64>),
    /// When it is asked once more what it has.
    pub look_again: Option<u64>,
}

/// A document that is asked for.
pub(super) struct Fetch {
    pub tried: Vec<usize>,
    pub named: Vec<usize>,
    pub asked: u64,
    pub since: u64,
}

/// What is kept of a chain.
#[derive(Default)]
pub(super) struct Stored {
    /// Envelopes by number, and whether each is allowed.
    pub items: BTreeMap<u64, (u32, bool)>,
    /// Up to where all are there.
    pub whole: u64,
}

impl Stored {
    pub(super) fn keep(&mut self, number: u64, item: u32, allowed: bool) {
        self.items.insert(number, (item, allowed));
        while self.items.contains_key(&(self.whole + 1)) {
            self.whole += 1;
        }
    }

    pub(super) fn newest(&self) -> u64 {
        self.items.last_key_value().map(|(n, _)| *n).unwrap_or_default()
    }

    /// The newest that is given to others, with its number.
    pub(super) fn newest_given(&self) -> Option<(u64, u32)> {
        let given =
            |(number, (item, allowed)): (&u64, &(u32, bool))| allowed.then_some((*number, *item));
        self.items.iter().rev().find_map(given)
    }

    pub(super) fn at(&self, number: u64) -> Option<u32> {
        self.items.get(&number).map(|(item, _)| *item)
    }

    /// Ranges that are missing.
    pub(super) fn holes(&self, from: u64, until: u64, most: usize) -> Vec<(u64, u64)> {
        let (mut holes, mut next) = (Vec::new(), from.max(self.whole + 1));
        for number in self.items.range(next..).map(|(n, _)| *n).chain([until + 1]) {
            if number > until + 1 || holes.len() >= most {
                break;
            }
            if number > next {
                holes.push((next, number - 1));
            }
            next = number + 1;
        }
        holes
    }
}

impl Peer {
    pub(super) fn new(outbound: bool, now: u64) -> Self {
        Self {
            outbound,
            since: now,
            reads: false,
            mesh: [None; TOPICS],
            backoff: [0; TOPICS],
            first: [0.0; TOPICS],
            invalid: [0.0; TOPICS],
            score: 0.0,
            useful: false,
            queued: 0,
            ranges: VecDeque::new(),
            asking: None,
            hopeless: BTreeMap::new(),
            barren: false,
            broken: (0, None),
            look_again: None,
        }
    }

    /// It did not give what it must have. Gives what that costs.
    pub(super) fn broke_a_promise(&mut self, most: u32, now: u64) -> Option<f64> {
        self.barren = true;
        let (in_a_row, last) = &mut self.broken;
        match last.map(|last| now - last) {
            Some(age) if age < TOGETHER_MILLIS => return None,
            Some(age) if age < FORGOTTEN_MILLIS => {}
            Some(_) | None => *in_a_row = 0,
        }
        *last = Some(now);
        *in_a_row = (*in_a_row + 1).min(most);
        Some(BROKEN * f64::from(*in_a_row))
    }

    /// What gossip thinks of it: P1, P2 and P4 of each topic, and the node's own score.
    pub(super) fn gossip_score(&self, now: u64) -> f64 {
        let mut score = self.score;
        for topic in 0..TOPICS {
            let seconds = self.mesh[topic].map_or(0, |t| now.saturating_sub(t) / 1000).min(300);
            score += 0.01 * seconds as f64 + 0.05 * self.first[topic];
            score += INVALID * self.invalid[topic] * self.invalid[topic];
        }
        score
    }

    pub(super) fn was_first(&mut self, topic: usize) {
        self.first[topic] = (self.first[topic] + 1.0).min(100.0);
    }

    pub(super) fn was_invalid(&mut self, topic: usize) {
        self.invalid[topic] += 1.0;
    }

    /// A second went by.
    pub(super) fn forget(&mut self) {
        let settle = |v: f64| if v.abs() < 0.1 { 0.0 } else { v };
        self.score = if self.score > -0.1 { 0.0 } else { self.score * FORGETS };
        for topic in 0..TOPICS {
            // gossipsub's `decay_to_zero` is 0.1.
            self.first[topic] = settle(self.first[topic] * 0.9);
            self.invalid[topic] = settle(self.invalid[topic] * FORGETS);
        }
    }
}

impl Node {
    #[allow(clippy::too_many_arguments)] // what a node is made of, in one place
    pub(super) fn new(
        kind: Kind,
        participant: usize,
        party: Party,
        presentation: Arc<Secured>,
        checker: Checker,
        memory: Memory,
        sender: Sender,
    ) -> Self {
        Self {
            kind,
            participant,
            party,
            presentation,
            checker,
            memory,
            sender,
            dials: BTreeMap::new(),
            peers: BTreeMap::new(),
            accounts: BTreeMap::new(),
            shut: BTreeMap::new(),
            up: true,
            ticks: 0,
            list: 0,
            documents: BTreeSet::new(),
            fetches: BTreeMap::new(),
            evidence: BTreeMap::new(),
            chains: BTreeMap::new(),
            seen: Vec::new(),
            recent: VecDeque::new(),
            wanted: BTreeMap::new(),
            unreported: BTreeMap::new(),
            delivered: BTreeMap::new(),
            forks: BTreeMap::new(),
            proofs: BTreeMap::new(),
            informed: None,
            copies: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Whether an item came by gossip lately; from now on it did.
    pub(super) fn saw(&mut self, item: u32, now: u64) -> bool {
        let before = self.has_seen(item, now);
        if !before {
            let index = item as usize;
            if self.seen.len() <= index {
                self.seen.resize(index + 1, 0);
            }
            self.seen[index] = now + 1;
        }
        before
    }

    pub(super) fn has_seen(&self, item: u32, now: u64) -> bool {
        let at = self.seen.get(item as usize).copied().unwrap_or_default();
        at > 0 && now - (at - 1) < SEEN_MILLIS
    }

    /// It was turned off: what it had in memory is gone.
    pub(super) fn forget_gossip(&mut self) {
        self.seen.clear();
        self.recent.clear();
        self.wanted.clear();
        self.unreported.clear();
        self.fetches.clear();
        self.proofs.clear();
        self.accounts.clear();
        self.shut.clear();
    }

    /// Whether it does what is asked of it, with what it has.
    pub(super) fn serves(&self) -> bool {
        self.kind.is_honest() || self.kind == Kind::Laggard
    }

    pub(super) fn source(caught_up: bool) -> Source {
        if caught_up { Source::CatchUp } else { Source::Live }
    }
}
