//! A market in virtual time: many nodes with the checking core, gossip, fetching and catching up
//! between them, all from one seed. No clock, no thread, no socket: a run is the same every time.
//!
//! Participants are aggregators, who bid and may not read, system operators, who read, and
//! adversaries. The network loses, delays, parts and heals; nodes go down and come up.

use crate::dice::Dice;
use crate::messages::{Market, Memory, Sender};
use crate::world::{self, NOW, Party, in_days};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::checking::{
    Arrival, Chain, Checker, Effect, Known as _, Limits, Missing, Source, Speaker, Verdict,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bids, and may not read.
    Aggregator,
    /// Reads.
    Operator,
    /// Has no visa at all, and asks for everything.
    Eavesdropper,
    /// An accredited aggregator who signs two messages with each number.
    Equivocator,
    /// Sends bytes that are none, and signatures that do not fit.
    Vandal,
}

/// How large, and how bad.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// From which everything is made.
    pub seed: u64,
    /// Aggregators.
    pub aggregators: u8,
    /// Operators.
    pub operators: u8,
    /// Of each kind of adversary.
    pub adversaries: u8,
    /// Messages of each aggregator.
    pub messages: u64,
    /// How many in a thousand transmissions are lost.
    pub lost_per_mille: u64,
}

type Wire = Arc<Vec<u8>>;

#[derive(Clone)]
enum Message {
    Gossip(Wire),
    Ask(Missing),
    Document(Arc<Secured>),
    Heads(Arc<BTreeMap<Chain, u64>>),
    Range(Vec<Wire>),
    List(Arc<StatusList>),
}

enum Event {
    Arrive { to: usize, from: usize, message: Message },
    Send(usize),
    CatchUp(usize),
    Part(bool),
    Power(usize, bool),
    Revoke(usize),
}

/// One participant with one node.
pub struct Node {
    /// What it is.
    pub kind: Kind,
    party: Party,
    presentation: Arc<Secured>,
    checker: Checker,
    memory: Memory,
    documents: HashMap<ContentId, Arc<Secured>>,
    envelopes: BTreeMap<(Chain, u64), Wire>,
    sender: Sender,
    links: Vec<usize>,
    /// Those who showed that they may read.
    readers: BTreeSet<usize>,
    faults: BTreeMap<usize, u32>,
    up: bool,
    has_list: bool,
    /// What was delivered, and when.
    pub delivered: BTreeMap<EnvelopeId, UnixMillis>,
    /// Proofs that somebody signed two with one number.
    pub forks: usize,
    /// Envelopes that honest peers gave it, by gossip or by catching up.
    pub received: usize,
}

/// What came out.
pub struct Outcome {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What honest aggregators sent who kept their visas.
    pub sent: BTreeSet<EnvelopeId>,
    /// What the revoked aggregator sent.
    pub by_revoked: BTreeSet<EnvelopeId>,
    /// How long each delivery took, in milliseconds.
    pub delays: Vec<u64>,
    /// How long the revocation took to each operator, in milliseconds.
    pub revocations: Vec<u64>,
    /// Envelopes of the revoked that were delivered by a node which had the list.
    pub late: usize,
    /// Envelopes on the wire for each that was delivered.
    pub amplification: f64,
    /// Peers that were dropped for what they sent.
    pub dropped: BTreeSet<usize>,
}

struct World {
    dice: Dice,
    setting: Setting,
    market: Market,
    nodes: Vec<Node>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: HashMap<u64, Event>,
    number: u64,
    now: UnixMillis,
    parted: bool,
    sent_at: BTreeMap<EnvelopeId, UnixMillis>,
    outcome: Outcome,
    on_the_wire: usize,
    revoked: Option<(usize, Arc<StatusList>, UnixMillis)>,
}

/// The most faults of a peer before it is dropped.
const MAX_FAULTS: u32 = 3;
/// How many envelopes are given at once by catching up.
const PAGE: usize = 64;

/// Runs a setting to its end.
#[must_use]
pub fn run(setting: Setting) -> Outcome {
    let mut world = World::new(setting);
    world.schedule();
    while let Some(Reverse((at, number))) = world.queue.pop() {
        world.now = NOW.plus_millis(at);
        if let Some(event) = world.events.remove(&number) {
            world.step(event);
        }
    }
    world.finish()
}

impl World {
    fn new(setting: Setting) -> Self {
        let market = Market::with_operators(|d| d.max_status_age_seconds = 24 * 3600);
        let dice = Dice::new(setting.seed);
        let outcome = Outcome {
            nodes: Vec::new(),
            sent: BTreeSet::new(),
            by_revoked: BTreeSet::new(),
            delays: Vec::new(),
            revocations: Vec::new(),
            late: 0,
            amplification: 0.0,
            dropped: BTreeSet::new(),
        };
        let mut world = Self {
            dice,
            setting,
            market,
            nodes: Vec::new(),
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            number: 0,
            now: NOW,
            parted: false,
            sent_at: BTreeMap::new(),
            outcome,
            on_the_wire: 0,
            revoked: None,
        };
        let kinds = [
            (Kind::Aggregator, setting.aggregators),
            (Kind::Operator, setting.operators),
            (Kind::Eavesdropper, setting.adversaries),
            (Kind::Equivocator, setting.adversaries),
            (Kind::Vandal, setting.adversaries),
        ];
        for (kind, count) in kinds {
            (0..count).for_each(|_| world.add(kind));
        }
        world.link();
        world
    }

    fn add(&mut self, kind: Kind) {
        let number = u8::try_from(self.nodes.len() + 10).expect("at most 245 nodes");
        let party = Party::new(number);
        let role = match kind {
            Kind::Operator => self.market.operators.as_ref(),
            Kind::Aggregator | Kind::Equivocator => Some(&self.market.role),
            Kind::Eavesdropper | Kind::Vandal => None,
        };
        let regulator = &self.market.regulator;
        // Who has no visa shows one that it gave itself.
        let (issuer, role) = role.map_or((&party, &self.market.role), |r| (regulator, r));
        let visa = world::issue(issuer, &world::visa(issuer, &party, role, |_| ()));
        let audience = self.market.channel.to_string();
        let binding = Binding { audience, nonce: None, expires: in_days(30) };
        let presentation = Arc::new(world::present_as(&party, &[&visa], Form::Jwt, &binding));
        let peer = self.market.peer(&party, &[&presentation], self.market.lists(&[]));
        let mut checker = Checker::new(party.did.clone(), &Limits::default());
        checker.join(self.market.policy(), crate::channels::schemas(), true);
        let sender = Sender::new(&party, &presentation, &self.market.channel);
        let documents = HashMap::from([(presentation.id().clone(), Arc::clone(&presentation))]);
        self.nodes.push(Node {
            kind,
            party,
            presentation,
            checker,
            memory: peer.memory,
            documents,
            envelopes: BTreeMap::new(),
            sender,
            links: Vec::new(),
            readers: BTreeSet::new(),
            faults: BTreeMap::new(),
            up: true,
            has_list: false,
            delivered: BTreeMap::new(),
            forks: 0,
            received: 0,
        });
    }

    /// Six links for each node, to anybody; operators know four operators besides.
    fn link(&mut self) {
        let count = self.nodes.len();
        let operators: Vec<usize> =
            (0..count).filter(|i| self.nodes[*i].kind == Kind::Operator).collect();
        let mut pairs = BTreeSet::new();
        for one in 0..count {
            for _ in 0..6 {
                pairs.insert((one, self.dice.below(count as u64) as usize));
            }
            for _ in 0..4 {
                let other = operators[self.dice.below(operators.len() as u64) as usize];
                pairs.insert((one, other));
            }
        }
        for (a, b) in pairs {
            if a != b {
                for (one, other) in [(a, b), (b, a)] {
                    if !self.nodes[one].links.contains(&other) {
                        self.nodes[one].links.push(other);
                    }
                    self.meet(one, other);
                }
            }
        }
    }

    /// `other` shows its presentation, and `one` finds out whether it may read.
    fn meet(&mut self, one: usize, other: usize) {
        let shown = Arc::clone(&self.nodes[other].presentation);
        let participant = self.nodes[other].party.did.clone();
        let (now, channel) = (self.now, self.market.channel.clone());
        let node = &mut self.nodes[one];
        node.memory.learn(&shown);
        node.documents.insert(shown.id().clone(), Arc::clone(&shown));
        let speaker = Speaker {
            channel: &channel,
            participant: &participant,
            node: None,
            presentation: shown.id(),
        };
        if node.checker.may_have(&speaker, &node.memory, now).0.is_some() {
            node.readers.insert(other);
        }
    }

    fn at(&mut self, millis: u64, event: Event) {
        self.number += 1;
        self.queue.push(Reverse((millis, self.number)));
        self.events.insert(self.number, event);
    }

    fn elapsed(&self) -> u64 {
        self.now.millis_since(NOW)
    }

    /// Ten minutes of trade, with a partition and nodes that come and go, then ten of quiet.
    fn schedule(&mut self) {
        for index in 0..self.nodes.len() {
            let kind = self.nodes[index].kind;
            if kind != Kind::Operator {
                for _ in 0..self.setting.messages {
                    let at = self.dice.below(600_000);
                    self.at(at, Event::Send(index));
                }
            }
            let first = self.dice.below(10_000);
            for round in 0..120 {
                self.at(first + round * 10_000, Event::CatchUp(index));
            }
            if kind == Kind::Operator && self.dice.below(4) == 0 {
                let down = self.dice.below(400_000);
                self.at(down, Event::Power(index, false));
                let up = down + 60_000 + self.dice.below(200_000);
                self.at(up, Event::Power(index, true));
            }
        }
        self.at(120_000, Event::Part(true));
        self.at(240_000, Event::Part(false));
        self.at(300_000, Event::Revoke(0));
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Part(parted) => self.parted = parted,
            Event::Power(node, up) => self.nodes[node].up = up,
            Event::Revoke(node) => self.revoke(node),
            Event::Send(node) => self.send(node),
            Event::CatchUp(node) => self.catch_up(node),
            Event::Arrive { to, from, message } => {
                let dropped = self.nodes[to].faults.get(&from).is_some_and(|f| *f >= MAX_FAULTS);
                if self.nodes[to].up && !dropped {
                    self.arrive(to, from, message);
                }
            }
        }
    }

    /// Puts a message on the wire, unless the network is parted there or loses it.
    fn put(&mut self, from: usize, to: usize, message: Message) {
        let parted = self.parted && (from % 2) != (to % 2);
        let lost = self.dice.below(1000) < self.setting.lost_per_mille;
        let carried = match &message {
            Message::Gossip(_) => 1,
            Message::Range(wires) => wires.len(),
            _ => 0,
        };
        self.on_the_wire += carried;
        if !(parted || lost) && self.nodes[from].up {
            let at = self.elapsed() + 5 + self.dice.below(120);
            self.at(at, Event::Arrive { to, from, message });
        }
    }

    fn send(&mut self, index: usize) {
        if !self.nodes[index].up {
            return;
        }
        let now = self.now;
        match self.nodes[index].kind {
            Kind::Aggregator | Kind::Eavesdropper => {
                let made = self.nodes[index].sender.send(now);
                let revoked = self.revoked.as_ref().is_some_and(|(who, ..)| *who == index);
                if self.nodes[index].kind == Kind::Aggregator {
                    if index == 0 || revoked {
                        self.outcome.by_revoked.insert(made.id().clone());
                    } else {
                        self.outcome.sent.insert(made.id().clone());
                    }
                    self.sent_at.insert(made.id().clone(), now);
                }
                let wire = Arc::new(made.to_wire().expect("a payload"));
                let node = &mut self.nodes[index];
                node.memory.keep(&made);
                let place = (Chain::of(made.header()), made.header().sequence);
                node.envelopes.insert(place, Arc::clone(&wire));
                self.gossip(index, None, &wire);
            }
            Kind::Equivocator => {
                let mut twin = self.nodes[index].sender.clone();
                let one = self.nodes[index].sender.send(now);
                let two = twin.send(now.plus_millis(1));
                let wires = [&one, &two].map(|e| Arc::new(e.to_wire().expect("a payload")));
                for (number, peer) in self.nodes[index].links.clone().into_iter().enumerate() {
                    self.put(index, peer, Message::Gossip(Arc::clone(&wires[number % 2])));
                }
            }
            Kind::Vandal => {
                let mut wire = self.nodes[index].sender.send(now).to_wire().expect("a payload");
                let last = wire.len() - 1;
                wire[last] ^= 1;
                let wire = Arc::new(wire);
                for peer in self.nodes[index].links.clone() {
                    self.put(index, peer, Message::Gossip(Arc::clone(&wire)));
                }
            }
            Kind::Operator => {}
        }
    }

    /// To every link that may read, but for the one it came from.
    fn gossip(&mut self, index: usize, from: Option<usize>, wire: &Wire) {
        let readers: Vec<usize> = {
            let node = &self.nodes[index];
            let all = node.links.iter().copied();
            all.filter(|l| node.readers.contains(l) && Some(*l) != from).collect()
        };
        for peer in readers {
            self.put(index, peer, Message::Gossip(Arc::clone(wire)));
        }
    }

    fn catch_up(&mut self, index: usize) {
        if !self.nodes[index].up || self.nodes[index].links.is_empty() {
            return;
        }
        let pick = self.dice.below(self.nodes[index].links.len() as u64) as usize;
        let peer = self.nodes[index].links[pick];
        let node = &self.nodes[index];
        // How far each chain is whole: what lies beyond a gap is asked for again.
        let mut heads: BTreeMap<Chain, u64> = BTreeMap::new();
        for (chain, number) in node.envelopes.keys() {
            let head = heads.entry(chain.clone()).or_default();
            if *number == *head + 1 {
                *head = *number;
            }
        }
        self.put(index, peer, Message::Heads(Arc::new(heads)));
        if let Some((_, list, _)) = &self.revoked
            && self.nodes[index].has_list
        {
            let list = Arc::clone(list);
            self.put(index, peer, Message::List(list));
        }
    }

    fn arrive(&mut self, to: usize, from: usize, message: Message) {
        match message {
            Message::Gossip(wire) => self.take(to, from, &wire, Source::Live),
            Message::Range(wires) => {
                for wire in wires {
                    self.take(to, from, &wire, Source::CatchUp);
                }
            }
            Message::Ask(missing) => {
                if let Missing::Document(id) = missing
                    && let Some(found) = self.nodes[to].documents.get(&id).cloned()
                {
                    self.put(to, from, Message::Document(found));
                }
            }
            Message::Document(document) => {
                let now = self.now;
                let node = &mut self.nodes[to];
                node.memory.learn(&document);
                let missing = Missing::Document(document.id().clone());
                node.documents.insert(document.id().clone(), document);
                for held in node.checker.came(&missing) {
                    let node = &mut self.nodes[to];
                    let checked = node.checker.check_again(&held, &node.memory, now);
                    self.follow(to, from, checked, Source::Live);
                }
            }
            Message::Heads(heads) => {
                if !self.nodes[to].readers.contains(&from) {
                    return;
                }
                let missing: Vec<Wire> = self.nodes[to]
                    .envelopes
                    .iter()
                    .filter(|((chain, number), _)| {
                        *number > heads.get(chain).copied().unwrap_or_default()
                    })
                    .map(|(_, wire)| Arc::clone(wire))
                    .take(PAGE)
                    .collect();
                if !missing.is_empty() {
                    self.put(to, from, Message::Range(missing));
                }
            }
            Message::List(list) => self.take_list(to, &list),
        }
    }

    fn take(&mut self, to: usize, from: usize, wire: &Wire, source: Source) {
        let now = self.now;
        let honest = matches!(self.nodes[from].kind, Kind::Aggregator | Kind::Operator);
        let node = &mut self.nodes[to];
        node.received += usize::from(honest);
        let peer = from.to_string();
        let arrival = Arrival { source, peer: &peer, channel: None };
        let checked = node.checker.check(wire, arrival, &node.memory, now);
        self.follow(to, from, checked, source);
    }

    fn follow(
        &mut self,
        to: usize,
        from: usize,
        checked: gridpass_messaging::checking::Checked,
        source: Source,
    ) {
        for effect in &checked.effects {
            match effect {
                Effect::Ask(missing) => self.put(to, from, Message::Ask(missing.clone())),
                Effect::Forked { .. } => {
                    let node = &mut self.nodes[to];
                    node.forks += 1;
                    if let Some(envelope) = &checked.envelope {
                        node.memory.forks.insert(Chain::of(envelope.header()));
                    }
                }
                Effect::Gap { .. } | Effect::Keep(_) => {}
            }
        }
        match (checked.verdict, &checked.envelope) {
            (Verdict::Fault, _) => {
                let faults = self.nodes[to].faults.entry(from).or_default();
                *faults += 1;
                if *faults >= MAX_FAULTS {
                    self.outcome.dropped.insert(from);
                }
            }
            (Verdict::Admit | Verdict::Refuse, Some(envelope)) => {
                let wire = Arc::new(envelope.to_wire().expect("a payload"));
                let node = &mut self.nodes[to];
                node.memory.keep(envelope);
                let place = (Chain::of(envelope.header()), envelope.header().sequence);
                node.envelopes.insert(place, Arc::clone(&wire));
                if checked.verdict == Verdict::Admit {
                    self.deliver(to, envelope.id());
                    if source == Source::Live {
                        self.gossip(to, Some(from), &wire);
                    }
                }
            }
            _ => {}
        }
    }

    fn deliver(&mut self, to: usize, id: &EnvelopeId) {
        let now = self.now;
        let node = &mut self.nodes[to];
        assert!(node.delivered.insert(id.clone(), now).is_none(), "delivered twice");
        if node.has_list && self.outcome.by_revoked.contains(id) {
            self.outcome.late += 1;
        }
        if let Some(sent) = self.sent_at.get(id) {
            self.outcome.delays.push(now.millis_since(*sent));
        }
    }

    fn revoke(&mut self, who: usize) {
        let party = self.nodes[who].party.clone();
        let regulator = self.market.regulator.clone();
        let visa = world::visa(&regulator, &party, &self.market.role, |_| ());
        let change = Change { index: visa.status[0].index, set: true, at: self.now };
        let dated = self.now;
        let list = world::list_by(&regulator, &regulator, Purpose::Revocation, &[change], |l| {
            l["validFrom"] = serde_json::json!(dated);
            l["credentialSubject"]["statusList"]["version"] = serde_json::json!(6);
        });
        self.revoked = Some((who, Arc::new(list), self.now));
        // The regulator reaches five nodes; from there it goes on.
        for _ in 0..5 {
            let to = self.dice.below(self.nodes.len() as u64) as usize;
            if let Some((_, list, _)) = self.revoked.clone() {
                self.take_list(to, &list);
            }
        }
    }

    fn take_list(&mut self, to: usize, list: &Arc<StatusList>) {
        let node = &mut self.nodes[to];
        if node.has_list {
            return;
        }
        node.has_list = true;
        node.memory.lists.push(StatusList::clone(list));
        node.checker.status_list_came(&list.id, &list.issuer);
        if node.kind == Kind::Operator
            && let Some((_, _, since)) = &self.revoked
        {
            self.outcome.revocations.push(self.now.millis_since(*since));
        }
        for peer in self.nodes[to].links.clone() {
            self.put(to, peer, Message::List(Arc::clone(list)));
        }
    }

    fn finish(self) -> Outcome {
        let delivered: usize = self.nodes.iter().map(|n| n.delivered.len()).sum();
        let amplification = self.on_the_wire as f64 / delivered.max(1) as f64;
        Outcome { nodes: self.nodes, amplification, ..self.outcome }
    }
}

impl Node {
    /// How far its sender's chains are known, for a reader of the outcome.
    #[must_use]
    pub fn knows(&self, id: &EnvelopeId) -> bool {
        self.memory.has(id)
    }
}
