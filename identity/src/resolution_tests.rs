use super::*;
use crate::code::Code;
use crate::key::{KeyType, SecretKey};

const PURPOSE: Relationship = Relationship::AssertionMethod;

fn t(seconds: u64) -> UnixMillis {
    UnixMillis::new(seconds * 1000)
}

fn did() -> Did {
    Did::parse("did:web:dso.example").expect("a DID")
}

fn key(seed: u8) -> PublicKey {
    SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("32 bytes").public_key()
}

fn id(seed: u8) -> DidUrl {
    did().with_fragment(&format!("k{seed}")).expect("a fragment")
}

fn method(seed: u8) -> VerificationMethod {
    VerificationMethod::new(id(seed), key(seed))
}

fn version(from: u64, methods: Vec<(VerificationMethod, Vec<Relationship>)>) -> DocumentVersion {
    DocumentVersion {
        from: Some(t(from)),
        version_id: None,
        document: Some(DidDocument::new(did(), methods)),
    }
}

/// Key 1 from 100 s, key 2 from 200 s; and what the third version says of key 1.
fn history(third: Option<DocumentVersion>) -> Resolution {
    let mut versions = vec![
        version(100, vec![(method(1), vec![PURPOSE])]),
        version(200, vec![(method(2), vec![PURPOSE])]),
    ];
    versions.extend(third);
    Resolution { did: did(), versions, source: Source::VerifiedLog, seen: Some(t(1000)) }
}

fn verdict(r: &Resolution, seed: u8, at: u64, basis: TimeBasis) -> (Outcome, Code) {
    let (check, _) = r.key_at(&id(seed), PURPOSE, t(at), basis);
    (check.outcome, check.code)
}

#[test]
fn a_rotated_key_is_good_for_its_time_and_bad_after() {
    let r = history(None);
    let claimed = TimeBasis::Claimed;
    assert_eq!(verdict(&r, 1, 150, claimed), (Outcome::Passed, codes::KEY_ROTATED_SINCE));
    assert_eq!(verdict(&r, 1, 250, claimed), (Outcome::Failed, codes::KEY_ROTATED));
    assert_eq!(verdict(&r, 2, 250, claimed), (Outcome::Passed, codes::KEY_CURRENT));
    assert_eq!(verdict(&r, 2, 150, claimed), (Outcome::Failed, codes::KEY_NOT_LISTED));
    assert_eq!(verdict(&r, 1, 50, claimed), (Outcome::Indeterminate, codes::DID_NOT_YET));
    assert_eq!(verdict(&r, 9, 150, claimed), (Outcome::Failed, codes::KEY_NOT_LISTED));
}

#[test]
fn a_signature_of_the_second_in_which_a_document_was_seen_lies_not_before_it() {
    let mut seen = version(100, vec![(method(1), vec![PURPOSE])]);
    seen.from = Some(UnixMillis::new(100_700));
    let r = Resolution { versions: vec![seen], source: Source::Snapshot, ..history(None) };
    assert_eq!(verdict(&r, 1, 100, TimeBasis::Claimed).1, codes::KEY_CURRENT);
    assert_eq!(verdict(&r, 1, 99, TimeBasis::Claimed).1, codes::DID_NOT_YET);
}

#[test]
fn in_the_second_of_a_rotation_both_keys_count() {
    let r = history(None);
    let at = |millis: u64, seed| {
        let at = UnixMillis::new(200_000 + millis);
        r.key_at(&id(seed), PURPOSE, at, TimeBasis::Claimed).0.code
    };
    assert_eq!(at(999, 1), codes::KEY_ROTATED_SINCE);
    assert_eq!(at(0, 2), codes::KEY_CURRENT);
    assert_eq!(at(1000, 1), codes::KEY_ROTATED);
}

#[test]
fn a_compromised_key_is_another_verdict_than_a_rotated_one() {
    let mut marked = method(1);
    marked.revoked = Some(t(140));
    let third = version(300, vec![(method(2), vec![PURPOSE]), (marked, vec![])]);
    let r = history(Some(third));
    let (claimed, proven) = (TimeBasis::Claimed, TimeBasis::Proven);
    assert_eq!(verdict(&r, 1, 150, claimed), (Outcome::Failed, codes::KEY_COMPROMISED));
    assert_eq!(verdict(&r, 1, 250, proven), (Outcome::Failed, codes::KEY_COMPROMISED));
    assert_eq!(
        verdict(&r, 1, 120, claimed),
        (Outcome::Indeterminate, codes::KEY_COMPROMISED_SINCE)
    );
    assert_eq!(verdict(&r, 1, 120, proven), (Outcome::Passed, codes::KEY_ROTATED_SINCE));
}

#[test]
fn a_compromised_key_is_not_washed_by_a_new_id() {
    let mut marked = method(1);
    marked.revoked = Some(t(140));
    let relisted = VerificationMethod::new(id(7), key(1));
    let third = version(300, vec![(marked, vec![]), (relisted, vec![PURPOSE])]);
    let r = history(Some(third));
    assert_eq!(verdict(&r, 7, 350, TimeBasis::Proven), (Outcome::Failed, codes::KEY_COMPROMISED));
}

#[test]
fn a_key_for_another_purpose_is_not_listed() {
    let (check, key) =
        history(None).key_at(&id(1), Relationship::KeyAgreement, t(150), TimeBasis::Claimed);
    assert_eq!((check.code, key), (codes::KEY_NOT_LISTED, None));
}

#[test]
fn a_key_that_another_did_controls_is_not_listed() {
    let mut foreign = method(1);
    foreign.controller = Some(Did::parse("did:web:tso.example").expect("a DID"));
    let r = Resolution {
        versions: vec![version(100, vec![(foreign, vec![PURPOSE])])],
        ..history(None)
    };
    assert_eq!(verdict(&r, 1, 150, TimeBasis::Proven).1, codes::KEY_NOT_LISTED);
}

#[test]
fn a_listed_key_of_an_unknown_type_never_passes() {
    let mut foreign = method(1);
    foreign.public_key = None;
    let r = Resolution {
        versions: vec![version(100, vec![(foreign, vec![PURPOSE])])],
        ..history(None)
    };
    assert_eq!(
        verdict(&r, 1, 150, TimeBasis::Proven),
        (Outcome::Failed, codes::KEY_TYPE_UNSUITABLE)
    );
}

#[test]
fn a_deactivated_did_keeps_its_past() {
    let gone = DocumentVersion { from: Some(t(300)), version_id: None, document: None };
    let r = history(Some(gone));
    assert_eq!(verdict(&r, 2, 350, TimeBasis::Claimed).1, codes::DID_DEACTIVATED);
    assert_eq!(verdict(&r, 2, 250, TimeBasis::Claimed).1, codes::KEY_ROTATED_SINCE);
    assert_eq!((r.deactivated(), history(None).deactivated()), (Some(t(300)), None));
}

/// Also where a key is listed in the version before: an end is not a change of keys.
#[test]
fn a_did_is_deactivated_from_the_start_of_the_second_in_which_that_was_written() {
    let from = Some(UnixMillis::new(300_700));
    let gone = DocumentVersion { from, version_id: None, document: None };
    let r = history(Some(gone));
    assert_eq!(r.deactivated(), Some(t(300)));
    assert_eq!(verdict(&r, 2, 300, TimeBasis::Claimed).1, codes::DID_DEACTIVATED);
    assert_eq!(verdict(&r, 2, 299, TimeBasis::Claimed).1, codes::KEY_ROTATED_SINCE);
}

#[test]
fn an_expired_method_is_told() {
    let mut short = method(1);
    short.expires = Some(t(120));
    let r =
        Resolution { versions: vec![version(100, vec![(short, vec![PURPOSE])])], ..history(None) };
    assert_eq!(verdict(&r, 1, 119, TimeBasis::Claimed).1, codes::KEY_CURRENT);
    assert_eq!(verdict(&r, 1, 120, TimeBasis::Claimed).1, codes::KEY_EXPIRED);
}
