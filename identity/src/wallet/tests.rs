use super::identities::{IdentityKind, KeyState, NewDid, NewIdentity};
use super::*;
use crate::codes;
use crate::document::Relationship;
use crate::jws::JwsIn;
use crate::key::KeyType;
use crate::resolve::{OfflineResolver, Resolver, SnapshotStore as _};
use crate::wallet::messages::Signing;
use crate::wallet::store::MemoryStore;
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;

type TestResult = Result<(), Box<dyn std::error::Error>>;

pub(super) fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

pub(super) fn now() -> UnixMillis {
    UnixMillis::new(1_772_366_400_000)
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery")
}

fn wallet(store: &MemoryStore) -> Result<(Wallet, RecoveryPhrase), WalletError> {
    Wallet::create(Box::new(store.clone()), "ofgem", &passphrase(), &mut rng(), now())
}

fn open(store: &MemoryStore, unlock: Unlock<'_>) -> Result<Wallet, WalletError> {
    LockedWallet::open(Box::new(store.clone()))?.unlock(unlock)
}

fn put(wallet: &mut Wallet, name: &str, value: &[u8]) -> Result<(), WalletError> {
    let mut changes = Changes::default();
    changes.put("test", name, value.to_vec());
    wallet.apply(changes, &mut rng())
}

/// The store's one record of the collection `test`.
fn sealed(store: &MemoryStore) -> store::Entry {
    let mut found = store.scan(b"test/").expect("memory");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn overwrite(store: &MemoryStore, key: &[u8], value: Vec<u8>) {
    let mut batch = Batch::default();
    batch.put(key, value);
    store.clone().commit(&batch).expect("memory");
}

#[test]
fn a_wallet_may_be_moved_to_another_thread_and_shared_with_it() {
    fn may<T: Send + Sync>() {}
    may::<Wallet>();
    may::<LockedWallet>();
    #[cfg(feature = "sled")]
    may::<sled_store::SledStore>();
}

#[test]
fn opens_with_passphrase_and_with_recovery_phrase() -> TestResult {
    let store = MemoryStore::default();
    let (mut first, phrase) = wallet(&store)?;
    put(&mut first, "a", b"secret value")?;
    let again = open(&store, Unlock::Passphrase(&passphrase()))?;
    assert_eq!(again.get("test", "a")?.expect("kept").expose_secret(), b"secret value");
    let words = RecoveryPhrase::parse(&phrase.expose_words()?)?;
    let recovered = open(&store, Unlock::Recovery(&words))?;
    assert_eq!(recovered.list("test")?.first().expect("kept").name, "a");
    assert_eq!(recovered.get("test", "b")?, None);
    Ok(())
}

#[test]
fn refuses_a_wrong_passphrase_and_changes_nothing() -> TestResult {
    let store = MemoryStore::default();
    wallet(&store)?;
    let before = store.scan(b"")?;
    let wrong = Passphrase::new("correct horse batterx");
    let error = open(&store, Unlock::Passphrase(&wrong)).expect_err("wrong");
    assert_eq!(error.code(), codes::WALLET_UNLOCK_FAILED);
    let other = RecoveryPhrase::generate(&mut rng());
    let error = open(&store, Unlock::Recovery(&other)).expect_err("other words");
    assert_eq!(error.code(), codes::WALLET_UNLOCK_FAILED);
    assert_eq!(store.scan(b"")?, before);
    Ok(())
}

#[test]
fn never_overwrites_a_wallet_by_an_empty_one() -> TestResult {
    let store = MemoryStore::default();
    wallet(&store)?;
    let before = store.scan(b"")?;
    assert_eq!(wallet(&store).expect_err("exists").code(), codes::WALLET_EXISTS);
    assert_eq!(store.scan(b"")?, before);
    Ok(())
}

#[test]
fn an_empty_store_was_not_tampered_with_and_one_without_a_header_was() -> TestResult {
    let store = MemoryStore::default();
    let weak = Passphrase::new("weak");
    let made = Wallet::create(Box::new(store.clone()), "ofgem", &weak, &mut rng(), now());
    assert_eq!(made.expect_err("weak").code(), codes::PASSPHRASE_WEAK);
    let error = open(&store, Unlock::Passphrase(&passphrase())).expect_err("empty");
    assert_eq!(error.code(), codes::WALLET_EMPTY);
    wallet(&store)?;
    let mut batch = Batch::default();
    batch.remove(header::KEY);
    store.clone().commit(&batch)?;
    let error = open(&store, Unlock::Passphrase(&passphrase())).expect_err("no header");
    assert_eq!(error.code(), codes::WALLET_TAMPERED);
    Ok(())
}

#[test]
fn refuses_a_record_that_was_altered_or_moved_to_another_key() -> TestResult {
    let store = MemoryStore::default();
    let (mut w, _) = wallet(&store)?;
    put(&mut w, "a", b"bid 10 MW")?;
    let (key, value) = sealed(&store);
    for i in 0..value.len() {
        let mut altered = value.clone();
        altered[i] ^= 1;
        overwrite(&store, &key, altered);
        let error = w.get("test", "a").expect_err("altered");
        // The first byte is the record's version.
        let expected = if i == 0 { codes::WALLET_VERSION } else { codes::WALLET_TAMPERED };
        assert_eq!(error.code(), expected, "byte {i}");
    }
    overwrite(&store, &key, value.clone());
    let elsewhere = w.cipher.store_key("test", "b")?;
    overwrite(&store, &elsewhere, value);
    assert_eq!(w.get("test", "b").expect_err("moved").code(), codes::WALLET_TAMPERED);
    assert_eq!(w.list("test").expect_err("moved").code(), codes::WALLET_TAMPERED);
    Ok(())
}

#[test]
fn refuses_a_record_of_another_wallet() -> TestResult {
    let (ours, theirs) = (MemoryStore::default(), MemoryStore::default());
    let (mut a, _) = wallet(&ours)?;
    let (mut b, _) = wallet(&theirs)?;
    put(&mut a, "x", b"ours")?;
    put(&mut b, "x", b"theirs")?;
    let (key, _) = sealed(&ours);
    overwrite(&ours, &key, sealed(&theirs).1);
    assert_eq!(a.get("test", "x").expect_err("foreign").code(), codes::WALLET_TAMPERED);
    Ok(())
}

#[test]
fn refuses_a_header_that_was_altered() -> TestResult {
    let store = MemoryStore::default();
    wallet(&store)?;
    let header = String::from_utf8(store.get(header::KEY)?.expect("a header"))?;
    for (from, to, code) in [
        ("\"name\":\"ofgem\"", "\"name\":\"other\"", codes::WALLET_TAMPERED),
        ("\"next_slot\":3", "\"next_slot\":1", codes::WALLET_TAMPERED),
        ("\"memory_kib\":65536", "\"memory_kib\":1024", codes::KDF_REFUSED),
        ("\"passes\":3", "\"passes\":4", codes::WALLET_UNLOCK_FAILED),
        ("\"version\":1", "\"version\":2", codes::WALLET_VERSION),
        ("\"slots\"", "\"slits\"", codes::WALLET_TAMPERED),
    ] {
        assert!(header.contains(from), "{from}");
        overwrite(&store, header::KEY, header.replace(from, to).into_bytes());
        let error = open(&store, Unlock::Passphrase(&passphrase())).expect_err(to);
        assert_eq!(error.code(), code, "{to}: {error}");
    }
    Ok(())
}

#[test]
fn nothing_in_the_store_shows_a_name_a_value_or_a_secret() -> TestResult {
    let store = MemoryStore::default();
    let (mut w, phrase) = wallet(&store)?;
    put(&mut w, "counterparty.example", b"the very secret value")?;
    let new = NewIdentity {
        name: "root".into(),
        kind: IdentityKind::Participant,
        did: NewDid::Key(KeyType::Ed25519),
    };
    let identity = w.new_identity(&new, &mut rng(), now())?;
    let (_, secret) = w.active_secret(&identity, Relationship::AssertionMethod)?;
    let all: Vec<u8> = store.scan(b"")?.into_iter().flat_map(|(k, v)| [k, v].concat()).collect();
    let contains = |needle: &[u8]| all.windows(needle.len()).any(|w| w == needle);
    assert!(contains(b"ofgem"), "the wallet's own name stands in its header");
    assert!(!contains(b"counterparty.example"));
    assert!(!contains(b"the very secret value"));
    assert!(!contains(identity.did.as_str().as_bytes()));
    assert!(!contains(secret.to_secret_bytes().expose_secret()));
    assert!(!contains(b"correct horse battery"));
    assert!(!contains(phrase.expose_words()?.as_bytes()));
    let debug = format!("{w:?} {secret:?}");
    assert!(!debug.contains("very secret"));
    Ok(())
}

#[test]
fn slots_are_added_listed_removed_and_the_last_one_stays() -> TestResult {
    let store = MemoryStore::default();
    let (mut w, phrase) = wallet(&store)?;
    let second = Passphrase::new("another passphrase");
    let id = w.add_slot(Unlock::Passphrase(&second), &mut rng(), now())?;
    assert_eq!(id, 3);
    open(&store, Unlock::Passphrase(&second))?;
    w.remove_slot(1)?;
    let error = open(&store, Unlock::Passphrase(&passphrase())).expect_err("removed");
    assert_eq!(error.code(), codes::WALLET_UNLOCK_FAILED);
    w.remove_slot(2)?;
    assert!(open(&store, Unlock::Recovery(&phrase)).is_err());
    assert_eq!(w.remove_slot(3).expect_err("last").code(), codes::WALLET_LAST_SLOT);
    assert_eq!(w.remove_slot(9).expect_err("none").code(), codes::WALLET_SLOT_NOT_FOUND);
    let ids: Vec<u32> = w.status()?.slots.iter().map(|s| s.id).collect();
    assert_eq!(ids, [3]);
    Ok(())
}

#[test]
fn a_new_passphrase_rewraps_and_does_not_rewrite() -> TestResult {
    let store = MemoryStore::default();
    let (mut w, _) = wallet(&store)?;
    put(&mut w, "a", b"value")?;
    let before = sealed(&store);
    let new = Passphrase::new("a better passphrase");
    let weak = w.change_passphrase(&passphrase(), &Passphrase::new("short"), &mut rng(), now());
    assert_eq!(weak.expect_err("weak").code(), codes::PASSPHRASE_WEAK);
    let wrong = w.change_passphrase(&new, &new, &mut rng(), now());
    assert_eq!(wrong.expect_err("wrong").code(), codes::WALLET_UNLOCK_FAILED);
    w.change_passphrase(&passphrase(), &new, &mut rng(), now())?;
    assert_eq!(sealed(&store), before);
    assert!(open(&store, Unlock::Passphrase(&passphrase())).is_err());
    assert!(open(&store, Unlock::Passphrase(&new))?.get("test", "a")?.is_some());
    Ok(())
}

#[test]
fn a_record_that_was_taken_away_or_put_back_older_is_missed() -> TestResult {
    let store = MemoryStore::default();
    let (mut w, _) = wallet(&store)?;
    put(&mut w, "a", b"first")?;
    let (key, first) = sealed(&store);
    put(&mut w, "a", b"second")?;
    let second = sealed(&store).1;
    let refused = |what: &str| {
        let error = open(&store, Unlock::Passphrase(&passphrase())).expect_err(what);
        assert_eq!(error.code(), codes::WALLET_TAMPERED, "{what}: {error}");
    };
    overwrite(&store, &key, first);
    refused("an older record");
    let mut batch = Batch::default();
    batch.remove(key.clone());
    store.clone().commit(&batch)?;
    refused("a record less");
    overwrite(&store, &key, second);
    open(&store, Unlock::Passphrase(&passphrase()))?;
    let mut batch = Batch::default();
    batch.remove(index::KEY);
    store.clone().commit(&batch)?;
    refused("no list");
    Ok(())
}

/// Writes, and then says that it failed: as a disk that fills up while the files are synced.
struct SyncFails(MemoryStore, bool);

impl Store for SyncFails {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key)
    }
    fn scan(&self, prefix: &[u8]) -> Result<Vec<store::Entry>, StoreError> {
        self.0.scan(prefix)
    }
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.0.commit(batch)?;
        self.1 = !self.1;
        if self.1 { Ok(()) } else { Err(StoreError::Damaged("the disk is full".into())) }
    }
}

#[test]
fn a_write_that_failed_half_way_does_not_spoil_the_next() -> TestResult {
    let memory = MemoryStore::default();
    let store = Box::new(SyncFails(memory.clone(), false));
    let (mut w, _) = Wallet::create(store, "dso", &passphrase(), &mut rng(), now())?;
    for name in ["a", "b", "c", "d"] {
        let _ = put(&mut w, name, b"value");
    }
    let again = open(&memory, Unlock::Passphrase(&passphrase()))?;
    assert_eq!(again.list("test")?.len(), 4);
    Ok(())
}

/// Writes, says that it may have failed, and is not read again: as sled on a disk that takes nothing any more.
struct DiskGone(MemoryStore, bool);

impl DiskGone {
    fn failed<T>() -> Result<T, StoreError> {
        let source = std::io::Error::other("no space");
        Err(StoreError::Io { action: "reading".into(), source })
    }
}

impl Store for DiskGone {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if self.1 { Self::failed() } else { self.0.get(key) }
    }
    fn scan(&self, prefix: &[u8]) -> Result<Vec<store::Entry>, StoreError> {
        if self.1 { Self::failed() } else { self.0.scan(prefix) }
    }
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.1 {
            return Self::failed();
        }
        self.0.commit(batch)?;
        self.1 = true;
        let source = std::io::Error::other("no space");
        Err(StoreError::Unconfirmed { action: "syncing".into(), source })
    }
}

#[test]
fn a_change_that_may_be_there_is_not_called_one_that_is_not() -> TestResult {
    let memory = MemoryStore::default();
    wallet(&memory)?;
    let store = Box::new(DiskGone(memory.clone(), false));
    let mut w = LockedWallet::open(store)?.unlock(Unlock::Passphrase(&passphrase()))?;
    let error = put(&mut w, "a", b"value").expect_err("unconfirmed");
    assert_eq!(error.code(), codes::STORE_UNCONFIRMED, "{error}");
    assert!(error.to_string().contains("may be changed all the same"), "{error}");
    // What follows is known not to be there.
    let error = put(&mut w, "b", b"value").expect_err("the disk is gone");
    assert_eq!(error.code(), codes::STORE_IO, "{error}");
    let again = open(&memory, Unlock::Passphrase(&passphrase()))?;
    assert_eq!(again.list("test")?.len(), 1);
    Ok(())
}

fn identity(w: &mut Wallet, name: &str, kind: IdentityKind, did: NewDid) -> identities::Identity {
    let new = NewIdentity { name: name.into(), kind, did };
    w.new_identity(&new, &mut rng(), now()).expect("a new identity")
}

fn web(location: &str, key_type: KeyType) -> NewDid {
    NewDid::Web { location: location.into(), key_type }
}

#[test]
fn every_method_makes_an_identity_whose_signature_verifies() -> TestResult {
    let store = MemoryStore::default();
    let (mut w, _) = wallet(&store)?;
    let participant = IdentityKind::Participant;
    for (i, did) in [
        NewDid::Key(KeyType::Ed25519),
        NewDid::Key(KeyType::P256),
        NewDid::Jwk(KeyType::Ed25519),
        NewDid::Jwk(KeyType::P256),
        web("dso.example:grid", KeyType::Ed25519),
        web("dso.example:p256", KeyType::P256),
    ]
    .into_iter()
    .enumerate()
    {
        let identity = identity(&mut w, &format!("i{i}"), participant, did);
        let purpose = Relationship::AssertionMethod;
        let signing =
            Signing { purpose, unencoded: false, content_type: None, audience: Vec::new() };
        let jws = JwsIn::parse(&w.sign(&identity, b"bid", &signing, now())?)?;
        let expect = crate::verify::Expectation {
            purpose,
            now: now(),
            proven_at: None,
            signer: Some(identity.did.clone()),
            audience: None,
        };
        let resolver = OfflineResolver::new(&w);
        let verification = crate::verify::verify_jws(&jws, None, &resolver, &expect)?;
        assert_eq!(verification.payload(), Some(b"bid".as_slice()), "{:?}", verification.report);
    }
    assert_eq!(w.identities()?.len(), 6);
    Ok(())
}

#[test]
fn did_web_documents_have_a_distinct_key_of_the_type_asked_for_each_purpose() -> TestResult {
    let (mut w, _) = wallet(&MemoryStore::default())?;
    for (location, signs, agrees) in [
        ("a.example", KeyType::Ed25519, KeyType::X25519),
        ("b.example", KeyType::P256, KeyType::P256),
    ] {
        let new = web(location, signs);
        let made = identity(&mut w, location, IdentityKind::Participant, new);
        let resolution = OfflineResolver::new(&w).resolve(&made.did)?;
        let document = resolution.current().expect("a document");
        let mut keys = Vec::new();
        for relationship in Relationship::ALL {
            let is_agreement = relationship == Relationship::KeyAgreement;
            let expected = if is_agreement { agrees } else { signs };
            for method in document.methods_for(relationship) {
                let key = method.public_key.as_ref().expect("a key");
                assert_eq!(key.key_type(), expected, "{location} {relationship}");
                keys.push(key.to_multikey());
            }
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 4);
    }
    let new = NewIdentity {
        name: "sealed to".into(),
        kind: IdentityKind::Participant,
        did: web("c.example", KeyType::X25519),
    };
    let error = w.new_identity(&new, &mut rng(), now()).expect_err("nothing to sign with");
    assert_eq!(error.code(), codes::KEY_TYPE_UNSUITABLE);
    Ok(())
}

#[test]
fn names_of_identities_are_unique_and_not_dids() -> TestResult {
    let (mut w, _) = wallet(&MemoryStore::default())?;
    let new = |name: &str| NewIdentity {
        name: name.into(),
        kind: IdentityKind::Participant,
        did: NewDid::Key(KeyType::Ed25519),
    };
    w.new_identity(&new("root"), &mut rng(), now())?;
    for (name, code) in [
        ("root", codes::IDENTITY_EXISTS),
        ("", codes::WALLET_LIMIT),
        ("did:key:z", codes::WALLET_LIMIT),
        ("\u{1b}[2J", codes::WALLET_LIMIT),
    ] {
        let error = w.new_identity(&new(name), &mut rng(), now()).expect_err(name);
        assert_eq!(error.code(), code);
    }
    let bad = NewIdentity { did: web("127.0.0.1", KeyType::Ed25519), ..new("web") };
    let error = w.new_identity(&bad, &mut rng(), now()).expect_err("an address");
    assert_eq!(error.code(), codes::DID_MALFORMED);
    assert_eq!(w.identities()?.len(), 1);
    // A did:web is its place: the second one there would take the place of the first.
    let there = |name: &str| NewIdentity { did: web("dso.example", KeyType::Ed25519), ..new(name) };
    let first = w.new_identity(&there("web"), &mut rng(), now())?;
    let error = w.new_identity(&there("again"), &mut rng(), now()).expect_err("the same DID");
    assert_eq!(error.code(), codes::IDENTITY_EXISTS);
    assert_eq!(w.identity("web")?, first);
    assert_eq!(w.snapshots(&first.did)?.len(), 1, "its document is as it was");
    Ok(())
}

#[test]
fn a_node_signs_with_its_own_wallet_and_cannot_issue() -> TestResult {
    // The root's wallet is elsewhere: the node's holds the node key and nothing else.
    let (mut node_wallet, _) = wallet(&MemoryStore::default())?;
    let node = identity(&mut node_wallet, "n1", IdentityKind::Node, NewDid::Key(KeyType::Ed25519));
    let signing =
        |purpose| Signing { purpose, unencoded: false, content_type: None, audience: Vec::new() };
    node_wallet.sign(&node, b"x", &signing(Relationship::CapabilityInvocation), now())?;
    node_wallet.sign(&node, b"x", &signing(Relationship::Authentication), now())?;
    let error = node_wallet
        .sign(&node, b"x", &signing(Relationship::AssertionMethod), now())
        .expect_err("a node does not issue");
    assert_eq!(error.code(), codes::NODE_CANNOT_ACT);
    Ok(())
}

#[test]
fn a_key_marked_as_compromised_signs_no_more() -> TestResult {
    let (mut w, _) = wallet(&MemoryStore::default())?;
    let root = identity(&mut w, "root", IdentityKind::Participant, NewDid::Key(KeyType::Ed25519));
    let key = root.active_key(Relationship::AssertionMethod).expect("active").id.clone();
    let marked = w.mark_compromised(&key, now(), &mut rng(), now())?;
    assert_eq!(marked.keys[0].state, KeyState::Compromised { since: now() });
    let earlier = UnixMillis::new(now().get() - 5000);
    for (since, code) in [(now(), Some(codes::COMPROMISE_TIME)), (earlier, None)] {
        let again = w.mark_compromised(&key, since, &mut rng(), now());
        assert_eq!(again.err().map(|e| e.code()), code, "{since}");
    }
    let late = w.mark_compromised(&key, now().plus_millis(1), &mut rng(), now());
    assert_eq!(late.expect_err("a time to come").code(), codes::COMPROMISE_TIME);
    let again = w.identity("root")?;
    assert_eq!(again.keys[0].state, KeyState::Compromised { since: earlier });
    let error = w.active_secret(&again, Relationship::AssertionMethod).expect_err("marked");
    assert_eq!(error.code(), codes::IDENTITY_KEY_MISSING);
    let unknown = root.did.with_fragment("other")?;
    let error = w.mark_compromised(&unknown, now(), &mut rng(), now()).expect_err("unknown");
    assert_eq!(error.code(), codes::IDENTITY_KEY_MISSING);
    Ok(())
}

#[cfg(feature = "seal")]
#[test]
fn what_is_signed_and_sealed_opens_and_verifies() -> TestResult {
    use crate::jwe::JweIn;
    let (mut alice, _) = wallet(&MemoryStore::default())?;
    let (mut bob, _) = wallet(&MemoryStore::default())?;
    let from = identity(&mut alice, "a", IdentityKind::Participant, NewDid::Key(KeyType::Ed25519));
    let to = identity(&mut bob, "b", IdentityKind::Participant, NewDid::Key(KeyType::P256));
    let resolver = OfflineResolver::new(&crate::resolve::NoSnapshots);
    let sealed =
        alice.seal(b"offer", std::slice::from_ref(&to.did), Some(&from), &resolver, now())?;
    let jwe = JweIn::parse(&sealed)?;
    assert_eq!(alice.open(&jwe).expect_err("not for alice").code(), codes::JWE_NOT_FOR_US);
    let opened = bob.open(&jwe)?;
    assert!(opened.signed);
    assert_eq!(opened.key_id.did(), &to.did);
    let jws = JwsIn::parse(std::str::from_utf8(opened.content.expose_secret())?)?;
    let expect = crate::verify::Expectation {
        purpose: Relationship::Authentication,
        now: now(),
        proven_at: None,
        signer: Some(from.did.clone()),
        audience: Some(to.did.clone()),
    };
    let verification = crate::verify::verify_jws(&jws, None, &resolver, &expect)?;
    assert_eq!(verification.payload(), Some(b"offer".as_slice()));
    let ed25519 = identity(&mut bob, "j", IdentityKind::Participant, NewDid::Jwk(KeyType::Ed25519));
    let error = alice.seal(b"x", &[ed25519.did], None, &resolver, now()).expect_err("no key");
    assert_eq!(error.code(), codes::SEAL_NO_KEY);
    Ok(())
}

#[test]
fn a_backup_older_than_the_last_key_is_told() -> TestResult {
    let store = MemoryStore::default();
    let (mut w, _) = wallet(&store)?;
    assert!(!w.status()?.diary.backup_is_stale(), "nothing to lose yet");
    identity(&mut w, "root", IdentityKind::Participant, NewDid::Key(KeyType::Ed25519));
    assert!(w.status()?.diary.backup_is_stale());
    Ok(())
}

#[cfg(feature = "backup")]
#[test]
fn since_when_a_backup_lacks_what_was_issued_is_known() -> TestResult {
    let store = MemoryStore::default();
    let (mut w, _) = wallet(&store)?;
    let hour = |n: u64| now().plus_millis(n * 3_600_000);
    for n in [1, 2] {
        w.apply_issuing(Changes::default(), &mut rng(), hour(n))?;
    }
    assert_eq!(w.status()?.diary.issuing_unsaved_since(), Some(hour(1)));
    drop(w);
    LockedWallet::open(Box::new(store.clone()))?.note_backup(hour(3))?;
    let mut w = open(&store, Unlock::Passphrase(&passphrase()))?;
    assert_eq!(w.status()?.diary.issuing_unsaved_since(), None);
    assert!(!w.status()?.diary.backup_is_stale());
    for n in [4, 5] {
        w.apply_issuing(Changes::default(), &mut rng(), hour(n))?;
    }
    let diary = w.status()?.diary;
    assert_eq!((diary.issuing_unsaved_since(), diary.last_issuing), (Some(hour(4)), Some(hour(5))));
    assert!(diary.backup_is_stale());
    // As a program left it that did not keep the first.
    let older = Diary { first_unsaved_issuing: None, ..diary };
    assert_eq!(older.issuing_unsaved_since(), Some(hour(3)));
    Ok(())
}
