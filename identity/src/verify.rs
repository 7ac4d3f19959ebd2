//! Verifying a JWS whose key id is a DID URL: the signature, the key and its time, the signer and
//! the audience, in one report.

use crate::codes;
use crate::did::Did;
use crate::document::Relationship;
use crate::jws::{JwsError, JwsIn, SignatureVerdict};
use crate::report::{Check, Outcome, Report};
use crate::resolution::{Resolution, Resolver, Source, TimeBasis};
use crate::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use serde::Serialize;

/// What the caller knows and asks for. There is no default: each field is a decision.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What the key must be listed for.
    pub purpose: Relationship,
    /// The caller's time.
    pub now: UnixMillis,
    /// A time at which the signature is known to have existed. Without it the time in the header
    /// is used, as a claim; without that, `now`.
    pub proven_at: Option<UnixMillis>,
    /// Who must have signed; `None` accepts anybody and leaves it to the caller to look.
    pub signer: Option<Did>,
    /// Whom it must be addressed to; `None` does not look.
    pub audience: Option<Did>,
}

/// What came out, and what it was made from.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Each check.
    pub report: Report,
    /// Whose key id the header names.
    pub signer: Option<Did>,
    /// The time that the key was judged at.
    pub at: UnixMillis,
    /// Whether that time is the signer's claim only.
    pub time_is_claimed: bool,
    /// Where the signer's document is known from.
    pub source: Option<Source>,
    /// How old that knowledge is, in milliseconds; `None` where it cannot grow old.
    pub age_millis: Option<u64>,
    #[serde(skip)]
    payload: Option<Vec<u8>>,
}

impl Verification {
    /// The payload, only if every check passed.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        self.payload.as_deref().filter(|_| self.report.outcome() == Outcome::Passed)
    }
}

/// Verifies a JWS.
///
/// # Errors
/// [`JwsError::Payload`] if a detached JWS came without its payload, or an attached one with a
/// second. Everything else is in the report.
pub fn verify_jws(
    jws: &JwsIn,
    payload: Option<&[u8]>,
    resolver: &dyn Resolver,
    expect: &Expectation,
) -> Result<Verification, JwsError> {
    let content = jws.payload(payload)?;
    let header = jws.header();
    let (at, basis) = match (expect.proven_at, header.iat) {
        (Some(at), _) => (at, TimeBasis::Proven),
        (None, Some(iat)) => (iat, TimeBasis::Claimed),
        (None, None) => (expect.now, TimeBasis::Claimed),
    };
    let mut result = Verification {
        report: Report::default(),
        signer: header.kid.as_ref().map(|kid| kid.did().clone()),
        at,
        time_is_claimed: basis == TimeBasis::Claimed,
        source: None,
        age_millis: None,
        payload: None,
    };
    let report = &mut result.report;
    check_time(report, header.iat, expect.now);
    let Some(kid) = &header.kid else {
        let sentence = "the header names no key (kid), so nobody can be held to it";
        report.push(Check::failed("key", codes::JWS_HEADER_REFUSED, sentence));
        return Ok(result);
    };
    if let Some(signer) = &expect.signer
        && signer != kid.did()
    {
        let sentence = format!("signed by {}, and {signer} was expected", kid.did());
        report.push(Check::failed("signer", codes::SIGNER_OTHER, sentence));
    }
    match resolver.resolve(kid.did()) {
        Err(e) => {
            let sentence = e.to_string();
            // Not knowing the signer's document is not evidence against the signature.
            report.push(if e.is_missing_evidence() {
                Check::indeterminate("key", e.code(), sentence)
            } else {
                Check::failed("key", e.code(), sentence)
            });
        }
        Ok(resolution) => {
            let Resolution { source, .. } = resolution;
            let (check, key) = resolution.key_at(kid, expect.purpose, at, basis);
            // Without a key nothing was verified, and the report must never pass for it.
            let signature = match key {
                Some(key) => signature_check(jws, &key, payload)?,
                None => {
                    let sentence = "there is no key to verify it with";
                    Check::indeterminate("signature", check.code, sentence)
                }
            };
            report.push(check);
            report.push(signature);
            result.source = Some(source);
            result.age_millis = resolution.age_millis(expect.now);
        }
    }
    if let Some(audience) = &expect.audience {
        result.report.push(audience_check(&header.aud, audience));
    }
    result.payload = Some(content.to_vec());
    Ok(result)
}

fn check_time(report: &mut Report, iat: Option<UnixMillis>, now: UnixMillis) {
    if let Some(iat) = iat
        && iat > now.plus_millis(MAX_CLOCK_SKEW_MILLIS)
    {
        let sentence = format!("it says that it was signed at {iat}, and it is {now} here");
        report.push(Check::failed("time", codes::SIGNED_IN_FUTURE, sentence));
    }
}

fn signature_check(
    jws: &JwsIn,
    key: &crate::key::PublicKey,
    payload: Option<&[u8]>,
) -> Result<Check, JwsError> {
    let name = "signature";
    match jws.verify(key, payload) {
        Ok(SignatureVerdict::Fits) => {
            let sentence = format!("the {} signature fits", jws.algorithm().jose_name());
            Ok(Check::passed(name, codes::SIGNATURE_VALID, sentence))
        }
        Ok(SignatureVerdict::DoesNotFit) => {
            let sentence = "the content was changed, or another key signed it";
            Ok(Check::failed(name, codes::SIGNATURE_INVALID, sentence))
        }
        Err(e @ (JwsError::Header(_) | JwsError::Key(_))) => {
            Ok(Check::failed(name, e.code(), e.to_string()))
        }
        Err(e @ (JwsError::Payload(_) | JwsError::Malformed(_))) => Err(e),
    }
}

fn audience_check(named: &[Did], audience: &Did) -> Check {
    let name = "audience";
    if named.contains(audience) {
        let sentence = format!("addressed to {audience}");
        Check::passed(name, codes::ADDRESSED, sentence)
    } else if named.is_empty() {
        let sentence = "the signature does not say whom it is for";
        Check::indeterminate(name, codes::AUDIENCE_UNKNOWN, sentence)
    } else {
        let sentence = format!("addressed to {} others, and not to {audience}", named.len());
        Check::failed(name, codes::NOT_ADDRESSED, sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::jws::{self, Header};
    use crate::key::{KeyType, SecretKey};
    use crate::method;
    use crate::resolve::{NoSnapshots, OfflineResolver};

    fn now() -> UnixMillis {
        UnixMillis::new(1_772_366_400_000)
    }

    fn signer(seed: u8) -> (Did, SecretKey) {
        let key = SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("32 bytes");
        (method::key::from_public_key(&key.public_key()).expect("a DID"), key)
    }

    fn header(did: &Did) -> Header {
        let kid = did.with_fragment(did.method_specific_id()).expect("a key id");
        Header { kid: Some(kid), iat: Some(now()), ..Header::default() }
    }

    fn expectation() -> Expectation {
        Expectation {
            purpose: Relationship::AssertionMethod,
            now: now(),
            proven_at: None,
            signer: None,
            audience: None,
        }
    }

    fn verify(compact: &str, expect: &Expectation) -> Verification {
        let jws = JwsIn::parse(compact).expect("parses");
        verify_jws(&jws, None, &OfflineResolver::new(&NoSnapshots), expect).expect("attached")
    }

    fn decided(v: &Verification) -> (Outcome, Code) {
        (v.report.outcome(), v.report.deciding().expect("checks were made").code)
    }

    #[test]
    fn a_good_signature_passes_and_gives_its_payload() {
        let (did, key) = signer(1);
        let v = verify(&jws::sign(b"bid", &key, &header(&did)).expect("signs"), &expectation());
        assert_eq!(decided(&v), (Outcome::Passed, codes::SIGNATURE_VALID));
        assert_eq!(v.payload(), Some(b"bid".as_slice()));
        assert_eq!(v.signer, Some(did));
    }

    #[test]
    fn refuses_a_signature_by_another_key_under_a_genuine_name() {
        let (did, _) = signer(1);
        let (_, thief) = signer(2);
        let v = verify(&jws::sign(b"bid", &thief, &header(&did)).expect("signs"), &expectation());
        assert_eq!(decided(&v), (Outcome::Failed, codes::SIGNATURE_INVALID));
        assert_eq!(v.payload(), None);
    }

    #[test]
    fn refuses_a_key_that_the_document_does_not_list_for_the_purpose() {
        let (did, key) = signer(1);
        let expect = Expectation { purpose: Relationship::KeyAgreement, ..expectation() };
        let v = verify(&jws::sign(b"bid", &key, &header(&did)).expect("signs"), &expect);
        assert_eq!(decided(&v), (Outcome::Failed, codes::KEY_NOT_LISTED));
    }

    #[test]
    fn refuses_another_signer_than_expected_and_a_header_without_key() {
        let (did, key) = signer(1);
        let expect = Expectation { signer: Some(signer(2).0), ..expectation() };
        let v = verify(&jws::sign(b"bid", &key, &header(&did)).expect("signs"), &expect);
        assert_eq!(decided(&v), (Outcome::Failed, codes::SIGNER_OTHER));
        let v =
            verify(&jws::sign(b"bid", &key, &Header::default()).expect("signs"), &expectation());
        assert_eq!(decided(&v), (Outcome::Failed, codes::JWS_HEADER_REFUSED));
    }

    #[test]
    fn refuses_a_signature_from_the_future_beyond_the_skew() {
        let (did, key) = signer(1);
        let ahead = |millis| Header { iat: Some(now().plus_millis(millis)), ..header(&did) };
        let within = jws::sign(b"", &key, &ahead(MAX_CLOCK_SKEW_MILLIS)).expect("signs");
        let jws = JwsIn::parse(&within).expect("parses");
        let resolver = OfflineResolver::new(&NoSnapshots);
        let v = verify_jws(&jws, Some(b""), &resolver, &expectation()).expect("payload given");
        assert_eq!(v.report.outcome(), Outcome::Passed);
        let beyond = jws::sign(b"x", &key, &ahead(MAX_CLOCK_SKEW_MILLIS + 1000)).expect("signs");
        assert_eq!(decided(&verify(&beyond, &expectation())).1, codes::SIGNED_IN_FUTURE);
    }

    #[test]
    fn a_message_for_others_is_refused_and_one_for_nobody_is_indeterminate() {
        let (did, key) = signer(1);
        let (us, _) = signer(3);
        let expect = Expectation { audience: Some(us.clone()), ..expectation() };
        let to = |aud| jws::sign(b"x", &key, &Header { aud, ..header(&did) }).expect("signs");
        assert_eq!(decided(&verify(&to(vec![us]), &expect)).0, Outcome::Passed);
        let others = verify(&to(vec![signer(4).0]), &expect);
        assert_eq!(decided(&others), (Outcome::Failed, codes::NOT_ADDRESSED));
        let nobody = verify(&to(vec![]), &expect);
        assert_eq!(decided(&nobody), (Outcome::Indeterminate, codes::AUDIENCE_UNKNOWN));
    }

    #[test]
    fn a_key_of_an_unknown_type_passes_no_signature() {
        struct Stored(Did);
        impl Resolver for Stored {
            fn resolve(&self, did: &Did) -> Result<Resolution, crate::resolve::ResolveError> {
                let json = format!(
                    r##"{{"id":"{0}","verificationMethod":[{{"id":"#k","type":"Multikey",
                    "controller":"{0}","publicKeyMultibase":
                    "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"}}],
                    "assertionMethod":["#k"]}}"##,
                    self.0
                );
                let snapshot = crate::resolve::Snapshot {
                    confirmed: None,
                    seen: UnixMillis::new(1),
                    document: json.into_bytes(),
                    witness: None,
                };
                method::web::resolve(did, &[snapshot])
            }
        }
        let did = Did::parse("did:web:regulator.example").expect("a DID");
        let (_, thief) = signer(2);
        let kid = Some(did.with_fragment("k").expect("a fragment"));
        let forged = jws::sign(b"bid", &thief, &Header { kid, ..header(&did) }).expect("signs");
        let jws = JwsIn::parse(&forged).expect("parses");
        let v = verify_jws(&jws, None, &Stored(did), &expectation()).expect("attached");
        assert_eq!(decided(&v), (Outcome::Failed, codes::KEY_TYPE_UNSUITABLE));
        assert_eq!(v.payload(), None);
    }

    #[test]
    fn an_unknown_document_is_indeterminate_not_forged() {
        let (_, key) = signer(1);
        let did = Did::parse("did:web:dso.example").expect("a DID");
        let kid = Some(did.with_fragment("k").expect("a fragment"));
        let compact = jws::sign(b"x", &key, &Header { kid, ..header(&did) }).expect("signs");
        let v = verify(&compact, &expectation());
        assert_eq!(decided(&v), (Outcome::Indeterminate, codes::DID_NOT_FOUND));
    }
}
