//! What an identity is: a DID with its keys, what each is for, and which were replaced.

use super::{Changes, WalletError};
use crate::code::Code;
use crate::codes;
use crate::did::{Did, DidError, DidUrl};
use crate::document::{DidDocument, Relationship, VerificationMethod};
use crate::key::{KeyError, KeyType, PublicKey, SecretKey};
use crate::method::webvh::WitnessRule;
use crate::resolution::ResolveError;
use crate::time::UnixMillis;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

/// The collection of identities, named by their DIDs.
pub(super) const IDENTITIES: &str = "identity";
/// The collection of secret keys, named by the Multikey texts of their public keys.
pub(super) const KEYS: &str = "key";

/// Why something about an identity was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// No identity has that name or DID.
    #[error("the wallet has no identity {0:?}")]
    NotFound(String),
    /// The name is taken, or the DID.
    #[error("the wallet already has an identity {0:?}")]
    Exists(String),
    /// The name cannot be used.
    #[error(
        "{0:?} cannot be a name: it has 1 to 128 bytes, no control characters, and does not start with did:"
    )]
    Name(String),
    /// The identity cannot do that with the keys that are here.
    #[error("{did} has no active key for {purpose} in this wallet")]
    NoKey {
        /// The identity.
        did: Did,
        /// What for.
        purpose: Relationship,
    },
    /// A node identity was asked to issue.
    #[error("{0} is a node's identity, and a node does not issue")]
    NodeCannotIssue(Did),
    /// The method has no log in which a change of keys is proven.
    #[error("{did} cannot rotate: of the methods here only did:webvh proves a change of keys")]
    CannotRotate {
        /// The identity.
        did: Did,
    },
    /// The method has no log in which an end is written.
    #[error("{did} cannot be deactivated: of the methods here only did:webvh says so to others")]
    CannotDeactivate {
        /// The identity.
        did: Did,
    },
    /// The identity was given up.
    #[error("{did} is deactivated since {since}")]
    Deactivated {
        /// The identity.
        did: Did,
        /// From when on.
        since: UnixMillis,
    },
    /// No key of the identity has this id.
    #[error("{0} is not a key of an identity in this wallet")]
    NoSuchKey(DidUrl),
    /// The keys that are here were replaced in a log that is newer than this wallet.
    #[error("the newest log of {0} that is kept has other keys than this wallet")]
    Outdated(Did),
    /// A key cannot be marked as compromised since that time.
    #[error("no key is marked as compromised since {since}: {reason}")]
    CompromiseTime {
        /// The time.
        since: UnixMillis,
        /// Why not.
        reason: &'static str,
    },
    /// The DID or its location is malformed.
    #[error(transparent)]
    Did(#[from] DidError),
    /// A key cannot be used so.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What the wallet holds does not resolve.
    #[error(transparent)]
    Resolve(#[from] Box<ResolveError>),
}

impl IdentityError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotFound(_) => codes::IDENTITY_NOT_FOUND,
            Self::Exists(_) => codes::IDENTITY_EXISTS,
            Self::Name(_) => codes::WALLET_LIMIT,
            Self::NoKey { .. } | Self::NoSuchKey(_) => codes::IDENTITY_KEY_MISSING,
            Self::Outdated(_) => codes::WALLET_OUTDATED,
            Self::CompromiseTime { .. } => codes::COMPROMISE_TIME,
            Self::NodeCannotIssue(_) => codes::NODE_CANNOT_ACT,
            Self::CannotRotate { .. } => codes::IDENTITY_CANNOT_ROTATE,
            Self::CannotDeactivate { .. } => codes::IDENTITY_CANNOT_DEACTIVATE,
            Self::Deactivated { .. } => codes::IDENTITY_DEACTIVATED,
            Self::Did(e) => e.code(),
            Self::Key(e) => e.code(),
            Self::Resolve(e) => e.code(),
        }
    }
}

macro_rules! via_identity_error {
    ($($source:ty),*) => {$(
        impl From<$source> for WalletError {
            fn from(e: $source) -> Self {
                Self::Identity(e.into())
            }
        }
    )*};
}
via_identity_error!(DidError, KeyError);

impl From<ResolveError> for WalletError {
    fn from(e: ResolveError) -> Self {
        Self::Identity(IdentityError::Resolve(Box::new(e)))
    }
}

/// Whose identity it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityKind {
    /// A participant's: the root that others know.
    Participant,
    /// A node's: what a running node signs with.
    Node,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum KeyState {
    /// In use.
    Active,
    /// Replaced in good order, or its DID was deactivated; still opens what was sealed to it.
    Retired {
        /// Since when.
        since: UnixMillis,
    },
    /// In other hands.
    Compromised {
        /// Since when, as far as the owner knows.
        since: UnixMillis,
    },
}

/// One key of an identity. The secret is in another record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityKey {
    /// The key id.
    pub id: DidUrl,
    /// The Multikey text of the public key.
    pub public_key: String,
    /// What it is for.
    pub purposes: Vec<Relationship>,
    /// What became of it.
    #[serde(flatten)]
    pub state: KeyState,
    /// When it was made.
    pub created: UnixMillis,
}

/// The keys that control a did:webvh log, by their Multikey texts. They are in no document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlKeys {
    /// The key that the last entry authorised.
    pub current: String,
    /// The key whose hash the last entry committed to (pre-rotation).
    pub next: String,
}

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The record's format version.
    pub version: u32,
    /// The DID.
    pub did: Did,
    /// The wallet's own name for it.
    pub name: String,
    /// Whose it is.
    pub kind: IdentityKind,
    /// When it was made.
    pub created: UnixMillis,
    /// Its keys, oldest first.
    pub keys: Vec<IdentityKey>,
    /// For did:webvh, until it is deactivated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlKeys>,
}

impl IdentityKey {
    /// Whether saying that the owner's keys are in other hands since a time says something new of this
    /// one: it was in use at that time or later, and is not marked since then, or earlier, already.
    #[must_use]
    pub fn is_to_be_marked(&self, since: UnixMillis) -> bool {
        match self.state {
            KeyState::Active => true,
            KeyState::Retired { since: until } => until > since,
            KeyState::Compromised { since: marked } => marked > since,
        }
    }
}

/// Refuses a compromise that is to come. What a log says of a key it says for good: a mark in the future
/// would have to be waited for.
pub(super) fn must_have_come(since: UnixMillis, now: UnixMillis) -> Result<(), IdentityError> {
    if since > now {
        return Err(IdentityError::CompromiseTime { since, reason: "it is later than now" });
    }
    Ok(())
}

impl Identity {
    /// The newest active key for a purpose.
    #[must_use]
    pub fn active_key(&self, purpose: Relationship) -> Option<&IdentityKey> {
        self.keys
            .iter()
            .rev()
            .find(|k| k.state == KeyState::Active && k.purposes.contains(&purpose))
    }
}

/// How a new identity's DID is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewDid {
    /// did:key: for nodes, devices and pairwise use. Cannot rotate.
    Key(KeyType),
    /// did:jwk. Cannot rotate.
    Jwk(KeyType),
    /// did:web, whose document the owner publishes.
    Web {
        /// `domain` or `domain:path:path`.
        location: String,
        /// The type of the keys that sign, Ed25519 or P-256.
        key_type: KeyType,
    },
    /// did:webvh, with a log that proves every change. Its keys are Ed25519, and X25519 to seal to.
    Webvh {
        /// `domain` or `domain:path:path`.
        location: String,
        /// Who must approve each entry.
        witness: Option<WitnessRule>,
    },
}

/// What a new identity is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIdentity {
    /// The wallet's own name for it.
    pub name: String,
    /// Whose it is.
    pub kind: IdentityKind,
    /// How its DID is made.
    pub did: NewDid,
}

/// New keys that belong to an identity and are not stored yet.
pub(super) struct KeySet {
    pub(super) keys: Vec<IdentityKey>,
    pub(super) secrets: Vec<SecretKey>,
}

impl KeySet {
    fn one(id: DidUrl, secret: SecretKey, purposes: Vec<Relationship>, now: UnixMillis) -> Self {
        let key = identity_key(id, &secret.public_key(), purposes, now);
        Self { keys: vec![key], secrets: vec![secret] }
    }
}

fn identity_key(
    id: DidUrl,
    key: &PublicKey,
    purposes: Vec<Relationship>,
    now: UnixMillis,
) -> IdentityKey {
    IdentityKey {
        id,
        public_key: key.to_multikey(),
        purposes,
        state: KeyState::Active,
        created: now,
    }
}

/// One key for each purpose, under fragments such as `assertion-2`. What signs is of this type; P-256 can
/// be sealed to as well, beside Ed25519 stands X25519.
pub(super) fn key_for_each_purpose(
    number: usize,
    signs: KeyType,
    rng: &mut dyn CryptoRng,
) -> Vec<(String, Relationship, SecretKey)> {
    let agrees = match signs {
        KeyType::P256 => KeyType::P256,
        KeyType::Ed25519 | KeyType::X25519 => KeyType::X25519,
    };
    Relationship::ALL
        .into_iter()
        .map(|purpose| {
            let (word, key_type) = match purpose {
                Relationship::AssertionMethod => ("assertion", signs),
                Relationship::Authentication => ("authentication", signs),
                Relationship::KeyAgreement => ("agreement", agrees),
                Relationship::CapabilityInvocation => ("invocation", signs),
            };
            (format!("{word}-{number}"), purpose, SecretKey::generate(key_type, rng))
        })
        .collect()
}

/// Gives keys their ids under a DID.
pub(super) fn key_set(
    did: &Did,
    keys: Vec<(String, Relationship, SecretKey)>,
    now: UnixMillis,
) -> Result<KeySet, WalletError> {
    let mut set = KeySet { keys: Vec::new(), secrets: Vec::new() };
    for (fragment, purpose, secret) in keys {
        let id = did.with_fragment(&fragment)?;
        set.keys.push(identity_key(id, &secret.public_key(), vec![purpose], now));
        set.secrets.push(secret);
    }
    Ok(set)
}

/// did:key and did:jwk: keys as the method's own document lists them.
pub(super) fn self_certifying(
    did: &Did,
    secret: SecretKey,
    document: &DidDocument,
    now: UnixMillis,
) -> Result<KeySet, WalletError> {
    let mut set = KeySet { keys: Vec::new(), secrets: Vec::new() };
    for method in document.verification_methods() {
        let own = [secret.clone(), secret.key_agreement_key()]
            .into_iter()
            .find(|s| method.public_key.as_ref() == Some(&s.public_key()))
            .ok_or(WalletError::Internal("a method lists a key that is not its own"))?;
        let purposes = Relationship::ALL
            .into_iter()
            .filter(|r| document.methods_for(*r).any(|m| m.id == method.id))
            .collect();
        let one = KeySet::one(method.id.clone(), own, purposes, now);
        set.keys.extend(one.keys);
        set.secrets.extend(one.secrets);
    }
    if set.keys.iter().any(|k| k.id.did() != did) {
        return Err(WalletError::Internal("a key is under another DID"));
    }
    Ok(set)
}

pub(super) fn web_document(set: &KeySet, did: &Did) -> Result<DidDocument, WalletError> {
    let mut methods = Vec::new();
    for key in &set.keys {
        let public = PublicKey::from_multikey(&key.public_key)?;
        methods.push((VerificationMethod::new(key.id.clone(), public), key.purposes.clone()));
    }
    Ok(DidDocument::new(did.clone(), methods))
}

pub(super) fn stage_identity(
    changes: &mut Changes,
    identity: &Identity,
) -> Result<(), WalletError> {
    let bytes =
        serde_json::to_vec(identity).map_err(|_| WalletError::Internal("an identity is JSON"))?;
    changes.put(IDENTITIES, identity.did.as_str(), bytes);
    Ok(())
}

pub(super) fn stage_key(changes: &mut Changes, secret: &SecretKey) {
    let bytes = secret.to_secret_bytes().expose_secret().to_vec();
    changes.put(KEYS, &secret.public_key().to_multikey(), bytes);
}
