//! How fast somebody sends.

use gridpass_identity::time::UnixMillis;

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
        let minute = now.get() / 60_000;
        match minute.checked_sub(self.minute) {
            Some(0) => self,
            Some(1) => Self { minute, now: 0, before: self.now },
            _ => Self { minute, now: 0, before: 0 },
        }
    }
}
