//! DIDs of every method: made, resolved, rotated and witnessed; and the logs that say what became of their keys.

use crate::common::waiting::wait_for_next_second;
use crate::common::{Place, codes_of};

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
