//! What gossip left out, for want of room there or here: the worker is told by which peers, so that it is
//! caught up with soon, and not only when it is their turn.

use super::super::{MAX_UNITS, NetEvent};
use super::Actor;
use libp2p::PeerId;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// The peers between whom and this node something was left out.
#[derive(Default)]
pub(super) struct Missed {
    /// What was to be sent to them.
    lag: BTreeSet<PeerId>,
    /// What they sent.
    left_out: BTreeSet<PeerId>,
}

impl Missed {
    /// It could not be sent everything.
    pub(super) fn lags(&mut self, peer: PeerId) {
        self.lag.insert(peer);
    }

    /// Not all that it sent was taken up.
    pub(super) fn left_out(&mut self, peer: PeerId) {
        self.left_out.insert(peer);
    }

    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.lag.remove(peer);
        self.left_out.remove(peer);
    }
}

impl<E: From<NetEvent> + Send + 'static> Actor<E> {
    /// Tells the worker, of what was not taken up as soon as half of what is there is done.
    pub(super) fn tell_missed(&mut self) {
        let busy = |peer: &PeerId| {
            let places = self.peers.get(peer).map(|p| p.places.load(Ordering::Relaxed));
            places.is_some_and(|places| places > MAX_UNITS / 2)
        };
        let roomy = self.missed.left_out.iter().filter(|p| !busy(p)).map(|p| NetEvent::LeftOut(*p));
        let due: Vec<_> = self.missed.lag.iter().map(|p| NetEvent::Lags(*p)).chain(roomy).collect();
        for event in due {
            let Ok(permit) = self.events.try_reserve() else { return };
            match event {
                NetEvent::LeftOut(peer) => self.missed.left_out.remove(&peer),
                NetEvent::Lags(peer) => self.missed.lag.remove(&peer),
                _ => false,
            };
            permit.send(event.into());
        }
    }
}
