//! The peers to keep in touch with: when to dial again, a little later after each failure.

use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The most addresses of a peer.
const MAX_ADDRESSES: usize = 8;
/// The most peers that are remembered because they were found, not because somebody named them.
const MAX_FOUND: usize = 1024;
const FIRST: Duration = Duration::from_millis(500);
const LAST: Duration = Duration::from_secs(60);

struct Friend {
    /// Where it is, the oldest first, and whether the operator named that.
    addresses: Vec<(Multiaddr, bool)>,
    /// Named by the operator: dialled whenever it is not connected.
    named: bool,
    wait: Duration,
    next: Instant,
}

impl Friend {
    /// Notes an address. What the operator named is not put out by what was found, which makes room.
    fn note(&mut self, address: Multiaddr, named: bool) {
        if let Some((_, by_name)) = self.addresses.iter_mut().find(|(a, _)| *a == address) {
            *by_name |= named;
            return;
        }
        if self.addresses.len() >= MAX_ADDRESSES {
            // Of nothing but what was named the first makes room, for what is named alone.
            let found = self.addresses.iter().position(|(_, by_name)| !by_name);
            let Some(oldest) = found.or(named.then_some(0)) else { return };
            self.addresses.remove(oldest);
        }
        self.addresses.push((address, named));
    }

    fn addresses(&self) -> Vec<Multiaddr> {
        self.addresses.iter().map(|(address, _)| address.clone()).collect()
    }
}

/// Addresses of peers.
#[derive(Default)]
pub(super) struct Book {
    friends: HashMap<PeerId, Friend>,
}

impl Book {
    /// Notes an address of a peer.
    pub(super) fn note(
        &mut self,
        peer: PeerId,
        address: Multiaddr,
        named: bool,
        is_connected: impl Fn(&PeerId) -> bool,
        now: Instant,
    ) {
        if !named && !self.friends.contains_key(&peer) && !self.make_room(is_connected) {
            return;
        }
        let friend = self.friends.entry(peer).or_insert_with(|| Friend {
            addresses: Vec::new(),
            named,
            wait: FIRST,
            next: now,
        });
        friend.named |= named;
        friend.note(address, named);
        if named {
            friend.next = now;
        }
    }

    /// Whether there is room for another that is found. Who was dialled in vain makes some, the one that
    /// waits longest first: else invented ones would keep the others out for ever. Who was not dialled
    /// yet makes none, so that nobody is put out by invented ones either.
    fn make_room(&mut self, is_connected: impl Fn(&PeerId) -> bool) -> bool {
        let found = self.friends.iter().filter(|(_, f)| !f.named);
        if found.clone().count() < MAX_FOUND {
            return true;
        }
        let in_vain = found.filter(|(peer, f)| f.wait > FIRST && !is_connected(peer));
        let Some(peer) = in_vain.max_by_key(|(_, f)| f.wait).map(|(peer, _)| *peer) else {
            return false;
        };
        self.friends.remove(&peer);
        true
    }

    /// The addresses of a peer that are known.
    pub(super) fn addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.friends.get(peer).map(Friend::addresses).unwrap_or_default()
    }

    /// A peer was reached, and is who it says: the next time it is dialled soon again.
    pub(super) fn reached(&mut self, peer: &PeerId) {
        if let Some(friend) = self.friends.get_mut(peer) {
            friend.wait = FIRST;
        }
    }

    /// A connection ended: a named peer is dialled soon.
    pub(super) fn parted(&mut self, peer: &PeerId, now: Instant) {
        if let Some(friend) = self.friends.get_mut(peer) {
            friend.next = now.checked_add(friend.wait).unwrap_or(now);
        }
    }

    /// Those to dial now: of those that were found, only so many.
    pub(super) fn due(
        &mut self,
        is_connected: impl Fn(&PeerId) -> bool,
        found: usize,
        now: Instant,
    ) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut left = found;
        let mut due = Vec::new();
        for (peer, friend) in &mut self.friends {
            if friend.next > now || is_connected(peer) || (!friend.named && left == 0) {
                continue;
            }
            if !friend.named {
                left = left.saturating_sub(1);
            }
            friend.next = now.checked_add(friend.wait).unwrap_or(now);
            friend.wait = friend.wait.saturating_mul(2).min(LAST);
            due.push((*peer, friend.addresses()));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_peer_is_dialled_again_later_and_later_and_at_once_when_it_was_reached() {
        let (mut book, peer, start) = (Book::default(), PeerId::random(), Instant::now());
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().expect("an address");
        book.note(peer, address, true, |_| false, start);
        let mut tried = Vec::new();
        for tenth in 0..200_u64 {
            let now = start + Duration::from_millis(tenth * 100);
            if !book.due(|_| false, 0, now).is_empty() {
                tried.push(tenth);
            }
        }
        assert_eq!(tried, [0, 5, 15, 35, 75, 155]);
        book.reached(&peer);
        let later = start + Duration::from_secs(60);
        assert!(book.due(|_| true, 0, later).is_empty());
        book.parted(&peer, later);
        assert!(book.due(|_| false, 0, later).is_empty());
        assert_eq!(book.due(|_| false, 0, later + FIRST).len(), 1);
    }

    #[test]
    fn of_those_that_were_found_only_so_many_are_dialled() {
        let (mut book, now) = (Book::default(), Instant::now());
        for _ in 0..2000 {
            let address: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().expect("an address");
            book.note(PeerId::random(), address, false, |_| false, now);
        }
        assert_eq!(book.due(|_| false, 3, now).len(), 3);
        assert_eq!(book.friends.len(), MAX_FOUND);
    }

    fn address(port: u64) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("an address")
    }

    #[test]
    fn who_was_dialled_in_vain_makes_room_and_nobody_else_does() {
        let (mut book, start) = (Book::default(), Instant::now());
        let (connected, named) = (PeerId::random(), PeerId::random());
        let is_connected = |peer: &PeerId| *peer == connected;
        book.note(named, address(1), true, is_connected, start);
        book.note(connected, address(1), false, is_connected, start);
        for _ in 1..MAX_FOUND {
            book.note(PeerId::random(), address(1), false, is_connected, start);
        }
        let new = PeerId::random();
        book.note(new, address(2), false, is_connected, start);
        assert!(book.addresses(&new).is_empty(), "nobody was dialled yet");
        // All are, the one that is connected first, which is reached; and then nobody answers.
        assert_eq!(book.due(|_| false, MAX_FOUND, start).len(), 1 + MAX_FOUND);
        let now = start + LAST;
        assert_eq!(book.due(is_connected, MAX_FOUND, now).len(), MAX_FOUND);
        book.note(new, address(2), false, is_connected, now);
        assert_eq!(book.due(is_connected, MAX_FOUND, now), [(new, vec![address(2)])]);
        assert_eq!(book.friends.len(), 1 + MAX_FOUND);
        assert!(!book.addresses(&connected).is_empty() && !book.addresses(&named).is_empty());
    }

    #[test]
    fn what_the_operator_names_puts_out_what_was_found_and_stays() {
        let (mut book, peer, now) = (Book::default(), PeerId::random(), Instant::now());
        for port in 1..=8 {
            book.note(peer, address(port), false, |_| false, now);
        }
        book.note(peer, address(9), true, |_| false, now);
        book.note(peer, address(3), true, |_| false, now);
        assert_eq!(book.addresses(&peer), (2..=9).map(address).collect::<Vec<_>>());
        for port in 20..40 {
            book.note(peer, address(port), false, |_| false, now);
        }
        let known = book.addresses(&peer);
        assert_eq!(known.len(), MAX_ADDRESSES);
        for kept in [3, 9, 39] {
            assert!(known.contains(&address(kept)), "{known:?}");
        }
        // It moved again and again: the operator's last word counts.
        for port in 50..60 {
            book.note(peer, address(port), true, |_| false, now);
        }
        assert_eq!(book.addresses(&peer), (52..60).map(address).collect::<Vec<_>>());
    }
}
