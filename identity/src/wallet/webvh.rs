//! did:webvh identities: creating their log and rotating their keys in it.

use super::identity::{
    ControlKeys, Identity, IdentityError, IdentityKey, KeySet, KeyState, key_for_each_purpose,
    key_set, must_have_come, stage_identity, stage_key,
};
use super::snapshots::SeenFiles;
use super::{Changes, Wallet, WalletError};
use crate::did::Did;
use crate::document::{DidDocument, MAX_VERIFICATION_METHODS, Relationship, VerificationMethod};
use crate::key::{KeyType, PublicKey, SecretKey};
use crate::method::webvh::{self, Control, NewMethod, VerifiedEntries, WebvhError, WitnessRule};
use crate::resolve::{ResolveError, SnapshotStore as _};
use crate::time::UnixMillis;
use rand_core::CryptoRng;
use std::collections::BTreeSet;

impl From<WebvhError> for WalletError {
    fn from(e: WebvhError) -> Self {
        ResolveError::from(e).into()
    }
}

/// A new log with its keys, not stored yet.
pub(super) struct NewLog {
    pub(super) did: Did,
    pub(super) keys: KeySet,
    pub(super) control: ControlKeys,
    pub(super) control_secrets: Vec<SecretKey>,
    pub(super) log: String,
}

pub(super) fn create(
    location: &str,
    witness: Option<&WitnessRule>,
    rng: &mut dyn CryptoRng,
    now: UnixMillis,
) -> Result<NewLog, WalletError> {
    let secrets = key_for_each_purpose(1, KeyType::Ed25519, rng);
    let methods: Vec<NewMethod> = secrets
        .iter()
        .map(|(fragment, purpose, secret)| NewMethod {
            fragment: fragment.clone(),
            public_key: secret.public_key(),
            relationships: vec![*purpose],
            revoked: None,
        })
        .collect();
    let current = SecretKey::generate(KeyType::Ed25519, rng);
    let next = SecretKey::generate(KeyType::Ed25519, rng);
    let control = Control { signer: &current, next: &next.public_key(), witness };
    let (did, log) = webvh::create(location, &methods, &control, now)?;
    Ok(NewLog {
        keys: key_set(&did, secrets, now)?,
        did,
        control: ControlKeys {
            current: current.public_key().to_multikey(),
            next: next.public_key().to_multikey(),
        },
        control_secrets: vec![current, next],
        log,
    })
}

/// A key as the document lists it: the active ones with their purposes, the compromised ones
/// marked and without any. Keys replaced in good order are listed no more.
fn listed(key: &IdentityKey) -> Result<Option<NewMethod>, WalletError> {
    let (relationships, revoked) = match key.state {
        KeyState::Active => (key.purposes.clone(), None),
        KeyState::Compromised { since } => (Vec::new(), Some(since)),
        KeyState::Retired { .. } => return Ok(None),
    };
    Ok(Some(NewMethod {
        fragment: key.id.fragment().unwrap_or_default().to_owned(),
        public_key: PublicKey::from_multikey(&key.public_key)?,
        relationships,
        revoked,
    }))
}

/// Whether a document lists a key as one that counts.
pub(super) fn lists(document: Option<&DidDocument>, key: &IdentityKey) -> bool {
    let methods: &[VerificationMethod] = document.map_or(&[], DidDocument::verification_methods);
    let same = |k: &PublicKey| k.to_multikey() == key.public_key;
    let is_it = |m: &VerificationMethod| {
        m.id == key.id && m.revoked.is_none() && m.public_key.as_ref().is_some_and(same)
    };
    methods.iter().any(is_it)
}

impl Wallet {
    /// Replaces every active key of a did:webvh identity, and the key that controls its log, by
    /// new ones; durable when it returns. The owner then publishes the log.
    ///
    /// With `compromised_since`, every key that was in use at that time or later stays, or is again,
    /// listed in the document, marked with that time and without any purpose, so that every verifier
    /// tells it from keys that were only replaced: also one that was replaced before its theft was
    /// noticed. A mark from an earlier call moves to an earlier time, never to a later one. A document has
    /// room for 60 marks: of more the newest are made, and the next call makes others.
    ///
    /// # Errors
    /// [`IdentityError::CannotRotate`] for another method; [`IdentityError::CompromiseTime`] for a time
    /// to come; [`IdentityError::Outdated`] where the log was rotated elsewhere;
    /// [`IdentityError::Deactivated`]; [`WalletError::ClockBehind`]; [`WebvhError::Refused`] within a second
    /// of the last change.
    pub fn rotate(
        &mut self,
        identity: &Identity,
        compromised_since: Option<UnixMillis>,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<Identity, WalletError> {
        let cannot = || IdentityError::CannotRotate { did: identity.did.clone() };
        if let Some(since) = compromised_since {
            must_have_come(since, now)?;
        }
        self.check_clock(now)?;
        // Read again: the caller's copy may be old.
        let mut identity = self.identity(identity.did.as_str())?;
        self.check_current(&identity)?;
        let control = identity.control.clone().ok_or_else(cannot)?;
        let newest = self.snapshots(&identity.did)?.pop();
        let newest = newest.ok_or_else(|| ResolveError::NotFound(identity.did.clone()))?;
        let log = VerifiedEntries::verify(&identity.did, &newest.document, now)?;

        let sets = identity.keys.chunks(crate::document::Relationship::ALL.len()).count();
        let number = sets.saturating_add(1);
        // A document has so much room beside the new keys. Those in use come first, then the newest.
        let mut room = MAX_VERIFICATION_METHODS.saturating_sub(Relationship::ALL.len());
        let mut shown = BTreeSet::new();
        for key in identity.keys.iter_mut().rev() {
            match compromised_since {
                Some(since) if room > 0 && key.is_to_be_marked(since) => {
                    key.state = KeyState::Compromised { since };
                    room = room.saturating_sub(1);
                    shown.insert(key.public_key.clone());
                }
                None if key.state == KeyState::Active => {
                    key.state = KeyState::Retired { since: now.floor_to_second() };
                }
                Some(_) | None => {}
            }
        }
        let new = key_for_each_purpose(number, KeyType::Ed25519, rng);
        let new = key_set(&identity.did, new, now)?;
        identity.keys.extend(new.keys);
        // Marks of earlier entries count for good: where there is no room for all, the oldest are not repeated.
        let is_marked = |k: &&IdentityKey| matches!(k.state, KeyState::Compromised { .. });
        for key in identity.keys.iter().rev().filter(is_marked) {
            if room > 0 && shown.insert(key.public_key.clone()) {
                room = room.saturating_sub(1);
            }
        }
        let is_shown =
            |k: &&IdentityKey| k.state == KeyState::Active || shown.contains(&k.public_key);
        let mut methods = Vec::new();
        for key in identity.keys.iter().filter(is_shown) {
            methods.extend(listed(key)?);
        }
        let signer = self.secret(&control.next)?;
        let next = SecretKey::generate(KeyType::Ed25519, rng);
        let new_control = Control { signer: &signer, next: &next.public_key(), witness: None };
        let text = webvh::update(&log, &methods, &new_control, now)?;

        identity.control =
            Some(ControlKeys { current: control.next, next: next.public_key().to_multikey() });
        let mut changes = Changes::default();
        // A clock that was set back must not make the log that this one goes on from the newest.
        let seen = now.max(newest.seen);
        let files = SeenFiles::log(seen, text, newest.witness);
        self.stage_snapshot(&mut changes, &identity.did, files)?;
        stage_identity(&mut changes, &identity)?;
        for secret in new.secrets.iter().chain([&next]) {
            stage_key(&mut changes, secret);
        }
        // A spent control key is destroyed (section "Pre-Rotation Key Hash Generation").
        changes.remove(super::identity::KEYS, &control.current);
        self.apply_key_change(changes, rng, now)?;
        Ok(identity)
    }

    /// Whether the newest log that is kept of an identity lists the keys that the wallet signs with. A
    /// wallet that was restored from an older backup, and then learned its own published log, has keys that
    /// everybody else knows as replaced, or of a DID that was given up.
    ///
    /// # Errors
    /// [`IdentityError::Outdated`]; [`IdentityError::Deactivated`].
    pub fn check_current(&self, identity: &Identity) -> Result<(), WalletError> {
        if identity.did.method() != "webvh" {
            return Ok(());
        }
        let Some(newest) = self.snapshots(&identity.did)?.pop() else { return Ok(()) };
        // As of when it was kept: a clock that was set back since changes nothing.
        let log = VerifiedEntries::verify(&identity.did, &newest.document, newest.seen)?;
        if let Some(since) = log.deactivated() {
            return Err(IdentityError::Deactivated { did: identity.did.clone(), since }.into());
        }
        let versions = log.into_versions();
        let document = versions.last().and_then(|v| v.document.as_ref());
        let mut active = identity.keys.iter().filter(|k| k.state == KeyState::Active);
        if active.all(|key| lists(document, key)) {
            return Ok(());
        }
        Err(IdentityError::Outdated(identity.did.clone()).into())
    }

    /// Approves the last entry of somebody's log as a witness, and keeps the log, so that this
    /// witness never approves a second history (section "Witnessing a DID Version Update").
    ///
    /// # Errors
    /// [`WebvhError::Entry`] for a log that must be refused, [`WebvhError::Rewritten`] or
    /// [`WebvhError::Older`] for one that does not continue what this wallet saw,
    /// [`WebvhError::Refused`] if the log does not name the identity as a witness.
    pub fn witness(
        &mut self,
        identity: &Identity,
        did: &Did,
        log: &[u8],
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<(String, serde_json::Value), WalletError> {
        let entries = VerifiedEntries::verify(did, log, now)?;
        let newest = self.snapshots(did)?.pop();
        if let Some(seen) = &newest {
            webvh::continues(&seen.document, log)?;
        }
        let named = entries
            .acting_witness_rule()
            .is_some_and(|rule| rule.witnesses.iter().any(|w| w.id == identity.did));
        if !named {
            let reason = format!("the log does not name {} as a witness", identity.did);
            return Err(WebvhError::Refused(reason).into());
        }
        let (_, secret) = self.active_secret(identity, Relationship::AssertionMethod)?;
        let proof = webvh::witness_proof(&entries, &secret, now)?;
        let text = String::from_utf8_lossy(log).into_owned();
        // With a clock that was set back, too, this log takes the place of the one before.
        let seen = newest.as_ref().map_or(now, |s| now.max(s.seen));
        let files = SeenFiles::log(seen, text, newest.and_then(|s| s.witness));
        let mut changes = Changes::default();
        self.stage_snapshot(&mut changes, did, files)?;
        self.apply(changes, rng)?;
        Ok((entries.version_id().to_owned(), proof))
    }

    /// The log of a did:webvh that this wallet holds, its entries verified.
    ///
    /// # Errors
    /// [`ResolveError::NotFound`] if it holds none.
    pub fn webvh_log(&self, did: &Did, now: UnixMillis) -> Result<VerifiedEntries, WalletError> {
        let newest = self.snapshots(did)?.pop();
        let newest = newest.ok_or_else(|| ResolveError::NotFound(did.clone()))?;
        Ok(VerifiedEntries::verify(did, &newest.document, now)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use crate::method::webvh::Witness;
    use crate::resolve::{OfflineResolver, Resolver as _, TimeBasis};
    use crate::wallet::identities::{IdentityKind, NewDid, NewIdentity};
    use crate::wallet::slot::Passphrase;
    use crate::wallet::store::MemoryStore;
    use crate::wallet::tests::{now, rng};

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn wallet(did: NewDid) -> Result<(Wallet, Identity), WalletError> {
        let (store, passphrase) =
            (MemoryStore::default(), Passphrase::new("correct horse battery"));
        let (mut wallet, _) =
            Wallet::create(Box::new(store), "dso", &passphrase, &mut rng(), now())?;
        let new = NewIdentity { name: "root".into(), kind: IdentityKind::Participant, did };
        let identity = wallet.new_identity(&new, &mut rng(), now())?;
        Ok((wallet, identity))
    }

    fn at(seconds: u64) -> UnixMillis {
        now().plus_millis(seconds * 1000)
    }

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("32 bytes")
    }

    fn methods(seed: u8) -> Vec<NewMethod> {
        vec![NewMethod {
            fragment: "assertion".into(),
            public_key: key(seed).public_key(),
            relationships: vec![Relationship::AssertionMethod],
            revoked: None,
        }]
    }

    #[test]
    fn a_rotation_is_kept_also_where_the_clock_was_set_back() -> TestResult {
        let did = NewDid::Webvh { location: "dso.example".into(), witness: None };
        let (mut wallet, root) = wallet(did)?;
        let mut own = wallet.snapshots(&root.did)?.pop().expect("its log");
        own.seen = at(86_400);
        wallet.save_snapshot(&root.did, &own, &mut rng())?;
        for (seconds, entries) in [(3600, 2), (7200, 3)] {
            wallet.rotate(&root, None, &mut rng(), at(seconds))?;
            let logs = wallet.snapshots(&root.did)?;
            assert_eq!(logs.len(), 1);
            assert_eq!(String::from_utf8_lossy(&logs[0].document).lines().count(), entries);
        }
        Ok(())
    }

    #[test]
    fn a_wallet_that_is_behind_its_own_log_signs_and_rotates_no_more() -> TestResult {
        let did = NewDid::Webvh { location: "dso.example".into(), witness: None };
        let (mut wallet, root) = wallet(did)?;
        wallet.rotate(&root, None, &mut rng(), at(1000))?;
        wallet.active_secret(&wallet.identity("root")?, Relationship::AssertionMethod)?;
        // The record as it was before, as from a backup.
        let mut changes = Changes::default();
        stage_identity(&mut changes, &root)?;
        wallet.apply(changes, &mut rng())?;
        let signs = wallet.active_secret(&root, Relationship::AssertionMethod).map(|_| ());
        let rotates = wallet.rotate(&root, None, &mut rng(), at(2000)).map(|_| ());
        for refused in [signs, rotates] {
            assert_eq!(refused.expect_err("it is behind").code(), codes::WALLET_OUTDATED);
        }
        Ok(())
    }

    #[test]
    fn a_theft_that_was_noticed_after_a_rotation_marks_the_key_that_was_stolen() -> TestResult {
        let did = NewDid::Webvh { location: "dso.example".into(), witness: None };
        let (mut wallet, root) = wallet(did)?;
        let first = root.active_key(Relationship::AssertionMethod).expect("a key").id.clone();
        let second = wallet.rotate(&root, None, &mut rng(), at(1000))?;
        let second = second.active_key(Relationship::AssertionMethod).expect("a key").id.clone();
        let marked = |wallet: &Wallet, key: &crate::did::DidUrl| {
            let all = wallet.identity("root").expect("it").keys;
            all.iter().find(|k| &k.id == key).map(|k| k.state)
        };
        let since = |seconds| Some(KeyState::Compromised { since: at(seconds) });
        // The first was replaced before this theft.
        wallet.rotate(&root, Some(at(1500)), &mut rng(), at(2000))?;
        assert_eq!(marked(&wallet, &first), Some(KeyState::Retired { since: at(1000) }));
        assert_eq!(marked(&wallet, &second), since(1500));
        // It began earlier than was thought, and never later.
        wallet.rotate(&root, Some(at(500)), &mut rng(), at(3000))?;
        wallet.rotate(&root, Some(at(2500)), &mut rng(), at(4000))?;
        for key in [&first, &second] {
            assert_eq!(marked(&wallet, key), since(500), "{key}");
            let log = OfflineResolver::new(&wallet).resolve(&root.did)?;
            let asked = (Relationship::AssertionMethod, at(600), TimeBasis::Proven);
            let (check, _) = log.key_at(key, asked.0, asked.1, asked.2);
            assert_eq!(check.code, codes::KEY_COMPROMISED, "{key}");
        }
        let refused = wallet.rotate(&root, Some(at(5001)), &mut rng(), at(5000));
        assert_eq!(refused.expect_err("a time to come").code(), codes::COMPROMISE_TIME);
        Ok(())
    }

    #[test]
    fn more_keys_than_a_document_has_room_for_are_marked_by_several_calls() -> TestResult {
        let did = NewDid::Webvh { location: "dso.example".into(), witness: None };
        let (mut wallet, root) = wallet(did)?;
        for number in 1..=20 {
            wallet.rotate(&root, None, &mut rng(), at(number * 1000))?;
        }
        let left = |identity: &Identity| {
            let old = identity.keys.iter().filter(|k| k.state != KeyState::Active);
            old.filter(|k| k.is_to_be_marked(at(500))).count()
        };
        let first = wallet.rotate(&root, Some(at(500)), &mut rng(), at(30_000))?;
        assert_eq!(left(&first), 21 * 4 - 60);
        let second = wallet.rotate(&root, Some(at(500)), &mut rng(), at(31_000))?;
        assert_eq!(left(&second), 0);
        // What the first call said counts after the second, too.
        let log = OfflineResolver::new(&wallet).resolve(&root.did)?;
        for key in second.keys.iter().filter(|k| k.state != KeyState::Active) {
            let purpose = key.purposes.first().copied().expect("a purpose");
            let (check, _) = log.key_at(&key.id, purpose, at(29_999), TimeBasis::Proven);
            assert_eq!(check.code, codes::KEY_COMPROMISED, "{}", key.id);
        }
        Ok(())
    }

    #[test]
    fn a_log_that_goes_on_is_kept_whenever_the_one_before_is_said_to_be_from() -> TestResult {
        let (mut wallet, _) = wallet(NewDid::Key(KeyType::Ed25519))?;
        let next = key(2).public_key();
        let control = Control { signer: &key(1), next: &next, witness: None };
        let (did, first) = webvh::create("dso.example", &methods(11), &control, at(0))?;
        let entries = VerifiedEntries::verify(&did, first.as_bytes(), at(100))?;
        let last = key(3).public_key();
        let control = Control { signer: &key(2), next: &last, witness: None };
        let second = webvh::update(&entries, &methods(12), &control, at(100))?;
        let snapshot = |log: &str, seen| {
            let document = log.as_bytes().to_vec();
            crate::resolve::Snapshot { seen, confirmed: None, document, witness: None }
        };
        wallet.save_snapshot(&did, &snapshot(&first, at(9000)), &mut rng())?;
        wallet.save_snapshot(&did, &snapshot(&second, at(200)), &mut rng())?;
        let kept = wallet.snapshots(&did)?;
        assert_eq!(
            (kept.len(), kept[0].seen, &kept[0].document),
            (1, at(9000), &second.into_bytes())
        );
        // One that is older, and obtained later, is none that goes on.
        let older = wallet.save_snapshot(&did, &snapshot(&first, at(9001)), &mut rng());
        assert_eq!(older.expect_err("it is cut off").code(), codes::WEBVH_LOG_INVALID);
        Ok(())
    }

    #[test]
    fn a_witness_does_not_forget_what_it_approved_when_its_clock_is_set_back() -> TestResult {
        let (mut wallet, me) = wallet(NewDid::Key(KeyType::Ed25519))?;
        let rule = WitnessRule { threshold: 1, witnesses: vec![Witness { id: me.did.clone() }] };
        let next = key(2).public_key();
        let control = Control { signer: &key(1), next: &next, witness: Some(&rule) };
        let (did, first) = webvh::create("dso.example", &methods(11), &control, at(0))?;
        let longer = |log: &str, signer: u8, listed: u8, time: UnixMillis| {
            let entries = VerifiedEntries::verify(&did, log.as_bytes(), time)?;
            let next = key(signer + 1).public_key();
            let control = Control { signer: &key(signer), next: &next, witness: None };
            webvh::update(&entries, &methods(listed), &control, time)
        };
        let second = longer(&first, 2, 12, at(100))?;
        let third = longer(&second, 3, 13, at(200))?;
        let fork = longer(&second, 3, 14, at(200))?;
        wallet.witness(&me, &did, second.as_bytes(), &mut rng(), at(10_000))?;
        wallet.witness(&me, &did, third.as_bytes(), &mut rng(), at(300))?;
        let refused = wallet.witness(&me, &did, fork.as_bytes(), &mut rng(), at(400));
        assert_eq!(refused.expect_err("a second history").code(), codes::WEBVH_LOG_INVALID);
        Ok(())
    }
}
