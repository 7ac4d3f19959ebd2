//! What identities are made of: what was asked for, or a refusal that says why not. And what is known of
//! those of others: by a file alone, or by the wallet, too.

use crate::common::waiting::wait_for_next_second;
use crate::common::{Place, Ran, codes_of};
use crate::dids::after_a_theft;
use crate::parties::framework;

/// How the public keys of an identity begin: `zDn` is P-256, `z6Mk` Ed25519, `z6LS` X25519.
fn keys_of(place: &Place, name: &str) -> Vec<String> {
    let shown = place.ok_json("gridpass.id.show/1", &["id", "show", name]);
    let keys = shown["identity"]["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["public_key"].as_str().expect("a Multikey").to_owned()).collect()
}

#[test]
fn the_keys_of_an_identity_are_of_the_type_that_was_asked_for() {
    let place = Place::with_wallet();
    place.write("a.txt", "content");
    let p256 = ["--key-type", "p256"];
    let web = |location| ["--method", "web", "--location", location];
    for (name, more, types) in [
        ("key", p256.to_vec(), &["zDn"][..]),
        ("jwk", [&["--method", "jwk"][..], &p256].concat(), &["zDn"]),
        ("web", [&web("dso.example")[..], &p256].concat(), &["zDn"]),
        ("usual", web("agg.example").to_vec(), &["z6Mk", "z6LS"]),
    ] {
        let did = place.new_identity(name, &more);
        let keys = keys_of(&place, name);
        assert!(!keys.is_empty(), "{name}");
        for key in keys {
            assert!(types.iter().any(|begins| key.starts_with(begins)), "{name}: {key}");
        }
        let jws = format!("{name}.jws");
        place.ok(&["sign", "a.txt", "--as", name, "-o", &jws]);
        place.ok(&["verify-signature", &jws, "--signer", &did]);
        // What is published has the same keys, and what is sealed to them opens.
        if name == "web" {
            let exported = place.ok_json("gridpass.id.export/1", &["id", "export", name]);
            let document = exported["content"].as_str().expect("a document");
            assert!(document.contains("\"zDn") && !document.contains("\"z6"), "{document}");
            place.ok(&["seal", "a.txt", "--to", &did, "--sign-with", name, "-o", "a.jwe"]);
            place.ok(&["open", "a.jwe", "--from", &did, "-o", "opened.txt"]);
            assert_eq!(place.read("opened.txt"), "content");
        }
    }
}

#[test]
fn what_a_method_cannot_give_is_refused_and_not_left_out() {
    let place = Place::with_wallet();
    let webvh = ["--method", "webvh", "--location", "dso.example"];
    let witness = ["--witness", "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"];
    for (code, more) in [
        ("GP-KEY-TYPE-UNSUITABLE", [&webvh[..], &["--key-type", "p256"]].concat()),
        ("GP-KEY-TYPE-UNSUITABLE", vec!["--node", "--key-type", "p256"]),
        ("GP-USAGE", vec!["--node", "--method", "jwk"]),
        ("GP-USAGE", [&webvh[..], &["--node"]].concat()),
        ("GP-USAGE", witness.to_vec()),
        ("GP-USAGE", [&witness[..], &["--method", "jwk"]].concat()),
        ("GP-USAGE", vec!["--location", "dso.example"]),
    ] {
        place.refused(code, 2, &[&["id", "new", "--name", "never"][..], &more].concat());
    }
    let list = place.ok_json("gridpass.id.list/1", &["id", "list"]);
    assert_eq!(list["identities"].as_array().map(Vec::len), Some(0), "{list}");
    // A peer would take its bytes for another key's.
    place.new_identity("desk", &["--key-type", "p256"]);
    let refused = place.refused("GP-KEY-TYPE-UNSUITABLE", 2, &["node", "run", "--as", "desk"]);
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("Ed25519")), "{refused}");
}

/// A script has no passphrase, and a log without its last entries hides a theft: what was left out is said.
#[test]
fn a_file_is_judged_alone_only_where_that_is_asked_for_and_it_is_said() {
    let (did, reader, stranger) = after_a_theft();

    let by_old = ["verify-signature", "stolen.jws", "--log", "old.jsonl"];
    let alone = [&by_old[..], &["--without-wallet"]].concat();
    let with_json = |args: &[&'static str]| [&["--json"], args].concat();
    let told = |ran: &Ran, status: i32, asked: &str| {
        let json = ran.json();
        assert_eq!((ran.status, json["wallet"].as_str()), (status, Some(asked)), "{json:#}");
        codes_of(&json).remove(0)
    };
    // As ever: what the wallet knows counts, and where it cannot be asked nothing is said to be fine.
    let ran = reader.run(&with_json(&by_old));
    assert_eq!(told(&ran, 10, "asked"), "GP-WEBVH-LOG-INVALID");
    let ran = reader.run_bare(&with_json(&by_old));
    assert_eq!(told(&ran, 11, "not-asked"), "GP-INPUT-NEEDED");
    assert!(ran.stderr.contains("--without-wallet"), "{}", ran.stderr);
    // By the file alone, and it is said.
    let ran = reader.run_bare(&with_json(&alone));
    assert_eq!(told(&ran, 0, "not-asked"), "GP-KEY-CURRENT");
    let text = reader.run_bare(&alone);
    assert!(text.text().contains("the wallet was NOT ASKED"), "{}", text.text());
    let ran = stranger.run_bare(&with_json(&by_old));
    assert_eq!(told(&ran, 0, "none-here"), "GP-KEY-CURRENT");

    let resolve = ["--json", "id", "resolve", &did, "--log", "old.jsonl"];
    let error = reader.run_bare(&resolve).error();
    assert_eq!(error["code"], "GP-INPUT-NEEDED");
    assert!(error["next"].as_str().is_some_and(|n| n.contains("--without-wallet")), "{error}");
    let ran = reader.run_bare(&[&resolve[..], &["--without-wallet"]].concat());
    assert_eq!((ran.status, ran.json()["wallet"].as_str()), (0, Some("not-asked")), "{ran:?}");
    let save = ["id", "resolve", &did, "--log", "new.jsonl", "--save", "--without-wallet"];
    reader.refused("GP-USAGE", 2, &save);

    // Of two wallets none is meant: neither is passed over in silence.
    reader.ok(&["init", "--name", "second", "--recovery-out", "second.txt"]);
    let ran = reader.run(&with_json(&by_old));
    assert_eq!(told(&ran, 11, "not-asked"), "GP-PROFILE-AMBIGUOUS");
    let ran = reader.run(&with_json(&[&by_old[..], &["--without-wallet"]].concat()));
    assert_eq!(told(&ran, 0, "not-asked"), "GP-KEY-CURRENT");
    let ran = reader.run(&with_json(&[&by_old[..], &["--profile", "dso"]].concat()));
    assert_eq!(told(&ran, 10, "asked"), "GP-WEBVH-LOG-INVALID");
}

/// Cut short on the way, or mistyped: what is made for it would be lost without a word.
#[test]
fn a_did_that_cannot_be_one_is_refused_wherever_one_is_named() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    place.write("a.txt", "content");
    regulator.ok(&["sign", "a.txt", "-o", "a.jws"]);
    let role = "flex.gb.aggregator";
    let issue_to = |did: &'static str| {
        let issue = ["visa", "issue", "--to", did, "--role", role];
        [&issue[..], &["--claim", "zone=GB-1", "-o", "never.json"]].concat()
    };
    for (did, code, status) in [
        ("did:key:zzz", "GP-KEY-MALFORMED", 16),
        ("did:jwk:AAAA", "GP-DID-MALFORMED", 16),
        ("did:web:192.0.2.1", "GP-DID-MALFORMED", 16),
        ("did:webvh:Qm:agg.example", "GP-DID-MALFORMED", 16),
        ("did:example:1", "GP-DID-METHOD-UNKNOWN", 14),
    ] {
        regulator.refused(code, status, &issue_to(did));
    }
    let cut = "did:key:zzz";
    for args in [
        &["visa", "authorise-node", cut, "-o", "never.json"][..],
        &["visa", "request", role, "--claim", "zone=GB-1", "--issuer", cut, "-o", "never.json"],
        &["visa", "present", role, "--to", cut, "-o", "never.json"],
        &["role", "define", "flex.gb.supplier", "--issuer", cut, "-o", "never.json"],
        &["role", "define", "flex.gb.supplier", "--revoker", cut, "-o", "never.json"],
        &["charter", "new", "Other", "--role", role, "--signer", cut, "-o", "never.json"],
        &["charter", "new", "Other", "--role", role, "--root", cut, "-o", "never.json"],
        &["charter", "amend", "--add-signer", cut, "-o", "never.json"],
        &["sign", "a.txt", "--for", cut, "-o", "never.json"],
        &["seal", "a.txt", "--to", cut, "-o", "never.json"],
        &["verify-signature", "a.jws", "--signer", cut],
        &["verify-signature", "a.jws", "--audience", cut],
        &["send", "flex.gb.bids", "bids", "a.txt", "--to", cut],
        &["node", "block", cut],
    ] {
        regulator.refused("GP-KEY-MALFORMED", 16, args);
    }
    assert!(!place.path("never.json").exists());
    let issued = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    assert_eq!(issued["visas"].as_array().map(Vec::len), Some(0), "{issued}");
    // Whoever reads it may know another method.
    regulator.ok(&["sign", "a.txt", "--for", "did:example:1", "-o", "for.jws"]);
    // A node's peers know it by an Ed25519 key.
    let p256 = place.new_identity("desk", &["--profile", "agg", "--key-type", "p256"]);
    let args = ["visa", "authorise-node", &p256, "-o", "never.json"];
    regulator.refused("GP-KEY-TYPE-UNSUITABLE", 2, &args);
}

#[test]
fn a_node_takes_a_log_as_its_owner_publishes_it() {
    let place = Place::with_wallet();
    place.new_identity("node", &["--node"]);
    let did = place.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    place.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    wait_for_next_second();
    place.ok(&["id", "rotate", "root"]);
    place.ok(&["id", "export", "root", "-o", "longer.jsonl"]);
    // Of one entry, and of two.
    for file in ["did.jsonl", "longer.jsonl"] {
        let added = place.ok_json("gridpass.node.add/1", &["node", "add", file]);
        assert_eq!(added["taken"], serde_json::json!([format!("what proves {did}")]), "{file}");
    }
    // The older one says nothing new.
    let added = place.ok_json("gridpass.node.add/1", &["node", "add", "did.jsonl"]);
    assert_eq!(added["taken"], serde_json::json!([]));
}

#[test]
fn nothing_is_given_to_a_node_that_is_starting_and_what_was_given_is_said() {
    let place = Place::with_wallet();
    for node in ["node-1", "node-2"] {
        place.new_identity(node, &["--node"]);
    }
    let did = place.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    place.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    place.refused("GP-IDENTITY-UNNAMED", 2, &["node", "add", "did.jsonl"]);
    let both = ["node", "add", "--as", "node-1", "did.jsonl", "words.txt"];
    let refused = place.refused("GP-NODE-FILE", 16, &both);
    let message = refused["message"].as_str().expect("text");
    assert!(message.contains(&format!("taken before it: what proves {did}")), "{message}");
    // A node has the lock before it reads what it was given, and answers only later.
    let lock = place.path("home/profiles/dso/node/store/log.lock");
    let lock = std::fs::File::options().append(true).open(lock).expect("a lock");
    lock.lock().expect("nobody has it");
    let add = ["node", "add", "--as", "node-1", "did.jsonl"];
    place.refused("GP-NODE-STARTING", 4, &add);
    drop(lock);
    place.ok(&add);
}

/// A DID whose log goes on in two ways: as its owner says in `dso.json`, and as a thief with a copy of the
/// wallet says in `thief.json`. `old.json` is how it was before, `dso.jsonl` the owner's log.
fn in_two_ways(owner: &Place) -> String {
    let did = owner.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    let export = |profile: &str, more: &[&str]| {
        owner.ok(&[&["--profile", profile, "id", "export", "root"], more].concat());
    };
    export("dso", &["--parcel", "-o", "old.json"]);
    owner.ok(&["wallet", "backup", "-o", "old.gpb"]);
    let restore = ["wallet", "restore", "old.gpb", "--recovery-file", "words.txt"];
    owner.ok(&[&restore[..], &["--profile", "thief"]].concat());
    wait_for_next_second();
    for (profile, file) in [("thief", "thief.json"), ("dso", "dso.json")] {
        owner.ok(&["--profile", profile, "id", "rotate", "root"]);
        export(profile, &["--parcel", "-o", file]);
    }
    export("dso", &["-o", "dso.jsonl"]);
    did
}

#[test]
fn a_log_that_contradicts_the_one_that_is_kept_is_refused_and_the_way_out_told() {
    let (owner, reader) = (Place::with_wallet(), Place::with_wallet());
    let did = in_two_ways(&owner);
    for file in ["old.json", "thief.json", "dso.json", "dso.jsonl"] {
        reader.write(file, &owner.read(file));
    }
    let accepted = |file| reader.ok_json("gridpass.status.accept/1", &["status", "accept", file]);
    assert_eq!(accepted("thief.json")["dids"], 1);
    // What is known already, and an older state of it, are nothing new and no contradiction.
    assert_eq!(accepted("thief.json")["dids"], 0);
    assert_eq!(accepted("old.json")["dids"], 0);
    let save = ["id", "resolve", &did, "--log", "dso.jsonl", "--save"];
    for refused in [&["status", "accept", "dso.json"][..], &save] {
        let refused = reader.refused("GP-WEBVH-LOG-INVALID", 10, refused);
        assert!(refused["next"].as_str().is_some_and(|n| n.contains("--replace-log")), "{refused}");
    }
    // Nor does a node say that the file was damaged on its way.
    reader.new_identity("node", &["--node"]);
    reader.ok(&["node", "add", "thief.json"]);
    let refused = reader.refused("GP-WEBVH-LOG-INVALID", 10, &["node", "add", "dso.json"]);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("--replace-log")), "{refused}");
    assert!(refused["message"].as_str().is_some_and(|m| m.contains(&did)), "{refused}");
    let end = format!("{did}=2-Qm");
    let replace = ["node", "add", "dso.json", "--replace-log", &end, "--yes"];
    let refused = reader.refused("GP-TRUST-PACK-MALFORMED", 16, &replace);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("no other file")), "{refused}");
}
