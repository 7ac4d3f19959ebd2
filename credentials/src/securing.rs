//! Signing credentials and presentations, in each of the forms.

use crate::integrity::{self, ProofOptions, Suite};
use crate::sd_jwt;
use crate::secured::{Form, Kind, Secured, SecuredError, what};
use crate::vcdm::{Credential, Presentation};
use gridpass_identity::did::DidUrl;
use gridpass_identity::document::Relationship;
use gridpass_identity::json;
use gridpass_identity::jws::{self, Header};
use gridpass_identity::key::SecretKey;
use gridpass_identity::time::UnixMillis;
use rand_core::CryptoRng;
use serde_json::{Map, Value, json};

/// Who signs, when.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'s> {
    /// The key.
    pub key: &'s SecretKey,
    /// Its id.
    pub key_id: &'s DidUrl,
    /// The time.
    pub now: UnixMillis,
}

impl Signer<'_> {
    fn header(&self, kind: Kind, subtype: &str) -> Header {
        Header {
            kid: Some(self.key_id.clone()),
            typ: Some(format!("{}+{subtype}", kind.media())),
            cty: Some(kind.media().into()),
            iat: Some(self.now),
            aud: Vec::new(),
        }
    }

    fn proof_options(&self, suite: Suite, purpose: Relationship) -> ProofOptions {
        ProofOptions {
            suite,
            key_id: self.key_id.clone(),
            purpose,
            created: self.now,
            expires: None,
            challenge: None,
            domain: None,
        }
    }
}

/// Signs a credential. `withholdable` names the claims (members of `credentialSubject.claims`) that
/// the holder will be able to withhold; only an SD-JWT can.
///
/// # Errors
/// [`SecuredError`] where the form cannot carry it or the key cannot sign it.
pub fn secure_credential(
    credential: &Credential,
    form: Form,
    withholdable: &[&str],
    signer: Signer<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<Secured, SecuredError> {
    let kind = Kind::Credential;
    let document = credential.json().clone();
    if form != Form::SdJwt && !withholdable.is_empty() {
        let reason = format!("claims cannot be withheld from the form {form}");
        return Err(SecuredError::Malformed { what: what(kind), reason });
    }
    let text = match form {
        Form::Jwt => sign_jwt(&document, kind, signer)?,
        Form::SdJwt => sd_jwt::issue(
            document,
            &["credentialSubject", "claims"],
            withholdable,
            signer.key,
            &signer.header(kind, "sd-jwt"),
            rng,
        )?,
        Form::EddsaRdfc2022 => sign_proof(
            document,
            &signer.proof_options(Suite::EddsaRdfc2022, Relationship::AssertionMethod),
            signer.key,
        )?,
        Form::EddsaJcs2022 => sign_proof(
            document,
            &signer.proof_options(Suite::EddsaJcs2022, Relationship::AssertionMethod),
            signer.key,
        )?,
    };
    // What is written must be what is read.
    Secured::parse(text.as_bytes(), kind)
}

/// For whom a presentation is made, and until when it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The one who will verify it: a DID, or the CID of a channel.
    pub audience: String,
    /// The verifier's nonce, where it gave one.
    pub nonce: Option<String>,
    /// From when on it no longer counts.
    pub expires: UnixMillis,
}

/// Signs a presentation for somebody.
///
/// # Errors
/// [`SecuredError`]; an SD-JWT is no form of a presentation.
pub fn secure_presentation(
    presentation: &Presentation,
    form: Form,
    binding: &Binding,
    signer: Signer<'_>,
) -> Result<Secured, SecuredError> {
    let kind = Kind::Presentation;
    let mut document = presentation.json().clone();
    let data_integrity = |suite| ProofOptions {
        expires: Some(binding.expires),
        challenge: binding.nonce.clone(),
        domain: Some(binding.audience.clone()),
        ..signer.proof_options(suite, Relationship::Authentication)
    };
    let text = match form {
        Form::Jwt => {
            document.insert("aud".into(), json!(binding.audience));
            document.insert("exp".into(), json!(binding.expires.get() / 1000));
            if let Some(nonce) = &binding.nonce {
                document.insert("nonce".into(), json!(nonce));
            }
            sign_jwt(&document, kind, signer)?
        }
        Form::EddsaRdfc2022 => {
            sign_proof(document, &data_integrity(Suite::EddsaRdfc2022), signer.key)?
        }
        Form::EddsaJcs2022 => {
            sign_proof(document, &data_integrity(Suite::EddsaJcs2022), signer.key)?
        }
        Form::SdJwt => {
            let reason = "a presentation as a whole is not an SD-JWT".to_owned();
            return Err(SecuredError::Malformed { what: what(kind), reason });
        }
    };
    Secured::parse(text.as_bytes(), kind)
}

fn sign_jwt(
    document: &Map<String, Value>,
    kind: Kind,
    signer: Signer<'_>,
) -> Result<String, SecuredError> {
    let malformed =
        |e: json::JsonError| SecuredError::Malformed { what: what(kind), reason: e.to_string() };
    let bytes = json::canonicalize(document).map_err(malformed)?;
    Ok(jws::sign(&bytes, signer.key, &signer.header(kind, "jwt"))?)
}

fn sign_proof(
    mut document: Map<String, Value>,
    options: &ProofOptions,
    key: &SecretKey,
) -> Result<String, SecuredError> {
    let proof = integrity::sign(&Value::Object(document.clone()), options, key)?;
    document.insert("proof".into(), proof);
    Ok(Value::Object(document).to_string())
}
