//! `gridpass wallet clock`: this machine's clock beside what the wallet dated, and the way out after a clock
//! that was ahead.

use crate::codes;
use crate::context::{GlobalArgs, now, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown;
use crate::warnings::warn;
use clap::Args;
use gridpass_credentials::clock::{PutRight, believe_clock};
use gridpass_identity::codes as identity_codes;
use gridpass_identity::report::{Check, Report};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Diary;
use gridpass_identity::wallet::clock::check_clock;
use serde_json::json;

/// Hold this machine's clock against what the wallet dated, and put right what a clock that was ahead left
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass wallet clock      is the clock behind what the wallet signed?\n  \
     gridpass wallet clock --is-right 2026-03-01      it was ahead before, and today is the first of March"
))]
pub struct ClockArgs {
    /// The clock is right now, and today is this day, by a calendar: changes of status lists and of keys that
    /// are dated later count as made now, and charters, and the last change of a log, that are dated later are undone
    #[arg(long, value_name = "DATE")]
    is_right: Option<String>,
}

/// How far from its noon in UTC a day can be anywhere on earth, in milliseconds: 26 hours.
const A_DAY_OF_ANY_ZONE: u64 = 26 * 3600 * 1000;
/// After how long a pause, in milliseconds, a clock is doubted before something that lasts is signed: 30 days.
const PAUSE: u64 = 30 * 24 * 3600 * 1000;

/// Doubts a clock that is far later than all that the wallet did, before a log or a charter is signed by it.
/// A wallet may rest for a year; so nothing is refused.
pub fn warn_of_jump(diary: &Diary, now: UnixMillis) {
    if let Some(days) = days_of_pause(diary, now) {
        warn(
            None,
            format!(
                "the clock shows {now}, {days} days after anything that this wallet did. If it is wrong, publish \
                 nothing of this: set it right and call gridpass wallet clock --is-right DATE"
            ),
        );
    }
}

fn days_of_pause(diary: &Diary, now: UnixMillis) -> Option<u64> {
    let pause = now.millis_since(diary.newest()?);
    (pause > PAUSE).then_some(pause / 86_400_000)
}

/// The clock beside what a wallet did last.
pub fn clock_check(profile: &str, diary: &Diary, now: UnixMillis) -> Check {
    match check_clock(diary.newest(), now) {
        Ok(()) => {
            let sentence = format!("wallet {profile}: nothing that it did is later than {now}");
            Check::passed("clock", codes::IN_ORDER, sentence)
        }
        Err(e) => Check::failed("clock", e.code(), format!("wallet {profile}: {e}")),
    }
}

pub fn run(global: &GlobalArgs, args: &ClockArgs) -> Outcomes {
    let (profile, now) = (global.profile()?, now());
    if let Some(date) = &args.is_right {
        must_be_today(date, now)?;
        return put_right(global, now);
    }
    let diary = global.locked_wallet()?.status()?.diary;
    let mut report = Report::default();
    report.push(clock_check(&profile, &diary, now));
    let json = json!({ "profile": profile, "clock": now, "newest": diary.newest() });
    Ok(Answer::new("gridpass.wallet.clock/1", json, "").with_report(&report))
}

/// By a clock that is behind, what is right would be undone: whoever calls says which day it is.
fn must_be_today(date: &str, now: UnixMillis) -> Result<(), Failure> {
    let noon = UnixMillis::parse_rfc3339(&format!("{date}T12:00:00Z")).map_err(|_| {
        let message = format!("{date:?} is no date, such as 2026-03-01");
        Failure::new(codes::USAGE, message)
    })?;
    let away = now.millis_since(noon).max(noon.millis_since(now));
    if away > A_DAY_OF_ANY_ZONE {
        let message = format!("the clock shows {now}, and today is {date}");
        return Err(Failure::new(codes::CLOCK_WRONG, message));
    }
    Ok(())
}

fn put_right(global: &GlobalArgs, now: UnixMillis) -> Outcomes {
    let mut wallet = global.wallet()?;
    let right = believe_clock(&mut wallet, now, &mut rng())?;
    for did in &right.logs.left {
        let message = format!(
            "the log of {did} has changes that are dated later and cannot be undone: restore the last backup \
             from before them, `gridpass wallet restore`, or wait until their time has come"
        );
        warn(Some(identity_codes::CLOCK_BEHIND), message);
    }
    if right.pack_left {
        let message = "the pinned trust pack is dated later, and what it follows is not here: adopt the one \
                       before it, `gridpass charter verify FILE --adopt`";
        warn(Some(identity_codes::CLOCK_BEHIND), message.to_owned());
    }
    let json = json!({
        "clock": now,
        "lists": right.lists,
        "visas": right.visas,
        "charters": right.charters,
        "undone": right.logs.rotations,
        "left": right.logs.left,
        "pack_left": right.pack_left,
    });
    Ok(Answer::new("gridpass.wallet.clock/1", json, told(&right, now)))
}

fn told(right: &PutRight, now: UnixMillis) -> String {
    let mut text = format!("The clock counts as right: it is {now}.\n");
    if right.is_nothing() {
        text.push_str("Nothing else was dated later.");
        return text;
    }
    for list in &right.lists {
        text.push_str(&format!("  changes are of now   status list {}\n", shown(list)));
    }
    for did in &right.logs.rotations {
        text.push_str(&format!("  last change undone   log of {did}\n"));
    }
    for charter in &right.charters {
        text.push_str(&format!("  forgotten            charter {charter}\n"));
    }
    if !right.logs.rotations.is_empty() {
        text.push_str(
            "next: gridpass id rotate NAME, with --compromised-since TIME where a key is in other hands; then \
             publish the log in the place of the one that is dated later\n",
        );
    }
    if !right.charters.is_empty() {
        text.push_str(
            "next: make the charter anew, and have every copy of the one that was dated later destroyed: it \
             would come into force beside yours\n",
        );
    }
    if !right.lists.is_empty() {
        text.push_str("next: gridpass status publish -o lists.json\n");
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_of_another_day_is_not_believed() {
        // 2026-03-01T12:00:00Z
        let now = UnixMillis::from_millis(1_772_366_400_000);
        for date in ["2026-02-28", "2026-03-01", "2026-03-02"] {
            assert!(must_be_today(date, now).is_ok(), "{date}");
        }
        for (date, code) in [
            ("2026-02-27", codes::CLOCK_WRONG),
            ("2026-03-03", codes::CLOCK_WRONG),
            ("2027-03-01", codes::CLOCK_WRONG),
            ("today", codes::USAGE),
            ("2026-03-01T12:00:00Z", codes::USAGE),
        ] {
            let refused = must_be_today(date, now).map_err(|failure| failure.code);
            assert_eq!(refused, Err(code), "{date}");
        }
    }

    #[test]
    fn a_clock_is_doubted_after_a_long_pause_and_refused_when_it_is_behind() {
        let day = |n: u64| UnixMillis::from_millis((20_000 + n) * 86_400_000);
        let diary = Diary { last_issuing: Some(day(100)), ..Diary::default() };
        let found =
            |n: u64| (days_of_pause(&diary, day(n)), clock_check("dso", &diary, day(n)).code);
        assert_eq!(found(100), (None, codes::IN_ORDER));
        assert_eq!(found(130), (None, codes::IN_ORDER));
        assert_eq!(found(131), (Some(31), codes::IN_ORDER));
        assert_eq!(found(99), (None, identity_codes::CLOCK_BEHIND));
        assert_eq!(days_of_pause(&Diary::default(), day(0)), None);
    }
}
