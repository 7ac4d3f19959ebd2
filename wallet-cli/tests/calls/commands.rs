//! Every command as its users call it: answers, JSON, exit statuses, refusals.

use crate::common::{PASSPHRASE, Place, all_bytes, codes_of, contains};
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
    let ran = place.ok(&["id", "list"]);
    assert!(ran.stderr.starts_with("warning [GP-PERMISSIONS-OPEN]: "), "{}", ran.stderr);
    // In JSON each line is an object, and the error is the last.
    let ran = place.run(&["--json", "id", "show", "nobody"]);
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
fn every_method_makes_an_identity_that_resolves() {
    let place = Place::with_wallet();
    let web = ["--method", "web", "--location", "dso.example:grid"];
    let webvh = ["--method", "webvh", "--location", "dso.example"];
    for (name, more, method) in [
        ("a", vec!["--key-type", "p256"], "did:key:zDn"),
        ("b", vec!["--method", "jwk"], "did:jwk:"),
        ("c", web.to_vec(), "did:web:dso.example:grid"),
        ("d", webvh.to_vec(), "did:webvh:Qm"),
        ("e", vec!["--node"], "did:key:z6Mk"),
    ] {
        let did = place.new_identity(name, &more);
        assert!(did.starts_with(method), "{did}");
        let json = place.ok_json("gridpass.id.resolve/1", &["id", "resolve", &did]);
        assert_eq!(json["document"]["id"], did.as_str());
        let shown = place.ok_json("gridpass.id.show/1", &["id", "show", name]);
        assert_eq!(shown["identity"]["did"], did.as_str());
    }
    let list = place.ok_json("gridpass.id.list/1", &["id", "list"]);
    assert_eq!(list["identities"].as_array().map(Vec::len), Some(5));
    place.refused("GP-IDENTITY-EXISTS", 8, &["id", "new", "--name", "a"]);
    place.refused("GP-IDENTITY-NOT-FOUND", 5, &["id", "show", "nobody"]);
    place.refused("GP-USAGE", 2, &["id", "new", "--name", "x", "--method", "webvh"]);
    let address = ["id", "new", "--name", "x", "--method", "webvh", "--location", "127.0.0.1"];
    place.refused("GP-WEBVH-ENTRY-REFUSED", 2, &address);
}

#[test]
fn dids_that_cannot_be_resolved_say_why() {
    let place = Place::with_wallet();
    for (did, code, status) in [
        ("did:key", "GP-DID-MALFORMED", 16),
        ("did:key:z6Mk", "GP-KEY-MALFORMED", 16),
        ("did:example:1", "GP-DID-METHOD-UNKNOWN", 14),
        ("did:web:nowhere.example", "GP-DID-NOT-FOUND", 5),
    ] {
        place.refused(code, status, &["id", "resolve", did]);
    }
    place.write("other.json", r#"{"id":"did:web:other.example"}"#);
    let other = ["id", "resolve", "did:web:dso.example", "--document", "other.json"];
    place.refused("GP-DID-DOCUMENT-OTHER-ID", 10, &other);
    let ahead = ["id", "resolve", "did:web:other.example", "--document", "other.json", "--save"];
    let ahead = [&ahead[..], &["--seen", "2099-01-01T00:00:00Z"]].concat();
    let refused = place.refused("GP-USAGE", 2, &ahead);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("--seen")), "{refused}");
    place.refused("GP-DID-NOT-FOUND", 5, &["id", "resolve", "did:web:other.example"]);
    // Of no file it says nothing.
    let seen = ["--seen", "2026-03-01T00:00:00Z"];
    let own = place.new_identity("desk", &[]);
    place.refused("GP-USAGE", 2, &[&["id", "resolve", &own], &seen[..]].concat());
    place.write("a.txt", "content");
    place.ok(&["sign", "a.txt", "--as", "desk", "-o", "a.jws"]);
    place.refused("GP-USAGE", 2, &[&["verify-signature", "a.jws"], &seen[..]].concat());
}

#[test]
fn signatures_verify_as_of_their_time_after_rotation_and_compromise() {
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    place.write("order.txt", "reduce by 10 MW");
    place.ok(&["sign", "order.txt", "-o", "order.jws"]);
    let verify = |more: &[&str]| {
        let args = [&["--json", "verify-signature", "order.jws", "--log", "did.jsonl"], more];
        let ran = place.run(&args.concat());
        (ran.status, codes_of(&ran.json()))
    };
    let export = ["id", "export", "root", "-o", "did.jsonl", "--force"];
    place.ok(&export);
    assert_eq!(verify(&[]), (0, vec!["GP-KEY-CURRENT".into(), "GP-SIGNATURE-VALID".into()]));
    wait_for_next_second();
    place.ok(&["id", "rotate", "root"]);
    place.ok(&export);
    assert_eq!(verify(&[]).0, 0);
    assert_eq!(verify(&[]).1[0], "GP-KEY-ROTATED-SINCE");
    let (status, codes) = verify(&["--at", "2099-01-01T00:00:00Z"]);
    assert_eq!((status, codes[0].as_str()), (12, "GP-KEY-ROTATED"));
    let (status, codes) = verify(&["--signer", "did:web:tso.example"]);
    assert_eq!((status, codes[0].as_str()), (10, "GP-SIGNER-OTHER"));

    place.ok(&["sign", "order.txt", "-o", "order.jws", "--force"]);
    wait_for_next_second();
    let future = ["id", "rotate", "root", "--compromised-since", "2099-01-01T00:00:00Z"];
    place.refused("GP-COMPROMISE-TIME", 2, &future);
    let since = "2020-01-01T00:00:00Z";
    let rotated = place.ok(&["id", "rotate", "root", "--compromised-since", since]);
    for key in ["#assertion-1", "#assertion-2"] {
        assert!(rotated.text().contains(key), "{key} was in use since then: {}", rotated.text());
    }
    place.ok(&export);
    let (status, codes) = verify(&["-o", "content.txt"]);
    assert_eq!((status, codes[0].as_str()), (13, "GP-KEY-COMPROMISED"));
    assert!(!place.path("content.txt").exists(), "content of a failed verification was written");
}

#[test]
fn a_wallet_from_an_old_backup_is_told_of_its_own_log_and_signs_no_more() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    place.ok(&["wallet", "backup", "-o", "old.gpb"]);
    wait_for_next_second();
    place.ok(&["id", "rotate", "root"]);
    place.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    let restore = ["wallet", "restore", "old.gpb", "--recovery-file", "words.txt"];
    let restored = place.ok(&[&restore[..], &["--profile", "old"]].concat());
    let step = format!("--profile old id resolve {did} --fetch --save");
    assert!(restored.text().contains(&step), "{}", restored.text());
    place.write("a.txt", "content");
    let old = |args: &[&'static str]| [&["--profile", "old"], args].concat();
    let save = ["--profile", "old", "id", "resolve", &did, "--log", "did.jsonl", "--save"];
    let saved = place.ok(&save);
    assert!(saved.stderr.contains("GP-WALLET-OUTDATED"), "{}", saved.stderr);
    place.refused("GP-WALLET-OUTDATED", 8, &old(&["sign", "a.txt"]));
    wait_for_next_second();
    place.refused("GP-WALLET-OUTDATED", 8, &old(&["id", "rotate", "root"]));
    place.ok(&["--profile", "dso", "sign", "a.txt", "-o", "a.jws"]);
}

/// A DID whose key was stolen; somebody whose wallet keeps the log that says so, and somebody without one. Both
/// have what the thief signed, and the log from before and after.
pub(crate) fn after_a_theft() -> (String, Place, Place) {
    let owner = Place::with_wallet();
    let did = owner.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    owner.write("order.txt", "reduce by 10 MW");
    owner.ok(&["sign", "order.txt", "-o", "stolen.jws"]);
    owner.ok(&["id", "export", "root", "-o", "old.jsonl"]);
    wait_for_next_second();
    owner.ok(&["id", "rotate", "root", "--compromised-since", "2020-01-01T00:00:00Z"]);
    owner.ok(&["id", "export", "root", "-o", "new.jsonl"]);
    let (reader, stranger) = (Place::with_wallet(), Place::new());
    for file in ["stolen.jws", "old.jsonl", "new.jsonl"] {
        reader.write(file, &owner.read(file));
        stranger.write(file, &owner.read(file));
    }
    reader.ok(&["id", "resolve", &did, "--log", "new.jsonl", "--save"]);
    (did, reader, stranger)
}

/// A thief shows the log as it was before the theft was said in it.
#[test]
fn a_log_that_is_given_counts_beside_the_one_that_is_kept() {
    let (did, reader, stranger) = after_a_theft();
    let verify = |more: &[&str]| {
        let ran = reader.run(&[&["--json", "verify-signature", "stolen.jws"], more].concat());
        (ran.status, codes_of(&ran.json()).remove(0))
    };
    assert_eq!(verify(&[]), (13, "GP-KEY-COMPROMISED".to_owned()));
    assert_eq!(verify(&["--log", "new.jsonl"]), (13, "GP-KEY-COMPROMISED".to_owned()));
    assert_eq!(verify(&["--log", "old.jsonl"]), (10, "GP-WEBVH-LOG-INVALID".to_owned()));
    let resolve = ["id", "resolve", &did, "--log", "old.jsonl"];
    let refused = reader.refused("GP-WEBVH-LOG-INVALID", 10, &resolve);
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("older state")), "{refused}");
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("only older")), "{refused}");
    // Whoever keeps nothing knows no better.
    let ran = stranger.run_bare(&["verify-signature", "stolen.jws", "--log", "old.jsonl"]);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    // A wallet that cannot be asked is not passed over.
    let locked = ["--json", "id", "resolve", &did, "--log", "old.jsonl"];
    assert_eq!(reader.run_bare(&locked).error()["code"], "GP-INPUT-NEEDED");
}

/// did:webvh dates its entries in whole seconds.
pub(crate) fn wait_for_next_second() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let into = now.expect("after 1970").subsec_millis();
    std::thread::sleep(std::time::Duration::from_millis(u64::from(1010 - into)));
}

#[test]
fn tampered_and_detached_signatures() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    place.write("a.txt", "content");
    place.ok(&["sign", "a.txt", "--detached", "-o", "a.jws"]);
    place.refused("GP-PAYLOAD-MISSING", 2, &["verify-signature", "a.jws"]);
    place.ok(&["verify-signature", "a.jws", "--payload", "a.txt"]);
    place.write("b.txt", "content!");
    let ran = place.run(&["--json", "verify-signature", "a.jws", "--payload", "b.txt", "-o", "c"]);
    assert_eq!(ran.status, 10);
    assert!(codes_of(&ran.json()).contains(&"GP-SIGNATURE-INVALID".into()));
    assert!(!place.path("c").exists());
    place.write("none.jws", "eyJhbGciOiJub25lIn0.e30.");
    place.refused("GP-JWS-HEADER-REFUSED", 10, &["verify-signature", "none.jws"]);
    place.refused("GP-FILE-EXISTS", 8, &["sign", "a.txt", "-o", "a.jws"]);
    place.refused("GP-FILE-NOT-READ", 5, &["sign", "absent.txt"]);
}

#[test]
fn a_signers_document_that_is_out_of_reach_is_unknown_not_forged() {
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "web", "--location", "dso.example"]);
    place.write("a.txt", "content");
    place.ok(&["sign", "a.txt", "-o", "a.jws"]);
    // The wallet could tell, and there is no passphrase to open it with.
    let ran = place.run_bare(&["--json", "verify-signature", "a.jws"]);
    assert_eq!((ran.status, codes_of(&ran.json())), (11, vec!["GP-INPUT-NEEDED".to_owned()]));
    place.ok(&["verify-signature", "a.jws"]);
    // Nobody here has ever seen it.
    let other = Place::new();
    std::fs::copy(place.path("a.jws"), other.path("a.jws")).expect("sent");
    let ran = other.run(&["--json", "verify-signature", "a.jws"]);
    assert_eq!((ran.status, codes_of(&ran.json())), (11, vec!["GP-DID-NOT-FOUND".to_owned()]));
}

#[test]
fn sealed_messages_open_for_their_recipient_only() {
    let alice = Place::with_wallet();
    let bob = Place::with_wallet();
    alice.new_identity("a", &[]);
    let to = bob.new_identity("b", &["--key-type", "p256"]);
    alice.write("bid.txt", "10 MW at 84");
    alice.ok(&["seal", "bid.txt", "--to", &to, "-o", "bid.jwe"]);
    std::fs::copy(alice.path("bid.jwe"), bob.path("bid.jwe")).expect("sent by e-mail");
    alice.refused("GP-JWE-NOT-FOR-US", 5, &["open", "bid.jwe"]);
    bob.ok(&["open", "bid.jwe", "-o", "bid.txt"]);
    assert_eq!(bob.read("bid.txt"), "10 MW at 84");
    let ran = bob.run(&["--json", "open", "bid.jwe", "--from", &to]);
    assert_eq!(ran.status, 10, "another sender than expected");
    assert!(codes_of(&ran.json()).contains(&"GP-SIGNER-OTHER".into()));
    // An auditor verifies what was kept.
    bob.ok(&["open", "bid.jwe", "--keep-signature", "-o", "bid.jws"]);
    let args = ["verify-signature", "bid.jws", "--purpose", "authentication", "--audience", &to];
    bob.ok(&args);

    alice.ok(&["seal", "bid.txt", "--to", &to, "--unsigned", "-o", "anon.jwe"]);
    std::fs::copy(alice.path("anon.jwe"), bob.path("anon.jwe")).expect("sent by e-mail");
    let ran = bob.run(&["--json", "open", "anon.jwe", "-o", "anon.txt"]);
    assert_eq!((ran.status, codes_of(&ran.json())), (11, vec!["GP-UNSIGNED".to_owned()]));
    assert!(!bob.path("anon.txt").exists());
    bob.ok(&["open", "anon.jwe", "--insecure-accept-unsigned", "-o", "anon.txt"]);
    alice.refused("GP-DID-NOT-FOUND", 5, &["seal", "bid.txt", "--to", "did:web:x.example"]);
}

#[test]
fn seal_and_open_work_in_a_pipe() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    let pipe = |args: &[&str], input: &[u8]| {
        let mut child = place
            .bare()
            .args(["--passphrase-file", "passphrase.txt"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let bytes = [0, 1, 2, 0xff, b'\n', 0x1b];
    let sealed = pipe(&["seal", "-", "--to", &did], &bytes);
    assert_eq!(pipe(&["open", "-"], &sealed), bytes);
    assert!(!contains(&pipe(&["id", "list"], b""), "\u{1b}["), "no colour where nobody looks");
}

#[test]
fn a_closed_pipe_is_no_crash() {
    let place = Place::new();
    let mut child = place
        .bare()
        .arg("explain")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.code().is_some(), "killed by a signal");
    assert!(!contains(&output.stderr, "panicked"), "{:?}", output.stderr);
}

#[test]
fn a_did_key_cannot_rotate_and_says_what_to_do() {
    let place = Place::with_wallet();
    let did = place.new_identity("k", &[]);
    let error = place.refused("GP-IDENTITY-CANNOT-ROTATE", 2, &["id", "rotate", "k"]);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains(&format!("every visa whose subject is {did}")), "{message}");
    assert!(!message.contains('\n'), "an error is one line: {message}");
    let web = ["--method", "web", "--location", "dso.example"];
    place.new_identity("web", &web);
    let error = place.refused("GP-IDENTITY-CANNOT-ROTATE", 2, &["id", "rotate", "web"]);
    assert!(error["message"].as_str().is_some_and(|m| !m.contains("identifier")), "{error}");
    let again = [&["id", "new", "--name", "again"][..], &web].concat();
    place.refused("GP-IDENTITY-EXISTS", 8, &again);
    let marked =
        |since: &str| place.run(&["--json", "id", "rotate", "k", "--compromised-since", since]);
    assert_eq!(marked("2099-01-01T00:00:00Z").error()["code"], "GP-COMPROMISE-TIME");
    assert_eq!(marked("2026-01-01T00:00:00Z").status, 0);
    // Nothing is said to be done that is not.
    for since in ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"] {
        assert_eq!(marked(since).error()["code"], "GP-COMPROMISE-TIME", "{since}");
    }
    let json = marked("2025-06-01T00:00:00Z").json();
    assert_eq!(json["marked"].as_array().map(Vec::len), Some(2), "{json}");
    let shown = place.ok(&["id", "show", "k"]);
    assert!(shown.text().contains("COMPROMISED since 2025-06-01T00:00:00Z"), "{}", shown.text());
    place.write("a.txt", "x");
    place.refused("GP-IDENTITY-KEY-MISSING", 5, &["sign", "a.txt", "--as", "k"]);
}

#[test]
fn a_node_cannot_issue() {
    let place = Place::with_wallet();
    place.new_identity("n", &["--node"]);
    place.write("a.txt", "x");
    place.ok(&["sign", "a.txt", "-o", "a.jws"]);
    place.ok(&["verify-signature", "a.jws", "--purpose", "authentication"]);
    place.refused("GP-NODE-CANNOT-ACT", 15, &["sign", "a.txt", "--purpose", "assertion"]);
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

#[test]
fn witnesses_approve_a_log_and_never_a_second_history() {
    let owner = Place::with_wallet();
    let witness = Place::with_wallet();
    let witness_did = witness.new_identity("w", &[]);
    let more = ["--method", "webvh", "--location", "dso.example", "--witness", &witness_did];
    let did = owner.new_identity("root", &more);
    owner.refused("GP-WEBVH-WITNESS-MISSING", 11, &["id", "resolve", &did]);
    owner.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    std::fs::copy(owner.path("did.jsonl"), witness.path("did.jsonl")).expect("sent");
    witness.ok(&["id", "witness", &did, "--log", "did.jsonl", "-o", "did-witness.json"]);
    std::fs::copy(witness.path("did-witness.json"), owner.path("did-witness.json")).expect("sent");
    let args = ["--log", "did.jsonl", "--witness", "did-witness.json", "--save"];
    owner.ok(&[&["id", "resolve", &did][..], &args[..]].concat());
    owner.ok(&["id", "resolve", &did]);
    wait_for_next_second();
    // Without them nobody believes the new log: what they do, and what comes of it, is the next step.
    let rotated = owner.ok(&["id", "rotate", "root"]);
    let made = owner.ok(&[&["id", "new", "--name", "other"][..], &more].concat());
    for text in [rotated.text(), made.text()] {
        assert!(text.contains(&format!("1 of its witnesses: {witness_did}.")), "{text}");
        for step in ["id witness did:webvh:", "--witness did-witness.json --save"] {
            assert!(text.contains(step), "{text}");
        }
    }
    owner.ok(&["id", "export", "root", "-o", "longer.jsonl"]);
    std::fs::copy(owner.path("longer.jsonl"), witness.path("longer.jsonl")).expect("sent");
    witness.ok(&["id", "witness", &did, "--log", "longer.jsonl", "-o", "second.json"]);
    let back = ["id", "witness", &did, "--log", "did.jsonl"];
    witness.refused("GP-WEBVH-LOG-INVALID", 10, &back);
}

#[test]
fn explain_doctor_completions_man_and_help_answer() {
    let place = Place::with_wallet();
    let json = place.ok_json("gridpass.explain/1", &["explain", "gp-key-compromised"]);
    assert_eq!(
        (json["code"].as_str(), json["exit"].as_i64()),
        (Some("GP-KEY-COMPROMISED"), Some(13))
    );
    place.refused("GP-CODE-UNKNOWN", 5, &["explain", "GP-NONSENSE"]);
    place.ok_json("gridpass.doctor/1", &["doctor"]);
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.ok(&["completions", shell]).text().contains("verify-signature"));
    }
    assert!(place.ok(&["man"]).text().contains(".TH"));
    place.ok(&["man", "--dir", "pages"]);
    assert!(place.path("pages/gridpass-id-rotate.1").exists());
    let help = place.ok(&["seal", "--help"]);
    assert!(help.text().contains("Examples:") && help.text().contains("10 failed verification"));
    assert_eq!(place.run_bare(&["nonsense"]).status, 2);
}

#[test]
fn the_demonstration_runs_and_leaves_wallets_to_look_at() {
    let place = Place::new();
    let ran = place.ok(&["--json", "demo", "--tour", "--keep", "grid"]);
    let json = ran.json();
    let said = (json["schema"].as_str(), json["outcome"].as_str());
    assert_eq!(said, (Some("gridpass.demo.tour/1"), Some("passed")));
    // Beside the answer each line is an object, as with every command.
    let hints = ran.objects_on_stderr();
    assert!(hints.iter().all(|h| h["schema"] == "gridpass.hint/1"), "{hints:?}");
    assert!(hints.len() > 10, "{hints:?}");
    let args =
        ["--home", "grid", "--profile", "dso-north", "--passphrase-file", "grid/passphrase.txt"];
    let list = place.ok(&[&args[..], &["id", "list"]].concat());
    assert!(list.text().contains("did:webvh:"), "{}", list.text());
    place.refused("GP-FILE-EXISTS", 8, &["demo", "--tour", "--keep", "grid"]);
}
