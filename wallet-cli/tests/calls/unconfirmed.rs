//! A disk that fails once a change of the wallet is written: nobody does it a second time, and what belongs to it can
//! be had all the same. A folder that is in the way of the last file stands for the disk.

use crate::common::Place;
use crate::common::waiting::wait_for_next_second;
use crate::parties::framework;
use serde_json::Value;

const ROLE: &str = "flex.gb.aggregator";

/// A call during which the change of a profile's wallet cannot be finished.
fn cut_off(place: &Place, profile: &str, args: &[&str]) -> Value {
    let in_the_way = place.path(&format!("home/profiles/{profile}/head.next"));
    std::fs::create_dir(&in_the_way).expect("a folder");
    let args = [&["--profile", profile], args].concat();
    let error = place.refused("GP-STORE-UNCONFIRMED", 3, &args);
    std::fs::remove_dir(&in_the_way).expect("still there");
    error
}

fn next_of(error: &Value) -> &str {
    error["next"].as_str().expect("a next step")
}

/// The first call that an error names as the next step.
fn step_of(error: &Value) -> Vec<String> {
    let step = next_of(error).split('`').nth(1).expect("a call");
    let words = step.strip_prefix("gridpass ").expect("of this command");
    words.split(' ').map(str::to_owned).collect()
}

#[test]
fn a_visa_that_is_issued_and_revoked_has_its_files_all_the_same() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let issue = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-1"];
    let error = cut_off(&place, "regulator", &[&issue[..], &["-o", "visa.json"]].concat());
    assert!(next_of(&error).contains("visa list --issued"), "{error}");
    assert!(next_of(&error).contains("visa export"), "{error}");
    assert!(!place.path("visa.json").exists());
    let list = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    assert_eq!(list["visas"].as_array().map(Vec::len), Some(1), "it is issued");
    let id = list["visas"][0]["visa"]["id"].as_str().expect("an id").to_owned();
    regulator.ok(&["visa", "export", &id, "-o", "visa.json"]);
    holder.ok(&["visa", "accept", "visa.json"]);
    let (to, nonce) = (["--to", &regulator.did], ["--nonce", "n-1"]);
    let present = [&["visa", "present", ROLE, "-o", "p.json"], &to[..], &nonce[..]].concat();
    holder.ok(&present);

    let revoke = ["visa", "revoke", &id, "-o", "l.json"];
    let error = cut_off(&place, "regulator", &revoke);
    assert!(next_of(&error).contains("status publish --as"), "{error}");
    assert!(!place.path("l.json").exists());
    // Called again, there is nothing to change: the list is one step away.
    let error = regulator.refused("GP-STATUS-UNCHANGED", 8, &revoke);
    let step = step_of(&error);
    regulator.ok(&step.iter().map(String::as_str).collect::<Vec<_>>());
    let verify = ["visa", "verify", "p.json", "--audience", &regulator.did];
    let by = ["--trust", "trust.json", "--status", "lists.json"];
    holder.verdict("GP-VISA-REVOKED", 13, &[&verify[..], &nonce[..], &by[..]].concat());

    // Several at once, and a node.
    let several = ["visa", "revoke", &id, &holder.did];
    regulator.ok(&[&issue[..], &["--despite-revocation", "-o", "second.json"]].concat());
    cut_off(&place, "regulator", &several);
    let list = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let mut states = list["visas"].as_array().expect("rows").iter().map(|row| &row["state"]);
    assert!(states.all(|state| state == "revoked"), "{list:#}");
    let node = ["--profile", "regulator", "--method", "key", "--node"];
    let node = place.new_identity("node-1", &node);
    regulator.ok(&["visa", "authorise-node", &node, "-o", "node.json"]);
    cut_off(&place, "regulator", &["visa", "revoke", &node]);
    let error = regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "revoke", &node]);
    assert_eq!(step_of(&error), step, "{error}");
}

#[test]
fn an_identity_and_its_new_keys_are_looked_at_before_they_are_made_again() {
    let place = Place::with_wallet();
    let new = ["id", "new", "--name", "root", "--method", "webvh", "--location", "dso.example"];
    let error = cut_off(&place, "dso", &new);
    assert_eq!(step_of(&error), ["id", "show", "root"], "{error}");
    let error = place.refused("GP-IDENTITY-EXISTS", 8, &new);
    assert!(next_of(&error).contains("id show"), "{error}");
    let keys = || {
        let shown = place.ok_json("gridpass.id.show/1", &["id", "show", "root"]);
        shown["identity"]["keys"].as_array().expect("keys").len()
    };
    let before = keys();
    wait_for_next_second();
    let error = cut_off(&place, "dso", &["id", "rotate", "root"]);
    assert_eq!(step_of(&error), ["id", "show", "root"], "{error}");
    assert!(keys() > before, "it is rotated");
}

#[test]
fn a_backup_that_is_written_is_named() {
    let place = Place::with_wallet();
    let error = cut_off(&place, "dso", &["wallet", "backup", "-o", "b.gpb"]);
    assert!(error["message"].as_str().is_some_and(|m| m.contains("b.gpb")), "{error}");
    assert_eq!(step_of(&error), ["wallet", "backup-verify", "b.gpb"], "{error}");
    place.ok(&["wallet", "backup-verify", "b.gpb", "--recovery-file", "words.txt"]);
}

#[test]
fn words_that_a_killed_init_left_are_put_aside_and_no_others() {
    let place = Place::new();
    let init = ["init", "--name", "dso", "--recovery-out", "x.txt"];
    place.ok(&init);
    let first = place.read("x.txt");
    // As a call leaves it that is killed once the words are written.
    let left = place.path("home/profiles/Partial-dso-abc");
    std::fs::create_dir(&left).expect("a folder");
    std::fs::write(left.join("lock"), b"").expect("its lock");
    std::fs::rename(place.path("home/profiles/dso"), left.join("wallet")).expect("moved");
    place.write("other.txt", "somebody's own\n");
    let other = ["init", "--name", "dso", "--recovery-out", "other.txt"];
    place.refused("GP-FILE-EXISTS", 8, &other);
    assert_eq!(place.read("other.txt"), "somebody's own\n");

    let ran = place.ok(&init);
    assert!(ran.stderr.contains("never made"), "{ran:?}");
    assert!(!left.exists() && place.read("x.txt") != first);
    assert_eq!(place.read("x.txt.unused"), first);
    place.ok(&["id", "list", "--recovery-file", "x.txt"]);
    // These are in use, also where a call was killed that restored their wallet.
    place.new_identity("root", &[]);
    std::fs::remove_file(place.path("x.txt.unused")).expect("removed");
    std::fs::create_dir(&left).expect("a folder");
    std::fs::write(left.join("lock"), b"").expect("its lock");
    std::fs::rename(place.path("home/profiles/dso"), left.join("wallet")).expect("moved");
    let words = place.read("x.txt");
    let error = place.refused("GP-FILE-EXISTS", 8, &init);
    assert!(next_of(&error).contains("--recovery-file"), "{error}");
    assert_eq!(place.read("x.txt"), words);
}
