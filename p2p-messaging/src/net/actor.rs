//! The task that owns the swarm.

mod connections;
mod missed;
mod requests;
mod starting;

use super::behaviour::{Behaviour, BehaviourEvent, topic_scores};
use super::book::Book;
use super::pending::TurnedAway;
use super::relays::{Places, is_relayed};
use super::{Command, NetEvent, NetworkView, NoAnswer, PeerView, Ticket, peer_in};
use crate::exchange::{Exchange, PROTOCOL_1_1, PROTOCOL_1_2};
use connections::Peer;
use futures::StreamExt as _;
use gridpass_identity::did::Did;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, PublishError};
use libp2p::multiaddr::Protocol;
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, ListenError, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, autonat, dcutr, identify, kad, mdns, ping, relay};
use missed::Missed;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

pub use starting::{start, start_with};

struct Actor<E> {
    swarm: Swarm<Behaviour>,
    exchange: Exchange,
    events: mpsc::Sender<E>,
    /// What must not be lost while the worker is busy: of the peers' making only connections.
    backlog: VecDeque<NetEvent>,
    peers: HashMap<PeerId, Peer>,
    /// The places that the nodes of a participant share.
    shares: HashMap<Did, Weak<AtomicUsize>>,
    asked: HashMap<OutboundRequestId, u64>,
    book: Book,
    /// Where this node is reached through others.
    places: Places,
    /// Whether others are told that a relay is where it listens: the operator said nothing else.
    lends: bool,
    /// Why a connection was refused, if memory was the cause and there was none since.
    short_of_memory: Option<String>,
    /// How many connections of others found no place.
    turned_away: TurnedAway,
    /// Whether others reach this node directly, once they were asked.
    reachable: Option<bool>,
    wanted: usize,
    /// How many peers there may be, those that it dialled itself aside.
    max_peers: usize,
    /// Whether peers are looked for: else only those that the operator named are dialled.
    looks: bool,
    /// When peers were looked for last; not before there is somebody to ask.
    looked: Option<Instant>,
    /// For whom something was left out.
    missed: Missed,
}

/// The most commands that are obeyed between two looks at the swarm.
const COMMANDS: usize = 32;

fn is_loopback(address: &Multiaddr) -> bool {
    address.iter().any(|p| match p {
        Protocol::Ip4(ip) => ip.is_loopback(),
        Protocol::Ip6(ip) => ip.is_loopback(),
        _ => false,
    })
}

impl<E: From<NetEvent> + Send + 'static> Actor<E> {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut tick = tokio::time::interval(Duration::from_millis(250));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let events = self.events.clone();
        let mut told = Vec::with_capacity(COMMANDS);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.take(event),
                // Each look at the swarm asks every behaviour and connection: not for each command.
                count = commands.recv_many(&mut told, COMMANDS) => {
                    if count == 0 {
                        break;
                    }
                    told.drain(..).for_each(|command| self.obey(command));
                }
                permit = events.reserve(), if !self.backlog.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(event) = self.backlog.pop_front() {
                            permit.send(event.into());
                        }
                    }
                    Err(_) => break,
                },
                _ = tick.tick() => self.tick(),
            }
        }
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// Tells what must be told, in order.
    fn tell(&mut self, event: NetEvent) {
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
            return;
        }
        match self.events.try_reserve() {
            Ok(permit) => permit.send(event.into()),
            Err(_) => self.backlog.push_back(event),
        }
    }

    /// Whether there is room for what a peer sends.
    fn ticket(&self, peer: &PeerId, bytes: usize) -> Option<Ticket> {
        if !self.backlog.is_empty() || self.events.capacity() == 0 {
            return None;
        }
        Ticket::take(&self.peers.get(peer)?.places, bytes)
    }

    fn tick(&mut self) {
        let now = Instant::now();
        self.tell_missed();
        let connected = self.peers.len();
        let found = self.wanted.saturating_sub(connected);
        for (peer, addresses) in self.book.due(|p| self.peers.contains_key(p), found, now) {
            self.dial(peer, addresses);
        }
        self.places.reserve(&mut self.swarm, |p| self.peers.contains_key(p), now);
        self.leave_relays(now);
        self.try_directly(now);
        self.swarm.behaviour_mut().gossip.look_after(now);
        let lately = |t: Instant| now.duration_since(t) < Duration::from_secs(30);
        if found > 0 && connected > 0 && !self.looked.is_some_and(lately) {
            self.looked = Some(now);
            if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                kad.get_closest_peers(PeerId::random());
            }
        }
    }

    fn befriend(&mut self, address: Multiaddr) {
        if let Some(peer) = peer_in(&address)
            && peer != *self.swarm.local_peer_id()
        {
            let is_connected = |p: &PeerId| self.peers.contains_key(p);
            self.book.note(peer, address, true, is_connected, Instant::now());
        }
    }

    /// Dials a peer whose address is known. Else it is looked for, which ends at the peer itself.
    fn reach(&mut self, peer: PeerId) {
        let is_me = peer == *self.swarm.local_peer_id();
        if is_me || !self.looks || self.peers.contains_key(&peer) {
            return;
        }
        let addresses = self.book.addresses(&peer);
        if addresses.is_empty() {
            if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                kad.get_closest_peers(peer);
            }
            return;
        }
        self.dial(peer, addresses);
    }

    fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let dial = DialOpts::peer_id(peer)
            .addresses(addresses)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .build();
        if let Err(e) = self.swarm.dial(dial) {
            tracing::debug!(%peer, "not dialled: {e}");
            if let DialError::Denied { cause } = &e {
                self.refused(cause);
            }
        }
    }

    fn found(&mut self, peer: PeerId, addresses: impl IntoIterator<Item = Multiaddr>) {
        if peer == *self.swarm.local_peer_id() || !self.looks {
            return;
        }
        for address in addresses {
            if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                kad.add_address(&peer, address.clone());
            }
            let is_connected = |p: &PeerId| self.peers.contains_key(p);
            self.book.note(peer, address, false, is_connected, Instant::now());
        }
    }

    /// What is under way already stays counted where it was taken.
    fn share(&mut self, peer: PeerId, participant: Option<Did>) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.places = match participant {
            None => Arc::default(),
            Some(participant) => {
                self.shares.retain(|_, places| places.strong_count() > 0);
                let held = self.shares.get(&participant).and_then(Weak::upgrade);
                let places = held.unwrap_or_default();
                self.shares.insert(participant, Arc::downgrade(&places));
                places
            }
        };
    }

    fn obey(&mut self, command: Command) {
        let behaviour = self.swarm.behaviour_mut();
        match command {
            Command::Subscribe(topic) => {
                if let Err(e) = behaviour.gossip.subscribe(&topic) {
                    tracing::error!(%topic, "not subscribed: {e}");
                }
                let named = IdentTopic::new(topic.as_str());
                let scored = behaviour.gossip.gossip().set_topic_params(named, topic_scores());
                if let Err(e) = scored {
                    tracing::error!(%topic, "not scored: {e}");
                }
            }
            Command::Unsubscribe(topic) => behaviour.gossip.unsubscribe(&topic),
            Command::Publish { topic, data, envelopes } => {
                let result = match behaviour.gossip.gossip().publish(topic, data) {
                    // Somebody was quicker to send what we asked to be sent.
                    Ok(_) | Err(PublishError::Duplicate) => Ok(()),
                    Err(e) => Err(e.to_string()),
                };
                if !envelopes.is_empty() {
                    self.tell(NetEvent::Published { envelopes, result });
                }
            }
            Command::Report { id, peer, acceptance } => {
                behaviour.gossip.gossip().report_message_validation_result(&id, &peer, acceptance);
            }
            Command::Open { peer, topics, expected } => {
                if self.peers.contains_key(&peer) {
                    self.book.reached(&peer);
                    behaviour.gossip.open(peer, topics, expected);
                }
            }
            Command::Share(peer, participant) => self.share(peer, participant),
            Command::Score { peer, score } => {
                behaviour.gossip.gossip().set_application_score(&peer, score);
            }
            Command::Ask { peer, request, tag } => {
                if self.peers.contains_key(&peer) {
                    let id = behaviour.sync.send_request(&peer, Ok(*request));
                    self.asked.insert(id, tag);
                } else {
                    let result = Err(NoAnswer::Gone);
                    self.tell(NetEvent::Answered { peer, tag, result });
                }
            }
            Command::Answer { reply, response } => {
                let _ = behaviour.sync.send_response(reply.channel, *response);
            }
            Command::OpenStream { peer, reply } => behaviour.streams.open(peer, reply),
            Command::Befriend(address) => self.befriend(address),
            Command::Reach(peer) => self.reach(peer),
            Command::Part(peer) => {
                let _ = self.swarm.disconnect_peer_id(peer);
            }
            Command::Block(peer, true) => {
                behaviour.blocked.block_peer(peer);
                let _ = self.swarm.disconnect_peer_id(peer);
            }
            Command::Block(peer, false) => {
                behaviour.blocked.unblock_peer(peer);
            }
            Command::Peers(reply) => {
                let _ = reply.send(self.view());
            }
        }
    }

    fn view(&self) -> NetworkView {
        let gossip = self.swarm.behaviour().gossip.inner();
        let mut subscribed: HashMap<_, Vec<_>> = HashMap::new();
        for (peer, topics) in gossip.all_peers() {
            let channels = topics.into_iter().filter_map(super::channel_of).collect();
            subscribed.insert(*peer, channels);
        }
        let peers = self.peers.iter().map(|(id, peer)| PeerView {
            peer: id.to_string(),
            address: peer.address().map(ToString::to_string).unwrap_or_default(),
            score: gossip.peer_score(id),
            channels: subscribed.remove(id).unwrap_or_default(),
            pending: peer.places.load(Ordering::Relaxed),
        });
        NetworkView {
            peers: peers.collect(),
            listening: self.swarm.listeners().cloned().collect(),
            external: self.swarm.external_addresses().cloned().collect(),
            reachable: self.reachable,
            short_of_memory: self.short_of_memory.clone(),
        }
    }

    fn take(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                if self.lends && !is_relayed(&address) && !is_loopback(&address) {
                    self.swarm.add_external_address(address.clone());
                }
                self.tell(NetEvent::Listening(address));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => self.not_listening(address),
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                if let Some(relay) = self.places.lost(listener_id, Instant::now()) {
                    let why = reason.err().map(|e| format!(": {e:?}")).unwrap_or_default();
                    tracing::warn!(%relay, "no place at a relay{why}");
                }
                for address in addresses {
                    self.not_listening(address);
                }
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.disconnected(peer_id, connection_id);
            }
            SwarmEvent::IncomingConnectionError {
                error: ListenError::Denied { cause }, ..
            }
            | SwarmEvent::OutgoingConnectionError { error: DialError::Denied { cause }, .. } => {
                self.refused(&cause);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                tracing::debug!(%peer, "not reached: {error}");
            }
            SwarmEvent::Behaviour(event) => self.take_behaviour(event),
            _ => {}
        }
    }

    fn not_listening(&mut self, address: Multiaddr) {
        if self.lends {
            self.swarm.remove_external_address(&address);
        }
        self.tell(NetEvent::NotListening(address));
    }

    fn take_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source: peer,
                message_id: id,
                message,
            }) => match self.ticket(&peer, message.data.len()) {
                Some(ticket) => {
                    let (topic, data) = (message.topic, message.data);
                    self.tell(NetEvent::Gossip { peer, id, topic, data, ticket });
                }
                // Catching up brings it.
                None => {
                    self.missed.left_out(peer);
                    let gossip = self.swarm.behaviour_mut().gossip.gossip();
                    let ignore = MessageAcceptance::Ignore;
                    gossip.report_message_validation_result(&id, &peer, ignore);
                }
            },
            BehaviourEvent::Gossip(gossipsub::Event::SlowPeer { peer_id, .. }) => {
                self.missed.lags(peer_id);
            }
            BehaviourEvent::Sync(event) => self.take_sync(event),
            // libp2p leaves it to us to end what does not answer; the book dials again.
            BehaviourEvent::Ping(ping::Event { peer, connection, result: Err(e) })
                if !matches!(e, ping::Failure::Unsupported) =>
            {
                tracing::info!(%peer, "a connection fell silent: {e}");
                self.swarm.close_connection(connection);
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                let speaks = |name: &str| info.protocols.iter().any(|p| p.as_ref() == name);
                if speaks("/gridpass/kad/1") {
                    self.found(peer_id, info.listen_addrs);
                }
                let exchanges = speaks(PROTOCOL_1_2) || speaks(PROTOCOL_1_1);
                if self.peers.contains_key(&peer_id) {
                    self.exchange.speaks(peer_id, exchanges);
                }
            }
            BehaviourEvent::Kad(kad::Event::RoutingUpdated { peer, addresses, .. }) => {
                self.found(peer, addresses.into_vec());
            }
            BehaviourEvent::RelayClient(relay::client::Event::ReservationReqAccepted {
                relay_peer_id: relay,
                ..
            }) => self.places.given(&relay),
            BehaviourEvent::Dcutr(dcutr::Event { remote_peer_id: peer, result }) => match result {
                Ok(_) => tracing::debug!(%peer, "reached past the relay"),
                Err(e) => tracing::debug!(%peer, "not reached past the relay: {e}"),
            },
            BehaviourEvent::Autonat(autonat::Event::StatusChanged { new, .. }) => {
                self.judge_reach(&new);
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    self.found(peer, [address]);
                }
            }
            _ => {}
        }
    }
}
