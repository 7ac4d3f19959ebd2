//! DID documents (DID Core 1.0 section 5, Controlled Identifiers 1.0), read and made.
//!
//! A [`DidDocument`] exists only for the DID that was asked for: reading takes the expected DID
//! and refuses a document whose `id` differs.

use crate::code::Code;
use crate::codes;
use crate::did::{Did, DidUrl};
use crate::json::{self, Limits};
use crate::jwk::Jwk;
use crate::key::PublicKey;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// The most verification methods that are read from one document.
pub const MAX_VERIFICATION_METHODS: usize = 64;

/// What a key may be used for (DID Core section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Relationship {
    /// To issue: statements such as visas.
    AssertionMethod,
    /// To prove who is speaking: presentations, handshakes.
    Authentication,
    /// To be sealed to.
    KeyAgreement,
    /// To act: envelopes, orders to a node.
    CapabilityInvocation,
}

impl Relationship {
    /// All four, in the order in which documents are written.
    pub const ALL: [Self; 4] = [
        Self::AssertionMethod,
        Self::Authentication,
        Self::KeyAgreement,
        Self::CapabilityInvocation,
    ];

    /// The property's name in a document.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AssertionMethod => "assertionMethod",
            Self::Authentication => "authentication",
            Self::KeyAgreement => "keyAgreement",
            Self::CapabilityInvocation => "capabilityInvocation",
        }
    }
}

impl fmt::Display for Relationship {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a DID document was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Not the JSON of a DID document, or over a limit.
    #[error("the DID document of {did} cannot be read: {reason}")]
    Malformed {
        /// The DID that was asked for.
        did: Did,
        /// What is wrong.
        reason: String,
    },
    /// It is somebody else's.
    #[error("the document's id is {found:?}, and {expected} was asked for")]
    OtherId {
        /// The DID that was asked for.
        expected: Did,
        /// What the document says.
        found: String,
    },
}

impl DocumentError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } => codes::DID_DOCUMENT_MALFORMED,
            Self::OtherId { .. } => codes::DID_DOCUMENT_OTHER_ID,
        }
    }
}

/// A key in a document, under its DID URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationMethod {
    /// The key id.
    pub id: DidUrl,
    /// Who controls the key. `None` where the document does not say, as some implementations of
    /// did:webvh leave it out though Controlled Identifiers section 2.2 requires it: such a key is
    /// read and not used.
    pub controller: Option<Did>,
    /// The key; `None` where its type is one that Gridpass does not use.
    pub public_key: Option<PublicKey>,
    /// Not to be used from this time on (Controlled Identifiers section 2.2).
    pub expires: Option<UnixMillis>,
    /// Marked as compromised, from this time on (Controlled Identifiers section 2.2).
    pub revoked: Option<UnixMillis>,
}

impl VerificationMethod {
    /// A method for a key that the DID itself controls.
    #[must_use]
    pub fn new(id: DidUrl, public_key: PublicKey) -> Self {
        let controller = Some(id.did().clone());
        Self { id, controller, public_key: Some(public_key), expires: None, revoked: None }
    }

    fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("id".into(), json!(self.id));
        map.insert("type".into(), json!("Multikey"));
        if let Some(controller) = &self.controller {
            map.insert("controller".into(), json!(controller));
        }
        if let Some(key) = &self.public_key {
            map.insert("publicKeyMultibase".into(), json!(key.to_multikey()));
        }
        for (name, time) in [("expires", self.expires), ("revoked", self.revoked)] {
            if let Some(time) = time {
                map.insert(name.into(), json!(time));
            }
        }
        Value::Object(map)
    }
}

/// A DID document that was read for the DID that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DidDocument {
    id: Did,
    methods: Vec<VerificationMethod>,
    relationships: Vec<(Relationship, DidUrl)>,
    json: Value,
}

/// A verification method as it stands in JSON, before anything about it is believed.
#[derive(Deserialize)]
struct MethodIn {
    id: String,
    #[serde(rename = "type")]
    _type: String,
    controller: Option<Did>,
    #[serde(rename = "publicKeyMultibase")]
    multibase: Option<String>,
    #[serde(rename = "publicKeyJwk")]
    jwk: Option<Value>,
    expires: Option<UnixMillis>,
    revoked: Option<UnixMillis>,
}

impl DidDocument {
    /// Makes a document from methods and what each may be used for.
    #[must_use]
    pub fn new(id: Did, methods: Vec<(VerificationMethod, Vec<Relationship>)>) -> Self {
        let mut map = Map::new();
        map.insert(
            "@context".into(),
            json!(["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]),
        );
        map.insert("id".into(), json!(id));
        let list: Vec<Value> = methods.iter().map(|(m, _)| m.to_json()).collect();
        map.insert("verificationMethod".into(), Value::Array(list));
        let mut relationships = Vec::new();
        for relationship in Relationship::ALL {
            let urls: Vec<DidUrl> = methods
                .iter()
                .filter(|(_, r)| r.contains(&relationship))
                .map(|(m, _)| m.id.clone())
                .collect();
            if !urls.is_empty() {
                map.insert(relationship.name().into(), json!(urls));
            }
            relationships.extend(urls.into_iter().map(|url| (relationship, url)));
        }
        let methods = methods.into_iter().map(|(m, _)| m).collect();
        Self { id, methods, relationships, json: Value::Object(map) }
    }

    /// Reads the document of `expected` from bytes.
    ///
    /// # Errors
    /// [`DocumentError`]; see [`DidDocument::from_json`].
    pub fn parse(bytes: &[u8], expected: &Did) -> Result<Self, DocumentError> {
        let json = json::parse_strict(bytes, Limits::DOCUMENT).map_err(|e| {
            DocumentError::Malformed { did: expected.clone(), reason: e.to_string() }
        })?;
        Self::from_json(json, expected)
    }

    /// Reads the document of `expected` from JSON that was read strictly.
    ///
    /// Methods may be listed or embedded, with absolute or relative ids. A method whose key is of
    /// a type that Gridpass does not use is kept without a key; a key of a known type that is
    /// broken makes the document malformed.
    ///
    /// # Errors
    /// [`DocumentError::OtherId`] if it is of another DID; [`DocumentError::Malformed`] if a
    /// property is missing or has the wrong form, an id occurs twice, or a limit is passed.
    pub fn from_json(json: Value, expected: &Did) -> Result<Self, DocumentError> {
        let malformed = |reason: String| DocumentError::Malformed { did: expected.clone(), reason };
        let map = json.as_object().ok_or_else(|| malformed("it is not an object".into()))?;
        let id = map.get("id").and_then(Value::as_str).unwrap_or_default();
        if id != expected.as_str() {
            let found = id.chars().take(200).collect();
            return Err(DocumentError::OtherId { expected: expected.clone(), found });
        }
        let list = |name: &str| match map.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= MAX_VERIFICATION_METHODS => {
                Ok(items.clone())
            }
            Some(Value::Array(_)) => Err(malformed(format!("{name} has more than 64 members"))),
            Some(_) => Err(malformed(format!("{name} is not an array"))),
        };
        let mut methods = Vec::new();
        for value in list("verificationMethod")? {
            methods.push(read_method(value, expected).map_err(&malformed)?);
        }
        let mut relationships = Vec::new();
        for relationship in Relationship::ALL {
            for value in list(relationship.name())? {
                let url = match value {
                    Value::String(text) => absolute(&text, expected).map_err(&malformed)?,
                    embedded => {
                        let method = read_method(embedded, expected).map_err(&malformed)?;
                        let url = method.id.clone();
                        methods.push(method);
                        url
                    }
                };
                relationships.push((relationship, url));
            }
        }
        for (i, method) in methods.iter().enumerate() {
            // Two keys under one id: which one signed would depend on the reader.
            if methods.iter().skip(i.saturating_add(1)).any(|other| other.id == method.id) {
                return Err(malformed(format!("the id {} occurs twice", method.id)));
            }
        }
        Ok(Self { id: expected.clone(), methods, relationships, json })
    }

    /// The DID whose document it is.
    #[must_use]
    pub fn id(&self) -> &Did {
        &self.id
    }

    /// Every verification method, in the document's order.
    #[must_use]
    pub fn verification_methods(&self) -> &[VerificationMethod] {
        &self.methods
    }

    /// The method of this id, whatever it may be used for.
    #[must_use]
    pub fn method(&self, id: &DidUrl) -> Option<&VerificationMethod> {
        self.methods.iter().find(|m| &m.id == id)
    }

    /// The methods that may be used for this, in the document's order.
    pub fn methods_for(
        &self,
        relationship: Relationship,
    ) -> impl Iterator<Item = &VerificationMethod> {
        self.relationships
            .iter()
            .filter(move |(r, _)| *r == relationship)
            .filter_map(|(_, url)| self.method(url))
    }

    /// The document as JSON, with everything that it said.
    #[must_use]
    pub fn as_json(&self) -> &Value {
        &self.json
    }
}

fn absolute(text: &str, did: &Did) -> Result<DidUrl, String> {
    let url = if text.starts_with('#') { format!("{did}{text}") } else { text.to_owned() };
    DidUrl::parse(&url).map_err(|e| e.to_string())
}

fn read_method(value: Value, did: &Did) -> Result<VerificationMethod, String> {
    let method: MethodIn = json::from_object(value).map_err(|e| e.to_string())?;
    let id = absolute(&method.id, did)?;
    let refuse = |e: crate::key::KeyError| format!("{id}: {e}");
    let public_key = match (method.multibase, method.jwk) {
        (Some(_), Some(_)) => return Err(format!("{id} has its key in two forms")),
        (Some(text), None) if is_known_multikey(&text) => {
            Some(PublicKey::from_multikey(&text).map_err(refuse)?)
        }
        (None, Some(jwk)) if is_known_jwk(&jwk) => {
            let jwk: Jwk = json::from_object(jwk).map_err(|e| format!("{id}: {e}"))?;
            Some(jwk.to_public_key().map_err(refuse)?)
        }
        _ => None,
    };
    Ok(VerificationMethod {
        id,
        controller: method.controller,
        public_key,
        expires: method.expires,
        revoked: method.revoked,
    })
}

/// By its first characters: the types that Gridpass reads are read strictly, others are skipped.
fn is_known_multikey(text: &str) -> bool {
    ["z6Mk", "z6LS", "zDn"].iter().any(|prefix| text.starts_with(prefix))
}

fn is_known_jwk(jwk: &Value) -> bool {
    matches!(jwk.get("crv").and_then(Value::as_str), Some("Ed25519" | "X25519" | "P-256"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DID: &str = "did:web:dso.example";
    const KEY: &str = "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";

    fn read(json: Value) -> Result<DidDocument, DocumentError> {
        DidDocument::from_json(json, &Did::parse(DID).expect("a DID"))
    }

    fn method(id: &str) -> Value {
        json!({"id": id, "type": "Multikey", "controller": DID, "publicKeyMultibase": KEY})
    }

    #[test]
    fn reads_listed_embedded_and_relative_methods() -> Result<(), DocumentError> {
        let document = read(json!({
            "id": DID,
            "verificationMethod": [method("#a")],
            "assertionMethod": ["#a"],
            "authentication": ["did:web:dso.example#a", method("#b")],
        }))?;
        let ids = |r| document.methods_for(r).map(|m| m.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(Relationship::AssertionMethod), ["did:web:dso.example#a"]);
        assert_eq!(
            ids(Relationship::Authentication),
            ["did:web:dso.example#a", "did:web:dso.example#b"]
        );
        assert!(ids(Relationship::KeyAgreement).is_empty());
        Ok(())
    }

    #[test]
    fn refuses_a_document_of_another_did() {
        let error = read(json!({"id": "did:web:attacker.example"})).expect_err("other id");
        assert_eq!(error.code(), codes::DID_DOCUMENT_OTHER_ID);
    }

    #[test]
    fn refuses_malformed_documents() {
        let many: Vec<Value> = (0..65).map(|i| method(&format!("#{i}"))).collect();
        let mut broken = method("#a");
        broken["publicKeyMultibase"] = json!("z6Mkbroken");
        for json in [
            json!({"id": DID, "verificationMethod": {}}),
            json!({"id": DID, "verificationMethod": many}),
            json!({"id": DID, "verificationMethod": [method("#a"), method("#a")]}),
            json!({"id": DID, "verificationMethod": [broken]}),
            json!({"id": DID, "verificationMethod": [{"id": "#a"}]}),
            json!({"id": DID, "authentication": ["not a url"]}),
        ] {
            let error = read(json.clone()).expect_err("malformed");
            assert_eq!(error.code(), codes::DID_DOCUMENT_MALFORMED, "{json}");
        }
    }

    #[test]
    fn keeps_a_method_of_a_foreign_key_type_without_its_key() -> Result<(), DocumentError> {
        let mut foreign = method("#k1");
        foreign["publicKeyMultibase"] = json!("zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme");
        let document = read(json!({"id": DID, "verificationMethod": [foreign]}))?;
        assert_eq!(
            document.verification_methods().first().map(|m| m.public_key.clone()),
            Some(None)
        );
        Ok(())
    }

    #[test]
    fn what_is_made_reads_back() -> Result<(), Box<dyn std::error::Error>> {
        let did = Did::parse(DID)?;
        let mut method =
            VerificationMethod::new(did.with_fragment("key-1")?, PublicKey::from_multikey(KEY)?);
        method.revoked = Some(UnixMillis::new(1_772_366_400_000));
        let made = DidDocument::new(did.clone(), vec![(method, Relationship::ALL.to_vec())]);
        let bytes = serde_json::to_vec(made.as_json())?;
        assert_eq!(DidDocument::parse(&bytes, &did)?, made);
        Ok(())
    }
}
