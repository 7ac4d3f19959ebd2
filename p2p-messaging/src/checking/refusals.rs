//! How much of what is refused is kept. A refusal is kept so that its sender is told, and so that it can
//! be shown; the first ones of an hour do for that. Beyond them a log would be filled by whoever sends
//! what nobody may.

use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use hashlink::LruCache;

const HOUR_MILLIS: u64 = 3_600_000;
/// The most refused messages of one sender in one channel that are kept in an hour: one a minute, which
/// is more than an operator looks through, and names every reason that there is.
const OF_SENDER: Room = Room { messages: 60, bytes: 2 * 1024 * 1024 };
/// The same of all together who hold no visa that counts: DIDs cost nothing, so that a bound for each
/// would bound nothing. With this a log grows by 192 MiB a day at the very most.
const OF_STRANGERS: Room = Room { messages: 240, bytes: 8 * 1024 * 1024 };

#[derive(Clone, Copy, Debug)]
struct Room {
    messages: u64,
    bytes: usize,
}

/// What was kept in an hour.
#[derive(Clone, Copy, Debug)]
struct Kept {
    hour: u64,
    left: Room,
}

impl Kept {
    fn new(room: Room) -> Self {
        Self { hour: 0, left: room }
    }

    /// Takes a place, where there is one; each hour by the clock begins anew.
    fn take(&mut self, room: Room, bytes: usize, now: UnixMillis) -> bool {
        let hour = now.get() / HOUR_MILLIS;
        if hour != self.hour {
            *self = Self { hour, left: room };
        }
        let left = self.left.messages.checked_sub(1).zip(self.left.bytes.checked_sub(bytes));
        if let Some((messages, bytes)) = left {
            self.left = Room { messages, bytes };
        }
        left.is_some()
    }
}

/// How much is left to be kept of what is refused.
pub(super) struct Refusals {
    senders: LruCache<(ContentId, Did), Kept>,
    strangers: Kept,
}

impl Refusals {
    pub(super) fn new(senders: usize) -> Self {
        Self { senders: LruCache::new(senders.max(1)), strangers: Kept::new(OF_STRANGERS) }
    }

    /// Whether one more refused message is kept.
    pub(super) fn take(
        &mut self,
        (channel, sender): (&ContentId, &Did),
        has_visa: bool,
        bytes: usize,
        now: UnixMillis,
    ) -> bool {
        if !has_visa {
            return self.strangers.take(OF_STRANGERS, bytes, now);
        }
        let key = (channel.clone(), sender.clone());
        let kept = self.senders.entry(key).or_insert_with(|| Kept::new(OF_SENDER));
        kept.take(OF_SENDER, bytes, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{NOW, cid};

    fn did(text: &str) -> Did {
        Did::parse(&format!("did:example:{text}")).expect("a DID")
    }

    #[test]
    fn each_sender_has_its_own_room_and_all_strangers_one() {
        let mut refusals = Refusals::new(16);
        let (north, south, bids) = (did("north"), did("south"), cid("bids"));
        let mut kept = |sender: &Did, has_visa, bytes, now| {
            (0..1000).filter(|_| refusals.take((&bids, sender), has_visa, bytes, now)).count()
        };
        assert_eq!(kept(&north, true, 100, NOW), 60);
        assert_eq!(kept(&south, true, 100, NOW), 60, "another's flood takes nothing of it");
        assert_eq!(kept(&did("s1"), false, 100, NOW), 240);
        assert_eq!(kept(&did("s2"), false, 100, NOW), 0, "another DID has no room of its own");
        assert_eq!(kept(&north, true, 100, NOW.plus_millis(1000)), 0);
        let later = NOW.plus_millis(HOUR_MILLIS);
        assert_eq!(kept(&north, true, 1024 * 1024, later), 2, "their bytes are bounded too");
    }
}
