//! What a node is given: told by what is in it, kept, and there again.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::{self, check_log};
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::{
    IdentityMaterial, IdentityMaterialError, LogPin, Snapshots, Trust, TrustPack,
};
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
use gridpass_messaging::codes;
use gridpass_messaging::node::{Material, Taken};
use gridpass_policy::channel::{ChannelDescriptor, SignedChannel};
use gridpass_tests::channels::{SCHEMA, schema};
use gridpass_tests::messages::{Market, authorise};
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};
use std::path::Path;

const XSD: &[u8] = b"<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\"/>\n";

struct Scene {
    market: Market,
    owner: Party,
    node: Party,
    folder: tempfile::TempDir,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().expect("a folder");
    let (owner, node) = (Party::new(11), Party::new(12));
    Scene { market: Market::new(|_| ()), owner, node, folder }
}

impl Scene {
    fn material(&self) -> Material {
        open(self.folder.path(), &self.node)
    }

    fn trust(&self) -> Vec<u8> {
        let charter = world::charter(&[&self.market.regulator], &[&self.market.role]);
        let charter = world::sign_charter(charter, &[&self.market.regulator]);
        world::pack(&[charter], &[&self.market.role])
    }

    fn channel(&self) -> Vec<u8> {
        let descriptor = self.market.descriptor.clone();
        let mut channel = SignedChannel::unsigned(descriptor.clone()).expect("a channel");
        channel.sign(self.market.regulator.at(descriptor.dated)).expect("signs");
        channel.to_json().to_string().into_bytes()
    }

    fn presentation(&self, form: Form, until: UnixMillis) -> Secured {
        let visa = world::visa(&self.market.regulator, &self.owner, &self.market.role, |_| ());
        let visa = world::issue(&self.market.regulator, &visa);
        let audience = self.market.channel.to_string();
        let binding = Binding { audience, nonce: None, expires: until };
        world::present_as(&self.owner, &[&visa], form, &binding)
    }
}

fn open(folder: &Path, node: &Party) -> Material {
    let (material, unread) = Material::open(folder, node.did.clone(), NOW).expect("a folder");
    assert!(unread.is_empty(), "{unread:?}");
    material
}

#[test]
fn everything_is_told_by_what_is_in_it_and_there_again() {
    let s = scene();
    let list = world::list(&s.market.regulator, Purpose::Revocation, &[]);
    let presentation = s.presentation(Form::Jwt, in_days(30));
    let authorisation = authorise(&s.owner, &s.node, |_| ());
    // Manifests of schemas have a type and a version, as what is ours has.
    let part = named(b"a file of it");
    let manifests = [
        r#"{"type":"gridpass-csv","formatVersion":1,"maxRows":9,"columns":[{"name":"kw","datatype":"decimal"}]}"#
            .to_owned(),
        // Its file may be given after it, or come from a peer.
        format!(r#"{{"type":"gridpass-xsd","formatVersion":1,"main":"a.xsd","files":{{"a.xsd":"{part}"}}}}"#),
        r#"{"type":"gridpass-cim","formatVersion":1,"profiles":["http://iec.ch/EQ/1"],"maxBytes":99}"#
            .to_owned(),
    ];
    let mut files: Vec<(Vec<u8>, Taken)> = vec![
        (s.trust(), Taken::Trust),
        (s.channel(), Taken::Channel(s.market.channel.clone())),
        (SCHEMA.to_vec(), Taken::Document(schema())),
        (XSD.to_vec(), Taken::Document(named(XSD))),
        (
            format!(" {}\n", presentation.text()).into_bytes(),
            Taken::Presentation(s.market.channel.clone()),
        ),
        (authorisation.text().into(), Taken::Authorisation),
        (
            list.secured().text().into(),
            Taken::List(list.id.clone(), s.market.regulator.did.clone()),
        ),
    ];
    for manifest in &manifests {
        let id =
            ContentId::of_json(&serde_json::from_str::<serde_json::Value>(manifest).expect("json"))
                .expect("a CID");
        files.push((manifest.clone().into_bytes(), Taken::Document(id.0)));
    }
    let mut material = s.material();
    for (bytes, expected) in &files {
        let taken = material.give(bytes, NOW).expect("taken");
        assert_eq!(taken, std::slice::from_ref(expected));
    }
    drop(material);
    let again = s.material();
    assert!(again.trust().is_ok());
    assert!(again.channels.contains_key(&s.market.channel));
    assert_eq!(again.documents.len(), 5);
    assert_eq!(again.presentations[&s.market.channel].id, *presentation.id());
    assert_eq!(again.authorisation.expect("one").id, *authorisation.id());
    assert_eq!(again.lists.len(), 1);
}

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
        let charter = world::charter(&[&s.market.regulator], &[&s.market.role]);
        let charter = world::sign_charter(charter, &[&s.market.regulator]);
        let identities = vec![IdentityMaterial::of(&did, &snapshot)];
        TrustPack::new(&[charter], &[&s.market.role], identities).encode().expect("a pack").1
    };
    let other = scene();
    let mut material = other.material();
    let e = material.give(&pack(in_days(1)), NOW).expect_err("dated ahead");
    assert_eq!(e.code(), gridpass_credentials::codes::TRUST_PACK_MALFORMED);
    assert_eq!(material.give(&pack(NOW), NOW).expect("taken"), [Taken::Trust]);
}

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
        let charter = world::charter(&[&s.market.regulator], &[&s.market.role]);
        let charter = world::sign_charter(charter, &[&s.market.regulator]);
        let logs = log.iter().map(|log| IdentityMaterial::of(&did, &snapshot(log))).collect();
        TrustPack::new(&[charter], &[&s.market.role], logs).encode().expect("a pack").1
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
    let charter = world::charter(&[&s.market.regulator], &[&s.market.role]);
    let charter = world::sign_charter(charter, &[&s.market.regulator]);
    let logs = vec![IdentityMaterial::of(did, &snapshot)];
    TrustPack::new(&[charter], &[&s.market.role], logs).encode().expect("a pack").1
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
    let charter = world::charter(&[&s.market.regulator], &[&s.market.role]);
    let charter = world::sign_charter(charter, &[&s.market.regulator]);
    let logs = vec![IdentityMaterial::of(&did, &long)];
    let pack = TrustPack::new(&[charter], &[&s.market.role], logs).encode().expect("a pack").1;
    let trust = Trust::open(&pack, None, NOW).expect("it holds");
    for log in [&short, &long] {
        check_log(&trust, &did, log).expect("it says nothing else");
    }
    let e = check_log(&trust, &did, &other).expect_err("another end");
    assert_eq!(e.code().id(), "GP-WEBVH-LOG-INVALID");
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

fn named(bytes: &[u8]) -> ContentId {
    ContentId::of_bytes(bytes).expect("a CID")
}

#[test]
fn what_was_signed_last_counts_whichever_came_last() {
    let s = scene();
    let [older, newer] = [days_ago(3), days_ago(2)].map(|at| {
        let authorisation = authorise(&s.owner, &s.node, |_| ());
        let credential =
            gridpass_credentials::vcdm::Credential::read(authorisation.document().clone());
        world::sign_credential(&s.owner, &credential.expect("one"), Form::Jwt, at)
    });
    for order in [[&older, &newer], [&newer, &older]] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut material = open(folder.path(), &s.node);
        for authorisation in order {
            material.give(authorisation.text().as_bytes(), NOW).expect("taken");
        }
        assert_eq!(material.authorisation.as_ref().expect("one").id, *newer.id());
        let again = open(folder.path(), &s.node);
        assert_eq!(again.authorisation.expect("one").id, *newer.id());
    }
}

#[test]
fn an_authorisation_of_another_node_or_by_another_participant_is_refused() {
    let s = scene();
    let mut material = s.material();
    let other = authorise(&s.owner, &Party::new(13), |_| ());
    let e = material.give(other.text().as_bytes(), NOW).expect_err("another node's");
    assert_eq!(e.code(), codes::NODE_AUTHORISATION);
    let own = authorise(&s.owner, &s.node, |_| ());
    material.give(own.text().as_bytes(), NOW).expect("taken");
    let second = authorise(&Party::new(14), &s.node, |_| ());
    let e = material.give(second.text().as_bytes(), NOW).expect_err("another participant's");
    assert_eq!(e.code(), codes::NODE_AUTHORISATION);
    // A visa is none, and is not taken for a document either.
    let visa = world::visa(&s.market.regulator, &s.owner, &s.market.role, |_| ());
    let visa = world::issue(&s.market.regulator, &visa);
    let e = material.give(visa.text().as_bytes(), NOW).expect_err("a visa");
    assert!(e.to_string().contains("no authorisation of a node"), "{e}");
    assert_eq!(e.code(), codes::NODE_VISA);
    // Nor is what travels with one taken while it is passed over.
    let mut parcel = Parcel::new(ParcelKind::Visa, Some(visa.text().to_owned()));
    let list = world::list(&s.market.regulator, Purpose::Revocation, &[]);
    parcel.status_lists.push(list.secured().text().to_owned());
    let e = material.give(&parcel.encode().expect("a parcel"), NOW).expect_err("a visa");
    assert_eq!((e.code(), material.lists.len()), (codes::NODE_VISA, 0));
}

/// The authorisation, which says for whom the node acts, may come first or last.
#[test]
fn a_presentation_of_another_participant_takes_the_place_of_none() {
    let s = scene();
    let other = Scene { owner: Party::new(14), ..scene() };
    let itself = Scene { owner: Party::new(12), ..scene() };
    let own = s.presentation(Form::Jwt, in_days(20));
    let theirs = other.presentation(Form::Jwt, in_days(30));
    let of_node = itself.presentation(Form::Jwt, in_days(30));
    let authorisation = authorise(&s.owner, &s.node, |_| ());
    let counts = |material: &Material| material.presentations[&s.market.channel].id.clone();
    let mut material = s.material();
    for file in [&own, &authorisation, &own] {
        material.give(file.text().as_bytes(), NOW).expect("taken");
    }
    let e = material.give(theirs.text().as_bytes(), NOW).expect_err("another participant's");
    assert_eq!((e.code(), counts(&material)), (codes::NODE_PRESENTATION, own.id().clone()));
    // What the node shows for itself is not refused, and does not stand before its participant's.
    material.give(of_node.text().as_bytes(), NOW).expect("taken");
    assert_eq!([counts(&material), counts(&s.material())], [own.id().clone(), own.id().clone()]);

    // Given before it was known for whom it acts, which is found out when the node starts.
    let late = scene();
    let mut material = late.material();
    for file in [&own, &theirs, &authorisation] {
        material.give(file.text().as_bytes(), NOW).expect("taken");
    }
    assert_eq!(counts(&late.material()), *own.id());
}

#[test]
fn a_presentation_that_has_ended_gives_way_to_one_that_holds() {
    let s = scene();
    let long = s.presentation(Form::Jwt, in_days(30));
    let short = s.presentation(Form::Jwt, in_days(1));
    let counts = |material: &Material| material.presentations[&s.market.channel].id.clone();
    let mut material = s.material();
    for own in [&long, &short] {
        material.give(own.text().as_bytes(), NOW).expect("taken");
    }
    assert_eq!(counts(&material), *short.id());
    assert_eq!(material.choose_presentations(NOW), []);
    // As it runs, and started again.
    assert_eq!(material.choose_presentations(in_days(2)), std::slice::from_ref(&s.market.channel));
    assert_eq!(counts(&material), *long.id());
    let later = Material::open(s.folder.path(), s.node.did.clone(), in_days(2)).expect("opens").0;
    assert_eq!(counts(&later), *long.id());
    // Given when it has ended already, it changes nothing.
    material.give(short.text().as_bytes(), in_days(2)).expect("taken");
    assert_eq!(counts(&material), *long.id());
    // A clock that is set right brings it back.
    assert_eq!(material.choose_presentations(NOW), std::slice::from_ref(&s.market.channel));
    assert_eq!(counts(&material), *short.id());
}

#[test]
fn of_presentations_of_one_second_the_last_that_was_given_counts() {
    let s = scene();
    let [one, two] = [20, 30].map(|days| s.presentation(Form::Jwt, in_days(days)));
    for given in [[&one, &two], [&two, &one], [&one, &two]] {
        let mut material = s.material();
        for own in given {
            material.give(own.text().as_bytes(), NOW).expect("taken");
        }
        let last = given[1].id();
        assert_eq!(material.presentations[&s.market.channel].id, *last);
        assert_eq!(s.material().presentations[&s.market.channel].id, *last, "opened again");
    }
}

#[test]
fn what_a_node_has_no_use_for_is_refused_and_not_left_in_its_folder() {
    let s = scene();
    let mut material = s.material();
    material.give(&s.trust(), NOW).expect("taken");
    let before = files_in(s.folder.path());
    let presentation = s.presentation(Form::Jwt, in_days(30));
    let list = world::list(&s.market.regulator, Purpose::Revocation, &[]);
    let trust = s.trust();
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let words =
        "abandon ability able about above absent absorb abstract absurd abuse access accident\n";
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("an empty line", b"\n".to_vec()),
        ("the words of a wallet", words.into()),
        ("a trust pack that was cut off", half(&trust)),
        ("a presentation that was cut off", half(presentation.text().as_bytes())),
        ("a status list that was cut off", half(list.secured().text().as_bytes())),
        ("a channel that was cut off", half(&s.channel())),
        ("an XML schema that was cut off", half(XSD)),
        ("other XML", b"<order/>".to_vec()),
        ("other JSON", br#"{"zone":"GB-1"}"#.to_vec()),
        ("a backup", b"age-encryption.org/v1\n-> scrypt\n".to_vec()),
    ] {
        let e = material.give(&bytes, NOW).expect_err(what);
        assert_eq!(e.code(), codes::NODE_FILE, "{what}: {e}");
        assert!(e.to_string().contains("a node takes a trust pack"), "{what}: {e}");
    }
    let e = material.give(br#"{"$schema":"https://example.org/","type":"object"}"#, NOW);
    assert_eq!(e.expect_err("another kind of schema").code().id(), "GP-SCHEMA-MALFORMED");
    let request = Parcel::new(ParcelKind::Request, Some("eyJ".into())).encode().expect("a parcel");
    assert_eq!(material.give(&request, NOW).expect_err("a request").code(), codes::NODE_FILE);
    assert_eq!(files_in(s.folder.path()), before);
    assert!(material.documents.is_empty());
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

#[test]
fn what_a_channel_names_and_what_came_by_its_name_is_taken_whatever_it_is() {
    let named_by_a_channel = br#"{"zone":"GB-1"}"#;
    let market = Market::new(|d| {
        d.topics[0].versions[0].schema = named(named_by_a_channel);
    });
    let s = Scene { market, ..scene() };
    let mut material = s.material();
    assert!(material.give(named_by_a_channel, NOW).is_err(), "nobody names it yet");
    material.give(&s.channel(), NOW).expect("taken");
    let taken = material.give(named_by_a_channel, NOW).expect("taken");
    assert_eq!(taken, [Taken::Document(named(named_by_a_channel))]);
    let other = b"a part that a peer gave".to_vec();
    material.keep_document(named(&other), other).expect("kept");
    drop(material);
    assert_eq!(s.material().documents.len(), 2, "both are there again");
}

/// What was said under a version of a topic is read by that version's schema.
#[test]
fn a_channel_that_changes_a_version_of_a_topic_is_refused_whichever_comes_first() {
    let s = scene();
    let signed = |descriptor: &ChannelDescriptor| {
        let mut channel = SignedChannel::unsigned(descriptor.clone()).expect("a channel");
        channel.sign(s.market.regulator.at(descriptor.dated)).expect("signs");
        channel.to_json().to_string().into_bytes()
    };
    let first = s.market.descriptor.clone();
    let next = first.next(days_ago(1)).expect("the next one");
    let mut broken = next.clone();
    broken.topics[0].versions[0].schema = named(b"another schema");
    let refused = |material: &mut Material, descriptor: &ChannelDescriptor| {
        let e = material.give(&signed(descriptor), NOW).expect_err("it does not follow");
        assert_eq!(e.code().id(), "GP-CHANNEL-HISTORY-BROKEN", "{e}");
        assert!(e.to_string().contains("version 1 of topic bids changed"), "{e}");
    };
    for [earlier, later] in [[&first, &broken], [&broken, &first]] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut material = open(folder.path(), &s.node);
        material.give(&signed(earlier), NOW).expect("taken");
        let before = files_in(folder.path());
        refused(&mut material, later);
        assert_eq!((material.channels.len(), files_in(folder.path())), (1, before));
    }
    let mut material = s.material();
    for descriptor in [&first, &next] {
        material.give(&signed(descriptor), NOW).expect("taken");
    }
    assert!(material.leave(&s.market.channel).expect("left"));
    // What was said there is there still.
    refused(&mut material, &broken);
}

/// The names of the files in a folder.
fn files_in(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries.map(|e| e.expect("an entry").file_name()).collect();
    names.sort();
    names
}

#[test]
fn a_channel_that_was_left_stays_left_until_it_is_given_again() {
    let s = scene();
    let mut material = s.material();
    material.give(&s.channel(), NOW).expect("taken");
    for days in [20, 30] {
        let presentation = s.presentation(Form::Jwt, in_days(days));
        material.give(presentation.text().as_bytes(), NOW).expect("taken");
    }
    assert!(material.leave(&s.market.channel).expect("left"));
    assert!(!material.leave(&s.market.channel).expect("left"), "it was left before");
    for material in [material, s.material()] {
        assert!(material.channels.is_empty());
        assert!(material.presentations.is_empty(), "also the one that was replaced");
        let kept = material.channel(&s.market.channel).expect("for what was said there");
        assert_eq!(kept.id(), &s.market.channel);
    }
    s.material().give(&s.channel(), NOW).expect("taken");
    let again = s.material();
    assert!(again.channels.contains_key(&s.market.channel));
    assert!(again.left.is_empty());
}

/// The regulator's lists: before it took a visa back, and after.
fn before_and_after(s: &Scene) -> [StatusList; 2] {
    let before = world::list(&s.market.regulator, Purpose::Revocation, &[]);
    let at = UnixMillis::new(NOW.get() - 1000);
    let change = Change { index: 7, set: true, at };
    let regulator = &s.market.regulator;
    let after = world::list_by(regulator, regulator, Purpose::Revocation, &[change], |l| {
        l["validFrom"] = serde_json::json!(at);
        l["credentialSubject"]["statusList"]["version"] = serde_json::json!(6);
    });
    assert!(before.order() < after.order());
    [before, after]
}

fn offer(material: &mut Material, list: &StatusList) -> bool {
    let text = list.secured().text().as_bytes();
    !material.give(text, NOW).expect("it holds").is_empty()
}

fn at_hand(material: &Material) -> Vec<(u64, UnixMillis)> {
    material.lists.iter().map(StatusList::order).collect()
}

/// Its files, those that are being written aside.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    let mut all: Vec<_> = all.filter(|p| !named_in(p).starts_with('.')).collect();
    all.sort();
    all
}

fn named_in(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).expect("a name")
}

#[test]
fn case_7_a_list_that_is_older_than_the_one_known_is_not_taken() {
    let s = scene();
    let [before, after] = before_and_after(&s);
    let key = (after.id.clone(), after.issuer.clone());
    let mut material = s.material();
    assert!(offer(&mut material, &before) && offer(&mut material, &after));
    for round in ["as it runs", "opened again"] {
        assert!(!offer(&mut material, &before), "{round}");
        assert!(!offer(&mut material, &after), "{round}: it is here");
        assert_eq!(at_hand(&material), [after.order()], "{round}");
        assert_eq!(material.seen.get(&key).map(|s| s.order), Some(after.order()), "{round}");
        material = s.material();
    }
    // The first that comes is the newer one: there is no other to hold the older against.
    let other = tempfile::tempdir().expect("a folder");
    let mut material = open(other.path(), &s.node);
    assert!(offer(&mut material, &after) && !offer(&mut material, &before));
    assert!(!offer(&mut open(other.path(), &s.node), &before));
}

/// Opens a folder of which something cannot be read; gives that it is told.
fn open_damaged(s: &Scene) -> Material {
    let (material, unread) =
        Material::open(s.folder.path(), s.node.did.clone(), NOW).expect("a folder");
    let codes: Vec<_> = unread.iter().map(|(_, e)| e.code()).collect();
    assert_eq!(codes, [codes::NODE_FOLDER], "{unread:?}");
    material
}

/// None that is older is believed, and the newest is when it comes again.
fn is_not_forgotten(s: &Scene, [before, after]: &[StatusList; 2], what: &str) {
    let mut material = open_damaged(s);
    assert_eq!(at_hand(&material), [], "{what}");
    // For whom else may revoke by this list, too: it was seen, and is not at hand.
    let key = (after.id.clone(), after.issuer.clone());
    assert_eq!(material.seen.get(&key).map(|s| s.order), Some(after.order()), "{what}");
    assert!(!offer(&mut material, before), "{what}");
    assert_eq!(at_hand(&material), [], "{what}");
    assert!(offer(&mut material, after), "{what}");
    let again = s.material();
    assert_eq!(at_hand(&again), [after.order()], "{what}");
}

#[test]
fn case_7_a_list_of_which_a_bit_flipped_on_the_disk_makes_room_for_no_older_one() {
    let s = scene();
    let lists = before_and_after(&s);
    let mut material = s.material();
    assert!(lists.iter().all(|list| offer(&mut material, list)));
    drop(material);
    let is_list = |p: &&std::path::PathBuf| named_in(p).starts_with("list-");
    let all = files(s.folder.path());
    let [file] = all.iter().filter(is_list).collect::<Vec<_>>()[..] else { panic!("{all:?}") };
    let good = std::fs::read(file).expect("read");
    assert_eq!(good, lists[1].secured().text().as_bytes());
    for place in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        std::fs::write(file, bad).expect("written");
        is_not_forgotten(&s, &lists, &format!("byte {place}"));
    }
    std::fs::write(file, b"").expect("written");
    is_not_forgotten(&s, &lists, "emptied");
}

#[test]
fn case_7_a_list_that_cannot_be_written_makes_room_for_no_older_one_after_a_restart() {
    let s = scene();
    let lists = before_and_after(&s);
    let mut material = s.material();
    assert!(offer(&mut material, &lists[0]));
    // The same is written elsewhere, to know what is in its way here.
    let other = tempfile::tempdir().expect("a folder");
    assert!(offer(&mut open(other.path(), &s.node), &lists[1]));
    for file in files(other.path()) {
        let half = s.folder.path().join(format!(".{}", named_in(&file)));
        std::fs::create_dir(half).expect("made");
    }
    assert!(offer(&mut material, &lists[1]), "it counts all the same");
    assert_eq!(at_hand(&material), [lists[1].order()]);
    drop(material);
    let mut material = open_damaged(&s);
    assert!(!offer(&mut material, &lists[0]));
    assert_eq!(at_hand(&material), []);
    let key = (lists[1].id.clone(), lists[1].issuer.clone());
    assert_eq!(material.seen.get(&key).map(|s| s.order), Some(lists[1].order()));
    // There is room again.
    for file in files(other.path()) {
        let half = s.folder.path().join(format!(".{}", named_in(&file)));
        let _ = std::fs::remove_dir(half);
    }
    assert!(offer(&mut material, &lists[1]));
    drop(material);
    assert_eq!(at_hand(&s.material()), [lists[1].order()]);
}
