//! did:jwk: the DID is a JWK in base64url. One key, no rotation.

use super::key::self_certifying;
use crate::did::{Did, DidError};
use crate::document::{DidDocument, Relationship, VerificationMethod};
use crate::json::{self, JsonError, Limits};
use crate::jwk::Jwk;
use crate::key::{KeyType, PublicKey};
use crate::resolution::{Resolution, ResolveError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The did:jwk of a public key: base64url over the JCS bytes of its JWK.
///
/// # Errors
/// None that a valid key can cause; the types say so because JSON and a DID are made.
pub fn from_public_key(key: &PublicKey) -> Result<Did, DidError> {
    let bytes = json::canonicalize(&Jwk::from_public_key(key))
        .map_err(|_: JsonError| DidError::new("did:jwk", "DID", "its JWK cannot be written"))?;
    Did::parse(&format!("did:jwk:{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The DID document that the method derives from the DID.
///
/// `use` decides the relationships, as the method says: `sig` leaves out `keyAgreement`, `enc`
/// leaves only that. A key whose type cannot do a thing is not listed for it either.
///
/// # Errors
/// [`ResolveError::Did`] if the identifier is not base64url of a JWK; [`ResolveError::Key`] if the
/// key in it cannot be used.
pub fn resolve(did: &Did) -> Result<Resolution, ResolveError> {
    let refuse = |reason| DidError::new(did.as_str(), "did:jwk", reason);
    let bytes = URL_SAFE_NO_PAD
        .decode(did.method_specific_id())
        .map_err(|_| refuse("its identifier is not base64url without padding"))?;
    let jwk: Jwk = json::from_slice_strict(&bytes, Limits::SMALL)
        .map_err(|_| refuse("its identifier is not a JWK"))?;
    if !matches!(jwk.key_use.as_deref(), None | Some("sig" | "enc")) {
        return Err(refuse("its JWK has another use than sig and enc").into());
    }
    let key =
        jwk.to_public_key().map_err(|source| ResolveError::Key { did: did.clone(), source })?;
    let relationships = Relationship::ALL
        .into_iter()
        .filter(|r| {
            let agrees = *r == Relationship::KeyAgreement;
            let asked = match jwk.key_use.as_deref() {
                Some("sig") => !agrees,
                Some("enc") => agrees,
                _ => true,
            };
            asked
                && if agrees { key.key_type() != KeyType::Ed25519 } else { key.algorithm().is_ok() }
        })
        .collect();
    let method = VerificationMethod::new(did.with_fragment("0")?, key);
    Ok(self_certifying(DidDocument::new(did.clone(), vec![(method, relationships)])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use crate::key::SecretKey;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(seed: [u8; 32], which in 0..3usize) {
            let key_type = [KeyType::Ed25519, KeyType::P256, KeyType::X25519][which];
            if let Ok(secret) = SecretKey::from_bytes(key_type, &seed) {
                let did = from_public_key(&secret.public_key()).expect("a DID");
                let resolution = resolve(&did).expect("resolves");
                let document = resolution.current().expect("not deactivated");
                let method = document.verification_methods().first().expect("one key");
                prop_assert_eq!(&method.public_key, &Some(secret.public_key()));
            }
        }

        #[test]
        fn never_panics(id in "[A-Za-z0-9_-]{1,200}") {
            let _ = resolve(&Did::parse(&format!("did:jwk:{id}")).expect("a DID"));
        }
    }

    #[test]
    fn refuses_what_is_not_a_public_jwk() {
        let private = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;
        let twice = r#"{"kty":"OKP","kty":"EC","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        for (json, code) in [
            (private, codes::KEY_MALFORMED),
            (twice, codes::DID_MALFORMED),
            ("[]", codes::DID_MALFORMED),
        ] {
            let did =
                Did::parse(&format!("did:jwk:{}", URL_SAFE_NO_PAD.encode(json))).expect("a DID");
            assert_eq!(resolve(&did).expect_err(json).code(), code);
        }
    }
}
