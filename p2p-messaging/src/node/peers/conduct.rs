//! How peers behave, and what follows from it: for the peer, and for the participant that it acts
//! for.

use super::super::worker::{Worker, uptime};
use super::{Denial, JUDGE_MILLIS, Peer, Stage};
use crate::checking::{Checked, Source, Verdict, claimed_most};
use crate::net::{Command, GRAYLIST, peer_in};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
use std::collections::BTreeSet;

/// What a peer is charged for what every honest one would have refused: the third is the last.
pub(in crate::node) const FAULT: f64 = 30.0;
/// What it is charged for what an honest peer rarely passes on: the 400th at once is the last.
pub(in crate::node) const UNHELPFUL: f64 = 0.2;
/// What it is charged for saying once more that it is or reads something else, when that was too often.
pub(super) const RESTLESS: f64 = 1.0;
/// The score from which a peer is parted with for a while: gossip would not listen to it any more.
const PART_BELOW: f64 = GRAYLIST;
/// How long a peer is not spoken to that misbehaved, in milliseconds.
const BLOCK_MILLIS: u64 = 10 * 60 * 1000;
/// How long a peer has to say who it is, in milliseconds.
const HELLO_MILLIS: u64 = 15_000;
/// How long a peer may bring and read nothing before it makes room for others, in milliseconds.
const IDLE_MILLIS: u64 = 60_000;

impl Worker {
    /// What a peer passes on tells how it behaves.
    pub(in crate::node) fn judge_peer(&mut self, peer: PeerId, checked: &Checked, source: Source) {
        if checked.answers {
            self.denied(&peer, checked);
        } else if source == Source::Live && checked.is_too_fast() {
            self.too_fast(&peer, checked);
        }
        match (checked.verdict, source) {
            (Verdict::Admit, _) => {
                if let Some(state) = self.peers.all.get_mut(&peer) {
                    state.useful = true;
                }
            }
            (Verdict::Fault, _) => self.charge(peer, FAULT),
            // An honest peer passes none on; one with an older list may for a while.
            (_, Source::Live) if checked.answers => self.charge(peer, UNHELPFUL),
            _ => {}
        }
    }

    /// A peer passed on what is denied to the participant that it acts for. Others who pass it on may
    /// have an older list; a sender's own node asks itself first whether what it sends is allowed, and
    /// hears soon of what changed. So this is forgotten slowly, and shuts out also who takes its time.
    fn denied(&mut self, peer: &PeerId, checked: &Checked) {
        let Some(participant) = self.acts_for_its_sender(peer, checked) else { return };
        for node in self.peers.accounts.denied(&participant) {
            self.shut_out(node);
        }
    }

    /// A sender's own node brought more than the channel allows in a minute. Others who pass that on count
    /// otherwise. A little of it is honest: two nodes of a participant that do not hear each other each
    /// send what is allowed, and clocks are set. What is beyond that counts as denied.
    fn too_fast(&mut self, peer: &PeerId, checked: &Checked) {
        let Some(participant) = self.acts_for_its_sender(peer, checked) else { return };
        let Some(channel) = checked.envelope.as_ref().map(|e| &e.header().channel) else { return };
        let Some(policy) = self.checker.policy(channel) else { return };
        let descriptor = policy.descriptor();
        let a_minute = descriptor.limits.max_messages_per_minute;
        let borne = claimed_most(a_minute, descriptor.clock_skew_seconds);
        let minute = uptime(self.began).get() / 60_000;
        let nodes = self.peers.accounts.too_fast(&participant, channel, (minute, borne));
        for node in nodes {
            self.shut_out(node);
        }
    }

    /// The participant that a peer is shown to act for, where that is who sent the message.
    fn acts_for_its_sender(&self, peer: &PeerId, checked: &Checked) -> Option<Did> {
        let participant = self.proven(peer)?;
        let sender = &checked.envelope.as_ref()?.header().sender;
        (sender == participant).then(|| participant.clone())
    }

    /// A peer did not give what it must have.
    pub(in crate::node) fn promise_broken(&mut self, peer: PeerId, denial: Denial) {
        let now = uptime(self.began);
        let Some(state) = self.peers.all.get_mut(&peer) else { return };
        state.barren = true;
        if let Some(amount) = state.promises.broken(denial, now) {
            self.charge(peer, amount);
        }
    }

    /// It is asked once more, in a while, how far it knows the channels.
    pub(in crate::node) fn look_again_later(&mut self, peer: &PeerId) {
        let now = uptime(self.began);
        if let Some(state) = self.peers.all.get_mut(peer) {
            state.promises.look_again_later(now);
        }
    }

    /// A peer answers for something, and its participant with it.
    pub(in crate::node) fn charge(&mut self, peer: PeerId, amount: f64) {
        if self.peers.blocked.contains_key(&peer) {
            return;
        }
        let Some(state) = self.peers.all.get_mut(&peer) else { return };
        state.score -= amount;
        if state.score <= PART_BELOW {
            self.shut_out(peer);
        }
        // Anybody can say that it acts for somebody.
        let Some(participant) = self.proven(&peer).cloned() else { return };
        for node in self.peers.accounts.charge(&participant, amount) {
            self.shut_out(node);
        }
    }

    fn shut_out(&mut self, peer: PeerId) {
        let until = uptime(self.began).plus_millis(BLOCK_MILLIS);
        if self.peers.blocked.insert(peer, until).is_none() {
            tracing::warn!(%peer, "a peer is shut out for what it sent");
            self.metrics.blocked();
            self.tell(Command::Block(peer, true));
        }
    }

    /// It is shown, or not any more, that a peer acts for the participant that it names: they share
    /// what one participant may use here. Gives whether it may stay.
    pub(super) fn account_for(&mut self, peer: PeerId, proven: bool) -> bool {
        let Some(state) = self.peers.all.get_mut(&peer) else { return false };
        let before = std::mem::replace(&mut state.proven, proven);
        let name = peer.to_string();
        let Some(participant) = self.guests.participant(&name).cloned() else { return true };
        if !proven {
            if before {
                self.peers.accounts.leave(&participant, &peer);
                self.tell(Command::Share(peer, None));
            }
            return true;
        }
        if before {
            return true;
        }
        let count = self.peers.accounts.enter(&participant, peer);
        let most = self.settings.network.max_peers_per_participant;
        let crowded = usize::try_from(most).is_ok_and(|most| count > most);
        if self.peers.accounts.is_shut(&participant) || (crowded && !self.named().contains(&peer)) {
            tracing::info!(%peer, %participant, count, "its participant has no place for it here");
            // Also if the connection lasts: it is nobody until it says again who it is.
            self.peers.accounts.leave(&participant, &peer);
            self.guests.leave(&name);
            if let Some(state) = self.peers.all.get_mut(&peer) {
                (state.proven, state.hello, state.stage) = (false, None, Stage::Stranger);
            }
            self.tell(Command::Part(peer));
            return false;
        }
        self.tell(Command::Share(peer, Some(participant)));
        true
    }

    /// Those that the operator named.
    fn named(&self) -> BTreeSet<PeerId> {
        let settings = &self.settings.network;
        settings.peers.iter().chain(&settings.relays).filter_map(peer_in).collect()
    }

    /// Where places grow short, who may read nothing here and has brought nothing makes room, a few
    /// at a time; never those that the operator named.
    fn make_room(&mut self, now: UnixMillis) {
        let most = usize::try_from(self.settings.network.max_peers).unwrap_or(usize::MAX);
        if self.peers.all.len() < most.saturating_sub(most / 4) {
            return;
        }
        let named = self.named();
        let idle = |(id, p): &(&PeerId, &Peer)| {
            p.stage == Stage::Open
                && p.may.is_empty()
                && !p.useful
                && !named.contains(id)
                && now.millis_since(p.since) > IDLE_MILLIS
        };
        let idle = self.peers.all.iter().filter(idle).map(|(id, _)| *id);
        for peer in idle.take(4).collect::<Vec<_>>() {
            tracing::info!(%peer, "a peer that brings and reads nothing makes room");
            self.tell(Command::Part(peer));
        }
    }

    /// Of those that did not say who they are: who does not stay to have public documents. Where there
    /// are too many, those who stayed longest make room.
    fn unwelcome(&self, mut silent: Vec<(UnixMillis, PeerId)>) -> Vec<PeerId> {
        if silent.is_empty() {
            return Vec::new();
        }
        silent.sort();
        let named = self.named();
        let (mut visitors, mut unwelcome) = (Vec::new(), Vec::new());
        for (_, peer) in silent {
            match (self.exchange.is_speaker(&peer), named.contains(&peer)) {
                (true, true) => {}
                (true, false) => visitors.push(peer),
                (false, _) => unwelcome.push(peer),
            }
        }
        let most = usize::try_from(self.settings.network.max_visitors).unwrap_or(usize::MAX);
        unwelcome.extend(visitors.iter().take(visitors.len().saturating_sub(most)));
        unwelcome
    }

    pub(in crate::node) fn tick_peers(&mut self, now: UnixMillis) {
        self.make_room(now);
        self.peers.accounts.tick();
        let mut part: Vec<PeerId> = std::mem::take(&mut self.peers.to_part).into_iter().collect();
        let (mut late, mut silent) = (Vec::new(), Vec::new());
        let mut again = Vec::new();
        let mut scores = Vec::new();
        let ten_seconds = self.ticks.checked_rem(10) == Some(0);
        for (id, peer) in &mut self.peers.all {
            let age = now.millis_since(peer.since);
            match peer.stage {
                Stage::Stranger if age > HELLO_MILLIS => silent.push((peer.since, *id)),
                Stage::Judging if age > JUDGE_MILLIS => late.push(*id),
                _ => {}
            }
            if peer.ask_again && peer.again > 0 {
                peer.ask_again = false;
                peer.again = peer.again.saturating_sub(1);
                again.push(*id);
            }
            if peer.promises.looks_again(now) {
                again.push(*id);
            }
            if ten_seconds {
                peer.changes = peer.changes.saturating_sub(1);
            }
            // Half of it is forgotten in about a minute.
            peer.score = if peer.score > -0.1 { 0.0 } else { peer.score * 0.99 };
            // Gossip is told what it is now, also when it gets better.
            if (peer.told - peer.score).abs() >= 1.0 || (peer.score == 0.0 && peer.told < 0.0) {
                peer.told = peer.score;
                scores.push((*id, peer.score));
            }
        }
        part.extend(self.unwelcome(silent));
        for (peer, score) in scores {
            self.tell(Command::Score { peer, score });
        }
        for peer in part {
            tracing::debug!(%peer, "a peer did not say who it is");
            self.tell(Command::Part(peer));
        }
        for peer in again {
            self.catch_up_with(peer);
        }
        for peer in late {
            self.judge(peer);
        }
        let over: Vec<_> =
            self.peers.blocked.iter().filter(|(_, t)| **t <= now).map(|(p, _)| *p).collect();
        for peer in over {
            self.peers.blocked.remove(&peer);
            if !self.peers.shut.contains(&peer) {
                self.tell(Command::Block(peer, false));
            }
        }
    }
}
