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
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The most ranges that wait for one peer.
const MAX_RANGES: usize = 1024;
/// How long what a peer did not have is not asked of it again, in milliseconds.
const HOPELESS_MILLIS: u64 = 10 * 60 * 1000;
/// The most chains that are remembered as hopeless.
const MAX_HOPELESS: usize = 16_384;

/// Ranges to ask for, by peer.
#[derive(Default)]
pub(super) struct Ranges {
    queued: BTreeMap<PeerId, VecDeque<(Chain, u64, u64)>>,
    asking: BTreeMap<PeerId, Chain>,
    /// Up to where a chain has been asked for in vain, and when.
    hopeless: HashMap<Chain, (u64, UnixMillis)>,
}

impl Worker {
    /// Compares with a peer what both know.
    pub(super) fn catch_up_with(&mut self, peer: PeerId) {
        let lists = Request::Lists(self.list_heads());
        self.question(peer, lists);
        let channels: Vec<_> = self.knowledge.material.channels.keys().cloned().collect();
        for channel in channels {
            if self.checker.policy(&channel).is_some() && self.reads(&channel) {
                self.question(peer, Request::Heads { channel, after: None });
            }
        }
    }

    /// Whether this node takes in what is said in a channel.
    pub(super) fn reads(&self, channel: &ContentId) -> bool {
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

    pub(super) fn heads_came(
        &mut self,
        peer: PeerId,
        channel: &ContentId,
        heads: &[ChainHead],
        more: bool,
    ) {
        let now = self.now();
        let known: HashMap<Chain, (u64, u64)> = self
            .knowledge
            .store
            .heads(channel)
            .into_iter()
            .map(|h| (h.chain, (h.whole, h.newest)))
            .collect();
        for head in heads {
            let Ok(chain) = head.chain(channel) else { continue };
            let (whole, newest) = known.get(&chain).copied().unwrap_or_default();
            let mut from = whole.saturating_add(1);
            if let Some((until, since)) = self.ranges.hopeless.get(&chain)
                && now.millis_since(*since) < HOPELESS_MILLIS
                && *until >= from
            {
                from = newest.max(*until).saturating_add(1);
            }
            if from <= head.newest {
                self.want_range(peer, chain, from, head.newest);
            }
        }
        if let (true, Some(last)) = (more, heads.last()) {
            let after = Some((last.sender.clone(), last.key.clone()));
            self.question(peer, Request::Heads { channel: channel.clone(), after });
        }
    }

    /// Envelopes of a chain are missing that a peer has, or may have.
    pub(super) fn want_range(&mut self, peer: PeerId, chain: Chain, from: u64, until: u64) {
        let queue = self.ranges.queued.entry(peer).or_default();
        if queue.len() >= MAX_RANGES || queue.iter().any(|(c, ..)| c == &chain) {
            return;
        }
        if self.ranges.asking.get(&peer) == Some(&chain) {
            return;
        }
        queue.push_back((chain, from, until));
        self.next_range(peer);
    }

    fn next_range(&mut self, peer: PeerId) {
        if self.ranges.asking.contains_key(&peer) || !self.peers.is_open(&peer) {
            return;
        }
        let queue = self.ranges.queued.get_mut(&peer);
        let Some((chain, from, until)) = queue.and_then(VecDeque::pop_front) else { return };
        self.ranges.asking.insert(peer, chain.clone());
        let request = Request::Range {
            channel: chain.channel.clone(),
            sender: chain.sender.clone(),
            key: chain.key.as_str().to_owned(),
            from,
            until,
        };
        self.question_as(peer, request, Question::Range(chain, from, until));
    }

    pub(super) fn range_came(
        &mut self,
        peer: PeerId,
        chain: Chain,
        (from, until): (u64, u64),
        response: Response,
    ) {
        self.ranges.asking.remove(&peer);
        if let Response::Range(envelopes) = response {
            let (mut last, mut progress) = (from.saturating_sub(1), false);
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
                progress |= self.take_caught_up(peer, wire);
            }
            if envelopes.is_empty() {
                self.give_up_range(chain, until);
            } else if progress && last < until {
                let next = last.saturating_add(1);
                let queue = self.ranges.queued.entry(peer).or_default();
                queue.push_front((chain, next, until));
            } else if from > 1 || last < until {
                // Nothing of it was new, or it ends here.
                self.give_up_range(chain, last);
            }
        }
        self.next_range(peer);
    }

    fn give_up_range(&mut self, chain: Chain, until: u64) {
        if self.ranges.hopeless.len() >= MAX_HOPELESS {
            self.ranges.hopeless.clear();
        }
        self.ranges.hopeless.insert(chain, (until, self.now()));
    }

    /// Gives whether it brought anything.
    fn take_caught_up(&mut self, peer: PeerId, wire: &[u8]) -> bool {
        let (now, name) = (self.now(), peer.to_string());
        let arrival = Arrival { source: Source::CatchUp, peer: &name, channel: None };
        let checked = self.checker.check(wire, arrival, &self.knowledge, now);
        self.metrics.checked(&checked);
        self.settle(&checked, Some(peer), Source::CatchUp);
        matches!(checked.verdict, Verdict::Admit | Verdict::Refuse | Verdict::Wait)
    }

    /// What a peer is told of the chains of a channel.
    pub(super) fn heads(&self, channel: &ContentId, after: Option<&(Did, String)>) -> Response {
        let all = self.knowledge.store.heads(channel).into_iter().map(|h| ChainHead {
            sender: h.chain.sender,
            key: h.chain.key.as_str().to_owned(),
            whole: h.whole,
            newest: h.newest,
        });
        Response::heads(all.collect(), after)
    }

    pub(super) fn range(
        &mut self,
        peer: PeerId,
        (channel, sender, key): (ContentId, Did, &str),
        from: u64,
        until: u64,
    ) -> Response {
        let Ok(key) = DidUrl::parse(key) else {
            return Response::Refused(crate::codes::SYNC_MALFORMED.id().to_owned());
        };
        let since = self.peers.from(&peer, &channel);
        let chain = Chain { channel, sender, key };
        let kept = self.knowledge.store.range(&chain, from, until, MAX_PAGE);
        let own = chain.sender == self.me.participant;
        let mut wires = Vec::new();
        for kept in kept {
            // What was refused here is not passed on: others find out for themselves from whoever
            // allowed it.
            let Ok(envelope) = kept.envelope() else { continue };
            if !kept.allowed || envelope.header().issued < since {
                continue;
            }
            if own {
                self.handed.insert(envelope.id().clone(), ());
            }
            wires.push(kept.envelope.into_vec());
        }
        Response::Range(page(wires))
    }

    pub(super) fn peers_ranges_forget(&mut self, peer: &PeerId) {
        self.ranges.queued.remove(peer);
        self.ranges.asking.remove(peer);
    }
}
