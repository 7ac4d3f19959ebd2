//! The logs of DIDs that a node is given: the one that goes on, as it is published, and what is told of one that is not taken.

use super::{files_in, scene};
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::trust::{IdentityMaterial, IdentityMaterialError, Snapshots};
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method::webvh::{self, Control, VerifiedEntries};
use gridpass_identity::resolve::{Resolver as _, Snapshot};
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::codes;
use gridpass_messaging::node::{Material, Taken};
use gridpass_tests::world::{NOW, days_ago, in_days};

/// When a log was obtained is its sender's word; what goes on from it counts all the same.
#[test]
fn a_log_that_is_dated_ahead_makes_room_for_the_one_that_goes_on_from_it() {
    let s = scene();
    let [first, second, third] = [1_u8, 2, 3]
        .map(|seed| SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("a key"));
    let (next, last) = (second.public_key(), third.public_key());
    let control = Control { signer: &first, next: &next, witness: None };
    let (did, short) = webvh::create("dso.example", &[], &control, days_ago(9)).expect("a log");
    let entries = VerifiedEntries::verify(&did, short.as_bytes(), NOW).expect("a log");
    let control = Control { signer: &second, next: &last, witness: None };
    let long = webvh::update(&entries, &[], &control, days_ago(1)).expect("a longer log");
    let carried = |log: &str, seen: UnixMillis| {
        let document = log.as_bytes().to_vec();
        let snapshot = Snapshot { seen, confirmed: None, document, witness: None };
        let mut parcel = Parcel::new(ParcelKind::StatusLists, None);
        parcel.identities.push(IdentityMaterial::of(&did, &snapshot));
        parcel.encode().expect("a parcel")
    };
    let known = |material: &Material| {
        let held = material.identities.material(&did).expect("known");
        let found = material.identities.resolve(&did).expect("resolves");
        (held.seen, found.versions.len())
    };

    let mut material = s.material();
    let taken = material.give(&carried(&short, UnixMillis::MAX), NOW).expect("taken");
    assert_eq!(taken, [Taken::Identity(did.clone())]);
    assert_eq!(known(&material), (NOW, 1));
    // Its own clock may have been ahead, too.
    let mut material = s.material();
    let taken = material.give(&carried(&long, days_ago(1)), days_ago(1)).expect("taken");
    assert_eq!(taken, [Taken::Identity(did.clone())]);
    assert_eq!(known(&material), (NOW, 2));
    assert_eq!(known(&s.material()), (NOW, 2));
    // A trust pack is kept byte for byte: one that is dated ahead would be as new as that after each start.
    let pack = |seen: UnixMillis| {
        let document = short.as_bytes().to_vec();
        let snapshot = Snapshot { seen, confirmed: None, document, witness: None };
        s.trust_with(vec![IdentityMaterial::of(&did, &snapshot)])
    };
    let other = scene();
    let mut material = other.material();
    let e = material.give(&pack(in_days(1)), NOW).expect_err("dated ahead");
    assert_eq!(e.code(), gridpass_credentials::codes::TRUST_PACK_MALFORMED);
    assert_eq!(material.give(&pack(NOW), NOW).expect("taken"), [Taken::Trust]);
}

#[test]
fn what_a_file_carries_of_a_did_and_is_not_base64_is_told_by_its_did() {
    let s = scene();
    let document = br#"{"id":"did:web:dso.example"}"#.to_vec();
    let snapshot = Snapshot { seen: NOW, confirmed: None, document, witness: None };
    let good = IdentityMaterial::of(&s.owner.did, &snapshot);
    assert_eq!(good.to_snapshot(), Ok(snapshot));
    let other = IdentityMaterial { document: "not base64".into(), ..good.clone() };
    let witness = IdentityMaterial { witness: Some("not base64".into()), ..good.clone() };
    for bad in [other, witness] {
        let Err(error) = Snapshots::read(&[good.clone(), bad]) else { panic!("it was read") };
        assert_eq!(error, IdentityMaterialError::NotBase64(s.owner.did.clone()));
        assert_eq!(error.code(), gridpass_credentials::codes::PARCEL_MALFORMED);
        assert_eq!(error.to_string(), format!("the document of {} is not base64", s.owner.did));
    }
}

/// What an operator has after a theft is the log, as its owner publishes it.
#[test]
fn a_log_is_taken_as_it_is_published_and_goes_on_from_the_one_before() {
    let s = scene();
    let [first, second, third, thief] = [1_u8, 2, 3, 4]
        .map(|seed| SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("a key"));
    let next = second.public_key();
    let control = Control { signer: &first, next: &next, witness: None };
    let (did, short) = webvh::create("dso.example", &[], &control, days_ago(9)).expect("a log");
    let entries = VerifiedEntries::verify(&did, short.as_bytes(), NOW).expect("a log");
    let goes_on = |after: &SecretKey, at: UnixMillis| {
        let next = after.public_key();
        let control = Control { signer: &second, next: &next, witness: None };
        webvh::update(&entries, &[], &control, at).expect("a longer log")
    };
    let long = goes_on(&third, days_ago(1));
    let fork = goes_on(&thief, days_ago(2));
    let mut material = s.material();
    let versions = |material: &Material| {
        let held = material.identities.material(&did).expect("known");
        assert_eq!(held.seen, NOW, "it was obtained when it was given");
        material.identities.resolve(&did).expect("resolves").versions.len()
    };
    for (log, known) in [(&short, 1), (&long, 2)] {
        let taken = material.give(log.as_bytes(), NOW).expect("taken");
        assert_eq!(taken, [Taken::Identity(did.clone())]);
        assert_eq!(versions(&material), known);
    }
    let before = files_in(s.folder.path());
    for log in [&short, &long] {
        assert!(material.give(log.as_bytes(), NOW).expect("nothing new").is_empty());
    }
    let altered = long.replace("dso.example", "dsr.example");
    let cut = &long[..long.len() - 20];
    for (what, bad) in [("a fork", fork.as_str()), ("altered", altered.as_str())] {
        assert!(material.give(bad.as_bytes(), NOW).is_err(), "{what}");
    }
    // Where a longer one is known it would be an older state.
    let other = scene();
    assert!(other.material().give(cut.as_bytes(), NOW).is_err(), "cut off");
    assert!(files_in(other.folder.path()).is_empty());
    assert_eq!(files_in(s.folder.path()), before);
    assert_eq!([versions(&material), versions(&s.material())], [2, 2]);
}

#[test]
fn what_a_wallet_knows_of_a_did_and_a_node_does_not_take_is_called_that() {
    let s = scene();
    let mut material = s.material();
    let before = files_in(s.folder.path());
    let did = "did:webvh:QmfGEUAcMpzo25kF2Rhn8L5FAXysfGnkzjwdKoNPi615XQ:regulator.example";
    // An entry that an editor broke into lines is none of a log any more.
    let entry = format!(
        "{{\n  \"versionId\": \"1-Qm\",\n  \"parameters\": {{}},\n  \"state\": {{\"id\": \"{did}\"}}\n}}\n"
    );
    let document = format!("{{\n  \"id\": \"{did}\",\n  \"verificationMethod\": []\n}}\n");
    let witness = r#"[{"versionId":"1-Qm","proof":[]}]"#;
    for (bytes, takes) in [
        (entry, "--log FILE --save"),
        (document, "--document FILE --save"),
        (witness.to_owned(), "--witness FILE --save"),
    ] {
        let e = material.give(bytes.as_bytes(), NOW).expect_err(takes);
        assert_eq!(e.code(), codes::NODE_FILE, "{e}");
        assert!(e.to_string().contains(takes), "{e}");
        assert!(!e.to_string().contains("no authorisation"), "{e}");
        assert!(!e.to_string().contains("a node takes"), "what it takes is not what this is: {e}");
    }
    assert_eq!(files_in(s.folder.path()), before);
}
