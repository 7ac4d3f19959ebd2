//! The task that owns the swarm.

use super::behaviour::{Behaviour, BehaviourEvent, build, topic_scores};
use super::book::Book;
use super::settings::NetworkSettings;
use super::{
    Command, MAX_COMMANDS, NetEvent, NetworkView, PeerView, Reply, Ticket, key_of, peer_in,
};
use crate::codes;
use crate::sync::Response;
use futures::StreamExt as _;
use gridpass_identity::did::Did;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, PublishError};
use libp2p::request_response::{self, OutboundRequestId};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, kad, mdns, ping};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a request counts as: most are short, and each may ask for a page.
const REQUEST_BYTES: usize = 64 * 1024;

struct Peer {
    address: Multiaddr,
    places: Arc<AtomicUsize>,
}

struct Actor<E> {
    swarm: Swarm<Behaviour>,
    events: mpsc::Sender<E>,
    /// What must not be lost while the worker is busy: of the peers' making only connections.
    backlog: VecDeque<NetEvent>,
    peers: HashMap<PeerId, Peer>,
    /// The places that the nodes of a participant share.
    shares: HashMap<Did, Weak<AtomicUsize>>,
    asked: HashMap<OutboundRequestId, u64>,
    book: Book,
    wanted: usize,
    /// Whether peers are looked for: else only those that the operator named are dialled.
    looks: bool,
    /// When peers were looked for last; not before there is somebody to ask.
    looked: Option<Instant>,
}

/// Starts the network on the current runtime. `events` get what it tells; it ends when the commands
/// end.
///
/// # Errors
/// A sentence: an address that cannot be listened on, or a transport that cannot be had.
pub fn start<E: From<NetEvent> + Send + 'static>(
    keypair: libp2p::identity::Keypair,
    settings: &NetworkSettings,
    events: mpsc::Sender<E>,
) -> Result<mpsc::Sender<Command>, String> {
    let mut swarm = build(keypair, settings)?;
    for address in &settings.listen {
        swarm.listen_on(address.clone()).map_err(|e| format!("{address}: {e}"))?;
    }
    for address in &settings.external {
        swarm.add_external_address(address.clone());
    }
    let mut actor = Actor {
        swarm,
        events,
        backlog: VecDeque::new(),
        peers: HashMap::new(),
        shares: HashMap::new(),
        asked: HashMap::new(),
        book: Book::default(),
        wanted: usize::try_from(settings.wanted_peers).unwrap_or(usize::MAX),
        looks: settings.discover || settings.lan,
        looked: None,
    };
    for address in &settings.peers {
        actor.befriend(address.clone());
    }
    let (sender, commands) = mpsc::channel(MAX_COMMANDS);
    tokio::spawn(actor.run(commands));
    Ok(sender)
}

impl<E: From<NetEvent> + Send + 'static> Actor<E> {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut tick = tokio::time::interval(Duration::from_millis(250));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let events = self.events.clone();
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.take(event),
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
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
        let connected = self.peers.len();
        let found = self.wanted.saturating_sub(connected);
        for (peer, addresses) in self.book.due(|p| self.peers.contains_key(p), found, now) {
            let dial = DialOpts::peer_id(peer)
                .addresses(addresses)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .build();
            if let Err(e) = self.swarm.dial(dial) {
                tracing::debug!(%peer, "not dialled: {e}");
            }
        }
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
            self.book.note(peer, address, true, Instant::now());
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
            self.book.note(peer, address, false, Instant::now());
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
            Command::Publish { topic, data, envelope } => {
                let result = match behaviour.gossip.gossip().publish(topic, data) {
                    // Somebody was quicker to send what we asked to be sent.
                    Ok(_) | Err(PublishError::Duplicate) => Ok(()),
                    Err(e) => Err(e.to_string()),
                };
                if let Some(envelope) = envelope {
                    self.tell(NetEvent::Published { envelope, result });
                }
            }
            Command::Report { id, peer, acceptance } => {
                behaviour.gossip.gossip().report_message_validation_result(&id, &peer, acceptance);
            }
            Command::Open { peer, topics } => {
                if self.peers.contains_key(&peer) {
                    self.book.reached(&peer);
                    behaviour.gossip.open(peer, topics);
                }
            }
            Command::Share(peer, participant) => self.share(peer, participant),
            Command::Score { peer, score } => {
                behaviour.gossip.gossip().set_application_score(&peer, score);
            }
            Command::Ask { peer, request, tag } => {
                if self.peers.contains_key(&peer) {
                    let id = behaviour.sync.send_request(&peer, *request);
                    self.asked.insert(id, tag);
                } else {
                    let result = Err("it is not connected".to_owned());
                    self.tell(NetEvent::Answered { peer, tag, result });
                }
            }
            Command::Answer { reply, response } => {
                let _ = behaviour.sync.send_response(reply.channel, *response);
            }
            Command::Befriend(address) => self.befriend(address),
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
            address: peer.address.to_string(),
            score: gossip.peer_score(id),
            channels: subscribed.remove(id).unwrap_or_default(),
            pending: peer.places.load(Ordering::Relaxed),
        });
        NetworkView {
            peers: peers.collect(),
            listening: self.swarm.listeners().cloned().collect(),
            external: self.swarm.external_addresses().cloned().collect(),
        }
    }

    fn take(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                self.tell(NetEvent::Listening(address));
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, num_established, .. } => {
                if num_established.get() > 1 {
                    return;
                }
                let Some(key) = key_of(&peer_id) else {
                    tracing::debug!(%peer_id, "its key is not Ed25519");
                    let _ = self.swarm.disconnect_peer_id(peer_id);
                    return;
                };
                let address = endpoint.get_remote_address().clone();
                let peer = Peer { address, places: Arc::default() };
                self.peers.insert(peer_id, peer);
                self.tell(NetEvent::Connected { peer: peer_id, key });
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. }
                if self.peers.remove(&peer_id).is_some() =>
            {
                self.book.parted(&peer_id, Instant::now());
                self.tell(NetEvent::Disconnected(peer_id));
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                tracing::debug!(%peer, "not reached: {error}");
            }
            SwarmEvent::Behaviour(event) => self.take_behaviour(event),
            _ => {}
        }
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
                    let gossip = self.swarm.behaviour_mut().gossip.gossip();
                    let ignore = MessageAcceptance::Ignore;
                    gossip.report_message_validation_result(&id, &peer, ignore);
                }
            },
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
            }
            BehaviourEvent::Kad(kad::Event::RoutingUpdated { peer, addresses, .. }) => {
                self.found(peer, addresses.into_vec());
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    self.found(peer, [address]);
                }
            }
            _ => {}
        }
    }

    fn take_sync(&mut self, event: request_response::Event<crate::sync::Request, Response>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                match self.ticket(&peer, REQUEST_BYTES) {
                    Some(ticket) => {
                        let reply = Reply { channel, _ticket: ticket };
                        let request = Box::new(request);
                        self.tell(NetEvent::Asked { peer, request, reply });
                    }
                    None => {
                        let busy = Response::Refused(codes::SYNC_BUSY.id().to_owned());
                        let _ = self.swarm.behaviour_mut().sync.send_response(channel, busy);
                    }
                }
            }
            Event::Message {
                peer, message: Message::Response { request_id, response }, ..
            } => {
                if let Some(tag) = self.asked.remove(&request_id) {
                    self.tell(NetEvent::Answered { peer, tag, result: Ok(Box::new(response)) });
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                if let Some(tag) = self.asked.remove(&request_id) {
                    let result = Err(error.to_string());
                    self.tell(NetEvent::Answered { peer, tag, result });
                }
            }
            Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, "its request was not answered: {error}");
            }
            Event::ResponseSent { .. } => {}
        }
    }
}
