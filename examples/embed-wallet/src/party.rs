//! A party: a wallet on disk, and the identity in it by which others know its owner.

use crate::Shell;
use crate::error::Result;
use gridpass_credentials::keeping;
use gridpass_credentials::parcel::identities_of;
use gridpass_credentials::trust::{IdentityMaterial, Trust};
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::{Identity, IdentityKind, NewDid, NewIdentity};
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::slot::Passphrase;
use std::path::PathBuf;

/// An organisation, or a node of one.
pub struct Party {
    /// Its keys, visas and trust pack.
    pub wallet: Wallet,
    /// Who it is.
    pub me: Identity,
    /// Where its wallet is; a node puts what it keeps beside it.
    pub folder: PathBuf,
}

impl Party {
    /// An organisation. Its did:webvh can change its keys and prove that it did.
    pub fn organisation(name: &str, shell: &mut Shell<'_>) -> Result<Self> {
        let did = NewDid::Webvh { location: format!("{name}.example"), witness: None };
        Self::new(name, IdentityKind::Participant, did, shell)
    }

    /// A node. Its key is its DID, in a wallet of its own: who steals the machine has no more than it.
    pub fn node(name: &str, shell: &mut Shell<'_>) -> Result<Self> {
        Self::new(name, IdentityKind::Node, NewDid::Key(KeyType::Ed25519), shell)
    }

    fn new(name: &str, kind: IdentityKind, did: NewDid, shell: &mut Shell<'_>) -> Result<Self> {
        let (folder, now) = (shell.home.join(name), shell.now());
        // Yours comes from a person or a secret store.
        let mut secret = [0_u8; 16];
        shell.rng.fill_bytes(&mut secret);
        let passphrase: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        // Should making the wallet fail, or be cut off, the same call can be made again.
        let store = Box::new(SledStore::open_or_create(&folder.join("wallet"))?);
        // The 24 recovery words are given once. Here they are dropped, as is the wallet in the end;
        // yours go on paper: without them and the passphrase nobody opens it again.
        let (mut wallet, _recovery_words) =
            Wallet::create(store, name, &Passphrase::new(&passphrase), shell.rng, now)?;
        let new = NewIdentity { name: "root".into(), kind, did };
        let me = wallet.new_identity(&new, shell.rng, now)?;
        Ok(Self { wallet, me, folder })
    }

    /// Its DID.
    pub fn did(&self) -> &Did {
        &self.me.did
    }

    /// What it publishes at its domain and sends along with files: its DID log, which proves itself.
    /// Nothing for a did:key, which needs none.
    pub fn published(&self) -> Result<Vec<IdentityMaterial>> {
        Ok(identities_of(&self.wallet, [self.did()])?)
    }

    /// The key that it uses for something now, with its id.
    pub fn key(&self, purpose: Relationship) -> Result<(DidUrl, SecretKey)> {
        Ok(self.wallet.active_secret(&self.me, purpose)?)
    }

    /// Verifies a trust pack and pins it: from now on everything is judged by it, and an older or
    /// contradicting one is refused.
    pub fn pin(&mut self, pack: &[u8], shell: &mut Shell<'_>) -> Result<()> {
        keeping::pin(&mut self.wallet, pack, false, shell.now(), shell.rng)?;
        Ok(())
    }

    /// The trust pack that it pinned.
    pub fn trust(&self, shell: &Shell<'_>) -> Result<Trust> {
        Ok(keeping::pinned(&self.wallet, shell.now())?)
    }
}
