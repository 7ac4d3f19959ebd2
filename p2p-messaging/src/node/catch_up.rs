//! Catching up: heads are compared, and ranges that are missing are asked for, one at a time of each
//! peer; and so is a message that a peer names and that is another one here. What comes is judged as of
//! when it was made.

use super::fetch::Question;
use super::looked::{Looked, is_early};
use super::peers::Denial;
use super::rounds::whose_turn;
use super::worker::Worker;
use crate::checking::{Arrival, Chain, Checked, Source, Verdict};
use crate::codes;
use crate::envelope::Envelope;
use crate::store::Store;
use crate::sync::{ChainHead, MAX_PAGE, Request, Response, page};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::codes as policy_codes;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// The most ranges that wait for one peer.
const MAX_RANGES: usize = 1024;
/// The most pages of heads that are asked for in a row.
const MAX_HEAD_PAGES: u32 = 64;
/// The most holes of one chain that are asked for at once; where there are as many, it is compared again
/// soon.
const MAX_HOLES: usize = 64;
/// The most pages that are looked through for one answer.
const MAX_PAGES: usize = 16;

/// What a peer said of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing: it passed on what comes after.
    None,
    /// It has later ones.
    Later,
    /// It has the last one of it, and this is its name.
    Last(EnvelopeId),
}

impl Claim {
    /// That nothing came says nothing about the peer.
    pub(super) fn excuse(&mut self) {
        if let Self::Last(_) = self {
            *self = Self::Later;
        }
    }
}

/// A range to ask for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub chain: Chain,
    pub from: u64,
    pub until: u64,
    pub claim: Claim,
}

/// Ranges to ask for, by peer.
#[derive(Default)]
pub(super) struct Ranges {
    queued: BTreeMap<PeerId, VecDeque<Wanted>>,
    asking: BTreeMap<PeerId, Chain>,
    pub(super) looked: Looked,
}

impl Ranges {
    /// Whether something of a chain is asked for, or will be.
    pub(super) fn wants(&self, chain: &Chain) -> bool {
        self.asking.values().any(|c| c == chain)
            || self.queued.values().flatten().any(|w| &w.chain == chain)
    }
}

impl Worker {
    /// Compares with a peer what both know.
    pub(super) fn catch_up_with(&mut self, peer: PeerId) {
        self.ask_for_lists(peer);
        let channels: Vec<_> = self.knowledge.material.channels.keys().cloned().collect();
        for channel in channels {
            if self.checker.policy(&channel).is_some() && self.takes_part(&channel) {
                self.question(peer, Request::Heads { channel, after: None });
            }
        }
    }

    /// Whether this node takes in what is said in a channel, to read it or to keep it for others.
    pub(super) fn takes_part(&self, channel: &ContentId) -> bool {
        self.knowledge.material.presentations.contains_key(channel)
    }

    /// Those that read are asked in most of the rounds, one after the other, so that others, however
    /// many they are, do not keep them from being asked; and among them those that gave what they said.
    pub(super) fn catch_up_with_somebody(&mut self) {
        let turn =
            self.ticks.checked_div(self.settings.catch_up_seconds.max(1)).unwrap_or_default();
        let (readers, others): (Vec<_>, Vec<_>) =
            self.peers.open().partition(|peer| self.peers.is_worth_asking(peer));
        if let Some(peer) = whose_turn(turn, &readers, &others) {
            self.catch_up_with(peer);
        }
    }

    /// Heads came; where `pages` says so, there are more, and so many pages came.
    pub(super) fn heads_came(
        &mut self,
        peer: PeerId,
        channel: &ContentId,
        heads: &[ChainHead],
        pages: Option<u32>,
    ) {
        let now = self.uptime();
        let in_order = heads.windows(2).all(|pair| match pair {
            [a, b] => (&a.sender, &a.key) < (&b.sender, &b.key),
            _ => true,
        });
        if !in_order {
            return;
        }
        let known: HashMap<Chain, u64> =
            self.knowledge.store.heads(channel).into_iter().map(|h| (h.chain, h.whole)).collect();
        let mut agrees = !heads.is_empty() || known.is_empty();
        for head in heads {
            let Ok(chain) = head.chain(channel) else { continue };
            self.ask_for_proof(peer, &chain, head);
            let store = &self.knowledge.store;
            let here = store.at(&chain, head.newest);
            let mut from = known.get(&chain).copied().unwrap_or_default().saturating_add(1);
            let mut looked_at = 0;
            if let Some(until) = self.ranges.looked.until(peer, &chain, now) {
                looked_at = until;
                from = from.max(until.saturating_add(1));
            }
            // What it gave and was not taken, such as what is too old, it has given.
            agrees &= head.newest <= looked_at
                || here.as_ref().is_some_and(|link| link.id == head.message);
            let mut wanted = store.holes(&chain, from, head.newest, MAX_HOLES);
            // Another one than here has that number: it is proof of a contradiction.
            if here.is_some_and(|link| link.id != head.message)
                && head.newest > looked_at
                && !store.proven(&chain)
            {
                wanted.push((head.newest, head.newest));
            }
            if wanted.len() >= MAX_HOLES {
                self.behind.wait(peer);
            }
            for (from, until) in wanted {
                let claim = match until == head.newest {
                    true => Claim::Last(head.message.clone()),
                    false => Claim::Later,
                };
                self.want_range(peer, Wanted { chain: chain.clone(), from, until, claim });
            }
        }
        if pages.is_none() {
            self.peers.gave(&peer, agrees);
        }
        if let (Some(pages), Some(last)) = (pages.filter(|p| *p < MAX_HEAD_PAGES), heads.last()) {
            let after = Some((last.sender.clone(), last.key.clone()));
            let request = Request::Heads { channel: channel.clone(), after };
            let question = Question::Heads(channel.clone(), pages.saturating_add(1));
            self.question_as(peer, request, question);
        } else {
            self.compared(peer, channel);
        }
    }

    /// Envelopes of a chain are missing that a peer has, or may have.
    pub(super) fn want_range(&mut self, peer: PeerId, wanted: Wanted) {
        let queue = self.ranges.queued.entry(peer).or_default();
        let covered = |w: &Wanted| {
            w.chain == wanted.chain && w.from <= wanted.from && wanted.until <= w.until
        };
        if queue.len() >= MAX_RANGES || queue.iter().any(covered) {
            return;
        }
        queue.push_back(wanted);
        self.next_range(peer);
    }

    fn next_range(&mut self, peer: PeerId) {
        if self.ranges.asking.contains_key(&peer) || !self.peers.is_open(&peer) {
            return;
        }
        let Some(queue) = self.ranges.queued.get_mut(&peer) else { return };
        // What came meanwhile, by gossip or from another peer, is not asked for.
        let store = &self.knowledge.store;
        let next = std::iter::from_fn(|| queue.pop_front()).find_map(|wanted| {
            let Wanted { chain, from, until, .. } = &wanted;
            let hole = store.holes(chain, *from, *until, 1).first().map(|(from, _)| *from);
            let from = hole.or_else(|| contradicted(store, &wanted))?;
            Some(Wanted { from, ..wanted })
        });
        let Some(next) = next else { return };
        self.ranges.asking.insert(peer, next.chain.clone());
        let request = Request::Range {
            channel: next.chain.channel.clone(),
            sender: next.chain.sender.clone(),
            key: next.chain.key.as_str().to_owned(),
            from: next.from,
            until: next.until,
        };
        self.question_as(peer, request, Question::Range(next));
    }

    pub(super) fn range_came(&mut self, peer: PeerId, wanted: Wanted, response: Response) {
        self.ranges.asking.remove(&peer);
        let Wanted { chain, from, until, claim } = wanted;
        let (mut given, mut denial) = (false, Denial::Silent);
        if let Response::Range(envelopes) = response {
            denial = Denial::Said;
            let (mut last, mut waits) = (from.saturating_sub(1), false);
            let mut early = None;
            for wire in &envelopes {
                let Ok(envelope) = Envelope::parse(wire) else { break };
                let header = envelope.header();
                // Only what was asked for, in order.
                let asked = Chain::of(header) == chain
                    && header.sequence > last
                    && header.sequence <= until;
                if !asked {
                    break;
                }
                last = header.sequence;
                given |= matches!(&claim, Claim::Last(id) if id == envelope.id());
                let checked = self.take_caught_up(peer, &chain.channel, wire);
                waits |= checked.verdict == Verdict::Wait;
                if is_early(&checked, self.now()) {
                    early.get_or_insert(last);
                }
            }
            // As long as it goes on, the last one may still come.
            given |= last >= from && last < until;
            if envelopes.is_empty() {
                // It said that it has later ones, and gave nothing of these; others may.
                if claim == Claim::Later {
                    self.looked_through(peer, chain.clone(), until);
                }
            } else if waits && chain.sender == self.me.participant {
                // Where the own chain goes on is not known before it is judged.
                self.compare_again(|channel| channel == &chain.channel);
            } else if let (Some(early), false) = (early, waits) {
                // Those after it were made no earlier. The next round asks for all of them again.
                if claim != Claim::None && early > from {
                    self.looked_through(peer, chain.clone(), early.saturating_sub(1));
                }
            } else if !waits && last >= from {
                // Also what was not taken, such as what is too old, has been looked at.
                if claim != Claim::None {
                    self.looked_through(peer, chain.clone(), last);
                }
                if last < until {
                    let from = last.saturating_add(1);
                    let (chain, claim) = (chain.clone(), claim.clone());
                    let queue = self.ranges.queued.entry(peer).or_default();
                    queue.push_front(Wanted { chain, from, until, claim });
                }
            }
        }
        if let Claim::Last(_) = claim {
            self.peers.gave(&peer, given);
            // Of the own chain all is told that there is, also what cannot be given any more.
            if !given && chain.sender != self.me.participant {
                tracing::info!(%peer, sender = %chain.sender, until, "a peer does not give what it named");
                self.forget_claims(&peer);
                self.promise_broken(peer, denial);
                self.look_again_later(&peer);
            }
        }
        self.next_range(peer);
        self.send_parked();
    }

    /// What a peer named is not asked of it any more: it is asked once more what it has.
    fn forget_claims(&mut self, peer: &PeerId) {
        let Some(queue) = self.ranges.queued.get_mut(peer) else { return };
        let all = std::mem::take(queue);
        let (kept, gone): (VecDeque<_>, VecDeque<_>) =
            all.into_iter().partition(|w| w.claim == Claim::None);
        *queue = kept;
        let chains = gone.into_iter().map(|w| w.chain).collect();
        self.own_is_not_given(&chains);
    }

    /// Ranges of these chains do not come after all: where the own are among them, others are asked how
    /// far they know them.
    fn own_is_not_given(&mut self, chains: &BTreeSet<Chain>) {
        let (me, key) = (self.me.participant.clone(), self.me.key_id.clone());
        let own = |c: &Chain| c.sender == me && c.key == key;
        self.compare_again(|channel| chains.iter().any(|c| own(c) && &c.channel == channel));
    }

    fn looked_through(&mut self, peer: PeerId, chain: Chain, until: u64) {
        let now = self.uptime();
        self.ranges.looked.through(peer, chain, until, now);
    }

    /// What waits comes again with the next round.
    fn take_caught_up(&mut self, peer: PeerId, channel: &ContentId, wire: &[u8]) -> Checked {
        let (now, name) = (self.now(), peer.to_string());
        let known_as = self.known_as(&peer, channel);
        let (source, known_as) = (Source::CatchUp, known_as.as_deref());
        let arrival = Arrival { source, peer: &name, known_as, channel: None };
        let checked = self.checker.check(wire, arrival, &self.knowledge, now);
        self.metrics.checked(&checked);
        let uptime = self.uptime();
        let is_known = arrival.known_as.is_some();
        self.note_early(&checked, is_known, now);
        self.settle(&checked, Some(peer), Source::CatchUp);
        if let Some(count) = self.ranges.looked.say_left_aside(&checked, uptime) {
            let code = checked.code;
            tracing::info!(%peer, %code, count, "left aside by catching up: {}", checked.sentence);
        }
        checked
    }

    /// Where messages of several senders are early, it is the clock here that is wrong, and nobody else would say so.
    /// What strangers bring says nothing. Nor does what nobody signed whose messages are here: it was put aside before
    /// anybody looked at its signature, and one peer could name any senders.
    pub(super) fn note_early(&mut self, checked: &Checked, is_known: bool, now: UnixMillis) {
        if !is_known || checked.code != policy_codes::MESSAGE_FROM_FUTURE {
            return;
        }
        let Some(envelope) = checked.envelope.as_deref() else { return };
        let (uptime, header) = (self.uptime(), envelope.header());
        if self.ranges.looked.was_early(&header.sender, uptime)
            || self.knowledge.store.newest(&Chain::of(header)).is_none()
            || !self.checker.is_signed(envelope, &self.knowledge, now)
        {
            return;
        }
        if let Some(behind) = self.ranges.looked.note_early(checked, now, uptime) {
            let (code, next) = (codes::NODE_CLOCK_BEHIND.id(), codes::NODE_CLOCK_BEHIND.0.remedy);
            let seconds = behind / 1000;
            tracing::warn!(code, next, seconds, "the clock here is behind that of several senders");
        }
    }

    /// Envelopes of a chain that were made since then; all there are, also what was refused, for
    /// their sender.
    pub(super) fn range(
        &mut self,
        (channel, sender, key): (ContentId, Did, &str),
        (from, until): (u64, u64),
        since: Option<UnixMillis>,
    ) -> Response {
        let Ok(key) = DidUrl::parse(key) else {
            return Response::Refused(crate::codes::SYNC_MALFORMED.id().to_owned());
        };
        let chain = Chain { channel, sender, key };
        let own = chain.sender == self.me.participant;
        let made = since.unwrap_or_else(|| UnixMillis::new(0));
        let (mut wires, mut next) = (Vec::new(), from);
        // What was refused here is not passed on: others find out for themselves from whoever
        // allowed it. Behind a great many of them the last one, which may have been named, is looked for.
        for page in 0..=MAX_PAGES {
            if page == MAX_PAGES {
                next = until;
            }
            let kept = self.knowledge.store.range(&chain, (next, until), made, MAX_PAGE);
            let Some((last, _)) = kept.last() else { break };
            next = last.saturating_add(1);
            for (_, kept) in kept {
                if !kept.allowed && since.is_some() {
                    continue;
                }
                if own && let Ok(envelope) = kept.envelope() {
                    self.handed.insert(envelope.id().clone(), ());
                }
                wires.push(kept.envelope.into_vec());
            }
            if !wires.is_empty() || next > until {
                break;
            }
        }
        Response::Range(page(wires))
    }

    pub(super) fn peers_ranges_forget(&mut self, peer: &PeerId) {
        let queued = self.ranges.queued.remove(peer).into_iter().flatten().map(|w| w.chain);
        let asked: BTreeSet<_> = queued.chain(self.ranges.asking.remove(peer)).collect();
        self.own_is_not_given(&asked);
        self.ranges.looked.forget(peer);
    }
}

/// The last number of a range, where the peer has another message there than is known here, and nothing
/// yet shows it.
fn contradicted(store: &Store, wanted: &Wanted) -> Option<u64> {
    let Claim::Last(named) = &wanted.claim else { return None };
    let here = store.at(&wanted.chain, wanted.until)?;
    (&here.id != named && !store.proven(&wanted.chain)).then_some(wanted.until)
}
