//! One function for each parser that reads bytes from outside.
//!
//! Each must return for every input; where the parser accepts, the invariants that the rest of
//! Gridpass relies on are asserted. [`TARGETS`] lists them all, so that the replay of the corpus
//! and the fuzzing package cannot forget one.

pub use crate::fuzz_credentials as credentials;
pub use crate::fuzz_messaging as messaging;
pub use crate::fuzz_policy as policy;

use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::{DidDocument, Relationship};
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jwe::JweIn;
use gridpass_identity::jwk::Jwk;
use gridpass_identity::jws::{JwsIn, SignatureVerdict};
use gridpass_identity::key::{KeyType, PublicKey, SecretKey};
use gridpass_identity::method;
use gridpass_identity::method::webvh::VerifiedEntries;
use gridpass_identity::resolve::{
    NoSnapshots, OfflineResolver, Resolver as _, Snapshot, TimeBasis,
};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::verify::{Expectation, verify_jws};
use gridpass_identity::wallet::backup::{Backup, Manifest};
use sha2::{Digest as _, Sha256};
use std::str;

/// A fuzz target: a name, which is also its corpus folder, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("backup", backup),
    ("bitswap", messaging::bitswap),
    ("bundle", messaging::bundle),
    ("channel", policy::channel),
    ("charter", credentials::charter),
    ("checking", messaging::checking),
    ("comparison", policy::comparison),
    ("credential", credentials::credential),
    ("did", did),
    ("did_url", did_url),
    ("document", document),
    ("entry", messaging::entry),
    ("envelope", messaging::envelope),
    ("file", messaging::file),
    ("json", json_strict),
    ("jwe", jwe),
    ("jwk", jwk),
    ("jws", jws),
    ("multikey", multikey),
    ("parcel", credentials::parcel),
    ("payload", policy::payload),
    ("payload_schema", policy::payload_schema),
    ("presentation", credentials::presentation),
    ("receipt", messaging::receipt),
    ("record", policy::record),
    ("role", credentials::role),
    ("sd_jwt", credentials::sd_jwt),
    ("sealing", messaging::sealing),
    ("status_list", credentials::status_list),
    ("sync", messaging::sync),
    ("ticket", messaging::ticket),
    ("terms", policy::terms),
    ("time", time),
    ("trust_pack", credentials::trust_pack),
    ("webvh", webvh),
];

/// The seed of every secret key that signed or was sealed to in the corpus.
pub const SEED: [u8; 32] = [7; 32];
/// What every JWE of the corpus holds.
pub const SEALED: &[u8] = b"a bid";
/// The DID whose documents the corpus holds.
pub const DOCUMENT_DID: &str = "did:web:dso.example";

/// The secret key of a type from [`SEED`].
#[must_use]
pub fn secret(key_type: KeyType) -> SecretKey {
    SecretKey::from_bytes(key_type, &SEED).expect("the seed is a key of every type")
}

/// What is inside a backup's age layer: as it is, and as the records of a right manifest, since
/// no mutation would ever guess the checksum.
pub fn backup(data: &[u8]) {
    let _ = Backup::parse(data);
    let digest: String = Sha256::digest(data).iter().map(|b| format!("{b:02x}")).collect();
    let records = data.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count();
    let manifest = Manifest {
        format: "gridpass-backup".into(),
        version: 1,
        wallet_id: "00112233445566778899aabbccddeeff".into(),
        wallet_name: "fuzz".into(),
        created: UnixMillis::new(0),
        records: u64::try_from(records).expect("a count"),
        checksum: digest,
    };
    let mut whole = json::canonicalize(&manifest).expect("a manifest is JSON");
    whole.push(b'\n');
    whole.extend_from_slice(data);
    if let Ok(backup) = Backup::parse(&whole) {
        assert_eq!(backup.manifest(), &manifest, "a backup is what its manifest says");
        assert!(backup.expect_wallet(&manifest.wallet_id).is_ok());
        assert!(backup.expect_wallet("").is_err());
        whole.push(b'x');
        assert!(Backup::parse(&whole).is_err(), "a changed backup was read");
    }
}

/// DIDs, and the resolution of those whose document follows from the DID.
pub fn did(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(did) = Did::parse(text) else { return };
    assert_eq!(did.as_str(), text, "a DID is kept as it was written");
    let again = format!("did:{}:{}", did.method(), did.method_specific_id());
    assert_eq!(again, text, "the parts make the whole");
    if let Ok(url) = method::web::document_url(&did) {
        assert_eq!(url.scheme(), "https", "{text}");
        assert!(url.username().is_empty() && url.password().is_none(), "{text}: {url}");
        assert!(url.domain().is_some() && url.path().ends_with("/did.json"), "{text}: {url}");
        assert!(url.query().is_none() && url.fragment().is_none(), "{text}: {url}");
    }
    let Ok(resolution) = OfflineResolver::new(&NoSnapshots).resolve(&did) else { return };
    assert_eq!(resolution.did, did, "a resolution is of the DID that was asked for");
    let document = resolution.current().expect("computed documents are never deactivated");
    assert_eq!(document.id(), &did, "and so is its document");
    read_back(document);
}

/// DID URLs.
pub fn did_url(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(url) = DidUrl::parse(text) else { return };
    assert_eq!(url.to_string(), text, "a DID URL is kept as it was written");
    assert!(text.starts_with(url.did().as_str()), "it starts with its DID");
    assert_eq!(Did::parse(url.did().as_str()).as_ref(), Ok(url.did()), "which is one");
    if let Some(fragment) = url.fragment() {
        assert!(text.ends_with(&format!("#{fragment}")), "it ends in its fragment");
    }
}

/// DID documents of [`DOCUMENT_DID`], and questions about their keys.
pub fn document(data: &[u8]) {
    let did = Did::parse(DOCUMENT_DID).expect("a DID");
    let Ok(document) = DidDocument::parse(data, &did) else { return };
    assert_eq!(document.id(), &did, "a document is of the DID that was asked for");
    read_back(&document);
    let snapshot = Snapshot {
        seen: UnixMillis::new(0),
        confirmed: None,
        document: data.to_vec(),
        witness: None,
    };
    let resolution = method::web::resolve(&did, &[snapshot]).expect("it was read before");
    for relationship in Relationship::ALL {
        for method in document.methods_for(relationship) {
            for at in [UnixMillis::new(0), UnixMillis::MAX] {
                let (check, key) =
                    resolution.key_at(&method.id, relationship, at, TimeBasis::Claimed);
                let passed = check.outcome == gridpass_identity::report::Outcome::Passed;
                assert!(!passed || key.is_some(), "passed without a key: {}", check.sentence);
            }
        }
    }
}

fn read_back(document: &DidDocument) {
    let bytes = json::canonicalize(document.as_json());
    // A number that JCS cannot represent is the one thing that may be read and not written.
    let Ok(bytes) = bytes else { return };
    let again = DidDocument::parse(&bytes, document.id()).expect("what was read reads back");
    assert_eq!(
        again.verification_methods(),
        document.verification_methods(),
        "with the same methods"
    );
}

/// Strict JSON and its canonical form.
pub fn json_strict(data: &[u8]) {
    let Ok(value) = json::parse_strict(data, Limits::SMALL) else { return };
    assert!(
        serde_json::from_slice::<serde_json::Value>(data).is_ok(),
        "the strict reader accepts only what the lax one does"
    );
    let Ok(canonical) = json::canonicalize(&value) else { return };
    if canonical.len() > Limits::SMALL.bytes {
        return;
    }
    let again = json::parse_strict(&canonical, Limits::SMALL).expect("JCS is strict JSON");
    let twice = json::canonicalize(&again).expect("and canonicalises");
    assert_eq!(canonical, twice, "to the same bytes");
}

/// JWE, opened with keys that it may be sealed to.
pub fn jwe(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(jwe) = JweIn::parse(text) else { return };
    assert!(jwe.key_ids().next().is_some(), "a JWE is sealed to somebody");
    for key_id in jwe.key_ids() {
        for key_type in [KeyType::X25519, KeyType::P256, KeyType::Ed25519] {
            if let Ok(content) = jwe.open(key_id, &secret(key_type)) {
                assert_eq!(content.expose_secret(), SEALED, "nothing else was ever sealed");
            }
        }
    }
}

/// JWKs.
pub fn jwk(data: &[u8]) {
    let Ok(jwk) = json::from_slice_strict::<Jwk>(data, Limits::SMALL) else { return };
    let Ok(key) = jwk.to_public_key() else { return };
    let made = Jwk::from_public_key(&key);
    assert_eq!((&made.x, &made.y), (&jwk.x, &jwk.y), "a key has one spelling");
    assert_eq!(made.to_public_key().as_ref(), Ok(&key), "and reads back");
    let did = method::jwk::from_public_key(&key).expect("a key has a did:jwk");
    method::jwk::resolve(&did).expect("which resolves");
    public_key(&key);
}

/// JWS: parsed, verified under keys of both types, and reported on.
pub fn jws(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(jws) = JwsIn::parse(text) else { return };
    let given = jws.is_detached().then_some(SEALED);
    let ed25519 = secret(KeyType::Ed25519);
    if matches!(jws.verify(&ed25519.public_key(), given), Ok(SignatureVerdict::Fits)) {
        // A strict Ed25519 signature has one form only: any other that fits is malleability.
        assert!(jws.is_detached() || text == signed_again(text, &ed25519), "two forms fit");
    }
    let _ = jws.verify(&secret(KeyType::P256).public_key(), given);
    let expect = Expectation {
        purpose: Relationship::AssertionMethod,
        now: UnixMillis::MAX,
        proven_at: None,
        signer: None,
        audience: None,
    };
    let resolver = OfflineResolver::new(&NoSnapshots);
    let verification =
        verify_jws(&jws, given, &resolver, &expect).expect("the payload is there once");
    let checks = &verification.report.checks;
    let verified = checks.iter().any(|c| c.name == "signature");
    assert!(verification.payload().is_none() || verified, "a payload came out unverified");
}

fn signed_again(text: &str, key: &SecretKey) -> String {
    use base64::Engine as _;
    let (input, _) = text.rsplit_once('.').expect("three parts");
    let signature = key.sign(input.as_bytes()).expect("signs");
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    format!("{input}.{}", engine.encode(signature))
}

/// Multikeys.
pub fn multikey(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(key) = PublicKey::from_multikey(text) else { return };
    assert_eq!(key.to_multikey(), text, "a key has one spelling");
    public_key(&key);
}

fn public_key(key: &PublicKey) {
    assert!(key.verify(b"", &[0; 64]).is_err(), "the zero signature fits {key}");
    let bytes = key.to_bytes();
    let again = match key.key_type() {
        KeyType::Ed25519 => PublicKey::ed25519(&bytes),
        KeyType::P256 => PublicKey::p256(&bytes),
        KeyType::X25519 => PublicKey::x25519(&bytes),
    };
    assert_eq!(again.as_ref(), Ok(key), "its bytes read back");
    let agreement = key.key_agreement_key().expect("every usable key agrees");
    assert_ne!(agreement.key_type(), KeyType::Ed25519, "{key}");
}

/// RFC 3339 times.
pub fn time(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(time) = UnixMillis::parse_rfc3339(text) else { return };
    let written = time.to_string();
    assert_eq!(UnixMillis::parse_rfc3339(&written), Ok(time), "{text} is written as {written}");
    assert_eq!(written.get(..19), text.get(..19), "the same second");
}

/// did:webvh logs, with a file of witness proofs behind a zero byte where there is one.
pub fn webvh(data: &[u8]) {
    let mut parts = data.splitn(2, |b| *b == 0);
    let log = parts.next().unwrap_or_default();
    let first = log.split(|b| *b == b'\n').next().unwrap_or_default();
    let Ok(entry) = json::parse_strict(first, Limits::DOCUMENT) else { return };
    let id = entry.pointer("/state/id").and_then(serde_json::Value::as_str).unwrap_or_default();
    let Ok(did) = Did::parse(id) else { return };
    let seen = UnixMillis::from_millis(1_800_000_000_000);
    let Ok(entries) = VerifiedEntries::verify(&did, log, seen) else { return };
    let _ = entries.check_witnesses(parts.next());
    let versions = entries.into_versions();
    let rising = versions.windows(2).all(|pair| pair[0].from < pair[1].from);
    assert!(rising && !versions.is_empty(), "the versions of a log follow each other");
    assert!(log_without_last_line(&did, log, seen, versions.len()), "a log holds its own past");
}

/// Whether the log without its last entry is good too, and one version shorter.
fn log_without_last_line(did: &Did, log: &[u8], seen: UnixMillis, versions: usize) -> bool {
    let trimmed = log.trim_ascii_end();
    let Some(end) = trimmed.iter().rposition(|b| *b == b'\n') else { return true };
    let (shorter, _) = trimmed.split_at(end);
    match VerifiedEntries::verify(did, shorter, seen) {
        Ok(entries) => entries.into_versions().len() + 1 == versions,
        Err(_) => shorter.trim_ascii().is_empty(),
    }
}
