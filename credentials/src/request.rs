//! Asking for a visa: a statement that the holder signs for the issuer, with the claims that the
//! role definition asks for and the visas that prove its preconditions; and the issuer's refusal.
//!
//! Both are JWS whose `typ` says what they are, so that neither is ever taken for the other, or for
//! a credential. Written down in `spec/request.md`.

use crate::codes;
use crate::content_id::ContentId;
use crate::role::RoleName;
use crate::secured::Signer;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jws::{self, Header, JwsError, JwsIn};
use gridpass_identity::report::{Check, Report};
use gridpass_identity::resolve::Resolver;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::verify::{Expectation, verify_jws};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of both formats.
pub const FORMAT_VERSION: u32 = 1;
/// The longest reason or note, in bytes.
pub const MAX_NOTE: usize = 2000;
/// How long a request counts: 30 days, in milliseconds.
pub const MAX_AGE_MILLIS: u64 = 30 * 24 * 3600 * 1000;

/// Why a request or refusal was not read or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It is not one.
    #[error("not a {what}: {reason}")]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The JWS is refused.
    #[error(transparent)]
    Jws(#[from] JwsError),
}

impl RequestError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } => codes::REQUEST_MALFORMED,
            Self::Jws(e) => e.code(),
        }
    }
}

/// A statement with a `typ` of its own.
pub trait Statement: Serialize + DeserializeOwned {
    /// What people call it.
    const WHAT: &'static str;
    /// Its `typ`.
    const TYP: &'static str;
    /// What it is signed for.
    const PURPOSE: Relationship;
    /// Who signs it.
    fn signer(&self) -> &Did;
    /// Whom it is for.
    fn recipient(&self) -> &Did;
    /// Refuses what no reader takes.
    ///
    /// # Errors
    /// [`RequestError::Malformed`].
    fn check(&self) -> Result<(), RequestError>;
}

/// What a holder asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VisaRequest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Who asks, for itself.
    pub holder: Did,
    /// Who is asked.
    pub issuer: Did,
    /// For which role definition.
    pub definition: ContentId,
    /// The role's name, for people.
    pub role: RoleName,
    /// What the visa is to say.
    pub claims: Map<String, Value>,
    /// For how long, in seconds; the issuer decides.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub validity_seconds: Option<u64>,
    /// The id of the visa that it is to replace.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub renews: Option<String>,
    /// A presentation, for the issuer, of the visas that the role requires first.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub presentation: Option<String>,
    /// A word to the officer.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Statement for VisaRequest {
    const WHAT: &'static str = "visa request";
    const TYP: &'static str = "gridpass-visa-request+jwt";
    const PURPOSE: Relationship = Relationship::Authentication;

    fn signer(&self) -> &Did {
        &self.holder
    }

    fn recipient(&self) -> &Did {
        &self.issuer
    }

    fn check(&self) -> Result<(), RequestError> {
        known_version::<Self>(self.format_version)?;
        printable::<Self>(self.note.as_deref())?;
        printable::<Self>(self.renews.as_deref())
    }
}

/// What an issuer answers where it does not issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Refusal {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Who refuses.
    pub issuer: Did,
    /// Who had asked.
    pub holder: Did,
    /// The hash of the request.
    pub request: ContentId,
    /// The role's name, for people.
    pub role: RoleName,
    /// Why.
    pub reason: String,
}

impl Statement for Refusal {
    const WHAT: &'static str = "refusal";
    const TYP: &'static str = "gridpass-visa-refusal+jwt";
    const PURPOSE: Relationship = Relationship::AssertionMethod;

    fn signer(&self) -> &Did {
        &self.issuer
    }

    fn recipient(&self) -> &Did {
        &self.holder
    }

    fn check(&self) -> Result<(), RequestError> {
        known_version::<Self>(self.format_version)?;
        printable::<Self>(Some(&self.reason))
    }
}

fn malformed<S: Statement>(reason: impl Into<String>) -> RequestError {
    RequestError::Malformed { what: S::WHAT, reason: reason.into() }
}

fn known_version<S: Statement>(version: u32) -> Result<(), RequestError> {
    if version == FORMAT_VERSION {
        return Ok(());
    }
    Err(malformed::<S>("its format version is unknown"))
}

fn printable<S: Statement>(text: Option<&str>) -> Result<(), RequestError> {
    let control = |c: char| c.is_control() && c != '\n';
    match text {
        Some(text) if text.len() > MAX_NOTE || text.contains(control) => {
            Err(malformed::<S>("a text in it is too long or has control characters"))
        }
        _ => Ok(()),
    }
}

/// A statement that was read, with its name and its signature's report.
#[derive(Clone, Debug)]
pub struct Received<S> {
    /// What it says. Believe it only where the report passed.
    pub statement: S,
    /// The hash of its text.
    pub id: ContentId,
    /// When it was signed.
    pub signed: UnixMillis,
    /// Who signed, with which key, when, for whom.
    pub report: Report,
}

/// Signs a statement for its recipient.
///
/// # Errors
/// [`RequestError::Malformed`] if a reader would refuse it.
pub fn sign<S: Statement>(statement: &S, signer: Signer<'_>) -> Result<String, RequestError> {
    statement.check()?;
    let payload = json::canonicalize(statement).map_err(|e| malformed::<S>(e.to_string()))?;
    let header = Header {
        kid: Some(signer.key_id.clone()),
        typ: Some(S::TYP.into()),
        cty: Some("json".into()),
        iat: Some(signer.now),
        aud: vec![statement.recipient().clone()],
    };
    Ok(jws::sign(&payload, signer.key, &header)?)
}

/// Reads a statement and verifies who made it, and for whom: it is addressed to whom it names alone.
///
/// # Errors
/// [`RequestError`] where there is nothing to report on.
pub fn receive<S: Statement>(
    text: &str,
    recipient: Option<&Did>,
    resolver: &dyn Resolver,
    now: UnixMillis,
) -> Result<Received<S>, RequestError> {
    let jws = JwsIn::parse(text)?;
    if jws.header().typ.as_deref() != Some(S::TYP) {
        return Err(malformed::<S>(format!("its typ is not {}", S::TYP)));
    }
    let statement: S = json::from_slice_strict(jws.payload(None)?, Limits::DOCUMENT)
        .map_err(|e| malformed::<S>(e.to_string()))?;
    statement.check()?;
    // One that names nobody, or others too, could be shown to whom it was not made for.
    if jws.header().aud.as_slice() != std::slice::from_ref(statement.recipient()) {
        let reason = format!("its aud is not {} alone", statement.recipient());
        return Err(malformed::<S>(reason));
    }
    let expect = Expectation {
        purpose: S::PURPOSE,
        now,
        proven_at: None,
        signer: Some(statement.signer().clone()),
        audience: recipient.cloned(),
    };
    let verification = verify_jws(&jws, None, resolver, &expect)?;
    let (mut report, signed) = (verification.report, verification.at);
    if jws.header().iat.is_none() {
        let sentence = "it does not say when it was signed";
        report.push(Check::failed("time", codes::SIGNING_TIME_MISSING, sentence));
    }
    if now.millis_since(signed) > MAX_AGE_MILLIS {
        let sentence = format!("it was signed at {signed}, more than 30 days ago");
        report.push(Check::failed("time", codes::PROOF_EXPIRED, sentence));
    }
    let id = ContentId::of_bytes(text.as_bytes()).map_err(|e| malformed::<S>(e.to_string()))?;
    Ok(Received { statement, id, signed, report })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_identity::did::DidUrl;
    use gridpass_identity::key::{KeyType, SecretKey};
    use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};

    const NOW: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);

    fn key(number: u8) -> (SecretKey, DidUrl) {
        let key = SecretKey::from_bytes(KeyType::Ed25519, &[number; 32]).expect("a key");
        let multikey = key.public_key().to_multikey();
        let url = DidUrl::parse(&format!("did:key:{multikey}#{multikey}")).expect("a DID URL");
        (key, url)
    }

    #[test]
    fn a_request_names_its_recipient_alone() {
        let ((secret, key_id), (_, issuer), (_, other)) = (key(1), key(2), key(3));
        let statement = VisaRequest {
            format_version: FORMAT_VERSION,
            holder: key_id.did().clone(),
            issuer: issuer.did().clone(),
            definition: ContentId::of_nothing(),
            role: RoleName::parse("flex.gb.aggregator").expect("a name"),
            claims: Map::new(),
            validity_seconds: None,
            renews: None,
            presentation: None,
            note: None,
        };
        let (issuer, other) = (issuer.did().clone(), other.did().clone());
        let received = |aud: Vec<Did>| {
            let header = Header {
                kid: Some(key_id.clone()),
                typ: Some(VisaRequest::TYP.into()),
                cty: Some("json".into()),
                iat: Some(NOW),
                aud,
            };
            let payload = json::canonicalize(&statement).expect("JCS");
            let text = jws::sign(&payload, &secret, &header).expect("signs");
            receive::<VisaRequest>(&text, None, &OfflineResolver::new(&NoSnapshots), NOW)
        };
        assert!(received(vec![issuer.clone()]).is_ok());
        for aud in [vec![], vec![other.clone()], vec![issuer.clone(), other], vec![issuer; 2]] {
            let refused = received(aud.clone()).expect_err("refused");
            assert_eq!(refused.code(), codes::REQUEST_MALFORMED, "{aud:?}");
        }
    }

    #[test]
    fn a_statement_that_no_reader_takes_is_refused_by_what_it_is() {
        let did = |text: &str| Did::parse(text).expect("a DID");
        let good = Refusal {
            format_version: FORMAT_VERSION,
            issuer: did("did:web:regulator.example"),
            holder: did("did:web:aggregator.example"),
            request: ContentId::of_nothing(),
            role: RoleName::parse("flex.gb.aggregator").expect("a name"),
            reason: "not before the audit".into(),
        };
        assert_eq!(good.check(), Ok(()));
        let newer = Refusal { format_version: 2, ..good.clone() };
        let controls = Refusal { reason: "\u{1b}[2J".into(), ..good.clone() };
        for bad in [newer, controls] {
            let error = bad.check().expect_err("refused");
            assert!(matches!(error, RequestError::Malformed { what: "refusal", .. }), "{error}");
            assert_eq!(error.code(), codes::REQUEST_MALFORMED);
        }
    }
}
