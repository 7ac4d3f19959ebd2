//! Forgetting what is old: every hour, one file of the log with each tick; sooner where the disk is short.

use super::worker::Worker;
use crate::codes;
use crate::files::SPARE;
use crate::sealing::MAX_EPOCH_MILLIS;
use crate::store::{Forgetting, Forgot, OpenFile};
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

/// With less of the disk left, in bytes, what is over is forgotten at once: before files are not fetched any
/// more, and long before nothing is kept.
const SHORT_BYTES: u64 = 2 * SPARE;
/// How often is looked what is left of the disk, in ticks.
const LOOK_TICKS: u64 = 60;
/// How often is forgotten, in ticks; and how often where the disk is short.
const FORGET_TICKS: u64 = 3600;
const FORGET_SHORT_TICKS: u64 = 600;

/// What is left of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    Short,
}

impl Room {
    fn of(bytes_left: u64) -> Self {
        if bytes_left < SHORT_BYTES { Self::Short } else { Self::Enough }
    }

    /// Whether it is time to begin to forget: every hour, and where the disk is short at once and again soon.
    fn begins(self, before: Self, ticks: u64) -> bool {
        let every = |period: u64| ticks.checked_rem(period) == Some(60);
        match self {
            Self::Enough => every(FORGET_TICKS),
            Self::Short => before == Self::Enough || every(FORGET_SHORT_TICKS),
        }
    }
}

/// As of when is forgotten: what a wrong clock lets a node forget is gone when it is set right.
pub(super) struct Believed {
    /// A time that was so, and for how long the node had been running then.
    known: Option<(UnixMillis, UnixMillis)>,
    /// Since when the clock goes on undisturbed, by how long the node has been running.
    steady: UnixMillis,
    /// Since then somebody else sent a message that was just made by this clock, too.
    confirmed: bool,
}

impl Believed {
    /// Where the last record of the log was appended at a time, before the node started.
    pub(super) fn since(logged: Option<UnixMillis>) -> Self {
        let start = UnixMillis::new(0);
        Self { known: logged.map(|logged| (logged, start)), steady: start, confirmed: false }
    }

    /// The clock was moved, and would have said this.
    pub(super) fn clock_moved(&mut self, before: UnixMillis, uptime: UnixMillis) {
        // Only what was believed wholly is known from now on.
        if self.time(before, uptime, Room::Enough) == Some(before) {
            self.known = Some((before, uptime));
        }
        (self.steady, self.confirmed) = (uptime, false);
    }

    /// Somebody else's message was admitted as it came: its clock says about the same.
    pub(super) fn heard(&mut self, issued: UnixMillis, now: UnixMillis) {
        self.confirmed = self.confirmed || now.millis_since(issued) <= STEADY_MILLIS;
    }

    /// As of when is forgotten now, if anything is. Where the disk is short, a full one would be worse than
    /// what is forgotten up to two days early, by a clock that is wrong: the first hour is not waited for.
    pub(super) fn time(
        &self,
        now: UnixMillis,
        uptime: UnixMillis,
        room: Room,
    ) -> Option<UnixMillis> {
        let steady = uptime.millis_since(self.steady);
        let at_once = room == Room::Short && (self.known.is_some() || self.confirmed);
        if steady < STEADY_MILLIS && !at_once {
            return None;
        }
        let is_believed = steady >= AHEAD_MILLIS || (room == Room::Short && self.confirmed);
        let known = self.known.filter(|_| !is_believed);
        Some(known.map_or(now, |(at, since)| {
            let gone = uptime.millis_since(since);
            now.min(at.plus_millis(gone).plus_millis(AHEAD_MILLIS))
        }))
    }
}

impl Worker {
    /// What is to be forgotten with this tick.
    pub(super) fn tick_forgetting(&mut self, now: UnixMillis, uptime: UnixMillis) {
        let before = self.room;
        if self.ticks.checked_rem(LOOK_TICKS) == Some(1) {
            self.room = Room::of(self.knowledge.store.left_on_disk());
        }
        match (before, self.room) {
            (Room::Enough, Room::Short) => {
                let (code, next) = (codes::DISK_SHORT.id(), codes::DISK_SHORT.0.remedy);
                tracing::warn!(code, next, "the disk is short: what is over is forgotten at once");
            }
            (Room::Short, Room::Enough) => tracing::info!("the disk has room again"),
            (Room::Enough, Room::Enough) | (Room::Short, Room::Short) => {}
        }
        // What is forgotten does not come back: a clock that is wrong is not believed at once.
        if let Some(time) = self.believed.time(now, uptime, self.room) {
            if self.room.begins(before, self.ticks) {
                self.begin_to_forget(time);
            }
            self.forget_some(time);
        }
    }

    /// Whether the disk is short.
    pub(super) fn is_short_of_disk(&self) -> bool {
        self.room == Room::Short
    }

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
        if from == 0 && self.under_way.is_none() {
            match self.knowledge.store.close_file(&what, now) {
                Ok(open) => self.many_files = tell_of_many(self.many_files, open),
                Err(e) => tracing::error!(code = %e.code(), "no file of the log was begun: {e}"),
            }
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

/// Whether the open file stays although something in it is over; says so once.
fn tell_of_many(told: bool, open: OpenFile) -> bool {
    let many = open == OpenFile::TooMany;
    if many && !told {
        let (code, next) = (codes::LOG_MANY_FILES.id(), codes::LOG_MANY_FILES.0.remedy);
        tracing::warn!(code, next, "payloads that are over stay in the open file of the log");
    }
    many
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
        assert_eq!(believed.time(wrong(60_000), at(60_000), Room::Enough), None);
        // For two days no further ahead than two days, and as time goes by.
        let time = believed.time(wrong(2 * HOUR), at(2 * HOUR), Room::Enough);
        assert_eq!(time, Some(RIGHT.plus_millis(2 * DAY + 2 * HOUR)));
        // Set right, it is believed after an hour.
        believed.clock_moved(wrong(3 * HOUR), at(3 * HOUR));
        let right = |uptime: u64| RIGHT.plus_millis(uptime);
        assert_eq!(believed.time(right(3 * HOUR + 1), at(3 * HOUR + 1), Room::Enough), None);
        assert_eq!(
            believed.time(right(4 * HOUR), at(4 * HOUR), Room::Enough),
            Some(right(4 * HOUR))
        );
    }

    #[test]
    fn a_node_that_was_off_for_long_forgets_all_that_is_over_after_two_days() {
        let believed = Believed::since(Some(RIGHT));
        let now = |uptime: u64| RIGHT.plus_millis(40 * DAY + uptime);
        let time = believed.time(now(DAY), at(DAY), Room::Enough);
        assert_eq!(time, Some(RIGHT.plus_millis(3 * DAY)));
        assert_eq!(believed.time(now(2 * DAY), at(2 * DAY), Room::Enough), Some(now(2 * DAY)));
        // One that has nothing has nothing to lose.
        assert_eq!(Believed::since(None).time(now(DAY), at(DAY), Room::Enough), Some(now(DAY)));
    }

    #[test]
    fn a_clock_that_jumps_ahead_is_held_against_what_it_said_before() {
        let mut believed = Believed::since(Some(RIGHT));
        let right = |uptime: u64| RIGHT.plus_millis(uptime);
        let wrong = |uptime: u64| RIGHT.plus_millis(40 * DAY + uptime);
        assert_eq!(believed.time(right(9 * DAY), at(9 * DAY), Room::Enough), Some(right(9 * DAY)));
        believed.clock_moved(right(9 * DAY), at(9 * DAY));
        assert_eq!(believed.time(wrong(9 * DAY), at(9 * DAY), Room::Enough), None);
        assert_eq!(
            believed.time(wrong(10 * DAY), at(10 * DAY), Room::Enough),
            Some(right(12 * DAY))
        );
    }

    #[test]
    fn where_the_disk_is_short_nothing_waits_for_an_hour() {
        // It was off for ten days, and its clock is right.
        let mut believed = Believed::since(Some(RIGHT));
        let now = |uptime: u64| RIGHT.plus_millis(10 * DAY + uptime);
        let time = |b: &Believed, room| b.time(now(60_000), at(60_000), room);
        assert_eq!(time(&believed, Room::Enough), None);
        let bounded = RIGHT.plus_millis(2 * DAY + 60_000);
        assert_eq!(time(&believed, Room::Short), Some(bounded), "it may be wrong");
        // An old message says nothing of the time; one that was just made does.
        believed.heard(now(0), now(HOUR + 1));
        assert_eq!(time(&believed, Room::Short), Some(bounded));
        believed.heard(now(0), now(30_000));
        assert_eq!(time(&believed, Room::Short), Some(now(60_000)));
        assert_eq!(time(&believed, Room::Enough), None, "there is time");
        // Of a clock that was moved since nobody said anything.
        believed.clock_moved(now(60_000), at(60_000));
        assert_eq!(time(&believed, Room::Short), Some(bounded));
        // Where nothing is known of the time, a clock that is wrong would be believed.
        assert_eq!(time(&Believed::since(None), Room::Short), None);
    }

    #[test]
    fn where_the_disk_is_short_is_forgotten_at_once_and_again_soon() {
        let (enough, short) = (Room::of(SHORT_BYTES), Room::of(SHORT_BYTES - 1));
        assert_eq!((enough, short), (Room::Enough, Room::Short));
        let times = |before, room: Room| (1..=3600).filter(|n| room.begins(before, *n)).count();
        assert_eq!((times(enough, enough), times(short, enough), times(short, short)), (1, 1, 6));
        assert!(short.begins(enough, 1), "it has just become so");
    }

    #[test]
    fn that_there_are_many_files_is_noted_until_it_is_over() {
        assert!(tell_of_many(false, OpenFile::TooMany) && tell_of_many(true, OpenFile::TooMany));
        assert!(!tell_of_many(true, OpenFile::Stays) && !tell_of_many(true, OpenFile::Closed));
    }
}
