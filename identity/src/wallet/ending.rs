//! The end of an identity: its DID is deactivated, for good. Of the methods here only did:webvh has a log
//! in which that is written for everybody.

use super::identity::{Identity, IdentityError, KEYS, KeyState, stage_identity};
use super::snapshots::SeenFiles;
use super::{Changes, Wallet, WalletError};
use crate::method::webvh::{self, VerifiedEntries};
use crate::resolve::{ResolveError, SnapshotStore as _};
use crate::time::UnixMillis;
use rand_core::CryptoRng;

impl Wallet {
    /// From when on an identity's DID is deactivated, by the newest log that is kept of it, whether this
    /// wallet wrote that or learned it; `None` where it is not.
    ///
    /// # Errors
    /// [`WalletError::Identity`] if the log cannot be read.
    pub fn deactivated(&self, identity: &Identity) -> Result<Option<UnixMillis>, WalletError> {
        if identity.did.method() != "webvh" {
            return Ok(None);
        }
        let Some(newest) = self.snapshots(&identity.did)?.pop() else { return Ok(None) };
        // As of when it was kept: a clock that was set back since changes nothing.
        let log = VerifiedEntries::verify(&identity.did, &newest.document, newest.seen)?;
        Ok(log.deactivated())
    }

    /// Deactivates the DID of a did:webvh identity for good; durable when it returns. The owner then
    /// publishes the log. The identity and its keys are kept: what was sealed to it opens, and nothing is
    /// signed with it any more.
    ///
    /// # Errors
    /// [`IdentityError::CannotDeactivate`] for another method; [`IdentityError::Deactivated`];
    /// [`IdentityError::Outdated`] where the log was rotated elsewhere; [`WalletError::ClockBehind`];
    /// [`webvh::WebvhError::Refused`] within a second of the last change.
    pub fn deactivate(
        &mut self,
        identity: &Identity,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<Identity, WalletError> {
        self.check_clock(now)?;
        // Read again: the caller's copy may be old.
        let mut identity = self.identity(identity.did.as_str())?;
        self.check_current(&identity)?;
        let control = identity
            .control
            .take()
            .ok_or_else(|| IdentityError::CannotDeactivate { did: identity.did.clone() })?;
        let newest = self.snapshots(&identity.did)?.pop();
        let newest = newest.ok_or_else(|| ResolveError::NotFound(identity.did.clone()))?;
        let log = VerifiedEntries::verify(&identity.did, &newest.document, now)?;
        let signer = self.secret(&control.next)?;
        let text = webvh::deactivate(&log, &signer, now)?;
        let ended = VerifiedEntries::verify(&identity.did, text.as_bytes(), now)?.deactivated();
        let since = ended.ok_or(WalletError::Internal("a log that was ended says so"))?;
        for key in identity.keys.iter_mut().filter(|k| k.state == KeyState::Active) {
            key.state = KeyState::Retired { since };
        }
        let mut changes = Changes::default();
        // A clock that was set back must not make the log that this one goes on from the newest.
        let files = SeenFiles::log(now.max(newest.seen), text, newest.witness);
        self.stage_snapshot(&mut changes, &identity.did, files)?;
        stage_identity(&mut changes, &identity)?;
        // Nobody may sign another entry: the keys that could are destroyed.
        for spent in [&control.current, &control.next] {
            changes.remove(KEYS, spent);
        }
        self.apply_key_change(changes, rng, now)?;
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use crate::document::Relationship;
    use crate::key::KeyType;
    use crate::method::webvh::{Witness, WitnessRule, add_witness_proof};
    use crate::resolve::{OfflineResolver, Resolver as _};
    use crate::wallet::identities::{IdentityKind, NewDid, NewIdentity};
    use crate::wallet::slot::Passphrase;
    use crate::wallet::store::MemoryStore;
    use crate::wallet::tests::{now, rng};

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn at(seconds: u64) -> UnixMillis {
        now().plus_millis(seconds * 1000)
    }

    fn wallet() -> Result<Wallet, WalletError> {
        let (store, phrase) = (MemoryStore::default(), Passphrase::new("correct horse battery"));
        Ok(Wallet::create(Box::new(store), "dso", &phrase, &mut rng(), now())?.0)
    }

    fn add(wallet: &mut Wallet, name: &str, did: NewDid) -> Result<Identity, WalletError> {
        let new = NewIdentity { name: name.into(), kind: IdentityKind::Participant, did };
        wallet.new_identity(&new, &mut rng(), now())
    }

    fn logged(witness: Option<WitnessRule>) -> NewDid {
        NewDid::Webvh { location: "dso.example".into(), witness }
    }

    #[test]
    fn an_identity_that_is_given_up_signs_rotates_and_ends_no_more() -> TestResult {
        let mut wallet = wallet()?;
        let root = add(&mut wallet, "root", logged(None))?;
        let other = add(&mut wallet, "other", NewDid::Key(KeyType::Ed25519))?;
        assert_eq!(wallet.deactivated(&root)?, None);
        let ended = wallet.deactivate(&root, &mut rng(), at(1000))?;
        assert_eq!(wallet.deactivated(&ended)?, Some(at(1001)));
        assert_eq!(wallet.identity("root")?, ended);
        assert!(ended.keys.iter().all(|k| k.state == KeyState::Retired { since: at(1001) }));
        let resolution = OfflineResolver::new(&wallet).resolve(&root.did)?;
        assert_eq!((resolution.current(), resolution.deactivated()), (None, Some(at(1001))));
        // Nor by a copy of the record from before.
        for identity in [&root, &ended] {
            let signs = wallet.active_secret(identity, Relationship::AssertionMethod).map(drop);
            let rotates = wallet.rotate(identity, None, &mut rng(), at(2000)).map(drop);
            let ends = wallet.deactivate(identity, &mut rng(), at(2000)).map(drop);
            for refused in [signs, rotates, ends] {
                let refused = refused.expect_err("it was given up");
                assert_eq!(refused.code(), codes::IDENTITY_DEACTIVATED);
            }
        }
        // The keys of the log are gone, those that open what was sealed to it are not.
        let control = root.control.expect("keys of the log");
        for spent in [control.current, control.next] {
            assert!(wallet.secret(&spent).is_err(), "{spent}");
        }
        for key in &ended.keys {
            wallet.secret(&key.public_key)?;
        }
        wallet.active_secret(&other, Relationship::AssertionMethod)?;
        Ok(())
    }

    #[test]
    fn an_end_within_the_second_of_the_last_change_is_refused_and_changes_nothing() -> TestResult {
        let mut wallet = wallet()?;
        let root = add(&mut wallet, "root", logged(None))?;
        let refused = wallet.deactivate(&root, &mut rng(), now()).expect_err("too early");
        assert_eq!(refused.code(), codes::WEBVH_ENTRY_REFUSED);
        assert_eq!(wallet.identity("root")?, root);
        wallet.active_secret(&root, Relationship::AssertionMethod)?;
        wallet.deactivate(&root, &mut rng(), at(1))?;
        Ok(())
    }

    #[test]
    fn a_wallet_that_learns_that_its_did_was_given_up_signs_no_more() -> TestResult {
        let mut wallet = wallet()?;
        let root = add(&mut wallet, "root", logged(None))?;
        wallet.deactivate(&root, &mut rng(), at(1000))?;
        // The record as it was before, as from a backup, beside the log that was published.
        let mut changes = Changes::default();
        stage_identity(&mut changes, &root)?;
        wallet.apply(changes, &mut rng())?;
        let old = wallet.identity("root")?;
        assert_eq!((&old, wallet.deactivated(&old)?), (&root, Some(at(1001))));
        let signs = wallet.active_secret(&old, Relationship::Authentication).map(drop);
        let rotates = wallet.rotate(&old, None, &mut rng(), at(2000)).map(drop);
        for refused in [signs, rotates] {
            let refused = refused.expect_err("it was given up");
            assert_eq!(refused.code(), codes::IDENTITY_DEACTIVATED);
        }
        Ok(())
    }

    #[test]
    fn a_method_without_a_log_has_no_end_and_nothing_is_changed() -> TestResult {
        let mut wallet = wallet()?;
        for (name, did) in [
            ("key", NewDid::Key(KeyType::Ed25519)),
            ("jwk", NewDid::Jwk(KeyType::P256)),
            ("web", NewDid::Web { location: "dso.example".into(), key_type: KeyType::Ed25519 }),
        ] {
            let made = add(&mut wallet, name, did)?;
            let refused = wallet.deactivate(&made, &mut rng(), at(1000)).expect_err(name);
            assert_eq!(refused.code(), codes::IDENTITY_CANNOT_DEACTIVATE, "{name}");
            assert_eq!((wallet.identity(name)?, wallet.deactivated(&made)?), (made, None));
        }
        Ok(())
    }

    #[test]
    fn an_end_counts_for_others_once_the_witnesses_approved_it() -> TestResult {
        let mut wallet = wallet()?;
        let witness = add(&mut wallet, "witness", NewDid::Key(KeyType::Ed25519))?;
        let witnesses = vec![Witness { id: witness.did.clone() }];
        let root = add(&mut wallet, "root", logged(Some(WitnessRule { threshold: 1, witnesses })))?;
        wallet.deactivate(&root, &mut rng(), at(1000))?;
        let open = OfflineResolver::new(&wallet).resolve(&root.did).expect_err("not approved");
        assert_eq!(open.code(), codes::WEBVH_WITNESS_MISSING);
        // Here it is over at once: no other entry can be written.
        let signs = wallet.active_secret(&root, Relationship::AssertionMethod).map(drop);
        assert_eq!(signs.expect_err("given up").code(), codes::IDENTITY_DEACTIVATED);
        let mut approved = wallet.snapshots(&root.did)?.pop().expect("its log");
        let (version, proof) =
            wallet.witness(&witness, &root.did, &approved.document, &mut rng(), at(2000))?;
        approved.witness = Some(add_witness_proof(None, &version, proof)?);
        wallet.save_snapshot(&root.did, &approved, &mut rng())?;
        // One approval of the last covers both entries.
        let resolution = OfflineResolver::new(&wallet).resolve(&root.did)?;
        assert_eq!(resolution.deactivated(), Some(at(1001)));
        Ok(())
    }

    #[cfg(feature = "seal")]
    #[test]
    fn what_was_sealed_before_the_end_opens_and_nothing_is_sealed_after_it() -> TestResult {
        let mut wallet = wallet()?;
        let root = add(&mut wallet, "root", logged(None))?;
        let to = std::slice::from_ref(&root.did);
        let sealed = wallet.seal(b"offer", to, None, &OfflineResolver::new(&wallet), now())?;
        wallet.deactivate(&root, &mut rng(), at(1000))?;
        let opened = wallet.open(&crate::jwe::JweIn::parse(&sealed)?)?;
        assert_eq!(opened.content.expose_secret(), b"offer");
        let refused = wallet.seal(b"offer", to, None, &OfflineResolver::new(&wallet), at(2000));
        assert_eq!(refused.expect_err("nobody reads it").code(), codes::DID_DEACTIVATED);
        Ok(())
    }
}
