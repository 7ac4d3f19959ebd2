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

/// Refuses to send by a clock that was set forward since the node started: what is sent so is refused by
/// everybody, and nothing can follow it in its chain before its time has come. `expected` is the time of the
/// start and what went by since, by another clock of the machine; `skew` is in milliseconds.
pub(super) fn check_step(
    now: UnixMillis,
    expected: UnixMillis,
    skew: u64,
) -> Result<(), (Code, String)> {
    if now <= expected.plus_millis(skew) {
        return Ok(());
    }
    let sentence = format!(
        "the clock says {now}, and by what went by since the node started it is {expected}: \
         nothing was sent"
    );
    Err((codes::CLOCK_WRONG, sentence))
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
        assert_eq!(at(SKEW + 1).expect_err("ahead").0, codes::CLOCK_WRONG);
        // One that was set back dates nothing ahead.
        assert_eq!(check_step(UnixMillis::new(0), expected, SKEW), Ok(()));
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
