//! Data Integrity proofs with `eddsa-jcs-2022` (W3C vc-di-eddsa 1.0 section 3.3).
//!
//! The signed bytes are SHA-256 over the JCS of the proof without its value, followed by SHA-256
//! over the JCS of the document without its proof. No JSON-LD is processed. A proof that passes
//! here says that the key signed the document for the purpose written in the proof; whether that
//! purpose and that key are the right ones is for the caller to check.

use crate::json::{self, JsonError};
use crate::key::{KeyError, KeyType, PublicKey, SecretKey};
use crate::time::UnixMillis;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The name of the cryptosuite.
pub const EDDSA_JCS_2022: &str = "eddsa-jcs-2022";

/// Why a proof was refused or not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A member of the proof is missing or has another value than it must.
    #[error("the proof's {0} is missing or not what it must be")]
    Member(&'static str),
    /// The signature does not fit.
    #[error("the proof's signature does not fit the document and the key")]
    Signature,
    /// The document or proof has no canonical form.
    #[error("{0}")]
    Json(String),
    /// The key cannot sign with this suite.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<JsonError> for ProofError {
    fn from(e: JsonError) -> Self {
        Self::Json(e.to_string())
    }
}

fn hash_data(document: &Value, options: &Map<String, Value>) -> Result<Vec<u8>, ProofError> {
    let options = Sha256::digest(json::canonicalize(options)?);
    let document = Sha256::digest(json::canonicalize(document)?);
    Ok([options.as_slice(), document.as_slice()].concat())
}

/// Verifies one proof over a document from which the proof was taken out.
///
/// # Errors
/// [`ProofError::Member`] for another type or suite than `DataIntegrityProof` and
/// `eddsa-jcs-2022`, or a `proofValue` that is not 64 bytes of base58btc;
/// [`ProofError::Signature`] for a signature that does not fit.
pub fn verify_eddsa_jcs_2022(
    document: &Value,
    proof: &Map<String, Value>,
    key: &PublicKey,
) -> Result<(), ProofError> {
    let text = |name: &str| proof.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("type") != "DataIntegrityProof" {
        return Err(ProofError::Member("type"));
    }
    if text("cryptosuite") != EDDSA_JCS_2022 {
        return Err(ProofError::Member("cryptosuite"));
    }
    // Section 3.3.2 step 4 lets a proof's context replace the document's; only equal ones are
    // taken, so that one document cannot be read in two ways.
    if proof.get("@context").is_some_and(|c| document.get("@context") != Some(c)) {
        return Err(ProofError::Member("@context"));
    }
    if key.key_type() != KeyType::Ed25519 {
        return Err(KeyError::Unsuitable { found: key.key_type(), asked: "verify EdDSA" }.into());
    }
    let value = text("proofValue");
    // 64 bytes have at most 88 base58 digits.
    if !value.starts_with('z') || value.len() > 96 {
        return Err(ProofError::Member("proofValue"));
    }
    let (_, signature) = multibase::decode(value).map_err(|_| ProofError::Member("proofValue"))?;
    let mut options = proof.clone();
    options.remove("proofValue");
    key.verify(&hash_data(document, &options)?, &signature).map_err(|_| ProofError::Signature)
}

/// Makes a proof over a document.
///
/// # Errors
/// [`ProofError::Key`] if the key is not Ed25519; [`ProofError::Json`].
pub fn sign_eddsa_jcs_2022(
    document: &Value,
    verification_method: &str,
    purpose: &str,
    created: UnixMillis,
    key: &SecretKey,
) -> Result<Value, ProofError> {
    let mut options = Map::new();
    options.insert("type".into(), json!("DataIntegrityProof"));
    options.insert("cryptosuite".into(), json!(EDDSA_JCS_2022));
    options.insert("created".into(), json!(created.floor_to_second()));
    options.insert("verificationMethod".into(), json!(verification_method));
    options.insert("proofPurpose".into(), json!(purpose));
    sign_eddsa_jcs_2022_with(document, options, key)
}

/// Makes a proof over a document with exactly these options, which the caller answers for; where
/// the document has an `@context`, section 3.3.1 wants the proof to repeat it.
///
/// # Errors
/// [`ProofError::Member`] if the options name another suite; [`ProofError::Key`] if the key is not
/// Ed25519; [`ProofError::Json`].
pub fn sign_eddsa_jcs_2022_with(
    document: &Value,
    mut options: Map<String, Value>,
    key: &SecretKey,
) -> Result<Value, ProofError> {
    if options.get("cryptosuite").and_then(Value::as_str) != Some(EDDSA_JCS_2022) {
        return Err(ProofError::Member("cryptosuite"));
    }
    if key.key_type() != KeyType::Ed25519 {
        let found = key.key_type();
        return Err(KeyError::Unsuitable { found, asked: "sign with eddsa-jcs-2022" }.into());
    }
    let signature = key.sign(&hash_data(document, &options)?)?;
    let value = multibase::encode(multibase::Base::Base58Btc, signature);
    options.insert("proofValue".into(), json!(value));
    Ok(Value::Object(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_bytes(KeyType::Ed25519, &[3; 32]).expect("32 bytes")
    }

    fn signed() -> (Value, Map<String, Value>) {
        let document = json!({"versionId": "1-Qm"});
        let proof = sign_eddsa_jcs_2022(
            &document,
            "did:key:x#x",
            "assertionMethod",
            UnixMillis::new(1_772_366_400_000),
            &key(),
        )
        .expect("signs");
        (document, proof.as_object().expect("an object").clone())
    }

    #[test]
    fn every_member_of_the_proof_is_signed() {
        let (document, proof) = signed();
        let public = key().public_key();
        assert_eq!(verify_eddsa_jcs_2022(&document, &proof, &public), Ok(()));
        for name in ["created", "verificationMethod", "proofPurpose"] {
            let mut changed = proof.clone();
            changed.insert(name.into(), json!("another"));
            let refused = verify_eddsa_jcs_2022(&document, &changed, &public);
            assert_eq!(refused, Err(ProofError::Signature), "{name}");
            changed.remove(name);
            let refused = verify_eddsa_jcs_2022(&document, &changed, &public);
            assert_eq!(refused, Err(ProofError::Signature), "without {name}");
        }
        let mut added = proof.clone();
        added.insert("challenge".into(), json!("x"));
        assert_eq!(verify_eddsa_jcs_2022(&document, &added, &public), Err(ProofError::Signature));
        assert_eq!(
            verify_eddsa_jcs_2022(&json!({"versionId": "2-Qm"}), &proof, &public),
            Err(ProofError::Signature)
        );
    }

    #[test]
    fn refuses_another_suite_type_or_context() {
        let (document, proof) = signed();
        for (name, value) in [
            ("type", "Ed25519Signature2020"),
            ("cryptosuite", "ecdsa-jcs-2019"),
            ("@context", "https://www.w3.org/ns/credentials/v2"),
            ("proofValue", "uAAAA"),
        ] {
            let mut changed = proof.clone();
            changed.insert(name.into(), json!(value));
            let refused = verify_eddsa_jcs_2022(&document, &changed, &key().public_key());
            assert_eq!(refused, Err(ProofError::Member(name)));
        }
    }
}
