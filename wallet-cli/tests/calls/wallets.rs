//! A wallet is made once, opened by its secrets alone, and locked anew.

use crate::common::{PASSPHRASE, Place, all_bytes, contains};
use std::io::Write as _;
use std::process::Stdio;

#[test]
fn a_wallet_is_made_once_and_hands_over_its_words_once() {
    let place = Place::new();
    let json =
        place.ok_json("gridpass.init/1", &["init", "--name", "dso", "--recovery-out", "words.txt"]);
    assert_eq!(json["profile"], "dso");
    assert_eq!(place.read("words.txt").split_whitespace().count(), 24);
    let again = ["init", "--name", "dso", "--recovery-out", "more.txt"];
    place.refused("GP-WALLET-EXISTS", 8, &again);
    assert!(!place.path("more.txt").exists());
    place.refused("GP-RECOVERY-NOWHERE", 2, &["init", "--name", "other"]);
    let taken = ["init", "--name", "other", "--recovery-out", "words.txt"];
    place.refused("GP-FILE-EXISTS", 8, &taken);
    place.refused("GP-PROFILE-NAME", 2, &["init", "--name", "../x", "--recovery-out", "w"]);
    place.write("weak.txt", "short\n");
    let weak = ["init", "--name", "w", "--recovery-out", "w", "--passphrase-file", "weak.txt"];
    place.refused("GP-PASSPHRASE-WEAK", 2, &weak);
    assert_eq!(place.ok(&["wallet", "list"]).text().trim(), "dso");
}

#[test]
fn no_secret_is_shown_or_written_in_clear() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    let words = place.read("words.txt");
    let mut shown = Vec::new();
    for args in [
        vec!["wallet", "status"],
        vec!["id", "list"],
        vec!["id", "show", "root"],
        vec!["id", "export", "root"],
        vec!["wallet", "slots", "list"],
        vec!["doctor"],
    ] {
        for json in [false, true] {
            let mut command = place.bare();
            command.args(["--passphrase-file", "passphrase.txt"]);
            if json {
                command.arg("--json");
            }
            let output = command.args(&args).output().expect("it runs");
            shown.extend(output.stdout);
            shown.extend(output.stderr);
        }
    }
    let disk = all_bytes(&place.path("home"));
    for (what, bytes) in [("output", &shown), ("disk", &disk)] {
        assert!(!contains(bytes, PASSPHRASE), "the passphrase is in the {what}");
        assert!(!contains(bytes, words.trim()), "the words are in the {what}");
    }
    assert!(contains(&shown, &did), "what was looked at is the real output");
    assert!(!contains(&disk, &did), "a DID is in the clear on the disk");
    assert!(contains(&disk, "gridpass-wallet"), "what was looked at is the real disk");
}

#[test]
fn a_wrong_or_missing_secret_is_refused_and_named() {
    let place = Place::with_wallet();
    place.write("wrong.txt", "not the passphrase\n");
    place.refused("GP-WALLET-UNLOCK-FAILED", 4, &["id", "list", "--passphrase-file", "wrong.txt"]);
    place.refused("GP-FILE-NOT-READ", 5, &["id", "list", "--passphrase-file", "absent.txt"]);
    let ran = place.run_bare(&["--json", "id", "list"]);
    assert_eq!((ran.status, ran.error()["code"].as_str()), (4, Some("GP-INPUT-NEEDED")));
    place.ok(&["id", "list", "--recovery-file", "words.txt"]);
    place.refused("GP-PHRASE-MALFORMED", 16, &["id", "list", "--recovery-file", "wrong.txt"]);
}

#[cfg(unix)]
#[test]
fn a_passphrase_comes_through_a_file_descriptor() {
    let place = Place::with_wallet();
    let mut child = place
        .bare()
        .args(["id", "list", "--passphrase-fd", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(PASSPHRASE.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert!(contains(&output.stdout, "No identities yet"));
}

#[cfg(unix)]
#[test]
fn an_open_secret_file_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::with_wallet();
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(place.path("passphrase.txt"), mode).expect("opened");
    let ran = place.run_with_passphrase(&["id", "list"]);
    assert!(ran.stderr.starts_with("warning [GP-PERMISSIONS-OPEN]: "), "{}", ran.stderr);
    // In JSON each line is an object, and the error is the last.
    let ran = place.run_with_passphrase(&["--json", "id", "show", "nobody"]);
    let lines: Vec<serde_json::Value> =
        ran.stderr.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let told = |n: usize| (lines[n]["schema"].as_str(), lines[n]["code"].as_str());
    assert!(lines.len() > 1, "{}", ran.stderr);
    assert_eq!(told(0), (Some("gridpass.warning/1"), Some("GP-PERMISSIONS-OPEN")));
    assert!(
        lines[0]["message"].as_str().is_some_and(|m| m.contains("chmod 600")),
        "{}",
        ran.stderr
    );
    assert_eq!(told(lines.len() - 1), (Some("gridpass.error/1"), Some("GP-IDENTITY-NOT-FOUND")));
    // What would do something on a terminal is in JSON, in a spelling that does nothing.
    let name = "pass\u{200d}phrase.txt";
    std::fs::write(place.path(name), PASSPHRASE).expect("written");
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(place.path(name), mode).expect("opened");
    let ran = place.ok(&["--json", "id", "list", "--passphrase-file", name]);
    let told = ran.objects_on_stderr();
    assert!(!ran.stderr.contains('\u{200d}'), "{}", ran.stderr);
    assert!(told[0]["message"].as_str().is_some_and(|m| m.contains(name)), "{told:?}");
    let text = place.ok(&["id", "list", "--passphrase-file", name]).stderr;
    assert!(!text.contains('\u{200d}') && text.contains("\\u{200d}"), "{text}");
}

#[test]
fn slots_and_passphrases_change() {
    let place = Place::with_wallet();
    place.write("new.txt", "a better passphrase\n");
    let slots = ["wallet", "slots", "list"];
    place.ok(&["wallet", "passphrase", "--new-passphrase-file", "new.txt"]);
    place.refused("GP-WALLET-UNLOCK-FAILED", 4, &["id", "list"]);
    place.ok(&["id", "list", "--passphrase-file", "new.txt"]);
    place.refused("GP-INPUT-NEEDED", 4, &["wallet", "passphrase", "--passphrase-file", "new.txt"]);
    let with_words = ["wallet", "passphrase", "--recovery-file", "words.txt"];
    place.ok(&[&with_words[..], &["--new-passphrase-file", "passphrase.txt"]].concat());
    place.ok(&["id", "list"]);
    let list = place.ok_json("gridpass.wallet.slots/1", &slots);
    assert_eq!(list["slots"].as_array().map(Vec::len), Some(3));
    place.ok(&["wallet", "slots", "add-recovery", "--recovery-out", "words2.txt"]);
    place.ok(&["id", "list", "--recovery-file", "words2.txt"]);
    for id in ["2", "3", "5"] {
        place.ok(&["wallet", "slots", "remove", id]);
    }
    place.refused("GP-WALLET-LAST-SLOT", 8, &["wallet", "slots", "remove", "4"]);
    place.refused("GP-WALLET-SLOT-NOT-FOUND", 5, &["wallet", "slots", "remove", "99"]);
}
