//! The network: one task that owns the swarm. Commands in, events out, both bounded; no cryptography
//! of ours and no disk in its loop.
//!
//! ```text
//! Command -> actor (swarm: gossip behind its gate, requests, discovery, relays) -> NetEvent
//! ```

mod actor;
mod behaviour;
mod book;
mod codec;
mod gate;
mod held;
mod pending;
mod ports;
mod relays;
mod settings;
mod streams;
mod unsaid;

pub use actor::{start, start_with};
pub use behaviour::{GRAYLIST, gossip_id, keypair};
pub use gate::{channel_of, channel_of_keys, keys_topic_of, topic_of};
pub(crate) use ports::check_free;
pub use settings::NetworkSettings;

use crate::codes;
use crate::exchange::{OpenError, Opened};
use crate::sync::{Request, Response};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::key::{KeyType, PublicKey};
use gridpass_identity::method;
use libp2p::gossipsub::{MessageAcceptance, MessageId, TopicHash};
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{OutboundFailure, ResponseChannel};
use libp2p::{Multiaddr, PeerId};
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;

/// How much of one peer is being worked on at once, in units of 4 KiB and at least one for each thing:
/// who sends more is not heard until some is done, and nobody else waits for it.
pub const MAX_UNITS: usize = 2048;
/// The bytes of a unit.
const UNIT: usize = 4096;
/// The most commands that wait for the network.
pub const MAX_COMMANDS: usize = 4096;

/// Why the network does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// An address cannot be listened on: another program has its port, or it is not of this machine.
    #[error("{address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the operating system says.
        reason: String,
    },
    /// A transport cannot be had.
    #[error("{0}")]
    Transport(String),
}

impl NetworkError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Listen { .. } | Self::Transport(_) => codes::NODE_NETWORK,
        }
    }
}

/// A place among the things of a peer that are worked on; given back when it is dropped.
#[derive(Debug)]
pub struct Ticket {
    places: Arc<AtomicUsize>,
    units: usize,
}

impl Ticket {
    /// Takes a place for so many bytes, if there is one.
    #[must_use]
    pub fn take(places: &Arc<AtomicUsize>, bytes: usize) -> Option<Self> {
        let units = bytes.div_ceil(UNIT).max(1);
        let taken = places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
            Some(n.saturating_add(units)).filter(|n| *n <= MAX_UNITS)
        });
        taken.ok().map(|_| Self { places: Arc::clone(places), units })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.places.fetch_sub(self.units, Ordering::Relaxed);
    }
}

/// What the network is told.
#[derive(Debug)]
pub enum Command {
    /// Take part in the gossip of a topic.
    Subscribe(TopicHash),
    /// Take part no more.
    Unsubscribe(TopicHash),
    /// Send by gossip.
    Publish {
        /// Where.
        topic: TopicHash,
        /// What.
        data: Vec<u8>,
        /// The envelopes that it brings, to be told what became of them.
        envelopes: Vec<EnvelopeId>,
    },
    /// What is to become of what came by gossip.
    Report {
        /// Its name in gossip.
        id: MessageId,
        /// Who passed it on.
        peer: PeerId,
        /// Pass it on, drop it, or hold it against the peer.
        acceptance: MessageAcceptance,
    },
    /// A peer said who it is: it may subscribe to these topics.
    Open {
        /// Who.
        peer: PeerId,
        /// To what.
        topics: HashSet<TopicHash>,
        /// To which of them it does, if its subscription does not get lost.
        expected: HashSet<TopicHash>,
    },
    /// Whom a peer acts for: all of its nodes share what one may have under way. Nobody, for one
    /// that shares with nobody.
    Share(PeerId, Option<Did>),
    /// How a peer behaves, beside gossip itself: 0 is well, less is worse.
    Score {
        /// Who.
        peer: PeerId,
        /// How.
        score: f64,
    },
    /// Ask a peer.
    Ask {
        /// Whom.
        peer: PeerId,
        /// What.
        request: Box<Request>,
        /// By which the answer is known.
        tag: u64,
    },
    /// Answer a peer.
    Answer {
        /// Where the question came from.
        reply: Reply,
        /// The answer.
        response: Box<Response>,
    },
    /// Open a stream for block exchange with a peer that is connected.
    OpenStream {
        /// With whom.
        peer: PeerId,
        /// For the stream; dropped where the peer is gone.
        reply: oneshot::Sender<Result<Opened, OpenError>>,
    },
    /// Keep in touch with a peer.
    Befriend(Multiaddr),
    /// Find a peer and connect with it once, where peers are looked for at all.
    Reach(PeerId),
    /// End the connections with a peer; it may come again.
    Part(PeerId),
    /// Have nothing to do with a peer, or have again.
    Block(PeerId, bool),
    /// Tell who is connected.
    Peers(oneshot::Sender<NetworkView>),
}

/// Where an answer goes.
#[derive(Debug)]
pub struct Reply {
    pub(super) channel: ResponseChannel<Response>,
    _ticket: Ticket,
}

/// What the network tells.
#[derive(Debug)]
pub enum NetEvent {
    /// An address on which it listens.
    Listening(Multiaddr),
    /// One on which it does not any more.
    NotListening(Multiaddr),
    /// A peer is connected; the connection proved its key.
    Connected {
        /// Who.
        peer: PeerId,
        /// Its key.
        key: PublicKey,
    },
    /// A peer is gone.
    Disconnected(PeerId),
    /// It takes up what is sent to it more slowly than it is sent: not all of it was.
    Lags(PeerId),
    /// Not all was taken up that it sent, and there is room again.
    LeftOut(PeerId),
    /// Something came by gossip. It must be reported on.
    Gossip {
        /// Who passed it on.
        peer: PeerId,
        /// Its name in gossip.
        id: MessageId,
        /// Where.
        topic: TopicHash,
        /// What.
        data: Vec<u8>,
        /// Its place.
        ticket: Ticket,
    },
    /// A peer did what no honest one does, in block exchange.
    Misbehaved {
        /// Who.
        peer: PeerId,
        /// What.
        why: &'static str,
    },
    /// A peer asks.
    Asked {
        /// Who.
        peer: PeerId,
        /// What.
        request: Box<Request>,
        /// For the answer.
        reply: Reply,
    },
    /// A peer answered, or did not.
    Answered {
        /// Who.
        peer: PeerId,
        /// Of the question.
        tag: u64,
        /// The answer, or why there is none.
        result: Result<Box<Response>, NoAnswer>,
    },
    /// Envelopes were sent by gossip, or why not.
    Published {
        /// Which.
        envelopes: Vec<EnvelopeId>,
        /// What became of it.
        result: Result<(), String>,
    },
}

/// Why a peer did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// There was no connection, or it ended: that says nothing about the peer.
    #[error("the connection ended")]
    Gone,
    /// It was asked, and did not answer in time, or nothing that is an answer.
    #[error("{0}")]
    Silent(String),
}

impl From<OutboundFailure> for NoAnswer {
    fn from(failure: OutboundFailure) -> Self {
        match failure {
            OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => Self::Gone,
            silent @ (OutboundFailure::Timeout
            | OutboundFailure::UnsupportedProtocols
            | OutboundFailure::Io(_)) => Self::Silent(silent.to_string()),
        }
    }
}

/// A peer as the network sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// Its id.
    pub peer: String,
    /// Its address.
    pub address: String,
    /// Its gossip score.
    pub score: Option<f64>,
    /// The channels that it is subscribed to, as far as it may.
    pub channels: Vec<ContentId>,
    /// How much of what it sent is being worked on.
    pub pending: usize,
}

/// The network as it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkView {
    /// Where it listens.
    pub listening: Vec<Multiaddr>,
    /// Where others reach it, as far as is known.
    pub external: Vec<Multiaddr>,
    /// Who is connected.
    pub peers: Vec<PeerView>,
    /// Whether others reach it directly, once they were asked.
    pub reachable: Option<bool>,
    /// Why no new connection is taken, if memory is short.
    pub short_of_memory: Option<String>,
}

/// The peer id of a node, by its did:key; nothing for one that is not Ed25519.
#[must_use]
pub fn peer_of(node: &Did) -> Option<PeerId> {
    let key = method::key::to_public_key(node).ok().filter(|k| k.key_type() == KeyType::Ed25519)?;
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(&key.to_bytes()).ok()?;
    Some(libp2p::identity::PublicKey::from(key).to_peer_id())
}

/// The peer that an address ends in.
pub(crate) fn peer_in(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last()? {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    }
}

/// The key of a peer id, where it is Ed25519: the only ones that nodes have.
#[must_use]
pub fn key_of(peer: &PeerId) -> Option<PublicKey> {
    let bytes = peer.to_bytes();
    // An identity multihash (0x00), its length, and the key in a protobuf.
    let key = match bytes.split_first_chunk::<2>() {
        Some(([0x00, _], rest)) => libp2p::identity::PublicKey::try_decode_protobuf(rest).ok()?,
        _ => return None,
    };
    let key = key.try_into_ed25519().ok()?;
    PublicKey::ed25519(&key.to_bytes()).ok()
}
