//! Amounts and times as documents write them: decimal digits, never binary fractions.

use gridpass_identity::time::UnixMillis;
use std::fmt;

/// A decimal number: so many units of 10^-`places`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// The units.
    pub units: i64,
    /// The digits after the point.
    pub places: u32,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10_u64.saturating_pow(self.places);
        let units = self.units.unsigned_abs();
        let whole = units.checked_div(one).unwrap_or_default();
        let rest = units.checked_rem(one).unwrap_or_default();
        let sign = if self.units < 0 { "-" } else { "" };
        if self.places == 0 {
            return write!(f, "{sign}{whole}");
        }
        let places = usize::try_from(self.places).map_err(|_| fmt::Error)?;
        write!(f, "{sign}{whole}.{rest:0places$}")
    }
}

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;

/// The first moment of the day, in UTC.
#[must_use]
pub fn day_of(time: UnixMillis) -> UnixMillis {
    UnixMillis::new(time.get().saturating_sub(time.get() % DAY))
}

/// So many minutes later.
#[must_use]
pub fn minutes_after(time: UnixMillis, minutes: u32) -> UnixMillis {
    time.plus_millis(u64::from(minutes).saturating_mul(MINUTE))
}

/// So many days earlier.
#[must_use]
pub fn days_before(time: UnixMillis, days: u32) -> UnixMillis {
    UnixMillis::new(time.get().saturating_sub(u64::from(days).saturating_mul(DAY)))
}

/// `2026-03-01`.
#[must_use]
pub fn date(time: UnixMillis) -> String {
    time.to_string().chars().take(10).collect()
}

/// `2026-03-01T12:00:00Z`.
#[must_use]
pub fn second(time: UnixMillis) -> String {
    time.floor_to_second().to_string()
}

/// `2026-03-01T12:00Z`, as IEC 62325 writes the ends of an interval.
#[must_use]
pub fn minute(time: UnixMillis) -> String {
    time.to_string().chars().take(16).chain(['Z']).collect()
}

/// `2026-03-01T12:00:00.000000Z`, as meter data management systems write it.
#[must_use]
pub fn micro(time: UnixMillis) -> String {
    time.floor_to_second().to_string().chars().take(19).chain(".000000Z".chars()).collect()
}
