//! Block exchange between peers of one process: what is asked for comes, from whoever may give it;
//! who gives other bytes is found out; who says too much is not heard, and others are all the while.

// A panic is a test's verdict.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs)]

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use gridpass_messaging::exchange::message::{Block, MAX_BLOCK, Message, Want, Wanted};
use gridpass_messaging::exchange::{Exchange, FetchError, Library};
use gridpass_messaging::net::{self, Command, NetEvent, NetworkSettings};
use ipld_core::cid::Cid;
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(30);

/// Books, some of them for some readers, some with another's text between their covers.
#[derive(Default)]
struct Books {
    here: Mutex<HashMap<Cid, Vec<u8>>>,
    only_for: Mutex<Option<PeerId>>,
    given: AtomicUsize,
    /// How long it takes to say that a book is there, and to fetch one.
    slow: Mutex<(Duration, Duration)>,
}

impl Books {
    fn add(&self, data: &[u8]) -> Cid {
        let block = Block::new(0x55, data.to_vec()).expect("a block");
        self.here.lock().expect("not poisoned").insert(block.cid, block.data);
        block.cid
    }

    /// Says that it is one thing and gives another.
    fn lie(&self, cid: Cid, data: &[u8]) {
        self.here.lock().expect("not poisoned").insert(cid, data.to_vec());
    }

    fn takes(&self, to_look: Duration, to_fetch: Duration) {
        *self.slow.lock().expect("not poisoned") = (to_look, to_fetch);
    }

    fn may(&self, peer: &PeerId) -> bool {
        self.only_for.lock().expect("not poisoned").is_none_or(|p| p == *peer)
    }
}

impl Library for Books {
    fn has(&self, peer: &PeerId, cid: &Cid) -> bool {
        let (to_look, _) = *self.slow.lock().expect("not poisoned");
        std::thread::sleep(to_look);
        self.may(peer) && self.here.lock().expect("not poisoned").contains_key(cid)
    }

    fn block(&self, peer: &PeerId, cid: &Cid) -> Option<Vec<u8>> {
        let block = self.here.lock().expect("not poisoned").get(cid).cloned();
        self.given.fetch_add(1, Ordering::Relaxed);
        let (_, to_fetch) = *self.slow.lock().expect("not poisoned");
        std::thread::sleep(to_fetch);
        block.filter(|_| self.may(peer))
    }
}

struct Peer {
    id: PeerId,
    commands: mpsc::Sender<Command>,
    exchange: Exchange,
    books: Arc<Books>,
    address: Multiaddr,
    accused: Arc<Mutex<Vec<PeerId>>>,
}

impl Peer {
    async fn new() -> Self {
        let keypair = libp2p::identity::Keypair::generate_ed25519();
        let id = keypair.public().to_peer_id();
        let settings = NetworkSettings {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")],
            discover: false,
            ..NetworkSettings::default()
        };
        let (events, mut received) = mpsc::channel::<NetEvent>(1024);
        let books = Arc::new(Books::default());
        let library: Arc<dyn Library> = Arc::<Books>::clone(&books);
        let (commands, exchange) =
            net::start_with(keypair, &settings, events, library).expect("a network");
        let address = loop {
            if let Some(NetEvent::Listening(address)) = received.recv().await {
                break address.with(libp2p::multiaddr::Protocol::P2p(id));
            }
        };
        let accused = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&accused);
        tokio::spawn(async move {
            while let Some(event) = received.recv().await {
                if let NetEvent::Misbehaved { peer, .. } = event {
                    noted.lock().expect("not poisoned").push(peer);
                }
            }
        });
        Self { id, commands, exchange, books, address, accused }
    }

    /// Connects with another; both know then that the other speaks the protocol.
    async fn meets(&self, other: &Self) {
        let command = Command::Befriend(other.address.clone());
        self.commands.send(command).await.expect("a network");
        until("they meet", || {
            self.exchange.is_speaker(&other.id) && other.exchange.is_speaker(&self.id)
        })
        .await;
    }

    async fn fetch(&self, cid: &Cid, peers: &[&Self]) -> Result<Vec<u8>, FetchError> {
        let peers: Vec<_> = peers.iter().map(|p| p.id).collect();
        self.exchange.fetch(cid, &peers).await.map(|f| f.bytes)
    }

    fn has_accused(&self, other: &Self) -> bool {
        self.accused.lock().expect("not poisoned").contains(&other.id)
    }

    /// Says something on a stream of its own.
    async fn says(&self, other: &Self, bytes: &[u8]) -> libp2p::swarm::Stream {
        let mut stream = self.exchange.open(other.id).await.expect("a stream").stream;
        // One that is not taken up ends while it is written.
        let _ = stream.write_all(bytes).await;
        let _ = stream.flush().await;
        stream
    }
}

async fn until(what: &str, mut look: impl FnMut() -> bool) {
    let started = Instant::now();
    while !look() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn framed(message: Message) -> Vec<u8> {
    let message = message.into_bytes();
    let (mut bytes, mut length) = (Vec::new(), message.len());
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("seven bits"));
    bytes.extend(message);
    bytes
}

fn wants(cid: Cid) -> Want {
    Want { cid, wanted: Wanted::Block, send_dont_have: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_peer_has_comes_and_what_it_has_not_is_said_at_once() {
    let (alice, bob, carol) = (Peer::new().await, Peer::new().await, Peer::new().await);
    alice.meets(&bob).await;
    alice.meets(&carol).await;
    let small = bob.books.add(b"a role definition");
    let large = bob.books.add(&vec![7; MAX_BLOCK]);
    let empty = bob.books.add(b"");
    assert_eq!(alice.fetch(&small, &[&bob]).await, Ok(b"a role definition".to_vec()));
    assert_eq!(alice.fetch(&large, &[&carol, &bob]).await, Ok(vec![7; MAX_BLOCK]));
    assert_eq!(alice.fetch(&empty, &[&bob]).await, Ok(Vec::new()));
    assert_eq!(alice.exchange.who_has(&small, &[bob.id, carol.id]).await, [bob.id]);
    let started = Instant::now();
    let absent = alice.books.add(b"alice alone has it");
    let none = alice.fetch(&absent, &[&bob, &carol]).await;
    assert_eq!(none, Err(FetchError::NotThere(2)));
    assert!(started.elapsed() < Duration::from_secs(2), "it was not told that it is not there");
    let nobody = PeerId::random();
    let gone = alice.exchange.fetch(&small, &[nobody]).await;
    assert_eq!(gone, Err(FetchError::NotThere(1)));
    assert!(!alice.has_accused(&bob) && !bob.has_accused(&alice));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_other_bytes_is_named_and_another_gives_the_right_ones() {
    let (alice, liar, honest) = (Peer::new().await, Peer::new().await, Peer::new().await);
    alice.meets(&liar).await;
    alice.meets(&honest).await;
    let cid = honest.books.add(b"issuers: the regulator");
    liar.books.lie(cid, b"issuers: the liar");
    let alone = alice.fetch(&cid, &[&liar]).await;
    assert_eq!(alone, Err(FetchError::Altered(vec![liar.id])));
    until("it is accused", || alice.has_accused(&liar)).await;
    for _ in 0..8 {
        let found = alice.exchange.fetch(&cid, &[liar.id, honest.id]).await.expect("honest has it");
        assert_eq!(
            (found.bytes.as_slice(), found.from),
            (&b"issuers: the regulator"[..], honest.id)
        );
        assert!(found.altered.iter().all(|p| *p == liar.id));
    }
    assert!(!alice.has_accused(&honest));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_get_many_blocks_at_once_and_each_its_own() {
    let (alice, bob) = (Peer::new().await, Peer::new().await);
    alice.meets(&bob).await;
    let block = |n: usize| {
        let mut data = vec![u8::try_from(n % 251).expect("a byte"); 256 * 1024];
        data[..8].copy_from_slice(&n.to_be_bytes());
        data
    };
    let cids: Vec<_> = (0..400).map(|n| bob.books.add(&block(n))).collect();
    let started = Instant::now();
    let fetching = cids.iter().enumerate().map(|(n, cid)| {
        let (exchange, cid, from) = (alice.exchange.clone(), *cid, bob.id);
        tokio::spawn(async move { (n, exchange.fetch(&cid, &[from]).await.expect("it has it")) })
    });
    for fetched in fetching.collect::<Vec<_>>() {
        let (n, fetched) = fetched.await.expect("it ends");
        assert_eq!(fetched.bytes, block(n));
    }
    let mib = cids.len() / 4;
    println!("{mib} MiB in {:?}", started.elapsed());
    // The same once more, by several tasks each: one answer is enough for all of them.
    let given = bob.books.given.load(Ordering::Relaxed);
    let same: Vec<_> = (0..64)
        .map(|_| {
            let (exchange, cid, from) = (alice.exchange.clone(), cids[0], bob.id);
            tokio::spawn(async move { exchange.fetch(&cid, &[from]).await })
        })
        .collect();
    for fetched in same {
        assert_eq!(fetched.await.expect("it ends").expect("it has it").bytes, block(0));
    }
    assert!(bob.books.given.load(Ordering::Relaxed) < given + 64, "each was answered for itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_have_a_block_is_told_that_it_is_not_there() {
    let (alice, bob, carol) = (Peer::new().await, Peer::new().await, Peer::new().await);
    bob.meets(&alice).await;
    carol.meets(&alice).await;
    let cid = alice.books.add(b"for bob");
    *alice.books.only_for.lock().expect("not poisoned") = Some(bob.id);
    assert_eq!(carol.fetch(&cid, &[&alice]).await, Err(FetchError::NotThere(1)));
    assert_eq!(carol.exchange.who_has(&cid, &[alice.id]).await, []);
    assert_eq!(bob.fetch(&cid, &[&alice]).await, Ok(b"for bob".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_or_too_long_or_was_not_asked_for_is_held_against_who_sends_it() {
    let rubbish = vec![3, 0xff, 0xff, 0xff];
    // A length of four MiB and more, before anything of it is read.
    let too_long = vec![0x81, 0x80, 0x80, 0x02];
    // More than anybody needs who was asked for nothing.
    let unasked = Message {
        blocks: vec![Block::new(0x55, vec![1; 200_000]).expect("a block")],
        ..Message::default()
    };
    let short = Message {
        blocks: vec![Block::new(0x55, vec![1; 20]).expect("a block")],
        ..Message::default()
    };
    for bytes in [rubbish, too_long, framed(unasked), framed(short)] {
        let (alice, mallory) = (Peer::new().await, Peer::new().await);
        mallory.meets(&alice).await;
        let _stream = mallory.exchange.open(alice.id).await.expect("a stream");
        let mut stream = mallory.exchange.open(alice.id).await.expect("a stream").stream;
        let _ = stream.write_all(&bytes).await;
        let _ = stream.flush().await;
        until("it is accused", || alice.has_accused(&mallory)).await;
        // The stream ended.
        let mut rest = [0; 1];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut rest)).await.expect("it ends");
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_without_end_costs_nobody_else_an_answer() {
    let (alice, mallory, bob) = (Peer::new().await, Peer::new().await, Peer::new().await);
    mallory.meets(&alice).await;
    bob.meets(&alice).await;
    let large: Vec<_> = (0..64_u8).map(|n| alice.books.add(&vec![n; 1024 * 1024])).collect();
    let cid = alice.books.add(b"what bob wants");
    // On streams of its own it wants everything again and again.
    let all = Message { wants: large.iter().map(|c| wants(*c)).collect(), ..Message::default() };
    let bytes = framed(all);
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(mallory.says(&alice, &bytes).await);
    }
    for _ in 0..50 {
        for stream in &mut streams {
            // Those beyond the fourth were not taken up.
            let _ = stream.write_all(&bytes).await;
        }
        let started = Instant::now();
        assert_eq!(bob.fetch(&cid, &[&alice]).await, Ok(b"what bob wants".to_vec()));
        assert!(started.elapsed() < Duration::from_secs(5), "bob waited {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_peer_that_goes_is_told_at_once() {
    let (alice, bob) = (Peer::new().await, Peer::new().await);
    alice.meets(&bob).await;
    let cid = alice.books.add(b"not there");
    let exchange = alice.exchange.clone();
    let bob_id = bob.id;
    let waiting = tokio::spawn(async move {
        let mut last = None;
        for _ in 0..1000 {
            last = Some(exchange.fetch(&cid, &[bob_id]).await);
        }
        last
    });
    drop(bob);
    let last = tokio::time::timeout(PATIENCE, waiting).await.expect("it ends").expect("it ends");
    assert_eq!(last, Some(Err(FetchError::NotThere(1))));
}

/// Names of nothing.
fn names(count: u32) -> Vec<Cid> {
    let name = |n: u32| Block::new(0x55, n.to_be_bytes().to_vec()).expect("a block").cid;
    (0..count).map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_what_is_not_here_again_and_again_takes_no_place_for_ever() {
    let (alice, bob) = (Peer::new().await, Peer::new().await);
    bob.meets(&alice).await;
    let cid = alice.books.add(b"what bob wants");
    // As long as looking into a few files takes.
    alice.books.takes(Duration::ZERO, Duration::from_millis(3));
    let want = |cid: Cid| Want { cid, wanted: Wanted::Block, send_dont_have: false };
    let all = names(1024).into_iter().map(want).collect();
    let bytes = framed(Message { wants: all, ..Message::default() });
    // More than there are places, each of whom fills up what was looked up.
    let mut strangers = Vec::new();
    for _ in 0..10 {
        let mallory = Peer::new().await;
        mallory.meets(&alice).await;
        let (alice_id, bytes) = (alice.id, bytes.clone());
        strangers.push(tokio::spawn(async move {
            // All of it: a peer whose commands are dropped is gone.
            let mallory = mallory;
            let mut stream = mallory.exchange.open(alice_id).await.expect("a stream").stream;
            while stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok() {}
        }));
    }
    let given = || alice.books.given.load(Ordering::Relaxed);
    let before = given();
    until("every place is taken", || given() > before + 100).await;
    for _ in 0..3 {
        let started = Instant::now();
        assert_eq!(bob.fetch(&cid, &[&alice]).await, Ok(b"what bob wants".to_vec()));
        assert!(started.elapsed() < Duration::from_secs(10), "bob waited {:?}", started.elapsed());
    }
    strangers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_behind_forty_that_have_nothing_is_asked_too() {
    let (alice, bob) = (Peer::new().await, Peer::new().await);
    alice.meets(&bob).await;
    let cid = bob.books.add(b"bob alone has it");
    let mut all: Vec<_> = (0..40).map(|_| PeerId::random()).collect();
    all.push(bob.id);
    let found = alice.exchange.fetch(&cid, &all).await.expect("bob has it");
    assert_eq!(found.from, bob.id);
    assert_eq!(alice.exchange.who_has(&cid, &all).await, [bob.id]);
    let absent = alice.exchange.fetch(&names(1)[0], &all).await;
    assert_eq!(absent, Err(FetchError::NotThere(41)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_promises_a_block_and_does_not_give_it_keeps_nobody_waiting() {
    let (alice, idle, honest) = (Peer::new().await, Peer::new().await, Peer::new().await);
    alice.meets(&idle).await;
    alice.meets(&honest).await;
    let cid = honest.books.add(b"here it is");
    idle.books.add(b"here it is");
    idle.books.takes(Duration::ZERO, Duration::from_secs(15));
    // The honest one is the last to say that it has it.
    honest.books.takes(Duration::from_millis(500), Duration::ZERO);
    let started = Instant::now();
    let found = alice.exchange.fetch(&cid, &[idle.id, honest.id]).await.expect("one gives it");
    assert_eq!(found.from, honest.id);
    assert!(started.elapsed() < Duration::from_secs(10), "waited {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_after_a_reconnection_what_was_asked_before_it_is_not_accused() {
    let (alice, bob) = (Peer::new().await, Peer::new().await);
    alice.meets(&bob).await;
    let cid = bob.books.add(b"late");
    bob.books.takes(Duration::ZERO, Duration::from_secs(2));
    let (exchange, bob_id) = (alice.exchange.clone(), bob.id);
    let asking = tokio::spawn(async move { exchange.fetch(&cid, &[bob_id]).await });
    let given = || bob.books.given.load(Ordering::Relaxed);
    until("bob looks for it", || given() > 0).await;
    alice.commands.send(Command::Part(bob.id)).await.expect("a network");
    let gone = asking.await.expect("it ends");
    assert_eq!(gone, Err(FetchError::NotThere(1)));
    alice.meets(&bob).await;
    // What bob looks for now comes behind what it had begun to look for.
    let other = bob.books.add(b"another");
    assert_eq!(alice.fetch(&other, &[&bob]).await, Ok(b"another".to_vec()));
    assert!(!alice.has_accused(&bob), "it answered what it was asked");
}
