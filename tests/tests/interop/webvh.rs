//! did:webvh against npm `didwebvh-ts`: our logs resolve there, theirs here, changed ones nowhere.

use gridpass_identity::codes;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method::webvh::{
    self, Control, NewMethod, VerifiedEntries, Witness, WitnessRule,
};
use gridpass_identity::resolve::{Snapshot, TimeBasis};
use gridpass_identity::time::UnixMillis;
use gridpass_tests::interop::Script;
use serde_json::{Value, json};

const MARCH: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("32 bytes")
}

fn method(number: u8) -> Vec<NewMethod> {
    vec![NewMethod {
        fragment: format!("assertion-{number}"),
        public_key: key(100 + number).public_key(),
        relationships: vec![Relationship::AssertionMethod],
        revoked: None,
    }]
}

/// A log of two entries with pre-rotation, and its witness proofs where there is a rule.
fn ours(witness: Option<&WitnessRule>) -> (Did, String, Option<Vec<u8>>) {
    let control = Control { signer: &key(1), next: &key(2).public_key(), witness };
    let (did, log) = webvh::create("dso.example:grid", &method(1), &control, MARCH).expect("a log");
    let entries = VerifiedEntries::verify(&did, log.as_bytes(), MARCH).expect("our own log");
    let control = Control { signer: &key(2), next: &key(3).public_key(), witness: None };
    let later = MARCH.plus_millis(60_000);
    let log = webvh::update(&entries, &method(2), &control, later).expect("an update");
    let entries = VerifiedEntries::verify(&did, log.as_bytes(), later).expect("our own log");
    let file = witness.map(|_| {
        let proof = webvh::witness_proof(&entries, &key(7), later).expect("signs");
        webvh::add_witness_proof(None, entries.version_id(), proof).expect("a file")
    });
    (did, log, file)
}

fn entries(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn our_logs_resolve_there() {
    let Some(theirs) = Script::find("webvh.mjs", "didwebvh-ts") else { return };
    let id = gridpass_identity::method::key::from_public_key(&key(7).public_key());
    let rule = WitnessRule { threshold: 1, witnesses: vec![Witness { id: id.expect("a DID") }] };
    for witness in [None, Some(&rule)] {
        let (did, log, file) = ours(witness);
        let mut request = json!({"do": "resolve", "log": entries(&log)});
        if let Some(file) = &file {
            request["witness"] = serde_json::from_slice(file).expect("JSON");
        }
        let answer = theirs.ask(&request).expect("it accepts our log");
        assert_eq!(answer["did"], did.as_str());
        let snapshot = Snapshot {
            seen: MARCH.plus_millis(120_000),
            confirmed: None,
            document: log.into_bytes(),
            witness: file,
        };
        let resolution = webvh::resolve(&did, &[snapshot]).expect("we accept it");
        let current = resolution.versions.last().expect("two versions");
        assert_eq!(answer["versionId"].as_str(), current.version_id.as_deref());
        let ours = resolution.current().expect("a document").as_json().clone();
        assert_eq!(answer["doc"]["verificationMethod"], ours["verificationMethod"]);
        assert_eq!(answer["doc"]["assertionMethod"], ours["assertionMethod"]);
    }
}

#[test]
fn their_logs_resolve_here_with_the_keys_of_each_time() {
    let Some(theirs) = Script::find("webvh.mjs", "didwebvh-ts") else { return };
    let answer = theirs.ask(&json!({"do": "create", "domain": "tso.example"})).expect("a log");
    let did = Did::parse(answer["did"].as_str().expect("a DID")).expect("well formed");
    let log: Vec<String> =
        answer["log"].as_array().expect("entries").iter().map(Value::to_string).collect();
    let time = |text: &str| UnixMillis::parse_rfc3339(text).expect("a time");
    let snapshot = Snapshot {
        seen: time("2026-03-03T00:00:00Z"),
        confirmed: None,
        document: log.join("\n").into_bytes(),
        witness: None,
    };
    let resolution = webvh::resolve(&did, &[snapshot]).expect("we accept their log");
    assert_eq!(resolution.versions.len(), 2);
    let first = resolution.versions[0].document.as_ref().expect("a document");
    let first = first.methods_for(Relationship::AssertionMethod).next().expect("a key");
    let code = |at: &str| {
        let purpose = Relationship::AssertionMethod;
        resolution.key_at(&first.id, purpose, time(at), TimeBasis::Claimed).0.code
    };
    assert_eq!(code("2026-03-01T18:00:00Z"), codes::KEY_ROTATED_SINCE);
    assert_eq!(code("2026-03-02T18:00:00Z"), codes::KEY_ROTATED);
}

#[test]
fn our_end_of_a_did_is_one_there() {
    let Some(theirs) = Script::find("webvh.mjs", "didwebvh-ts") else { return };
    let (did, log, _) = ours(None);
    let read = VerifiedEntries::verify(&did, log.as_bytes(), MARCH.plus_millis(60_000));
    let at = MARCH.plus_millis(120_000);
    let ended = webvh::deactivate(&read.expect("our own log"), &key(3), at).expect("an end");
    let living = theirs.ask(&json!({"do": "resolve", "log": entries(&log)})).expect("accepted");
    assert_eq!(living["deactivated"], false);
    // Also where only the first of the two entries came: it ends pre-rotation, and nothing else.
    let open = &entries(&ended)[..3];
    let open = theirs.ask(&json!({"do": "resolve", "log": open})).expect("accepted");
    assert_eq!((&open["deactivated"], &open["doc"]), (&json!(false), &living["doc"]));
    let answer = theirs.ask(&json!({"do": "resolve", "log": entries(&ended)})).expect("accepted");
    assert_eq!((&answer["deactivated"], &answer["doc"]), (&json!(true), &Value::Null));
    assert_eq!(answer["did"], did.as_str());
}

#[test]
fn their_end_of_a_did_is_one_here() {
    let Some(theirs) = Script::find("webvh.mjs", "didwebvh-ts") else { return };
    let answer = theirs.ask(&json!({"do": "deactivate", "domain": "tso.example"})).expect("a log");
    let did = Did::parse(answer["did"].as_str().expect("a DID")).expect("well formed");
    let log: Vec<String> =
        answer["log"].as_array().expect("entries").iter().map(Value::to_string).collect();
    // It dates the end by its clock.
    let (seen, document) = (UnixMillis::MAX, log.join("\n").into_bytes());
    let snapshot = Snapshot { seen, confirmed: None, document, witness: None };
    let resolution = webvh::resolve(&did, &[snapshot]).expect("we accept their log");
    assert_eq!(resolution.versions.len(), 3);
    assert_eq!(resolution.current(), None);
    assert!(resolution.deactivated().is_some());
    let first = resolution.versions[0].document.as_ref().expect("a document");
    let first = first.methods_for(Relationship::AssertionMethod).next().expect("a key");
    let (purpose, claimed) = (Relationship::AssertionMethod, TimeBasis::Claimed);
    let code = |at| resolution.key_at(&first.id, purpose, at, claimed).0.code;
    assert_eq!(code(MARCH.plus_millis(60_000)), codes::KEY_ROTATED_SINCE);
    assert_eq!(code(UnixMillis::MAX), codes::DID_DEACTIVATED);
}

#[test]
fn a_changed_log_is_refused_on_both_sides() {
    let Some(theirs) = Script::find("webvh.mjs", "didwebvh-ts") else { return };
    let (did, log, _) = ours(None);
    for (pointer, value) in [
        ("/state/verificationMethod/0/publicKeyMultibase", key(66).public_key().to_multikey()),
        ("/parameters/nextKeyHashes/0", "QmQ6FJ4fk2xheSSQoEjVpTgx9AQPKhJgtR9hn1nr4EeCrZ".into()),
        ("/versionTime", "2026-03-01T12:00:30Z".into()),
    ] {
        let mut changed = entries(&log);
        *changed[1].pointer_mut(pointer).expect("is there") = json!(value);
        let text: Vec<String> = changed.iter().map(Value::to_string).collect();
        let refused =
            VerifiedEntries::verify(&did, text.join("\n").as_bytes(), MARCH.plus_millis(120_000));
        assert_eq!(refused.expect_err(pointer).code(), codes::WEBVH_LOG_INVALID);
        let answer = theirs.ask(&json!({"do": "resolve", "log": changed}));
        assert!(answer.is_err(), "they accept a changed {pointer}");
    }
}
