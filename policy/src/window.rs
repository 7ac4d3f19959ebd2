//! Windows of time: between two points, and daily or weekly hours.

use crate::requirement::RequirementError;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The minutes of a week.
const WEEK: u16 = 7 * DAY;
const DAY: u16 = 24 * 60;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    const ALL: [Self; 7] =
        [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

/// Hours that come again, at a fixed offset from UTC. A time zone with summer time is two windows,
/// or a window in UTC: its rules are a government's to change, and a decision must come out the
/// same in ten years.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hours {
    /// From, `HH:MM`.
    pub from: String,
    /// Until, `HH:MM`, not included; `24:00` is the end of the day, and less than `from` the next.
    pub until: String,
    /// The offset of both from UTC, `+01:00`; UTC if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// The days on which the window begins; every day if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
}

impl Hours {
    /// As intervals of minutes of the week in UTC, which begins on Monday at 00:00: each from
    /// inclusive, until exclusive, neither over the end of the week.
    ///
    /// # Errors
    /// [`RequirementError::Malformed`], [`RequirementError::AlwaysOrNever`].
    pub fn intervals(&self) -> Result<Vec<(u16, u16)>, RequirementError> {
        let minute = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let digits = |t: &&str| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit());
            let two = |t: &str| Some(t).filter(digits).and_then(|t| t.parse::<u16>().ok());
            let (hours, minutes) = (two(hours)?, two(minutes)?);
            let minute = hours.checked_mul(60)?.checked_add(minutes)?;
            (minutes < 60 && minute <= DAY).then_some(minute)
        };
        let refuse = |text: &str| {
            RequirementError::Malformed(format!("{text:?} is not a time of day such as 06:30"))
        };
        let from = minute(&self.from).filter(|m| *m < DAY).ok_or_else(|| refuse(&self.from))?;
        let until = minute(&self.until).ok_or_else(|| refuse(&self.until))?;
        if from == until {
            let reason = "a window that begins when it ends is never or always";
            return Err(RequirementError::AlwaysOrNever(reason.into()));
        }
        let length = if until > from {
            until.saturating_sub(from)
        } else {
            DAY.saturating_sub(from).saturating_add(until)
        };
        // How much later UTC's clock shows the same moment, within a week.
        let shift = match self.offset.as_deref() {
            None => 0,
            Some(text) => {
                let wrong = || {
                    let reason = format!("{text:?} is not an offset such as +01:00");
                    RequirementError::Malformed(reason)
                };
                let (sign, digits) = text.split_at_checked(1).ok_or_else(wrong)?;
                let minutes = minute(digits).filter(|m| *m <= 14 * 60).ok_or_else(wrong)?;
                match sign {
                    "+" => WEEK.saturating_sub(minutes),
                    "-" => minutes,
                    _ => return Err(wrong()),
                }
            }
        };
        let days: Vec<Weekday> =
            if self.days.is_empty() { Weekday::ALL.to_vec() } else { self.days.clone() };
        let mut intervals = Vec::new();
        for (number, day) in (0_u16..).zip(Weekday::ALL) {
            if !days.contains(&day) {
                continue;
            }
            let start = number
                .saturating_mul(DAY)
                .saturating_add(from)
                .saturating_add(shift)
                .checked_rem(WEEK)
                .unwrap_or_default();
            let end = start.saturating_add(length);
            if end <= WEEK {
                intervals.push((start, end));
            } else {
                intervals.push((start, WEEK));
                intervals.push((0, end.saturating_sub(WEEK)));
            }
        }
        intervals.sort_unstable();
        Ok(intervals)
    }

    /// The window in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let days: Vec<_> =
            self.days.iter().map(|d| format!("{d:?}").to_ascii_lowercase()).collect();
        let days = if days.is_empty() { String::new() } else { format!(" on {}", days.join(", ")) };
        let offset = self.offset.as_deref().unwrap_or("UTC");
        format!("from {} to {} ({offset}){days}", self.from, self.until)
    }
}

/// The minute of the week in UTC, from Monday 00:00.
#[must_use]
pub fn minute_of_week(at: UnixMillis) -> u16 {
    // 1 January 1970 was a Thursday.
    let minutes = (at.get() / 60_000).saturating_add(u64::from(3 * DAY));
    let of_week = minutes.checked_rem(u64::from(WEEK)).unwrap_or_default();
    u16::try_from(of_week).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours(from: &str, until: &str, offset: Option<&str>, days: &[Weekday]) -> Hours {
        Hours {
            from: from.into(),
            until: until.into(),
            offset: offset.map(str::to_owned),
            days: days.to_vec(),
        }
    }

    #[test]
    fn the_minute_of_the_week_begins_on_monday() {
        let at = |text| minute_of_week(UnixMillis::parse_rfc3339(text).expect("a time"));
        assert_eq!(at("1970-01-01T00:00:00Z"), 3 * DAY);
        assert_eq!(at("2026-03-02T00:00:00Z"), 0); // a Monday
        assert_eq!(at("2026-03-01T23:59:59.999Z"), WEEK - 1);
    }

    #[test]
    fn windows_pass_midnight_offsets_and_the_end_of_the_week() {
        assert_eq!(
            hours("22:00", "02:00", None, &[Weekday::Sun]).intervals(),
            Ok(vec![(0, 120), (6 * DAY + 22 * 60, WEEK)])
        );
        // 00:30 on Monday in Oslo is 23:30 on Sunday in UTC.
        assert_eq!(
            hours("00:30", "00:45", Some("+01:00"), &[Weekday::Mon]).intervals(),
            Ok(vec![(WEEK - 30, WEEK - 15)])
        );
        assert_eq!(
            hours("23:00", "24:00", Some("-05:00"), &[Weekday::Sun]).intervals(),
            Ok(vec![(240, 300)])
        );
        assert_eq!(hours("00:00", "24:00", None, &[]).intervals().map(|i| i.len()), Ok(7));
    }

    #[test]
    fn refuses_what_is_no_window() {
        let refused = |from: &str, until: &str, offset: Option<&str>| {
            hours(from, until, offset, &[]).intervals().expect_err("no window")
        };
        let empty = refused("06:00", "06:00", None);
        assert!(matches!(empty, RequirementError::AlwaysOrNever(_)), "{empty}");
        for (from, until, offset) in [
            ("6:00", "22:00", None),
            ("06:60", "22:00", None),
            ("24:00", "22:00", None),
            ("06:00", "24:01", None),
            ("06:00", "07:00", Some("01:00")),
            ("06:00", "07:00", Some("+15:00")),
            ("06:00", "07:00", Some("")),
            ("06:00", "07:00", Some("é1:00")),
        ] {
            let error = refused(from, until, offset);
            assert!(matches!(error, RequirementError::Malformed(_)), "{from} {until}: {error}");
        }
    }

    proptest! {
        /// The same asked minute by minute, with the clock of the place.
        #[test]
        fn intervals_agree_with_a_clock_on_the_wall(
            from in 0..DAY, until in 0..=DAY, offset in -14_i32 * 60..=14 * 60,
            days in prop::collection::btree_set(0..7_usize, 0..7), minute in 0..WEEK,
        ) {
            prop_assume!(from != until);
            let text = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
            let sign = if offset < 0 { '-' } else { '+' };
            let minutes = u16::try_from(offset.abs()).expect("small");
            let days: Vec<_> = days.into_iter().map(|d| Weekday::ALL[d]).collect();
            let window =
                hours(&text(from), &text(until), Some(&format!("{sign}{}", text(minutes))), &days);
            let inside = window.intervals().expect("a window").iter().any(|(a, b)| {
                (*a..*b).contains(&minute)
            });
            let week = i32::from(WEEK);
            let local = (i32::from(minute) + offset).rem_euclid(week);
            let expected = (0..7_i32).any(|day| {
                let listed = usize::try_from(day).expect("small");
                if !days.is_empty() && !days.contains(&Weekday::ALL[listed]) {
                    return false;
                }
                let start = day * i32::from(DAY) + i32::from(from);
                let length = if until > from { until - from } else { DAY - from + until };
                (local - start).rem_euclid(week) < i32::from(length)
            });
            prop_assert_eq!(inside, expected);
        }
    }
}
