//! Nodes that receipts are owed to, and that are not connected: they are looked for, less and less often.

use hashlink::LruCache;
use libp2p::PeerId;

/// The most nodes that are remembered.
const MOST: usize = 1024;
/// The most that are looked for at once.
const AT_ONCE: usize = 4;
/// How long a receipt waits until its sender is looked for: most connect by themselves.
const FIRST_MILLIS: u64 = 5_000;
/// The longest between two attempts.
const LAST_MILLIS: u64 = 600_000;

/// When a node is looked for next, and how long after that again.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    next: u64,
    wait: u64,
}

/// Who is owed receipts.
pub(super) struct Owed(LruCache<PeerId, Waiting>);

impl Default for Owed {
    fn default() -> Self {
        Self(LruCache::new(MOST))
    }
}

impl Owed {
    /// A receipt for a node was signed, at a time in milliseconds of this run.
    pub(super) fn note(&mut self, node: PeerId, now: u64) {
        if !self.0.contains_key(&node) {
            let next = now.saturating_add(FIRST_MILLIS);
            self.0.insert(node, Waiting { next, wait: FIRST_MILLIS });
        }
    }

    /// A node has what it was owed.
    pub(super) fn has(&mut self, node: &PeerId) {
        self.0.remove(node);
    }

    /// Those to look for now; of the connected ones none.
    pub(super) fn due(&mut self, is_connected: impl Fn(&PeerId) -> bool, now: u64) -> Vec<PeerId> {
        let mut due = Vec::new();
        for (node, waiting) in self.0.iter_mut() {
            if due.len() == AT_ONCE {
                break;
            }
            if waiting.next > now || is_connected(node) {
                continue;
            }
            waiting.wait = waiting.wait.saturating_mul(2).min(LAST_MILLIS);
            waiting.next = now.saturating_add(waiting.wait);
            due.push(*node);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_looked_for_less_and_less_often_until_it_has_its_receipts() {
        let (mut owed, node) = (Owed::default(), PeerId::random());
        owed.note(node, 0);
        let mut tried = Vec::new();
        for second in 0..200_u64 {
            if !owed.due(|_| false, second * 1000).is_empty() {
                tried.push(second);
            }
            // More of it does not make it sooner.
            owed.note(node, second * 1000);
        }
        assert_eq!(tried, [5, 15, 35, 75, 155]);
        assert!(owed.due(|_| true, 1_000_000).is_empty());
        owed.has(&node);
        assert!(owed.due(|_| false, 10_000_000).is_empty());
    }

    #[test]
    fn only_so_many_are_remembered_and_looked_for_at_once() {
        let mut owed = Owed::default();
        for _ in 0..MOST * 2 {
            owed.note(PeerId::random(), 0);
        }
        assert_eq!(owed.0.len(), MOST);
        assert_eq!(owed.due(|_| false, FIRST_MILLIS).len(), AT_ONCE);
    }
}
