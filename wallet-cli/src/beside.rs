//! What a wallet here knows of DIDs, beside a trust pack that was named. Nobody signs which logs a pack brings:
//! one that leaves the end of a log away would hide the mark of a stolen key.

use crate::codes;
use crate::context::{GlobalArgs, now};
use crate::output::Failure;
use crate::warnings::warn;
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::trust::Trust;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{ResolveError, Snapshot, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::snapshots::newest_log;

/// A wallet, and the trust pack that is pinned there.
pub struct Beside {
    wallet: Wallet,
    pinned: Option<Trust>,
}

impl Beside {
    /// What this wallet knows. Where its pack does not open it is said that the logs there do not count.
    pub fn of(wallet: Wallet) -> Self {
        let pinned = match pinned_in(&wallet, now()) {
            Ok(pinned) => pinned,
            Err(e) => {
                let message = format!(
                    "the trust pack that is pinned in the wallet does not open, and a log that only that one \
                     knows does not count: {e}"
                );
                warn(Some(e.code()), message);
                None
            }
        };
        Self { wallet, pinned }
    }

    /// What the profile's wallet knows, where there is one. Nobody is asked for its secret, since a pack that
    /// is named is enough to verify by; but it is said that the wallet was not asked.
    pub fn open(global: &GlobalArgs) -> Option<Self> {
        let secrets = &global.secrets;
        let opened = match global.profile() {
            Err(e) if e.code == codes::PROFILE_AMBIGUOUS => Err(e),
            // Without a wallet there is nothing more to know.
            Err(_) => return None,
            Ok(name) if !secrets.is_given() && secrets.recovery_file.is_none() => {
                let message = format!("the wallet {name:?} was not opened");
                Err(Failure::new(codes::INPUT_NEEDED, message))
            }
            Ok(_) => global.wallet(),
        };
        match opened {
            Ok(wallet) => Some(Self::of(wallet)),
            Err(e) if e.code == identity_codes::WALLET_NOT_FOUND => None,
            Err(e) => {
                let message = format!(
                    "{}: a log that it knows further than the trust pack does not count. Name one with \
                     --profile NAME, and its secret with --passphrase-file FILE",
                    e.message
                );
                warn(Some(e.code), message);
                None
            }
        }
    }

    /// The wallet, for what is to be kept there.
    pub fn into_wallet(self) -> Wallet {
        self.wallet
    }
}

/// The pack that is pinned, where one is; and why it does not open.
fn pinned_in(wallet: &Wallet, now: UnixMillis) -> Result<Option<Trust>, KeepError> {
    match keeping::pinned(wallet, now) {
        Ok(pinned) => Ok(Some(pinned)),
        Err(KeepError::NoTrust) => Ok(None),
        Err(e) => Err(e),
    }
}

impl SnapshotStore for Beside {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        match &self.pinned {
            Some(pinned) if did.method() == "webvh" => {
                Ok(newest_log(did, &[pinned, &self.wallet])?.into_iter().collect())
            }
            _ => self.wallet.snapshots(did),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::rng;
    use gridpass_credentials::charter::{Charter, SignedCharter, SigningRule};
    use gridpass_credentials::secured::Signer;
    use gridpass_credentials::trust::TrustPack;
    use gridpass_identity::document::Relationship;
    use gridpass_identity::key::KeyType;
    use gridpass_identity::wallet::identities::{IdentityKind, NewDid, NewIdentity};
    use gridpass_identity::wallet::slot::Passphrase;
    use gridpass_identity::wallet::store::MemoryStore;

    #[test]
    fn a_pinned_pack_that_does_not_open_is_not_passed_over_as_if_there_were_none() {
        let now = UnixMillis::new(1_772_366_400_000);
        let later = now.plus_millis(30 * 86_400_000);
        let passphrase = Passphrase::new("a passphrase of the auditor");
        let store = Box::new(MemoryStore::default());
        let made = Wallet::create(store, "auditor", &passphrase, &mut rng(), now);
        let mut wallet = made.expect("a wallet").0;
        assert!(pinned_in(&wallet, now).expect("none is pinned").is_none());

        let did = NewDid::Key(KeyType::Ed25519);
        let new = NewIdentity { name: "root".into(), kind: IdentityKind::Participant, did };
        let root = wallet.new_identity(&new, &mut rng(), now).expect("an identity");
        let rule = SigningRule { threshold: 1, signers: vec![root.did.clone()] };
        let charter = Charter::first("Flexibility", vec![root.did.clone()], rule, later);
        let mut signed = SignedCharter::unsigned(charter).expect("a charter");
        let purpose = Relationship::AssertionMethod;
        let (key_id, key) = wallet.active_secret(&root, purpose).expect("a key");
        signed.sign(Signer { key: &key, key_id: &key_id, now: later }).expect("signs");
        let pack = TrustPack::new(&[signed], &[], Vec::new()).encode().expect("a pack").1;
        keeping::pin(&mut wallet, &pack, false, later, &mut rng()).expect("pinned");
        assert!(pinned_in(&wallet, later).expect("opens").is_some());
        // This machine's clock was set back since.
        let e = pinned_in(&wallet, now).expect_err("it is of a time to come");
        assert_eq!(e.code(), identity_codes::SIGNED_IN_FUTURE);
    }
}
