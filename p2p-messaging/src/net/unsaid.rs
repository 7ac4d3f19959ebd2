//! Subscriptions that got lost. gossipsub says what it subscribes to with the first connection to a peer,
//! once. Where both sides dial at the same time, and one of the two connections ends, they may not agree on
//! which was the first: one side forgets the peer and what it said, the other sees no reason to say it again.
//! Who takes part by its hello and did not subscribe is parted with: both begin anew.

use hashlink::LruCache;
use libp2p::PeerId;
use std::time::{Duration, Instant};

/// How long a peer has to subscribe to what it says that it takes part in; each further time twice as long,
/// for one that never does.
const FIRST: Duration = Duration::from_secs(5);
const LAST: Duration = Duration::from_secs(600);
/// The most peers that are remembered.
const MOST: usize = 4096;

#[derive(Clone, Copy)]
struct Waiting {
    /// Since when something was missing.
    since: Option<Instant>,
    wait: Duration,
}

/// Who has not subscribed to what it takes part in.
pub(super) struct Unsaid(LruCache<PeerId, Waiting>);

impl Default for Unsaid {
    fn default() -> Self {
        Self(LruCache::new(MOST))
    }
}

impl Unsaid {
    /// Looks at a peer. Whether it is parted with now, to begin anew.
    pub(super) fn is_over(&mut self, peer: PeerId, lacks: bool, now: Instant) -> bool {
        if !lacks {
            self.0.remove(&peer);
            return false;
        }
        let waiting = self.0.entry(peer).or_insert(Waiting { since: None, wait: FIRST });
        let since = *waiting.since.get_or_insert(now);
        let over = now.saturating_duration_since(since) >= waiting.wait;
        if over {
            *waiting = Waiting { since: None, wait: waiting.wait.saturating_mul(2).min(LAST) };
        }
        over
    }

    /// It is not connected any more.
    pub(super) fn gone(&mut self, peer: &PeerId) {
        if let Some(waiting) = self.0.get_mut(peer) {
            waiting.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_subscribes_is_parted_with_less_and_less_often() {
        let (mut unsaid, peer, start) = (Unsaid::default(), PeerId::random(), Instant::now());
        let over = |second: &u64| {
            let over = unsaid.is_over(peer, true, start + Duration::from_secs(*second));
            over.then(|| unsaid.gone(&peer)).is_some()
        };
        let parted: Vec<u64> = (0..200).filter(over).collect();
        assert_eq!(parted, [5, 16, 37, 78, 159]);
    }

    #[test]
    fn time_without_a_connection_is_not_counted_and_who_subscribed_begins_anew() {
        let (mut unsaid, peer, start) = (Unsaid::default(), PeerId::random(), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        assert!(!unsaid.is_over(peer, true, at(0)));
        unsaid.gone(&peer);
        assert!(!unsaid.is_over(peer, true, at(60)));
        assert!(unsaid.is_over(peer, true, at(65)));
        assert!(!unsaid.is_over(peer, false, at(66)));
        assert!(!unsaid.is_over(peer, true, at(67)));
        assert!(unsaid.is_over(peer, true, at(72)), "as the first time");
    }
}
