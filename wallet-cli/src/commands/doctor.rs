//! `gridpass doctor`: what on this machine could get in the way, and what to do about it.

use super::clock::clock_check;
use super::partial;
use crate::codes;
use crate::commands::node::client::Client;
use crate::commands::node::{
    TROUBLES, code_of, ending, folder, left_aside, not_signed, schema_missing, silence, unread,
};
use crate::commands::restored::lists_to_take;
use crate::commands::wallet::changed_since;
use crate::context::{GlobalArgs, now};
use crate::help;
use crate::output::{Answer, Outcomes, counted};
use clap::Args;
use gridpass_credentials::codes::STATUS_STALE;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::report::{Check, Report};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::store::StoreError;
use gridpass_identity::wallet::{Diary, LockedWallet};
use gridpass_messaging::codes::{
    LOG_DAMAGED, NODE_NOT_RUNNING, NODE_SILENT, NOT_DURABLE, RIGHT_ENDS,
};
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::node::socket_of;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// 2026-01-01T00:00:00Z: this program did not exist before.
const MADE_AFTER: UnixMillis = UnixMillis::from_millis(1_767_225_600_000);
/// A backup older than this is worth a word, in milliseconds: 90 days.
const OLD_BACKUP: u64 = 90 * 24 * 3600 * 1000;
/// A register in daily use is backed up at the end of the day: what was issued longer ago, in milliseconds,
/// and is in no backup, is not in order.
const A_DAY: u64 = 24 * 3600 * 1000;
/// How long a node is waited for.
const ANSWERS: Duration = Duration::from_secs(2);

/// Look for what could get in the way: folders, permissions, damage, backups, the clock
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass doctor\n  gridpass doctor --json\n  gridpass doctor --profile dso-north      one wallet and its node"
))]
pub struct DoctorArgs {}

pub fn run(global: &GlobalArgs, _: &DoctorArgs) -> Outcomes {
    let mut report = Report::default();
    let ok = |name, sentence: String| Check::passed(name, codes::IN_ORDER, sentence);
    let now = now();
    let version = env!("CARGO_PKG_VERSION");
    report.push(ok("program", format!("gridpass {version} on {}", std::env::consts::OS)));
    if now < MADE_AFTER {
        let sentence = format!("the clock shows {now}");
        report.push(Check::failed("clock", codes::CLOCK_WRONG, sentence));
    } else {
        report.push(ok("clock", format!("the clock shows {now}")));
    }
    let home = global.home()?;
    if home.is_dir() {
        check_private(&mut report, &home);
    } else {
        let sentence = format!("{} will be made by the first wallet", home.display());
        report.push(ok("home", sentence));
    }
    if let Some(Err(e)) = global.profile.as_deref().map(|name| global.profile_dir(name)) {
        report.push(Check::failed("profile", e.code, e.message));
    }
    let mut wallets = Vec::new();
    // Of each check, whose wallet or node it is of.
    let mut whose: Vec<Option<String>> = vec![None; report.checks.len()];
    let profiles: Vec<String> = match &global.profile {
        // One that can be none is told above, and keeps nobody from the rest.
        Some(name) => global.profile_dir(name).map(|_| name.clone()).into_iter().collect(),
        None => global.profiles()?,
    };
    for profile in profiles {
        let dir = global.profile_dir(&profile)?;
        let diary = check_wallet(&mut report, &profile, global.store(&dir), now);
        report.checks.extend(lists_check(&profile, &dir).filter(|_| diary.is_some()));
        whose.resize(report.checks.len(), Some(profile.clone()));
        let stale = diary.map(|diary| diary.backup_is_stale());
        wallets.push(json!({ "profile": profile, "backup_is_stale": stale }));
    }
    for left in partial::leftovers(&home.join("profiles")).unwrap_or_default() {
        let sentence = format!("{} is what a killed call left: remove it", left.display());
        report.push(Check::indeterminate("partial", codes::WALLET_PARTIAL, sentence));
    }
    whose.resize(report.checks.len(), None);
    check_node(&mut report, global);
    whose.resize(report.checks.len(), global.profile().ok());
    let json = json!({ "version": version, "home": home, "wallets": wallets });
    let mut answer = Answer::new("gridpass.doctor/1", json, "").with_report(&report);
    let checks = answer.json.get_mut("checks").and_then(Value::as_array_mut);
    for (check, profile) in checks.into_iter().flatten().zip(whose) {
        if let (Some(check), Some(profile)) = (check.as_object_mut(), profile) {
            check.insert("profile".into(), json!(profile));
        }
    }
    Ok(answer)
}

/// What the profile's node says, where it runs.
fn check_node(report: &mut Report, global: &GlobalArgs) {
    let Ok(mut client) = Client::connect(global) else {
        // Whoever ends in order takes its socket away.
        if folder(global).is_ok_and(|folder| socket_of(&folder).exists()) {
            let sentence = "a node ran here and did not end in order; start it: gridpass node run";
            report.push(Check::indeterminate("node", NODE_NOT_RUNNING, sentence));
        }
        return;
    };
    match client.within(ANSWERS).and_then(|()| client.ask(&Asked::Status)) {
        Ok(status) => check_status(report, &status),
        Err(e) => {
            let within = ANSWERS.as_secs();
            let sentence = format!("a node runs, and gave no answer in {within} s: {}", e.message);
            report.push(Check::indeterminate("node", e.code, sentence));
        }
    }
}

/// What a node says of itself that its operator should know.
fn check_status(report: &mut Report, status: &Value) {
    let sentence = "the node runs, and answers";
    report.push(Check::passed("node", codes::IN_ORDER, sentence));
    check_ends(report, status);
    let mut doubt = |name, code, sentence: String| {
        report.push(Check::indeterminate(name, code, sentence));
    };
    let all = |of: &Value, name: &str| {
        of.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let text = |of: &Value, name: &str| {
        of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let own = status.get("authorisation").cloned().unwrap_or_default();
    if !["", "counts", "itself"].contains(&text(&own, "state").as_str()) {
        let sentence = format!("{}; next: {}", text(&own, "sentence"), text(&own, "next"));
        doubt("authorisation", code_of(&text(&own, "code")), sentence);
    }
    if status.get("keeps") == Some(&Value::Bool(false)) {
        let next = NOT_DURABLE.0.remedy;
        let sentence =
            format!("what comes is not written to the disk; see the node's log; next: {next}");
        doubt("node", NOT_DURABLE, sentence);
    }
    for (name, _, code, sentence) in TROUBLES {
        if status.get(name) == Some(&Value::Bool(true)) {
            doubt("node", code, format!("{sentence}; next: {}", code.0.remedy));
        }
    }
    for damage in all(status, "damage") {
        doubt("node", LOG_DAMAGED, damage.as_str().unwrap_or_default().to_owned());
    }
    for channel in all(status, "channels") {
        let name = text(&channel, "name");
        if let Some(unsigned) = not_signed(&channel) {
            let (sentence, next) = (unsigned.sentence, unsigned.next);
            doubt("channel", unsigned.code, format!("channel {name}: {sentence}; next: {next}"));
        }
        if let Some(unread) = unread(&channel) {
            let sentence = format!("channel {name}: {}; next: {}", unread.sentence, unread.next);
            doubt("channel", unread.code, sentence);
        }
        for lacks in all(&channel, "schemasMissing") {
            let (code, sentence, next) = schema_missing(&lacks);
            doubt("channel", code, format!("channel {name}: {sentence}; next: {next}"));
        }
        for gap in all(&channel, "gaps") {
            let Some((code, sentence)) = left_aside(&gap) else { continue };
            let sender = text(&gap, "sender");
            let sentence =
                format!("channel {name}: a message of {sender} is left aside: {sentence}");
            doubt("channel", code_of(&code), sentence);
        }
        if let Some(silent) = channel.get("silent").filter(|s| s.is_object()) {
            doubt("channel", NODE_SILENT, format!("channel {name}: {}", silence(silent)));
        }
        for list in all(&channel, "listsTooOld") {
            let list = list.as_str().unwrap_or_default();
            let sentence = format!("channel {name}: the status list {list} is too old");
            doubt("channel", STATUS_STALE, sentence);
        }
    }
}

/// What ends soon of what the node shows for itself: to be done some day is in order, and the last warning is
/// not.
fn check_ends(report: &mut Report, status: &Value) {
    let mut tell = |name, of: &str, end: &Value| {
        let end = ending(end);
        let sentence = format!("{of}{}; next: {}", end.sentence, end.next);
        report.push(match end.is_last {
            true => Check::indeterminate(name, RIGHT_ENDS, sentence),
            false => Check::passed(name, RIGHT_ENDS, sentence),
        });
    };
    if let Some(end) = status.get("authorisationEnds").filter(|end| end.is_object()) {
        tell("authorisation", "", end);
    }
    for channel in status.get("channels").and_then(Value::as_array).into_iter().flatten() {
        let name = channel.get("name").and_then(Value::as_str).unwrap_or_default();
        for end in channel.get("ends").and_then(Value::as_array).into_iter().flatten() {
            tell("channel", &format!("channel {name}: "), end);
        }
    }
}

#[cfg(unix)]
fn check_private(report: &mut Report, dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(dir).map(|m| m.permissions().mode() & 0o777).unwrap_or(0);
    report.push(if mode & 0o077 == 0 {
        let sentence = format!("{} is its owner's only", dir.display());
        Check::passed("home", codes::IN_ORDER, sentence)
    } else {
        let sentence = format!("{} has mode {mode:o}: chmod 700 {0}", dir.display());
        Check::indeterminate("home", codes::PERMISSIONS_OPEN, sentence)
    });
}

#[cfg(not(unix))]
fn check_private(_: &mut Report, _: &Path) {}

/// Looks at a wallet, and gives its diary where it can be read.
fn check_wallet(
    report: &mut Report,
    profile: &str,
    store: Result<SledStore, StoreError>,
    now: UnixMillis,
) -> Option<Diary> {
    let opened = store
        .map_err(Into::into)
        .and_then(|store| LockedWallet::open(Box::new(store)))
        .and_then(|wallet| wallet.status());
    let status = match opened {
        Ok(status) => status,
        Err(e) => {
            let sentence = format!("wallet {profile}: {e}");
            // Somebody else having it open says nothing about its state.
            report.push(if e.code() == identity_codes::WALLET_IN_USE {
                Check::indeterminate("wallet", e.code(), sentence)
            } else {
                Check::failed("wallet", e.code(), sentence)
            });
            return None;
        }
    };
    let records = counted(status.records, "record", "records");
    let sentence = format!("wallet {profile}: whole, {records}");
    report.push(Check::passed("wallet", codes::IN_ORDER, sentence));
    report.push(clock_check(profile, &status.diary, now));
    report.push(backup_check(profile, &status.diary, now));
    if !status.backup_for_words {
        let sentence =
            format!("wallet {profile}: it has no recovery words, and a backup is for nobody");
        let code = identity_codes::BACKUP_NO_RECIPIENT;
        report.push(Check::indeterminate("backup", code, sentence));
    }
    Some(status.diary)
}

/// What a restored wallet was not given yet of what it published itself.
fn lists_check(profile: &str, dir: &Path) -> Option<Check> {
    let sentence = match lists_to_take(dir) {
        Ok(open) if open.is_empty() => return None,
        Ok(open) => {
            let open = counted(open.len(), "own list", "own lists");
            format!(
                "wallet {profile}: restored, and {open} not taken yet; next: gridpass --profile {profile} status \
                 accept lists.json"
            )
        }
        Err(e) => format!("wallet {profile}: {}", e.message),
    };
    Some(Check::indeterminate("lists", codes::OWN_LISTS_OPEN, sentence))
}

fn backup_check(profile: &str, diary: &Diary, now: UnixMillis) -> Check {
    let last = diary.last_backup;
    if let Some(changed) = changed_since(diary, last) {
        let sentence = format!("wallet {profile}: {changed}, after the last backup");
        if lacks_only_todays(diary, now) {
            let sentence = format!(
                "{sentence}; at the end of the day: gridpass --profile {profile} wallet backup -o FILE"
            );
            return Check::passed("backup", codes::BACKUP_DUE, sentence);
        }
        return Check::indeterminate("backup", identity_codes::BACKUP_STALE, sentence);
    }
    if let Some(age) = last.map(|t| now.millis_since(t)).filter(|age| *age > OLD_BACKUP) {
        let days = age / 86_400_000;
        let sentence =
            format!("wallet {profile}: the last backup is {days} days old, nothing changed since");
        Check::passed("backup", codes::IN_ORDER, sentence)
    } else {
        let sentence = match last {
            Some(time) => {
                format!("wallet {profile}: backed up at {time}, after the last change")
            }
            None => format!("wallet {profile}: nothing to back up yet"),
        };
        Check::passed("backup", codes::IN_ORDER, sentence)
    }
}

/// Whether all that the last backup lacks was issued, or had its status changed, within a day. What was lost of
/// that comes back from the published lists; a key comes back from nowhere.
fn lacks_only_todays(diary: &Diary, now: UnixMillis) -> bool {
    let Some(backup) = diary.last_backup else { return false };
    let has_keys = diary.last_key_change.is_none_or(|changed| changed <= backup);
    // By a clock that was wrong it may be of a time to come.
    let away = |since: UnixMillis| now.millis_since(since).max(since.millis_since(now));
    has_keys && diary.issuing_unsaved_since().is_some_and(|since| away(since) < A_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_identity::report::Outcome;

    #[test]
    fn what_a_node_says_of_itself_is_looked_at() {
        let right = |state: &str, code: &str| {
            let why = json!({"state": state, "code": code, "sentence": "so", "next": "do"});
            json!({"name": "bids", "right": why, "listsTooOld": []})
        };
        let found = |status: &Value| {
            let mut report = Report::default();
            check_status(&mut report, status);
            let doubts = report.checks.into_iter().filter(|c| c.outcome != Outcome::Passed);
            doubts.map(|c| c.code.id()).collect::<Vec<_>>()
        };
        let fine = json!({"authorisation": {"state": "counts"}, "keeps": true, "damage": [],
            "channels": [{"name": "bids", "right": {"state": "reads"}, "silent": null},
                         right("sends", "GP-ROLE-NOT-HELD")]});
        assert!(found(&fine).is_empty());
        let over = json!({"state": "refused", "code": "GP-VISA-EXPIRED", "next": "do"});
        let bad = json!({"authorisation": over, "keeps": false, "damage": ["a place"],
            "channels": [right("none", "GP-PROOF-EXPIRED"), right("undecided", "GP-STATUS-STALE"),
                         {"name": "orders", "listsTooOld": ["https://a.example/list"]}]});
        let all = ["GP-VISA-EXPIRED", "GP-NOT-DURABLE", "GP-LOG-DAMAGED", "GP-PROOF-EXPIRED"];
        assert_eq!(found(&bad), [&all[..], &["GP-STATUS-STALE"; 2]].concat());
        let full =
            json!({"shortOfDisk": true, "manyFiles": true, "clockBehind": true, "channels": []});
        assert_eq!(found(&full), ["GP-DISK-SHORT", "GP-LOG-MANY-FILES", "GP-NODE-CLOCK-BEHIND"]);
        let aside = json!({"code": "GP-STATUS-ROLLBACK", "sentence": "a newer list was seen"});
        let gaps = json!([{"sender": "did:web:a.example", "leftAside": aside},
                          {"sender": "did:web:b.example", "leftAside": null}]);
        let lacks = json!({"channels": [{"name": "bids", "gaps": gaps}]});
        assert_eq!(found(&lacks), ["GP-STATUS-ROLLBACK"]);
        let why = json!({"state": "refused", "code": "GP-CHANNEL-NOT-SIGNED", "sentence": "so",
                         "next": "do"});
        let stolen = json!({"channels": [{"name": "bids", "joined": false, "notSigned": why}]});
        assert_eq!(found(&stolen), ["GP-CHANNEL-NOT-SIGNED"]);
        let schema = json!({"schema": "b", "code": "GP-SCHEMA-NOT-HERE", "sentence": "no"});
        let lacks = json!({"channels": [{"name": "bids", "schemasMissing": [schema]}]});
        assert_eq!(found(&lacks), ["GP-SCHEMA-NOT-HERE"]);
        let roomy = json!({"shortOfDisk": false, "manyFiles": false, "clockBehind": false,
                           "channels": []});
        assert!(found(&roomy).is_empty());
    }

    #[test]
    fn what_ends_soon_is_said_and_in_doubt_at_the_last() {
        let end = |near: &str| json!({"near": near, "sentence": "it ends", "next": "renew it"});
        let found = |status: &Value| {
            let mut report = Report::default();
            check_status(&mut report, status);
            let ends = report.checks.into_iter().filter(|c| c.code == RIGHT_ENDS);
            ends.map(|c| (c.outcome == Outcome::Passed, c.sentence)).collect::<Vec<_>>()
        };
        let bids = json!({"name": "bids", "ends": [end("soon"), end("last")]});
        let status = json!({"authorisationEnds": end("soon"), "channels": [bids]});
        let all = [
            (true, "it ends; next: renew it".to_owned()),
            (true, "channel bids: it ends; next: renew it".to_owned()),
            (false, "channel bids: it ends; next: renew it".to_owned()),
        ];
        assert_eq!(found(&status), all);
        let none = json!({"authorisationEnds": null, "channels": [{"name": "bids", "ends": []}]});
        assert!(found(&none).is_empty());
    }

    #[test]
    fn what_is_issued_waits_for_the_days_backup_and_a_key_does_not() {
        let hour = |n: u64| MADE_AFTER.plus_millis(n * 3_600_000);
        let backed_up = Diary {
            last_backup: Some(hour(0)),
            last_key_change: Some(hour(0)),
            ..Diary::default()
        };
        let issued = Diary {
            last_issuing: Some(hour(50)),
            first_unsaved_issuing: Some(hour(40)),
            ..backed_up
        };
        let rotated = Diary { last_key_change: Some(hour(45)), ..issued };
        let never = Diary { last_backup: None, ..issued };
        // As an older program left it: the first may have been as old as the backup.
        let unknown = Diary { first_unsaved_issuing: None, ..issued };
        let (due, stale) = (codes::BACKUP_DUE, identity_codes::BACKUP_STALE);
        for (diary, at, code) in [
            (backed_up, 60, codes::IN_ORDER),
            (issued, 50, due),
            (issued, 63, due),
            (issued, 64, stale),
            (issued, 16, stale),
            (rotated, 50, stale),
            (never, 50, stale),
            (unknown, 50, stale),
        ] {
            let check = backup_check("dso", &diary, hour(at));
            assert_eq!(check.code, code, "{diary:?} at {at}");
            assert_eq!(check.outcome == Outcome::Passed, code != stale, "{check:?}");
        }
    }
}
