use super::log::entry_hash;
use super::parameters::{Witness, WitnessRule};
use super::*;
use crate::codes;
use crate::data_integrity::sign_eddsa_jcs_2022;
use crate::document::Relationship;
use crate::key::{KeyType, SecretKey};
use crate::resolution::TimeBasis;
use crate::resolve::SnapshotStore;
use crate::time::UnixMillis;
use crate::wallet::snapshots::{Fixed, newest_log};
use proptest::prelude::*;
use serde_json::{Value, json};

const PLACE: &str = "dso.example";

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("32 bytes")
}

fn t(seconds: u64) -> UnixMillis {
    UnixMillis::new((1_772_366_400 + seconds) * 1000)
}

fn methods(number: u8) -> Vec<NewMethod> {
    vec![NewMethod {
        fragment: format!("assertion-{number}"),
        public_key: key(100 + number).public_key(),
        relationships: vec![Relationship::AssertionMethod],
        revoked: None,
    }]
}

fn created(witness: Option<&WitnessRule>) -> (Did, String) {
    let (signer, next) = (key(1), key(2).public_key());
    let control = Control { signer: &signer, next: &next, witness };
    create(PLACE, &methods(1), &control, t(0)).expect("a log")
}

/// A log of two entries, the second with another assertion key.
fn rotated() -> (Did, String) {
    let (did, log) = created(None);
    let entries = VerifiedEntries::verify(&did, log.as_bytes(), t(0)).expect("valid");
    let (signer, next) = (key(2), key(3).public_key());
    let control = Control { signer: &signer, next: &next, witness: None };
    (did, update(&entries, &methods(2), &control, t(100)).expect("an update"))
}

fn snapshot(log: &str, witness: Option<Vec<u8>>, seen: UnixMillis) -> Snapshot {
    Snapshot { seen, confirmed: None, document: log.as_bytes().to_vec(), witness }
}

fn resolved(did: &Did, log: &str) -> Result<Resolution, ResolveError> {
    resolve(did, &[snapshot(log, None, t(1000))])
}

fn refused(did: &Did, log: &str, what: &str) {
    match resolved(did, log) {
        Ok(_) => panic!("accepted, and must be refused: {what}"),
        Err(e) => {
            assert_eq!(e.code(), codes::WEBVH_LOG_INVALID, "{what}: {e}");
            assert!(e.to_string().contains(what), "{what:?} was expected, and came: {e}");
        }
    }
}

fn entries_of(log: &str) -> Vec<Value> {
    log.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

fn text_of(entries: &[Value]) -> String {
    entries.iter().map(|e| format!("{e}\n")).collect()
}

/// Hashes and signs an entry anew, as an attacker with the control key would.
fn resign(entries: &mut [Value], at: usize, signer: &SecretKey) {
    let previous = match at {
        0 => entries[0]["parameters"]["scid"].as_str().expect("a SCID").to_owned(),
        _ => entries[at - 1]["versionId"].as_str().expect("a version").to_owned(),
    };
    let mut entry = entries[at].clone();
    entry.as_object_mut().expect("an object").remove("proof");
    let hash = entry_hash(&entry, &previous).expect("hashes");
    entry["versionId"] = json!(format!("{}-{hash}", at + 1));
    let name = signer.public_key().to_multikey();
    let method = format!("did:key:{name}#{name}");
    let proof = sign_eddsa_jcs_2022(&entry, &method, "assertionMethod", t(0), signer);
    entry["proof"] = json!([proof.expect("signs")]);
    entries[at] = entry;
}

/// Changes the second entry of a good log before it is signed.
fn second_changed(change: impl FnOnce(&mut Value), what: &str) {
    let (did, log) = rotated();
    let mut entries = entries_of(&log);
    change(&mut entries[1]);
    resign(&mut entries, 1, &key(2));
    refused(&did, &text_of(&entries), what);
}

/// Changes the first entry before its SCID is made, so that only the change is at fault.
fn first_changed(change: impl FnOnce(&mut Value), what: &str) {
    let (_, log) = created(None);
    let mut entries = entries_of(&log);
    let old = entries[0]["parameters"]["scid"].as_str().expect("a SCID").to_owned();
    entries[0].as_object_mut().expect("an object").remove("proof");
    entries[0]["versionId"] = json!("{SCID}");
    change(&mut entries[0]);
    let preliminary = entries[0].to_string().replace(&old, "{SCID}");
    let value: Value = serde_json::from_str(&preliminary).expect("JSON");
    let scid = multihash(&crate::json::canonicalize(&value).expect("canonical"));
    entries[0] = serde_json::from_str(&preliminary.replace("{SCID}", &scid)).expect("JSON");
    resign(&mut entries, 0, &key(1));
    let did = Did::parse(&format!("did:webvh:{scid}:{PLACE}")).expect("a DID");
    refused(&did, &text_of(&entries), what);
}

fn witness_rule(seeds: &[u8], threshold: usize) -> WitnessRule {
    let id = |seed: &u8| {
        crate::method::key::from_public_key(&key(*seed).public_key()).expect("a did:key")
    };
    WitnessRule { threshold, witnesses: seeds.iter().map(|s| Witness { id: id(s) }).collect() }
}

fn approvals(did: &Did, log: &str, seeds: &[u8]) -> Vec<u8> {
    let entries = VerifiedEntries::verify(did, log.as_bytes(), t(1000)).expect("valid");
    let mut file = None;
    for seed in seeds {
        let proof = witness_proof(&entries, &key(*seed), t(1)).expect("signs");
        let next = add_witness_proof(file.as_deref(), entries.version_id(), proof);
        file = Some(next.expect("a file"));
    }
    file.expect("at least one")
}

#[test]
fn a_new_log_resolves_and_names_its_place() -> Result<(), Box<dyn std::error::Error>> {
    let (did, log) = created(None);
    assert_eq!(log_url(&did)?.as_str(), "https://dso.example/.well-known/did.jsonl");
    assert_eq!(witness_url(&did)?.as_str(), "https://dso.example/.well-known/did-witness.json");
    let resolution = resolved(&did, &log)?;
    assert_eq!(resolution.current().map(|d| d.id()), Some(&did));
    assert_eq!(resolution.age_millis(t(1010)), Some(10_000));
    Ok(())
}

#[test]
fn keys_are_judged_as_of_their_time_from_the_log_alone() -> Result<(), Box<dyn std::error::Error>> {
    let (did, log) = rotated();
    let resolution = resolved(&did, &log)?;
    let code = |number: u8, at| {
        let id = did.with_fragment(&format!("assertion-{number}")).expect("a fragment");
        let purpose = Relationship::AssertionMethod;
        resolution.key_at(&id, purpose, at, TimeBasis::Claimed).0.code
    };
    assert_eq!(code(1, t(50)), codes::KEY_ROTATED_SINCE);
    assert_eq!(code(1, t(150)), codes::KEY_ROTATED);
    assert_eq!(code(2, t(150)), codes::KEY_CURRENT);
    assert_eq!(code(2, t(50)), codes::KEY_NOT_LISTED);
    Ok(())
}

#[test]
fn refuses_a_log_that_was_rewritten_or_cut() {
    let (did, log) = rotated();
    let (_, first) = created(None);
    let seen =
        |a: &str, b: &str| resolve(&did, &[snapshot(a, None, t(500)), snapshot(b, None, t(900))]);
    assert!(seen(&first, &log).is_ok(), "a longer log continues a shorter one");
    let entries = VerifiedEntries::verify(&did, first.as_bytes(), t(0)).expect("valid");
    let (signer, next) = (key(2), key(3).public_key());
    let control = Control { signer: &signer, next: &next, witness: None };
    let fork = update(&entries, &methods(9), &control, t(100)).expect("an update");
    // What is only older is told from what was rewritten.
    let older = "an older state of the one seen before: it has 1 of its 2 entries";
    for (shown, what) in [(&first, older), (&fork, "rewritten")] {
        let error = seen(&log, shown).expect_err(what);
        assert_eq!(error.code(), codes::WEBVH_LOG_INVALID);
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn refuses_every_single_changed_byte() {
    let (did, log) = rotated();
    let bytes = log.as_bytes();
    for at in 0..bytes.len() - 1 {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        let result = resolve(
            &did,
            &[Snapshot { seen: t(1000), confirmed: None, document: changed, witness: None }],
        );
        assert!(result.is_err(), "byte {at}, {:?}", char::from(bytes[at]));
    }
}

#[test]
fn negative_scid_mismatch_genesis() {
    let (did, log) = created(None);
    let scid = location(&did).expect("a did:webvh").scid.to_owned();
    let other = "QmQ6FJ4fk2xheSSQoEjVpTgx9AQPKhJgtR9hn1nr4EeCrZ";
    let mut entries = entries_of(&log);
    let moved = entries[0]["state"].to_string().replace(&scid, other);
    entries[0]["state"] = serde_json::from_str(&moved).expect("JSON");
    resign(&mut entries, 0, &key(1));
    refused(&did, &text_of(&entries), "SCID");
}

#[test]
fn negative_scid_mismatch_in_a_later_entry() {
    second_changed(
        |entry| {
            let other = "did:webvh:QmQ6FJ4fk2xheSSQoEjVpTgx9AQPKhJgtR9hn1nr4EeCrZ:dso.example";
            entry["state"] = json!({ "id": other });
        },
        "the document's SCID is another",
    );
}

#[test]
fn negative_portable_scid_swap() {
    second_changed(
        |entry| {
            entry["parameters"]["portable"] = json!(true);
            let id = "did:webvh:QmQ6FJ4fk2xheSSQoEjVpTgx9AQPKhJgtR9hn1nr4EeCrZ:new.example";
            entry["state"] = json!({ "id": id });
        },
        "portable is set to true",
    );
}

#[test]
fn a_did_that_is_not_portable_does_not_move() {
    second_changed(
        |entry| {
            let id = entry["state"]["id"].as_str().expect("an id").replace(PLACE, "new.example");
            entry["state"] = json!({ "id": id });
        },
        "it is not portable",
    );
}

#[test]
fn negative_pre_rotation_omit_updatekeys() {
    let drop = |name: &'static str| {
        move |entry: &mut Value| {
            entry["parameters"].as_object_mut().expect("an object").remove(name);
        }
    };
    second_changed(drop("updateKeys"), "updateKeys is missing");
    second_changed(drop("nextKeyHashes"), "nextKeyHashes is missing");
}

#[test]
fn refuses_update_keys_that_were_not_committed_to() {
    let (did, log) = rotated();
    let mut entries = entries_of(&log);
    let thief = key(66);
    entries[1]["parameters"]["updateKeys"] = json!([thief.public_key().to_multikey()]);
    resign(&mut entries, 1, &thief);
    refused(&did, &text_of(&entries), "was not committed to");
    entries[1]["parameters"]["updateKeys"] =
        json!([key(2).public_key().to_multikey(), thief.public_key().to_multikey()]);
    resign(&mut entries, 1, &key(2));
    refused(&did, &text_of(&entries), "was not committed to");
}

#[test]
fn refuses_a_spent_control_key() {
    let (did, log) = rotated();
    let mut entries = entries_of(&log);
    resign(&mut entries, 1, &key(1));
    refused(&did, &text_of(&entries), "may not sign");
}

#[test]
fn negative_wrong_cryptosuite_and_purpose() {
    let (did, log) = created(None);
    for (name, value, what) in [
        ("cryptosuite", "ecdsa-jcs-2019", "cryptosuite"),
        ("cryptosuite", "eddsa-rdfc-2022", "cryptosuite"),
        ("type", "Ed25519Signature2020", "type"),
        ("proofPurpose", "authentication", "purpose"),
    ] {
        let mut entries = entries_of(&log);
        entries[0]["proof"][0][name] = json!(value);
        refused(&did, &text_of(&entries), what);
    }
    let mut entries = entries_of(&log);
    entries[0]["proof"] = json!([]);
    refused(&did, &text_of(&entries), "0 proofs");
}

#[test]
fn negative_did_key_body_fragment_mismatch() {
    let (did, log) = created(None);
    let mut entries = entries_of(&log);
    let (a, b) = (key(1).public_key().to_multikey(), key(66).public_key().to_multikey());
    entries[0]["proof"][0]["verificationMethod"] = json!(format!("did:key:{a}#{b}"));
    refused(&did, &text_of(&entries), "not did:key:X#X");
}

#[test]
fn negative_versiontime_non_monotonic_and_future() {
    let at = |time: &'static str| move |entry: &mut Value| entry["versionTime"] = json!(time);
    second_changed(at("2026-03-01T12:00:00Z"), "not later");
    second_changed(at("2025-01-01T00:00:00Z"), "not later");
    second_changed(at("2099-01-01T00:00:00Z"), "later than when it was obtained");
    second_changed(at("2026-03-01T12:05:00+01:00"), "versionTime");
    second_changed(at("2026-03-01T12:05:00"), "versionTime");
}

#[test]
fn negative_unknown_method_version() {
    for method in ["did:webvh:99.0", "did:webvh:1.0-rc1", "didwebvh:1.0", "did:webvh:0.5", ""] {
        first_changed(|entry| entry["parameters"]["method"] = json!(method), "the method is not");
        second_changed(|entry| entry["parameters"]["method"] = json!(method), "the method is not");
    }
}

#[test]
fn refuses_unknown_and_malformed_parameters() {
    for (name, value, what) in [
        ("surprise", json!(1), "surprise"),
        ("ttl", json!(-1), "parameters"),
        ("ttl", json!(4_294_967_295_u32), "2^31"),
        ("watchers", json!(null), "is null"),
        ("updateKeys", json!(["z6Mkbroken"]), "updateKeys"),
        ("portable", json!("yes"), "parameters"),
    ] {
        first_changed(|entry| entry["parameters"][name] = value.clone(), what);
    }
    for name in ["method", "updateKeys"] {
        let drop = |entry: &mut Value| {
            entry["parameters"].as_object_mut().expect("an object").remove(name);
        };
        first_changed(drop, name);
    }
    second_changed(|entry| entry["parameters"]["scid"] = json!("Qm"), "scid stands in a later");
}

#[test]
fn negative_duplicate_witness_ids_and_zero_threshold() {
    for (seeds, threshold, what) in [
        (vec![7, 7], 1, "listed twice"),
        (vec![7], 0, "threshold"),
        (vec![7], 2, "threshold"),
        (vec![], 1, "threshold"),
    ] {
        let rule = witness_rule(&seeds, threshold);
        first_changed(|entry| entry["parameters"]["witness"] = json!(rule), what);
    }
    first_changed(|entry| entry["parameters"]["witness"] = json!({ "threshold": 1 }), "witness");
    let mut rule = witness_rule(&[7], 1);
    rule.witnesses[0].id = Did::parse("did:web:witness.example").expect("a DID");
    first_changed(|entry| entry["parameters"]["witness"] = json!(rule), "is no did:key");
}

/// Refused by its length, before any of it is held against the rest of it.
#[test]
fn a_list_of_too_many_witnesses_is_refused_before_it_is_looked_at() {
    let mut rule = witness_rule(&[10], 1);
    let one = rule.witnesses.first().cloned().expect("a witness");
    rule.witnesses = vec![one; 10_000];
    assert_eq!(rule.check(), Err("more than 64 witnesses".to_owned()));
}

#[test]
fn witnesses_below_their_threshold_leave_it_undecided() {
    let rule = witness_rule(&[7, 8, 9], 2);
    let (did, log) = created(Some(&rule));
    let with = |file: Option<Vec<u8>>| resolve(&did, &[snapshot(&log, file, t(1000))]);
    let missing = |file, what: &str| {
        let error = with(file).expect_err(what);
        assert_eq!(error.code(), codes::WEBVH_WITNESS_MISSING, "{what}: {error}");
    };
    missing(None, "no file");
    missing(Some(approvals(&did, &log, &[7])), "one of two");
    missing(Some(approvals(&did, &log, &[7, 7])), "one witness twice");
    missing(Some(approvals(&did, &log, &[7, 66])), "one of them a stranger");
    assert!(with(Some(approvals(&did, &log, &[7, 9]))).is_ok());
    let mut broken = String::from_utf8(approvals(&did, &log, &[7, 9])).expect("text");
    broken = broken.replacen("2026-03-01T12:00:01Z", "2026-03-01T12:00:02Z", 1);
    missing(Some(broken.into_bytes()), "a proof that does not hold");
}

#[test]
fn approval_that_holds_is_not_given_up_for_another_that_does_not() {
    let rule = witness_rule(&[7, 8], 1);
    let (did, log) = created(Some(&rule));
    let with = |file: &[u8]| Fixed(vec![snapshot(&log, Some(file.to_vec()), t(1000))]);
    let (good, bad) = (approvals(&did, &log, &[7]), approvals(&did, &log, &[66]));
    for stores in [[&with(&good), &with(&bad)], [&with(&bad), &with(&good)]] {
        let newest = newest_log(&did, &stores.map(|s| s as &dyn SnapshotStore));
        let newest = newest.expect("one log").expect("it is known");
        assert_eq!(newest.witness.as_deref(), Some(good.as_slice()));
        assert!(resolve(&did, &[newest]).is_ok());
    }
}

#[test]
fn negative_cross_did_witness_replay() {
    let rule = witness_rule(&[7], 1);
    let (did, log) = created(Some(&rule));
    let (signer, next) = (key(40), key(41).public_key());
    let control = Control { signer: &signer, next: &next, witness: Some(&rule) };
    let (other, other_log) = create("other.example", &methods(1), &control, t(0)).expect("a log");
    let replayed = approvals(&other, &other_log, &[7]);
    let error = resolve(&did, &[snapshot(&log, Some(replayed), t(1000))]).expect_err("replayed");
    assert_eq!(error.code(), codes::WEBVH_WITNESS_MISSING);
}

#[test]
fn an_approval_of_a_later_entry_covers_the_earlier_ones() {
    let rule = witness_rule(&[7], 1);
    let (did, log) = created(Some(&rule));
    let entries = VerifiedEntries::verify(&did, log.as_bytes(), t(0)).expect("valid");
    let (signer, next) = (key(2), key(3).public_key());
    let control = Control { signer: &signer, next: &next, witness: None };
    let longer = update(&entries, &methods(2), &control, t(100)).expect("an update");
    let later = approvals(&did, &longer, &[7]);
    assert!(resolve(&did, &[snapshot(&longer, Some(later.clone()), t(1000))]).is_ok());
    // The same file says nothing about the log without that entry.
    let error = resolve(&did, &[snapshot(&log, Some(later), t(1000))]).expect_err("unpublished");
    assert_eq!(error.code(), codes::WEBVH_WITNESS_MISSING);
    let earlier = approvals(&did, &log, &[7]);
    let error = resolve(&did, &[snapshot(&longer, Some(earlier), t(1000))]).expect_err("older");
    assert_eq!(error.code(), codes::WEBVH_WITNESS_MISSING);
}

#[test]
fn negative_identifiers_that_hide_addresses_and_paths() {
    let scid = "QmQ6FJ4fk2xheSSQoEjVpTgx9AQPKhJgtR9hn1nr4EeCrZ";
    for (rest, case) in [
        ("example.com:..:secret", "path-traversal-did"),
        ("127%2E0%2E0%2E1", "pct-encoded-ip-host"),
        ("example.com:%2E%2E:secret", "pct-encoded-traversal"),
        ("127.0.0.1%3a8080", "lowercase-pct-port-ip"),
        ("example.com%23fragment", "fragment-leaks-into-domain"),
        ("localhost", "no dot"),
        ("2130706433", "an address as a number"),
        ("example.com%3A0", "port"),
    ] {
        let did = Did::parse(&format!("did:webvh:{scid}:{rest}"));
        let refused = did.and_then(|did| log_url(&did));
        assert!(refused.is_err(), "{case}");
    }
    for did in ["did:webvh:example.com", "did:webvh:Qm0:example.com", "did:webvh:{SCID}:e.com"] {
        let refused = Did::parse(did).and_then(|did| log_url(&did));
        assert!(refused.is_err(), "{did}");
    }
    assert!(Did::parse(&format!("did:webvh:{scid}:example.com#fragment")).is_err());
}

#[test]
fn a_deactivated_did_has_no_document_and_no_further_entry() -> Result<(), ResolveError> {
    let (did, log) = rotated();
    let entries = VerifiedEntries::verify(&did, log.as_bytes(), t(100)).expect("valid");
    assert_eq!(entries.deactivated(), None);
    let ended = deactivate(&entries, &key(3), t(200)).expect("two entries");
    let resolution = resolved(&did, &ended)?;
    assert_eq!((resolution.current(), resolution.deactivated()), (None, Some(t(201))));
    assert!(resolution.version_at(t(150)).is_some_and(|v| v.document.is_some()));
    let entries = VerifiedEntries::verify(&did, ended.as_bytes(), t(200)).expect("valid");
    assert_eq!(entries.deactivated(), Some(t(201)));
    let again = deactivate(&entries, &key(3), t(300)).expect_err("nobody may sign it");
    assert_eq!(again.code(), codes::WEBVH_ENTRY_REFUSED);
    let mut entries = entries_of(&ended);
    let mut more = entries[3].clone();
    more["versionTime"] = json!(t(300));
    more["parameters"] = json!({});
    entries.push(more);
    resign(&mut entries, 4, &key(3));
    refused(&did, &text_of(&entries), "was deactivated");
    Ok(())
}

/// Section "Deactivate (Revoke)": with pre-rotation it takes two entries to leave nobody who may sign.
#[test]
fn pre_rotation_ends_in_an_entry_of_its_own_before_the_last() {
    let (did, log) = rotated();
    let entries = VerifiedEntries::verify(&did, log.as_bytes(), t(100)).expect("valid");
    let ended = deactivate(&entries, &key(3), t(200)).expect("two entries");
    let made = entries_of(&ended);
    assert_eq!(made.len(), 4);
    let own = key(3).public_key().to_multikey();
    assert_eq!(made[2]["parameters"], json!({"updateKeys": [own], "nextKeyHashes": []}));
    assert_eq!(made[2]["state"], made[1]["state"], "the document stays as it was");
    assert_eq!(made[3]["parameters"], json!({"updateKeys": [], "deactivated": true}));
    assert_eq!(made[3]["state"]["verificationMethod"], json!([]));
    // In one entry nobody could have signed it.
    let mut at_once = made.clone();
    at_once.remove(2);
    at_once[2]["parameters"]["nextKeyHashes"] = json!([]);
    resign(&mut at_once, 2, &key(3));
    refused(&did, &text_of(&at_once), "may not sign");
    // A log that commits to no keys is ended by whoever signs its entries, in one.
    let text = text_of(&made[..3]);
    let open = VerifiedEntries::verify(&did, text.as_bytes(), t(300)).expect("valid");
    assert!(deactivate(&open, &key(4), t(300)).is_err(), "a stranger");
    let ended = deactivate(&open, &key(3), t(300)).expect("an entry");
    assert_eq!(entries_of(&ended).len(), 4);
    let resolution = resolved(&did, &ended).expect("valid");
    assert_eq!(resolution.deactivated(), Some(t(300)));
}

/// What is signed in the second in which a DID is given up is signed before its end.
#[test]
fn what_is_signed_until_the_end_of_a_did_stays_good() {
    let (did, log) = rotated();
    let entries = VerifiedEntries::verify(&did, log.as_bytes(), t(100)).expect("valid");
    let ended = deactivate(&entries, &key(3), t(200)).expect("two entries");
    let resolution = resolved(&did, &ended).expect("valid");
    let id = did.with_fragment("assertion-2").expect("a fragment");
    let code = |at| {
        let purpose = Relationship::AssertionMethod;
        resolution.key_at(&id, purpose, at, TimeBasis::Claimed).0.code
    };
    assert_eq!(code(t(150)), codes::KEY_ROTATED_SINCE);
    assert_eq!(code(t(200)), codes::KEY_ROTATED_SINCE);
    assert_eq!(code(t(201)), codes::DID_DEACTIVATED);
}

#[test]
fn refuses_to_make_what_would_be_refused() {
    let (did, log) = created(None);
    let entries = VerifiedEntries::verify(&did, log.as_bytes(), t(0)).expect("valid");
    let next = key(3).public_key();
    for (signer, at) in [(key(66), t(100)), (key(2), t(0))] {
        let control = Control { signer: &signer, next: &next, witness: None };
        let error = update(&entries, &methods(2), &control, at).expect_err("refused");
        assert_eq!(error.code(), codes::WEBVH_ENTRY_REFUSED);
    }
    for place in ["127.0.0.1", "dso.example:..", "dso.example/x", "", "{SCID}"] {
        let control = Control { signer: &key(1), next: &next, witness: None };
        let error = create(place, &methods(1), &control, t(0)).expect_err(place);
        assert_eq!(error.code(), codes::WEBVH_ENTRY_REFUSED);
    }
}

/// The specification's own example of an entry hash (section "Generate Entry Hash").
#[test]
fn the_specifications_entry_hash() {
    let entry = json!({"versionId": "QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE", "versionTime": "2025-04-01T17:39:50Z", "parameters": {"witness": {"threshold": 2, "witnesses": [{"id": "did:key:z6Mkkc51mg2vpQzKWAbWQZupeGYhowaBjYkmvcKMTqteqHB4", "weight": 1}, {"id": "did:key:z6MkuDdJdKLCgwZuQuEi9xG6LVgJJ9Tebr74CXPYPSumqgJs", "weight": 1}, {"id": "did:key:z6MkoSWmQyp4fTk4ZQy4KUsss9dFX51XfEUzKKKj1J1JUsrF", "weight": 1}]}, "updateKeys": ["z6MkgzBDcBFV3sk4ypPE5YXMZHmS213A3HpYY2LmcVKV15jr"], "nextKeyHashes": ["QmZreDcjvWEpyRFznQeExWNCsvMLk5i59AcRJJuQC8UodJ"], "method": "did:webvh:0.5", "scid": "QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE"}, "state": {"@context": ["https://www.w3.org/ns/did/v1"], "id": "did:webvh:QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE:domain.example"}});
    let hash = entry_hash(&entry, "QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE");
    assert_eq!(hash.as_deref(), Ok("QmQ6FJ4fk2xheSSQoEjVpTgx9AQPKhJgtR9hn1nr4EeCrZ"));
}

proptest! {
    #[test]
    fn the_reader_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (did, _) = created(None);
        let _ = VerifiedEntries::verify(&did, &bytes, t(0));
    }
}
