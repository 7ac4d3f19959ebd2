//! Gossip as gossipsub does it: a mesh of bounded degree for each topic, a heartbeat that mends it,
//! and for those outside it word of what there is.

use super::node::{CHANNEL, FRAMEWORK, Peer, TOPICS};
use super::rules::{
    BACKOFF_MILLIS, BETTER, BETTER_BELOW, BETTER_TICKS, CATCH_UP_TICKS, GOSSIP_ABOVE, HELD_TICKS,
    LAZY, LAZY_PART, MESH, MESH_BEST, MESH_HIGH, MESH_LOW, MESH_OUTBOUND, PUBLISH_ABOVE,
    TOLD_TICKS, WANTED_MILLIS,
};
use super::setting::Kind;
use super::{Message, World};
use std::sync::Arc;

impl World {
    /// A second of a node.
    pub(super) fn tick(&mut self, index: usize) {
        let (now, clock) = (self.now, self.clock());
        let node = &mut self.nodes[index];
        node.ticks += 1;
        node.checker.give_up(clock);
        node.shut.retain(|_, until| *until > now);
        node.accounts.retain(|_, account| account.forget());
        node.peers.values_mut().for_each(Peer::forget);
        let ticks = node.ticks;
        while node.recent.front().is_some_and(|(tick, _)| tick + HELD_TICKS <= ticks) {
            node.recent.pop_front();
        }
        node.wanted.retain(|_, at| now - *at < WANTED_MILLIS);
        let waits = node.checker.waiting() as u64;
        self.outcome.waited = self.outcome.waited.max(waits);
        self.dial(index);
        self.make_room(index);
        if self.takes_part(index) {
            self.keep_mesh(index, CHANNEL);
        }
        self.keep_mesh(index, FRAMEWORK);
        if self.nodes[index].serves() {
            self.tell(index);
            self.tick_fetches(index);
            self.look_again(index);
            if self.nodes[index].ticks.is_multiple_of(CATCH_UP_TICKS) {
                self.catch_up_with_somebody(index);
            }
        }
    }

    /// Who reads has a mesh in the channel; who only sends is in nobody's, since nobody takes its
    /// subscription, and sends to all that read.
    fn takes_part(&self, index: usize) -> bool {
        self.nodes[index].kind.is_reader()
    }

    fn scores(&self, index: usize, topic: usize) -> Vec<(usize, f64, bool, bool, bool)> {
        let (now, node) = (self.now, &self.nodes[index]);
        node.peers
            .iter()
            .filter(|(_, p)| Self::is_subscribed(p, topic))
            .map(|(id, p)| {
                let waits = p.backoff[topic] > now;
                (*id, p.gossip_score(now), p.mesh[topic].is_some(), p.outbound, waits)
            })
            .collect()
    }

    fn keep_mesh(&mut self, index: usize, topic: usize) {
        let scores = self.scores(index, topic);
        // Adversaries hold on to every place.
        if self.nodes[index].kind == Kind::Eclipser {
            for (id, _, inside, _, waits) in scores {
                if !inside && !waits {
                    self.graft(index, id, topic);
                }
            }
            return;
        }
        let mut mesh: Vec<(usize, f64, bool)> = Vec::new();
        for (id, score, inside, outbound, _) in &scores {
            match (inside, *score < 0.0) {
                (true, true) => self.prune(index, *id, topic),
                (true, false) => mesh.push((*id, *score, *outbound)),
                (false, _) => {}
            }
        }
        let mut others: Vec<(usize, f64, bool)> = scores
            .iter()
            .filter(|(_, score, inside, _, waits)| !inside && !waits && *score >= 0.0)
            .map(|(id, score, _, outbound, _)| (*id, *score, *outbound))
            .collect();
        if mesh.len() < MESH_LOW {
            for _ in mesh.len()..MESH {
                let Some(taken) = self.pick(&mut others) else { break };
                self.graft(index, taken.0, topic);
                mesh.push(taken);
            }
        }
        if mesh.len() >= MESH_HIGH {
            self.send_away(index, topic, &mut mesh);
        }
        let dialled = mesh.iter().filter(|m| m.2).count();
        if mesh.len() >= MESH_LOW && dialled < MESH_OUTBOUND {
            let mut outbound: Vec<_> = others.iter().copied().filter(|o| o.2).collect();
            for _ in dialled..MESH_OUTBOUND {
                let Some(taken) = self.pick(&mut outbound) else { break };
                self.graft(index, taken.0, topic);
                others.retain(|o| o.0 != taken.0);
                mesh.push(taken);
            }
        }
        if self.nodes[index].ticks.is_multiple_of(BETTER_TICKS) && mesh.len() > 1 {
            mesh.sort_by(|a, b| a.1.total_cmp(&b.1));
            let middle = mesh.len() / 2;
            let median = match mesh.len() % 2 {
                0 => (mesh[middle - 1].1 + mesh[middle].1) * 0.5,
                _ => mesh[middle].1,
            };
            if median < BETTER_BELOW {
                let mut better: Vec<_> = others.into_iter().filter(|o| o.1 > median).collect();
                for _ in 0..BETTER {
                    let Some(taken) = self.pick(&mut better) else { break };
                    self.graft(index, taken.0, topic);
                }
            }
        }
    }

    fn pick(&mut self, of: &mut Vec<(usize, f64, bool)>) -> Option<(usize, f64, bool)> {
        (!of.is_empty()).then(|| of.swap_remove(self.dice.below(of.len() as u64) as usize))
    }

    /// Too many: some go, never the best, nor the last that were dialled.
    fn send_away(&mut self, index: usize, topic: usize, mesh: &mut Vec<(usize, f64, bool)>) {
        let mut all = std::mem::take(mesh);
        let mut shuffled = Vec::new();
        while let Some(one) = self.pick(&mut all) {
            shuffled.push(one);
        }
        shuffled.sort_by(|a, b| a.1.total_cmp(&b.1));
        let best = shuffled.split_off(shuffled.len() - MESH_BEST);
        let mut order = Vec::new();
        while let Some(one) = self.pick(&mut shuffled) {
            order.push(one);
        }
        order.extend(best);
        let mut excess = order.len() - MESH;
        let mut dialled = order.iter().filter(|o| o.2).count();
        for one in order {
            if excess == 0 || (one.2 && dialled <= MESH_OUTBOUND) {
                mesh.push(one);
                continue;
            }
            dialled -= usize::from(one.2);
            excess -= 1;
            self.prune(index, one.0, topic);
        }
    }

    fn graft(&mut self, index: usize, peer: usize, topic: usize) {
        let now = self.now;
        if let Some(state) = self.nodes[index].peers.get_mut(&peer) {
            state.mesh[topic] = Some(now);
        }
        self.put(index, peer, Message::Graft(topic));
    }

    fn prune(&mut self, index: usize, peer: usize, topic: usize) {
        let until = self.now + BACKOFF_MILLIS;
        if let Some(state) = self.nodes[index].peers.get_mut(&peer) {
            state.mesh[topic] = None;
            state.backoff[topic] = until;
        }
        self.put(index, peer, Message::Prune(topic));
    }

    pub(super) fn grafted(&mut self, to: usize, from: usize, topic: usize) {
        let now = self.now;
        let inside = self.nodes[to].peers.values().filter(|p| p.mesh[topic].is_some()).count();
        let takes = topic == FRAMEWORK || self.takes_part(to);
        let Some(peer) = self.nodes[to].peers.get_mut(&from) else { return };
        // Of somebody who may not read no subscription was taken.
        if peer.mesh[topic].is_some() || !takes || !Self::is_subscribed(peer, topic) {
            return;
        }
        let full = inside >= MESH_HIGH && !peer.outbound;
        if full || peer.backoff[topic] > now || peer.gossip_score(now) < 0.0 {
            self.prune(to, from, topic);
        } else {
            peer.mesh[topic] = Some(now);
        }
    }

    pub(super) fn pruned(&mut self, to: usize, from: usize, topic: usize) {
        let until = self.now + BACKOFF_MILLIS;
        if let Some(peer) = self.nodes[to].peers.get_mut(&from) {
            peer.mesh[topic] = None;
            peer.backoff[topic] = until;
        }
    }

    /// To everybody who may have it, from who made it or took it in otherwise.
    pub(super) fn publish(&mut self, index: usize, item: u32) {
        let (now, topic) = (self.now, self.items[item as usize].topic);
        if self.nodes[index].saw(item, now) {
            return;
        }
        self.remember(index, item);
        let told: Vec<usize> = self.nodes[index]
            .peers
            .iter()
            .filter(|(_, p)| Self::is_subscribed(p, topic) && p.gossip_score(now) >= PUBLISH_ABOVE)
            .map(|(id, _)| *id)
            .collect();
        told.into_iter().for_each(|peer| self.put(index, peer, Message::Gossip(item)));
    }

    /// To the mesh, but for the one it came from.
    pub(super) fn pass_on(&mut self, index: usize, from: usize, item: u32) {
        self.remember(index, item);
        let topic = self.items[item as usize].topic;
        let told: Vec<usize> = self.nodes[index]
            .peers
            .iter()
            .filter(|(id, p)| p.mesh[topic].is_some() && **id != from)
            .map(|(id, _)| *id)
            .collect();
        told.into_iter().for_each(|peer| self.put(index, peer, Message::Gossip(item)));
    }

    fn remember(&mut self, index: usize, item: u32) {
        let node = &mut self.nodes[index];
        node.recent.push_back((node.ticks, item));
    }

    /// Those outside the mesh are told what there is.
    fn tell(&mut self, index: usize) {
        let (now, ticks) = (self.now, self.nodes[index].ticks);
        for topic in 0..TOPICS {
            let node = &self.nodes[index];
            let items: Vec<u32> = node
                .recent
                .iter()
                .filter(|(tick, item)| {
                    tick + TOLD_TICKS > ticks && self.items[*item as usize].topic == topic
                })
                .map(|(_, item)| *item)
                .collect();
            if items.is_empty() {
                continue;
            }
            let outside = |p: &Peer| {
                Self::is_subscribed(p, topic)
                    && p.mesh[topic].is_none()
                    && p.gossip_score(now) >= GOSSIP_ABOVE
            };
            let mut others: Vec<usize> =
                node.peers.iter().filter(|(_, p)| outside(p)).map(|(id, _)| *id).collect();
            let items = Arc::new(items);
            for _ in 0..LAZY.max(others.len() / LAZY_PART) {
                if others.is_empty() {
                    break;
                }
                let one = others.swap_remove(self.dice.below(others.len() as u64) as usize);
                self.put(index, one, Message::IHave(Arc::clone(&items)));
            }
        }
    }

    pub(super) fn told(&mut self, to: usize, from: usize, items: &[u32]) {
        let now = self.now;
        let node = &mut self.nodes[to];
        let listens = node.peers.get(&from).is_some_and(|p| p.gossip_score(now) >= GOSSIP_ABOVE);
        if !listens || !node.serves() {
            return;
        }
        let new = |i: &&u32| !node.has_seen(**i, now) && !node.wanted.contains_key(*i);
        let new: Vec<u32> = items.iter().filter(new).copied().collect();
        if !new.is_empty() {
            node.wanted.extend(new.iter().map(|i| (*i, now)));
            self.put(to, from, Message::IWant(new));
        }
    }

    /// gossipsub gives what is asked for to whoever asks by its name.
    pub(super) fn wanted(&mut self, to: usize, from: usize, items: &[u32]) {
        for item in items {
            if self.nodes[to].recent.iter().any(|(_, i)| i == item) {
                self.put(to, from, Message::Gossip(*item));
            }
        }
    }
}
