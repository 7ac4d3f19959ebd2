//! Sending: what honest aggregators send, and what adversaries send instead.

use super::setting::{Flood, Kind, REVOKED, TRADE};
use super::{Event, What, World};
use crate::world::NOW;
use gridpass_messaging::envelope::Envelope;
use serde_json::json;
use std::sync::Arc;

/// Between two of a vandal's messages.
const VANDAL_MILLIS: u64 = 1_000;

impl World {
    pub(super) fn send(&mut self, index: usize) {
        match self.nodes[index].kind {
            Kind::Aggregator if index == 0 && self.now > REVOKED && self.setting.backdates => {
                self.backdate(index);
            }
            Kind::Aggregator => {
                let clock = self.clock();
                let made = self.nodes[index].sender.send(clock);
                let item = self.keep_own(index, &made);
                self.publish(index, item);
            }
            Kind::Eavesdropper => {
                let clock = self.clock();
                let made = self.nodes[index].sender.send(clock);
                let item = self.made(index, &made);
                self.publish(index, item);
            }
            Kind::Equivocator => self.equivocate(index),
            Kind::Vandal => {
                if self.now + VANDAL_MILLIS < TRADE {
                    self.at(self.now + VANDAL_MILLIS, Event::Send(index));
                }
                let clock = self.clock();
                let made = self.nodes[index].sender.send(clock);
                let mut wire = made.to_wire().expect("a payload");
                let last = wire.len() - 1;
                wire[last] ^= 1;
                let (id, number) = (made.id().clone(), made.header().sequence);
                let item = self.item(What::Envelope { wire: Arc::new(wire), id, number }, index);
                self.publish(index, item);
            }
            Kind::Flooder(flood) => self.flood(index, flood),
            Kind::Operator | Kind::Withholder | Kind::Laggard | Kind::Sybil | Kind::Eclipser => {}
        }
    }

    fn made(&mut self, index: usize, made: &Envelope) -> u32 {
        let wire = Arc::new(made.to_wire().expect("a payload"));
        let (id, number) = (made.id().clone(), made.header().sequence);
        self.item(What::Envelope { wire, id, number }, index)
    }

    /// Who sends keeps its own chain, and gives it to whoever catches up and may read.
    fn keep_own(&mut self, index: usize, made: &Envelope) -> u32 {
        let item = self.made(index, made);
        let number = made.header().sequence;
        let node = &mut self.nodes[index];
        node.memory.keep(made);
        node.chains.entry(index).or_default().keep(number, item, true);
        item
    }

    /// Two with one number, each to half of those who read.
    fn equivocate(&mut self, index: usize) {
        let clock = self.clock();
        let mut twin = self.nodes[index].sender.clone();
        let one = self.nodes[index].sender.send(clock);
        let two = twin.send(clock.plus_millis(1));
        let twins = [self.made(index, &one), self.made(index, &two)];
        self.outcome.twins.entry(index).or_insert(self.now);
        let readers: Vec<usize> =
            self.nodes[index].peers.iter().filter(|(_, p)| p.reads).map(|(id, _)| *id).collect();
        for (turn, peer) in readers.into_iter().enumerate() {
            self.put(index, peer, super::Message::Gossip(twins[turn % 2]));
        }
    }

    /// Whoever is revoked says that it made this just before, and lets itself be asked for it.
    fn backdate(&mut self, index: usize) {
        let before = NOW.plus_millis(REVOKED - 1);
        let made = self.nodes[index].sender.send(before);
        let item = self.keep_own(index, &made);
        self.outcome.backdated.insert(item);
    }

    fn flood(&mut self, index: usize, flood: Flood) {
        if self.now + flood.pause() < TRADE {
            self.at(self.now + flood.pause(), Event::Send(index));
        }
        // Nobody listens to it any more.
        if self.nodes[index].peers.is_empty() {
            return;
        }
        let clock = self.clock();
        let denied = matches!(flood, Flood::Denied | Flood::DeniedSlowly);
        let made = self.nodes[index].sender.send_with(clock, |header| {
            if denied {
                header.attributes.insert("zone".into(), json!("GB-9"));
            }
        });
        let item = self.made(index, &made);
        self.publish(index, item);
    }
}
