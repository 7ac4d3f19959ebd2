//! JSON documents that are named by the CID of their JCS bytes and signed from outside: charters,
//! channel descriptors. The signatures are Data Integrity proofs (`eddsa-jcs-2022`) in a list
//! `proof` beside the document's members; the name is of the document without them.

use crate::content_id::{ContentId, ContentIdError};
use crate::integrity::{self, IntegrityError, Proof, ProofOptions, Suite};
use crate::secured::Signer;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jws::SignatureVerdict;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{Resolver, TimeBasis};
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use gridpass_identity::wallet::clock::is_ahead;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The most signatures on one document.
pub const MAX_SIGNATURES: usize = 64;

/// Why a signed document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignedDocumentError {
    /// It cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// It has no name, or another one.
    #[error(transparent)]
    ContentId(#[from] ContentIdError),
    /// A signature cannot be made.
    #[error(transparent)]
    Proof(#[from] IntegrityError),
}

/// A document with the signatures that it was given. Not yet believed.
#[derive(Clone, Debug)]
pub struct SignedDocument {
    id: ContentId,
    document: Value,
    proofs: Vec<Map<String, Value>>,
}

/// Who signed a document, of those who were asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signers {
    /// Whose signature holds; each once, and each key once.
    pub signed: BTreeSet<Did>,
    /// Of whom too little is known to say.
    pub unknown: BTreeSet<Did>,
    /// Why that cannot be said.
    pub undecided: Vec<String>,
    /// Why other signatures do not count: those of who was not asked about last.
    pub refused: Vec<String>,
}

impl SignedDocument {
    /// A document that nobody signed yet.
    ///
    /// # Errors
    /// [`SignedDocumentError::ContentId`] if it has no canonical form.
    pub fn unsigned<T: serde::Serialize>(document: &T) -> Result<Self, SignedDocumentError> {
        let (id, bytes) = ContentId::of_json(document)?;
        let document = json::parse_strict(&bytes, Limits::DOCUMENT)
            .map_err(|e| SignedDocumentError::Malformed(e.to_string()))?;
        Ok(Self { id, document, proofs: Vec::new() })
    }

    /// Takes a document apart from its signatures. `value` must have been read strictly.
    ///
    /// # Errors
    /// [`SignedDocumentError`].
    pub fn from_json(value: Value) -> Result<Self, SignedDocumentError> {
        let refuse = |reason: &str| SignedDocumentError::Malformed(reason.to_owned());
        let Value::Object(mut object) = value else {
            return Err(refuse("it is not an object"));
        };
        let proofs = match object.remove("proof") {
            None => Vec::new(),
            Some(Value::Array(list)) if list.len() <= MAX_SIGNATURES => list
                .into_iter()
                .map(|p| match p {
                    Value::Object(proof) => Ok(proof),
                    _ => Err(refuse("a signature is not an object")),
                })
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(refuse("its signatures are not a list, or more than 64")),
        };
        // As JCS has it: that is what is signed, also where two numbers are written alike.
        let unsigned = Self::unsigned(&Value::Object(object))?;
        Ok(Self { proofs, ..unsigned })
    }

    /// Refuses a second spelling of the same content: what was read, written again, must have the
    /// same name. Else an empty list or a time with more digits gives two names and one signature.
    ///
    /// # Errors
    /// [`SignedDocumentError::Malformed`].
    pub fn must_be_spelt_as<T: serde::Serialize>(
        &self,
        read: &T,
    ) -> Result<(), SignedDocumentError> {
        if ContentId::of_json(read)?.0 == self.id {
            return Ok(());
        }
        let reason = "it spells out what is left away, or writes a time in another way";
        Err(SignedDocumentError::Malformed(reason.into()))
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &ContentId {
        &self.id
    }

    /// The document without its signatures.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The document with its signatures.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut document = self.document.clone();
        if let Value::Object(object) = &mut document
            && !self.proofs.is_empty()
        {
            let proofs = self.proofs.iter().cloned().map(Value::Object).collect();
            object.insert("proof".into(), Value::Array(proofs));
        }
        document
    }

    /// Signs it. Signing again with the same key replaces the signature.
    ///
    /// # Errors
    /// [`SignedDocumentError::Proof`]: only Ed25519 keys sign; [`SignedDocumentError::Malformed`]
    /// for more than 64 signatures.
    pub fn sign(&mut self, signer: Signer<'_>) -> Result<(), SignedDocumentError> {
        let options = ProofOptions {
            suite: Suite::EddsaJcs2022,
            key_id: signer.key_id.clone(),
            purpose: Relationship::AssertionMethod,
            created: signer.now,
            expires: None,
            challenge: None,
            domain: None,
        };
        let proof = integrity::sign(&self.document, &options, signer.key)?;
        if let Value::Object(proof) = proof {
            let key = proof.get("verificationMethod").cloned();
            self.proofs.retain(|p| p.get("verificationMethod") != key.as_ref());
            if self.proofs.len() >= MAX_SIGNATURES {
                return Err(SignedDocumentError::Malformed("it has 64 signatures already".into()));
            }
            self.proofs.push(proof);
        }
        Ok(())
    }

    /// Takes over the signatures of another copy of the same document.
    ///
    /// # Errors
    /// [`SignedDocumentError::ContentId`] if it is another document.
    pub fn merge(&mut self, other: &Self) -> Result<(), SignedDocumentError> {
        if other.id != self.id {
            let (expected, found) = (self.id.clone(), other.id.clone());
            return Err(ContentIdError::Other { expected, found }.into());
        }
        for proof in &other.proofs {
            if !self.proofs.contains(proof) && self.proofs.len() < MAX_SIGNATURES {
                self.proofs.push(proof.clone());
            }
        }
        Ok(())
    }

    /// Takes signatures of these signers away that are dated later than the clock shows; gives their dates.
    pub fn drop_ahead(&mut self, signers: &[Did], now: UnixMillis) -> Vec<UnixMillis> {
        let mut dates = Vec::new();
        self.proofs.retain(|raw| {
            let Ok(proof) = Proof::read(raw) else { return true };
            let ahead = proof.created.filter(|created| is_ahead(*created, now));
            let Some(created) = ahead.filter(|_| signers.contains(proof.key_id.did())) else {
                return true;
            };
            dates.push(created);
            false
        });
        dates
    }

    /// Whom the signatures name. Not yet believed.
    #[must_use]
    pub fn named_signers(&self) -> Vec<Did> {
        let read = |p: &Map<String, Value>| Proof::read(p).ok().map(|p| p.key_id.did().clone());
        let dids: BTreeSet<_> = self.proofs.iter().filter_map(read).collect();
        dids.into_iter().collect()
    }

    /// Which of these signed it, no earlier than `not_before`: each counts once, and so does each
    /// key.
    #[must_use]
    pub fn signers(
        &self,
        asked: &[Did],
        resolver: &dyn Resolver,
        not_before: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Signers {
        let (mut found, mut keys) = (Signers::default(), BTreeSet::new());
        let mut of_others = Vec::new();
        for raw in &self.proofs {
            match self.check_proof(raw, asked, resolver, (not_before, now)) {
                Ok((did, key)) => {
                    if keys.insert(key) {
                        found.signed.insert(did);
                    }
                }
                Err((Some(did), Outcome::Indeterminate, reason)) => {
                    found.unknown.insert(did);
                    found.undecided.push(reason);
                }
                Err((Some(did), _, reason)) if !asked.contains(&did) => of_others.push(reason),
                Err((_, _, reason)) => found.refused.push(reason),
            }
        }
        found.refused.extend(of_others);
        found.unknown.retain(|did| !found.signed.contains(did));
        found
    }

    fn check_proof(
        &self,
        raw: &Map<String, Value>,
        asked: &[Did],
        resolver: &dyn Resolver,
        (not_before, now): (Option<UnixMillis>, UnixMillis),
    ) -> Result<(Did, String), (Option<Did>, Outcome, String)> {
        let proof = Proof::read(raw).map_err(|e| (None, Outcome::Failed, e.to_string()))?;
        let did = proof.key_id.did().clone();
        let refuse = |reason: String| (Some(did.clone()), Outcome::Failed, reason);
        if !asked.contains(&did) {
            return Err(refuse(format!("{did} is not a signer")));
        }
        let plain = proof.suite == Suite::EddsaJcs2022
            && proof.purpose == Relationship::AssertionMethod
            && proof.domains.is_empty()
            && proof.challenge.is_none()
            && proof.expires.is_none();
        let Some(created) = proof.created.filter(|_| plain) else {
            return Err(refuse(format!("the signature of {did} was made for something else")));
        };
        if is_ahead(created, now) {
            return Err(refuse(format!("the signature of {did} is from the future")));
        }
        // Else an old key of a signer would sign, dated back, what was written today.
        if not_before.is_some_and(|t| created.plus_millis(MAX_CLOCK_SKEW_MILLIS) < t) {
            return Err(refuse(format!("the signature of {did} is older than what it follows")));
        }
        let resolution = resolver.resolve(&did).map_err(|e| {
            let missing = e.is_missing_evidence();
            let outcome = if missing { Outcome::Indeterminate } else { Outcome::Failed };
            (Some(did.clone()), outcome, e.to_string())
        })?;
        let (check, key) =
            resolution.key_at(&proof.key_id, proof.purpose, created, TimeBasis::Claimed);
        let key = match (check.outcome, key) {
            (Outcome::Passed, Some(key)) => key,
            (outcome, _) => return Err((Some(did.clone()), outcome, check.sentence)),
        };
        match proof.fits(&self.document, &key) {
            Ok(SignatureVerdict::Fits) => Ok((did, key.to_multikey())),
            Ok(SignatureVerdict::DoesNotFit) => {
                Err(refuse(format!("the signature of {did} does not fit")))
            }
            Err(e) => Err(refuse(e.to_string())),
        }
    }
}
