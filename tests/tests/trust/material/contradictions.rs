//! Two ends of one log: neither a pack nor a list takes off what is known, and the other end counts only by
//! the hash that its owner told.

use super::{Scene, at_hand, files, named_in, offer, scene};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_credentials::keeping::{self, check_log};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, LogPin, Trust};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method::webvh::{self, Control, NewMethod, VerifiedEntries};
use gridpass_identity::resolve::{Resolver as _, Snapshot, SnapshotStore as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::slot::Passphrase;
use gridpass_messaging::node::{Material, Taken};
use gridpass_tests::world::{self, NOW, Party, days_ago};
use std::path::Path;

/// A log, and two that go on from it and contradict each other.
fn contradicting_logs() -> (Did, String, [String; 2]) {
    let keys = [1_u8, 2, 3]
        .map(|seed| SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("a key"));
    let (next, last) = (keys[1].public_key(), keys[2].public_key());
    let control = Control { signer: &keys[0], next: &next, witness: None };
    let (did, short) = webvh::create("root.example", &[], &control, days_ago(9)).expect("a log");
    let entries = VerifiedEntries::verify(&did, short.as_bytes(), NOW).expect("a log");
    let control = Control { signer: &keys[1], next: &last, witness: None };
    let goes_on =
        |ago| webvh::update(&entries, &[], &control, days_ago(ago)).expect("a longer log");
    (did, short, [goes_on(2), goes_on(1)])
}

/// Nobody signs which logs a pack brings: without its end, a log marks no stolen key.
#[test]
fn a_pack_takes_no_end_off_a_log_that_is_known_nor_after_a_restart() {
    let s = scene();
    let (did, short, [long, other]) = contradicting_logs();
    let pack = |log: Option<&str>, seen: UnixMillis| {
        let snapshot = |log: &str| {
            let document = log.as_bytes().to_vec();
            Snapshot { seen, confirmed: None, document, witness: None }
        };
        s.trust_with(log.iter().map(|log| IdentityMaterial::of(&did, &snapshot(log))).collect())
    };
    let versions =
        |material: &Material| material.identities.resolve(&did).expect("resolves").versions.len();

    let mut material = s.material();
    material.give(&pack(Some(&long), days_ago(1)), NOW).expect("taken");
    // The shorter one is said to be the newer.
    for stripped in [pack(Some(&short), NOW), pack(None, NOW)] {
        assert_eq!(material.give(&stripped, NOW).expect("the same charter"), [Taken::Trust]);
        assert_eq!(versions(&material), 2);
        drop(material);
        material = s.material();
        assert_eq!(versions(&material), 2, "opened again");
    }
    let before = material.trust_bytes().to_vec();
    let e = material.give(&pack(Some(&other), NOW), NOW).expect_err("rewritten");
    assert_eq!(e.code().id(), "GP-WEBVH-LOG-INVALID");
    assert_eq!(material.trust_bytes(), before);
    assert_eq!(s.material().trust_bytes(), before);
}

/// A log, and the two that a thief and its owner made of it, each with a key of their own.
fn fork() -> (Did, [String; 2], [LogPin; 2], [String; 2]) {
    let keys = [1_u8, 2, 3, 7, 8]
        .map(|seed| SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("a key"));
    let (next, last) = (keys[1].public_key(), keys[2].public_key());
    let control = Control { signer: &keys[0], next: &next, witness: None };
    let (did, short) = webvh::create("root.example", &[], &control, days_ago(9)).expect("a log");
    let entries = VerifiedEntries::verify(&did, short.as_bytes(), NOW).expect("a log");
    let control = Control { signer: &keys[1], next: &last, witness: None };
    let ends = [(2, &keys[3]), (1, &keys[4])].map(|(ago, key)| {
        let method = NewMethod {
            fragment: "assertion".into(),
            public_key: key.public_key(),
            relationships: vec![Relationship::AssertionMethod],
            revoked: None,
        };
        webvh::update(&entries, &[method], &control, days_ago(ago)).expect("a longer log")
    });
    let pins = ends.each_ref().map(|log| {
        let entries = VerifiedEntries::verify(&did, log.as_bytes(), NOW).expect("a log");
        LogPin { did: did.clone(), version: entries.version_id().to_owned() }
    });
    let multikeys = [&keys[3], &keys[4]].map(|key| key.public_key().to_multikey());
    (did, ends, pins, multikeys)
}

fn pack_with(s: &Scene, did: &Did, log: &str) -> Vec<u8> {
    let document = log.as_bytes().to_vec();
    let snapshot = Snapshot { seen: days_ago(1), confirmed: None, document, witness: None };
    s.trust_with(vec![IdentityMaterial::of(did, &snapshot)])
}

/// Who learned the thief's end first is not bound to it for ever, and nobody else's word frees it.
#[test]
fn a_node_follows_the_other_end_of_a_log_only_by_the_hash_that_its_owner_told() {
    let s = scene();
    let (did, [thief, owner], [of_thief, of_owner], [gone, new]) = fork();
    let known = |material: &Material| {
        let held = material.identities.material(&did).expect("known");
        String::from_utf8(held.to_snapshot().expect("a log").document).expect("text")
    };
    let mut material = s.material();
    material.give(&pack_with(&s, &did, &thief), NOW).expect("taken");
    let pack = pack_with(&s, &did, &owner);
    let plain = material.give(&pack, NOW).expect_err("it contradicts");
    assert_eq!(plain.code().id(), "GP-WEBVH-LOG-INVALID");
    let wrong = material.give_replacing(&pack, &[of_thief], NOW).expect_err("another end");
    assert_eq!(wrong.code(), gridpass_credentials::codes::TRUST_LOG_END);
    assert_eq!(known(&material), thief);

    let ends = [of_owner.clone()];
    let told = material.replaces(&pack, &ends, NOW).expect("told");
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].gone, &told[0].new), (&vec![gone], &vec![new]));
    assert_eq!(told[0].after, of_owner.version);
    assert_eq!(known(&material), thief, "telling changes nothing");
    let taken = material.give_replacing(&pack, &ends, NOW).expect("replaced");
    assert_eq!(taken, [Taken::Trust, Taken::Identity(did.clone())]);
    assert_eq!(known(&material), owner);
    assert_eq!(known(&s.material()), owner, "after a restart");
    let records = |folder: &Path| {
        let names = files(folder).into_iter().filter(|f| named_in(f).starts_with("replaced-"));
        names.collect::<Vec<_>>()
    };
    let record = std::fs::read_to_string(&records(s.folder.path())[0]).expect("a record");
    assert!(record.contains(&told[0].before) && record.contains(&of_owner.version), "{record}");
    // The same once more replaces nothing, and the thief's does not come back by itself.
    assert_eq!(material.give_replacing(&pack, &ends, NOW).expect("the same"), [Taken::Trust]);
    assert_eq!(records(s.folder.path()).len(), 1);
    material.give(&pack_with(&s, &did, &thief), NOW).expect_err("it contradicts");
}

#[test]
fn a_wallet_follows_the_other_end_of_a_log_only_by_the_hash_that_its_owner_told() {
    let s = scene();
    let (did, [thief, owner], [of_thief, of_owner], _) = fork();
    let mut rng = UnwrapErr(SysRng);
    let store = Box::new(SledStore::create(&s.folder.path().join("wallet")).expect("a store"));
    let passphrase = Passphrase::new("a passphrase of the fork");
    let made = Wallet::create(store, "dso", &passphrase, &mut rng, NOW);
    let mut wallet = made.expect("a wallet").0;
    let pack = pack_with(&s, &did, &owner);
    keeping::pin(&mut wallet, &pack_with(&s, &did, &thief), false, NOW, &mut rng).expect("pinned");
    // It was looked up since, too: what the wallet keeps beside its pack gives way with it.
    let document = thief.clone().into_bytes();
    let seen = Snapshot { seen: NOW, confirmed: None, document, witness: None };
    wallet.save_snapshot(&did, &seen, &mut rng).expect("kept");
    let plain = keeping::pin(&mut wallet, &pack, false, NOW, &mut rng).expect_err("a fork");
    assert_eq!(plain.code().id(), "GP-WEBVH-LOG-INVALID");
    let wrong = keeping::pin_replacing(&mut wallet, &pack, false, &[of_thief], NOW, &mut rng);
    let wrong = wrong.expect_err("another end");
    assert_eq!(wrong.code(), gridpass_credentials::codes::TRUST_LOG_END);
    assert!(keeping::replaced_logs(&wallet).expect("records").is_empty());

    let ends = [of_owner];
    keeping::pin_replacing(&mut wallet, &pack, false, &ends, NOW, &mut rng).expect("replaced");
    let kept = wallet.snapshots(&did).expect("kept").pop().expect("one");
    assert_eq!(String::from_utf8(kept.document).expect("text"), owner);
    let records = keeping::replaced_logs(&wallet).expect("records");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].log.to_snapshot().expect("a log").document, thief.into_bytes());
    // From here on it goes as ever.
    keeping::pin(&mut wallet, &pack, false, NOW, &mut rng).expect("the same");
}

/// Lists of both ends of the fork: the thief's is of a version that the owner never reaches.
fn lists_of_both(did: &Did) -> [StatusList; 2] {
    [(7, 1_000_000), (8, 3)].map(|(seed, version): (u8, u64)| {
        let key = SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("a key");
        let key_id = did.with_fragment("assertion").expect("a key id");
        let party = Party { did: did.clone(), key, key_id };
        world::list_by(&party, &party, Purpose::Revocation, &[], |list| {
            list["credentialSubject"]["statusList"]["version"] = serde_json::json!(version);
        })
    })
}

/// The thief's list goes with its log: it would keep the owner's from counting for good.
#[test]
fn a_list_by_the_end_of_a_log_that_gave_way_locks_nobody_out() {
    let s = scene();
    let (did, [thief, owner], [_, of_owner], _) = fork();
    let [thiefs, owners] = lists_of_both(&did);
    let pack = pack_with(&s, &did, &owner);
    let ends = [of_owner];
    let mut material = s.material();
    material.give(&pack_with(&s, &did, &thief), NOW).expect("taken");
    assert!(offer(&mut material, &thiefs));
    material.give_replacing(&pack, &ends, NOW).expect("replaced");
    assert_eq!(at_hand(&material), []);
    let mut material = s.material();
    assert_eq!(at_hand(&material), [], "after a restart");
    assert!(offer(&mut material, &owners));
    assert_eq!(at_hand(&s.material()), [owners.order()]);

    let mut rng = UnwrapErr(SysRng);
    let store = Box::new(SledStore::create(&s.folder.path().join("wallet")).expect("a store"));
    let passphrase = Passphrase::new("a passphrase of the fork");
    let made = Wallet::create(store, "dso", &passphrase, &mut rng, NOW);
    let mut wallet = made.expect("a wallet").0;
    keeping::pin(&mut wallet, &pack_with(&s, &did, &thief), false, NOW, &mut rng).expect("pinned");
    keeping::see_list(&mut wallet, &thiefs, &mut rng).expect("kept");
    let older = keeping::see_list(&mut wallet, &owners, &mut rng).expect_err("older");
    assert_eq!(older.code().id(), "GP-STATUS-ROLLBACK");
    keeping::pin_replacing(&mut wallet, &pack, false, &ends, NOW, &mut rng).expect("replaced");
    keeping::see_list(&mut wallet, &owners, &mut rng).expect("kept");
    let kept = keeping::lists(&wallet).expect("lists").0;
    assert_eq!(kept.iter().map(StatusList::order).collect::<Vec<_>>(), [owners.order()]);
}

/// What is left away at the end of a log may be the mark of a stolen key: a hash of it does not help.
#[test]
fn a_log_is_not_shortened_by_the_hash_of_an_earlier_entry() {
    let s = scene();
    let (did, short, [long, _]) = contradicting_logs();
    let entries = VerifiedEntries::verify(&did, short.as_bytes(), NOW).expect("a log");
    let end = LogPin { did: did.clone(), version: entries.version_id().to_owned() };
    let mut material = s.material();
    material.give(&pack_with(&s, &did, &long), NOW).expect("taken");
    let pack = pack_with(&s, &did, &short);
    material.give_replacing(&pack, &[end], NOW).expect("the same charter");
    assert_eq!(material.identities.resolve(&did).expect("resolves").versions.len(), 2);
}

/// Beside the pack nothing of that DID could be decided, and no newer pack be pinned.
#[test]
fn a_log_that_contradicts_the_pinned_pack_is_not_for_a_wallet() {
    let s = scene();
    let (did, short, ends) = contradicting_logs();
    let snapshot = |log: String| {
        let document = log.into_bytes();
        Snapshot { seen: days_ago(1), confirmed: None, document, witness: None }
    };
    let (short, [long, other]) = (snapshot(short), ends.map(snapshot));
    let pack = s.trust_with(vec![IdentityMaterial::of(&did, &long)]);
    let trust = Trust::open(&pack, None, NOW).expect("it holds");
    for log in [&short, &long] {
        check_log(&trust, &did, log).expect("it says nothing else");
    }
    let e = check_log(&trust, &did, &other).expect_err("another end");
    assert_eq!(e.code().id(), "GP-WEBVH-LOG-INVALID");
}
