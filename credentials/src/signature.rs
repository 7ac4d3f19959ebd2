//! The one place where a credential's or presentation's signature is believed.
//!
//! [`check`] asks everything that a library leaves to its caller: that the signer is the one who
//! speaks in the document, that its DID document lists the key for this purpose at that time, that
//! the proof says the same purpose, has not expired, and was made for this verifier and this nonce.

use crate::codes;
use crate::content_id::ContentId;
use crate::secured::{Seal, Secured};
use crate::verify::Readings;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::jws::SignatureVerdict;
use gridpass_identity::key::PublicKey;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::{Resolution, ResolveError, Resolver, Source, TimeBasis};
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What the caller asks of a signature. There is no default: each field is a decision.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who speaks in the document, and so must have signed it: the issuer, or the holder.
    pub speaker: &'a str,
    /// What the key must be listed for, and a proof say that it was made for.
    pub purpose: Relationship,
    /// The caller's time.
    pub now: UnixMillis,
    /// For whom it must have been made. `None`: for nobody in particular.
    pub audience: Option<&'a str>,
    /// The nonce that it must carry. `None`: whatever it carries is left alone where there is an
    /// audience, and refused where there is none.
    pub nonce: Option<&'a str>,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Found {
    /// Each check.
    pub checks: Vec<Check>,
    /// When the signer says that it signed; `now` where it does not say.
    pub at: UnixMillis,
    /// Where the signer's document is known from.
    pub source: Option<Source>,
    /// How old that knowledge is, in milliseconds; `None` where it cannot grow old.
    pub age_millis: Option<u64>,
    /// When the signer's document changed next after the time that was asked about: a signature
    /// that must hold then is to be judged anew.
    pub next_change: Option<UnixMillis>,
    /// From when on the signer's DID is deactivated, as far as that is known.
    pub ended: Option<UnixMillis>,
}

/// What stays true for ever: whether a signature fits (bytes and key), documents of DIDs that are their own
/// proof, and what a visa's text says by itself. Nothing else is remembered, so that nothing that time or a
/// new status changes can be remembered wrongly.
#[derive(Clone, Debug, Default)]
pub struct SignatureMemo {
    fits: HashSet<(ContentId, String)>,
    /// Those that do not, and why: anybody can make as many as they like, so they have a room of their own.
    misfits: HashMap<(ContentId, String), Check>,
    verified: u64,
    documents: HashMap<Did, Arc<Resolution>>,
    pub(crate) readings: Readings,
}

impl SignatureMemo {
    /// The most signatures remembered; then it starts anew.
    pub const CAPACITY: usize = 65_536;
    /// The most signatures remembered that do not fit; then these start anew.
    pub const MISFITS: usize = 4096;
    /// The longest reason that is remembered with one, in bytes.
    const MAX_REASON: usize = 512;
    /// The most documents: each can be as large as its DID is long, and costs nobody a signature.
    pub const MAX_DOCUMENTS: usize = 1024;

    fn resolve(
        &mut self,
        did: &Did,
        resolver: &dyn Resolver,
    ) -> Result<Arc<Resolution>, ResolveError> {
        if let Some(known) = self.documents.get(did) {
            return Ok(Arc::clone(known));
        }
        let found = Arc::new(resolver.resolve(did)?);
        if found.source == Source::SelfCertifying {
            if self.documents.len() >= Self::MAX_DOCUMENTS {
                self.documents.clear();
            }
            self.documents.insert(did.clone(), Arc::clone(&found));
        }
        Ok(found)
    }

    /// How many signatures were verified: those that are remembered are not.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.verified
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fits.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fits.is_empty()
    }

    fn check(&mut self, secured: &Secured, key: &PublicKey) -> Check {
        let entry = (secured.id().clone(), key.to_multikey());
        let fits = |sentence: String| {
            Check::passed("signature", identity_codes::SIGNATURE_VALID, sentence)
        };
        if self.fits.contains(&entry) {
            return fits(format!("the {} signature fits", secured.form()));
        }
        if let Some(known) = self.misfits.get(&entry) {
            return known.clone();
        }
        self.verified = self.verified.saturating_add(1);
        let found = match secured.fits(key) {
            Ok(SignatureVerdict::Fits) => {
                if self.fits.len() >= Self::CAPACITY {
                    self.fits.clear();
                }
                self.fits.insert(entry);
                return fits(format!("the {} signature fits", secured.form()));
            }
            Ok(SignatureVerdict::DoesNotFit) => {
                let sentence = "the content was changed, or another key signed it";
                Check::failed("signature", identity_codes::SIGNATURE_INVALID, sentence)
            }
            Err(e) => Check::failed("signature", e.code(), e.to_string()),
        };
        // To canonicalise a large document costs a thousand times what the signature does.
        if self.misfits.len() >= Self::MISFITS {
            self.misfits.clear();
        }
        if found.sentence.len() <= Self::MAX_REASON {
            self.misfits.insert(entry, found.clone());
        }
        found
    }
}

/// A resolver that asks another one once for each DID: a log is verified once, not once for each
/// signature. For one verification; what it holds can grow old.
pub(crate) struct OnceResolver<'r> {
    inner: &'r dyn Resolver,
    found: RefCell<HashMap<Did, Result<Resolution, ResolveError>>>,
}

impl<'r> OnceResolver<'r> {
    pub(crate) fn new(inner: &'r dyn Resolver) -> Self {
        Self { inner, found: RefCell::default() }
    }
}

impl Resolver for OnceResolver<'_> {
    fn resolve(&self, did: &Did) -> Result<Resolution, ResolveError> {
        if let Some(found) = self.found.borrow().get(did) {
            return found.clone();
        }
        // A failure is remembered too: a bad log of megabytes is read once.
        let found = self.inner.resolve(did);
        self.found.borrow_mut().insert(did.clone(), found.clone());
        found
    }
}

/// Checks who signed, with which key, for what, when and for whom.
pub fn check(
    secured: &Secured,
    asked: &Asked<'_>,
    resolver: &dyn Resolver,
    memo: &mut SignatureMemo,
) -> Found {
    let at = secured.signed_at();
    let mut found = Found {
        checks: Vec::new(),
        at: at.unwrap_or(asked.now),
        source: None,
        age_millis: None,
        next_change: None,
        ended: None,
    };
    found.checks.push(time_check(at, asked.now));
    found.checks.extend(proof_checks(secured, asked));
    let Some(key_id) = secured.key_id() else {
        let sentence = "it names no key, so nobody can be held to it";
        found.checks.push(Check::failed("key", identity_codes::JWS_HEADER_REFUSED, sentence));
        return found;
    };
    if key_id.did().as_str() != asked.speaker {
        // Anybody can sign anything with a key of their own: the document must be the signer's.
        let sentence =
            format!("{} speaks in it, and {} signed it", shown(asked.speaker), key_id.did());
        found.checks.push(Check::failed("signer", identity_codes::SIGNER_OTHER, sentence));
        return found;
    }
    match memo.resolve(key_id.did(), resolver) {
        Err(e) => {
            let sentence = e.to_string();
            found.checks.push(if e.is_missing_evidence() {
                Check::indeterminate("key", e.code(), sentence)
            } else {
                Check::failed("key", e.code(), sentence)
            });
        }
        Ok(resolution) => {
            // Who presents now must hold the key now: an old key and a time of its owner's choice
            // would present for ever. A statement is judged at the time when it was made.
            let at = match asked.purpose {
                Relationship::Authentication => asked.now.max(found.at),
                _ => found.at,
            };
            let (check, key) = resolution.key_at(key_id, asked.purpose, at, TimeBasis::Claimed);
            let signature = match key {
                Some(key) => memo.check(secured, &key),
                None => {
                    let sentence = "there is no key to verify it with";
                    Check::indeterminate("signature", check.code, sentence)
                }
            };
            found.checks.extend([check, signature]);
            found.source = Some(resolution.source);
            found.age_millis = resolution.age_millis(asked.now);
            let changes = resolution.versions.iter().filter_map(|v| v.from);
            found.next_change = changes.filter(|from| *from > asked.now).min();
            found.ended = resolution.deactivated();
        }
    }
    found
}

/// What a DID is called in a sentence: bounded, whatever stands in the document.
fn shown(text: &str) -> String {
    Did::parse(text).map_or_else(
        |_| format!("{:?}", text.chars().take(80).collect::<String>()),
        |did| did.to_string(),
    )
}

fn time_check(at: Option<UnixMillis>, now: UnixMillis) -> Check {
    match at {
        None => {
            let sentence = "it does not say when it was signed, and keys are judged at that time";
            Check::failed("time", codes::SIGNING_TIME_MISSING, sentence)
        }
        Some(at) if at > now.plus_millis(MAX_CLOCK_SKEW_MILLIS) => {
            let sentence = format!("it says that it was signed at {at}, and it is {now} here");
            Check::failed("time", identity_codes::SIGNED_IN_FUTURE, sentence)
        }
        Some(at) => Check::passed("time", codes::SIGNING_TIME, format!("signed at {at}")),
    }
}

/// What the signed content itself says about its purpose, its end and its reader.
fn proof_checks(secured: &Secured, asked: &Asked<'_>) -> Vec<Check> {
    let claims = secured.document();
    let text = |name: &str| claims.get(name).and_then(serde_json::Value::as_str);
    let mut checks = Vec::new();
    let (audiences, nonce, expires): (Vec<&str>, Option<&str>, Option<UnixMillis>) =
        match &secured.seal {
            Seal::Proof(proof) => {
                if proof.purpose != asked.purpose {
                    let sentence = format!(
                        "the proof was made for {}, and {} is asked",
                        proof.purpose, asked.purpose
                    );
                    checks.push(Check::failed("purpose", codes::PROOF_PURPOSE, sentence));
                }
                let domains = proof.domains.iter().map(String::as_str).collect();
                (domains, proof.challenge.as_deref(), proof.expires)
            }
            Seal::Jws(_) | Seal::SdJwt(_) => {
                let list = crate::vcdm::each(claims.get("aud"));
                let audiences = list.filter_map(serde_json::Value::as_str).collect();
                let exp = claims.get("exp").map(|e| {
                    let seconds = e.as_u64().unwrap_or(0);
                    UnixMillis::new(seconds.saturating_mul(1000))
                });
                (audiences, text("nonce"), exp)
            }
        };
    if let Some(expires) = expires
        && expires <= asked.now
    {
        let sentence = format!("it counted until {expires}");
        checks.push(Check::failed("expiry", codes::PROOF_EXPIRED, sentence));
    }
    checks.extend(audience_check(&audiences, asked.audience));
    checks.extend(nonce_check(nonce, asked));
    checks
}

fn audience_check(named: &[&str], asked: Option<&str>) -> Option<Check> {
    let name = "audience";
    match asked {
        None if named.is_empty() => None,
        None => {
            let sentence = "it was made for a verifier in particular, and none is asked for";
            Some(Check::failed(name, codes::AUDIENCE_OTHER, sentence))
        }
        Some(asked) if named.contains(&asked) => {
            Some(Check::passed(name, codes::AUDIENCE_FITS, format!("made for {asked}")))
        }
        Some(asked) => {
            let sentence = format!("it was not made for {asked}");
            Some(Check::failed(name, codes::AUDIENCE_OTHER, sentence))
        }
    }
}

fn nonce_check(found: Option<&str>, asked: &Asked<'_>) -> Option<Check> {
    let name = "nonce";
    match (asked.nonce, found) {
        (Some(asked), Some(found)) if asked == found => {
            Some(Check::passed(name, codes::NONCE_FITS, "it answers the nonce that was given"))
        }
        (Some(_), _) => {
            let sentence = "it does not answer the nonce that was given: it may be a replay";
            Some(Check::failed(name, codes::NONCE_OTHER, sentence))
        }
        (None, Some(_)) if asked.audience.is_none() => {
            let sentence = "it answers somebody's nonce, and none was given";
            Some(Check::failed(name, codes::NONCE_OTHER, sentence))
        }
        (None, _) => None,
    }
}

/// Whether every check passed.
pub(crate) fn outcome(checks: &[Check]) -> Outcome {
    let any = |o| checks.iter().any(|c| c.outcome == o);
    if any(Outcome::Failed) {
        Outcome::Failed
    } else if any(Outcome::Indeterminate) || checks.is_empty() {
        Outcome::Indeterminate
    } else {
        Outcome::Passed
    }
}
