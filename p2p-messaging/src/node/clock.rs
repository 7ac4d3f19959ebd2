//! The clock of this machine. Nothing else in these libraries reads one: whoever starts a node hands it
//! this, or another.

use crate::codes;
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of this machine; of a clock that stands before 1970, the beginning of that year.
#[must_use]
pub fn system_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// By how much a clock may differ from what went by, in milliseconds, and is followed.
const FOLLOWED_MILLIS: u64 = 30_000;
/// For how long a clock must stand ahead until it is believed, in milliseconds: it was wrong when the node
/// started, or the machine slept.
const BELIEVED_MILLIS: u64 = 5 * 60 * 1000;

/// What the clock said last and was believed, and for how long the node had been running then.
pub(super) struct Pace {
    believed: (UnixMillis, UnixMillis),
    /// For how long the node had been running when the clock was found ahead.
    ahead: Option<UnixMillis>,
}

impl Pace {
    pub(super) fn since(now: UnixMillis) -> Self {
        Self { believed: (now, UnixMillis::new(0)), ahead: None }
    }

    /// What the clock should say, by another one of the machine.
    pub(super) fn expected(&self, uptime: UnixMillis) -> UnixMillis {
        let (then, since) = self.believed;
        then.plus_millis(uptime.millis_since(since))
    }

    /// To be told often. One that is set back is believed at once: by it nothing is dated ahead.
    pub(super) fn tick(&mut self, now: UnixMillis, uptime: UnixMillis) {
        if now > self.expected(uptime).plus_millis(FOLLOWED_MILLIS) {
            let since = *self.ahead.get_or_insert(uptime);
            if uptime.millis_since(since) < BELIEVED_MILLIS {
                return;
            }
        }
        (self.believed, self.ahead) = ((now, uptime), None);
    }
}

/// Refuses to send by a clock that was just set forward: what is sent so is refused by everybody if that was
/// wrong, and nothing can follow it in its chain before its time has come. `expected` is what [`Pace`] says;
/// `skew` is in milliseconds.
pub(super) fn check_step(
    now: UnixMillis,
    expected: UnixMillis,
    skew: u64,
) -> Result<(), (Code, String)> {
    if now <= expected.plus_millis(skew.max(FOLLOWED_MILLIS)) {
        return Ok(());
    }
    let sentence = format!(
        "the clock says {now}, and by what went by since it was believed last it is {expected}: \
         nothing was sent"
    );
    Err((codes::CLOCK_MOVED, sentence))
}

/// Refuses to follow an own message that is dated further ahead than the channel lets clocks differ: what
/// follows it could not be dated earlier, and is refused by everybody until then.
pub(super) fn check_last(
    now: UnixMillis,
    (sequence, issued): (u64, UnixMillis),
    skew: u64,
) -> Result<(), (Code, String)> {
    if issued <= now.plus_millis(skew) {
        return Ok(());
    }
    let sentence = format!(
        "this node's message {sequence} is dated {issued}, and it is {now}: it can send in this \
         channel again from {issued} on, or under another node key"
    );
    Err((codes::CHAIN_AHEAD, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: u64 = 30_000;

    #[test]
    fn a_clock_that_was_set_forward_by_more_than_the_skew_is_refused() {
        let expected = UnixMillis::new(1_000_000);
        let at = |ahead| check_step(expected.plus_millis(ahead), expected, SKEW);
        assert_eq!((at(0), at(SKEW)), (Ok(()), Ok(())));
        assert_eq!(at(SKEW + 1).expect_err("ahead").0, codes::CLOCK_MOVED);
        // One that was set back dates nothing ahead.
        assert_eq!(check_step(UnixMillis::new(0), expected, SKEW), Ok(()));
    }

    #[test]
    fn a_clock_that_stays_ahead_for_minutes_is_believed_and_one_set_back_at_once() {
        let at = UnixMillis::new;
        let right = |uptime: u64| at(1_000_000 + uptime);
        let ahead = |uptime: u64| right(uptime).plus_millis(3_600_000);
        let mut pace = Pace::since(right(0));
        pace.tick(right(60_000 + FOLLOWED_MILLIS), at(60_000));
        assert_eq!(
            pace.expected(at(60_000)),
            right(60_000 + FOLLOWED_MILLIS),
            "corrected a little"
        );
        pace.tick(right(61_000), at(61_000));
        // Ahead for a while, and right again.
        pace.tick(ahead(62_000), at(62_000));
        pace.tick(ahead(361_000), at(361_000));
        assert_eq!(pace.expected(at(361_000)), right(361_000));
        pace.tick(right(361_500), at(361_500));
        // Ahead, and it stays so.
        pace.tick(ahead(362_000), at(362_000));
        pace.tick(ahead(362_000 + BELIEVED_MILLIS - 1), at(362_000 + BELIEVED_MILLIS - 1));
        assert_eq!(pace.expected(at(700_000)), right(700_000));
        pace.tick(ahead(362_000 + BELIEVED_MILLIS), at(362_000 + BELIEVED_MILLIS));
        assert_eq!(pace.expected(at(700_000)), ahead(700_000));
        pace.tick(right(700_000), at(700_000));
        assert_eq!(pace.expected(at(700_001)), right(700_001));
    }

    #[test]
    fn what_is_dated_ahead_is_not_followed_before_its_time() {
        let now = UnixMillis::new(1_000_000);
        let after = |ahead| check_last(now, (7, now.plus_millis(ahead)), SKEW);
        assert_eq!((after(0), after(SKEW)), (Ok(()), Ok(())));
        let (code, sentence) = after(SKEW + 1).expect_err("ahead");
        assert_eq!(code, codes::CHAIN_AHEAD);
        for part in ["message 7", "another node key"] {
            assert!(sentence.contains(part), "{sentence}");
        }
    }
}
