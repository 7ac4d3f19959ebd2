//! What we sign and seal, npm `jose` verifies and opens; and the other way round.
//!
//! Needs node and `tests/interop/node_modules`. Without them each test says so and passes, unless
//! `GRIDPASS_REQUIRE_INTEROP=1`, as continuous integration sets it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_identity::did::DidUrl;
use gridpass_identity::jwe::{JweIn, Recipient, SealHeader, seal};
use gridpass_identity::jwk::Jwk;
use gridpass_identity::jws::{self, Header, JwsIn, SignatureVerdict};
use gridpass_identity::key::{KeyType, PublicKey, SecretKey};
use gridpass_tests::interop::Script;
use serde_json::{Value, json};

const KID: &str = "did:web:dso.example#key-1";
const PAYLOADS: &[&[u8]] = &[
    b"$.02",
    "{\"bid\": \"12.5 €/MWh\", \"dots\": \"a.b.c\"}\n".as_bytes(),
    &[0, 1, 2, 0xfe, 0xff, b'.', b'\r', b'\n'],
];

/// `None`, loudly, where the other implementation is not installed.
fn jose() -> Option<Jose> {
    Script::find("jose.mjs", "jose").map(Jose)
}

struct Jose(Script);

impl Jose {
    /// What it answers: a text, or why it refused.
    fn ask(&self, request: &Value) -> Result<String, String> {
        let answer = self.0.ask(request)?;
        Ok(answer.as_str().expect("a text").to_owned())
    }

    fn verify(
        &self,
        key: &PublicKey,
        jws: &str,
        payload: Option<&[u8]>,
    ) -> Result<Vec<u8>, String> {
        let mut request = json!({"do": "verify", "jwk": Jwk::from_public_key(key), "jws": jws});
        if let Some(payload) = payload {
            request["payload"] = json!(b64(payload));
        }
        self.ask(&request).map(unb64)
    }

    fn open(&self, key: &SecretKey, jwe: &str) -> Result<Vec<u8>, String> {
        self.ask(&json!({"do": "open", "jwk": private_jwk(key), "jwe": jwe})).map(unb64)
    }
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn unb64(text: String) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

fn random(key_type: KeyType) -> SecretKey {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system has randomness");
    SecretKey::from_bytes(key_type, &seed).expect("all but 2^-32 of seeds are P-256 keys")
}

fn private_jwk(key: &SecretKey) -> Value {
    let mut jwk = json!(Jwk::from_public_key(&key.public_key()));
    jwk["d"] = json!(b64(key.to_secret_bytes().expose_secret()));
    jwk
}

fn header() -> Header {
    Header { kid: Some(DidUrl::parse(KID).expect("a DID URL")), ..Header::default() }
}

/// The same text with one character of its last part changed to another of base64url.
fn forged(jws: &str) -> String {
    let at = jws.rfind('.').expect("three parts") + 5;
    let other = if jws[at..].starts_with('A') { "B" } else { "A" };
    format!("{}{other}{}", &jws[..at], &jws[at + 1..])
}

#[test]
fn what_we_sign_verifies_there_and_what_was_changed_does_not() {
    let Some(jose) = jose() else { return };
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        let key = random(key_type);
        let public = key.public_key();
        for payload in PAYLOADS {
            let compact = jws::sign(payload, &key, &header()).expect("signs");
            assert_eq!(jose.verify(&public, &compact, None).as_deref(), Ok(*payload));
            let detached = jws::sign_unencoded(payload, &key, &header()).expect("signs");
            assert_eq!(jose.verify(&public, &detached, Some(payload)).as_deref(), Ok(*payload));
            // And refused: another payload, another signature, another key.
            jose.verify(&public, &detached, Some(b"other")).expect_err("another payload");
            jose.verify(&public, &forged(&compact), None).expect_err("another signature");
            let other = random(key_type).public_key();
            jose.verify(&other, &compact, None).expect_err("another key");
        }
    }
}

#[test]
fn what_is_signed_there_verifies_here_and_what_was_changed_does_not() {
    let Some(jose) = jose() else { return };
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        let key = random(key_type);
        for (payload, unencoded) in PAYLOADS.iter().flat_map(|p| [(*p, false), (*p, true)]) {
            let request = json!({
                "do": "sign", "jwk": private_jwk(&key), "payload": b64(payload),
                "unencoded": unencoded, "kid": KID,
            });
            let text = jose.ask(&request).expect("jose signs");
            let given = unencoded.then_some(payload);
            let verdict = |text: &str, given: Option<&[u8]>| {
                let jws = JwsIn::parse(text).expect("a JWS that we read");
                assert_eq!(jws.header().kid, header().kid);
                assert_eq!(jws.payload(given).ok(), given.or(Some(payload)));
                jws.verify(&key.public_key(), given).expect("a matching key")
            };
            assert_eq!(verdict(&text, given), SignatureVerdict::Fits);
            assert_eq!(verdict(&forged(&text), given), SignatureVerdict::DoesNotFit);
            if unencoded {
                assert_eq!(verdict(&text, Some(b"other")), SignatureVerdict::DoesNotFit);
            }
        }
    }
}

#[test]
fn thumbprints_agree() {
    let Some(jose) = jose() else { return };
    use sha2::Digest as _;
    for key_type in [KeyType::Ed25519, KeyType::P256, KeyType::X25519] {
        let jwk = Jwk::from_public_key(&random(key_type).public_key());
        let canonical = gridpass_identity::json::canonicalize(&jwk).expect("a JWK");
        let ours = b64(&sha2::Sha256::digest(canonical));
        assert_eq!(jose.ask(&json!({"do": "thumbprint", "jwk": jwk})), Ok(ours));
    }
}

/// Recipients of both types, one of them behind an Ed25519 key as in did:key.
fn recipients() -> Vec<(Recipient, SecretKey)> {
    [KeyType::X25519, KeyType::P256, KeyType::Ed25519, KeyType::P256]
        .into_iter()
        .enumerate()
        .map(|(i, key_type)| {
            let secret = random(key_type).key_agreement_key();
            let key_id = DidUrl::parse(&format!("did:web:p{i}.example#seal")).expect("a DID URL");
            (Recipient { key_id, public_key: secret.public_key() }, secret)
        })
        .collect()
}

/// A JWE with one character of a part changed.
fn changed(jwe: &str, pointer: &str) -> String {
    let mut json: Value = serde_json::from_str(jwe).expect("JSON");
    let part = json.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} in {jwe}"));
    let text = part.as_str().expect("text");
    let first = if text.starts_with('A') { "B" } else { "A" };
    *part = json!(format!("{first}{}", &text[1..]));
    json.to_string()
}

const PARTS: &[&str] = &["/ciphertext", "/tag", "/iv", "/recipients/0/encrypted_key"];

#[test]
fn what_we_seal_opens_there_for_each_recipient_and_for_nobody_else() {
    let Some(jose) = jose() else { return };
    for count in [1, 4] {
        let pairs = &recipients()[..count];
        let list: Vec<_> = pairs.iter().map(|(r, _)| r.clone()).collect();
        for payload in PAYLOADS {
            let sealed = SealHeader { cty: Some("JOSE".into()), ..SealHeader::default() };
            let jwe = seal(payload, &list, &sealed).expect("seals");
            for (recipient, secret) in pairs {
                let opened = jose.open(secret, &jwe);
                assert_eq!(opened.as_deref(), Ok(*payload), "{}", recipient.key_id);
            }
            jose.open(&random(KeyType::X25519), &jwe).expect_err("a stranger");
        }
        let jwe = seal(b"a bid", &list, &SealHeader::default()).expect("seals");
        for part in PARTS {
            jose.open(&pairs[0].1, &changed(&jwe, part)).expect_err(part);
        }
    }
}

#[test]
fn what_is_sealed_there_opens_here_for_each_recipient_and_for_nobody_else() {
    let Some(jose) = jose() else { return };
    for count in [1, 4] {
        let pairs = &recipients()[..count];
        let list: Vec<_> = pairs
            .iter()
            .map(|(r, _)| json!({"jwk": Jwk::from_public_key(&r.public_key), "kid": r.key_id}))
            .collect();
        let request = json!({"do": "seal", "recipients": list, "payload": b64(b"a bid")});
        let jwe = jose.ask(&request).expect("jose seals");
        let read = JweIn::parse(&jwe).unwrap_or_else(|e| panic!("{e}: {jwe}"));
        for (recipient, secret) in pairs {
            let opened = read.open(&recipient.key_id, secret);
            let opened = opened.unwrap_or_else(|e| panic!("{}: {e}: {jwe}", recipient.key_id));
            assert_eq!(opened.expose_secret(), b"a bid");
        }
        let (first, secret) = &pairs[0];
        read.open(&first.key_id, &random(KeyType::X25519)).expect_err("a stranger");
        for part in PARTS {
            let read = JweIn::parse(&changed(&jwe, part)).expect("well formed");
            read.open(&first.key_id, secret).expect_err(part);
        }
    }
}
