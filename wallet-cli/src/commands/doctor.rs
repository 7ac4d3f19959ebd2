//! `gridpass doctor`: what on this machine could get in the way, and what to do about it.

use super::partial;
use crate::codes;
use crate::commands::node::client::Client;
use crate::commands::node::silence;
use crate::commands::wallet::changed_since;
use crate::context::{GlobalArgs, now};
use crate::help;
use crate::output::{Answer, Outcomes};
use clap::Args;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::report::{Check, Report};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::LockedWallet;
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_messaging::codes::NODE_SILENT;
use gridpass_messaging::node::control::Asked;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// 2026-01-01T00:00:00Z: this program did not exist before.
const MADE_AFTER: UnixMillis = UnixMillis::from_millis(1_767_225_600_000);
/// A backup older than this is worth a word, in milliseconds: 90 days.
const OLD_BACKUP: u64 = 90 * 24 * 3600 * 1000;
/// How long a node is waited for.
const ANSWERS: Duration = Duration::from_secs(2);

/// Look for what could get in the way: folders, permissions, damage, backups, the clock
#[derive(Args)]
#[command(after_help = help!("  gridpass doctor\n  gridpass doctor --json"))]
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
    for profile in global.profiles()? {
        check_wallet(&mut report, &profile, &global.profile_dir(&profile)?, now);
    }
    for left in partial::leftovers(&home.join("profiles")).unwrap_or_default() {
        let sentence = format!("{} is what a killed call left: remove it", left.display());
        report.push(Check::indeterminate("partial", codes::WALLET_PARTIAL, sentence));
    }
    check_node(&mut report, global);
    let json = json!({ "version": version, "home": home });
    Ok(Answer::new("gridpass.doctor/1", json, "").with_report(&report))
}

/// What the profile's node says, where it runs.
fn check_node(report: &mut Report, global: &GlobalArgs) {
    let status = Client::connect(global).and_then(|mut client| {
        client.within(ANSWERS)?;
        client.ask(&Asked::Status)
    });
    let Ok(status) = status else { return };
    let channels = status.get("channels").and_then(Value::as_array);
    for channel in channels.into_iter().flatten() {
        let name = channel.get("name").and_then(Value::as_str).unwrap_or_default();
        if let Some(silent) = channel.get("silent").filter(|s| s.is_object()) {
            let sentence = format!("channel {name}: {}", silence(silent));
            report.push(Check::indeterminate("channel", NODE_SILENT, sentence));
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

fn check_wallet(report: &mut Report, profile: &str, dir: &Path, now: UnixMillis) {
    let opened = SledStore::open(dir)
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
            return;
        }
    };
    let sentence = format!("wallet {profile}: whole, {} records", status.records);
    report.push(Check::passed("wallet", codes::IN_ORDER, sentence));
    let last = status.diary.last_backup;
    report.push(if let Some(changed) = changed_since(&status.diary, last) {
        let sentence = format!("wallet {profile}: {changed}, after the last backup");
        Check::indeterminate("backup", identity_codes::BACKUP_STALE, sentence)
    } else if let Some(age) = last.map(|t| now.millis_since(t)).filter(|age| *age > OLD_BACKUP) {
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
    });
}
