//! Catching up: heads are compared, and ranges that are missing are asked for, one at a time of each
//! peer. What comes is judged as of when it was made.

use super::fetch::Question;
use super::worker::Worker;
use crate::checking::{Arrival, Chain, Source, Verdict};
use crate::envelope::Envelope;
use crate::sync::{ChainHead, MAX_PAGE, Request, Response, page};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// The most ranges that wait for one peer.
const MAX_RANGES: usize = 1024;
/// The most pages of heads that are asked for in a row.
const MAX_HEAD_PAGES: u32 = 64;
/// The most holes of one chain that are asked for at once.
const MAX_HOLES: usize = 16;
/// How long what a peer did not have is not asked of it again, in milliseconds.
const HOPELESS_MILLIS: u64 = 10 * 60 * 1000;
/// The most chains of peers that are remembered as hopeless.
const MAX_HOPELESS: usize = 16_384;
/// The most pages that are looked through for one answer.
const MAX_PAGES: usize = 16;

/// A range, and whether the peer said that it has it.
type Wanted = ((Chain, u64, u64), bool);

/// Ranges to ask for, by peer.
#[derive(Default)]
pub(super) struct Ranges {
    queued: BTreeMap<PeerId, VecDeque<Wanted>>,
    asking: BTreeMap<PeerId, Chain>,
    /// Up to where a peer gave of a chain what it has, and since when that is known.
    hopeless: HashMap<(PeerId, Chain), (u64, UnixMillis)>,
}

impl Ranges {
    /// Whether something of a chain is asked for, or will be.
    pub(super) fn wants(&self, chain: &Chain) -> bool {
        self.asking.values().any(|c| c == chain)
            || self.queued.values().flatten().any(|((c, _, _), _)| c == chain)
    }

    /// What was looked through is asked for again.
    pub(super) fn look_again(&mut self) {
        self.hopeless.clear();
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

    pub(super) fn catch_up_with_somebody(&mut self) {
        let open: Vec<_> = self.peers.open().collect();
        // One after the other: the time is as good as dice here.
        let turn =
            self.ticks.checked_div(self.settings.catch_up_seconds.max(1)).unwrap_or_default();
        if let Some(index) = usize::try_from(turn).unwrap_or_default().checked_rem(open.len())
            && let Some(peer) = open.get(index)
        {
            self.catch_up_with(*peer);
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
        for head in heads {
            let Ok(chain) = head.chain(channel) else { continue };
            let mut from = known.get(&chain).copied().unwrap_or_default().saturating_add(1);
            if let Some((until, since)) = self.ranges.hopeless.get(&(peer, chain.clone()))
                && now.millis_since(*since) < HOPELESS_MILLIS
            {
                from = from.max(until.saturating_add(1));
            }
            for (from, until) in self.knowledge.store.holes(&chain, from, head.newest, MAX_HOLES) {
                self.want_range(peer, (chain.clone(), from, until), true);
            }
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
    pub(super) fn want_range(&mut self, peer: PeerId, range: (Chain, u64, u64), has_it: bool) {
        let (chain, from, until) = range;
        let queue = self.ranges.queued.entry(peer).or_default();
        let covered = |((c, a, b), _): &Wanted| c == &chain && *a <= from && until <= *b;
        if queue.len() >= MAX_RANGES || queue.iter().any(covered) {
            return;
        }
        queue.push_back(((chain, from, until), has_it));
        self.next_range(peer);
    }

    fn next_range(&mut self, peer: PeerId) {
        if self.ranges.asking.contains_key(&peer) || !self.peers.is_open(&peer) {
            return;
        }
        let Some(queue) = self.ranges.queued.get_mut(&peer) else { return };
        // What came meanwhile, by gossip or from another peer, is not asked for.
        let store = &self.knowledge.store;
        let next =
            std::iter::from_fn(|| queue.pop_front()).find_map(|((chain, from, until), has_it)| {
                let (from, _) = *store.holes(&chain, from, until, 1).first()?;
                Some((chain, from, until, has_it))
            });
        let Some((chain, from, until, has_it)) = next else { return };
        self.ranges.asking.insert(peer, chain.clone());
        let request = Request::Range {
            channel: chain.channel.clone(),
            sender: chain.sender.clone(),
            key: chain.key.as_str().to_owned(),
            from,
            until,
        };
        self.question_as(peer, request, Question::Range(chain, (from, until), has_it));
    }

    pub(super) fn range_came(
        &mut self,
        peer: PeerId,
        chain: Chain,
        (from, until): (u64, u64),
        has_it: bool,
        response: Response,
    ) {
        self.ranges.asking.remove(&peer);
        if let Response::Range(envelopes) = response {
            let (mut last, mut waits) = (from.saturating_sub(1), false);
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
                waits |= self.take_caught_up(peer, wire) == Verdict::Wait;
            }
            if envelopes.is_empty() {
                // It said that it has it, and gave nothing more of it; others may.
                if has_it {
                    self.looked_through(peer, chain, until);
                }
            } else if waits && chain.sender == self.me.participant {
                // Where the own chain goes on is not known before it is judged.
                self.compare_again(|channel| channel == &chain.channel);
            } else if !waits && last >= from {
                // Also what was not taken, such as what is too old, has been looked at.
                if has_it {
                    self.looked_through(peer, chain.clone(), last);
                }
                if last < until {
                    let next = last.saturating_add(1);
                    let queue = self.ranges.queued.entry(peer).or_default();
                    queue.push_front(((chain, next, until), has_it));
                }
            }
        }
        self.next_range(peer);
        self.send_parked();
    }

    fn looked_through(&mut self, peer: PeerId, chain: Chain, until: u64) {
        if self.ranges.hopeless.len() >= MAX_HOPELESS {
            self.ranges.hopeless.clear();
        }
        let now = self.uptime();
        self.ranges.hopeless.insert((peer, chain), (until, now));
    }

    /// What waits comes again with the next round.
    fn take_caught_up(&mut self, peer: PeerId, wire: &[u8]) -> Verdict {
        let (now, name) = (self.now(), peer.to_string());
        let arrival = Arrival { source: Source::CatchUp, peer: &name, channel: None };
        let checked = self.checker.check(wire, arrival, &self.knowledge, now);
        self.metrics.checked(&checked);
        self.settle(&checked, Some(peer), Source::CatchUp);
        checked.verdict
    }

    /// What a peer is told of the chains of a channel.
    pub(super) fn heads(
        &self,
        channel: &ContentId,
        after: Option<&(Did, String)>,
        of: impl Fn(&Did) -> bool,
    ) -> Response {
        let all = self.knowledge.store.heads(channel).into_iter();
        let all = all.filter(|h| of(&h.chain.sender)).map(|h| ChainHead {
            sender: h.chain.sender,
            key: h.chain.key.as_str().to_owned(),
            whole: h.whole,
            newest: h.newest,
        });
        Response::heads(all.collect(), after)
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
        // allowed it.
        for _ in 0..MAX_PAGES {
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
        let queued = self.ranges.queued.remove(peer).into_iter().flatten().map(|((c, _, _), _)| c);
        let asked: BTreeSet<_> = queued.chain(self.ranges.asking.remove(peer)).collect();
        let (me, key) = (self.me.participant.clone(), self.me.key_id.clone());
        let own = |c: &Chain| c.sender == me && c.key == key;
        self.compare_again(|channel| asked.iter().any(|c| own(c) && &c.channel == channel));
        self.ranges.hopeless.retain(|(p, _), _| p != peer);
    }
}
