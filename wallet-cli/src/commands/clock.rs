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
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use gridpass_identity::wallet::Diary;
use gridpass_identity::wallet::clock::check_clock;
use serde_json::json;
use std::time::Duration;

/// Hold this machine's clock against what the wallet dated, and put right what a clock that was ahead left
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass wallet clock      is the clock behind what the wallet signed?\n  \
     gridpass wallet clock --is-right 2026-03-01      it was ahead before, and today is the first of March\n  \
     gridpass wallet clock --is-right 2026-03-01T14:05:00Z      it was ahead by an hour before"
))]
pub struct ClockArgs {
    /// The clock is right now, and today is this day, by a calendar: changes of status lists and of keys that
    /// are dated later count as made now, and charters, signatures of charters, and the last change of a log, that are
    /// dated later are undone.
    /// What is dated later on the same day is put right by the time, from another clock (RFC 3339, UTC)
    #[arg(long, value_name = "DATE|TIME")]
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

/// The time for a new entry of a log, in a second after that of the last change of any key: logs are dated in whole
/// seconds, and each entry later than the one before. Waits for it where it has to, which is less than a second.
pub fn time_of_entry(diary: &Diary) -> UnixMillis {
    let of_this_second = |last: UnixMillis| last.floor_to_second() == now().floor_to_second();
    if diary.last_key_change.is_some_and(of_this_second) {
        let left = 1000_u64.saturating_sub(now().get() % 1000);
        std::thread::sleep(Duration::from_millis(left));
    }
    now()
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
    if let Some(said) = &args.is_right {
        return put_right(global, &profile, now, latest_by(said, now)?);
    }
    let diary = global.locked_wallet()?.status()?.diary;
    Ok(answer(&profile, &diary, now, None))
}

/// One form for both: what was put right is empty where nobody said that the clock is right.
fn answer(profile: &str, diary: &Diary, now: UnixMillis, right: Option<&PutRight>) -> Answer {
    let mut report = Report::default();
    report.push(clock_check(profile, diary, now));
    let nothing = PutRight::default();
    let put = right.unwrap_or(&nothing);
    let json = json!({
        "profile": profile,
        "clock": now,
        "newest": diary.newest(),
        "is_right": right.is_some(),
        "lists": put.lists,
        "visas": put.visas,
        "signed": put.signed,
        "charters": put.charters,
        "unsigned": put.unsigned,
        "undone": put.logs.rotations,
        "left": put.logs.left,
        "obtained": put.logs.obtained,
        "pack_left": put.pack_left,
    });
    let mut answer = Answer::new("gridpass.wallet.clock/1", json, "").with_report(&report);
    if let Some(right) = right {
        answer.text = told(right, now);
    }
    answer
}

/// By a clock that is behind, what is right would be undone: whoever calls says which day it is, or what time.
/// Gives how late it can be by that.
fn latest_by(said: &str, now: UnixMillis) -> Result<UnixMillis, Failure> {
    let must_be_near = |time: UnixMillis, most: u64| {
        if now.millis_since(time).max(time.millis_since(now)) <= most {
            return Ok(());
        }
        let message = format!("the clock shows {now}, and it is said to be {said}");
        Err(Failure::new(codes::CLOCK_WRONG, message))
    };
    if let Ok(time) = UnixMillis::parse_rfc3339(said) {
        must_be_near(time, MAX_CLOCK_SKEW_MILLIS)?;
        return Ok(now);
    }
    let noon = UnixMillis::parse_rfc3339(&format!("{said}T12:00:00Z")).map_err(|_| {
        let message = format!(
            "{said:?} is no date, such as 2026-03-01, and no time, as 2026-03-01T14:05:00Z"
        );
        Failure::new(codes::USAGE, message)
    })?;
    must_be_near(noon, A_DAY_OF_ANY_ZONE)?;
    Ok(noon.plus_millis(A_DAY_OF_ANY_ZONE))
}

/// Where something is dated on the day that was named, and later than the clock shows: that one may be behind.
fn same_day(failure: Failure) -> Failure {
    if failure.code != identity_codes::CLOCK_BEHIND {
        return failure;
    }
    let message =
        format!("{}, which may be right on that day: nothing is changed", failure.message);
    Failure::new(failure.code, message).next(
        "Look at another clock. If this one is right, say the time by the other one: `gridpass wallet clock \
         --is-right 2026-03-01T14:05:00Z`; else set it right.",
    )
}

fn put_right(global: &GlobalArgs, profile: &str, now: UnixMillis, latest: UnixMillis) -> Outcomes {
    let mut wallet = global.wallet()?;
    let right = believe_clock(&mut wallet, now, latest, &mut rng())
        .map_err(|e| same_day(Failure::from(e)))?;
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
    Ok(answer(profile, &wallet.status()?.diary, now, Some(&right)))
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
    for id in &right.visas {
        text.push_str(&format!("  changed now          {}\n", shown(id)));
    }
    for id in &right.signed {
        text.push_str(&format!("  signed ahead         {}\n", shown(id)));
    }
    for did in &right.logs.rotations {
        text.push_str(&format!("  last change undone   log of {did}\n"));
    }
    for charter in &right.charters {
        text.push_str(&format!("  forgotten            charter {charter}\n"));
    }
    for charter in &right.unsigned {
        text.push_str(&format!("  signature undone     charter {charter}\n"));
    }
    for did in &right.logs.obtained {
        text.push_str(&format!("  obtained now         {did}\n"));
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
    if !right.unsigned.is_empty() {
        text.push_str(
            "next: sign it anew, by the clock that is right: gridpass charter sign FILE, or adopt a pack in which \
             others signed it: gridpass charter verify PACK --adopt\n",
        );
    }
    if !right.signed.is_empty() {
        text.push_str(
            "next: what was signed ahead is refused until then: gridpass visa revoke ID, and issue or authorise \
             anew\n",
        );
    }
    if !right.lists.is_empty() || !right.signed.is_empty() {
        text.push_str("next: gridpass status publish -o lists.json\n");
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_credentials::schema::Schema;
    use gridpass_identity::did::Did;
    use gridpass_identity::wallet::clock::Undone;

    #[test]
    fn the_answer_has_one_form_and_that_is_the_published_one() {
        let schema = include_str!("../../../spec/schemas/wallet-clock.v1.json");
        let schema = serde_json::from_str(schema).expect("JSON");
        let schema = Schema::compile(&schema).expect("a schema");
        let now = UnixMillis::from_millis(1_772_366_400_000);
        let did = Did::parse("did:web:dso.example").expect("a DID");
        let right = PutRight {
            visas: vec!["urn:uuid:1".into()],
            logs: Undone { rotations: vec![did.clone()], left: vec![did], ..Undone::default() },
            pack_left: true,
            ..PutRight::default()
        };
        let behind = Diary { last_issuing: Some(now.plus_millis(86_400_000)), ..Diary::default() };
        let none = Diary::default();
        for (diary, right) in [(none, None), (behind, None), (none, Some(&right))] {
            let mut json = answer("dso", &diary, now, right).json;
            json.insert("schema".into(), json!("gridpass.wallet.clock/1"));
            assert_eq!(schema.violations(&json!(json)), Vec::<String>::new());
            json.remove("left");
            assert!(!schema.violations(&json!(json)).is_empty(), "both have every member");
        }
        let put = answer("dso", &Diary::default(), now, Some(&right));
        assert_eq!((&put.json["is_right"], put.exit), (&json!(true), 0));
        assert!(put.text.starts_with("The clock counts as right"), "{}", put.text);
    }

    #[test]
    fn a_clock_of_another_day_is_not_believed() {
        // 2026-03-01T12:00:00Z
        let now = UnixMillis::from_millis(1_772_366_400_000);
        for (said, hours) in [("2026-02-28", 2), ("2026-03-01", 26), ("2026-03-02", 50)] {
            let latest = now.plus_millis(hours * 3_600_000);
            assert_eq!(latest_by(said, now).map_err(|e| e.code), Ok(latest), "{said}");
        }
        for said in ["2026-03-01T12:00:00Z", "2026-03-01T11:56:00Z", "2026-03-01T12:04:00Z"] {
            assert_eq!(latest_by(said, now).map_err(|e| e.code), Ok(now), "{said}");
        }
        for (date, code) in [
            ("2026-02-27", codes::CLOCK_WRONG),
            ("2026-03-03", codes::CLOCK_WRONG),
            ("2027-03-01", codes::CLOCK_WRONG),
            ("2026-03-01T13:00:00Z", codes::CLOCK_WRONG),
            ("today", codes::USAGE),
        ] {
            let refused = latest_by(date, now).map_err(|failure| failure.code);
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
