//! How fast somebody sends: by when its messages come and, where they come by catching up, by when it
//! says that it made them.

use gridpass_identity::time::UnixMillis;

const MINUTE_MILLIS: u64 = 60_000;

/// The minute of a time.
pub(super) fn minute(at: UnixMillis) -> u64 {
    at.get() / MINUTE_MILLIS
}

/// How many messages of one sender that came by catching up may say that they were made in one minute,
/// where so many a minute may be sent. Twice as many, since two nodes of a participant that do not hear
/// each other each send what is allowed; and as many again for each minute by which a clock may be set
/// back while peers still take what it dates: until it has caught up, all say the same time.
pub(crate) fn claimed_most(a_minute: u64, skew_seconds: u64) -> u64 {
    a_minute.saturating_mul(skew_seconds.div_ceil(60).saturating_add(2))
}

/// How many messages of a sender came in this minute, and in the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    minute: u64,
    pub(super) now: u64,
    pub(super) before: u64,
}

impl Rate {
    /// The same, as of a time.
    pub(super) fn at(self, now: UnixMillis) -> Self {
        let minute = minute(now);
        match minute.checked_sub(self.minute) {
            Some(0) => self,
            Some(1) => Self { minute, now: 0, before: self.now },
            _ => Self { minute, now: 0, before: 0 },
        }
    }
}
