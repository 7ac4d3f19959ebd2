//! Forgetting what is old: every hour, one file of the log with each tick.

use super::worker::Worker;
use crate::sealing::MAX_EPOCH_MILLIS;
use crate::store::{Forgetting, Forgot};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use std::collections::HashMap;

/// How long keys are kept whose epoch does not come, in milliseconds.
const GRANT_MILLIS: u64 = 24 * 3600 * 1000;

/// How long a clock goes on undisturbed before anything is forgotten by it, in milliseconds.
const STEADY_MILLIS: u64 = 3600 * 1000;
/// How far beyond what is known of the time it is believed, and for how long it has to go on until it is
/// believed whatever it says, in milliseconds.
const AHEAD_MILLIS: u64 = 48 * 3600 * 1000;

/// As of when is forgotten: what a wrong clock lets a node forget is gone when it is set right.
pub(super) struct Believed {
    /// A time that was so, and for how long the node had been running then.
    known: Option<(UnixMillis, UnixMillis)>,
    /// Since when the clock goes on undisturbed, by how long the node has been running.
    steady: UnixMillis,
}

impl Believed {
    /// Where the last record of the log was appended at a time, before the node started.
    pub(super) fn since(logged: Option<UnixMillis>) -> Self {
        let start = UnixMillis::new(0);
        Self { known: logged.map(|logged| (logged, start)), steady: start }
    }

    /// The clock was moved, and would have said this.
    pub(super) fn clock_moved(&mut self, before: UnixMillis, uptime: UnixMillis) {
        // Only what was believed wholly is known from now on.
        if self.time(before, uptime) == Some(before) {
            self.known = Some((before, uptime));
        }
        self.steady = uptime;
    }

    /// As of when is forgotten now, if anything is.
    pub(super) fn time(&self, now: UnixMillis, uptime: UnixMillis) -> Option<UnixMillis> {
        let steady = uptime.millis_since(self.steady);
        if steady < STEADY_MILLIS {
            return None;
        }
        let known = self.known.filter(|_| steady < AHEAD_MILLIS);
        Some(known.map_or(now, |(at, since)| {
            let gone = uptime.millis_since(since);
            now.min(at.plus_millis(gone).plus_millis(AHEAD_MILLIS))
        }))
    }
}

impl Worker {
    /// For how long payloads are kept, in milliseconds: also of channels that were left, since what was said
    /// there is kept no longer for that.
    fn retentions(&self) -> HashMap<ContentId, u64> {
        let material = &self.knowledge.material;
        (material.left.iter())
            .chain(&material.channels)
            .map(|(id, c)| (id.clone(), c.descriptor().retention.seconds.saturating_mul(1000)))
            .collect()
    }

    /// Begins to forget what is old.
    pub(super) fn begin_to_forget(&mut self, now: UnixMillis) {
        let retentions = self.retentions();
        self.forget_files(now, &retentions);
        self.forget_cut_ends(now, &retentions);
        self.newest_given.forget();
        self.forgetting = Some(0);
    }

    /// Forgets in one more file of the log, where there is one to look at: whoever asks something meanwhile
    /// waits for no more.
    pub(super) fn forget_some(&mut self, now: UnixMillis) {
        let Some(from) = self.forgetting else { return };
        let retentions = self.retentions();
        let kept_for = |channel: &ContentId| retentions.get(channel).copied().unwrap_or(u64::MAX);
        let payload =
            |channel: &ContentId, issued: UnixMillis| now.millis_since(issued) > kept_for(channel);
        // No message names an epoch that began longer ago.
        let epoch = |channel: &ContentId, begun: UnixMillis| {
            now.millis_since(begun) > kept_for(channel).saturating_add(MAX_EPOCH_MILLIS)
        };
        let grants_before = UnixMillis::new(now.get().saturating_sub(GRANT_MILLIS));
        let what = Forgetting { payload: &payload, epoch: &epoch, grants_before };
        // Only what is in a closed file is forgotten. What is on its way to the disk goes into the open one.
        if from == 0
            && self.under_way.is_none()
            && let Err(e) = self.knowledge.store.close_file(&what, now)
        {
            tracing::error!(code = %e.code(), "no file of the log was begun: {e}");
        }
        match self.knowledge.store.forget_some(&what, from) {
            Ok(Forgot { count, damaged, next }) => {
                if count > 0 || damaged.is_some() {
                    tracing::info!(count, ?damaged, "payloads and keys were forgotten");
                    self.newest_given.forget();
                }
                self.forgetting = next;
            }
            Err(e) => {
                tracing::error!(code = %e.code(), "forgetting failed: {e}");
                self.forgetting = None;
            }
        }
    }

    /// What was cut off of the log can be of any channel: it is given up when nothing is kept any more
    /// that came then.
    fn forget_cut_ends(&self, now: UnixMillis, retentions: &HashMap<ContentId, u64>) {
        let Some(longest) = retentions.values().max() else { return };
        let kept_for = longest.saturating_add(MAX_EPOCH_MILLIS);
        let before = UnixMillis::new(now.get().saturating_sub(kept_for));
        match self.knowledge.store.forget_cut_ends(before) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "what was cut off of the log was forgotten"),
            Err(e) => tracing::error!(code = %e.code(), "forgetting failed: {e}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * 1000;
    const DAY: u64 = 24 * HOUR;
    const RIGHT: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);

    fn at(uptime: u64) -> UnixMillis {
        UnixMillis::new(uptime)
    }

    #[test]
    fn a_clock_that_is_wrong_at_the_start_lets_nothing_be_forgotten_before_its_time() {
        let mut believed = Believed::since(Some(RIGHT));
        let wrong = |uptime: u64| RIGHT.plus_millis(40 * DAY + uptime);
        assert_eq!(believed.time(wrong(60_000), at(60_000)), None);
        // For two days no further ahead than two days, and as time goes by.
        let time = believed.time(wrong(2 * HOUR), at(2 * HOUR));
        assert_eq!(time, Some(RIGHT.plus_millis(2 * DAY + 2 * HOUR)));
        // Set right, it is believed after an hour.
        believed.clock_moved(wrong(3 * HOUR), at(3 * HOUR));
        let right = |uptime: u64| RIGHT.plus_millis(uptime);
        assert_eq!(believed.time(right(3 * HOUR + 1), at(3 * HOUR + 1)), None);
        assert_eq!(believed.time(right(4 * HOUR), at(4 * HOUR)), Some(right(4 * HOUR)));
    }

    #[test]
    fn a_node_that_was_off_for_long_forgets_all_that_is_over_after_two_days() {
        let believed = Believed::since(Some(RIGHT));
        let now = |uptime: u64| RIGHT.plus_millis(40 * DAY + uptime);
        let time = believed.time(now(DAY), at(DAY));
        assert_eq!(time, Some(RIGHT.plus_millis(3 * DAY)));
        assert_eq!(believed.time(now(2 * DAY), at(2 * DAY)), Some(now(2 * DAY)));
        // One that has nothing has nothing to lose.
        assert_eq!(Believed::since(None).time(now(DAY), at(DAY)), Some(now(DAY)));
    }

    #[test]
    fn a_clock_that_jumps_ahead_is_held_against_what_it_said_before() {
        let mut believed = Believed::since(Some(RIGHT));
        let right = |uptime: u64| RIGHT.plus_millis(uptime);
        let wrong = |uptime: u64| RIGHT.plus_millis(40 * DAY + uptime);
        assert_eq!(believed.time(right(9 * DAY), at(9 * DAY)), Some(right(9 * DAY)));
        believed.clock_moved(right(9 * DAY), at(9 * DAY));
        assert_eq!(believed.time(wrong(9 * DAY), at(9 * DAY)), None);
        assert_eq!(believed.time(wrong(10 * DAY), at(10 * DAY)), Some(right(12 * DAY)));
    }
}
