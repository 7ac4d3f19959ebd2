//! Connections that others begin and that have not said yet who they are: so many at once, and of one
//! address only a share of them. Else one machine that opens sockets and says nothing would keep every
//! other peer out.

use super::settings::NetworkSettings;
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::ListenFailure;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Of an IPv6 address what names a site: whoever has one has all that begin with it.
const SITE: u128 = u128::MAX << 64;
/// How often at most it is told that connections found no place.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// From where a connection comes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Address(IpAddr),
    /// Through a relay, which knows more, or by a transport without addresses.
    Other(Multiaddr),
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(IpAddr::from(ip).to_canonical()),
        _ => None,
    })
}

fn site(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & SITE).into(),
    }
}

impl Origin {
    fn of(local: &Multiaddr, remote: &Multiaddr) -> Self {
        match ip_of(remote).filter(|_| !super::relays::is_relayed(local)) {
            Some(ip) => Self::Address(site(ip)),
            None => Self::Other(local.clone()),
        }
    }
}

/// There is no place for one more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{all} connections are being made, {of_it} of them from one address: {most} find a place")]
pub(super) struct NoPlace {
    all: usize,
    of_it: usize,
    most: usize,
}

/// Those connections.
pub(super) struct Pending {
    most: usize,
    /// Where those peers and relays are that the operator named.
    named: HashSet<Origin>,
    all: HashMap<ConnectionId, Origin>,
}

impl Pending {
    pub(super) fn new(settings: &NetworkSettings) -> Self {
        let most = usize::try_from(settings.max_peers.saturating_mul(2)).unwrap_or(usize::MAX);
        let named = settings.peers.iter().chain(&settings.relays).filter_map(ip_of);
        let named = named.map(|ip| Origin::Address(site(ip))).collect();
        Self { most, named, all: HashMap::new() }
    }

    /// One more, if it has a place: an address has a sixteenth of all, and two as soon as half are taken,
    /// so that many addresses are needed to take the rest. The last quarter is for those that the
    /// operator named.
    fn begin(&mut self, id: ConnectionId, from: Origin) -> Result<(), NoPlace> {
        let all = self.all.len();
        let of_it = self.all.values().filter(|other| **other == from).count();
        let share = match all < self.most / 2 {
            true => (self.most / 16).max(4),
            false => 2,
        };
        let last = if self.named.contains(&from) { 0 } else { self.most / 4 };
        let most = self.most.saturating_sub(last);
        if all >= most || of_it >= share {
            return Err(NoPlace { all, of_it, most: share.min(most) });
        }
        self.all.insert(id, from);
        Ok(())
    }

    fn end(&mut self, id: ConnectionId) {
        self.all.remove(&id);
    }
}

impl NetworkBehaviour for Pending {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.begin(id, Origin::of(local, remote)).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.end(id);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event {
            self.end(connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// How many connections found no place, and when that was told last.
#[derive(Default)]
pub(super) struct TurnedAway {
    count: u64,
    told: Option<Instant>,
}

impl TurnedAway {
    /// One more. Gives how many since it was told, where it is time to tell.
    pub(super) fn one_more(&mut self, now: Instant) -> Option<u64> {
        self.count = self.count.saturating_add(1);
        let lately = |told: Instant| now.saturating_duration_since(told) < TOLD_EVERY;
        if self.told.is_some_and(lately) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Origin {
        let listening: Multiaddr = "/ip4/0.0.0.0/tcp/4801".parse().expect("an address");
        Origin::of(&listening, &text.parse().expect("an address"))
    }

    struct Begun(Pending, usize);

    impl Begun {
        fn of(settings: &NetworkSettings) -> Self {
            Self(Pending::new(settings), 0)
        }

        fn one_more(&mut self, from: Origin) -> bool {
            self.1 += 1;
            self.0.begin(ConnectionId::new_unchecked(self.1), from).is_ok()
        }
    }

    #[test]
    fn one_address_that_opens_connections_and_says_nothing_keeps_nobody_out() {
        let named: Multiaddr = "/ip4/192.0.2.9/tcp/4801".parse().expect("an address");
        let settings = NetworkSettings { peers: vec![named], ..NetworkSettings::default() };
        let mut begun = Begun::of(&settings);
        let flood = (0..1000)
            .filter(|port| begun.one_more(from(&format!("/ip4/198.51.100.1/tcp/{}", 1024 + port))));
        assert_eq!(flood.count(), 16);
        assert!(begun.one_more(from("/ip4/198.51.100.2/tcp/1024")));
        // One that ended makes room.
        begun.0.end(ConnectionId::new_unchecked(1));
        assert!(begun.one_more(from("/ip4/198.51.100.1/tcp/1024")));
        assert!(!begun.one_more(from("/ip4/198.51.100.1/tcp/1024")));
        // Many addresses take what is left but for the last quarter, two each as soon as half are taken.
        let mut taken = 0;
        for host in 3..250 {
            let mut of_it = 0;
            while begun.one_more(from(&format!("/ip4/198.51.100.{host}/udp/1024/quic-v1"))) {
                (taken, of_it) = (taken + 1, of_it + 1);
            }
            assert!(of_it <= 16 && (host < 30 || of_it <= 2), "{of_it} of {host}");
        }
        assert_eq!(taken + 17, 192);
        // Whoever the operator named has those.
        assert!(!begun.one_more(from("/ip4/203.0.113.1/tcp/1024")));
        assert!(begun.one_more(from("/ip4/192.0.2.9/tcp/50000")));
        assert!(begun.one_more(from("/ip4/192.0.2.9/tcp/50001")));
        assert!(!begun.one_more(from("/ip4/192.0.2.9/tcp/50002")));
    }

    #[test]
    fn a_site_is_one_address_and_a_relay_another() {
        let one = from("/ip6/2001:db8::1/tcp/1024");
        assert_eq!(one, from("/ip6/2001:db8::ffff:2/udp/9/quic-v1"));
        assert_ne!(one, from("/ip6/2001:db8:0:1::1/tcp/1024"));
        assert_eq!(from("/ip6/::ffff:192.0.2.1/tcp/1"), from("/ip4/192.0.2.1/tcp/2"));
        let relay: Multiaddr = "/ip4/192.0.2.1/tcp/4801/p2p-circuit".parse().expect("an address");
        let nobody: Multiaddr = "/ip4/192.0.2.7/tcp/1".parse().expect("an address");
        assert_eq!(Origin::of(&relay, &nobody), Origin::Other(relay.clone()));
    }

    #[test]
    fn that_connections_find_no_place_is_told_once_a_minute_with_their_number() {
        let (mut away, start) = (TurnedAway::default(), Instant::now());
        let told: Vec<_> = (0..180)
            .filter_map(|second| away.one_more(start + Duration::from_secs(second)))
            .collect();
        assert_eq!(told, [1, 60, 60]);
    }
}
