//! JWS (RFC 7515) with EdDSA (RFC 8037) or ES256, compact, attached or unencoded (RFC 7797).
//!
//! [`sign`] and [`sign_unencoded`] make one; [`JwsIn::parse`] reads one without believing it;
//! only [`JwsIn::verify`] with a key says whether the signature fits. Whose key it is, and whether
//! it was good at the time, is asked in [`crate::verify`].

use crate::code::Code;
use crate::codes;
use crate::did::{Did, DidUrl};
use crate::json::{self, Limits};
use crate::key::{Algorithm, BadSignature, KeyError, PublicKey, SecretKey};
use crate::time::UnixMillis;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The longest compact JWS with its payload inside that is read: 16 MiB. Larger payloads are
/// signed unencoded and travel beside their JWS.
pub const MAX_COMPACT: usize = 16 * 1024 * 1024;

/// Why a JWS was refused before any signature was looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Not three parts of base64url, a header that is not JSON, or too long.
    #[error("not a compact JWS: {0}")]
    Malformed(String),
    /// The header asks for what must be refused.
    #[error("the JWS header is refused: {0}")]
    Header(String),
    /// The JWS is detached and the payload was not given, or given twice.
    #[error("{0}")]
    Payload(&'static str),
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl JwsError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::JWS_MALFORMED,
            Self::Header(_) => codes::JWS_HEADER_REFUSED,
            Self::Payload(_) => codes::PAYLOAD_MISSING,
            Self::Key(e) => e.code(),
        }
    }
}

/// What the signer puts beside `alg` into the protected header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Header {
    /// The signing key's DID URL.
    pub kid: Option<DidUrl>,
    /// The media type of the whole, without `application/`.
    pub typ: Option<String>,
    /// The media type of the payload.
    pub cty: Option<String>,
    /// When the signer says that it signed.
    pub iat: Option<UnixMillis>,
    /// Whom it is for. Without it, one who was sent a JWS can pass it on as sent to another.
    pub aud: Vec<Did>,
}

/// The most DIDs in `aud`.
pub const MAX_AUDIENCE: usize = 1024;

#[derive(Serialize)]
struct HeaderOut<'h> {
    alg: &'static str,
    #[serde(skip_serializing_if = "<[Did]>::is_empty")]
    aud: &'h [Did],
    #[serde(skip_serializing_if = "Option::is_none")]
    b64: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crit: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cty: Option<&'h str>,
    /// NumericDate (RFC 7519): whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'h str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    typ: Option<&'h str>,
}

#[derive(Deserialize)]
struct HeaderIn {
    alg: String,
    #[serde(default)]
    aud: Vec<Did>,
    #[serde(default, deserialize_with = "json::present")]
    b64: Option<bool>,
    #[serde(default, deserialize_with = "json::present")]
    crit: Option<Vec<String>>,
    #[serde(default, deserialize_with = "json::present")]
    cty: Option<String>,
    #[serde(default, deserialize_with = "json::present")]
    iat: Option<u64>,
    #[serde(default, deserialize_with = "json::present")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "json::present")]
    typ: Option<String>,
}

fn encode_header(key: &SecretKey, header: &Header, b64: bool) -> Result<String, JwsError> {
    let out = HeaderOut {
        alg: key.public_key().algorithm()?.jose_name(),
        aud: &header.aud,
        b64: (!b64).then_some(false),
        crit: (!b64).then_some(["b64"]),
        cty: header.cty.as_deref(),
        iat: header.iat.map(|t| t.get() / 1000),
        kid: header.kid.as_ref().map(DidUrl::as_str),
        typ: header.typ.as_deref(),
    };
    let bytes = json::canonicalize(&out).map_err(|e| JwsError::Malformed(e.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// RFC 7515 section 5.1: what is signed, with the payload as it stands between the dots.
fn signing_input(protected: &str, payload: &[u8]) -> Vec<u8> {
    [protected.as_bytes(), b".", payload].concat()
}

/// Signs a payload into a compact JWS that carries it.
///
/// # Errors
/// [`JwsError::Key`] if the key cannot sign.
pub fn sign(payload: &[u8], key: &SecretKey, header: &Header) -> Result<String, JwsError> {
    let protected = encode_header(key, header, true)?;
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let signature = key.sign(&signing_input(&protected, payload.as_bytes()))?;
    Ok(format!("{protected}.{payload}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Signs a payload as it is (RFC 7797, `b64: false`) into a detached compact JWS, `header..sig`.
///
/// # Errors
/// [`JwsError::Key`] if the key cannot sign.
pub fn sign_unencoded(
    payload: &[u8],
    key: &SecretKey,
    header: &Header,
) -> Result<String, JwsError> {
    let protected = encode_header(key, header, false)?;
    let signature = key.sign(&signing_input(&protected, payload))?;
    Ok(format!("{protected}..{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A JWS as it was read: well formed, its header understood, its signature not yet verified.
#[derive(Clone, Debug)]
pub struct JwsIn {
    protected: String,
    algorithm: Algorithm,
    header: Header,
    payload: PayloadIn,
    signature: Vec<u8>,
}

/// How the payload travels.
#[derive(Clone, Debug)]
enum PayloadIn {
    /// Between the dots, in base64url: the text that is signed, and its bytes.
    Encoded { text: String, bytes: Vec<u8> },
    /// Between the dots, as it is.
    Unencoded(String),
    /// Beside the JWS. `b64` says whether its base64url or the bytes themselves are signed.
    Detached { b64: bool },
}

impl JwsIn {
    /// Reads a compact JWS.
    ///
    /// # Errors
    /// [`JwsError::Malformed`] if it is not one; [`JwsError::Header`] for `alg` other than EdDSA and
    /// ES256, a `crit` that lists anything but `b64`, `b64` without `crit`, or a `kid` that is not
    /// a DID URL.
    pub fn parse(compact: &str) -> Result<Self, JwsError> {
        let malformed = |reason: &str| JwsError::Malformed(reason.to_owned());
        if compact.len() > MAX_COMPACT {
            return Err(malformed("it is longer than 16 MiB"));
        }
        // An unencoded payload may hold no dot (RFC 7797 section 5.2), so the form is the same.
        let mut parts = compact.split('.');
        let (Some(protected), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("it does not have three parts"));
        };
        let decode = |text: &str, what: &str| {
            URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|_| malformed(&format!("its {what} is not base64url without padding")))
        };
        let (header, algorithm, b64) = read_header(&decode(protected, "header")?)?;
        let payload = match (payload, b64) {
            ("", b64) => PayloadIn::Detached { b64 },
            (text, true) => {
                PayloadIn::Encoded { text: text.to_owned(), bytes: decode(text, "payload")? }
            }
            (text, false) if text.bytes().all(|b| (0x20..=0x7e).contains(&b)) => {
                PayloadIn::Unencoded(text.to_owned())
            }
            (_, false) => return Err(malformed("its unencoded payload is not printable ASCII")),
        };
        let signature = decode(signature, "signature")?;
        Ok(Self { protected: protected.to_owned(), algorithm, header, payload, signature })
    }

    /// The protected header. Believe it only after the signature was verified.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The algorithm that the header names.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the payload travels beside the JWS.
    #[must_use]
    pub fn is_detached(&self) -> bool {
        matches!(self.payload, PayloadIn::Detached { .. })
    }

    /// The payload: the one inside, or the one given for a detached JWS.
    ///
    /// # Errors
    /// [`JwsError::Payload`] if there is none, or one too many.
    pub fn payload<'p>(&'p self, given: Option<&'p [u8]>) -> Result<&'p [u8], JwsError> {
        match (&self.payload, given) {
            (PayloadIn::Encoded { bytes, .. }, None) => Ok(bytes),
            (PayloadIn::Unencoded(text), None) => Ok(text.as_bytes()),
            (PayloadIn::Detached { .. }, Some(bytes)) => Ok(bytes),
            (PayloadIn::Detached { .. }, None) => {
                Err(JwsError::Payload("the JWS is detached and its payload was not given"))
            }
            (PayloadIn::Encoded { .. } | PayloadIn::Unencoded(_), Some(_)) => {
                Err(JwsError::Payload("the JWS carries its payload and another one was given"))
            }
        }
    }

    /// Whether the signature is this key's over header and payload.
    ///
    /// # Errors
    /// `Ok(Err(BadSignature))` never happens silently: the outer error is about form (a missing
    /// payload, a key of another algorithm than the header names), the inner about the signature.
    pub fn verify(
        &self,
        key: &PublicKey,
        given: Option<&[u8]>,
    ) -> Result<SignatureVerdict, JwsError> {
        // Key confusion: the key decides its algorithm, and the header must agree.
        if key.algorithm()? != self.algorithm {
            let found = self.algorithm.jose_name();
            let reason = format!("alg is {found}, and the key is {}", key.key_type());
            return Err(JwsError::Header(reason));
        }
        let payload = self.payload(given)?;
        let input = match &self.payload {
            PayloadIn::Encoded { text, .. } => signing_input(&self.protected, text.as_bytes()),
            PayloadIn::Detached { b64: true } => {
                signing_input(&self.protected, URL_SAFE_NO_PAD.encode(payload).as_bytes())
            }
            PayloadIn::Unencoded(_) | PayloadIn::Detached { b64: false } => {
                signing_input(&self.protected, payload)
            }
        };
        Ok(match key.verify(&input, &self.signature) {
            Ok(()) => SignatureVerdict::Fits,
            Err(BadSignature) => SignatureVerdict::DoesNotFit,
        })
    }
}

/// Whether a signature fits. Not a bool and not a `Result`, so that neither `!` nor `?` can turn
/// one into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SignatureVerdict {
    /// It is the key's own over these bytes.
    Fits,
    /// It is not.
    DoesNotFit,
}

fn read_header(bytes: &[u8]) -> Result<(Header, Algorithm, bool), JwsError> {
    let header: HeaderIn = json::from_slice_strict(bytes, Limits::SMALL)
        .map_err(|e| JwsError::Malformed(format!("its header: {e}")))?;
    let refuse = |reason: String| Err(JwsError::Header(reason));
    let algorithm = match header.alg.as_str() {
        "EdDSA" => Algorithm::EdDsa,
        "ES256" => Algorithm::Es256,
        other => {
            let shown: String = other.chars().take(32).collect();
            return refuse(format!("alg is {shown:?}, and only EdDSA and ES256 are accepted"));
        }
    };
    // RFC 7797 section 6: b64 must be listed as critical; section 3: true when absent.
    let b64 = match (header.b64, header.crit.as_deref()) {
        (None, None) => true,
        (Some(b64), Some([name])) if name == "b64" => b64,
        (Some(_), None) => return refuse("b64 is given and crit does not list it".into()),
        (_, Some(names)) => {
            let shown: String = names.join(", ").chars().take(80).collect();
            return refuse(format!("crit lists {shown:?}, and only b64 is understood"));
        }
    };
    let kid = match header.kid.as_deref().map(DidUrl::parse) {
        None => None,
        Some(Ok(url)) => Some(url),
        Some(Err(e)) => return refuse(format!("kid: {e}")),
    };
    if header.aud.len() > MAX_AUDIENCE {
        return refuse("aud names more than 1024 DIDs".into());
    }
    let iat = header.iat.map(|s| UnixMillis::new(s.saturating_mul(1000)));
    Ok((Header { kid, typ: header.typ, cty: header.cty, iat, aud: header.aud }, algorithm, b64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyType;
    use proptest::prelude::*;

    fn key(key_type: KeyType) -> SecretKey {
        SecretKey::from_bytes(key_type, &[7; 32]).expect("32 bytes")
    }

    fn with_header(json: &str) -> Result<JwsIn, JwsError> {
        JwsIn::parse(&format!(
            "{}.cGF5.{}",
            URL_SAFE_NO_PAD.encode(json),
            URL_SAFE_NO_PAD.encode([0; 64])
        ))
    }

    #[test]
    fn refuses_headers_that_must_be_refused() {
        for json in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"ES256K"}"#,
            r#"{"alg":"EdDSA","crit":["exp"]}"#,
            r#"{"alg":"EdDSA","crit":[]}"#,
            r#"{"alg":"EdDSA","b64":false}"#,
            r#"{"alg":"EdDSA","crit":["b64"]}"#,
            r#"{"alg":"EdDSA","b64":false,"crit":["b64","exp"]}"#,
            r#"{"alg":"EdDSA","b64":false,"crit":["b64","b64"]}"#,
            r#"{"alg":"EdDSA","kid":"key-1"}"#,
        ] {
            assert_eq!(
                with_header(json).expect_err(json).code(),
                codes::JWS_HEADER_REFUSED,
                "{json}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not_a_jws() {
        let long = format!(r#"{{"alg":"EdDSA","x":"{}"}}"#, "x".repeat(70_000));
        for json in [
            "",
            "[]",
            r#"{"alg":1}"#,
            r#"{"alg":"EdDSA","alg":"EdDSA"}"#,
            &long,
            // An array must not be read as a header, nor null as an absent member.
            r#"["EdDSA"]"#,
            r#"["EdDSA",[],null,null,null,null,null,null]"#,
            r#"{"alg":"EdDSA","crit":null}"#,
            r#"{"alg":"EdDSA","b64":null}"#,
        ] {
            assert_eq!(with_header(json).expect_err("malformed").code(), codes::JWS_MALFORMED);
        }
        for text in
            ["", "a.b", "a.b.c.d", "e30=.e30.e30", "e30.e30.e30\n", "eyJhbGciOiJFZERTQSJ9.e31.AA"]
        {
            assert_eq!(JwsIn::parse(text).expect_err(text).code(), codes::JWS_MALFORMED, "{text}");
        }
    }

    #[test]
    fn refuses_a_key_of_another_algorithm() -> Result<(), JwsError> {
        let jws = JwsIn::parse(&sign(b"x", &key(KeyType::Ed25519), &Header::default())?)?;
        let error = jws.verify(&key(KeyType::P256).public_key(), None).expect_err("confusion");
        assert_eq!(error.code(), codes::JWS_HEADER_REFUSED);
        Ok(())
    }

    #[test]
    fn says_when_a_payload_is_missing_or_one_too_many() -> Result<(), JwsError> {
        let key = key(KeyType::Ed25519);
        let detached = JwsIn::parse(&sign_unencoded(b"x", &key, &Header::default())?)?;
        let error = detached.verify(&key.public_key(), None).expect_err("missing");
        assert_eq!(error.code(), codes::PAYLOAD_MISSING);
        let attached = JwsIn::parse(&sign(b"x", &key, &Header::default())?)?;
        let error = attached.verify(&key.public_key(), Some(b"x")).expect_err("twice");
        assert_eq!(error.code(), codes::PAYLOAD_MISSING);
        Ok(())
    }

    proptest! {
        #[test]
        fn both_forms_round_trip_and_bind_the_payload(
            payload: Vec<u8>, es256: bool, unencoded: bool, extra: u8
        ) {
            let key = key(if es256 { KeyType::P256 } else { KeyType::Ed25519 });
            let header = Header {
                kid: Some(DidUrl::parse("did:web:dso.example#k").expect("a DID URL")),
                typ: Some("t".into()),
                cty: None,
                iat: Some(UnixMillis::new(1_772_366_400_000)),
                aud: vec![Did::parse("did:web:tso.example").expect("a DID")],
            };
            let make = if unencoded { sign_unencoded } else { sign };
            let jws = JwsIn::parse(&make(&payload, &key, &header).expect("signs")).expect("parses");
            prop_assert_eq!(jws.header(), &header);
            let detached = jws.is_detached();
            // An empty payload between the dots cannot be told from a detached one.
            let given = detached.then_some(payload.as_slice());
            prop_assert_eq!(jws.payload(given).expect("there"), payload.as_slice());
            prop_assert_eq!(
                jws.verify(&key.public_key(), given).expect("form"), SignatureVerdict::Fits);
            if detached {
                let other = [payload.as_slice(), &[extra]].concat();
                prop_assert_eq!(
                    jws.verify(&key.public_key(), Some(&other)).expect("form"),
                    SignatureVerdict::DoesNotFit);
            }
        }

        #[test]
        fn parser_never_panics(text in "[A-Za-z0-9_=.-]{0,120}") {
            let _ = JwsIn::parse(&text);
        }
    }
}
