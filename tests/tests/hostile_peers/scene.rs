//! A peer that says what a test wants it to say, and the nodes that it says it to.

use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::secured::Secured;
use gridpass_identity::did::Did;
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::exchange::{Exchange, Library, Nothing};
use gridpass_messaging::net::{self, Command, NetEvent, NetworkSettings, Reply, topic_of};
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_messaging::sync::{
    Announcement, ChainHead, Hello, Request, Response, Visit, envelopes_in, page,
};
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use libp2p::Multiaddr;
use serde_bytes::ByteBuf;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long something may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A peer that says what a test wants it to say.
pub(crate) struct Peer {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) exchange: Exchange,
    pub(crate) shared: Arc<Mutex<Shared>>,
    pub(crate) node: libp2p::PeerId,
    pub(crate) framework: ContentId,
}

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) connected: bool,
    pub(crate) partings: usize,
    /// What it answers when it is asked for a document.
    pub(crate) documents: HashMap<ContentId, Vec<u8>>,
    /// Those that it gives only when it is told to, and who waits for them.
    pub(crate) slow: HashSet<ContentId>,
    pub(crate) waiting: Vec<(ContentId, Reply)>,
    /// What it says of chains, and what it gives of them.
    pub(crate) heads: Vec<ChainHead>,
    pub(crate) given: Vec<Envelope>,
    /// The proofs of contradiction that it was told of.
    pub(crate) forks: usize,
    /// Which documents it was asked for.
    pub(crate) documents_asked: Vec<ContentId>,
    /// How often it was asked how far it knows chains, and told that it is behind.
    pub(crate) heads_asked: usize,
    pub(crate) told_behind: usize,
    /// Whether it answers what proves a DID with what does not.
    pub(crate) lies: bool,
    /// What it heard by gossip.
    pub(crate) heard: Vec<Vec<u8>>,
    pub(crate) hello: Option<Hello>,
    pub(crate) asked: HashMap<u64, oneshot::Sender<Result<Response, String>>>,
    pub(crate) tags: u64,
}

impl Peer {
    /// Connects with a node, and says nothing.
    pub(crate) async fn new(party: &Party, market: &Market, address: &Multiaddr) -> Self {
        Self::with(party, market, address, Arc::new(Nothing)).await
    }

    /// The same, with blocks to give.
    pub(crate) async fn with(
        party: &Party,
        market: &Market,
        address: &Multiaddr,
        library: Arc<dyn Library>,
    ) -> Self {
        let Some(libp2p::multiaddr::Protocol::P2p(node)) = address.iter().last() else {
            panic!("{address} ends in no peer")
        };
        let settings = NetworkSettings {
            listen: Vec::new(),
            discover: false,
            peers: vec![address.clone()],
            ..NetworkSettings::default()
        };
        let (events, mut received) = mpsc::channel::<NetEvent>(1024);
        let keypair = net::keypair(&party.key).expect("a key");
        let (commands, exchange) =
            net::start_with(keypair, &settings, events, library).expect("a network");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (mine, answers) = (Arc::clone(&shared), commands.clone());
        tokio::spawn(async move {
            while let Some(event) = received.recv().await {
                let answer = take(&mut mine.lock().expect("not poisoned"), event);
                if let Some(command) = answer {
                    answers.send(command).await.expect("a network");
                }
            }
        });
        let framework = market.descriptor.framework.clone();
        let peer = Self { commands, exchange, shared, node, framework };
        peer.until("connected", |s| s.connected).await;
        peer
    }

    pub(crate) async fn until(&self, what: &str, look: impl Fn(&Shared) -> bool) {
        until(what, || look(&self.shared.lock().expect("not poisoned")).then_some(())).await;
    }

    /// How often it was parted with.
    pub(crate) fn partings(&self) -> usize {
        self.shared.lock().expect("not poisoned").partings
    }

    pub(crate) async fn tell(&self, command: Command) {
        self.commands.send(command).await.expect("a network");
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<Response, String> {
        let (answer, answered) = oneshot::channel();
        let tag = {
            let mut shared = self.shared.lock().expect("not poisoned");
            shared.tags += 1;
            let tag = shared.tags;
            shared.asked.insert(tag, answer);
            tag
        };
        self.tell(Command::Ask { peer: self.node, request: Box::new(request), tag }).await;
        answered.await.unwrap_or_else(|_| Err("the connection ended".into()))
    }

    /// Gives a document to who asks for it.
    pub(crate) fn has(&self, document: &Secured) {
        let text = document.text().as_bytes().to_vec();
        let mut shared = self.shared.lock().expect("not poisoned");
        shared.documents.insert(document.id().clone(), text);
    }

    /// Gives what it was asked for and kept back.
    pub(crate) async fn gives_at_last(&self) {
        let answers: Vec<_> = {
            let mut shared = self.shared.lock().expect("not poisoned");
            shared.slow.clear();
            let waiting = std::mem::take(&mut shared.waiting);
            let found = |(id, reply)| (ByteBuf::from(shared.documents[&id].clone()), reply);
            waiting.into_iter().map(found).collect()
        };
        for (bytes, reply) in answers {
            let response = Box::new(Response::Document(bytes));
            self.tell(Command::Answer { reply, response }).await;
        }
    }

    /// The envelopes that it heard by gossip, alone or in batches.
    pub(crate) fn heard(&self) -> Vec<EnvelopeId> {
        let shared = self.shared.lock().expect("not poisoned");
        let wires = shared.heard.iter().filter_map(|data| envelopes_in(data).ok()).flatten();
        wires.filter_map(|wire| Some(Envelope::parse(wire).ok()?.id().clone())).collect()
    }

    /// Asks for the first messages of a sender.
    pub(crate) async fn range(&self, market: &Market, sender: &Did) -> Response {
        let key = sender.with_fragment(sender.method_specific_id()).expect("a key id");
        let request = Request::Range {
            channel: market.channel.clone(),
            sender: sender.clone(),
            key: key.as_str().to_owned(),
            from: 1,
            until: 10,
        };
        self.ask(request).await.expect("an answer")
    }

    /// Says who it is, and takes part in the gossip of the channel.
    pub(crate) async fn enter(&self, hello: Hello, market: &Market) {
        self.shared.lock().expect("not poisoned").hello = Some(hello.clone());
        let answer = self.ask(Request::Hello(hello)).await;
        assert!(matches!(answer, Ok(Response::Hello(_))), "{answer:?}");
        let topics = [topic_of(&market.channel), topic_of(&self.framework)];
        for topic in &topics {
            self.tell(Command::Subscribe(topic.clone())).await;
        }
        let (topics, expected) = (topics.into(), HashSet::new());
        self.tell(Command::Open { peer: self.node, topics, expected }).await;
    }

    pub(crate) async fn publish(&self, topic: &ContentId, data: Vec<u8>) {
        let topic = topic_of(topic);
        self.tell(Command::Publish { topic, data, envelopes: Vec::new() }).await;
    }

    pub(crate) async fn send(&self, envelope: &Envelope) {
        let wire = envelope.to_wire().expect("written");
        self.publish(&envelope.header().channel, wire).await;
    }

    /// Goes on until it is parted with; gives how often it did something.
    pub(crate) async fn until_shut_out(
        &self,
        most: usize,
        mut act: impl AsyncFnMut(usize),
    ) -> usize {
        for number in 0..most {
            if self.partings() > 0 {
                return number;
            }
            act(number).await;
            // As fast as a peer gets answers; not faster than the network can take.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.until("it is parted with", |s| s.partings > 0).await;
        most
    }
}

pub(crate) fn take(shared: &mut Shared, event: NetEvent) -> Option<Command> {
    match event {
        NetEvent::Connected { .. } => shared.connected = true,
        NetEvent::Disconnected(_) => {
            shared.partings += 1;
            shared.asked.clear();
        }
        NetEvent::Asked { request, reply, .. } => {
            let response = match *request {
                Request::Hello(_) => match &shared.hello {
                    Some(hello) => Response::Hello(hello.clone()),
                    None => Response::NotHere,
                },
                Request::Document(id) if shared.slow.contains(&id) => {
                    shared.documents_asked.push(id.clone());
                    shared.waiting.push((id, reply));
                    return None;
                }
                Request::Document(id) => {
                    let answer = shared
                        .documents
                        .get(&id)
                        .map(|bytes| Response::Document(ByteBuf::from(bytes.clone())));
                    shared.documents_asked.push(id);
                    answer.unwrap_or(Response::NotHere)
                }
                Request::Heads { .. } => {
                    shared.heads_asked += 1;
                    Response::heads(shared.heads.clone(), None)
                }
                Request::Identity(_) if shared.lies => {
                    Response::Document(ByteBuf::from(b"{}".to_vec()))
                }
                Request::Behind => {
                    shared.told_behind += 1;
                    Response::Taken
                }
                Request::Range { from, until, .. } => {
                    let asked = |e: &&Envelope| (from..=until).contains(&e.header().sequence);
                    let given = shared.given.iter().filter(asked);
                    Response::Range(page(given.map(|e| e.to_wire().expect("written"))))
                }
                _ => Response::NotHere,
            };
            return Some(Command::Answer { reply, response: Box::new(response) });
        }
        NetEvent::Answered { tag, result, .. } => {
            if let Some(answer) = shared.asked.remove(&tag) {
                let _ = answer.send(result.map(|r| *r).map_err(|e| e.to_string()));
            }
        }
        NetEvent::Gossip { data, .. } => {
            let announced = Announcement::decode(&data);
            shared.forks += usize::from(matches!(announced, Ok(Announcement::Fork(..))));
            shared.heard.push(data);
        }
        _ => {}
    }
    None
}

pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// An operator's node, an honest aggregator's that sends to it, and the market.
pub(crate) struct Scene {
    pub(crate) market: Market,
    pub(crate) operator: Node,
    pub(crate) honest: Node,
    pub(crate) address: Multiaddr,
    pub(crate) _folders: [tempfile::TempDir; 2],
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let market = Market::with_operators(|d| {
            d.limits.max_messages_per_minute = 1_000_000;
            d.retention.history = false;
        });
        Self::of(market).await
    }

    pub(crate) async fn of(market: Market) -> Self {
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let operator = nodes::start(folders[0].path(), &market, &Party::new(21), true).await;
        let address = address(&operator).await;
        let honest = nodes::start(folders[1].path(), &market, &Party::new(22), false).await;
        let scene = Self { market, operator, honest, address, _folders: folders };
        let ticket = ask(&scene.operator, Asked::Invite { channels: Vec::new() }).await;
        let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
        ask(&scene.honest, Asked::Join { ticket }).await;
        // Heard once: from now on what it rests on is known.
        scene.is_heard(0).await;
        scene
    }

    /// What the operator was delivered.
    pub(crate) async fn inbox(&self) -> Vec<EnvelopeId> {
        let inbox = ask(&self.operator, Asked::Inbox { after: 0, most: 1000 }).await;
        let messages = inbox["messages"].as_array().expect("messages");
        let id = |m: &Value| EnvelopeId::parse(m["id"].as_str().expect("an id")).expect("an id");
        messages.iter().map(id).collect()
    }

    /// The honest one sends, and the operator is given it.
    pub(crate) async fn is_heard(&self, number: u64) -> EnvelopeId {
        let payload = json!({"zone": "GB-1", "quantityKw": 5, "number": number}).to_string();
        let message = Asked::Send(NewMessage {
            channel: self.market.channel.to_string(),
            topic: "bids".into(),
            version: None,
            payload: payload.into(),
            recipients: Vec::new(),
            thread: None,
            attributes: json!({"zone": "GB-1", "quantityKw": 5})
                .as_object()
                .cloned()
                .unwrap_or(Map::new()),
            lifetime_millis: None,
            reference: None,
        });
        let id = ask(&self.honest, message).await["id"].clone();
        let started = Instant::now();
        loop {
            let inbox = ask(&self.operator, Asked::Inbox { after: 0, most: 1000 }).await;
            let messages = inbox["messages"].as_array().expect("messages");
            if messages.iter().any(|m| m["id"] == id) {
                return EnvelopeId::parse(id.as_str().expect("an id")).expect("an id");
            }
            assert!(started.elapsed() < PATIENCE, "the honest one is not heard");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What a participant says of itself that its own node is.
    pub(crate) fn hello(&self, party: &Party, presentation: Option<&ContentId>) -> Hello {
        let visit =
            |p: &ContentId| Visit { channel: self.market.channel.clone(), presentation: p.clone() };
        Hello {
            agent: "hostile".into(),
            participant: party.did.clone(),
            authorisation: None,
            visits: presentation.iter().map(|p| visit(p)).collect(),
            charter: None,
        }
    }

    /// A peer of a participant that sends and reads nothing, and has its presentation.
    pub(crate) async fn publisher(&self, party: &Party, presentation: &Secured) -> Peer {
        let peer = Peer::new(party, &self.market, &self.address).await;
        peer.has(presentation);
        peer.enter(self.hello(party, None), &self.market).await;
        peer
    }

    /// What the honest one sends is passed on to a peer: it has its place in the mesh.
    pub(crate) async fn passes_on_to(&self, peer: &Peer) {
        let (started, mut id) = (Instant::now(), self.is_heard(0).await);
        while !peer.heard().contains(&id) {
            assert!(started.elapsed() < PATIENCE, "nothing is passed on to it");
            tokio::time::sleep(Duration::from_millis(200)).await;
            if !peer.heard().contains(&id) {
                id = self.is_heard(0).await;
            }
        }
    }

    /// How many envelopes the operator's node looked at and did not admit, those aside that it had.
    pub(crate) async fn turned_away(&self) -> u64 {
        let figures = ask(&self.operator, Asked::Metrics).await;
        let lines = figures.as_str().expect("text").lines();
        let checked = lines.filter(|l| l.starts_with("gridpass_checked_total{"));
        let admitted = |l: &&str| l.contains("verdict=\"admit\"") || l.contains("-DUPLICATE");
        let others = checked.filter(|l| !admitted(l));
        let count = |l: &str| l.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
        others.map(|l| count(l).expect("a number")).sum()
    }

    pub(crate) async fn blocked(&self) -> bool {
        let figures = ask(&self.operator, Asked::Metrics).await;
        figures.as_str().expect("text").contains("gridpass_blocked_peers_total 1\n")
    }
}

pub(crate) async fn ask(node: &Node, asked: Asked) -> Value {
    node.ask(asked).await.unwrap_or_else(|e| panic!("{e}"))
}

/// Where a node listens, with its peer id.
pub(crate) async fn address(node: &Node) -> Multiaddr {
    let started = Instant::now();
    loop {
        let status = ask(node, Asked::Status).await;
        if let Some(address) = status["listening"][0].as_str() {
            let peer = status["peer"].as_str().expect("a peer");
            return format!("{address}/p2p/{peer}").parse().expect("an address");
        }
        assert!(started.elapsed() < PATIENCE, "it does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
