//! What a wallet does with messages: sign, seal, open.

use super::identities::Identity;
use super::{Wallet, WalletError};
use crate::did::Did;
use crate::document::Relationship;
use crate::jws::{self, Header, JwsError};
use crate::time::UnixMillis;

/// What a signature is to say beside the payload.
#[derive(Clone, Debug)]
pub struct Signing {
    /// What the key must be for.
    pub purpose: Relationship,
    /// Sign the bytes as they are and leave them beside the JWS (RFC 7797).
    pub unencoded: bool,
    /// The media type of the payload, without `application/`.
    pub content_type: Option<String>,
    /// Whom it is for.
    pub audience: Vec<Did>,
}

impl Wallet {
    /// Signs a payload as an identity, at a time.
    ///
    /// # Errors
    /// [`WalletError::Identity`] if the identity has no active key for it, or is a node's and was asked
    /// to issue.
    pub fn sign(
        &self,
        identity: &Identity,
        payload: &[u8],
        signing: &Signing,
        now: UnixMillis,
    ) -> Result<String, WalletError> {
        let (key_id, secret) = self.active_secret(identity, signing.purpose)?;
        let header = Header {
            kid: Some(key_id),
            typ: None,
            cty: signing.content_type.clone(),
            iat: Some(now),
            aud: signing.audience.clone(),
        };
        let sign = if signing.unencoded { jws::sign_unencoded } else { jws::sign };
        sign(payload, &secret, &header).map_err(|e| match e {
            JwsError::Key(e) => e.into(),
            JwsError::Malformed(_) | JwsError::Header(_) | JwsError::Payload(_) => {
                WalletError::Internal("a header is JSON")
            }
        })
    }
}

#[cfg(feature = "seal")]
mod sealing {
    use super::{Did, Identity, Relationship, Signing, Wallet, WalletError};
    use crate::code::Code;
    use crate::codes;
    use crate::did::DidUrl;
    use crate::jwe::{self, JweError, JweIn, Recipient, SealHeader};
    use crate::resolve::{ResolveError, Resolver};
    use crate::secret::SecretBytes;
    use crate::time::UnixMillis;

    /// The `cty` of a sealed JWS (RFC 7515 section 4.1.9).
    pub const SIGNED_CONTENT: &str = "JOSE";

    /// Why something was not sealed or opened.
    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub enum SealError {
        /// The wallet failed.
        #[error(transparent)]
        Wallet(#[from] WalletError),
        /// A recipient does not resolve.
        #[error(transparent)]
        Resolve(#[from] ResolveError),
        /// A recipient gave its DID up.
        #[error("{0} is deactivated since {1}")]
        Deactivated(Did, UnixMillis),
        /// A recipient has no key to seal to.
        #[error("{0} lists no X25519 or P-256 key for keyAgreement")]
        NoKey(Did),
        /// The JWE failed.
        #[error(transparent)]
        Jwe(#[from] JweError),
        /// None of the wallet's keys is among the recipients.
        #[error("no key of this wallet is among the {0} recipients")]
        NotForUs(usize),
    }

    impl SealError {
        /// The stable reason code.
        #[must_use]
        pub fn code(&self) -> Code {
            match self {
                Self::Wallet(e) => e.code(),
                Self::Resolve(e) => e.code(),
                Self::Deactivated(..) => codes::DID_DEACTIVATED,
                Self::NoKey(_) => codes::SEAL_NO_KEY,
                Self::Jwe(e) => e.code(),
                Self::NotForUs(_) => codes::JWE_NOT_FOR_US,
            }
        }
    }

    /// What was opened.
    #[derive(Debug)]
    pub struct Opened {
        /// The content: a compact JWS where `signed`.
        pub content: SecretBytes,
        /// Whether the sealer says that the content is a JWS.
        pub signed: bool,
        /// The key that opened it, and so which identity it was sealed to.
        pub key_id: DidUrl,
    }

    impl Wallet {
        /// Signs a payload for its recipients as `from`, then seals it to all their key agreement
        /// keys. Without `from` it is sealed only, and nobody can say who sent it.
        ///
        /// # Errors
        /// [`SealError::Resolve`], [`SealError::NoKey`], [`SealError::Deactivated`] for a recipient;
        /// [`SealError::Wallet`].
        pub fn seal(
            &self,
            payload: &[u8],
            recipients: &[Did],
            from: Option<&Identity>,
            resolver: &dyn Resolver,
            now: UnixMillis,
        ) -> Result<String, SealError> {
            let mut keys = Vec::new();
            for did in recipients {
                keys.extend(agreement_keys(did, resolver)?);
            }
            let Some(identity) = from else {
                return Ok(jwe::seal(payload, &keys, &SealHeader::default())?);
            };
            let signing = Signing {
                purpose: Relationship::Authentication,
                unencoded: false,
                content_type: None,
                audience: recipients.to_vec(),
            };
            let jws = self.sign(identity, payload, &signing, now)?;
            let header = SealHeader { typ: None, cty: Some(SIGNED_CONTENT.into()) };
            Ok(jwe::seal(jws.as_bytes(), &keys, &header)?)
        }

        /// Opens a JWE with whichever key of the wallet is among its recipients; retired and
        /// compromised keys open too, since what was sealed to them is the wallet's all the same.
        ///
        /// # Errors
        /// [`SealError::NotForUs`], [`SealError::Jwe`] if it does not open.
        pub fn open(&self, jwe: &JweIn) -> Result<Opened, SealError> {
            let identities = self.identities()?;
            for key_id in jwe.key_ids() {
                let own = identities
                    .iter()
                    .filter(|i| &i.did == key_id.did())
                    .flat_map(|i| &i.keys)
                    .find(|k| &k.id == key_id);
                if let Some(key) = own {
                    let secret = self.secret(&key.public_key)?;
                    let content = jwe.open(key_id, &secret)?;
                    let signed = jwe.content_type() == Some(SIGNED_CONTENT);
                    return Ok(Opened { content, signed, key_id: key_id.clone() });
                }
            }
            Err(SealError::NotForUs(jwe.key_ids().count()))
        }
    }

    fn agreement_keys(did: &Did, resolver: &dyn Resolver) -> Result<Vec<Recipient>, SealError> {
        let resolution = resolver.resolve(did)?;
        if let Some(since) = resolution.deactivated() {
            return Err(SealError::Deactivated(did.clone(), since));
        }
        let document = resolution.current().ok_or_else(|| SealError::NoKey(did.clone()))?;
        let keys: Vec<Recipient> = document
            .methods_for(Relationship::KeyAgreement)
            .filter(|m| m.controller.as_ref() == Some(did) && m.revoked.is_none())
            .filter_map(|m| {
                let public_key = m.public_key.clone()?;
                Some(Recipient { key_id: m.id.clone(), public_key })
            })
            .filter(|r| r.public_key.key_type() != crate::key::KeyType::Ed25519)
            .collect();
        if keys.is_empty() { Err(SealError::NoKey(did.clone())) } else { Ok(keys) }
    }
}

#[cfg(feature = "seal")]
pub use sealing::{Opened, SIGNED_CONTENT, SealError};
