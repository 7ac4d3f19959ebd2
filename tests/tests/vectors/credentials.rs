//! Credentials and what proves them: data integrity, SD-JWT, status bits and verdicts on visas.

use crate::{Case, Found, refused};
use gridpass_identity::json;
use gridpass_identity::jwk::Jwk;
use gridpass_identity::jws::{JwsIn, SignatureVerdict};
use gridpass_identity::key::PublicKey;
use gridpass_identity::time::UnixMillis;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// At the level of the proof: whose key it is, is not asked.
pub(crate) fn data_integrity(case: &Case) -> Found {
    use gridpass_credentials::integrity::{Proof, Suite};
    use gridpass_credentials::rdf::canonical_nquads;
    use gridpass_credentials::secured::SecuredError;
    let (document, proof) = (&case.input["document"], &case.input["proof"]);
    let raw = proof.as_object().expect("an object");
    let read = match Proof::read(raw) {
        Ok(read) => read,
        Err(e) => return refused(SecuredError::from(e).code()),
    };
    let key = PublicKey::from_multikey(case.text("key").expect("a key")).expect("a key");
    let signature = match read.fits(document, &key) {
        Ok(verdict) => verdict_text(verdict),
        Err(e) => return refused(SecuredError::from(e).code()),
    };
    let mut options = raw.clone();
    options.remove("proofValue");
    let canonical = |value: &Value| match read.suite {
        Suite::EddsaRdfc2022 => canonical_nquads(value).expect("canonical"),
        Suite::EddsaJcs2022 => {
            String::from_utf8(json::canonicalize(value).expect("canonical")).expect("text")
        }
    };
    if read.suite == Suite::EddsaRdfc2022 {
        options.insert("@context".into(), document["@context"].clone());
    }
    let (document, options) = (canonical(document), canonical(&Value::Object(options)));
    Found::from([
        ("signature", json!(signature)),
        ("document_hash", json!(sha256_hex(&document))),
        ("proof_hash", json!(sha256_hex(&options))),
        ("canonical_document", json!(document)),
        ("canonical_proof", json!(options)),
    ])
}

fn verdict_text(verdict: SignatureVerdict) -> &'static str {
    match verdict {
        SignatureVerdict::Fits => "fits",
        SignatureVerdict::DoesNotFit => "does not fit",
    }
}

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn sd_jwt(case: &Case) -> Found {
    use gridpass_credentials::sd_jwt::SdJwtIn;
    use gridpass_credentials::secured::SecuredError;
    let read = match SdJwtIn::parse(case.text("sd_jwt").expect("an SD-JWT")) {
        Ok(read) => read,
        Err(e) => return refused(SecuredError::from(e).code()),
    };
    let key = |name: &str| {
        let jwk: Jwk = serde_json::from_value(case.input[name].clone()).expect("a JWK");
        jwk.to_public_key().expect("a usable key")
    };
    let verify =
        |jws: &JwsIn, name: &str| verdict_text(jws.verify(&key(name), None).expect("a form"));
    let mut found = Found::from([
        ("claims", json!(read.claims())),
        ("withheld", json!(read.withheld())),
        ("signature", json!(verify(read.jws(), "issuer_jwk"))),
    ]);
    if let Some((jws, binding)) = read.binding() {
        found.insert("binding", json!(binding));
        found.insert("binding_signature", json!(verify(jws, "holder_jwk")));
    }
    found
}

pub(crate) fn bitstring(case: &Case) -> Found {
    use gridpass_credentials::status::Bits;
    match Bits::decode(case.text("encoded").expect("a list")) {
        Err(e) => refused(e.code()),
        Ok(bits) => {
            let set: Vec<u64> = (0..bits.entries()).filter(|i| bits.get(*i) == Ok(true)).collect();
            Found::from([("entries", json!(bits.entries())), ("set", json!(set))])
        }
    }
}

/// Presentation, trust pack, status lists and a time in; the report out, member by member.
pub(crate) fn visa_verdict(case: &Case) -> Found {
    use gridpass_credentials::keeping;
    use gridpass_credentials::trust::Trust;
    use gridpass_credentials::verify::{Expectation, SeenLists};
    let now = UnixMillis::parse_rfc3339(case.text("now").expect("a time")).expect("a time");
    let pack = case.text("trust_pack").expect("a trust pack");
    let clock = case.text("clock").map(|c| UnixMillis::parse_rfc3339(c).expect("a time"));
    let clock = clock.unwrap_or(now);
    let trust = match Trust::open(pack.as_bytes(), None, clock) {
        Ok(trust) => trust,
        Err(e) => return refused(e.code()),
    };
    let lists = case.input["status_lists"].as_array().expect("status lists");
    let lists: Vec<_> = lists
        .iter()
        .map(|l| keeping::read_list(l.as_str().expect("text").as_bytes()).expect("a list"))
        .collect();
    let expect = Expectation {
        now,
        clock,
        audience: case.text("audience"),
        nonce: case.text("nonce"),
        presenter: None,
    };
    let bytes = case.text("presentation").expect("a presentation").as_bytes();
    let seen = SeenLists::new();
    let report = gridpass_tests::world::verify_bytes(bytes, &trust, &lists, &expect, &seen);
    Found::from([
        ("outcome", json!(report.outcome)),
        ("code", json!(report.code)),
        ("report", json!(report)),
    ])
}
