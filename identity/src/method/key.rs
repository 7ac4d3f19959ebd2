//! did:key: the DID is the key. For nodes, devices and pairwise use, since it cannot rotate.
//!
//! Follows the did:key method specification (W3C CCG), read strictly: one base58btc Multikey and
//! nothing else. An Ed25519 key also gives the X25519 key that others seal to.

use crate::did::{Did, DidError};
use crate::document::{DidDocument, Relationship, VerificationMethod};
use crate::key::{KeyType, PublicKey};
use crate::resolution::{DocumentVersion, Resolution, ResolveError, Source};

/// The did:key of a public key.
///
/// # Errors
/// None that a valid key can cause; the type says so because a DID is parsed.
pub fn from_public_key(key: &PublicKey) -> Result<Did, DidError> {
    Did::parse(&format!("did:key:{}", key.to_multikey()))
}

/// The public key of a did:key.
///
/// # Errors
/// [`ResolveError::Key`] if the key is not one Multikey of a usable Ed25519, P-256 or X25519 key.
pub fn to_public_key(did: &Did) -> Result<PublicKey, ResolveError> {
    if did.method() != "key" {
        return Err(ResolveError::UnknownMethod(did.clone()));
    }
    PublicKey::from_multikey(did.method_specific_id())
        .map_err(|source| ResolveError::Key { did: did.clone(), source })
}

/// The DID document that the method derives from the DID.
///
/// # Errors
/// As [`to_public_key`].
pub fn resolve(did: &Did) -> Result<Resolution, ResolveError> {
    use Relationship::{AssertionMethod, Authentication, CapabilityInvocation, KeyAgreement};
    let key = to_public_key(did)?;
    let refuse = |source| ResolveError::Key { did: did.clone(), source };
    let method = |key: PublicKey| -> Result<_, ResolveError> {
        Ok(VerificationMethod::new(did.with_fragment(&key.to_multikey())?, key))
    };
    let signing = vec![AssertionMethod, Authentication, CapabilityInvocation];
    let methods = match key.key_type() {
        KeyType::Ed25519 => {
            let agreement = key.key_agreement_key().map_err(refuse)?;
            vec![(method(key)?, signing), (method(agreement)?, vec![KeyAgreement])]
        }
        KeyType::P256 => vec![(method(key)?, Relationship::ALL.to_vec())],
        KeyType::X25519 => vec![(method(key)?, vec![KeyAgreement])],
    };
    Ok(self_certifying(DidDocument::new(did.clone(), methods)))
}

/// A resolution whose one document follows from the DID alone.
pub(super) fn self_certifying(document: DidDocument) -> Resolution {
    Resolution {
        did: document.id().clone(),
        versions: vec![DocumentVersion { from: None, version_id: None, document: Some(document) }],
        source: Source::SelfCertifying,
        seen: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn refuses_a_did_key_that_is_not_one_usable_multikey() {
        let good = "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
        for id in [
            "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooW",
            "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWpp",
            "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
            "1.1:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
            "uEiCxwrq",
            "z",
            "z0OIl",
        ] {
            let did = Did::parse(&format!("did:key:{id}")).expect("a DID by its syntax");
            let error = resolve(&did).expect_err(id);
            assert_eq!(error.code(), codes::KEY_MALFORMED, "{id}");
        }
        let did = Did::parse(&format!("did:key:{good}")).expect("a DID");
        assert!(resolve(&did).is_ok());
    }

    #[test]
    fn refuses_a_p256_key_that_is_not_compressed() {
        let secret = crate::key::SecretKey::from_bytes(KeyType::P256, &[9; 32]).expect("scalar");
        let crate::key::Point::P256(point) = secret.public_key().0 else { panic!("P-256") };
        let mut bytes = vec![0x80, 0x24];
        bytes.extend(p256::ecdsa::VerifyingKey::from(&point).to_sec1_point(false).as_bytes());
        let text = multibase::encode(multibase::Base::Base58Btc, bytes);
        let did = Did::parse(&format!("did:key:{text}")).expect("a DID");
        assert_eq!(resolve(&did).expect_err("uncompressed").code(), codes::KEY_MALFORMED);
    }
}
