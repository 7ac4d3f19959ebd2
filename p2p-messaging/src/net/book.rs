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
    addresses: Vec<Multiaddr>,
    /// Named by the operator: dialled whenever it is not connected.
    named: bool,
    wait: Duration,
    next: Instant,
}

/// Addresses of peers.
#[derive(Default)]
pub(super) struct Book {
    friends: HashMap<PeerId, Friend>,
}

impl Book {
    /// Notes an address of a peer.
    pub(super) fn note(&mut self, peer: PeerId, address: Multiaddr, named: bool, now: Instant) {
        let found = self.friends.values().filter(|f| !f.named).count();
        if !named && found >= MAX_FOUND && !self.friends.contains_key(&peer) {
            return;
        }
        let friend = self.friends.entry(peer).or_insert_with(|| Friend {
            addresses: Vec::new(),
            named,
            wait: FIRST,
            next: now,
        });
        friend.named |= named;
        if !friend.addresses.contains(&address) {
            if friend.addresses.len() >= MAX_ADDRESSES && !friend.named {
                friend.addresses.remove(0);
            }
            // What the operator named is never put out by what was found.
            if friend.addresses.len() < MAX_ADDRESSES {
                friend.addresses.push(address);
            }
        }
        if named {
            friend.next = now;
        }
    }

    /// The addresses of a peer that are known.
    pub(super) fn addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.friends.get(peer).map(|f| f.addresses.clone()).unwrap_or_default()
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
            due.push((*peer, friend.addresses.clone()));
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
        book.note(peer, address, true, start);
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
            book.note(PeerId::random(), address, false, now);
        }
        assert_eq!(book.due(|_| false, 3, now).len(), 3);
        assert_eq!(book.friends.len(), MAX_FOUND);
    }
}
