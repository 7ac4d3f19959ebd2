//! What backups are for: when one is due, and whose words open it.

use crate::common::{Place, codes_of};
use crate::visas::framework;

/// A register that is in use all day is in order all day: it is backed up in the evening.
#[test]
fn an_officer_who_issues_is_not_told_all_day_that_something_is_wrong() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let doctor = || {
        let ran = place.run(&["--json", "doctor"]);
        (ran.status, ran.json())
    };
    let stale = |report: &serde_json::Value| {
        let rows = report["wallets"].as_array().expect("wallets").iter();
        let row = |name: &str| rows.clone().find(|r| r["profile"] == name).expect("a row").clone();
        (row("regulator")["backup_is_stale"].clone(), row("agg")["backup_is_stale"].clone())
    };
    // New keys are in no backup: that is not in order from the first minute.
    let (status, report) = doctor();
    assert_eq!((status, stale(&report)), (11, (true.into(), true.into())), "{report:#}");
    regulator.ok(&["wallet", "backup", "-o", "regulator.gpb"]);
    holder.ok(&["wallet", "backup", "-o", "agg.gpb"]);
    assert_eq!(doctor().0, 0);

    let issue = ["visa", "issue", "--to", &holder.did, "--role", "flex.gb.aggregator"];
    regulator.ok(&[&issue[..], &["--claim", "zone=GB-1", "-o", "visa.json"]].concat());
    let (status, report) = doctor();
    assert_eq!((status, stale(&report)), (0, (true.into(), false.into())), "{report:#}");
    assert!(codes_of(&report).contains(&"GP-BACKUP-DUE".to_owned()), "{report:#}");
    let said = place.ok(&["doctor"]);
    let command = "gridpass --profile regulator wallet backup -o FILE";
    assert!(said.text().contains(command), "{}", said.text());
    regulator.ok(&["wallet", "backup", "-o", "evening.gpb"]);
    let (status, report) = doctor();
    assert_eq!((status, stale(&report)), (0, (false.into(), false.into())), "{report:#}");
    // A key is in no list that others have.
    regulator.ok(&["id", "new", "--name", "second"]);
    assert_eq!(doctor().0, 11);
}
