//! What comes, the core's verdict on it, and what follows: kept, delivered, passed on, asked for,
//! charged.

use super::node::{Claim, Node, Wanted};
use super::rules::{FAULT, UNHELPFUL, UNREPORTED_MILLIS};
use super::setting::Kind;
use super::{Item, What, World};
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_messaging::checking::{Arrival, Chain, Checked, Effect, Missing, Source, Verdict};
use gridpass_messaging::net::GRAYLIST;
use std::sync::Arc;

impl World {
    pub(super) fn gossiped(&mut self, to: usize, from: usize, number: u32) {
        let now = self.now;
        let topic = self.items[number as usize].topic;
        let what = self.items[number as usize].what.clone();
        self.note_what_was_given(to, from, number);
        let node = &mut self.nodes[to];
        let listens = node.peers.get(&from).is_some_and(|p| p.gossip_score(now) > GRAYLIST);
        if !listens || !node.serves() || node.saw(number, now) {
            return;
        }
        node.wanted.remove(&number);
        let new = match what {
            What::Envelope { wire, .. } => {
                let verdict = self.take(to, from, number, &wire, Source::Live);
                verdict == Some(Verdict::Admit)
            }
            What::List(list) => self.list_came(to, list, Some(number)),
            What::Fork(first, _) => self.fork_came(to, first, number),
        };
        if new {
            if let Some(peer) = self.nodes[to].peers.get_mut(&from) {
                peer.was_first(topic);
            }
            self.pass_on(to, from, number);
        }
    }

    /// What came is held against who may have it: nothing that is true here is told to the node.
    pub(super) fn note_what_was_given(&mut self, to: usize, from: usize, number: u32) {
        let revoked = self.revoked();
        let Item { what: What::Envelope { .. }, author, .. } = &self.items[number as usize] else {
            return;
        };
        let author = *author;
        let (giver, reader) = (&self.nodes[from], &self.nodes[to]);
        let cut_off = to == revoked[1] && giver.list > 0 && giver.kind.is_honest();
        // It is told with what it knew when it sent: on the wire it takes a moment.
        let cut_off = cut_off && giver.informed.is_some_and(|t| self.now > t + 200);
        if giver.kind.is_honest() && author != to && (!reader.kind.is_reader() || cut_off) {
            self.outcome.leaks += 1;
        }
        *self.nodes[to].copies.entry(number).or_default() += 1;
    }

    /// Asks the core. Gives its verdict.
    pub(super) fn take(
        &mut self,
        to: usize,
        from: usize,
        number: u32,
        wire: &Arc<Vec<u8>>,
        source: Source,
    ) -> Option<Verdict> {
        let clock = self.clock();
        let node = &mut self.nodes[to];
        // Who only sends has no business with what others say.
        if !node.kind.is_reader() {
            return None;
        }
        let peer = from.to_string();
        let channel = (source == Source::Live).then_some(&self.market.channel);
        // As if each were somebody: what strangers have of the room is not modelled.
        let arrival = Arrival { source, peer: &peer, known_as: Some(&peer), channel };
        let checked = node.checker.check(wire, arrival, &node.memory, clock);
        self.outcome.checked += 1;
        if checked.verdict == Verdict::Wait && source == Source::Live {
            self.nodes[to].unreported.insert(number, self.now);
        }
        self.follow(to, Some(from), &checked, number, source);
        Some(checked.verdict)
    }

    /// Does what a verdict asks for.
    fn follow(
        &mut self,
        to: usize,
        from: Option<usize>,
        checked: &Checked,
        number: u32,
        source: Source,
    ) {
        let author = self.items[number as usize].author;
        self.outcome.judged(&self.nodes[author], checked.verdict);
        if let Some(from) = from {
            if from == author && !self.nodes[author].kind.is_honest() {
                self.outcome.bore(to, from, self.now);
            }
            if checked.answers && self.nodes[from].participant == author {
                self.denied(to, from);
            }
            match (checked.verdict, source) {
                (Verdict::Admit, _) => {
                    if let Some(peer) = self.nodes[to].peers.get_mut(&from) {
                        peer.useful = true;
                    }
                }
                (Verdict::Fault, source) => {
                    if let (Some(peer), Source::Live) =
                        (self.nodes[to].peers.get_mut(&from), source)
                    {
                        peer.was_invalid(super::node::CHANNEL);
                    }
                    self.charge(to, from, FAULT);
                }
                (_, Source::Live) if checked.answers => self.charge(to, from, UNHELPFUL),
                _ => {}
            }
        }
        let Some(envelope) = &checked.envelope else { return };
        for effect in &checked.effects {
            match effect {
                Effect::Ask(Missing::Document(id)) => {
                    if let Some(whose) = self.presentations.get(id).copied() {
                        self.fetch(to, whose, from);
                    }
                }
                Effect::Ask(Missing::Evidence(_)) => self.ask_for_evidence(to, from, author),
                Effect::Ask(Missing::Did(_)) | Effect::Keep(_) => {}
                Effect::Gap { chain, from: first, until } => {
                    if let (Some(peer), Some(chain)) = (from, self.chains.get(chain).copied()) {
                        let wanted =
                            Wanted { chain, from: *first, until: *until, claim: Claim::None };
                        self.want_range(to, peer, wanted);
                    }
                }
                Effect::Forked { first, .. } => {
                    self.forked(to, &Chain::of(envelope.header()), first, number);
                }
            }
        }
        if checked.keep {
            let allowed = checked.verdict == Verdict::Admit;
            let place = envelope.header().sequence;
            let node = &mut self.nodes[to];
            node.memory.keep(envelope);
            node.chains.entry(author).or_default().keep(place, number, allowed);
            if checked.deliver {
                self.deliver(to, number, source);
            }
        }
    }

    fn deliver(&mut self, to: usize, number: u32, source: Source) {
        let caught_up = source == Source::CatchUp;
        let at = self.now;
        let revoked = self.items[number as usize].author == self.revoked()[0];
        let node = &mut self.nodes[to];
        self.outcome.twice += u64::from(node.delivered.insert(number, (at, caught_up)).is_some());
        // Also what it made before: when that was is its own word alone.
        self.outcome.late += u64::from(revoked && node.list > 0);
    }

    fn forked(&mut self, to: usize, chain: &Chain, first: &EnvelopeId, second: u32) {
        let Some(author) = self.chains.get(chain).copied() else { return };
        let now = self.now;
        self.nodes[to].memory.forks.insert(chain.clone());
        self.nodes[to].forks.entry(author).or_insert(now);
        let Some(first) = self.named.get(first).copied() else { return };
        let place = |i: u32| match &self.items[i as usize].what {
            What::Envelope { number, .. } => Some(*number),
            What::List(_) | What::Fork(..) => None,
        };
        if place(first) == place(second) {
            let item = match self.forks.get(&(first, second)) {
                Some(item) => *item,
                None => self.item(What::Fork(first, second), author),
            };
            self.forks.insert((first, second), item);
            self.nodes[to].memory.proofs.insert(chain.clone());
            self.nodes[to].proofs.insert(author, item);
            self.publish(to, item);
        }
    }

    /// A proof came: it counts if the chain is known. The signatures of both are the node's to
    /// verify; no adversary here forges one.
    pub(super) fn fork_came(&mut self, to: usize, first: u32, proof: u32) -> bool {
        let author = self.items[first as usize].author;
        let now = self.now;
        let chain = Chain::of(&self.nodes[author].sender.header("GB-1", self.clock()));
        let node = &mut self.nodes[to];
        let known = node.chains.get(&author).is_some_and(|c| c.newest() > 0);
        if !known || !node.memory.proofs.insert(chain.clone()) {
            return false;
        }
        node.memory.forks.insert(chain);
        node.forks.entry(author).or_insert(now);
        node.proofs.insert(author, proof);
        true
    }

    /// Something came: what waited for it is checked again, one after the other.
    pub(super) fn came(&mut self, to: usize, what: &Missing) {
        let (now, clock) = (self.now, self.clock());
        for held in self.nodes[to].checker.came(what) {
            let node = &mut self.nodes[to];
            let checked = node.checker.check_again(&held, &node.memory, clock);
            let Some(envelope) = &checked.envelope else { continue };
            let Some(number) = self.named.get(envelope.id()).copied() else { continue };
            self.follow(to, None, &checked, number, held.source());
            if checked.verdict == Verdict::Wait {
                continue;
            }
            let since = self.nodes[to].unreported.remove(&number);
            let passes = since.is_some_and(|t| now - t <= UNREPORTED_MILLIS);
            if passes && checked.verdict == Verdict::Admit {
                self.pass_on(to, usize::MAX, number);
            }
        }
    }

    /// A status list came: it counts if it is newer. It takes effect before the next message.
    pub(super) fn list_came(&mut self, to: usize, list: usize, gossip: Option<u32>) -> bool {
        let now = self.now;
        // Whoever is revoked does nothing to make it known.
        let unwilling = self.nodes[to].kind == Kind::Laggard || to == self.revoked()[0];
        if unwilling || list <= self.nodes[to].list {
            return false;
        }
        let new = self.lists[list].clone();
        let node = &mut self.nodes[to];
        node.list = list;
        node.informed = Some(now);
        let (id, issuer) = (new.id.clone(), new.issuer.clone());
        node.memory.lists.retain(|l| (&l.id, &l.issuer) != (&id, &issuer));
        node.memory.lists.push(new);
        node.checker.status_list_came(&id, &issuer);
        if node.serves() {
            self.rejudge(to);
            self.evidence_came(to);
        }
        // What came by gossip is passed on by gossip.
        if gossip.is_none() && self.nodes[to].kind.is_honest() {
            self.publish(to, self.list_items[list]);
        }
        true
    }

    /// The regulator revokes an aggregator and an operator, and hands its list to five nodes.
    pub(super) fn revoke(&mut self) {
        let list = self.list_of_the_revoked();
        self.publish_list(list);
        let newest = self.lists.len() - 1;
        let mut left = 5;
        while left > 0 {
            let to = self.dice.below(self.nodes.len() as u64) as usize;
            let node: &Node = &self.nodes[to];
            let victim = self.victims().contains(&to);
            if node.kind.is_honest() && node.up && !victim && to != 0 {
                self.list_came(to, newest, None);
                left -= 1;
            }
        }
    }
}
