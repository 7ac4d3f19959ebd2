//! Identities in a wallet: a DID with its keys, what each is for, and which were replaced.
//!
//! An identity is a participant's (the root that others know) or a node's (the key that a running
//! node holds). A node identity lives in the node's own wallet: it signs envelopes and proves who
//! is speaking, and never issues, so that a stolen node is cut off without a new participant.

use super::identity::{
    IDENTITIES, KEYS, key_for_each_purpose, key_set, must_have_come, self_certifying,
    stage_identity, stage_key, web_document,
};
use super::snapshots::SeenFiles;
use super::{Changes, Wallet, WalletError};
use crate::did::{Did, DidUrl};
use crate::document::Relationship;
use crate::key::{KeyError, KeyType, PublicKey, SecretKey};
use crate::method;
use crate::time::UnixMillis;
use rand_core::CryptoRng;

pub use super::identity::{
    ControlKeys, Identity, IdentityError, IdentityKey, IdentityKind, KeyState, NewDid, NewIdentity,
};

impl Wallet {
    /// Makes an identity with new keys, durable when it returns.
    ///
    /// # Errors
    /// [`IdentityError::Name`], [`IdentityError::Exists`] for a name or DID that is taken, a malformed
    /// location, or [`KeyError::Unsuitable`] for a did:web of keys that do not sign.
    pub fn new_identity(
        &mut self,
        new: &NewIdentity,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<Identity, WalletError> {
        let name = new.name.as_str();
        if !super::is_printable_name(name) || name.starts_with("did:") {
            return Err(IdentityError::Name(name.to_owned()).into());
        }
        if self.identities()?.iter().any(|i| i.name == name) {
            return Err(IdentityError::Exists(name.to_owned()).into());
        }
        let mut changes = Changes::default();
        let (did, set, control) = match &new.did {
            NewDid::Key(key_type) => {
                let secret = SecretKey::generate(*key_type, rng);
                let did = method::key::from_public_key(&secret.public_key())?;
                let resolution = method::key::resolve(&did)?;
                let document = resolution.current().ok_or(NO_DOCUMENT)?;
                (did.clone(), self_certifying(&did, secret, document, now)?, None)
            }
            NewDid::Jwk(key_type) => {
                let secret = SecretKey::generate(*key_type, rng);
                let did = method::jwk::from_public_key(&secret.public_key())?;
                let resolution = method::jwk::resolve(&did)?;
                let document = resolution.current().ok_or(NO_DOCUMENT)?;
                (did.clone(), self_certifying(&did, secret, document, now)?, None)
            }
            NewDid::Web { location, key_type } => {
                let key_type = *key_type;
                if key_type == KeyType::X25519 {
                    return Err(KeyError::Unsuitable { found: key_type, asked: "sign" }.into());
                }
                let did = Did::parse(&format!("did:web:{location}"))?;
                method::web::document_url(&did)?;
                let set = key_set(&did, key_for_each_purpose(1, key_type, rng), now)?;
                let document = web_document(&set, &did)?;
                let bytes = serde_json::to_vec(document.as_json())
                    .map_err(|_| WalletError::Internal("a document is JSON"))?;
                self.stage_snapshot(&mut changes, &did, SeenFiles::document(now, bytes))?;
                (did, set, None)
            }
            NewDid::Webvh { location, witness } => {
                let new = super::webvh::create(location, witness.as_ref(), rng, now)?;
                let files = SeenFiles::document(now, new.log);
                self.stage_snapshot(&mut changes, &new.did, files)?;
                (new.did, new.keys, Some((new.control, new.control_secrets)))
            }
        };
        if self.identities()?.iter().any(|i| i.did == did) {
            // Under the same DID it would take the place of the one that is there, keys and all.
            return Err(IdentityError::Exists(did.to_string()).into());
        }
        let (control, control_secrets) = control.unzip();
        let identity = Identity {
            version: 1,
            did,
            name: name.to_owned(),
            kind: new.kind,
            created: now,
            keys: set.keys,
            control,
        };
        stage_identity(&mut changes, &identity)?;
        for secret in set.secrets.iter().chain(control_secrets.iter().flatten()) {
            stage_key(&mut changes, secret);
        }
        self.apply_key_change(changes, rng, now)?;
        Ok(identity)
    }

    /// Every identity, oldest first.
    ///
    /// # Errors
    /// [`WalletError::Tampered`].
    pub fn identities(&self) -> Result<Vec<Identity>, WalletError> {
        let mut list = Vec::new();
        for record in self.list(IDENTITIES)? {
            let identity: Identity = serde_json::from_slice(record.value.expose_secret())
                .map_err(|_| WalletError::Tampered(format!("identity {}", record.name)))?;
            if identity.version != 1 {
                return Err(WalletError::Version(identity.version));
            }
            list.push(identity);
        }
        list.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
        Ok(list)
    }

    /// The identity of a name or DID.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub fn identity(&self, name_or_did: &str) -> Result<Identity, WalletError> {
        self.identities()?
            .into_iter()
            .find(|i| i.name == name_or_did || i.did.as_str() == name_or_did)
            .ok_or_else(|| IdentityError::NotFound(name_or_did.to_owned()).into())
    }

    /// The active key of an identity for a purpose, with its secret.
    ///
    /// # Errors
    /// [`IdentityError::NoKey`]; [`IdentityError::NodeCannotIssue`]; [`IdentityError::Outdated`] where the
    /// log says that the key was replaced; [`IdentityError::Deactivated`].
    pub fn active_secret(
        &self,
        identity: &Identity,
        purpose: Relationship,
    ) -> Result<(DidUrl, SecretKey), WalletError> {
        if identity.kind == IdentityKind::Node && purpose == Relationship::AssertionMethod {
            return Err(IdentityError::NodeCannotIssue(identity.did.clone()).into());
        }
        // First: of one that was given up no key is active, and that is why.
        self.check_current(identity)?;
        let key = identity
            .active_key(purpose)
            .ok_or_else(|| IdentityError::NoKey { did: identity.did.clone(), purpose })?;
        Ok((key.id.clone(), self.secret(&key.public_key)?))
    }

    /// The secret of a public key.
    pub(super) fn secret(&self, multikey: &str) -> Result<SecretKey, WalletError> {
        let public = PublicKey::from_multikey(multikey)?;
        let bytes = self
            .get(KEYS, multikey)?
            .ok_or_else(|| WalletError::Tampered(format!("the secret of {multikey}")))?;
        let secret = SecretKey::from_bytes(public.key_type(), bytes.expose_secret())?;
        if secret.public_key() != public {
            return Err(WalletError::Tampered(format!("the secret of {multikey}")));
        }
        Ok(secret)
    }

    /// Marks a key as compromised in this wallet, which from then on refuses to sign with it. A mark
    /// moves to an earlier time, never to a later one.
    /// Others learn of it through a did:webvh log only; see [`Wallet::rotate`].
    ///
    /// # Errors
    /// [`IdentityError::NoSuchKey`]; [`IdentityError::CompromiseTime`] for a time to come, or later than
    /// the key is marked or was replaced.
    pub fn mark_compromised(
        &mut self,
        key_id: &DidUrl,
        since: UnixMillis,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<Identity, WalletError> {
        let missing = || IdentityError::NoSuchKey(key_id.clone());
        must_have_come(since, now)?;
        let mut identity = self.identity(key_id.did().as_str()).map_err(|_| missing())?;
        let key = identity.keys.iter_mut().find(|k| &k.id == key_id).ok_or_else(missing)?;
        if !key.is_to_be_marked(since) {
            let reason = "the key was replaced by then, or is marked since then already";
            return Err(IdentityError::CompromiseTime { since, reason }.into());
        }
        key.state = KeyState::Compromised { since };
        let mut changes = Changes::default();
        stage_identity(&mut changes, &identity)?;
        self.apply_key_change(changes, rng, now)?;
        Ok(identity)
    }
}

const NO_DOCUMENT: WalletError = WalletError::Internal("a new DID has a document");
