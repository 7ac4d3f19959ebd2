//! What gossip does not bring: heads are compared, ranges asked for, documents fetched, status lists
//! asked for. As the node does it, one range at a time of each peer.

use super::node::{Fetch, Node};
use super::rules::{
    EVIDENCE_MILLIS, FETCH_MILLIS, HOPELESS_MILLIS, MAX_FETCHES, MAX_HOLES, MAX_PAGE, MAX_RANGES,
    MAX_TRIES, REQUEST_MILLIS,
};
use super::setting::Kind;
use super::{Message, What, World};
use gridpass_messaging::checking::{Missing, Verdict};
use std::sync::Arc;

impl World {
    /// Compares with a peer what both know.
    pub(super) fn catch_up_with(&mut self, index: usize, peer: usize) {
        let node = &self.nodes[index];
        if !(node.serves() || node.kind == Kind::Eavesdropper) {
            return;
        }
        let (known, reads) = (node.list, node.kind.is_reader());
        self.put(index, peer, Message::AskLists(known));
        // Who only sends would be told of its own chain alone.
        if reads || self.nodes[index].kind == Kind::Eavesdropper {
            self.put(index, peer, Message::AskHeads);
        }
    }

    pub(super) fn catch_up_with_somebody(&mut self, index: usize) {
        let node = &self.nodes[index];
        let turn = (node.ticks / super::rules::CATCH_UP_TICKS) as usize;
        if node.peers.is_empty() {
            return;
        }
        if let Some(peer) = node.peers.keys().nth(turn % node.peers.len()).copied() {
            self.catch_up_with(index, peer);
        }
    }

    fn may_have(&self, index: usize, peer: usize) -> bool {
        self.nodes[index].peers.get(&peer).is_some_and(|p| p.reads)
    }

    pub(super) fn answer_heads(&mut self, to: usize, from: usize) {
        if !self.may_have(to, from) {
            return;
        }
        let node = &self.nodes[to];
        // A withholder promises what it could have; one that eclipses says nothing.
        let heads: Vec<(usize, u64)> = match node.kind {
            Kind::Eclipser => Vec::new(),
            Kind::Withholder => (0..self.setting.aggregators)
                .map(|author| (author, self.nodes[author].sender.sent))
                .collect(),
            _ => node.chains.iter().map(|(author, c)| (*author, c.newest())).collect(),
        };
        if !heads.is_empty() {
            self.put(to, from, Message::Heads(heads));
        }
    }

    pub(super) fn heads_came(&mut self, to: usize, from: usize, heads: &[(usize, u64)]) {
        let now = self.now;
        for (chain, newest) in heads {
            let node = &self.nodes[to];
            let mut first = 1;
            if let Some((until, since)) = node.peers.get(&from).and_then(|p| p.hopeless.get(chain))
                && now - since < HOPELESS_MILLIS
            {
                first = until + 1;
            }
            let holes = match node.chains.get(chain) {
                Some(stored) => stored.holes(first, *newest, MAX_HOLES),
                None if first <= *newest => vec![(first, *newest)],
                None => Vec::new(),
            };
            for (first, last) in holes {
                self.want_range(to, from, (*chain, first, last), true);
            }
        }
    }

    pub(super) fn want_range(
        &mut self,
        index: usize,
        peer: usize,
        (chain, first, last): (usize, u64, u64),
        has_it: bool,
    ) {
        let Some(state) = self.nodes[index].peers.get_mut(&peer) else { return };
        let covered = |r: &(usize, u64, u64, bool)| r.0 == chain && r.1 <= first && last <= r.2;
        if state.ranges.len() >= MAX_RANGES || state.ranges.iter().any(covered) {
            return;
        }
        state.ranges.push_back((chain, first, last, has_it));
        self.next_range(index, peer);
    }

    fn next_range(&mut self, index: usize, peer: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let Some(state) = node.peers.get_mut(&peer) else { return };
        if state.asking.is_some_and(|t| now - t < REQUEST_MILLIS) {
            return;
        }
        state.asking = None;
        while let Some((chain, first, last, has_it)) = state.ranges.pop_front() {
            // What came meanwhile is not asked for.
            let next = match node.chains.get(&chain) {
                Some(stored) => stored.holes(first, last, 1).first().map(|h| h.0),
                None => Some(first),
            };
            if let Some(next) = next {
                state.asking = Some(now);
                // Whether the peer said that it has it comes back with the answer.
                state.ranges.push_front((chain, next, last, has_it));
                self.put(index, peer, Message::AskRange(chain, next, last));
                return;
            }
        }
    }

    pub(super) fn answer_range(
        &mut self,
        to: usize,
        from: usize,
        chain: usize,
        first: u64,
        last: u64,
    ) {
        let mut items = Vec::new();
        if self.may_have(to, from) && self.nodes[to].serves() {
            let mut bytes = 0;
            let stored = self.nodes[to].chains.get(&chain);
            // What was refused here is not passed on.
            let kept = stored.into_iter().flat_map(|s| s.items.range(first..=last));
            for (_, (item, _)) in kept.filter(|(_, (_, allowed))| *allowed) {
                bytes += self.items[*item as usize].bytes;
                if bytes > MAX_PAGE {
                    break;
                }
                items.push(*item);
            }
        }
        let answer = Message::Range { chain, asked: (first, last), items };
        self.put(to, from, answer);
    }

    pub(super) fn range_came(
        &mut self,
        to: usize,
        from: usize,
        chain: usize,
        (first, until): (u64, u64),
        items: &[u32],
    ) {
        let now = self.now;
        let Some(state) = self.nodes[to].peers.get_mut(&from) else { return };
        state.asking = None;
        let asked = |r: &(usize, u64, u64, bool)| (r.0, r.1, r.2) == (chain, first, until);
        let has_it = state.ranges.front().is_some_and(|r| asked(r) && r.3);
        if state.ranges.front().is_some_and(asked) {
            state.ranges.pop_front();
        }
        let (mut last, mut waits) = (first - 1, false);
        for item in items {
            let What::Envelope { wire, number, .. } = self.items[*item as usize].what.clone()
            else {
                break;
            };
            last = number;
            self.note_what_was_given(to, from, *item);
            let verdict = self.take(to, from, *item, &wire, Node::source(true));
            waits |= verdict == Some(Verdict::Wait);
        }
        let looked_through = if items.is_empty() { until } else { last };
        if let Some(state) = self.nodes[to].peers.get_mut(&from) {
            if has_it && !waits {
                state.hopeless.insert(chain, (looked_through, now));
            }
            if !items.is_empty() && !waits && last < until {
                state.ranges.push_front((chain, last + 1, until, has_it));
            }
        }
        self.next_range(to, from);
    }

    /// A presentation is missing: it is asked of whoever passed on what needs it, then of others.
    pub(super) fn fetch(&mut self, index: usize, whose: usize, from: Option<usize>) {
        let now = self.now;
        let node = &mut self.nodes[index];
        if !node.fetches.contains_key(&whose) {
            if node.fetches.len() >= MAX_FETCHES {
                return;
            }
            let fetch = Fetch { tried: Vec::new(), named: Vec::new(), asked: 0, since: now };
            node.fetches.insert(whose, fetch);
        }
        self.outcome.fetched = self.outcome.fetched.max(node.fetches.len() as u64);
        if let (Some(fetch), Some(from)) = (node.fetches.get_mut(&whose), from)
            && fetch.named.len() < MAX_TRIES
            && !fetch.named.contains(&from)
        {
            fetch.named.push(from);
        }
        self.try_next(index, whose);
    }

    fn try_next(&mut self, index: usize, whose: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let Some(fetch) = node.fetches.get_mut(&whose) else { return };
        if fetch.asked > 0 && now - (fetch.asked - 1) < REQUEST_MILLIS {
            return;
        }
        let new = |p: &usize| !fetch.tried.contains(p);
        let named = fetch.named.iter().copied().find(new);
        let readers = || node.peers.iter().filter(|(_, p)| p.reads).map(|(id, _)| *id).find(new);
        let anybody = || node.peers.keys().copied().find(new);
        let next = named.or_else(readers).or_else(anybody);
        let Some(peer) = next.filter(|_| fetch.tried.len() < MAX_TRIES) else {
            node.fetches.remove(&whose);
            return;
        };
        fetch.asked = now + 1;
        fetch.tried.push(peer);
        self.put(index, peer, Message::AskDocument(whose));
    }

    pub(super) fn tick_fetches(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        node.fetches.retain(|_, f| now - f.since < FETCH_MILLIS);
        node.evidence.retain(|_, t| now - *t < FETCH_MILLIS);
        let late = |f: &Fetch| f.asked > 0 && now - (f.asked - 1) >= REQUEST_MILLIS;
        let late: Vec<usize> =
            node.fetches.iter().filter(|(_, f)| late(f)).map(|(w, _)| *w).collect();
        let stuck = |t: u64| now - t >= REQUEST_MILLIS;
        let stuck: Vec<usize> = node
            .peers
            .iter()
            .filter(|(_, p)| p.asking.is_some_and(stuck))
            .map(|(id, _)| *id)
            .collect();
        late.into_iter().for_each(|whose| self.try_next(index, whose));
        for peer in stuck {
            // It did not answer: the node takes that for an answer with nothing.
            if let Some(state) = self.nodes[index].peers.get_mut(&peer) {
                state.ranges.pop_front();
                state.asking = None;
            }
            self.next_range(index, peer);
        }
    }

    pub(super) fn document_came(&mut self, to: usize, whose: usize, has: bool) {
        let node = &mut self.nodes[to];
        if let Some(fetch) = node.fetches.get_mut(&whose) {
            fetch.asked = 0;
        }
        if !has {
            self.try_next(to, whose);
            return;
        }
        let document = Arc::clone(&self.nodes[whose].presentation);
        let node = &mut self.nodes[to];
        node.fetches.remove(&whose);
        node.documents.insert(whose);
        node.memory.learn(&document);
        self.came(to, &Missing::Document(document.id().clone()));
    }

    pub(super) fn ask_for_evidence(&mut self, index: usize, from: Option<usize>, whose: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        if node.evidence.get(&whose).is_some_and(|t| now - *t < EVIDENCE_MILLIS) {
            return;
        }
        node.evidence.insert(whose, now);
        let known = node.list;
        let readers = || node.peers.iter().find(|(_, p)| p.reads).map(|(id, _)| *id);
        if let Some(peer) = from.or_else(readers) {
            self.put(index, peer, Message::AskLists(known));
        }
    }

    /// Everything that waits for evidence is looked at again.
    pub(super) fn evidence_came(&mut self, index: usize) {
        self.nodes[index].peers.values_mut().for_each(|p| p.hopeless.clear());
        let waiting: Vec<usize> = self.nodes[index].evidence.keys().copied().collect();
        for whose in waiting {
            let did = self.nodes[whose].party.did.clone();
            self.came(index, &Missing::Evidence(did));
        }
    }
}
