//! What gossip does not bring: heads are compared, ranges asked for, documents fetched, status lists
//! asked for. As the node does it, one range at a time of each peer.

use super::node::{Claim, Fetch, Node, Stored, Wanted};
use super::rules::{
    BROKEN_MOST, BROKEN_MOST_SILENT, EVIDENCE_MILLIS, FETCH_MILLIS, HOPELESS_MILLIS,
    LOOK_AGAIN_MILLIS, MAX_FETCHES, MAX_HOLES, MAX_PAGE, MAX_RANGES, MAX_TRIES, REQUEST_MILLIS,
    ROUNDS,
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

    /// Those that read, and gave what they said, are asked in three of four rounds.
    pub(super) fn catch_up_with_somebody(&mut self, index: usize) {
        let node = &self.nodes[index];
        let turn = (node.ticks / super::rules::CATCH_UP_TICKS) as usize;
        let (readers, others): (Vec<usize>, Vec<usize>) =
            node.peers.keys().partition(|id| node.peers[*id].reads && !node.peers[*id].barren);
        let last = turn % ROUNDS == ROUNDS - 1;
        let (number, among) = match (readers.is_empty(), others.is_empty()) {
            (true, true) => return,
            (true, false) => (turn, others),
            (false, true) => (turn, readers),
            (false, false) if last => (turn / ROUNDS, others),
            (false, false) => (turn - turn / ROUNDS, readers),
        };
        self.catch_up_with(index, among[number % among.len()]);
    }

    /// Who broke a promise is asked once more what it has.
    pub(super) fn look_again(&mut self, index: usize) {
        let now = self.now;
        let due = self.nodes[index].peers.iter_mut().filter_map(|(id, peer)| {
            let due = peer.look_again.is_some_and(|at| at <= now);
            peer.look_again = peer.look_again.filter(|_| !due);
            due.then_some(*id)
        });
        let due: Vec<usize> = due.collect();
        due.into_iter().for_each(|peer| self.catch_up_with(index, peer));
    }

    fn promise_broken(&mut self, index: usize, peer: usize, most: u32) {
        let now = self.now;
        let state = self.nodes[index].peers.get_mut(&peer);
        if let Some(amount) = state.and_then(|p| p.broke_a_promise(most, now)) {
            self.charge(index, peer, amount);
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
        let newest = |author: usize, chain: &Stored| {
            let proof = node.proofs.get(&author).copied().filter(|_| node.serves());
            chain.newest_given().map(|(number, item)| (author, number, item, proof))
        };
        let heads: Vec<(usize, u64, u32, Option<u32>)> = match node.kind {
            Kind::Eclipser => Vec::new(),
            Kind::Withholder => (0..self.setting.aggregators)
                .filter_map(|author| newest(author, self.nodes[author].chains.get(&author)?))
                .collect(),
            _ => node.chains.iter().filter_map(|(author, c)| newest(*author, c)).collect(),
        };
        self.put(to, from, Message::Heads(heads));
    }

    pub(super) fn heads_came(
        &mut self,
        to: usize,
        from: usize,
        heads: &[(usize, u64, u32, Option<u32>)],
    ) {
        let now = self.now;
        let mut agrees = !heads.is_empty() || self.nodes[to].chains.is_empty();
        for (chain, newest, item, proof) in heads {
            let node = &self.nodes[to];
            let known = node.chains.contains_key(chain) && !node.proofs.contains_key(chain);
            if let Some(proof) = proof.filter(|_| known) {
                self.put(to, from, Message::AskProof(proof));
            }
            let node = &self.nodes[to];
            let mut looked_at = 0;
            if let Some((until, since)) = node.peers.get(&from).and_then(|p| p.hopeless.get(chain))
                && now - since < HOPELESS_MILLIS
            {
                looked_at = *until;
            }
            let first = looked_at + 1;
            let stored = node.chains.get(chain);
            let here = stored.and_then(|s| s.at(*newest));
            agrees &= here == Some(*item) || *newest <= looked_at;
            let mut wanted = match stored {
                Some(stored) => stored.holes(first, *newest, MAX_HOLES),
                None if first <= *newest => vec![(first, *newest)],
                None => Vec::new(),
            };
            // Another one than here has that number.
            let other = here.is_some_and(|here| here != *item);
            if other && *newest > looked_at && !node.proofs.contains_key(chain) {
                wanted.push((*newest, *newest));
            }
            for (from_number, until) in wanted {
                let claim = if until == *newest { Claim::Last(*item) } else { Claim::Later };
                let wanted = Wanted { chain: *chain, from: from_number, until, claim };
                self.want_range(to, from, wanted);
            }
        }
        if let Some(peer) = self.nodes[to].peers.get_mut(&from) {
            peer.barren = !agrees;
        }
    }

    pub(super) fn want_range(&mut self, index: usize, peer: usize, wanted: Wanted) {
        let Some(state) = self.nodes[index].peers.get_mut(&peer) else { return };
        let covered = |w: &Wanted| {
            w.chain == wanted.chain && w.from <= wanted.from && wanted.until <= w.until
        };
        if state.ranges.len() >= MAX_RANGES || state.ranges.iter().any(covered) {
            return;
        }
        state.ranges.push_back(wanted);
        self.next_range(index, peer);
    }

    fn next_range(&mut self, index: usize, peer: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let Some(state) = node.peers.get_mut(&peer) else { return };
        if state.asking.is_some() {
            return;
        }
        while let Some(wanted) = state.ranges.pop_front() {
            // What came meanwhile is not asked for, unless the peer has another one.
            let next = match node.chains.get(&wanted.chain) {
                Some(stored) => {
                    let hole = stored.holes(wanted.from, wanted.until, 1).first().map(|h| h.0);
                    let here = stored.at(wanted.until);
                    let other = match wanted.claim {
                        Claim::Last(item) => here.is_some_and(|here| here != item),
                        Claim::None | Claim::Later => false,
                    };
                    let other = other && !node.proofs.contains_key(&wanted.chain);
                    hole.or(other.then_some(wanted.until))
                }
                None => Some(wanted.from),
            };
            if let Some(from) = next {
                let wanted = Wanted { from, ..wanted };
                state.asking = Some((wanted, now));
                self.put(index, peer, Message::AskRange(wanted.chain, from, wanted.until));
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
        let asked = self.nodes[to].peers.get(&from).and_then(|p| p.asking);
        // An answer that came too late is none.
        if let Some((wanted, _)) = asked
            && (wanted.chain, wanted.from, wanted.until) == (chain, first, until)
        {
            self.range_answered(to, from, wanted, items);
        }
    }

    fn range_answered(&mut self, to: usize, from: usize, wanted: Wanted, items: &[u32]) {
        let now = self.now;
        let Some(state) = self.nodes[to].peers.get_mut(&from) else { return };
        state.asking = None;
        let (mut last, mut waits, mut given) = (wanted.from - 1, false, false);
        for item in items {
            let What::Envelope { wire, number, .. } = self.items[*item as usize].what.clone()
            else {
                break;
            };
            last = number;
            given |= wanted.claim == Claim::Last(*item);
            self.note_what_was_given(to, from, *item);
            let verdict = self.take(to, from, *item, &wire, Node::source(true));
            waits |= verdict == Some(Verdict::Wait);
        }
        given |= !items.is_empty() && last < wanted.until;
        if let Some(state) = self.nodes[to].peers.get_mut(&from) {
            if items.is_empty() && wanted.claim == Claim::Later {
                state.hopeless.insert(wanted.chain, (wanted.until, now));
            } else if !items.is_empty() && !waits && wanted.claim != Claim::None {
                state.hopeless.insert(wanted.chain, (last, now));
            }
            if !items.is_empty() && !waits && last < wanted.until {
                state.ranges.push_front(Wanted { from: last + 1, ..wanted });
            }
        }
        self.claimed(to, from, wanted, given.then_some(()).ok_or(BROKEN_MOST));
        self.next_range(to, from);
    }

    /// What a peer named was given, or not: then what it costs at most, in fives.
    fn claimed(&mut self, to: usize, from: usize, wanted: Wanted, given: Result<(), u32>) {
        let Claim::Last(_) = wanted.claim else { return };
        let Some(state) = self.nodes[to].peers.get_mut(&from) else { return };
        state.barren = given.is_err();
        if let Err(most) = given {
            state.ranges.retain(|w| w.claim == Claim::None);
            state.look_again.get_or_insert(self.now + LOOK_AGAIN_MILLIS);
            self.promise_broken(to, from, most);
        }
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
            let missing = Missing::Document(self.nodes[whose].presentation.id().clone());
            for id in self.nodes[index].checker.nobody_has(&missing) {
                if let Some(number) = self.named.get(&id) {
                    self.nodes[index].unreported.remove(number);
                }
            }
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
        let stuck = |(id, p): (&usize, &super::node::Peer)| {
            let (wanted, since) = p.asking?;
            (now - since >= REQUEST_MILLIS).then_some((*id, wanted))
        };
        let stuck: Vec<(usize, Wanted)> = node.peers.iter().filter_map(stuck).collect();
        for whose in late {
            self.not_shown(index, whose, BROKEN_MOST_SILENT);
            self.try_next(index, whose);
        }
        for (peer, wanted) in stuck {
            if let Some(state) = self.nodes[index].peers.get_mut(&peer) {
                state.asking = None;
            }
            self.claimed(index, peer, wanted, Err(BROKEN_MOST_SILENT));
            self.next_range(index, peer);
        }
    }

    /// Who was asked last for a presentation did not give it: if it passed on what names it, it must
    /// have it.
    fn not_shown(&mut self, index: usize, whose: usize, most: u32) {
        let Some(fetch) = self.nodes[index].fetches.get(&whose) else { return };
        if let Some(peer) = fetch.tried.last().copied().filter(|p| fetch.named.contains(p)) {
            self.promise_broken(index, peer, most);
        }
    }

    pub(super) fn document_came(&mut self, to: usize, whose: usize, has: bool) {
        let node = &mut self.nodes[to];
        if let Some(fetch) = node.fetches.get_mut(&whose) {
            fetch.asked = 0;
        }
        if !has {
            self.not_shown(to, whose, BROKEN_MOST);
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
