//! What gossip had to leave out, because a peer or this node was sent more at once than it takes up, is
//! caught up with soon, and not only when it is the peer's turn.

use super::worker::Worker;
use crate::sync::Request;
use hashlink::LinkedHashSet;
use libp2p::PeerId;
use std::collections::BTreeSet;

/// The most peers that are compared with for this in a second: saying it is cheap, and comparing is not.
const MOST_A_SECOND: usize = 2;

/// Who is compared with out of turn.
#[derive(Default)]
pub(super) struct Behind {
    /// In the order in which they said it: nobody comes before those who wait.
    waiting: LinkedHashSet<PeerId>,
    /// Those of this second.
    compared: BTreeSet<PeerId>,
    /// Those who are to be told that they are behind, and were too busy to hear it.
    untold: BTreeSet<PeerId>,
}

impl Behind {
    /// Whether it is compared with at once; else it waits.
    fn now(&mut self, peer: PeerId) -> bool {
        let now = self.compared.len() < MOST_A_SECOND && self.compared.insert(peer);
        if !now {
            self.wait(peer);
        }
        now
    }

    /// It is compared with in a second or so; who waits already keeps the place.
    pub(super) fn wait(&mut self, peer: PeerId) {
        self.waiting.replace(peer);
    }

    /// It did not hear that it is behind.
    pub(super) fn not_told(&mut self, peer: PeerId) {
        self.untold.insert(peer);
    }

    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.waiting.remove(peer);
        self.untold.remove(peer);
    }

    /// A second is over: those whose turn it is.
    fn tick(&mut self) -> Vec<PeerId> {
        self.compared.clear();
        let mut due = Vec::new();
        while due.len() < MOST_A_SECOND
            && let Some(peer) = self.waiting.pop_front()
        {
            self.compared.insert(peer);
            due.push(peer);
        }
        due
    }
}

impl Worker {
    /// Something was left out that was to be sent to a peer.
    pub(super) fn say_that_it_is_behind(&mut self, peer: PeerId) {
        if self.peers.is_open(&peer) {
            self.question(peer, Request::Behind);
        }
    }

    /// A peer has more than it could send here, or than was taken up here.
    pub(super) fn compare_soon(&mut self, peer: PeerId) {
        if self.is_somebody(&peer) && self.behind.now(peer) {
            self.catch_up_with(peer);
        }
    }

    /// Who acts for a participant, which may be one that only sends. Whether it gave what it named says
    /// nothing here: as long as it has more, it did not.
    fn is_somebody(&self, peer: &PeerId) -> bool {
        self.peers.is_open(peer) && self.peers.is_proven(peer)
    }

    pub(super) fn tick_behind(&mut self) {
        for peer in std::mem::take(&mut self.behind.untold) {
            self.say_that_it_is_behind(peer);
        }
        for peer in self.behind.tick() {
            if self.is_somebody(&peer) {
                self.catch_up_with(peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_compared_with_once_a_second_and_few_in_all() {
        let mut behind = Behind::default();
        let peers: Vec<_> = (0..4).map(|_| PeerId::random()).collect();
        assert!(behind.now(peers[0]));
        assert!(!behind.now(peers[0]), "it was in this second");
        assert!(behind.now(peers[1]));
        assert!(!behind.now(peers[2]) && !behind.now(peers[3]), "they are too many");
        // Who says it again does not fall back for it, and does not come before others.
        assert!(!behind.now(peers[0]));
        assert_eq!(behind.tick(), [peers[0], peers[2]]);
        assert_eq!(behind.tick(), [peers[3]]);
        assert_eq!(behind.tick(), [], "nobody said it again");
        assert!(behind.now(peers[0]));
    }

    #[test]
    fn many_who_say_it_get_no_more_of_a_second() {
        let mut behind = Behind::default();
        let at_once = (0..100).filter(|_| behind.now(PeerId::random())).count();
        assert_eq!((at_once, behind.tick().len()), (MOST_A_SECOND, MOST_A_SECOND));
    }
}
