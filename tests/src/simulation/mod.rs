//! A market in virtual time: hundreds of nodes with the real checking core, and between them a model
//! of what the node and gossipsub do with its verdicts. All from one seed: no clock, no thread, no
//! socket, so that a run is the same every time and everywhere.
//!
//! ```text
//! setting -> cast (who, with which visas) -> links (who knows whom) -> events in virtual time
//!     mesh: bounded degree, heartbeat, lazy gossip, scores     taking: verdicts and what follows
//!     catching_up: heads, ranges, documents, status lists      adversaries: what they do instead
//! -> outcome: what must hold, and the measures
//! ```
//!
//! Every verdict is the core's own, and every envelope is verified by every node. Shared is only what
//! stays true for ever, and so changes no verdict: that the signatures of senders'
//! visas and presentations and of the first status lists fit. What is modelled and not run are libp2p and the node's actor; the
//! numbers of the model are in [`rules`]. Time goes by only on the wire: checking takes none.

mod adversaries;
mod cast;
mod catching_up;
mod links;
mod measures;
mod mesh;
mod node;
mod outcome;
pub mod rules;
pub mod scenarios;
mod setting;
mod taking;

pub use measures::{Distribution, Measures};
pub use node::Node;
pub use outcome::Outcome;
pub use setting::{Eclipse, Flood, Kind, REVOKED, Setting};

use crate::dice::Dice;
use crate::messages::Market;
use crate::world::NOW;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::status::StatusList;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::checking::Chain;
use node::{CHANNEL, FRAMEWORK};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

/// Something that gossip carries, known by its number.
struct Item {
    what: What,
    topic: usize,
    /// How many bytes it has on the wire.
    bytes: usize,
    /// Who made it, and when.
    author: usize,
    at: u64,
}

#[derive(Clone)]
enum What {
    Envelope {
        wire: Arc<Vec<u8>>,
        id: EnvelopeId,
        number: u64,
    },
    /// The status list of this number.
    List(usize),
    /// Two envelopes of one number.
    Fork(u32, u32),
}

/// What one node says to another.
enum Message {
    Gossip(u32),
    IHave(Arc<Vec<u32>>),
    IWant(Vec<u32>),
    Graft(usize),
    Prune(usize),
    AskDocument(usize),
    Document(usize, bool),
    AskLists(usize),
    Lists(Option<usize>),
    AskHeads,
    /// Of each chain the number of the newest, which it is, and the proof that it is contradicted.
    Heads(Vec<(usize, u64, u32, Option<u32>)>),
    AskProof(u32),
    Proof(u32),
    AskRange(usize, u64, u64),
    Range {
        chain: usize,
        asked: (u64, u64),
        items: Vec<u32>,
    },
}

enum Event {
    Arrive { to: usize, from: usize, message: Message },
    Tick(usize),
    Send(usize),
    Part(bool),
    CloseParted,
    Power(usize, bool),
    Revoke,
    Crowd(bool),
}

struct Timed {
    at: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

struct World {
    dice: Dice,
    setting: Setting,
    market: Market,
    nodes: Vec<Node>,
    items: Vec<Item>,
    /// Looked up, never walked through.
    named: HashMap<EnvelopeId, u32>,
    presentations: HashMap<ContentId, usize>,
    chains: HashMap<Chain, usize>,
    forks: BTreeMap<(u32, u32), u32>,
    lists: Vec<StatusList>,
    list_items: Vec<u32>,
    queue: BinaryHeap<Reverse<Timed>>,
    number: u64,
    now: u64,
    parted: bool,
    crowded: bool,
    outcome: Outcome,
}

/// Runs a setting to its end.
#[must_use]
pub fn run(setting: Setting) -> Outcome {
    let mut world = World::new(setting);
    world.schedule();
    while let Some(Reverse(timed)) = world.queue.pop() {
        if timed.at > setting::END {
            break;
        }
        world.now = timed.at;
        world.step(timed.event);
    }
    world.finish()
}

impl World {
    fn at(&mut self, at: u64, event: Event) {
        self.number += 1;
        self.queue.push(Reverse(Timed { at, number: self.number, event }));
    }

    /// What the clocks of all nodes say.
    fn clock(&self) -> UnixMillis {
        NOW.plus_millis(self.now)
    }

    /// Five minutes of trade, then four of quiet.
    fn schedule(&mut self) {
        let count = self.nodes.len() as u64;
        for index in 0..self.nodes.len() {
            let phase = index as u64 * rules::TICK_MILLIS / count;
            self.at(phase, Event::Tick(index));
            let kind = self.nodes[index].kind;
            match kind {
                Kind::Aggregator | Kind::Equivocator | Kind::Eavesdropper => {
                    for _ in 0..self.setting.messages {
                        let at = 5_000 + self.dice.below(setting::TRADE - 5_000);
                        self.at(at, Event::Send(index));
                    }
                }
                Kind::Flooder(_) | Kind::Vandal => self.at(30_000, Event::Send(index)),
                Kind::Operator if self.setting.churn && self.dice.below(4) == 0 => {
                    let down = 10_000 + self.dice.below(200_000);
                    self.at(down, Event::Power(index, false));
                    let up = down + 30_000 + self.dice.below(90_000);
                    self.at(up, Event::Power(index, true));
                }
                _ => {}
            }
        }
        // Whoever is revoked sends more than others, so that it is seen when that ends.
        for round in 0..60 {
            self.at(7_000 + round * 4_500, Event::Send(0));
        }
        if self.setting.partition {
            self.at(setting::PARTS, Event::Part(true));
            self.at(setting::PARTS + rules::SILENT_MILLIS, Event::CloseParted);
            self.at(setting::HEALS, Event::Part(false));
        }
        let sybils = self.setting.adversaries.iter().any(|(kind, _)| *kind == Kind::Sybil);
        if sybils && self.setting.churn {
            // Their victims lose their places, and want them again.
            for victim in self.victims() {
                self.at(setting::CROWDS + 40_000, Event::Power(victim, false));
                self.at(setting::CROWDS + 70_000, Event::Power(victim, true));
            }
        }
        self.at(setting::REVOKED, Event::Revoke);
        self.at(setting::CROWDS, Event::Crowd(true));
        self.at(setting::LEAVES, Event::Crowd(false));
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Arrive { to, from, message } => self.arrive(to, from, message),
            Event::Tick(node) => {
                self.at(self.now + rules::TICK_MILLIS, Event::Tick(node));
                if self.nodes[node].up {
                    self.tick(node);
                }
            }
            Event::Send(node) => self.send(node),
            Event::Part(parted) => self.parted = parted,
            Event::CloseParted => self.close_parted(),
            Event::Power(node, up) => self.power(node, up),
            Event::Revoke => self.revoke(),
            Event::Crowd(crowded) => self.crowd(crowded),
        }
    }

    /// Puts a message on the wire, unless the network is parted there or loses it.
    fn put(&mut self, from: usize, to: usize, message: Message) {
        let keeps = matches!(message, Message::Graft(_) | Message::Prune(_));
        let lost = !keeps && self.dice.below(1000) < self.setting.lost_per_mille;
        let Some(peer) = self.nodes[from].peers.get_mut(&to) else { return };
        if lost || (self.parted && links::side(from) != links::side(to)) {
            return;
        }
        if peer.queued >= rules::QUEUE {
            self.outcome.overflowed += 1;
            return;
        }
        peer.queued += 1;
        self.outcome.queued = self.outcome.queued.max(u64::from(peer.queued));
        let at = self.now + 5 + self.dice.below(120);
        self.at(at, Event::Arrive { to, from, message });
    }

    fn arrive(&mut self, to: usize, from: usize, message: Message) {
        if let Some(peer) = self.nodes[from].peers.get_mut(&to) {
            peer.queued = peer.queued.saturating_sub(1);
        }
        if !self.nodes[to].up || !self.nodes[to].peers.contains_key(&from) {
            return;
        }
        self.nodes[to].bytes += self.size(&message);
        match message {
            Message::Gossip(item) => self.gossiped(to, from, item),
            Message::IHave(items) => self.told(to, from, &items),
            Message::IWant(items) => self.wanted(to, from, &items),
            Message::Graft(topic) => self.grafted(to, from, topic),
            Message::Prune(topic) => self.pruned(to, from, topic),
            Message::AskDocument(whose) => {
                let node = &self.nodes[to];
                let has = node.documents.contains(&whose) && node.serves() || whose == to;
                // Nobody has what an unshown flood names.
                let has = has && self.nodes[whose].kind != Kind::Flooder(Flood::Unshown);
                self.put(to, from, Message::Document(whose, has));
            }
            Message::Document(whose, has) => self.document_came(to, whose, has),
            Message::AskLists(known) => {
                let newer = Some(self.nodes[to].list).filter(|l| *l > known);
                let answer = newer.filter(|_| self.nodes[to].kind.is_honest());
                self.put(to, from, Message::Lists(answer));
            }
            Message::Lists(newer) => {
                if let Some(list) = newer {
                    self.list_came(to, list, None);
                }
            }
            Message::AskHeads => self.answer_heads(to, from),
            Message::Heads(heads) => self.heads_came(to, from, &heads),
            Message::AskProof(proof) => self.put(to, from, Message::Proof(proof)),
            Message::Proof(proof) => {
                if let What::Fork(first, _) = self.items[proof as usize].what {
                    self.fork_came(to, first, proof);
                }
            }
            Message::AskRange(chain, first, last) => {
                self.answer_range(to, from, chain, first, last)
            }
            Message::Range { chain, asked, items } => {
                self.range_came(to, from, chain, asked, &items);
            }
        }
    }

    /// About how many bytes a message has: what is content exactly, the rest as it is encoded with
    /// its topic or its request.
    fn size(&self, message: &Message) -> u64 {
        let of = |item: u32| self.items[item as usize].bytes;
        let bytes = match message {
            Message::Gossip(item) => 80 + of(*item),
            Message::IHave(items) => 80 + 22 * items.len(),
            Message::IWant(items) => 8 + 22 * items.len(),
            Message::Graft(_) | Message::Prune(_) => 90,
            Message::AskDocument(_) => 80,
            Message::Document(whose, true) => 16 + self.nodes[*whose].presentation.text().len(),
            Message::Document(_, false) | Message::Lists(None) => 16,
            Message::AskLists(_) => 400,
            Message::Lists(Some(list)) => 16 + of(self.list_items[*list]),
            Message::AskHeads => 80,
            Message::Heads(heads) => 16 + 210 * heads.len(),
            Message::AskRange(..) | Message::AskProof(_) => 260,
            Message::Proof(proof) => 16 + of(*proof),
            Message::Range { items, .. } => 16 + items.iter().map(|i| of(*i)).sum::<usize>(),
        };
        bytes as u64
    }

    /// A number for something that gossip carries.
    fn item(&mut self, what: What, author: usize) -> u32 {
        let (topic, bytes) = match &what {
            What::Envelope { wire, .. } => (CHANNEL, wire.len()),
            What::List(list) => (FRAMEWORK, self.lists[*list].secured().text().len()),
            What::Fork(first, second) => {
                let of = |i: &u32| self.items[*i as usize].bytes;
                (FRAMEWORK, of(first) + of(second))
            }
        };
        let number = u32::try_from(self.items.len()).expect("few enough");
        if let What::Envelope { id, .. } = &what {
            self.named.insert(id.clone(), number);
        }
        self.items.push(Item { what, topic, bytes, author, at: self.now });
        number
    }
}
