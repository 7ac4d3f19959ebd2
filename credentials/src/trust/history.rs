//! Whether a history of charters holds.

use super::KnownRole;
use crate::charter::{self, SignedCharter};
use crate::codes;
use crate::content_id::ContentId;
use crate::signature::OnceResolver;
use gridpass_identity::codes::SIGNED_IN_FUTURE;
use gridpass_identity::report::{Check, Outcome, Report};
use gridpass_identity::resolve::{OfflineResolver, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeMap;

/// Whether a check failed because what it is about is from the future.
pub(super) fn is_from_future(check: &Check) -> bool {
    check.outcome == Outcome::Failed && check.code == SIGNED_IN_FUTURE
}

pub(super) fn holds(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.outcome == Outcome::Passed)
}

/// Checks a history, but for the first `held` charters, which are held already.
pub(super) fn check_history(
    charters: &[SignedCharter],
    held: usize,
    definitions: &BTreeMap<ContentId, KnownRole>,
    snapshots: &dyn SnapshotStore,
    now: UnixMillis,
) -> Report {
    // A log is verified once, not once for each signature of each charter.
    let offline = OfflineResolver::new(snapshots);
    let resolver = OnceResolver::new(&offline);
    let mut report = Report::default();
    let mut previous: Option<&SignedCharter> = None;
    for (number, signed) in charters.iter().enumerate() {
        if number >= held {
            let checks = signed.check_after(previous, &resolver, now);
            let lacks = checks.iter().any(|c| c.code == codes::CHARTER_SIGNERS_TOO_FEW);
            report.checks.extend(checks);
            // Beside the consequence its cause, where there is no other.
            if lacks && holds(&signed.check_after(previous, &resolver, UnixMillis::MAX)) {
                let version = signed.charter().version;
                let sentence = format!(
                    "signatures of version {version} that are needed are dated later than {now}"
                );
                report.push(Check::failed("signatures", SIGNED_IN_FUTURE, sentence));
            }
        }
        previous = Some(signed);
    }
    let Some(newest) = previous.map(SignedCharter::charter) else {
        return report;
    };
    report.push(charter::check_date(newest, now));
    for listed in &newest.roles {
        report.push(match definitions.get(&listed.definition) {
            None => Check::indeterminate(
                "definitions",
                codes::DEFINITION_MISSING,
                format!(
                    "the definition of {} ({}) is not in the pack",
                    listed.name, listed.definition
                ),
            ),
            Some(KnownRole { definition, .. }) if definition.name != listed.name => Check::failed(
                "definitions",
                codes::DEFINITION_NAME,
                format!(
                    "{} is listed as {} and calls itself {}",
                    listed.definition, listed.name, definition.name
                ),
            ),
            Some(_) => Check::passed(
                "definitions",
                codes::DEFINITION_LISTED,
                format!("{} is listed", listed.name),
            ),
        });
    }
    report
}
