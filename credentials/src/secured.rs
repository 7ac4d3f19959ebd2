//! A credential or presentation with its securing, whichever it is, read and not yet believed.
//!
//! ```text
//! bytes -> Secured::parse -> signature::check -> Credential, Presentation
//! ```
//!
//! Four securings over one model: `vc+jwt` (VC-JOSE-COSE, the default on the wire), `vc+sd-jwt`,
//! and Data Integrity with `eddsa-rdfc-2022` or `eddsa-jcs-2022`.

use crate::code_of;
use crate::codes;
use crate::content_id::ContentId;
use crate::context;
use crate::integrity::{IntegrityError, Proof, Suite};
use crate::sd_jwt::{SdJwtError, SdJwtIn};
use crate::vcdm::ModelError;
use gridpass_identity::code::Code;
use gridpass_identity::did::DidUrl;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jws::{JwsError, JwsIn, SignatureVerdict};
use gridpass_identity::key::PublicKey;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

pub use crate::securing::{Binding, Signer, secure_credential, secure_presentation};

/// The most bytes of one secured credential or presentation.
pub const MAX_BYTES: usize = 1024 * 1024;

/// What is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A credential, signed by its issuer.
    Credential,
    /// A presentation, signed by its holder.
    Presentation,
}

impl Kind {
    /// `vc` or `vp`, as media types have it.
    pub(crate) fn media(self) -> &'static str {
        match self {
            Self::Credential => "vc",
            Self::Presentation => "vp",
        }
    }
}

/// How it is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Form {
    /// A JWS over the JSON (VC-JOSE-COSE section 3.1).
    #[serde(rename = "jwt")]
    Jwt,
    /// An SD-JWT, whose holder can withhold claims (VC-JOSE-COSE section 3.2).
    #[serde(rename = "sd-jwt")]
    SdJwt,
    /// A Data Integrity proof over canonical RDF.
    #[serde(rename = "eddsa-rdfc-2022")]
    EddsaRdfc2022,
    /// A Data Integrity proof over canonical JSON.
    #[serde(rename = "eddsa-jcs-2022")]
    EddsaJcs2022,
}

impl Form {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Jwt, Self::SdJwt, Self::EddsaRdfc2022, Self::EddsaJcs2022];

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::SdJwt => "sd-jwt",
            Self::EddsaRdfc2022 => "eddsa-rdfc-2022",
            Self::EddsaJcs2022 => "eddsa-jcs-2022",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why something was refused before its signature was looked at, or was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecuredError {
    /// Neither a JWT, nor an SD-JWT, nor JSON with one proof.
    #[error("not a secured {what}: {reason}")]
    Malformed {
        /// `credential` or `presentation`.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Not what its header says, or must say.
    #[error("its typ is {found:?}, and must be {expected:?}")]
    Type {
        /// What stands there.
        found: String,
        /// What must.
        expected: String,
    },
    /// The data model is broken.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The JWS is refused.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// The SD-JWT is refused.
    #[error(transparent)]
    SdJwt(#[from] SdJwtError),
    /// The proof is refused.
    #[error(transparent)]
    Integrity(#[from] IntegrityError),
}

impl SecuredError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } => codes::SECURED_MALFORMED,
            Self::Type { .. } => codes::SECURED_TYPE,
            Self::Model(_) => codes::MODEL_BROKEN,
            Self::Jws(e) => e.code(),
            Self::SdJwt(e) => code_of::sd_jwt(e),
            Self::Integrity(e) => code_of::integrity(e),
        }
    }
}

/// What was signed, and by which means.
#[derive(Clone, Debug)]
pub(crate) enum Seal {
    /// One JWS.
    Jws(Box<JwsIn>),
    /// An SD-JWT.
    SdJwt(Box<SdJwtIn>),
    /// A proof over the document.
    Proof(Box<Proof>),
}

/// A secured credential or presentation: well formed, its content readable, not yet believed.
#[derive(Clone, Debug)]
pub struct Secured {
    kind: Kind,
    form: Form,
    id: ContentId,
    text: String,
    document: Value,
    pub(crate) seal: Seal,
}

impl Secured {
    /// Reads one: a JWT, an SD-JWT, JSON with one proof, or a JSON envelope with a `data:` URL.
    ///
    /// # Errors
    /// [`SecuredError`].
    pub fn parse(bytes: &[u8], kind: Kind) -> Result<Self, SecuredError> {
        let malformed = |reason: String| SecuredError::Malformed { what: what(kind), reason };
        if bytes.len() > MAX_BYTES {
            return Err(malformed("it is longer than 1 MiB".into()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8".into()))?;
        let text = text.trim_ascii();
        if text.starts_with('{') {
            let value = json::parse_strict(text.as_bytes(), Limits::DOCUMENT)
                .map_err(|e| malformed(e.to_string()))?;
            return Self::from_json(value, kind);
        }
        Self::from_compact(text, kind)
    }

    /// Reads one from JSON that was read strictly: a proof inside, or an envelope.
    ///
    /// # Errors
    /// [`SecuredError`].
    pub fn from_json(value: Value, kind: Kind) -> Result<Self, SecuredError> {
        let malformed =
            |reason: &str| SecuredError::Malformed { what: what(kind), reason: reason.into() };
        let Value::Object(object) = value else {
            return Err(malformed("it is not an object"));
        };
        if let Some(text) = enveloped(&object, kind) {
            return Self::from_compact(text, kind);
        }
        let whole = Value::Object(object);
        let (id, bytes) = ContentId::of_json(&whole).map_err(|e| malformed(&e.to_string()))?;
        // What is read is what JCS makes of it, and so what was signed: of two numbers that JCS
        // writes alike, nobody could say which one the signer meant.
        let Ok(Value::Object(mut object)) = json::parse_strict(&bytes, Limits::DOCUMENT) else {
            return Err(malformed("it has no canonical form"));
        };
        let proof = match object.remove("proof") {
            Some(Value::Object(proof)) => proof,
            Some(Value::Array(list)) => match list.as_slice() {
                [Value::Object(proof)] => proof.clone(),
                _ => return Err(malformed("it has not exactly one proof")),
            },
            Some(_) => return Err(malformed("its proof is not an object")),
            None => return Err(malformed("it has no proof, so nobody answers for it")),
        };
        let proof = Proof::read(&proof)?;
        let form = match proof.suite {
            Suite::EddsaRdfc2022 => Form::EddsaRdfc2022,
            Suite::EddsaJcs2022 => Form::EddsaJcs2022,
        };
        let text = String::from_utf8(bytes).map_err(|_| malformed("its JCS is not UTF-8"))?;
        let document = Value::Object(object);
        Ok(Self { kind, form, id, text, document, seal: Seal::Proof(Box::new(proof)) })
    }

    pub(crate) fn from_compact(text: &str, kind: Kind) -> Result<Self, SecuredError> {
        let malformed =
            |reason: &str| SecuredError::Malformed { what: what(kind), reason: reason.into() };
        let id = ContentId::of_bytes(text.as_bytes()).map_err(|e| malformed(&e.to_string()))?;
        let (form, document, seal) = if text.contains('~') {
            if kind == Kind::Presentation {
                // VC-JOSE-COSE has it; here nobody makes one, and parts of it could be withheld.
                return Err(malformed("a presentation is no SD-JWT"));
            }
            let read = SdJwtIn::parse(text)?;
            check_header(read.jws(), kind, "sd-jwt")?;
            let document = Value::Object(read.claims().clone());
            (Form::SdJwt, document, Seal::SdJwt(Box::new(read)))
        } else {
            let jws = JwsIn::parse(text)?;
            check_header(&jws, kind, "jwt")?;
            let document = json::parse_strict(jws.payload(None)?, Limits::DOCUMENT)
                .map_err(|e| malformed(&e.to_string()))?;
            (Form::Jwt, document, Seal::Jws(Box::new(jws)))
        };
        // VC-JOSE-COSE section 3.1.1: the claims are the credential, not a member of it.
        if document.get("vc").is_some() || document.get("vp").is_some() {
            return Err(malformed("its payload has a vc or vp claim, as version 1 had"));
        }
        Ok(Self { kind, form, id, text: text.to_owned(), document, seal })
    }

    /// How it is secured.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// The name of these bytes (of the JCS of the whole, where it is JSON): the evidence's hash.
    #[must_use]
    pub fn id(&self) -> &ContentId {
        &self.id
    }

    /// The text that travels: compact, or JCS.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was signed, as JSON, disclosed claims in their places. Not yet believed.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The signing key that it names.
    #[must_use]
    pub fn key_id(&self) -> Option<&DidUrl> {
        match &self.seal {
            Seal::Jws(jws) => jws.header().kid.as_ref(),
            Seal::SdJwt(sd_jwt) => sd_jwt.jws().header().kid.as_ref(),
            Seal::Proof(proof) => Some(&proof.key_id),
        }
    }

    /// When the signer says that it signed.
    #[must_use]
    pub fn signed_at(&self) -> Option<UnixMillis> {
        match &self.seal {
            Seal::Jws(jws) => jws.header().iat.or_else(|| self.payload_iat()),
            Seal::SdJwt(sd_jwt) => sd_jwt.jws().header().iat.or_else(|| self.payload_iat()),
            Seal::Proof(proof) => proof.created,
        }
    }

    fn payload_iat(&self) -> Option<UnixMillis> {
        let seconds = self.document.get("iat").and_then(Value::as_u64)?;
        Some(UnixMillis::new(seconds.saturating_mul(1000)))
    }

    /// How many claims, or decoys, are withheld.
    #[must_use]
    pub fn withheld(&self) -> usize {
        match &self.seal {
            Seal::SdJwt(sd_jwt) => sd_jwt.withheld(),
            Seal::Jws(_) | Seal::Proof(_) => 0,
        }
    }

    /// Whether nothing outside the object at this JSON Pointer could be withheld by its holder.
    pub(crate) fn conceals_only_in(&self, pointer: &str) -> bool {
        match &self.seal {
            Seal::SdJwt(sd_jwt) => sd_jwt.concealed_in().iter().all(|place| {
                let inside = place.strip_prefix(pointer);
                inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
            Seal::Jws(_) | Seal::Proof(_) => true,
        }
    }

    /// The claims that this text discloses and its holder could withhold.
    pub fn withholdable(&self) -> impl Iterator<Item = &str> {
        let disclosed = match &self.seal {
            Seal::SdJwt(sd_jwt) => Some(sd_jwt.disclosed()),
            Seal::Jws(_) | Seal::Proof(_) => None,
        };
        disclosed.into_iter().flatten()
    }

    /// The text with only these of the withholdable claims; the text itself where none can be.
    ///
    /// # Errors
    /// [`SecuredError::SdJwt`] for a claim that it does not disclose.
    pub fn disclose(&self, names: &[&str]) -> Result<String, SecuredError> {
        match &self.seal {
            Seal::SdJwt(sd_jwt) => {
                // What cannot be withheld is shown anyway.
                let claims = self.document.pointer("/credentialSubject/claims");
                let plain = |n: &&&str| {
                    !(sd_jwt.disclosed().all(|d| d != **n)
                        && claims.is_some_and(|c| c.get(**n).is_some()))
                };
                let names: Vec<&str> = names.iter().filter(plain).copied().collect();
                Ok(sd_jwt.disclose(&names)?)
            }
            Seal::Jws(_) | Seal::Proof(_) => Ok(self.text.clone()),
        }
    }

    /// Whether this key signed it.
    ///
    /// # Errors
    /// [`SecuredError`] where the key cannot have: another algorithm, or no canonical form.
    pub(crate) fn fits(&self, key: &PublicKey) -> Result<SignatureVerdict, SecuredError> {
        Ok(match &self.seal {
            Seal::Jws(jws) => jws.verify(key, None)?,
            Seal::SdJwt(sd_jwt) => sd_jwt.jws().verify(key, None)?,
            Seal::Proof(proof) => proof.fits(&self.document, key)?,
        })
    }

    /// The same as a member of `verifiableCredential`: the JSON itself, or an envelope around a
    /// compact form.
    #[must_use]
    pub fn to_member(&self) -> Value {
        let subtype = match self.form {
            Form::Jwt => "jwt",
            Form::SdJwt => "sd-jwt",
            Form::EddsaRdfc2022 | Form::EddsaJcs2022 => {
                return serde_json::from_str(&self.text).unwrap_or_default();
            }
        };
        json!({
            "@context": context::CREDENTIALS_V2,
            "type": "EnvelopedVerifiableCredential",
            "id": format!("data:application/{}+{subtype},{}", self.kind.media(), self.text),
        })
    }
}

pub(crate) fn what(kind: Kind) -> &'static str {
    match kind {
        Kind::Credential => "credential",
        Kind::Presentation => "presentation",
    }
}

/// The compact text in an `EnvelopedVerifiableCredential` or `…Presentation`.
pub(crate) fn enveloped(object: &Map<String, Value>, kind: Kind) -> Option<&str> {
    let name = match kind {
        Kind::Credential => "EnvelopedVerifiableCredential",
        Kind::Presentation => "EnvelopedVerifiablePresentation",
    };
    crate::vcdm::each(object.get("type")).find(|t| *t == name)?;
    let (media, text) =
        object.get("id")?.as_str()?.strip_prefix("data:application/")?.split_once(',')?;
    let subtype = media.strip_prefix(kind.media())?.strip_prefix('+')?;
    matches!(subtype, "jwt" | "sd-jwt").then_some(text)
}

/// Section 3.1.1: `typ` says what it is, so that one thing is never taken for another.
fn check_header(jws: &JwsIn, kind: Kind, subtype: &str) -> Result<(), SecuredError> {
    let expected = format!("{}+{subtype}", kind.media());
    let found = jws.header().typ.clone().unwrap_or_default();
    if found != expected {
        return Err(SecuredError::Type { found: found.chars().take(64).collect(), expected });
    }
    let cty = jws.header().cty.as_deref();
    if cty.is_some_and(|cty| cty != kind.media()) {
        let found = cty.unwrap_or_default().chars().take(64).collect();
        return Err(SecuredError::Type { found, expected: kind.media().into() });
    }
    if jws.is_detached() {
        let reason = "its payload is not in it".to_owned();
        return Err(SecuredError::Malformed { what: what(kind), reason });
    }
    Ok(())
}
