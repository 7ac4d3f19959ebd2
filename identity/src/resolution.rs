//! What is known of a DID: its documents over time, where that is known from and how old it is.
//!
//! [`Resolution::key_at`] answers the question that everything else asks: could this key be used
//! for this purpose at that time?

use crate::code::Code;
use crate::codes;
use crate::did::{Did, DidError, DidUrl};
use crate::document::{DidDocument, DocumentError, Relationship, VerificationMethod};
use crate::key::{KeyError, PublicKey};
use crate::method::webvh::WebvhError;
use crate::report::{Check, Outcome};
use crate::time::UnixMillis;
use serde::Serialize;

/// Why a DID has no document here.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The DID breaks a rule of DID Core or of its method.
    #[error(transparent)]
    Did(#[from] DidError),
    /// The DID's key is unusable.
    #[error("{did}: {source}")]
    Key {
        /// The DID.
        did: Did,
        /// What is wrong with the key in it.
        source: KeyError,
    },
    /// No such method here.
    #[error("{0} uses the method {method:?}, and only key, jwk, web and webvh are known", method = .0.method())]
    UnknownMethod(Did),
    /// Nothing was ever obtained for it.
    #[error("nothing is known of {0}")]
    NotFound(Did),
    /// What was obtained is not its document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// What was obtained breaks the rules of did:webvh.
    #[error(transparent)]
    Webvh(#[from] WebvhError),
    /// The store of snapshots failed.
    #[error("the snapshots of {did} could not be read: {reason}")]
    Store {
        /// The DID.
        did: Did,
        /// The code of the cause.
        code: Code,
        /// The cause.
        reason: String,
    },
}

impl ResolveError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Did(e) => e.code(),
            Self::Key { source, .. } => source.code(),
            Self::UnknownMethod(_) => codes::DID_METHOD_UNKNOWN,
            Self::NotFound(_) => codes::DID_NOT_FOUND,
            Self::Document(e) => e.code(),
            Self::Webvh(e) => e.code(),
            Self::Store { code, .. } => *code,
        }
    }
}

impl ResolveError {
    /// Whether evidence is missing, rather than against the DID: then nothing can be said about
    /// what it signed.
    #[must_use]
    pub fn is_missing_evidence(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::Store { .. })
            || self.code() == codes::WEBVH_WITNESS_MISSING
    }
}

/// Finds what is known of a DID.
pub trait Resolver {
    /// Resolves a DID.
    ///
    /// # Errors
    /// [`ResolveError`] says whether the DID is malformed, unknown, or not to be believed.
    fn resolve(&self, did: &Did) -> Result<Resolution, ResolveError>;
}

/// Files that were obtained for a DID at a time, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When they were obtained.
    pub seen: UnixMillis,
    /// When the same was obtained last, where that was later.
    pub confirmed: Option<UnixMillis>,
    /// `did.json` for did:web, `did.jsonl` for did:webvh.
    pub document: Vec<u8>,
    /// `did-witness.json` for did:webvh, where there is one.
    pub witness: Option<Vec<u8>>,
}

/// Where snapshots are kept.
pub trait SnapshotStore {
    /// Everything that was obtained for a DID, oldest first; empty if nothing was.
    ///
    /// # Errors
    /// [`ResolveError::Store`].
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError>;
}

/// No snapshots: resolves did:key and did:jwk only.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSnapshots;

impl SnapshotStore for NoSnapshots {
    fn snapshots(&self, _: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        Ok(Vec::new())
    }
}

/// Where a resolution comes from, and so how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The DID is the key: nothing can change, nothing can be forged.
    SelfCertifying,
    /// A log that proves every change of keys back to the DID's creation.
    VerifiedLog,
    /// A document as a web server once sent it; it proves nothing about other times.
    Snapshot,
}

/// A document and the time from which it was the DID's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentVersion {
    /// From when; `None` is since ever.
    pub from: Option<UnixMillis>,
    /// The method's own name for the version.
    pub version_id: Option<String>,
    /// The document. `None` where the owner deactivated the DID.
    pub document: Option<DidDocument>,
}

impl DocumentVersion {
    /// Whether it came into force at or before a time. It counts from the start of its second:
    /// signatures carry whole seconds, and one made just after it must not lie before it.
    fn is_in_force_by(&self, at: UnixMillis) -> bool {
        self.from.is_none_or(|from| from.floor_to_second() <= at)
    }
}

/// What is known of a DID: its documents over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The DID.
    pub did: Did,
    /// Oldest first, never empty.
    pub versions: Vec<DocumentVersion>,
    /// Where it is known from.
    pub source: Source,
    /// When the material was obtained; `None` where it cannot grow old.
    pub seen: Option<UnixMillis>,
}

/// How the time of a signature is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeBasis {
    /// The signer says so. A thief can say so too.
    Claimed,
    /// Other evidence shows that the signature existed then.
    Proven,
}

impl Resolution {
    /// How old the material is, in milliseconds; `None` where it cannot grow old.
    #[must_use]
    pub fn age_millis(&self, now: UnixMillis) -> Option<u64> {
        self.seen.map(|seen| now.millis_since(seen))
    }

    /// The newest document; `None` where the DID is deactivated.
    #[must_use]
    pub fn current(&self) -> Option<&DidDocument> {
        self.versions.last().and_then(|v| v.document.as_ref())
    }

    /// From when on the DID is deactivated, from the start of that second; `None` where it is not.
    #[must_use]
    pub fn deactivated(&self) -> Option<UnixMillis> {
        let last = self.versions.last().filter(|v| v.document.is_none())?;
        Some(last.from.map_or(UnixMillis::new(0), UnixMillis::floor_to_second))
    }

    /// The version that was in force at a time; `None` before the first.
    #[must_use]
    pub fn version_at(&self, at: UnixMillis) -> Option<&DocumentVersion> {
        self.versions.iter().rev().find(|v| v.is_in_force_by(at))
    }

    /// Whether `key_id` could be used for `purpose` at a time, and the key, where one is known.
    ///
    /// The check keeps apart what people confuse: a key that was replaced in good order
    /// (`GP-KEY-ROTATED`, and its earlier signatures pass with `GP-KEY-ROTATED-SINCE`), a key
    /// that was marked as compromised (`GP-KEY-COMPROMISED`, and `…-SINCE` where the signature
    /// claims an earlier time), and a key that was never the signer's for this purpose
    /// (`GP-KEY-NOT-LISTED`).
    #[must_use]
    pub fn key_at(
        &self,
        key_id: &DidUrl,
        purpose: Relationship,
        at: UnixMillis,
        basis: TimeBasis,
    ) -> (Check, Option<PublicKey>) {
        let listed_then = self.listed_at(key_id, purpose, at);
        let ever = || {
            self.versions
                .iter()
                .rev()
                .filter_map(|v| v.document.as_ref())
                .find_map(|d| listed(d, key_id, purpose))
        };
        let Some(method) = listed_then.or_else(ever) else {
            return (self.not_listed(key_id, purpose, at), None);
        };
        let key = method.public_key.clone();
        let check = self.judge(method, listed_then.is_some(), purpose, at, basis);
        if check.outcome == Outcome::Passed && key.is_none() {
            // Listed, but of a type that nobody here can verify with: to pass it would be to
            // accept any bytes as its signature.
            let sentence = format!("{key_id} is a key of a type that Gridpass does not use");
            return (Check::failed("key", codes::KEY_TYPE_UNSUITABLE, sentence), None);
        }
        (check, key)
    }

    /// The method as the version in force lists it. Signatures and did:webvh entries carry whole
    /// seconds: in the very second of a change the version before counts too, or what was signed
    /// just before an orderly rotation would be refused.
    fn listed_at(
        &self,
        key_id: &DidUrl,
        purpose: Relationship,
        at: UnixMillis,
    ) -> Option<&VerificationMethod> {
        let in_force = self.versions.iter().rposition(|v| v.is_in_force_by(at))?;
        let version = self.versions.get(in_force)?;
        let just_changed =
            version.from.is_some_and(|f| f.floor_to_second() == at.floor_to_second());
        let before = in_force.checked_sub(1).filter(|_| just_changed);
        [Some(in_force), before]
            .into_iter()
            .flatten()
            .filter_map(|i| self.versions.get(i)?.document.as_ref())
            .find_map(|d| listed(d, key_id, purpose))
    }

    fn not_listed(&self, key_id: &DidUrl, purpose: Relationship, at: UnixMillis) -> Check {
        if self.version_at(at).is_none() {
            return Check::indeterminate(
                "key",
                codes::DID_NOT_YET,
                format!("nothing is known of {} as of {at}", self.did),
            );
        }
        Check::failed(
            "key",
            codes::KEY_NOT_LISTED,
            format!("{} does not list {key_id} for {purpose}", self.did),
        )
    }

    fn judge(
        &self,
        method: &VerificationMethod,
        listed_then: bool,
        purpose: Relationship,
        at: UnixMillis,
        basis: TimeBasis,
    ) -> Check {
        let id = &method.id;
        let compromised = self.compromised_since(method);
        if let Some(since) = compromised
            && since <= at
        {
            let sentence = format!("{id} is marked as compromised since {since}");
            return Check::failed("key", codes::KEY_COMPROMISED, sentence);
        }
        let Some(version) = self.version_at(at) else {
            let sentence = format!("nothing is known of {} as of {at}", self.did);
            return Check::indeterminate("key", codes::DID_NOT_YET, sentence);
        };
        if version.document.is_none() {
            let sentence = format!("{} was deactivated before {at}", self.did);
            return Check::failed("key", codes::DID_DEACTIVATED, sentence);
        }
        if !listed_then {
            let later = self
                .versions
                .iter()
                .filter(|v| !v.is_in_force_by(at))
                .filter_map(|v| v.document.as_ref())
                .any(|d| listed(d, id, purpose).is_some());
            return if later && !self.listed_before(id, purpose, at) {
                let sentence = format!("{id} became a key for {purpose} only after {at}");
                Check::failed("key", codes::KEY_NOT_LISTED, sentence)
            } else {
                let sentence = format!("{id} was replaced before {at}");
                Check::failed("key", codes::KEY_ROTATED, sentence)
            };
        }
        if let Some(expires) = method.expires
            && expires <= at
        {
            let sentence = format!("{id} was to be used until {expires}");
            return Check::failed("key", codes::KEY_EXPIRED, sentence);
        }
        if let Some(since) = compromised
            && basis == TimeBasis::Claimed
        {
            let sentence = format!(
                "{id} is marked as compromised since {since}, and only the signature itself says \
                 that it was made at {at}"
            );
            return Check::indeterminate("key", codes::KEY_COMPROMISED_SINCE, sentence);
        }
        let still = self.current().and_then(|d| listed(d, id, purpose));
        if still.is_some_and(|now| now.public_key == method.public_key) {
            Check::passed("key", codes::KEY_CURRENT, format!("{id} is a key for {purpose}"))
        } else {
            let sentence = format!("{id} was a key for {purpose} at {at}, and was replaced since");
            Check::passed("key", codes::KEY_ROTATED_SINCE, sentence)
        }
    }

    fn listed_before(&self, id: &DidUrl, purpose: Relationship, at: UnixMillis) -> bool {
        self.versions
            .iter()
            .filter(|v| v.is_in_force_by(at))
            .filter_map(|v| v.document.as_ref())
            .any(|d| listed(d, id, purpose).is_some())
    }

    /// Since when a key that was ever listed for a purpose is marked as compromised, if it is.
    #[must_use]
    pub fn compromised(&self, key_id: &DidUrl, purpose: Relationship) -> Option<UnixMillis> {
        let documents = self.versions.iter().filter_map(|v| v.document.as_ref());
        let methods = documents.filter_map(|d| listed(d, key_id, purpose));
        methods.filter_map(|method| self.compromised_since(method)).min()
    }

    /// The earliest time from which any version marks this key as compromised. The key is known
    /// by its bytes, so that listing it again under another id does not wash it.
    fn compromised_since(&self, method: &VerificationMethod) -> Option<UnixMillis> {
        self.versions
            .iter()
            .filter_map(|v| v.document.as_ref())
            .flat_map(DidDocument::verification_methods)
            .filter(|m| m.public_key.is_some() && m.public_key == method.public_key)
            .filter_map(|m| m.revoked)
            .min()
    }
}

fn listed<'d>(
    document: &'d DidDocument,
    key_id: &DidUrl,
    purpose: Relationship,
) -> Option<&'d VerificationMethod> {
    // A method that somebody else controls is theirs to sign with, not this DID's (CID 1.0 §3.3).
    document
        .methods_for(purpose)
        .find(|m| &m.id == key_id && m.controller.as_ref() == Some(document.id()))
}

#[cfg(test)]
#[path = "resolution_tests.rs"]
mod tests;
