//! Gossip behind a gate: a peer takes part only after it said who it is, and is given only what it
//! may read.
//!
//! What a peer says by gossip before that is held, bounded, and heard when the gate opens. Its
//! subscriptions are taken only for channels that it was admitted to: gossipsub sends nothing to a
//! peer whose subscription it did not take.

use gridpass_credentials::content_id::ContentId;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::gossipsub::{self, IdentityTransform, MaxCountSubscriptionFilter, TopicHash};
use libp2p::swarm::{
    CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// The most that is held of what a peer says before it is known.
const MAX_HELD: usize = 32;

type Filter = MaxCountSubscriptionFilter<Subscriptions>;
type Gossip = gossipsub::Behaviour<IdentityTransform, Filter>;
type Held = VecDeque<(ConnectionId, THandlerOutEvent<Gossip>)>;

/// The gossip topic of a channel.
#[must_use]
pub fn topic_of(channel: &ContentId) -> TopicHash {
    TopicHash::from_raw(format!("{TOPIC_PREFIX}{channel}"))
}

const TOPIC_PREFIX: &str = "/gridpass/1/";

/// The channel of a gossip topic.
#[must_use]
pub fn channel_of(topic: &TopicHash) -> Option<ContentId> {
    ContentId::parse(topic.as_str().strip_prefix(TOPIC_PREFIX)?).ok()
}

/// The gossip topic of what nodes say to each other about a sealed channel's keys.
#[must_use]
pub fn keys_topic_of(channel: &ContentId) -> TopicHash {
    TopicHash::from_raw(format!("{TOPIC_PREFIX}{channel}{KEYS_SUFFIX}"))
}

const KEYS_SUFFIX: &str = "/keys";

/// The channel of such a topic.
#[must_use]
pub fn channel_of_keys(topic: &TopicHash) -> Option<ContentId> {
    let rest = topic.as_str().strip_prefix(TOPIC_PREFIX)?;
    ContentId::parse(rest.strip_suffix(KEYS_SUFFIX)?).ok()
}

/// What each peer may subscribe to, and of whom gossipsub is asking: its filter is told no peer.
#[derive(Default)]
struct Entries {
    whose: Option<PeerId>,
    may: HashMap<PeerId, HashSet<TopicHash>>,
    /// What each asked for and was refused: it asks again only on another connection.
    refused: HashMap<PeerId, HashSet<TopicHash>>,
    own: HashSet<TopicHash>,
}

/// The filter that gossipsub asks.
#[derive(Clone, Default)]
pub(super) struct Subscriptions(Arc<Mutex<Entries>>);

impl Subscriptions {
    /// Held for a few instructions, never across anything that waits.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl gossipsub::TopicSubscriptionFilter for Subscriptions {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        let mut entries = self.entries();
        match entries.whose {
            Some(peer) => {
                let may = entries.may.get(&peer).is_some_and(|may| may.contains(topic));
                let refused = entries.refused.entry(peer).or_default();
                if !may && refused.len() < MAX_TOPICS {
                    refused.insert(topic.clone());
                }
                may
            }
            None => entries.own.contains(topic),
        }
    }
}

/// Gossipsub behind its gate.
pub(super) struct Gated {
    gossip: Gossip,
    subscriptions: Subscriptions,
    held: HashMap<PeerId, Held>,
    close: VecDeque<PeerId>,
}

/// The most topics of one peer.
const MAX_TOPICS: usize = 512;

impl Gated {
    /// Behind a closed gate.
    ///
    /// # Errors
    /// A sentence, for settings that gossipsub refuses.
    pub(super) fn new(
        config: gossipsub::Config,
        scores: (gossipsub::PeerScoreParams, gossipsub::PeerScoreThresholds),
    ) -> Result<Self, String> {
        let subscriptions = Subscriptions::default();
        let filter = MaxCountSubscriptionFilter {
            filter: subscriptions.clone(),
            max_subscribed_topics: MAX_TOPICS,
            max_subscriptions_per_request: MAX_TOPICS,
        };
        let mut gossip = Gossip::new_with_subscription_filter(
            gossipsub::MessageAuthenticity::Anonymous,
            config,
            filter,
        )?;
        gossip.with_peer_score(scores.0, scores.1)?;
        Ok(Self { gossip, subscriptions, held: HashMap::new(), close: VecDeque::new() })
    }

    /// Gossipsub itself, to publish and to report.
    pub(super) fn gossip(&mut self) -> &mut Gossip {
        &mut self.gossip
    }

    /// The same, to look at.
    #[must_use]
    pub(super) fn inner(&self) -> &Gossip {
        &self.gossip
    }

    /// Subscribes to a topic.
    ///
    /// # Errors
    /// A sentence, if gossipsub refuses.
    pub(super) fn subscribe(&mut self, topic: &TopicHash) -> Result<(), String> {
        self.subscriptions.entries().own.insert(topic.clone());
        let topic = gossipsub::IdentTopic::new(topic.as_str());
        self.gossip.subscribe(&topic).map(|_| ()).map_err(|e| e.to_string())
    }

    /// Unsubscribes.
    pub(super) fn unsubscribe(&mut self, topic: &TopicHash) {
        self.subscriptions.entries().own.remove(topic);
        self.gossip.unsubscribe(&gossipsub::IdentTopic::new(topic.as_str()));
    }

    /// Opens the gate for a peer, which may subscribe to these topics; what it said so far is heard
    /// now. For a peer that is in already, these are what it may from now on; a subscription that it
    /// has beyond them ends only with its connections, and one that was refused and is not any more
    /// begins with its next.
    pub(super) fn open(&mut self, peer: PeerId, topics: HashSet<TopicHash>) {
        let again = {
            let mut entries = self.subscriptions.entries();
            let refused = entries.refused.get(&peer);
            let again = refused.is_some_and(|r| r.iter().any(|t| topics.contains(t)));
            entries.may.insert(peer, topics);
            again
        };
        if again {
            self.close.push_back(peer);
        }
        for (connection, event) in self.held.remove(&peer).unwrap_or_default() {
            self.hear(peer, connection, event);
        }
    }

    fn is_open(&self, peer: &PeerId) -> bool {
        self.subscriptions.entries().may.contains_key(peer)
    }

    fn hear(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Gossip>) {
        self.subscriptions.entries().whose = Some(peer);
        self.gossip.on_connection_handler_event(peer, connection, event);
        self.subscriptions.entries().whose = None;
    }
}

impl NetworkBehaviour for Gated {
    type ConnectionHandler = <Gossip as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = gossipsub::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.gossip.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.gossip.handle_established_outbound_connection(connection, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(ConnectionClosed {
            peer_id,
            remaining_established: 0,
            ..
        }) = &event
        {
            self.held.remove(peer_id);
            let mut entries = self.subscriptions.entries();
            entries.may.remove(peer_id);
            entries.refused.remove(peer_id);
            drop(entries);
        }
        self.gossip.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if self.is_open(&peer) {
            self.hear(peer, connection, event);
            return;
        }
        let held = self.held.entry(peer).or_default();
        // Subscriptions come first; of what is said before the gate opens the rest is left to
        // catching up.
        if held.len() < MAX_HELD {
            held.push_back((connection, event));
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(peer_id) = self.close.pop_front() {
            return Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::All,
            });
        }
        self.gossip.poll(cx)
    }
}
