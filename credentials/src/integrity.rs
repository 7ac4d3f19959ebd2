//! Data Integrity proofs (W3C VC Data Integrity 1.0) with `eddsa-rdfc-2022` and `eddsa-jcs-2022`.
//!
//! [`Proof::read`] takes a proof apart without believing it; [`Proof::fits`] says whether a key
//! made it. Whose key, for what, when and for whom is asked in [`crate::signature`].

use crate::rdf::{self, Contexts, RdfError};
use crate::vcdm::date_time_stamp;
use gridpass_identity::data_integrity as jcs;
use gridpass_identity::did::DidUrl;
use gridpass_identity::document::Relationship;
use gridpass_identity::jws::SignatureVerdict;
use gridpass_identity::key::{KeyError, KeyType, PublicKey, SecretKey};
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The most names in `domain`.
const MAX_DOMAINS: usize = 16;

/// Why a proof was refused or not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntegrityError {
    /// A member is missing or has another value than it must.
    #[error("the proof's {0} is missing or not what it must be")]
    Member(&'static str),
    /// The document or the proof has no canonical form.
    #[error(transparent)]
    Rdf(#[from] RdfError),
    /// The document or the proof has no JCS form.
    #[error("{0}")]
    Json(String),
    /// The key cannot sign with this suite.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<jcs::ProofError> for IntegrityError {
    fn from(e: jcs::ProofError) -> Self {
        match e {
            jcs::ProofError::Member(name) => Self::Member(name),
            jcs::ProofError::Signature => Self::Member("proofValue"),
            jcs::ProofError::Json(reason) => Self::Json(reason),
            jcs::ProofError::Key(e) => Self::Key(e),
            other => Self::Json(other.to_string()),
        }
    }
}

/// A cryptosuite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// Ed25519 over canonical RDF.
    #[serde(rename = "eddsa-rdfc-2022")]
    EddsaRdfc2022,
    /// Ed25519 over canonical JSON.
    #[serde(rename = "eddsa-jcs-2022")]
    EddsaJcs2022,
}

impl Suite {
    /// The name in `cryptosuite`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EddsaRdfc2022 => "eddsa-rdfc-2022",
            Self::EddsaJcs2022 => jcs::EDDSA_JCS_2022,
        }
    }
}

/// What a proof may have (Data Integrity 1.0, section 2.1).
const PROOF_MEMBERS: [&str; 13] = [
    "@context",
    "id",
    "type",
    "cryptosuite",
    "proofPurpose",
    "verificationMethod",
    "created",
    "expires",
    "domain",
    "challenge",
    "nonce",
    "previousProof",
    "proofValue",
];

/// A proof that was read and not yet believed.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The suite.
    pub suite: Suite,
    /// The key that it names.
    pub key_id: DidUrl,
    /// What it says that it was made for.
    pub purpose: Relationship,
    /// When it says that it was made.
    pub created: Option<UnixMillis>,
    /// From when on it no longer counts.
    pub expires: Option<UnixMillis>,
    /// The nonce of the one who asked for it.
    pub challenge: Option<String>,
    /// For whom it was made; empty where it does not say.
    pub domains: Vec<String>,
    /// The proof as it stands, its value included.
    pub(crate) raw: Map<String, Value>,
    signature: Vec<u8>,
}

impl Proof {
    /// Reads one proof.
    ///
    /// # Errors
    /// [`IntegrityError::Member`] names the member. A proof chain (`previousProof`) is refused.
    pub fn read(raw: &Map<String, Value>) -> Result<Self, IntegrityError> {
        if raw.contains_key("previousProof") {
            return Err(IntegrityError::Member("previousProof"));
        }
        Self::read_chained(raw)
    }

    /// Reads one proof of a chain or set; `previousProof` is for the caller to follow.
    ///
    /// # Errors
    /// [`IntegrityError::Member`] names the member.
    pub fn read_chained(raw: &Map<String, Value>) -> Result<Self, IntegrityError> {
        let text = |name: &'static str| match raw.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= 4096 => Ok(Some(text.as_str())),
            Some(_) => Err(IntegrityError::Member(name)),
        };
        let time = |name: &'static str| match text(name)? {
            None => Ok(None),
            Some(t) => date_time_stamp(t).map(Some).map_err(|_| IntegrityError::Member(name)),
        };
        // An unknown member could hold, under another spelling, what is read here by name.
        if raw.keys().any(|name| !PROOF_MEMBERS.contains(&name.as_str())) {
            return Err(IntegrityError::Member("a member that no proof has"));
        }
        if text("type")? != Some("DataIntegrityProof") {
            return Err(IntegrityError::Member("type"));
        }
        let suite = match text("cryptosuite")? {
            Some("eddsa-rdfc-2022") => Suite::EddsaRdfc2022,
            Some("eddsa-jcs-2022") => Suite::EddsaJcs2022,
            _ => return Err(IntegrityError::Member("cryptosuite")),
        };
        let key_id = text("verificationMethod")?
            .and_then(|url| DidUrl::parse(url).ok())
            .ok_or(IntegrityError::Member("verificationMethod"))?;
        let purpose = Relationship::ALL
            .into_iter()
            .find(|r| text("proofPurpose").is_ok_and(|p| p == Some(r.name())))
            .ok_or(IntegrityError::Member("proofPurpose"))?;
        let domains = match raw.get("domain") {
            None => Vec::new(),
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(list)) if !list.is_empty() && list.len() <= MAX_DOMAINS => list
                .iter()
                .map(|d| d.as_str().map(str::to_owned).ok_or(IntegrityError::Member("domain")))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(IntegrityError::Member("domain")),
        };
        let value = text("proofValue")?.filter(|v| v.starts_with('z') && v.len() <= 96);
        let signature = value
            .and_then(|v| multibase::decode(v).ok())
            .map(|(_, bytes)| bytes)
            .filter(|bytes| bytes.len() == 64)
            .ok_or(IntegrityError::Member("proofValue"))?;
        Ok(Self {
            suite,
            key_id,
            purpose,
            created: time("created")?,
            expires: time("expires")?,
            challenge: text("challenge")?.map(str::to_owned),
            domains,
            raw: raw.clone(),
            signature,
        })
    }

    /// Whether this key made it over this document, from which the proof was taken out.
    ///
    /// # Errors
    /// [`IntegrityError::Rdf`] for a document that has no canonical form here,
    /// [`IntegrityError::Key`] for a key of another type.
    pub fn fits(
        &self,
        document: &Value,
        key: &PublicKey,
    ) -> Result<SignatureVerdict, IntegrityError> {
        self.fits_with(document, key, Contexts::Bundled)
    }

    /// As [`Proof::fits`], for a document with these contexts.
    ///
    /// # Errors
    /// As [`Proof::fits`].
    pub fn fits_with(
        &self,
        document: &Value,
        key: &PublicKey,
        contexts: Contexts,
    ) -> Result<SignatureVerdict, IntegrityError> {
        if key.key_type() != KeyType::Ed25519 {
            return Err(
                KeyError::Unsuitable { found: key.key_type(), asked: "verify EdDSA" }.into()
            );
        }
        let fits = match self.suite {
            Suite::EddsaJcs2022 => match jcs::verify_eddsa_jcs_2022(document, &self.raw, key) {
                Ok(()) => true,
                Err(jcs::ProofError::Signature) => false,
                Err(e) => return Err(e.into()),
            },
            Suite::EddsaRdfc2022 => {
                let mut options = self.raw.clone();
                options.remove("proofValue");
                key.verify(&rdfc_hash(document, options, contexts)?, &self.signature).is_ok()
            }
        };
        Ok(if fits { SignatureVerdict::Fits } else { SignatureVerdict::DoesNotFit })
    }
}

/// Sections 3.2.4 and 3.2.5 of vc-di-eddsa: the hash of the proof's options, then the document's.
fn rdfc_hash(
    document: &Value,
    mut options: Map<String, Value>,
    contexts: Contexts,
) -> Result<Vec<u8>, IntegrityError> {
    let context = document.get("@context").ok_or(IntegrityError::Member("@context"))?;
    // The document's context decides what the words of the proof mean, never the proof's own.
    options.insert("@context".into(), context.clone());
    let options = Sha256::digest(rdf::canonical_nquads_with(&Value::Object(options), contexts)?);
    let document = Sha256::digest(rdf::canonical_nquads_with(document, contexts)?);
    Ok([options.as_slice(), document.as_slice()].concat())
}

/// What a new proof says beside its signature.
#[derive(Clone, Debug)]
pub struct ProofOptions {
    /// The suite.
    pub suite: Suite,
    /// The signing key's id.
    pub key_id: DidUrl,
    /// What for.
    pub purpose: Relationship,
    /// When.
    pub created: UnixMillis,
    /// Until when.
    pub expires: Option<UnixMillis>,
    /// The verifier's nonce.
    pub challenge: Option<String>,
    /// For whom.
    pub domain: Option<String>,
}

/// Makes a proof over a document without one.
///
/// # Errors
/// [`IntegrityError::Rdf`] for a document that would lose something, [`IntegrityError::Key`].
pub fn sign(
    document: &Value,
    options: &ProofOptions,
    key: &SecretKey,
) -> Result<Value, IntegrityError> {
    sign_with(document, options, key, Contexts::Bundled)
}

/// As [`sign`], for a document with these contexts.
///
/// # Errors
/// As [`sign`].
pub fn sign_with(
    document: &Value,
    options: &ProofOptions,
    key: &SecretKey,
    contexts: Contexts,
) -> Result<Value, IntegrityError> {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.into(), value);
    put("type", json!("DataIntegrityProof"));
    put("cryptosuite", json!(options.suite.name()));
    put("created", json!(options.created.floor_to_second()));
    put("verificationMethod", json!(options.key_id));
    put("proofPurpose", json!(options.purpose.name()));
    if let Some(expires) = options.expires {
        put("expires", json!(expires.floor_to_second()));
    }
    for (name, value) in [("challenge", &options.challenge), ("domain", &options.domain)] {
        if let Some(value) = value {
            put(name, json!(value));
        }
    }
    match options.suite {
        Suite::EddsaJcs2022 => {
            if let Some(context) = document.get("@context") {
                map.insert("@context".into(), context.clone());
            }
            Ok(jcs::sign_eddsa_jcs_2022_with(document, map, key)?)
        }
        Suite::EddsaRdfc2022 => {
            if key.key_type() != KeyType::Ed25519 {
                let found = key.key_type();
                return Err(KeyError::Unsuitable { found, asked: "sign with EdDSA" }.into());
            }
            let signature = key.sign(&rdfc_hash(document, map.clone(), contexts)?)?;
            let value = multibase::encode(multibase::Base::Base58Btc, signature);
            map.insert("proofValue".into(), json!(value));
            Ok(Value::Object(map))
        }
    }
}
