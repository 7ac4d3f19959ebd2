//! The clock of this machine. Nothing else in these libraries reads one: whoever starts a node hands it
//! this, or another.

use gridpass_identity::time::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of this machine; of a clock that stands before 1970, the beginning of that year.
#[must_use]
pub fn system_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
