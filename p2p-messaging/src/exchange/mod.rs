//! Blocks by their CIDs, given to peers and got from them: Bitswap, as Kubo and Helia speak it.
//!
//! This is the only protocol that others have and that is written here: no crate for it goes with
//! libp2p 0.57 (beetswap 0.5 and rust-ipfs 0.16 are on 0.56), and what is needed of it is small. A
//! message goes one way on a stream; an answer comes on a stream that the other side opens.
//!
//! ```text
//! stream that came -> reading -> message -> desk of the peer: what it wants, what is wanted of it
//! library          -> writing -> message -> stream that was opened                  -> who waits
//! ```
//!
//! All of it runs outside the swarm's task. Blocks are hashed when they are read, and what they are
//! called by who sends them is not looked at. Everything is bounded: wants of a peer, streams, bytes of
//! a message, time. What a peer is given waits until it takes it: at most two messages of each peer are
//! in memory. `spec/content.md`.

mod desk;
pub mod message;
mod reading;
mod writing;

pub(crate) use desk::{Desk, Said};
pub use reading::next as next_message;

use crate::net::{Command, NetEvent};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use ipld_core::cid::Cid;
use libp2p::PeerId;
use libp2p::swarm::Stream;
use message::{Wanted, digest_of};
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Version 1.2 of the protocol.
pub const PROTOCOL_1_2: &str = "/ipfs/bitswap/1.2.0";
/// Version 1.1: without have and do not have.
pub const PROTOCOL_1_1: &str = "/ipfs/bitswap/1.1.0";

/// How long a peer has to send a block that it was asked for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a peer has to say whether it has a block.
const HAVE_PATIENCE: Duration = Duration::from_secs(5);
/// The most peers that are asked for one block at a time: others when one of them has answered.
const MAX_ASKED: usize = 32;
/// How long who said that it has a block is waited for before another is asked too.
const HURRY: Duration = Duration::from_secs(3);
/// The most peers that give one block at a time.
const MAX_GIVING: usize = 4;
/// So many peers are not connected: from then on what nobody uses is cleared away.
const MAX_DESKS: usize = 4096;
/// How many blocks are looked up at once, for all peers together.
const LOOKUPS: usize = 8;

/// What this node has to give, and to whom. Asked on threads that may wait for a disk.
pub trait Library: Send + Sync + 'static {
    /// Whether a peer may have a block that is here.
    fn has(&self, peer: &PeerId, cid: &Cid) -> bool;

    /// A block, where it is here and the peer may have it: at most [`message::MAX_BLOCK`] bytes, which
    /// hash to the CID.
    fn block(&self, peer: &PeerId, cid: &Cid) -> Option<Vec<u8>>;
}

/// A library without books.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Library for Nothing {
    fn has(&self, _: &PeerId, _: &Cid) -> bool {
        false
    }

    fn block(&self, _: &PeerId, _: &Cid) -> Option<Vec<u8>> {
        None
    }
}

/// A stream whose protocol was agreed on.
#[derive(Debug)]
pub struct Opened {
    /// The stream.
    pub stream: Stream,
    /// Whether both sides speak 1.2.
    pub tells_what_it_has: bool,
}

/// Why no stream was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The peer does not speak the protocol.
    #[error("it does not speak bitswap")]
    Unsupported,
    /// The peer is not connected, or not any more.
    #[error("it is not connected")]
    Gone,
}

/// A block that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes, which hash to the CID.
    pub bytes: Vec<u8>,
    /// Who sent it.
    pub from: PeerId,
    /// Who sent other bytes.
    pub altered: Vec<PeerId>,
}

/// Why no block came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Blocks are named here by sha2-256 alone.
    #[error("{0} does not name its bytes by sha2-256")]
    Name(Cid),
    /// Nobody who was asked has it, or gave it in time.
    #[error("none of the {0} peers that were asked gave it")]
    NotThere(usize),
    /// Those who gave something gave other bytes.
    #[error("{} sent bytes that are not those of this CID", list(.0))]
    Altered(Vec<PeerId>),
}

fn list(peers: &[PeerId]) -> String {
    peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The exchange of a node, for as many tasks as want blocks at once.
#[derive(Clone)]
pub struct Exchange(Arc<Shared>);

pub(crate) struct Shared {
    library: Arc<dyn Library>,
    /// Weak: who wants blocks does not keep the network running.
    commands: mpsc::WeakSender<Command>,
    desks: Mutex<HashMap<PeerId, Arc<Desk>>>,
    speakers: Mutex<HashSet<PeerId>>,
    lookups: Semaphore,
    tell: Box<dyn Fn(NetEvent) + Send + Sync>,
    runtime: tokio::runtime::Handle,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Held for a few instructions, never across anything that waits.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn desk(&self, peer: PeerId) -> Arc<Desk> {
        let mut desks = lock(&self.desks);
        if desks.len() >= MAX_DESKS {
            // Those of peers that are gone already when somebody asks for them.
            desks.retain(|_, desk| Arc::strong_count(desk) > 1);
        }
        Arc::clone(desks.entry(peer).or_insert_with(|| Arc::new(Desk::new(peer))))
    }

    /// Opens a stream with a peer.
    async fn open(&self, peer: PeerId) -> Result<Opened, OpenError> {
        let commands = self.commands.upgrade().ok_or(OpenError::Gone)?;
        let (reply, answer) = oneshot::channel();
        let asked = Command::OpenStream { peer, reply };
        commands.send(asked).await.map_err(|_| OpenError::Gone)?;
        answer.await.unwrap_or(Err(OpenError::Gone))
    }

    /// A peer did what an honest one does not.
    fn accuse(&self, peer: PeerId, why: &'static str) {
        tracing::warn!(%peer, "block exchange: {why}");
        (self.tell)(NetEvent::Misbehaved { peer, why });
    }
}

impl Exchange {
    /// Begins to give what the library has to those who ask on `incoming` streams, on the current
    /// runtime, until that ends.
    pub(crate) fn start(
        library: Arc<dyn Library>,
        commands: mpsc::WeakSender<Command>,
        mut incoming: mpsc::Receiver<(PeerId, Opened)>,
        tell: impl Fn(NetEvent) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            library,
            commands,
            desks: Mutex::default(),
            speakers: Mutex::default(),
            lookups: Semaphore::new(LOOKUPS),
            tell: Box::new(tell),
            runtime: tokio::runtime::Handle::current(),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Some((peer, opened)) = incoming.recv().await {
                let desk = serving.desk(peer);
                // Who opens more streams than a talk needs is not heard on them.
                if let Some(place) = desk.place() {
                    tokio::spawn(reading::read(Arc::clone(&serving), desk, opened, place));
                }
            }
        });
        Self(shared)
    }

    /// A peer said that it speaks the protocol, or that it does not any more.
    pub(crate) fn speaks(&self, peer: PeerId, speaks: bool) {
        if speaks {
            lock(&self.0.speakers).insert(peer);
        } else {
            lock(&self.0.speakers).remove(&peer);
        }
    }

    /// There is another connection with a peer.
    pub(crate) fn met(&self, peer: PeerId) {
        let desk = lock(&self.0.desks).get(&peer).cloned();
        if let Some(desk) = desk {
            desk.met(Instant::now());
        }
    }

    /// A peer is not connected any more. Its desk stays: should it come back, what it was asked for is
    /// known, and its streams are counted on.
    pub(crate) fn gone(&self, peer: PeerId) {
        self.speaks(peer, false);
        let desk = lock(&self.0.desks).get(&peer).cloned();
        if let Some(desk) = desk {
            desk.unreachable();
        }
    }

    /// Whether a connected peer speaks the protocol.
    #[must_use]
    pub fn is_speaker(&self, peer: &PeerId) -> bool {
        lock(&self.0.speakers).contains(peer)
    }

    /// Whether any connected peer speaks the protocol.
    #[must_use]
    pub fn has_speakers(&self) -> bool {
        !lock(&self.0.speakers).is_empty()
    }

    /// The connected peers that speak the protocol.
    #[must_use]
    pub fn speakers(&self) -> Vec<PeerId> {
        lock(&self.0.speakers).iter().copied().collect()
    }

    /// Opens a stream with a peer, to say on it what this exchange would not.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(&self, peer: PeerId) -> Result<Opened, OpenError> {
        self.0.open(peer).await
    }

    /// Runs something on the runtime of the network, from a thread that has none.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.runtime.spawn(task);
    }

    /// Which of these peers say that they have a block, each within five seconds.
    pub async fn who_has(&self, cid: &Cid, peers: &[PeerId]) -> Vec<PeerId> {
        let mut asked = pin!(self.ask_all(cid, peers));
        let mut have = Vec::new();
        while let Some((peer, said)) = asked.next().await {
            if matches!(said, Said::Here | Said::Block(_)) {
                have.push(peer);
            }
        }
        have
    }

    /// Asks all of these, so many at once.
    fn ask_all(
        &self,
        cid: &Cid,
        peers: &[PeerId],
    ) -> impl futures::Stream<Item = (PeerId, Said)> + Send + use<> {
        let (exchange, cid) = (self.clone(), *cid);
        let ask = move |peer: PeerId| {
            let exchange = exchange.clone();
            async move { (peer, exchange.want(peer, cid, Wanted::Have, HAVE_PATIENCE).await) }
        };
        futures::stream::iter(peers.to_vec()).map(ask).buffer_unordered(MAX_ASKED)
    }

    /// Asks one peer for a block, or whether it has it.
    async fn want(&self, peer: PeerId, cid: Cid, wanted: Wanted, patience: Duration) -> Said {
        let desk = self.0.desk(peer);
        let asking = async {
            let Some(waiting) = desk.want(cid, wanted).await else { return Said::NotHere };
            writing::wake(&self.0, &desk);
            waiting.answer().await
        };
        tokio::time::timeout(patience, asking).await.unwrap_or(Said::NotHere)
    }

    /// Gets a block from one of these peers: they are asked who has it, and those who do give it, the
    /// earlier of `peers` before the later. Who has said that it has it and does not give it does not
    /// keep the others waiting.
    ///
    /// # Errors
    /// [`FetchError`]; it names who sent other bytes.
    pub async fn fetch(&self, cid: &Cid, peers: &[PeerId]) -> Result<Fetched, FetchError> {
        if digest_of(cid).is_none() {
            return Err(FetchError::Name(*cid));
        }
        let give = |peer: PeerId| async move {
            (peer, self.want(peer, *cid, Wanted::Block, PATIENCE).await)
        };
        let (mut altered, mut promised) = (Vec::new(), Vec::new());
        // One alone need not be asked twice.
        let asked = match peers {
            [one] => {
                promised.push(*one);
                self.ask_all(cid, &[])
            }
            _ => self.ask_all(cid, peers),
        };
        let (mut asked, mut giving) = (pin!(asked.fuse()), FuturesUnordered::new());
        let mut last = tokio::time::Instant::now();
        loop {
            let hurry = giving.is_empty() || (last.elapsed() >= HURRY && giving.len() < MAX_GIVING);
            if hurry && !promised.is_empty() {
                // The peers in their order: who is likely to give it stands before the others.
                let place = |p: &PeerId| peers.iter().position(|of| of == p);
                promised.sort_by_key(place);
                giving.push(give(promised.remove(0)));
                last = tokio::time::Instant::now();
            }
            let late = last.checked_add(HURRY).unwrap_or(last);
            let (peer, said) = tokio::select! {
                biased;
                Some(given) = giving.next() => given,
                Some(answer) = asked.next() => answer,
                () = tokio::time::sleep_until(late), if !promised.is_empty() && giving.len() < MAX_GIVING => continue,
                else => break,
            };
            match said {
                Said::Block(bytes) => return Ok(Fetched { bytes, from: peer, altered }),
                Said::Here => promised.push(peer),
                Said::Altered => altered.push(peer),
                Said::NotHere => {}
            }
        }
        match altered.as_slice() {
            [] => Err(FetchError::NotThere(peers.len())),
            _ => Err(FetchError::Altered(altered)),
        }
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
