//! Gossip behind a gate: a peer takes part only after it said who it is, and is given only what it
//! may read.
//!
//! What a peer says by gossip before that is held, bounded, and heard when the gate opens. Its
//! subscriptions are taken only for channels that it was admitted to: gossipsub sends nothing to a
//! peer whose subscription it did not take. One that is refused is kept, and heard when it may be: no
//! connection has to be made twice for it.

use super::held::{Heard, Held};
use super::unsaid::Unsaid;
use crate::sync::MAX_VISITS;
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
use std::time::{Duration, Instant};

type Filter = MaxCountSubscriptionFilter<Subscriptions>;
type Gossip = gossipsub::Behaviour<IdentityTransform, Filter>;

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
        let entries = self.entries();
        match entries.whose {
            Some(peer) => entries.may.get(&peer).is_some_and(|may| may.contains(topic)),
            None => entries.own.contains(topic),
        }
    }
}

/// Gossipsub behind its gate.
pub(super) struct Gated {
    gossip: Gossip,
    subscriptions: Subscriptions,
    held: HashMap<PeerId, Held>,
    /// What each said last of topics that it may not subscribe to, or not yet.
    refused: HashMap<PeerId, HashMap<TopicHash, (ConnectionId, Heard)>>,
    /// To which each subscribes, by what it said of itself.
    expected: HashMap<PeerId, HashSet<TopicHash>>,
    unsaid: Unsaid,
    looked: Option<Instant>,
    close: VecDeque<PeerId>,
}

/// How often it is looked after who subscribes to what.
const LOOK: Duration = Duration::from_secs(1);

/// The most topics of one peer: the framework, and of each visit its channel and that channel's keys.
const MAX_TOPICS: usize = 2 * MAX_VISITS + 1;

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
        Ok(Self {
            gossip,
            subscriptions,
            held: HashMap::new(),
            refused: HashMap::new(),
            expected: HashMap::new(),
            unsaid: Unsaid::default(),
            looked: None,
            close: VecDeque::new(),
        })
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

    /// Opens the gate for a peer, which may subscribe to these topics, and is expected to subscribe to
    /// some of them; what it said so far is heard now. For a peer that is in already, these are what it
    /// may from now on; a subscription that it has beyond them ends only with its connections.
    pub(super) fn open(
        &mut self,
        peer: PeerId,
        topics: HashSet<TopicHash>,
        expected: HashSet<TopicHash>,
    ) {
        let refused = self.refused.entry(peer).or_default();
        let now_taken: Vec<_> = topics.iter().filter_map(|topic| refused.remove(topic)).collect();
        self.subscriptions.entries().may.insert(peer, topics);
        self.expected.insert(peer, expected);
        let held = self.held.remove(&peer).unwrap_or_default();
        for (connection, event) in now_taken.into_iter().chain(held.events) {
            self.hear(peer, connection, event);
        }
    }

    /// Parts with those whose subscriptions got lost, and with those that subscribe to what they may
    /// not any more.
    pub(super) fn look_after(&mut self, now: Instant) {
        if self.looked.is_some_and(|last| now.saturating_duration_since(last) < LOOK) {
            return;
        }
        self.looked = Some(now);
        let entries = self.subscriptions.entries();
        for (peer, subscribed) in self.gossip.all_peers() {
            let Some((expected, may)) = self.expected.get(peer).zip(entries.may.get(peer)) else {
                continue;
            };
            // They come in order.
            let lacks = expected.iter().any(|topic| subscribed.binary_search(&topic).is_err());
            if self.unsaid.is_over(*peer, lacks, now) {
                tracing::info!(%peer, "it did not subscribe to what it takes part in: both begin anew");
                self.close.push_back(*peer);
            } else if subscribed.iter().any(|topic| !may.contains(*topic)) {
                self.close.push_back(*peer);
            }
        }
    }

    fn is_open(&self, peer: &PeerId) -> bool {
        self.subscriptions.entries().may.contains_key(peer)
    }

    fn hear(&mut self, peer: PeerId, connection: ConnectionId, mut event: Heard) {
        self.keep_refused(peer, connection, &mut event);
        self.subscriptions.entries().whose = Some(peer);
        self.gossip.on_connection_handler_event(peer, connection, event);
        self.subscriptions.entries().whose = None;
    }
}

impl Gated {
    /// Takes out of what a peer says what it says of topics that it may not subscribe to, and keeps the
    /// last of each.
    fn keep_refused(&mut self, peer: PeerId, connection: ConnectionId, event: &mut Heard) {
        let Heard::Message { rpc, .. } = event else { return };
        let said = std::mem::take(&mut rpc.subscriptions);
        let entries = self.subscriptions.entries();
        let may = entries.may.get(&peer);
        let (taken, refused): (Vec<_>, Vec<_>) =
            said.into_iter().partition(|s| may.is_some_and(|may| may.contains(&s.topic_hash)));
        if !refused.is_empty() {
            // One that says nothing else. Nothing but gossipsub makes any.
            let messages = std::mem::take(&mut rpc.messages);
            let control = std::mem::take(&mut rpc.control_msgs);
            let nothing = rpc.clone();
            (rpc.messages, rpc.control_msgs) = (messages, control);
            let kept = self.refused.entry(peer).or_default();
            for subscription in refused {
                let topic = subscription.topic_hash.clone();
                // Other names are nobody's, and of any length.
                let is_ours = channel_of(&topic).or_else(|| channel_of_keys(&topic)).is_some();
                if !is_ours || (kept.len() >= MAX_TOPICS && !kept.contains_key(&topic)) {
                    continue;
                }
                let mut alone = nothing.clone();
                alone.subscriptions.push(subscription);
                let alone = Heard::Message { rpc: alone, invalid_messages: Vec::new() };
                kept.insert(topic, (connection, alone));
            }
        }
        rpc.subscriptions = taken;
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
            self.refused.remove(peer_id);
            self.expected.remove(peer_id);
            self.unsaid.gone(peer_id);
            self.subscriptions.entries().may.remove(peer_id);
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
        // Subscriptions are kept beside; of what else is said before the gate opens what is too much is
        // left to catching up.
        let mut event = event;
        self.keep_refused(peer, connection, &mut event);
        self.held.entry(peer).or_default().keep(connection, event);
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

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
