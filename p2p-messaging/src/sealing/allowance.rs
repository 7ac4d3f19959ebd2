//! How much of epochs and grants is taken of one sender in an hour. They count against no limit of the
//! channel, and who may send could begin an epoch with each message.
//!
//! Epochs are counted by the hour in which they say that they began, so that every peer counts the
//! same, also one that catches up; all keys of a sender together, since a participant authorises as
//! many nodes as it likes. Grants are for one node, which counts what it took.

use gridpass_identity::time::UnixMillis;

/// What the epochs of a sender may cost that begin in one hour.
pub const EPOCHS_AN_HOUR: u64 = 64 * 1024 * 1024;
/// What those may cost that come to a node in one hour, whenever they say that they began: who dates them
/// back uses up many hours at once, and who was away for weeks catches up all the same.
pub const ARRIVALS_AN_HOUR: u64 = 4 * EPOCHS_AN_HOUR;
/// What a node's own may cost: half, since another node of its participant, of which it does not hear,
/// may begin as many.
pub const OWN_EPOCHS_AN_HOUR: u64 = EPOCHS_AN_HOUR / 2;
/// Up to what cost another is begun for those who join, or show other documents: what is left is for
/// those whose right ends, and for other recipients.
pub const JOINS_AN_HOUR: u64 = OWN_EPOCHS_AN_HOUR / 2;
/// What an epoch costs at least.
pub const LEAST_COST: u64 = 4096;
/// The most grants that are kept of one epoch: each opens more than those before it.
pub const MAX_GRANTS_OF_EPOCH: usize = 16;
/// The most bytes of grants by one sender in a channel that are kept in an hour.
pub const GRANTED_AN_HOUR: u64 = 4 * 1024 * 1024;
/// The most of all senders, in all channels.
pub const ALL_GRANTED_AN_HOUR: u64 = 128 * 1024 * 1024;
/// The most bytes of grants that a node hands to one other in an hour: another node of its participant
/// may hand it as many.
pub const HANDED_AN_HOUR: u64 = GRANTED_AN_HOUR / 2;

const HOUR_MILLIS: u64 = 3_600_000;

/// What an epoch costs whose document has so many bytes.
#[must_use]
pub fn cost_of(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).max(LEAST_COST)
}

/// The hour in which an epoch began.
#[must_use]
pub fn hour_of(begun: UnixMillis) -> u64 {
    begun.get() / HOUR_MILLIS
}

/// How long an epoch of this cost lasts at least before another is begun for those who joined, in
/// milliseconds: those who join all day begin no more than may be begun for them.
#[must_use]
pub fn join_pause(cost: u64) -> u64 {
    cost.saturating_mul(HOUR_MILLIS).div_ceil(JOINS_AN_HOUR)
}

/// What was taken within an hour, by the time that a node has been running.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    since: UnixMillis,
    taken: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { since: UnixMillis::new(0), taken: 0 }
    }
}

impl Allowance {
    /// Whether there is room for so many bytes.
    #[must_use]
    pub fn has_room(&self, now: UnixMillis, bytes: u64, most: u64) -> bool {
        self.at(now).taken.saturating_add(bytes) <= most
    }

    /// Takes so many bytes.
    pub fn take(&mut self, now: UnixMillis, bytes: u64) {
        *self = self.at(now);
        self.taken = self.taken.saturating_add(bytes);
    }

    fn at(self, now: UnixMillis) -> Self {
        let is_over = now.millis_since(self.since) >= HOUR_MILLIS;
        if is_over { Self { since: now, taken: 0 } } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_later_there_is_room_again() {
        let (start, mut allowance) = (UnixMillis::new(5), Allowance::default());
        allowance.take(start, 60);
        assert!(allowance.has_room(start, 40, 100) && !allowance.has_room(start, 41, 100));
        allowance.take(start, 40);
        let end = HOUR_MILLIS;
        assert!(!allowance.has_room(UnixMillis::new(end - 1), 1, 100));
        assert!(allowance.has_room(UnixMillis::new(end), 100, 100));
        allowance.take(UnixMillis::new(end), 100);
        assert!(!allowance.has_room(UnixMillis::new(end + 1), 1, 100), "it begins anew");
    }

    #[test]
    fn who_joins_all_day_leaves_room_for_those_whose_right_ends() {
        // 1,023 members, as BENCHMARKS.md has their size; a circle of ten; one recipient.
        for bytes in [504_000, 6_000, 1_000] {
            let cost = cost_of(bytes);
            let an_hour = HOUR_MILLIS / join_pause(cost).max(1);
            assert!(an_hour * cost <= JOINS_AN_HOUR + cost, "{bytes}");
            assert!(cost * 30 < OWN_EPOCHS_AN_HOUR - JOINS_AN_HOUR, "{bytes}");
        }
    }
}
