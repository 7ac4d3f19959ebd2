//! The connections of the peers, and those that were refused.

use super::super::pending::NoPlace;
use super::super::relays::is_relayed;
use super::super::{NetEvent, key_of};
use super::Actor;
use libp2p::autonat::NatStatus;
use libp2p::core::ConnectedPoint;
use libp2p::memory_connection_limits::MemoryUsageLimitExceeded;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionDenied, ConnectionId};
use libp2p::{Multiaddr, PeerId};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

/// How long a direct connection must stand before one through a relay ends: the other side has it by
/// then too.
const SETTLED: Duration = Duration::from_secs(2);
/// How long a connection through a relay has to become a direct one, before another is made: it may
/// have been made when neither side knew yet where it is reached. Each time three times as long.
const UPGRADE: Duration = Duration::from_secs(10);
/// How often that is tried.
const MAX_AGAIN: u32 = 3;

/// A peer that is connected.
pub(super) struct Peer {
    connections: Vec<Connection>,
    /// How often another connection through a relay was made.
    again: u32,
    pub(super) places: Arc<AtomicUsize>,
}

struct Connection {
    id: ConnectionId,
    address: Multiaddr,
    since: Instant,
    dialled: bool,
}

/// The other end. Of one that came through a relay libp2p says only who it is.
fn address_of(endpoint: &ConnectedPoint) -> Multiaddr {
    match endpoint {
        ConnectedPoint::Listener { local_addr, send_back_addr } if is_relayed(local_addr) => {
            send_back_addr.iter().fold(local_addr.clone(), Multiaddr::with)
        }
        _ => endpoint.get_remote_address().clone(),
    }
}

impl Peer {
    fn add(&mut self, id: ConnectionId, address: Multiaddr, since: Instant, dialled: bool) {
        self.connections.push(Connection { id, address, since, dialled });
    }

    /// Its address: that of a direct connection, where there is one.
    pub(super) fn address(&self) -> Option<&Multiaddr> {
        let direct = self.connections.iter().find(|c| !is_relayed(&c.address));
        direct.or(self.connections.first()).map(|c| &c.address)
    }

    /// Where it is dialled through a relay once more, so that both sides try again to have a direct
    /// connection.
    fn dial_again(&mut self, now: Instant) -> Option<Multiaddr> {
        if self.again >= MAX_AGAIN || self.connections.iter().any(|c| !is_relayed(&c.address)) {
            return None;
        }
        let newest = self.connections.iter().map(|c| c.since).max()?;
        let wait = UPGRADE.saturating_mul(3_u32.saturating_pow(self.again));
        if now.saturating_duration_since(newest) < wait {
            return None;
        }
        let address = self.connections.iter().find(|c| c.dialled)?.address.clone();
        self.again = self.again.saturating_add(1);
        Some(address)
    }

    /// Its connections through relays that a direct one has made superfluous, or a later one that had
    /// its time.
    fn superfluous(&self, now: Instant) -> Vec<ConnectionId> {
        let settled = |c: &Connection| {
            !is_relayed(&c.address) && now.saturating_duration_since(c.since) >= SETTLED
        };
        let relayed = self.connections.iter().filter(|c| is_relayed(&c.address));
        if self.connections.iter().any(settled) {
            return relayed.map(|c| c.id).collect();
        }
        let newest = relayed.clone().max_by_key(|c| (c.since, c.id));
        let older = |c: &&Connection| {
            newest
                .is_some_and(|n| n.id != c.id && now.saturating_duration_since(n.since) >= UPGRADE)
        };
        relayed.filter(older).map(|c| c.id).collect()
    }
}

impl<E: From<NetEvent> + Send + 'static> Actor<E> {
    pub(super) fn connected(&mut self, id: PeerId, by: ConnectionId, endpoint: &ConnectedPoint) {
        self.short_of_memory = None;
        let (address, now) = (address_of(endpoint), Instant::now());
        if let Some(peer) = self.peers.get_mut(&id) {
            tracing::debug!(peer = %id, %address, "one more connection");
            peer.add(by, address, now, endpoint.is_dialer());
            self.exchange.met(id);
            return;
        }
        let Some(key) = key_of(&id) else {
            tracing::debug!(%id, "its key is not Ed25519");
            let _ = self.swarm.disconnect_peer_id(id);
            return;
        };
        // Whom it dialled itself it wants; others find no place when all are taken.
        if !endpoint.is_dialer() && self.peers.len() >= self.max_peers {
            tracing::debug!(peer = %id, %address, "there is no place for another peer");
            let _ = self.swarm.disconnect_peer_id(id);
            return;
        }
        tracing::debug!(peer = %id, %address, "connected");
        let mut peer = Peer { connections: Vec::new(), again: 0, places: Arc::default() };
        peer.add(by, address, now, endpoint.is_dialer());
        self.peers.insert(id, peer);
        self.exchange.met(id);
        self.tell(NetEvent::Connected { peer: id, key });
    }

    pub(super) fn disconnected(&mut self, id: PeerId, by: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.connections.retain(|c| c.id != by);
        if peer.connections.is_empty() {
            self.peers.remove(&id);
            self.missed.forget(&id);
            self.exchange.gone(id);
            self.book.parted(&id, Instant::now());
            self.tell(NetEvent::Disconnected(id));
        }
    }

    /// Tries again to reach those directly who are reached through relays alone.
    pub(super) fn try_directly(&mut self, now: Instant) {
        let again: Vec<_> = self
            .peers
            .iter_mut()
            .filter_map(|(id, peer)| Some((*id, peer.dial_again(now)?)))
            .collect();
        for (peer, address) in again {
            tracing::debug!(%peer, %address, "through the relay once more, to be reached directly");
            let dial = DialOpts::peer_id(peer)
                .addresses(vec![address])
                .condition(PeerCondition::NotDialing)
                .build();
            if let Err(e) = self.swarm.dial(dial) {
                tracing::debug!(%peer, "not dialled: {e}");
            }
        }
    }

    /// Ends connections through relays with peers that are reached directly: libp2p would go on
    /// using the first.
    pub(super) fn leave_relays(&mut self, now: Instant) {
        let superfluous: Vec<_> = self.peers.values().flat_map(|p| p.superfluous(now)).collect();
        for connection in superfluous {
            tracing::debug!(%connection, "a connection through a relay makes room for a direct one");
            self.swarm.close_connection(connection);
        }
    }

    /// Others said whether they reach this node.
    pub(super) fn judge_reach(&mut self, status: &NatStatus) {
        self.reachable = match status {
            NatStatus::Public(_) => Some(true),
            NatStatus::Private => Some(false),
            NatStatus::Unknown => None,
        };
        if self.reachable == Some(false) && self.places.is_empty() {
            tracing::warn!("others do not reach this node directly: name relays in network.relays");
        }
    }

    /// A connection was refused, by this node's own limits: the operator is told where memory is
    /// short, until there is a connection again, and where others find no place.
    pub(super) fn refused(&mut self, cause: &ConnectionDenied) {
        if let Some(none) = cause.downcast_ref::<NoPlace>() {
            if let Some(count) = self.turned_away.one_more(Instant::now()) {
                tracing::warn!(count, "connections of others found no place: {none}");
            }
            return;
        }
        let Some(over) = cause.downcast_ref::<MemoryUsageLimitExceeded>() else { return };
        let mib = |bytes: usize| bytes / (1024 * 1024);
        let why = format!(
            "the process uses {} MiB; network.max-memory-mib is {}",
            mib(over.process_physical_memory_bytes()),
            mib(over.max_allowed_bytes())
        );
        if self.short_of_memory.is_none() {
            tracing::warn!("no new connections: {why}");
        }
        self.short_of_memory = Some(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_through_a_relay_ends_when_a_direct_one_has_stood_a_while() {
        let start = Instant::now();
        let mut peer = Peer { connections: Vec::new(), again: 0, places: Arc::default() };
        let address = |text: &str| text.parse::<Multiaddr>().expect("an address");
        let (relayed, direct) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        peer.add(relayed, address("/ip4/10.0.0.1/tcp/1/p2p-circuit"), start, true);
        assert_eq!(peer.address(), Some(&address("/ip4/10.0.0.1/tcp/1/p2p-circuit")));
        assert!(peer.superfluous(start + SETTLED).is_empty());
        peer.add(direct, address("/ip4/10.0.0.2/tcp/1"), start + SETTLED, false);
        assert_eq!(peer.address(), Some(&address("/ip4/10.0.0.2/tcp/1")));
        assert!(peer.superfluous(start + SETTLED).is_empty());
        assert_eq!(peer.superfluous(start + SETTLED + SETTLED), [relayed]);
    }

    #[test]
    fn who_is_reached_through_a_relay_alone_is_dialled_again_a_few_times() {
        let start = Instant::now();
        let mut peer = Peer { connections: Vec::new(), again: 0, places: Arc::default() };
        let address: Multiaddr = "/ip4/10.0.0.1/tcp/1/p2p-circuit".parse().expect("an address");
        let mut number = 1;
        peer.add(ConnectionId::new_unchecked(number), address.clone(), start, true);
        let mut dialled = Vec::new();
        for second in 0..400 {
            let now = start + Duration::from_secs(second);
            if peer.dial_again(now).is_some() {
                dialled.push(second);
                number += 1;
                peer.add(ConnectionId::new_unchecked(number), address.clone(), now, true);
            }
            let gone = peer.superfluous(now);
            peer.connections.retain(|c| !gone.contains(&c.id));
        }
        assert_eq!(dialled, [10, 40, 130]);
        assert_eq!(peer.connections.len(), 1, "one is left");
        let direct = "/ip4/10.0.0.2/tcp/1".parse().expect("an address");
        peer.again = 0;
        peer.add(ConnectionId::new_unchecked(99), direct, start, true);
        assert_eq!(peer.dial_again(start + Duration::from_secs(4000)), None);
    }
}
