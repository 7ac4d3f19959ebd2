//! Peers that want to do harm, against a node that runs: floods of what is refused, of what waits
//! without end, of hellos and of charters; more nodes than a participant has places for. The peer
//! is shut out, honest ones are heard all the while, and nothing grows without bound.

#![allow(missing_docs)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::net::{self, Command, NetEvent, NetworkSettings, topic_of};
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_messaging::sync::{Announcement, Hello, Request, Response, Visit};
use gridpass_tests::messages::{Market, Sender, authorise};
use gridpass_tests::nodes::{self, clock};
use gridpass_tests::world::{self, Party};
use libp2p::Multiaddr;
use serde_bytes::ByteBuf;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A peer that says what a test wants it to say.
struct Peer {
    commands: mpsc::Sender<Command>,
    shared: Arc<Mutex<Shared>>,
    node: libp2p::PeerId,
    framework: ContentId,
}

#[derive(Default)]
struct Shared {
    connected: bool,
    partings: usize,
    /// What it answers when it is asked for a document.
    documents: HashMap<ContentId, Vec<u8>>,
    hello: Option<Hello>,
    asked: HashMap<u64, oneshot::Sender<Result<Response, String>>>,
    tags: u64,
}

impl Peer {
    /// Connects with a node, and says nothing.
    async fn new(party: &Party, market: &Market, address: &Multiaddr) -> Self {
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
        let commands = net::start(keypair, &settings, events).expect("a network");
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
        let peer = Self { commands, shared, node, framework };
        peer.until("connected", |s| s.connected).await;
        peer
    }

    async fn until(&self, what: &str, look: impl Fn(&Shared) -> bool) {
        until(what, || look(&self.shared.lock().expect("not poisoned")).then_some(())).await;
    }

    async fn tell(&self, command: Command) {
        self.commands.send(command).await.expect("a network");
    }

    async fn ask(&self, request: Request) -> Result<Response, String> {
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

    /// Says who it is, and takes part in the gossip of the channel.
    async fn enter(&self, hello: Hello, market: &Market) {
        self.shared.lock().expect("not poisoned").hello = Some(hello.clone());
        let answer = self.ask(Request::Hello(hello)).await;
        assert!(matches!(answer, Ok(Response::Hello(_))), "{answer:?}");
        let topics = [topic_of(&market.channel), topic_of(&self.framework)];
        for topic in &topics {
            self.tell(Command::Subscribe(topic.clone())).await;
        }
        self.tell(Command::Open { peer: self.node, topics: topics.into() }).await;
    }

    async fn publish(&self, topic: &ContentId, data: Vec<u8>) {
        let topic = topic_of(topic);
        self.tell(Command::Publish { topic, data, envelope: None }).await;
    }

    async fn send(&self, envelope: &Envelope) {
        let wire = envelope.to_wire().expect("written");
        self.publish(&envelope.header().channel, wire).await;
    }

    /// Goes on until it is parted with; gives how often it did something.
    async fn until_shut_out(&self, most: usize, mut act: impl AsyncFnMut(usize)) -> usize {
        for number in 0..most {
            if self.shared.lock().expect("not poisoned").partings > 0 {
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

fn take(shared: &mut Shared, event: NetEvent) -> Option<Command> {
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
                Request::Document(id) => match shared.documents.get(&id) {
                    Some(bytes) => Response::Document(ByteBuf::from(bytes.clone())),
                    None => Response::NotHere,
                },
                _ => Response::NotHere,
            };
            return Some(Command::Answer { reply, response: Box::new(response) });
        }
        NetEvent::Answered { tag, result, .. } => {
            if let Some(answer) = shared.asked.remove(&tag) {
                let _ = answer.send(result.map(|r| *r));
            }
        }
        _ => {}
    }
    None
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
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
struct Scene {
    market: Market,
    operator: Node,
    honest: Node,
    address: Multiaddr,
    _folders: [tempfile::TempDir; 2],
}

impl Scene {
    async fn new() -> Self {
        let market = Market::with_operators(|d| d.limits.max_messages_per_minute = 1_000_000);
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
    async fn inbox(&self) -> Vec<EnvelopeId> {
        let inbox = ask(&self.operator, Asked::Inbox { after: 0, most: 1000 }).await;
        let messages = inbox["messages"].as_array().expect("messages");
        let id = |m: &Value| EnvelopeId::parse(m["id"].as_str().expect("an id")).expect("an id");
        messages.iter().map(id).collect()
    }

    /// The honest one sends, and the operator is given it.
    async fn is_heard(&self, number: u64) {
        let payload = json!({"zone": "GB-1", "quantityKw": 5, "number": number}).to_string();
        let message = Asked::Send(NewMessage {
            channel: self.market.channel.to_string(),
            topic: "bids".into(),
            version: None,
            payload: STANDARD.encode(payload),
            recipients: Vec::new(),
            thread: None,
            attributes: json!({"zone": "GB-1", "quantityKw": 5})
                .as_object()
                .cloned()
                .unwrap_or(Map::new()),
            sealed: false,
            lifetime_millis: None,
        });
        let id = ask(&self.honest, message).await["id"].clone();
        let started = Instant::now();
        loop {
            let inbox = ask(&self.operator, Asked::Inbox { after: 0, most: 1000 }).await;
            let messages = inbox["messages"].as_array().expect("messages");
            if messages.iter().any(|m| m["id"] == id) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "the honest one is not heard");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What a participant says of itself that its own node is.
    fn hello(&self, party: &Party, presentation: Option<&ContentId>) -> Hello {
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

    async fn blocked(&self) -> bool {
        let figures = ask(&self.operator, Asked::Metrics).await;
        figures.as_str().expect("text").contains("gridpass_blocked_peers_total 1\n")
    }
}

async fn ask(node: &Node, asked: Asked) -> Value {
    node.ask(asked).await.unwrap_or_else(|(code, message)| panic!("{code}: {message}"))
}

/// Where a node listens, with its peer id.
async fn address(node: &Node) -> Multiaddr {
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

#[tokio::test(flavor = "multi_thread")]
async fn case_18_who_floods_with_what_is_refused_is_shut_out() {
    let s = Scene::new().await;
    let party = Party::new(31);
    let presentation = s.market.presentation(&party);
    let peer = Peer::new(&party, &s.market, &s.address).await;
    let text = presentation.text().as_bytes().to_vec();
    peer.shared.lock().expect("not poisoned").documents.insert(presentation.id().clone(), text);
    peer.enter(s.hello(&party, None), &s.market).await;
    // Its visa is for another zone than it bids in: authentic, and refused by everybody.
    let mut sender = Sender::new(&party, &presentation, &s.market.channel);
    let sent = peer
        .until_shut_out(5000, async |number| {
            let envelope = sender.send_with(clock(), |h| {
                h.attributes.insert("zone".into(), "GB-9".into());
            });
            peer.send(&envelope).await;
            if number % 100 == 0 {
                s.is_heard(u64::try_from(number).expect("small")).await;
            }
        })
        .await;
    // A few are an older list's fault at most; so many are the peer's.
    assert!(sent >= 300, "shut out after {sent}: an honest peer could come to this");
    assert!(s.blocked().await);
    s.is_heard(9999).await;
    let inbox = ask(&s.operator, Asked::Inbox { after: 0, most: 1000 }).await;
    let honest = |m: &Value| m["sender"] == s.honest.participant.as_str();
    assert!(
        inbox["messages"].as_array().expect("messages").iter().all(honest),
        "one was delivered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_its_own_chains_costs_nobody_else_its_place() {
    let s = Scene::new().await;
    for number in 61..69 {
        let party = Party::new(number);
        let presentation = s.market.presentation(&party);
        let peer = Peer::new(&party, &s.market, &s.address).await;
        let text = presentation.text().as_bytes().to_vec();
        peer.shared.lock().expect("not poisoned").documents.insert(presentation.id().clone(), text);
        peer.enter(s.hello(&party, None), &s.market).await;
        // In good order, and then one that does not follow from it.
        let mut sender = Sender::new(&party, &presentation, &s.market.channel);
        let good = sender.send(clock());
        peer.send(&good).await;
        let started = Instant::now();
        while !s.inbox().await.contains(good.id()) {
            assert!(started.elapsed() < PATIENCE, "it is not delivered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let other = ContentId::of_bytes(b"another").expect("a CID").to_string();
        let broken = sender.send_with(clock(), |h| {
            h.previous = EnvelopeId::parse(&other.replacen("bafkrei", "bafyrei", 1)).ok();
        });
        assert!(broken.header().previous.is_some());
        peer.send(&broken).await;
    }
    // Whoever tells of it does not answer for it.
    s.is_heard(1).await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        let peers = ask(&s.honest, Asked::Peers).await;
        let operator = peers["peers"]
            .as_array()
            .expect("peers")
            .iter()
            .find(|p| p["participant"] == s.operator.participant.as_str());
        let behaviour = operator.and_then(|p| p["behaviour"].as_f64()).expect("it is connected");
        assert!(behaviour > -5.0, "the operator answers for it: {behaviour}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    s.is_heard(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_presentations_without_end_fill_nothing() {
    let s = Scene::new().await;
    let party = Party::new(32);
    let presentation = s.market.presentation(&party);
    let peer = Peer::new(&party, &s.market, &s.address).await;
    peer.enter(s.hello(&party, None), &s.market).await;
    let mut sender = Sender::new(&party, &presentation, &s.market.channel);
    let mut most = 0;
    for number in 0..3000_u64 {
        // Each names another one, which nobody has.
        let envelope = sender.send_with(clock(), |h| {
            h.presentation = ContentId::of_bytes(&number.to_be_bytes()).expect("a CID");
        });
        peer.send(&envelope).await;
        if number % 500 == 0 {
            s.is_heard(number).await;
            let status = ask(&s.operator, Asked::Status).await;
            most = most.max(status["waiting"].as_u64().expect("a number"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(most > 0, "some wait");
    let limits = gridpass_messaging::checking::Limits::default();
    assert!(most <= u64::try_from(limits.waiting_per_peer).expect("small"), "{most} wait");
    s.is_heard(9999).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_who_says_without_end_that_it_reads_something_else_is_shut_out() {
    let s = Scene::new().await;
    let party = Party::new(33);
    let peer = Peer::new(&party, &s.market, &s.address).await;
    let mut busy = 0;
    peer.until_shut_out(2000, async |number| {
        let id = ContentId::of_bytes(&number.to_be_bytes()).expect("a CID");
        match peer.ask(Request::Hello(s.hello(&party, Some(&id)))).await {
            Ok(Response::Refused(code)) if code == "GP-SYNC-BUSY" => busy += 1,
            _ => {}
        }
    })
    .await;
    assert!(busy > 0, "it was told before");
    assert!(s.blocked().await);
    s.is_heard(9999).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_charters_without_end_and_rubbish_are_held_against_who_sends_them() {
    let s = Scene::new().await;
    for (number, rubbish) in [(34, false), (35, true)] {
        let party = Party::new(number);
        let peer = Peer::new(&party, &s.market, &s.address).await;
        peer.enter(s.hello(&party, None), &s.market).await;
        let began = peer
            .until_shut_out(2000, async |number| {
                let announcement = if rubbish {
                    number.to_be_bytes().to_vec()
                } else {
                    // Signed well, by somebody whom nobody here trusts.
                    let mut charter = world::charter(&[&party], &[]);
                    charter.name = format!("Another {number}");
                    let pack = world::pack(&[world::sign_charter(charter, &[&party])], &[]);
                    Announcement::Charter(ByteBuf::from(pack)).encode().expect("encoded")
                };
                peer.publish(&peer.framework, announcement).await;
            })
            .await;
        assert_eq!(began < 100, rubbish, "shut out after {began}");
        s.is_heard(u64::from(number)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_a_participant_has_places_for_so_many_nodes() {
    let s = Scene::new().await;
    let owner = Party::new(36);
    let mut peers = Vec::new();
    for number in 40..58 {
        let node = Party::new(number);
        let peer = Peer::new(&node, &s.market, &s.address).await;
        let authorisation = authorise(&owner, &node, |_| ());
        let mut hello = s.hello(&owner, None);
        hello.authorisation = Some(ByteBuf::from(authorisation.text()));
        peer.shared.lock().expect("not poisoned").hello = Some(hello.clone());
        let _ = peer.ask(Request::Hello(hello)).await;
        peers.push(peer);
    }
    // An authorisation counts with the status list that it names.
    let lists = world::clear_lists(&[&owner]);
    for list in lists {
        let content = STANDARD.encode(list.secured().text());
        ask(&s.operator, Asked::Add { content }).await;
    }
    let parted = || {
        let parted = |p: &&Peer| p.shared.lock().expect("not poisoned").partings > 0;
        peers.iter().filter(parted).count()
    };
    until("two are parted with", || (parted() >= 2).then_some(())).await;
    let shown = ask(&s.operator, Asked::Peers).await;
    let shown = shown["peers"].as_array().expect("peers").clone();
    let own = shown.iter().filter(|p| p["participant"] == owner.did.as_str()).count();
    assert!(own <= 16, "{own} of one participant");
    s.is_heard(9999).await;
}
