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

#[test]
fn backups_are_for_no_words_that_were_removed() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    let add = |words: &str| {
        let args = ["wallet", "slots", "add-recovery", "--recovery-out", words];
        place.ok_json("gridpass.wallet.slots/1", &args)["added"].to_string()
    };
    let backup = |file: &str| place.ok(&["wallet", "backup", "-o", file]);
    let opens = |file: &str, words: &str| {
        place.run(&["wallet", "backup-verify", file, "--recovery-file", words]).status == 0
    };
    let second = add("second.txt");
    backup("second.gpb");
    assert!(opens("second.gpb", "second.txt") && !opens("second.gpb", "words.txt"));
    // The words of the first slot still open the wallet; the words themselves are in no slot.
    let removed = place.ok(&["--json", "wallet", "slots", "remove", &second]);
    assert_eq!(removed.error()["code"], "GP-BACKUP-NO-RECIPIENT", "{removed:?}");
    assert_eq!(removed.json()["backup_for_words"], false);
    place.refused("GP-BACKUP-NO-RECIPIENT", 3, &["wallet", "backup", "-o", "never.gpb"]);
    assert!(!place.path("never.gpb").exists());
    // Whoever looks is told before the timer's backup is refused.
    assert!(
        codes_of(&place.run(&["--json", "doctor"]).json())
            .contains(&"GP-BACKUP-NO-RECIPIENT".into())
    );
    assert!(place.ok(&["wallet", "status"]).text().contains("backups for  nobody"));
    // With words anew, or where the older ones are at hand.
    let third = add("third.txt");
    backup("third.gpb");
    assert!(opens("third.gpb", "third.txt"));
    let remove = ["wallet", "slots", "remove", &third, "--recovery-file", "words.txt"];
    let removed = place.ok(&remove);
    assert!(removed.text().contains("the words that you gave"), "{}", removed.text());
    assert_eq!(removed.stderr, "");
    backup("first.gpb");
    assert!(opens("first.gpb", "words.txt"));
    assert!(!opens("first.gpb", "third.txt") && !opens("first.gpb", "second.txt"));
}
