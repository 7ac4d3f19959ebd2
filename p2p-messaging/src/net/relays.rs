//! The places that this node has at relays: at each, an address on which others reach it. A place is
//! lost with the connection, and asked for again, a little later after each refusal.

use super::behaviour::Behaviour;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Swarm};
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
/// A relay gives a peer no more than thirty places in an hour.
const LAST: Duration = Duration::from_secs(120);

struct Place {
    relay: PeerId,
    address: Multiaddr,
    listener: Option<ListenerId>,
    wait: Duration,
    next: Instant,
}

/// One place at each relay.
pub(super) struct Places {
    all: Vec<Place>,
}

/// Whether an address leads through a relay.
pub(super) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|p| p == Protocol::P2pCircuit)
}

impl Places {
    /// At these relays. Where one has several addresses, others are told the first: a second place
    /// would put out the first.
    pub(super) fn at(relays: &[Multiaddr], now: Instant) -> Self {
        let mut all: Vec<Place> = Vec::new();
        for address in relays {
            let Some(relay) = super::peer_in(address) else {
                tracing::warn!(%address, "not the address of a relay: it does not end in /p2p/…");
                continue;
            };
            if all.iter().all(|p| p.relay != relay) {
                let address = address.clone().with(Protocol::P2pCircuit);
                all.push(Place { relay, address, listener: None, wait: FIRST, next: now });
            }
        }
        Self { all }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The places to ask for now: a relay is asked only while it is connected.
    fn due(&mut self, is_connected: impl Fn(&PeerId) -> bool, now: Instant) -> Vec<&mut Place> {
        let due = |p: &&mut Place| p.listener.is_none() && p.next <= now && is_connected(&p.relay);
        self.all.iter_mut().filter(due).collect()
    }

    /// Asks for the places that are missing.
    pub(super) fn reserve(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        is_connected: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) {
        for place in self.due(is_connected, now) {
            match swarm.listen_on(place.address.clone()) {
                Ok(listener) => place.listener = Some(listener),
                Err(e) => {
                    tracing::warn!(address = %place.address, "no place at a relay: {e}");
                    place.later(now);
                }
            }
        }
    }

    /// A relay gave a place.
    pub(super) fn given(&mut self, relay: &PeerId) {
        for place in self.all.iter_mut().filter(|p| p.relay == *relay) {
            place.wait = FIRST;
        }
    }

    /// A listener ended: whose place it was.
    pub(super) fn lost(&mut self, listener: ListenerId, now: Instant) -> Option<PeerId> {
        let place = self.all.iter_mut().find(|p| p.listener == Some(listener))?;
        place.listener = None;
        place.later(now);
        Some(place.relay)
    }
}

impl Place {
    fn later(&mut self, now: Instant) {
        self.next = now.checked_add(self.wait).unwrap_or(now);
        self.wait = self.wait.saturating_mul(2).min(LAST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_place_is_asked_for_again_later_and_later_and_only_of_a_relay_that_is_connected() {
        let (relay, start) = (PeerId::random(), Instant::now());
        let address = |port: u16| format!("/ip4/127.0.0.1/tcp/{port}/p2p/{relay}");
        let both = [1, 2].map(|port| address(port).parse().expect("an address"));
        let mut places = Places::at(&both, start);
        assert!(places.due(|_| false, start).is_empty());
        let due = places.due(|_| true, start);
        let addresses: Vec<_> = due.iter().map(|p| p.address.to_string()).collect();
        assert_eq!(addresses, [format!("{}/p2p-circuit", address(1))]);
        let mut asked = Vec::new();
        for second in 0..400_u64 {
            let now = start + Duration::from_secs(second);
            let listener = ListenerId::next();
            for place in places.due(|_| true, now) {
                place.listener = Some(listener);
                asked.push(second);
            }
            let lost = places.lost(listener, now);
            assert_eq!(lost, (asked.last() == Some(&second)).then_some(relay));
        }
        assert_eq!(asked, [0, 1, 3, 7, 15, 31, 63, 127, 247, 367]);
        places.given(&relay);
        let (listener, later) = (ListenerId::next(), start + Duration::from_secs(1000));
        places.due(|_| true, later)[0].listener = Some(listener);
        places.lost(listener, later);
        assert!(places.due(|_| true, later).is_empty());
        assert_eq!(places.due(|_| true, later + FIRST).len(), 1);
    }
}
