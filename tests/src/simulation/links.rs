//! Who is connected with whom: dialling and its pauses, places, shutting out, partitions, nodes that
//! go down and come up.

use super::node::{Account, CHANNEL, Dial, FRAMEWORK, Peer, TOPICS};
use super::rules::{
    BLOCK_MILLIS, DIAL_FIRST, DIAL_LAST, DIALLED, IDLE_MILLIS, MAKE_ROOM, MAX_CONNECTIONS,
    MAX_DENIED, MAX_NODES, MAX_PEERS, SHUT_BELOW,
};
use super::setting::{Flood, Kind, VICTIMS};
use super::{Eclipse, World};
use gridpass_messaging::checking::Speaker;
use gridpass_messaging::net::GRAYLIST;
use std::sync::Arc;

/// On which side of the partition a node is.
pub(super) fn side(node: usize) -> usize {
    node % 2
}

impl World {
    /// Everybody dials some others, whoever they are; who crowds others dials them alone.
    pub(super) fn link(&mut self) {
        let crowd = |kind| matches!(kind, Kind::Sybil | Kind::Eclipser);
        let known: Vec<usize> =
            (0..self.nodes.len()).filter(|n| !crowd(self.nodes[*n].kind)).collect();
        for one in 0..self.nodes.len() {
            if crowd(self.nodes[one].kind) {
                for victim in self.victims() {
                    self.dials(one, victim);
                }
                continue;
            }
            let wanted = DIALLED.min(known.len() - 1);
            while self.nodes[one].dials.len() < wanted {
                let other = known[self.dice.below(known.len() as u64) as usize];
                if other != one && !self.nodes[other].dials.contains_key(&one) {
                    self.dials(one, other);
                }
            }
        }
        if self.setting.eclipse == Some(Eclipse::Whole) {
            for victim in self.victims() {
                self.dials(0, victim);
            }
        }
        for one in known {
            self.dial(one);
        }
    }

    fn dials(&mut self, one: usize, other: usize) {
        self.nodes[one].dials.insert(other, Dial { next: 0, wait: DIAL_FIRST });
    }

    /// The operators that are crowded.
    pub(super) fn victims(&self) -> std::ops::Range<usize> {
        self.setting.aggregators..self.setting.aggregators + VICTIMS
    }

    /// Whether two can reach each other at all.
    fn reach(&self, one: usize, other: usize) -> bool {
        let kinds = [self.nodes[one].kind, self.nodes[other].kind];
        let crowd = kinds.iter().any(|k| matches!(k, Kind::Sybil | Kind::Eclipser));
        let victims = self.victims();
        let taken = self.setting.eclipse == Some(Eclipse::Whole)
            && self.crowded
            && (victims.contains(&one) || victims.contains(&other))
            // Whoever is revoked is one of theirs.
            && one != 0
            && other != 0;
        let parted = self.parted && side(one) != side(other);
        self.nodes[one].up
            && self.nodes[other].up
            && !parted
            && if crowd { self.crowded } else { !taken }
    }

    /// Dials whoever is not connected and whose turn it is.
    pub(super) fn dial(&mut self, one: usize) {
        let now = self.now;
        let node = &self.nodes[one];
        let due: Vec<usize> = node
            .dials
            .iter()
            .filter(|(other, dial)| dial.next <= now && !node.peers.contains_key(other))
            .map(|(other, _)| *other)
            .collect();
        for other in due {
            let connected = self.connect(one, other);
            // Adversaries do not wait.
            let patient = !matches!(self.nodes[one].kind, Kind::Sybil | Kind::Eclipser);
            if let Some(dial) = self.nodes[one].dials.get_mut(&other) {
                let failed = if patient { (dial.wait * 2).min(DIAL_LAST) } else { DIAL_FIRST };
                dial.wait = if connected { DIAL_FIRST } else { failed };
                dial.next = now + dial.wait;
            }
        }
    }

    fn connect(&mut self, one: usize, other: usize) -> bool {
        let now = self.now;
        let place = |a: usize, b: usize| {
            let node = &self.nodes[a];
            let shut = node.shut.get(&b).is_some_and(|until| *until > now);
            !shut && node.peers.len() < MAX_CONNECTIONS
        };
        if !self.reach(one, other) || self.nodes[one].peers.contains_key(&other) {
            return false;
        }
        if !(place(one, other) && place(other, one)) {
            let honest = self.nodes[one].kind.is_honest();
            let full = [one, other].iter().any(|n| self.nodes[*n].peers.len() >= MAX_CONNECTIONS);
            self.outcome.turned_away += u64::from(honest && full);
            return false;
        }
        self.nodes[one].peers.insert(other, Peer::new(true, now));
        self.nodes[other].peers.insert(one, Peer::new(false, now));
        let crowded = self.meet(other, one) | self.meet(one, other);
        if crowded {
            self.close(one, other);
            return false;
        }
        let peers = self.nodes[other].peers.len() as u64;
        self.outcome.most_peers = self.outcome.most_peers.max(peers);
        if let Some(since) = self.outcome.came_back.get(&one).copied()
            && self.nodes[one].kind.is_honest()
            && self.nodes[other].kind.is_honest()
        {
            self.outcome.came_back.remove(&one);
            self.outcome.reconnected.push(now - since);
        }
        self.catch_up_with(one, other);
        self.catch_up_with(other, one);
        true
    }

    /// `other` says who it is, and `one` finds out what it may read. Gives whether there is no place
    /// for it.
    fn meet(&mut self, one: usize, other: usize) -> bool {
        if !self.nodes[one].serves() {
            let reads = self.nodes[other].kind.is_reader();
            if let Some(peer) = self.nodes[one].peers.get_mut(&other) {
                peer.reads = reads;
            }
            return false;
        }
        let participant = self.nodes[other].participant;
        let node = &self.nodes[one];
        let ends = node.accounts.get(&participant).is_some_and(Account::is_shut);
        let same = |peer: &&usize| self.nodes[**peer].participant == participant;
        let count = node.peers.keys().filter(same).count();
        if ends || (count > MAX_NODES && !node.dials.contains_key(&other)) {
            self.outcome.crowded_out += 1;
            return true;
        }
        self.judge(one, other);
        false
    }

    /// Asks the core whether a peer may read.
    fn judge(&mut self, one: usize, other: usize) {
        let now = self.clock();
        let shown = Arc::clone(&self.nodes[other].presentation);
        let did = self.nodes[other].party.did.clone();
        let whose = self.nodes[other].participant;
        let channel = self.market.channel.clone();
        let hides = self.nodes[other].kind == Kind::Flooder(Flood::Unshown);
        let node = &mut self.nodes[one];
        if !hides && node.documents.insert(whose) {
            node.memory.learn(&shown);
        }
        let speaker =
            Speaker { channel: &channel, participant: &did, node: None, presentation: shown.id() };
        let reads = node.checker.may_have(&speaker, &node.memory, now).0.is_some();
        if let Some(peer) = node.peers.get_mut(&other) {
            peer.reads = reads;
        }
    }

    /// Everybody is judged again: who may not read any more what it did is parted with.
    pub(super) fn rejudge(&mut self, one: usize) {
        let before: Vec<(usize, bool)> =
            self.nodes[one].peers.iter().map(|(id, p)| (*id, p.reads)).collect();
        for (other, reads) in before {
            self.judge(one, other);
            let reads_now = self.nodes[one].peers.get(&other).is_some_and(|p| p.reads);
            if reads && !reads_now {
                self.close(one, other);
            }
        }
    }

    pub(super) fn close(&mut self, one: usize, other: usize) {
        let now = self.now;
        for (a, b) in [(one, other), (other, one)] {
            self.nodes[a].peers.remove(&b);
            if let Some(dial) = self.nodes[a].dials.get_mut(&b) {
                dial.next = now + dial.wait;
            }
        }
    }

    pub(super) fn close_parted(&mut self) {
        for one in 0..self.nodes.len() {
            let across = |n: &&usize| side(**n) != side(one);
            let others: Vec<usize> = self.nodes[one].peers.keys().filter(across).copied().collect();
            others.into_iter().for_each(|other| self.close(one, other));
        }
    }

    pub(super) fn power(&mut self, node: usize, up: bool) {
        self.nodes[node].up = up;
        if up {
            self.outcome.came_back.insert(node, self.now);
            self.dial(node);
            return;
        }
        let others: Vec<usize> = self.nodes[node].peers.keys().copied().collect();
        others.into_iter().for_each(|other| self.close(node, other));
        self.nodes[node].forget_gossip();
        let now = self.now;
        for dial in self.nodes[node].dials.values_mut() {
            (dial.next, dial.wait) = (now, DIAL_FIRST);
        }
    }

    /// A peer answers for something, and its participant with it.
    pub(super) fn charge(&mut self, one: usize, other: usize, amount: f64) {
        let participant = self.nodes[other].participant;
        let Some(peer) = self.nodes[one].peers.get_mut(&other) else { return };
        peer.score -= amount;
        let out = (peer.score <= GRAYLIST).then_some(other);
        let account = self.nodes[one].accounts.entry(participant).or_default();
        account.score -= amount;
        let all = account.score <= SHUT_BELOW;
        self.shut_out(one, out);
        if all {
            self.shut_out_all(one, participant);
        }
    }

    /// What a participant's own node brings is denied to it.
    pub(super) fn denied(&mut self, one: usize, other: usize) {
        let participant = self.nodes[other].participant;
        let account = self.nodes[one].accounts.entry(participant).or_default();
        account.denied += 1.0;
        if account.denied >= MAX_DENIED {
            self.shut_out_all(one, participant);
        }
    }

    fn shut_out_all(&mut self, one: usize, participant: usize) {
        let same = |peer: &usize| self.nodes[*peer].participant == participant;
        let all: Vec<usize> = self.nodes[one].peers.keys().copied().filter(same).collect();
        self.shut_out(one, all);
    }

    fn shut_out(&mut self, one: usize, out: impl IntoIterator<Item = usize>) {
        for peer in out {
            self.nodes[one].shut.insert(peer, self.now + BLOCK_MILLIS);
            self.outcome.shut_out.entry((one, peer)).or_insert(self.now);
            self.close(one, peer);
        }
    }

    /// Where places grow short, who may read nothing here and has brought nothing makes room.
    pub(super) fn make_room(&mut self, one: usize) {
        let now = self.now;
        let node = &self.nodes[one];
        if node.peers.len() < MAX_PEERS - MAX_PEERS / 4 {
            return;
        }
        let idle = |(id, p): &(&usize, &Peer)| {
            !p.reads && !p.useful && !node.dials.contains_key(id) && now - p.since > IDLE_MILLIS
        };
        let idle: Vec<usize> =
            node.peers.iter().filter(idle).map(|(id, _)| *id).take(MAKE_ROOM).collect();
        idle.into_iter().for_each(|other| self.close(one, other));
    }

    /// Adversaries begin to crowd their victims, or end it.
    pub(super) fn crowd(&mut self, crowded: bool) {
        self.crowded = crowded;
        for victim in self.victims().filter(|_| !crowded) {
            let mesh = self.nodes[victim].peers.iter().filter(|(_, p)| p.mesh[CHANNEL].is_some());
            let (all, held) = mesh.fold((0, 0), |(all, held), (id, _)| {
                (all + 1, held + u64::from(!self.nodes[*id].kind.is_honest()))
            });
            self.outcome.held.push(held * 100 / u64::max(all, 1));
        }
        for one in 0..self.nodes.len() {
            let others: Vec<usize> = self.nodes[one].peers.keys().copied().collect();
            for other in others {
                if !self.reach(one, other) {
                    self.close(one, other);
                }
            }
        }
    }

    /// Whether a peer counts as subscribed to a topic.
    pub(super) fn is_subscribed(peer: &Peer, topic: usize) -> bool {
        debug_assert!(topic < TOPICS);
        topic == FRAMEWORK || peer.reads
    }
}
