//! Files that a call reads, writes or must leave alone, and two calls at once.

use crate::common::{PASSPHRASE, Place, Ran, codes_of, contains};
use gridpass_identity::wallet::sled_store::SledStore;
use std::io::Write as _;
use std::process::Stdio;

fn names_in(place: &Place, folder: &str) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(place.path(folder))
        .map(|entries| {
            entries.map(|e| e.expect("an entry").file_name().into_string().expect("text")).collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn no_wallet_is_left_whose_words_could_not_be_handed_over() {
    let place = Place::new();
    let init = ["init", "--name", "dso", "--recovery-out", "absent/words.txt"];
    place.refused("GP-FILE-NOT-WRITTEN", 3, &init);
    assert_eq!(names_in(&place, "home/profiles"), [""; 0], "a wallet without its words");
    place.refused("GP-WALLET-NOT-FOUND", 5, &["wallet", "status", "--profile", "dso"]);
    place.ok(&["init", "--name", "dso", "--recovery-out", "words.txt"]);
    place.ok(&["id", "list", "--recovery-file", "words.txt"]);
}

#[test]
fn no_slot_is_added_whose_words_could_not_be_handed_over() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    let add = ["wallet", "slots", "add-recovery", "--recovery-out", "absent/words.txt"];
    place.refused("GP-FILE-NOT-WRITTEN", 3, &add);
    let list = place.ok_json("gridpass.wallet.slots/1", &["wallet", "slots", "list"]);
    assert_eq!(list["slots"].as_array().map(Vec::len), Some(2), "{list}");
    // Backups are still for words that somebody has.
    place.ok(&["wallet", "backup", "-o", "b.gpb"]);
    let restore = ["wallet", "restore", "b.gpb", "--recovery-file", "words.txt"];
    place.ok(&[&restore[..], &["--profile", "again"]].concat());
    let shown = place.ok(&["id", "list", "--profile", "again"]);
    assert!(shown.text().contains(&did));
}

#[test]
fn words_of_a_slot_that_was_refused_are_taken_back() {
    let place = Place::with_wallet();
    for i in 3..=16 {
        let file = format!("words{i}.txt");
        place.ok(&["wallet", "slots", "add-recovery", "--recovery-out", &file]);
    }
    let one_more = ["wallet", "slots", "add-recovery", "--recovery-out", "more.txt"];
    place.refused("GP-WALLET-LIMIT", 2, &one_more);
    assert!(!place.path("more.txt").exists(), "words that open nothing were left");
    place.ok(&["id", "list", "--recovery-file", "words16.txt"]);
}

#[test]
fn a_wallet_in_use_is_told_and_left_alone() {
    let place = Place::with_wallet();
    let held = SledStore::open(&place.path("home/profiles/dso")).expect("the wallet");
    for args in [
        &["id", "new", "--name", "x"][..],
        &["wallet", "status"],
        &["wallet", "backup", "-o", "b.gpb"],
        &["wallet", "slots", "remove", "1"],
    ] {
        let error = place.refused("GP-WALLET-IN-USE", 4, args);
        let holder = format!("process {}", std::process::id());
        assert!(error["message"].as_str().is_some_and(|m| m.contains(&holder)), "{error}");
        assert_eq!(error["transient"], true, "a script may try again: {error}");
    }
    let again = ["init", "--name", "dso", "--recovery-out", "more.txt"];
    assert_eq!(place.refused("GP-WALLET-EXISTS", 8, &again)["transient"], false);
    assert!(!place.path("b.gpb").exists() && !place.path("more.txt").exists());
    let ran = place.run(&["--json", "doctor"]);
    assert_eq!(ran.status, 11, "somebody else's lock is no damage");
    assert!(codes_of(&ran.json()).contains(&"GP-WALLET-IN-USE".into()));
    // It waits as long as it is told to, as every call does.
    let doctor = |wait: &'static str| {
        let mut command = place.bare();
        command.args(["--json", "--wait-for-wallet", wait, "doctor"]).stdout(Stdio::piped());
        command.spawn().expect("it starts")
    };
    let waiting = doctor("60s");
    assert!(!doctor("0s").wait().expect("it ends").success());
    drop(held);
    let waited = waiting.wait_with_output().expect("it ends");
    assert!(!contains(&waited.stdout, "GP-WALLET-IN-USE"), "{waited:?}");
    // Only the wallet that is named is looked at, and each check says whose it is.
    place.ok(&["init", "--name", "other", "--recovery-out", "other-words.txt"]);
    let checks = |args: &[&str]| -> Vec<serde_json::Value> {
        let told = place.run(&[&["--json"], args].concat()).json();
        told["checks"].as_array().expect("checks").clone()
    };
    let of = |checks: &[serde_json::Value], name: &str| -> Vec<String> {
        let named = checks.iter().filter(|check| check["name"] == name);
        named.map(|check| check["profile"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(of(&checks(&["doctor"]), "wallet"), ["dso", "other"]);
    let one = checks(&["doctor", "--profile", "other"]);
    assert_eq!((of(&one, "wallet"), of(&one, "program")), (vec!["other".into()], vec!["".into()]));
    let dso = ["--profile", "dso", "--recovery-file", "words.txt"];
    assert!(place.ok(&[&dso[..], &["id", "list"]].concat()).text().contains("No identities yet"));
}

/// Starts several calls at once and gives what came of each.
fn at_once(place: &Place, calls: &[Vec<String>]) -> Vec<Ran> {
    let children: Vec<_> = calls
        .iter()
        .map(|args| {
            let mut command = place.bare();
            command.args(["--json", "--passphrase-file", "passphrase.txt"]).args(args);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        })
        .collect();
    children.into_iter().map(|c| Ran::from(c.wait_with_output().expect("it ends"))).collect()
}

#[test]
fn of_many_calls_at_once_each_is_done_or_refused() {
    let place = Place::with_wallet();
    let names: Vec<String> = (0..8).map(|i| format!("n{i}")).collect();
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let calls: Vec<_> = names.iter().map(|n| words(&["id", "new", "--name", n])).collect();
    let results = at_once(&place, &calls);
    let list = place.ok_json("gridpass.id.list/1", &["id", "list"]);
    let there: Vec<&str> = list["identities"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|i| i["name"].as_str().expect("a name"))
        .collect();
    let mut done = 0;
    for (name, ran) in names.iter().zip(results) {
        assert_eq!(there.contains(&name.as_str()), ran.status == 0, "{name}: {ran:?}");
        if ran.status == 0 {
            done += 1;
        } else {
            assert_eq!((ran.status, ran.error()["code"].as_str()), (4, Some("GP-WALLET-IN-USE")));
        }
    }
    assert!(done > 0, "somebody comes first");
}

/// Several officers at one desk, or a backup while a batch runs.
#[test]
fn calls_that_wait_for_the_wallet_are_all_done() {
    let place = Place::with_wallet();
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let wait = ["--wait-for-wallet", "120"];
    let name = |i: usize| format!("n{i}");
    let mut calls: Vec<_> =
        (0..5).map(|i| words(&[&["id", "new", "--name", &name(i)][..], &wait].concat())).collect();
    calls.push(words(&[&["wallet", "backup", "-o", "b.gpb"][..], &wait].concat()));
    for ran in at_once(&place, &calls) {
        assert_eq!(ran.status, 0, "{ran:?}");
    }
    let list = place.ok_json("gridpass.id.list/1", &["id", "list"]);
    assert_eq!(list["identities"].as_array().map(Vec::len), Some(5));
    let _held = SledStore::open(&place.path("home/profiles/dso")).expect("the wallet");
    for time in ["1", "1s"] {
        place.refused("GP-WALLET-IN-USE", 4, &["wallet", "status", "--wait-for-wallet", time]);
    }
    place.refused("GP-USAGE", 2, &["wallet", "status", "--wait-for-wallet", "1 sec"]);
}

#[test]
fn of_two_wallets_made_at_once_in_one_profile_one_is_made() {
    let place = Place::new();
    let files = ["w0.txt", "w1.txt", "w2.txt"];
    let calls: Vec<Vec<String>> = files
        .iter()
        .map(|f| ["init", "--name", "dso", "--recovery-out", f].map(str::to_owned).to_vec())
        .collect();
    let results = at_once(&place, &calls);
    let mut made = 0;
    for (file, ran) in files.iter().zip(results) {
        if ran.status == 0 {
            made += 1;
            place.ok(&["id", "list", "--recovery-file", file]);
        } else {
            assert_eq!((ran.status, ran.error()["code"].as_str()), (8, Some("GP-WALLET-EXISTS")));
            assert!(!place.path(file).exists(), "words that open nothing were left");
        }
    }
    assert_eq!(made, 1);
    assert_eq!(names_in(&place, "home/profiles"), ["dso"], "a part of a wallet was left");
}

#[cfg(unix)]
#[test]
fn nothing_but_an_ordinary_file_is_written_over() {
    use std::os::unix::fs::FileTypeExt as _;
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    place.write("a.txt", "content");
    place.write("there.jws", "mine");
    let sign = |to: &'static str| ["sign", "a.txt", "-o", to];
    place.refused("GP-FILE-EXISTS", 8, &sign("there.jws"));
    assert_eq!(place.read("there.jws"), "mine");
    std::os::unix::fs::symlink("nowhere", place.path("link")).expect("a link");
    place.refused("GP-FILE-EXISTS", 8, &sign("link"));
    assert!(place.path("link").is_symlink());
    place.ok(&[&sign("there.jws")[..], &["--force"]].concat());
    assert_ne!(place.read("there.jws"), "mine");

    let status = std::process::Command::new("mkfifo").arg(place.path("pipe")).status();
    assert!(status.expect("mkfifo runs").success());
    std::fs::create_dir(place.path("folder")).expect("a folder");
    for to in ["pipe", "folder"] {
        place.refused("GP-FILE-NOT-WRITTEN", 3, &[&sign(to)[..], &["--force"]].concat());
        place.refused("GP-FILE-NOT-WRITTEN", 3, &sign(to));
    }
    let kind = std::fs::symlink_metadata(place.path("pipe")).expect("it is there").file_type();
    assert!(kind.is_fifo(), "a pipe was replaced by a file");
    place.refused("GP-FILE-NOT-WRITTEN", 3, &["sign", "a.txt", "-o", "absent/a.jws"]);
}

/// What has no end would fill the disk, and a pipe that nobody writes to would be waited for.
#[cfg(unix)]
#[test]
fn what_is_sent_as_a_file_is_an_ordinary_one() {
    let place = Place::with_wallet();
    let status = std::process::Command::new("mkfifo").arg(place.path("pipe")).status();
    assert!(status.expect("mkfifo runs").success());
    for (path, what) in [("/dev/zero", "no ordinary"), ("pipe", "no ordinary"), (".", "a folder")] {
        let refused = place.refused("GP-FILE-NOT-READ", 5, &["file", "send", "c", "t", path]);
        assert!(refused["message"].as_str().is_some_and(|m| m.contains(what)), "{refused}");
    }
    place.write("a.csv", "1,2");
    let send = ["file", "send", "c", "t", "a.csv", "--media-type", "text csv"];
    let refused = place.refused("GP-USAGE", 2, &send);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("--media-type")), "{refused}");
}

#[cfg(unix)]
#[test]
fn what_was_opened_and_every_secret_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    place.write("bid.txt", "10 MW");
    place.ok(&["seal", "bid.txt", "--to", &did, "-o", "bid.jwe"]);
    place.ok(&["open", "bid.jwe", "-o", "opened.txt"]);
    place.ok(&["wallet", "backup", "-o", "b.gpb"]);
    for name in ["words.txt", "opened.txt", "b.gpb", "home/profiles", "home/profiles/dso"] {
        let mode = std::fs::metadata(place.path(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
}

#[test]
fn what_is_no_text_is_malformed_not_absent() {
    let place = Place::with_wallet();
    std::fs::write(place.path("noise"), [0xff, 0xfe, 0, 1, 0x80]).expect("written");
    place.refused("GP-JWS-MALFORMED", 16, &["verify-signature", "noise"]);
    place.refused("GP-JWE-MALFORMED", 16, &["open", "noise"]);
    let noise = ["wallet", "backup-verify", "noise", "--recovery-file", "words.txt"];
    place.refused("GP-BACKUP-MALFORMED", 16, &noise);
    place.write("empty", "");
    place.refused("GP-JWS-MALFORMED", 16, &["verify-signature", "empty"]);
    place.refused("GP-JWE-MALFORMED", 16, &["open", "empty"]);
}

#[test]
fn a_home_that_is_no_folder_is_told_and_not_called_empty() {
    let place = Place::with_wallet();
    place.write("file", "");
    for args in [&["--home", "file", "wallet", "list"][..], &["--home", "file", "id", "list"]] {
        place.refused("GP-HOME-UNKNOWN", 3, args);
    }
    place.refused("GP-WALLET-NOT-FOUND", 5, &["--home", "absent", "id", "list"]);
    let none = place.ok_json("gridpass.wallet.list/1", &["--home", "absent", "wallet", "list"]);
    assert_eq!(none["profiles"].as_array().map(Vec::len), Some(0));
    assert!(!place.path("absent").exists(), "looking made a folder");
}

/// A flipped bit anywhere in a backup is refused, and what is refused leaves nothing.
#[test]
fn a_changed_backup_never_restores() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    place.ok(&["wallet", "backup", "-o", "b.gpb"]);
    let whole = std::fs::read(place.path("b.gpb")).expect("a backup");
    let words = ["--recovery-file", "words.txt"];
    for i in 0..24 {
        let mut changed = whole.clone();
        changed[whole.len() * i / 24] ^= 1;
        std::fs::write(place.path("changed.gpb"), changed).expect("written");
        let restore = ["--json", "wallet", "restore", "changed.gpb", "--profile", "again"];
        let ran = place.run(&[&restore[..], &words[..]].concat());
        assert!(matches!(ran.status, 4 | 10 | 16), "byte {i} of 24: {ran:?}");
    }
    for cut in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(place.path("changed.gpb"), &whole[..cut]).expect("written");
        let verify = ["wallet", "backup-verify", "changed.gpb"];
        place.refused("GP-BACKUP-MALFORMED", 16, &[&verify[..], &words[..]].concat());
    }
    assert_eq!(names_in(&place, "home/profiles"), ["dso"]);
    place.ok(&[&["wallet", "restore", "b.gpb", "--profile", "again"][..], &words[..]].concat());
}

/// Every byte that a passphrase or a word could have left: the calls' output, the wallet, a backup.
#[test]
fn no_three_words_and_no_passphrase_are_anywhere() {
    let place = Place::new();
    let mut shown = Vec::new();
    let mut run = |args: &[&str]| {
        let ran = place.ok(args);
        shown.extend(ran.stdout);
        shown.extend(ran.stderr.into_bytes());
    };
    place.write("wrong.txt", "another passphrase\n");
    run(&["init", "--name", "dso", "--recovery-out", "words.txt"]);
    run(&["--json", "id", "new", "--name", "root"]);
    run(&["--json", "wallet", "slots", "add-recovery", "--recovery-out", "words2.txt"]);
    run(&["wallet", "passphrase", "--new-passphrase-file", "wrong.txt"]);
    run(&["--passphrase-file", "wrong.txt", "wallet", "backup", "-o", "b.gpb"]);
    run(&["--json", "wallet", "backup-verify", "b.gpb", "--recovery-file", "words2.txt"]);
    run(&["--recovery-file", "words.txt", "--json", "doctor"]);
    let refused = place.run(&["id", "list"]);
    assert_eq!(refused.status, 4);
    shown.extend(refused.stderr.into_bytes());
    let disk = crate::common::all_bytes(&place.path("home"));
    let backup = std::fs::read(place.path("b.gpb")).expect("a backup");
    let mut secrets = vec![PASSPHRASE.to_owned(), "another passphrase".to_owned()];
    for file in ["words.txt", "words2.txt"] {
        let words = place.read(file);
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(words.len(), 24);
        secrets.extend(words.windows(3).map(|w| w.join(" ")));
        secrets.extend(words.windows(3).map(|w| w.join("\",\"")));
    }
    for secret in &secrets {
        assert!(!contains(&shown, secret), "a secret was shown");
        assert!(!contains(&disk, secret), "a secret is in the wallet");
        assert!(!contains(&backup, secret), "a secret is in the backup");
    }
    assert!(contains(&shown, "gridpass.id.new/1") && disk.len() > 1000 && backup.len() > 1000);
}

#[test]
fn standard_input_and_output_are_dashes() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    let run = |args: &[&str], input: &[u8]| {
        let mut command = place.bare();
        command.args(["--passphrase-file", "passphrase.txt"]).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
        Ran::from(child.wait_with_output().expect("it ends"))
    };
    let signed = run(&["sign", "-", "-o", "-"], b"\x00\xffraw");
    assert_eq!((signed.status, signed.stderr.as_str()), (0, ""));
    let verified = run(&["verify-signature", "-", "-o", "-"], &signed.stdout);
    assert_eq!((verified.status, &verified.stdout[..]), (0, &b"\x00\xffraw"[..]));
    assert!(verified.stderr.contains("GP-SIGNATURE-VALID"), "the report is beside the content");
    // One byte of the payload changed: no content comes out.
    let mut changed = signed.text().trim_end().to_owned().into_bytes();
    let dot = changed.iter().position(|b| *b == b'.').expect("a JWS") + 1;
    changed[dot] = if changed[dot] == b'A' { b'B' } else { b'A' };
    let refused = run(&["verify-signature", "-", "-o", "-"], &changed);
    assert_eq!(refused.status, 10, "{refused:?}");
    assert!(!contains(&refused.stdout, "raw"), "the content of a forged message came out");
}
