//! Credentials and presentations of the W3C model that are no visas: structure, signatures,
//! validity. Other software and conformance suites speak to this through `gridpass vc-api`.
//!
//! Whether the issuer had any right to issue is not asked here: for visas that is
//! [`crate::verify`]. Inline contexts, proof sets and proof chains, and version 1.1 are taken here
//! and nowhere else.

use crate::code_of;
use crate::codes;
use crate::context::{CREDENTIALS_V1, CREDENTIALS_V2};
use crate::integrity::{self, IntegrityError, Proof, ProofOptions};
use crate::rdf::{self, Contexts};
use crate::secured::{Kind, Secured};
use crate::signature::{self, Asked, SignatureMemo};
use crate::vcdm::{Credential, ModelError, Presentation, each};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::document::Relationship;
use gridpass_identity::jws::SignatureVerdict;
use gridpass_identity::key::SecretKey;
use gridpass_identity::report::{Check, Outcome, Report};
use gridpass_identity::resolve::{Resolver, TimeBasis};
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use serde_json::{Map, Value};

/// The most proofs of a set or chain.
const MAX_PROOFS: usize = 8;

/// Published digests of resources that a `relatedResource` may name: SHA-256, then SHA-384, in
/// base64. Both published states of the base context of VCDM 2.0.
const KNOWN_RESOURCES: [(&str, &str, &str); 2] = [
    (
        CREDENTIALS_V2,
        "WZVc7WaX1h4D8rJVb+vlMIqxaEKEb1tYbX8fet7JJzQ=",
        "l/HrjlBCNWyAX91hr6LFV2Y3heB5Tcr6IeE4/Tje8YyzYBM8IhqjHWiWpr8+ZbYU",
    ),
    (
        CREDENTIALS_V2,
        "JKGMkOmFbVJhEfKTduMC2XCyvRAYLjOVmZWwIH1wQ7k=",
        "NSOcNpmdIVUxIJGvGUoe22FjTWrXiaXlsZ8q6912LdnR3KraQO2n75Ica4wK4Qeg",
    ),
];

/// Why something was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeneralError {
    /// The data model is broken.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It cannot be signed as it is.
    #[error(transparent)]
    Integrity(#[from] IntegrityError),
    /// A related resource has another digest than it says.
    #[error("the digest of the related resource {0} is not the published one")]
    Digest(String),
}

impl GeneralError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Model(_) => codes::MODEL_BROKEN,
            Self::Integrity(e) => code_of::integrity(e),
            Self::Digest(_) => codes::RESOURCE_DIGEST,
        }
    }
}

/// Reads a credential of version 2.0 or 1.1.
fn read(value: Value) -> Result<Credential, ModelError> {
    let first = value.get("@context").and_then(Value::as_array).and_then(|l| l.first()).cloned();
    if first.is_some_and(|c| c == CREDENTIALS_V1) {
        Credential::read_v1(value)
    } else {
        Credential::read(value)
    }
}

/// Signs any credential with a proof, if it keeps the data model and loses nothing as JSON-LD.
///
/// # Errors
/// [`GeneralError`].
pub fn sign_credential(
    document: Value,
    options: &ProofOptions,
    key: &SecretKey,
) -> Result<Value, GeneralError> {
    let mut document = read(document)?.json().clone();
    check_digests(&document)?;
    // The context of 1.1 does not say what a Data Integrity proof is.
    if let Some(Value::Array(contexts)) = document.get_mut("@context")
        && contexts.first().is_some_and(|c| c == CREDENTIALS_V1)
    {
        let proof_context = Value::String("https://w3id.org/security/data-integrity/v2".into());
        if !contexts.contains(&proof_context) {
            contexts.push(proof_context);
        }
    }
    sign(Value::Object(document), options, key)
}

/// Signs any presentation with a proof.
///
/// # Errors
/// [`GeneralError`].
pub fn sign_presentation(
    document: Value,
    options: &ProofOptions,
    key: &SecretKey,
) -> Result<Value, GeneralError> {
    let document = Presentation::read(document)?.json().clone();
    sign(Value::Object(document), options, key)
}

fn sign(
    mut document: Value,
    options: &ProofOptions,
    key: &SecretKey,
) -> Result<Value, GeneralError> {
    // Also where JCS is signed: what JSON-LD would drop, other readers do not see.
    rdf::canonical_nquads_with(&document, Contexts::Inline).map_err(IntegrityError::from)?;
    let proof = integrity::sign_with(&document, options, key, Contexts::Inline)?;
    if let Value::Object(object) = &mut document {
        object.insert("proof".into(), proof);
    }
    Ok(document)
}

/// Section 5.3 of VCDM 2.0: a resource that is known must have the digest that is claimed.
fn check_digests(document: &Map<String, Value>) -> Result<(), GeneralError> {
    for resource in each(document.get("relatedResource")) {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        let id = text("id").unwrap_or_default();
        let known: Vec<_> = KNOWN_RESOURCES.iter().filter(|(iri, ..)| *iri == id).collect();
        if known.is_empty() {
            continue;
        }
        let sri = text("digestSRI").is_none_or(|sri| {
            known.iter().any(|(_, sha256, sha384)| {
                sri.strip_prefix("sha256-") == Some(*sha256)
                    || sri.strip_prefix("sha384-") == Some(*sha384)
            })
        });
        let multibase = text("digestMultibase").is_none_or(|digest| {
            let Ok((_, bytes)) = multibase::decode(digest) else { return false };
            // As a multihash, as the Recommendation says; or bare, as its own suite has it.
            let bare = match bytes.as_slice() {
                [0x12, 0x20, rest @ ..] | [0x20, 0x30, rest @ ..] => rest,
                bare => bare,
            };
            let bare = STANDARD.encode(bare);
            known.iter().any(|(_, sha256, sha384)| bare == *sha256 || bare == *sha384)
        });
        if !sri || !multibase {
            return Err(GeneralError::Digest(id.chars().take(80).collect()));
        }
    }
    Ok(())
}

/// What is asked of a credential or presentation.
#[derive(Clone, Copy, Debug)]
pub struct General<'a> {
    /// The time.
    pub now: UnixMillis,
    /// For presentations: whom it was made for.
    pub domain: Option<&'a str>,
    /// For presentations: the nonce that was given.
    pub challenge: Option<&'a str>,
}

/// Verifies a credential: structure, every proof, at least one of them the issuer's, validity.
pub fn verify_credential(value: &Value, general: &General<'_>, resolver: &dyn Resolver) -> Report {
    let mut report = Report::default();
    if is_enveloped(value) {
        return verify_enveloped(value, general, resolver);
    }
    let Some((document, proofs)) = split(value, &mut report) else { return report };
    let credential = match read(document.clone()) {
        Ok(credential) => credential,
        Err(e) => {
            report.push(Check::failed("form", codes::MODEL_BROKEN, e.to_string()));
            return report;
        }
    };
    let none = General { domain: None, challenge: None, ..*general };
    let purpose = Relationship::AssertionMethod;
    let by = verify_proofs(&document, &proofs, purpose, &none, resolver, &mut report);
    if !by.iter().any(|did| did == credential.issuer()) {
        let sentence = "none of its proofs is the issuer's".to_owned();
        report.push(Check::failed("signer", identity_codes::SIGNER_OTHER, sentence));
    }
    validity(&credential, general.now, &mut report);
    report
}

fn is_enveloped(value: &Value) -> bool {
    each(value.get("type")).any(|t| t == "EnvelopedVerifiableCredential")
}

fn verify_enveloped(value: &Value, general: &General<'_>, resolver: &dyn Resolver) -> Report {
    let mut report = Report::default();
    let read = Secured::from_json(value.clone(), Kind::Credential)
        .and_then(|s| Ok((Credential::read(s.document().clone())?, s)));
    let (credential, secured) = match read {
        Ok(read) => read,
        Err(e) => {
            report.push(Check::failed("form", e.code(), e.to_string()));
            return report;
        }
    };
    let asked = Asked {
        speaker: credential.issuer(),
        purpose: Relationship::AssertionMethod,
        now: general.now,
        audience: None,
        nonce: None,
    };
    let found = signature::check(&secured, &asked, resolver, &mut SignatureMemo::default());
    report.checks.extend(found.checks);
    validity(&credential, general.now, &mut report);
    report
}

fn validity(credential: &Credential, now: UnixMillis, report: &mut Report) {
    let name = "validity";
    let (from, until) = (credential.valid_from(), credential.valid_until());
    report.push(if from.is_some_and(|from| from > now) {
        Check::failed(name, codes::VISA_NOT_YET, "it is not valid yet")
    } else if until.is_some_and(|until| until <= now) {
        Check::failed(name, codes::VISA_EXPIRED, "its validity is over")
    } else {
        Check::passed(name, codes::VISA_IN_FORCE, "it is valid now")
    });
}

/// Verifies a presentation: structure, proofs for this domain and challenge, the holder, and every
/// credential in it.
pub fn verify_presentation(
    value: &Value,
    general: &General<'_>,
    resolver: &dyn Resolver,
) -> Report {
    let mut report = Report::default();
    let Some((document, proofs)) = split(value, &mut report) else { return report };
    let presentation = match Presentation::read(document.clone()) {
        Ok(presentation) => presentation,
        Err(e) => {
            report.push(Check::failed("form", codes::MODEL_BROKEN, e.to_string()));
            return report;
        }
    };
    let purpose = Relationship::Authentication;
    let by = verify_proofs(&document, &proofs, purpose, general, resolver, &mut report);
    if let Some(holder) = presentation.holder()
        && !by.iter().any(|did| did == holder)
    {
        let sentence = "none of its proofs is the holder's".to_owned();
        report.push(Check::failed("signer", identity_codes::SIGNER_OTHER, sentence));
    }
    for credential in presentation.credentials() {
        report.checks.extend(verify_credential(credential, general, resolver).checks);
    }
    report
}

/// The document without its proofs, and the proofs.
fn split(value: &Value, report: &mut Report) -> Option<(Value, Vec<Map<String, Value>>)> {
    let mut refuse = |sentence: &str| {
        report.push(Check::failed("form", codes::SECURED_MALFORMED, sentence));
        None
    };
    let Value::Object(object) = value else { return refuse("it is not an object") };
    let mut object = object.clone();
    let proofs: Vec<Value> = match object.remove("proof") {
        Some(Value::Array(list)) => list,
        Some(one @ Value::Object(_)) => vec![one],
        _ => return refuse("it has no proof, so nobody answers for it"),
    };
    let objects: Vec<Map<String, Value>> =
        proofs.iter().filter_map(|p| p.as_object().cloned()).collect();
    if objects.is_empty() || objects.len() != proofs.len() || objects.len() > MAX_PROOFS {
        return refuse("its proofs are not 1 to 8 objects");
    }
    Some((Value::Object(object), objects))
}

/// Verifies every proof of a set or chain; gives the DIDs of those whose proofs hold.
fn verify_proofs(
    document: &Value,
    proofs: &[Map<String, Value>],
    purpose: Relationship,
    general: &General<'_>,
    resolver: &dyn Resolver,
    report: &mut Report,
) -> Vec<String> {
    let mut by = Vec::new();
    for raw in proofs {
        let checks = match matching(raw, proofs) {
            Err(reason) => vec![Check::failed("proof", codes::PROOF_MALFORMED, reason)],
            Ok(previous) => {
                // Section 4.3 of VC Data Integrity: a proof of a chain covers those before it.
                let mut covered = document.clone();
                if let (Value::Object(object), false) = (&mut covered, previous.is_empty()) {
                    object.insert("proof".into(), Value::Array(previous));
                }
                verify_proof(&covered, raw, purpose, general, resolver)
            }
        };
        if signature::outcome(&checks) == Outcome::Passed
            && let Ok(proof) = Proof::read_chained(raw)
        {
            by.push(proof.key_id.did().to_string());
        }
        report.checks.extend(checks);
    }
    by
}

/// The proofs that a proof says come before it.
fn matching(
    raw: &Map<String, Value>,
    all: &[Map<String, Value>],
) -> Result<Vec<Value>, &'static str> {
    let mut found = Vec::new();
    for id in each(raw.get("previousProof")) {
        if !id.is_string() {
            return Err("previousProof is not the id of a proof");
        }
        let previous = all.iter().find(|p| p.get("id") == Some(id) && *p != raw);
        found.push(Value::Object(previous.ok_or("previousProof names no proof here")?.clone()));
    }
    Ok(found)
}

fn verify_proof(
    document: &Value,
    raw: &Map<String, Value>,
    purpose: Relationship,
    general: &General<'_>,
    resolver: &dyn Resolver,
) -> Vec<Check> {
    let name = "proof";
    let proof = match Proof::read_chained(raw) {
        Ok(proof) => proof,
        Err(e) => return vec![Check::failed(name, code_of::integrity(&e), e.to_string())],
    };
    let mut checks = Vec::new();
    let mut fail = |code: Code, sentence: &str| checks.push(Check::failed(name, code, sentence));
    if proof.purpose != purpose {
        fail(codes::PROOF_PURPOSE, "it was made for another purpose");
    }
    if proof.expires.is_some_and(|e| e <= general.now) {
        fail(codes::PROOF_EXPIRED, "it has expired");
    }
    let created = proof.created.unwrap_or(general.now);
    if created > general.now.plus_millis(MAX_CLOCK_SKEW_MILLIS) {
        fail(identity_codes::SIGNED_IN_FUTURE, "it is from the future");
    }
    if let Some(domain) = general.domain
        && !proof.domains.iter().any(|d| d == domain)
    {
        fail(codes::AUDIENCE_OTHER, "it was made for another domain");
    }
    if general.challenge.is_some() && proof.challenge.as_deref() != general.challenge {
        fail(codes::NONCE_OTHER, "it does not answer the challenge");
    }
    match resolver.resolve(proof.key_id.did()) {
        Err(e) => checks.push(if e.is_missing_evidence() {
            Check::indeterminate("key", e.code(), e.to_string())
        } else {
            Check::failed("key", e.code(), e.to_string())
        }),
        Ok(resolution) => {
            // As of a visa: who presents must hold the key now, whenever it says that it signed.
            let at = match purpose {
                Relationship::Authentication => general.now.max(created),
                _ => created,
            };
            let (check, key) = resolution.key_at(&proof.key_id, purpose, at, TimeBasis::Claimed);
            checks.push(check);
            if let Some(key) = key {
                checks.push(match proof.fits_with(document, &key, Contexts::Inline) {
                    Ok(SignatureVerdict::Fits) => {
                        Check::passed("signature", identity_codes::SIGNATURE_VALID, "it fits")
                    }
                    Ok(SignatureVerdict::DoesNotFit) => {
                        let sentence = "the content was changed, or another key signed it";
                        Check::failed("signature", identity_codes::SIGNATURE_INVALID, sentence)
                    }
                    Err(e) => Check::failed("signature", code_of::integrity(&e), e.to_string()),
                });
            }
        }
    }
    checks
}
