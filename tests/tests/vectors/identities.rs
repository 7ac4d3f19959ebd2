//! Identities: DIDs that are resolved, signatures, and canonical JSON.

use crate::{Case, Found, hex, refused};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_identity::did::Did;
use gridpass_identity::document::{DidDocument, Relationship};
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jwk::Jwk;
use gridpass_identity::jws::{self, Header, JwsIn, SignatureVerdict};
use gridpass_identity::key::PublicKey;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver, Resolver as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

pub(crate) fn resolve(case: &Case) -> Found {
    let did = match Did::parse(case.text("did").expect("a DID")) {
        Ok(did) => did,
        Err(e) => return refused(e.code()),
    };
    if let Some(secret) = case.secret() {
        let made = gridpass_identity::method::key::from_public_key(&secret.public_key());
        assert_eq!(made.as_ref(), Ok(&did), "{}: the DID of the secret", case.name);
    }
    let resolution = match OfflineResolver::new(&NoSnapshots).resolve(&did) {
        Ok(resolution) => resolution,
        Err(e) => return refused(e.code()),
    };
    let document = resolution.current().expect("did:key and did:jwk are never deactivated");
    let key = first_key(document);
    let ids = |r| document.methods_for(r).map(|m| m.id.to_string()).collect::<Vec<_>>();
    let agreement = document
        .methods_for(Relationship::KeyAgreement)
        .find_map(|m| m.public_key.as_ref())
        .map(PublicKey::to_multikey);
    Found::from([
        ("public_key_hex", json!(hex(&key.to_bytes()))),
        ("jwk", json!(Jwk::from_public_key(&key))),
        ("key_agreement", json!(agreement)),
        ("assertionMethod", json!(ids(Relationship::AssertionMethod))),
        ("authentication", json!(ids(Relationship::Authentication))),
        ("keyAgreement", json!(ids(Relationship::KeyAgreement))),
    ])
}

fn first_key(document: &DidDocument) -> PublicKey {
    let method = document.verification_methods().first().expect("one verification method");
    method.public_key.clone().expect("a key of a known type")
}

pub(crate) fn sign_or_verify(case: &Case) -> Found {
    let key = case.key();
    if let Some(secret) = case.secret() {
        assert_eq!(secret.public_key(), key, "{}: the JWK is of the secret", case.name);
        let payload = case.text("payload").expect("a payload").as_bytes();
        let make = match case.text("sign").expect("attached or unencoded") {
            "attached" => jws::sign,
            "unencoded" => jws::sign_unencoded,
            other => panic!("{}: no form {other}", case.name),
        };
        let made = make(payload, &secret, &Header::default()).expect("signs");
        // RFC 7638: the hash of the JWK's required members in lexical order without spaces.
        let jwk = json::canonicalize(&Jwk::from_public_key(&key)).expect("a JWK canonicalises");
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(jwk));
        return Found::from([("jws", json!(made)), ("thumbprint", json!(thumbprint))]);
    }
    let given = case.text("payload").map(str::as_bytes);
    let jws = match JwsIn::parse(case.text("jws").expect("a JWS")) {
        Ok(jws) => jws,
        Err(e) => return refused(e.code()),
    };
    match jws.verify(&key, given) {
        Err(e) => refused(e.code()),
        Ok(verdict) => {
            let payload = jws.payload(given).expect("a payload that was verified");
            let verdict = match verdict {
                SignatureVerdict::Fits => "fits",
                SignatureVerdict::DoesNotFit => "does-not-fit",
            };
            let payload = String::from_utf8_lossy(payload).into_owned();
            Found::from([("verdict", json!(verdict)), ("payload", json!(payload))])
        }
    }
}

pub(crate) fn canonical_text(case: &Case) -> Found {
    let text = case.text("json").expect("JSON");
    let canonical = json::parse_strict(text.as_bytes(), Limits::DOCUMENT)
        .and_then(|value| json::canonicalize(&value));
    canonical_found(canonical)
}

pub(crate) fn canonical_number(case: &Case) -> Found {
    let bits = u64::from_str_radix(case.text("ieee754_hex").expect("a double"), 16);
    let number = f64::from_bits(bits.expect("64 bits in hexadecimal"));
    let direct = json::canonicalize(&number);
    if number.is_finite() {
        // The same double on the way that documents take: text, strict reader, canonical form.
        // With serde_json's `arbitrary_precision` the value keeps its text, so this must not pass
        // the spelling through.
        let spelt = format!("{number:e}");
        let read = json::parse_strict(spelt.as_bytes(), Limits::SMALL).expect("a JSON number");
        assert_eq!(
            json::canonicalize(&read).expect("a finite number"),
            *direct.as_ref().expect("a finite number"),
            "{}: {spelt}",
            case.name
        );
    }
    canonical_found(direct)
}

fn canonical_found(canonical: Result<Vec<u8>, json::JsonError>) -> Found {
    match canonical {
        Ok(bytes) => Found::from([("jcs", json!(String::from_utf8(bytes).expect("UTF-8")))]),
        // The one code that every caller gives to JSON that is refused.
        Err(_) => refused("GP-JSON-MALFORMED"),
    }
}
