//! Points in time, always passed in by the caller: this crate has no clock.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a signer's clock may be ahead, in milliseconds.
pub const MAX_CLOCK_SKEW_MILLIS: u64 = 5 * 60 * 1000;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Limited to the years 1970 to 9999, so that every value has an RFC 3339 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(u64);

/// The epoch as a civil time: `jiff::Timestamp` ends 26 hours before the year 9999 does, and a
/// `Display` that fails there would panic in every sentence that names such a time.
const EPOCH: jiff::civil::DateTime = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The text or number is not a time between 1970 and 9999 in RFC 3339 form, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time in UTC (such as 2026-03-01T12:00:00Z): {0:?}")]
pub struct TimeError(pub String);

impl UnixMillis {
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From milliseconds since the epoch; later than the year 9999 becomes its end.
    #[must_use]
    pub fn new(millis: u64) -> Self {
        Self(millis.min(Self::MAX.0))
    }

    /// From milliseconds since the epoch that are known to be in range when compiling.
    ///
    /// # Panics
    /// Later than [`Self::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        assert!(millis <= Self::MAX.0, "later than the year 9999");
        Self(millis)
    }

    /// The number of milliseconds since the epoch.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The whole second that this lies in. did:webvh writes seconds.
    #[must_use]
    pub fn floor_to_second(self) -> Self {
        Self(self.0.saturating_sub(self.0 % 1000))
    }

    /// Later by so many milliseconds, at most [`Self::MAX`].
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        Self::new(self.0.saturating_add(millis))
    }

    /// How many milliseconds `self` lies after `earlier`; 0 if it does not.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339 in UTC: `Z` or `+00:00`, nothing else.
    ///
    /// # Errors
    /// [`TimeError`] for any other zone, no zone, a leap second, or a year outside 1970 to 9999.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        let refuse = || TimeError(text.chars().take(64).collect());
        // jiff reads more than RFC 3339 (other zones, ISO week dates, `:60`): pin the form first.
        let bytes = text.as_bytes();
        let utc = text.ends_with('Z') || text.ends_with("+00:00");
        let form = (20..=40).contains(&bytes.len())
            && bytes.iter().enumerate().take(19).all(|(i, b)| match i {
                4 | 7 => *b == b'-',
                10 => *b == b'T',
                13 | 16 => *b == b':',
                _ => b.is_ascii_digit(),
            });
        let leap = bytes.get(17..19) == Some(b"60");
        if !utc || !form || leap {
            return Err(refuse());
        }
        let (local, _) =
            text.split_at(text.len().saturating_sub(if text.ends_with('Z') { 1 } else { 6 }));
        let fraction = local.get(19..).unwrap_or_default();
        let digits = fraction.strip_prefix('.').unwrap_or("0");
        if !(fraction.is_empty() || fraction.starts_with('.'))
            || digits.is_empty()
            || !digits.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(refuse());
        }
        let time: jiff::civil::DateTime = local.parse().map_err(|_| refuse())?;
        if time < EPOCH {
            // Rounding towards zero would read its last millisecond as 1970.
            return Err(refuse());
        }
        let millis = time.duration_since(EPOCH).as_millis();
        u64::try_from(millis).map(Self).map_err(|_| refuse())
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC; milliseconds only where they are not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).map_err(|_| fmt::Error)?;
        let since_epoch = jiff::SignedDuration::from_millis(millis);
        let time = EPOCH.checked_add(since_epoch).map_err(|_| fmt::Error)?;
        write!(f, "{time}Z")
    }
}

impl Serialize for UnixMillis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnixMillis {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_not_utc_rfc3339() {
        for text in [
            "",
            "2026",
            "2026-03-01",
            "2026-03-01T12:00:00",
            "2026-03-01T12:00:00+01:00",
            "2026-03-01T12:00:60Z",
            "2026-02-30T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:59:59.9999Z",
            "2026-03-01 12:00:00Z",
            "2026-03-01T12:00:00Z[UTC]",
            "2026-03-01T12:00:00-00:00",
            "+002026-03-01T12:00:00Z",
            "2026-03-01T25:00:00Z",
            "2026-03-01T12:00:00,5Z",
            "2026-03-01T12:00:00.Z",
            "2026-03-01T12:00:00+01+00:00",
        ] {
            assert!(UnixMillis::parse_rfc3339(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_both_spellings_of_utc() {
        let zulu = UnixMillis::parse_rfc3339("2026-03-01T12:00:00Z");
        assert_eq!(zulu, UnixMillis::parse_rfc3339("2026-03-01T12:00:00+00:00"));
        assert_eq!(zulu.map(UnixMillis::get), Ok(1_772_366_400_000));
    }

    #[test]
    fn the_last_day_of_9999_is_written_and_read() {
        let end = "9999-12-31T23:59:59.999Z";
        assert_eq!(UnixMillis::new(u64::MAX).to_string(), end);
        assert_eq!(UnixMillis::parse_rfc3339(end), Ok(UnixMillis::MAX));
    }

    proptest! {
        #[test]
        fn text_round_trips(millis in 0..=UnixMillis::MAX.get()) {
            let time = UnixMillis::new(millis);
            prop_assert_eq!(UnixMillis::parse_rfc3339(&time.to_string()), Ok(time));
        }
    }
}
