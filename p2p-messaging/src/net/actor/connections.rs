//! The connections of the peers, and those that were refused.

use super::super::relays::is_relayed;
use super::super::{NetEvent, key_of};
use super::Actor;
use libp2p::autonat::NatStatus;
use libp2p::core::ConnectedPoint;
use libp2p::memory_connection_limits::MemoryUsageLimitExceeded;
use libp2p::swarm::{ConnectionDenied, ConnectionId};
use libp2p::{Multiaddr, PeerId};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

/// How long a direct connection must stand before one through a relay ends: the other side has it by
/// then too.
const SETTLED: Duration = Duration::from_secs(2);

/// A peer that is connected.
pub(super) struct Peer {
    connections: Vec<Connection>,
    pub(super) places: Arc<AtomicUsize>,
}

struct Connection {
    id: ConnectionId,
    address: Multiaddr,
    since: Instant,
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
    fn add(&mut self, id: ConnectionId, address: Multiaddr, since: Instant) {
        self.connections.push(Connection { id, address, since });
    }

    /// Its address: that of a direct connection, where there is one.
    pub(super) fn address(&self) -> Option<&Multiaddr> {
        let direct = self.connections.iter().find(|c| !is_relayed(&c.address));
        direct.or(self.connections.first()).map(|c| &c.address)
    }

    /// Its connections through relays that a direct one has made superfluous.
    fn superfluous(&self, now: Instant) -> Vec<ConnectionId> {
        let settled = |c: &Connection| {
            !is_relayed(&c.address) && now.saturating_duration_since(c.since) >= SETTLED
        };
        if !self.connections.iter().any(settled) {
            return Vec::new();
        }
        self.connections.iter().filter(|c| is_relayed(&c.address)).map(|c| c.id).collect()
    }
}

impl<E: From<NetEvent> + Send + 'static> Actor<E> {
    pub(super) fn connected(&mut self, id: PeerId, by: ConnectionId, endpoint: &ConnectedPoint) {
        self.short_of_memory = None;
        let (address, now) = (address_of(endpoint), Instant::now());
        if let Some(peer) = self.peers.get_mut(&id) {
            tracing::debug!(peer = %id, %address, "one more connection");
            peer.add(by, address, now);
            return;
        }
        let Some(key) = key_of(&id) else {
            tracing::debug!(%id, "its key is not Ed25519");
            let _ = self.swarm.disconnect_peer_id(id);
            return;
        };
        tracing::debug!(peer = %id, %address, "connected");
        let mut peer = Peer { connections: Vec::new(), places: Arc::default() };
        peer.add(by, address, now);
        self.peers.insert(id, peer);
        self.tell(NetEvent::Connected { peer: id, key });
    }

    pub(super) fn disconnected(&mut self, id: PeerId, by: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.connections.retain(|c| c.id != by);
        if peer.connections.is_empty() {
            self.peers.remove(&id);
            self.book.parted(&id, Instant::now());
            self.tell(NetEvent::Disconnected(id));
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
    /// short, until there is a connection again.
    pub(super) fn refused(&mut self, cause: &ConnectionDenied) {
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
        let mut peer = Peer { connections: Vec::new(), places: Arc::default() };
        let address = |text: &str| text.parse::<Multiaddr>().expect("an address");
        let (relayed, direct) = (ConnectionId::new_unchecked(1), ConnectionId::new_unchecked(2));
        peer.add(relayed, address("/ip4/10.0.0.1/tcp/1/p2p-circuit"), start);
        assert_eq!(peer.address(), Some(&address("/ip4/10.0.0.1/tcp/1/p2p-circuit")));
        assert!(peer.superfluous(start + SETTLED).is_empty());
        peer.add(direct, address("/ip4/10.0.0.2/tcp/1"), start + SETTLED);
        assert_eq!(peer.address(), Some(&address("/ip4/10.0.0.2/tcp/1")));
        assert!(peer.superfluous(start + SETTLED).is_empty());
        assert_eq!(peer.superfluous(start + SETTLED + SETTLED), [relayed]);
    }
}
