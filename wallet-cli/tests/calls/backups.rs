//! What backups are for: when one is due, and whose words open it.

use crate::common::waiting::wait_for_next_second;
use crate::common::{Place, codes_of};
use crate::parties::framework;

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

/// Without words nobody could open a backup: it says so, and what each backup needs then.
#[test]
fn a_wallet_without_words_is_backed_up_under_a_passphrase_of_its_own() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    let list = place.ok_json("gridpass.wallet.slots/1", &["wallet", "slots", "list"]);
    let slots = list["slots"].as_array().expect("slots").iter();
    let words: Vec<String> =
        slots.filter(|s| s["kind"] == "recovery").map(|s| s["id"].to_string()).collect();
    assert_eq!(words.len(), 1, "{list}");
    let removed = place.ok(&["--json", "wallet", "slots", "remove", &words[0]]);
    assert_eq!(removed.error()["code"], "GP-BACKUP-NO-RECIPIENT", "{removed:?}");
    let refused = place.refused("GP-BACKUP-NO-RECIPIENT", 3, &["wallet", "backup", "-o", "b.gpb"]);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("add-recovery")), "{refused}");
    assert!(!place.path("b.gpb").exists());
    place.write("own.txt", "the backup's own passphrase\n");
    let own = ["--backup-passphrase-file", "own.txt"];
    let made = place.ok(&[&["wallet", "backup", "-o", "b.gpb"][..], &own[..]].concat());
    let (_, next) = made.text().split_once("next: gridpass ").expect("a next step");
    // As it is printed, it holds.
    let next: Vec<&str> = next.split_whitespace().collect();
    assert_eq!(next, [&["wallet", "backup-verify", "b.gpb"][..], &own[..]].concat());
    place.ok(&next);
}

#[test]
fn backups_verify_restore_and_refuse() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    let status = place.ok_json("gridpass.wallet.status/1", &["wallet", "status"]);
    assert_eq!(status["backup_is_stale"], true);
    place.refused("GP-USAGE", 2, &["wallet", "backup"]);
    // No secret is needed to make one.
    let made = place.run_bare(&["wallet", "backup", "-o", "b.gpb"]);
    assert_eq!(made.status, 0, "{}", made.stderr);
    place.refused("GP-FILE-EXISTS", 8, &["wallet", "backup", "-o", "b.gpb"]);
    let verify = ["wallet", "backup-verify", "b.gpb", "--recovery-file", "words.txt"];
    let json = place.ok_json("gridpass.wallet.backup-verify/1", &verify);
    assert_eq!(json["outcome"], "passed");

    let restore = ["wallet", "restore", "b.gpb", "--recovery-file", "words.txt", "--profile"];
    place.refused("GP-WALLET-EXISTS", 8, &[&restore[..], &["dso"]].concat());
    place.ok(&[&restore[..], &["again"]].concat());
    // Its node asks before it sends.
    assert!(place.path("home/profiles/again/restored").is_file());
    assert!(!place.path("home/profiles/dso/restored").exists());
    let shown = place.ok(&["id", "list", "--profile", "again"]);
    assert!(shown.text().contains(&did));
    place.refused("GP-PROFILE-AMBIGUOUS", 3, &["id", "list"]);

    let other = Place::with_wallet();
    std::fs::copy(place.path("b.gpb"), other.path("b.gpb")).expect("copied");
    other.refused("GP-BACKUP-UNLOCK-FAILED", 4, &verify);
    std::fs::copy(place.path("words.txt"), other.path("theirs.txt")).expect("copied");
    let foreign = ["wallet", "backup-verify", "b.gpb", "--recovery-file", "theirs.txt"];
    let expect = ["--expect-wallet", "00000000000000000000000000000000"];
    other.refused("GP-BACKUP-FOREIGN", 14, &[&foreign[..], &expect[..]].concat());
    let whole = std::fs::read(place.path("b.gpb")).expect("a backup");
    std::fs::write(place.path("cut.gpb"), &whole[..whole.len() / 2]).expect("written");
    let cut = ["wallet", "restore", "cut.gpb", "--recovery-file", "words.txt", "--profile", "cut"];
    place.refused("GP-BACKUP-MALFORMED", 16, &cut);
    assert!(!place.path("home/profiles/cut").exists(), "half a wallet was left");

    place.write("own.txt", "a passphrase of the backup\n");
    let own = ["--backup-passphrase-file", "own.txt"];
    let args = [&["wallet", "backup", "-o", "own.gpb", "--profile", "dso"], &own[..]].concat();
    place.ok(&args);
    let args = ["wallet", "restore", "own.gpb", "--profile", "third"];
    place.ok(&[&args[..], &own[..]].concat());
}

#[test]
fn a_backup_older_than_a_rotation_is_told() {
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    place.ok(&["wallet", "backup", "-o", "b.gpb"]);
    assert!(place.ok(&["wallet", "status"]).stderr.is_empty());
    wait_for_next_second();
    let rotated = place.ok(&["id", "rotate", "root"]);
    assert!(rotated.stderr.contains("GP-BACKUP-STALE"), "{}", rotated.stderr);
    let ran = place.run(&["--json", "doctor"]);
    assert_eq!(ran.status, 11);
    assert!(codes_of(&ran.json()).contains(&"GP-BACKUP-STALE".into()));
    let verify = ["--json", "wallet", "backup-verify", "b.gpb", "--recovery-file", "words.txt"];
    assert_eq!(place.run(&verify).status, 11);
}
