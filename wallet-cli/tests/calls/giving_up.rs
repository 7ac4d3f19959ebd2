//! An identity that is given up: what its owner confirms, what ends with it, what stays, and what others
//! see of it.

use crate::common::waiting::wait_for_next_second;
use crate::common::{Place, codes_of};
use crate::parties::framework;
use serde_json::Value;

const ROLE: &str = "flex.gb.aggregator";
const WEBVH: [&str; 4] = ["--method", "webvh", "--location", "dso.example"];
const DEACTIVATE: [&str; 4] = ["id", "deactivate", "root", "--yes"];

fn says(error: &Value, member: &str, what: &str) {
    assert!(error[member].as_str().is_some_and(|text| text.contains(what)), "{what:?}: {error}");
}

#[test]
fn an_identity_is_given_up_once_that_was_confirmed_and_acts_no_more() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &WEBVH);
    wait_for_next_second();
    let asked = place.refused("GP-CONFIRMATION-NEEDED", 2, &["id", "deactivate", "root"]);
    says(&asked, "message", &format!("{did} ends for good"));
    says(&asked, "next", "--yes");
    place.ok(&["id", "resolve", &did]);

    let ended = place.ok_json("gridpass.id.deactivate/1", &DEACTIVATE);
    let since = ended["deactivated"].as_str().expect("a time");
    assert_eq!(ended["identity"]["did"], did.as_str());
    assert_eq!(ended["publish_at"], "https://dso.example/.well-known/did.jsonl");
    let list = place.ok_json("gridpass.id.list/1", &["id", "list"]);
    assert_eq!(list["identities"][0]["deactivated"], since);
    let shown = place.ok_json("gridpass.id.show/1", &["id", "show", "root"]);
    assert_eq!(shown["identity"]["deactivated"], since);
    for args in [["id", "list"].as_slice(), &["id", "show", "root"]] {
        let ran = place.ok(args);
        assert!(ran.text().contains(&format!("DEACTIVATED since {since}")), "{}", ran.text());
    }
    place.write("a.txt", "content");
    wait_for_next_second();
    for args in [
        ["sign", "a.txt"].as_slice(),
        &["sign", "a.txt", "--as", "root"],
        &["id", "rotate", "root"],
        &["id", "rotate", "root", "--compromised-since", "2026-01-01T00:00:00Z"],
        &DEACTIVATE,
    ] {
        place.refused("GP-IDENTITY-DEACTIVATED", 13, args);
    }
    // What is published says so, and has no document.
    place.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    let last = place.read("did.jsonl");
    let last: Value = serde_json::from_str(last.lines().last().expect("entries")).expect("JSON");
    assert_eq!(last["parameters"], serde_json::json!({"updateKeys": [], "deactivated": true}));
    place.refused("GP-DID-DEACTIVATED", 13, &["id", "export", "root", "--document"]);
    place.refused("GP-DID-DEACTIVATED", 13, &["id", "resolve", &did]);

    // The wallet goes on with it: it is whole, and so is its backup.
    place.ok(&["wallet", "backup", "-o", "b.gpb"]);
    place.ok(&["doctor"]);
    let restore = ["wallet", "restore", "b.gpb", "--recovery-file", "words.txt"];
    place.ok(&[&restore[..], &["--profile", "again"]].concat());
    let list = place.ok_json("gridpass.id.list/1", &["--profile", "again", "id", "list"]);
    assert_eq!(list["identities"][0]["deactivated"], since);
    let sign = ["--profile", "again", "sign", "a.txt"];
    place.refused("GP-IDENTITY-DEACTIVATED", 13, &sign);
}

#[test]
fn what_was_signed_before_the_end_stays_good_for_others() {
    let (owner, reader) = (Place::with_wallet(), Place::with_wallet());
    let made = owner
        .ok_json("gridpass.id.new/1", &[&["id", "new", "--name", "root"][..], &WEBVH].concat());
    let did = made["identity"]["did"].as_str().expect("a DID").to_owned();
    let created = made["identity"]["created"].as_str().expect("a time").to_owned();
    owner.write("order.txt", "reduce by 10 MW");
    owner.ok(&["id", "export", "root", "-o", "old.jsonl"]);
    wait_for_next_second();
    // In the same second as the call, too.
    owner.ok(&["sign", "order.txt", "-o", "order.jws"]);
    owner.ok(&DEACTIVATE);
    owner.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    for file in ["order.jws", "old.jsonl", "did.jsonl", "order.txt"] {
        reader.write(file, &owner.read(file));
    }
    let verify = |more: &[&str]| {
        let args = [&["--json", "verify-signature", "order.jws"], more].concat();
        let ran = reader.run(&args);
        (ran.status, codes_of(&ran.json()).remove(0))
    };
    let log = ["--log", "did.jsonl"];
    assert_eq!(verify(&log), (0, "GP-KEY-ROTATED-SINCE".to_owned()));
    let later = [&log[..], &["--at", "2099-01-01T00:00:00Z"]].concat();
    assert_eq!(verify(&later), (13, "GP-DID-DEACTIVATED".to_owned()));

    // Who learns of it keeps it, and is told; who has the log of before is not led astray.
    let learn = ["id", "resolve", &did, "--log", "did.jsonl", "--save"];
    says(&reader.refused("GP-DID-DEACTIVATED", 13, &learn), "next", "Its log is kept");
    let old = ["id", "resolve", &did, "--log", "old.jsonl"];
    reader.refused("GP-WEBVH-LOG-INVALID", 10, &old);
    let before = ["id", "resolve", &did, "--at", &created];
    let before = reader.ok_json("gridpass.id.resolve/1", &before);
    assert_eq!(before["document"]["id"], did.as_str());
    assert!(before["deactivated"].is_string(), "{before}");
    reader.refused("GP-DID-DEACTIVATED", 13, &["seal", "order.txt", "--unsigned", "--to", &did]);
}

#[test]
fn a_method_without_a_log_is_refused_with_what_can_be_done() {
    let place = Place::with_wallet();
    let web = ["--method", "web", "--location", "dso.example"];
    for (name, more, next) in [
        ("key", [].as_slice(), "gridpass id rotate key --compromised-since"),
        ("jwk", ["--method", "jwk"].as_slice(), "visa list --issued"),
        ("web", web.as_slice(), "https://dso.example/.well-known/did.json"),
        ("node", ["--node"].as_slice(), "gridpass visa revoke did:key:"),
    ] {
        place.new_identity(name, more);
        let args = ["id", "deactivate", name, "--yes"];
        says(&place.refused("GP-IDENTITY-CANNOT-DEACTIVATE", 2, &args), "next", next);
        place.ok(&["id", "show", name]);
    }
    place.refused("GP-IDENTITY-NOT-FOUND", 5, &["id", "deactivate", "nobody", "--yes"]);
}

#[test]
fn a_holder_that_gave_its_did_up_shows_nothing_any_more() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let issue = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-1"];
    regulator.ok(&[&issue[..], &["-o", "visa.json"]].concat());
    holder.ok(&["visa", "accept", "visa.json"]);
    let present = ["visa", "present", ROLE, "--to", &regulator.did, "--nonce", "n-1"];
    holder.ok(&[&present[..], &["-o", "shown.json"]].concat());
    let verify = |more: &[&str]| {
        let verify = ["--json", "visa", "verify", "shown.json", "--trust", "trust.json"];
        let audience = ["--audience", &regulator.did, "--nonce", "n-1"];
        let ran = place.run_bare(&[&verify[..], &audience, more].concat());
        (ran.status, ran.json()["code"].as_str().expect("a code").to_owned())
    };
    assert_eq!(verify(&[]), (0, "GP-VISA-IN-FORCE".to_owned()));

    wait_for_next_second();
    let asked = holder.refused("GP-CONFIRMATION-NEEDED", 2, &["id", "deactivate", "root"]);
    says(&asked, "message", "visas that it holds: 1");
    let ended = holder.json("gridpass.id.deactivate/1", &DEACTIVATE);
    assert_eq!((&ended["visas_held"], &ended["visas_issued"]), (&1.into(), &0.into()));
    holder.ok(&["id", "export", "root", "--parcel", "-o", "ended.json"]);
    wait_for_next_second();
    holder.refused("GP-IDENTITY-DEACTIVATED", 13, &present);
    let list = holder.json("gridpass.visa.list/1", &["visa", "list"]);
    assert_eq!(list["visas"][0]["state"], "refused");
    assert_eq!(list["visas"][0]["code"], "GP-IDENTITY-DEACTIVATED");
    let soon = ["visa", "expirations", "--within", "900d"];
    let soon = holder.json("gridpass.visa.expirations/1", &soon);
    assert_eq!(soon["expirations"], serde_json::json!([]), "nobody can renew it");
    // Nobody else knows before it is told.
    assert_eq!(verify(&[]).0, 0);
    let told = ["--evidence", "ended.json"];
    assert_eq!(verify(&told), (13, "GP-DID-DEACTIVATED".to_owned()));
    // A wallet takes the same file, and goes by it.
    let accepted = regulator.ok(&["status", "accept", "ended.json"]);
    assert!(accepted.text().contains("What is new of one DID"), "{}", accepted.text());
    regulator.refused("GP-DID-DEACTIVATED", 13, &["id", "resolve", &holder.did]);
    // Nobody could show another one.
    regulator.refused("GP-DID-DEACTIVATED", 13, &issue);
}

#[test]
fn an_issuer_that_gave_its_did_up_issues_and_revokes_nothing_and_what_it_issued_stays() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let issue = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-1"];
    regulator.ok(&[&issue[..], &["-o", "visa.json"]].concat());
    let node = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    regulator.ok(&["visa", "authorise-node", node, "-o", "node.json"]);
    wait_for_next_second();
    let asked = regulator.refused("GP-CONFIRMATION-NEEDED", 2, &["id", "deactivate", "root"]);
    for what in [
        "visas that it issued, in force: 1",
        "authorisations of nodes: 1",
        "one of its roots, and one of its signers, of whom 0 are left and 1 must sign",
        "before: revoke what must end at once",
    ] {
        says(&asked, "message", what);
    }
    let ended = regulator.json("gridpass.id.deactivate/1", &DEACTIVATE);
    assert_eq!((&ended["visas_issued"], &ended["nodes"]), (&1.into(), &1.into()));
    regulator.ok(&["id", "export", "root", "--parcel", "-o", "ended.json"]);
    wait_for_next_second();
    for args in [
        issue.as_slice(),
        &["visa", "revoke", &holder.did],
        &["visa", "revoke", node],
        &["status", "publish", "-o", "lists.json"],
        &["visa", "authorise-node", node, "-o", "again.json"],
        &["role", "define", "flex.gb.supplier"],
    ] {
        regulator.refused("GP-IDENTITY-DEACTIVATED", 13, args);
    }
    assert!(!place.path("lists.json").exists() && !place.path("again.json").exists());
    // Its list is of before, and fresh: a day later it is too old.
    let verify = ["--json", "visa", "verify", "visa.json", "--trust", "trust.json"];
    let verify = [&verify[..], &["--evidence", "ended.json"]].concat();
    let ran = place.run_bare(&verify);
    assert_eq!((ran.status, ran.json()["code"].as_str()), (0, Some("GP-VISA-IN-FORCE")), "{ran:?}");
}

#[test]
fn who_was_given_up_is_not_meant_where_nobody_is_named() {
    let place = Place::with_wallet();
    place.new_identity("root", &WEBVH);
    wait_for_next_second();
    place.ok(&DEACTIVATE);
    let successor = place.new_identity("successor", &[]);
    place.write("a.txt", "content");
    let signed = place.ok_json("gridpass.sign/1", &["sign", "a.txt"]);
    assert_eq!(signed["signer"], successor.as_str());
    place.refused("GP-IDENTITY-DEACTIVATED", 13, &["sign", "a.txt", "--as", "root"]);
}

#[test]
fn an_end_waits_for_the_witnesses_as_every_entry_does() {
    let (owner, witness) = (Place::with_wallet(), Place::with_wallet());
    let witness_did = witness.new_identity("w", &[]);
    let did = owner.new_identity("root", &[&WEBVH[..], &["--witness", &witness_did]].concat());
    wait_for_next_second();
    let ended = owner.ok(&DEACTIVATE);
    for step in [
        "id witness did:webvh:",
        "--witness did-witness.json --save   (it answers GP-DID-DEACTIVATED)",
        "gridpass id export root --parcel -o ended.json",
    ] {
        assert!(ended.text().contains(step), "{step:?}: {}", ended.text());
    }
    owner.refused("GP-WEBVH-WITNESS-MISSING", 11, &["id", "resolve", &did]);
    owner.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    witness.write("did.jsonl", &owner.read("did.jsonl"));
    let approve = ["id", "witness", &did, "--log", "did.jsonl", "-o", "did-witness.json"];
    let approved = witness.ok(&approve);
    assert!(approved.text().contains("which ends the DID for good"), "{}", approved.text());
    owner.write("did-witness.json", &witness.read("did-witness.json"));
    let learn = ["--log", "did.jsonl", "--witness", "did-witness.json", "--save"];
    let learn = [&["id", "resolve", &did][..], &learn].concat();
    owner.refused("GP-DID-DEACTIVATED", 13, &learn);
    owner.refused("GP-DID-DEACTIVATED", 13, &["id", "resolve", &did]);
}

#[test]
fn a_wallet_from_an_old_backup_learns_that_its_did_was_given_up() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &WEBVH);
    place.ok(&["wallet", "backup", "-o", "old.gpb"]);
    wait_for_next_second();
    place.ok(&DEACTIVATE);
    place.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    let restore = ["wallet", "restore", "old.gpb", "--recovery-file", "words.txt"];
    place.ok(&[&restore[..], &["--profile", "old"]].concat());
    place.write("a.txt", "content");
    let old = |args: &[&'static str]| [&["--profile", "old"], args].concat();
    place.ok(&old(&["sign", "a.txt", "-o", "a.jws"]));
    let save = ["--profile", "old", "id", "resolve", &did, "--log", "did.jsonl", "--save"];
    let saved = place.run(&save);
    assert_eq!(saved.status, 13, "{}", saved.stderr);
    assert!(saved.stderr.contains("GP-IDENTITY-DEACTIVATED"), "{}", saved.stderr);
    place.refused("GP-IDENTITY-DEACTIVATED", 13, &old(&["sign", "a.txt"]));
    wait_for_next_second();
    place.refused("GP-IDENTITY-DEACTIVATED", 13, &old(&["id", "rotate", "root"]));
    assert!(place.ok(&old(&["id", "list"])).text().contains("DEACTIVATED since"));
}

#[test]
fn of_an_identity_that_was_given_up_a_restored_wallet_waits_for_no_lists() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let issue = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-1"];
    regulator.ok(&[&issue[..], &["-o", "visa.json"]].concat());
    regulator.ok(&["wallet", "backup", "-o", "old.gpb"]);
    wait_for_next_second();
    regulator.ok(&DEACTIVATE);
    regulator.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    regulator.ok(&["wallet", "backup", "-o", "new.gpb"]);
    for (backup, profile) in [("old.gpb", "old"), ("new.gpb", "new")] {
        let restore = ["wallet", "restore", backup, "--recovery-file", "regulator-words.txt"];
        place.ok(&[&restore[..], &["--profile", profile]].concat());
    }
    let open = |profile: &str| {
        let codes = codes_of(&place.run(&["--json", "doctor", "--profile", profile]).json());
        codes.contains(&"GP-OWN-LISTS-OPEN".to_owned())
    };
    assert!(!open("new"), "nobody publishes for it");
    assert!(open("old"), "it does not know of that");
    let save = ["id", "resolve", &regulator.did, "--log", "did.jsonl", "--save"];
    assert_eq!(place.run(&[&["--profile", "old"], &save[..]].concat()).status, 13);
    let publish = ["--profile", "old", "status", "publish", "--despite-restore", "-o", "l.json"];
    place.refused("GP-IDENTITY-DEACTIVATED", 13, &publish);
    assert!(!open("old"), "what is said takes the mark away, though nothing can be signed");
}

#[test]
fn only_a_log_is_given_to_others_as_a_file_that_proves_itself() {
    let place = Place::with_wallet();
    place.new_identity("key", &[]);
    let parcel = ["id", "export", "key", "--parcel", "-o", "never.json"];
    says(&place.refused("GP-USAGE", 2, &parcel), "next", "--parcel");
    assert!(!place.path("never.json").exists());
}
