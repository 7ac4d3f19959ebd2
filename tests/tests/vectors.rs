//! Runs every file of `spec/vectors/`: published facts (RFCs, W3C) and our own refusals.
//!
//! The format is described in `spec/vectors/README.md`. A file of an unknown kind, a case with
//! nothing to check and a file without cases fail: no vector is ever passed over.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::{DidDocument, Relationship};
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jwk::Jwk;
use gridpass_identity::jws::{self, Header, JwsIn, SignatureVerdict};
use gridpass_identity::key::{KeyType, PublicKey, SecretKey};
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver, Resolver as _};
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::bundle::{Bundle, Manifest, verify as verify_bundle};
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::sealing::{
    ChainKey, Epoch, MessageKey, Place, SealedPayload, SignedStatement, Statement, padded,
};
use gridpass_tests::evidence::bad;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

#[path = "vectors/channels.rs"]
mod channels;
#[path = "vectors/decisions.rs"]
mod decisions;
#[path = "vectors/documents.rs"]
mod documents;
#[path = "vectors/frames.rs"]
mod frames;
#[path = "vectors/keys.rs"]
mod keys;
#[path = "vectors/lists.rs"]
mod lists;
#[path = "vectors/logs.rs"]
mod logs;
#[path = "vectors/made.rs"]
mod made;
#[path = "vectors/packs.rs"]
mod packs;
#[path = "vectors/payloads.rs"]
mod payloads;
#[path = "vectors/questions.rs"]
mod questions;
#[path = "vectors/shown.rs"]
mod shown;
#[path = "vectors/statements.rs"]
mod statements;
#[path = "vectors/wallets.rs"]
mod wallets;
#[path = "vectors/wire.rs"]
mod wire;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VectorFile {
    source: String,
    kind: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    input: BTreeMap<String, Value>,
    expected: BTreeMap<String, Value>,
}

impl Case {
    fn text(&self, name: &str) -> Option<&str> {
        self.input.get(name).map(|v| v.as_str().expect("an input that is text"))
    }

    /// Bytes in hexadecimal, or in parts that come so many times.
    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        if let Some(text) = self.text(&format!("{name}_hex")) {
            return Some(unhex(text));
        }
        let parts = self.input.get(&format!("{name}_parts"))?.as_array().expect("parts");
        let part = |part: &Value| {
            let times = part["times"].as_u64().expect("a number");
            unhex(part["hex"].as_str().expect("bytes")).repeat(usize::try_from(times).expect("few"))
        };
        Some(parts.iter().flat_map(part).collect())
    }

    fn key(&self) -> PublicKey {
        let jwk = self.input.get("jwk").expect("a case with a jwk").clone();
        serde_json::from_value::<Jwk>(jwk).expect("a JWK").to_public_key().expect("a usable key")
    }

    fn secret(&self) -> Option<SecretKey> {
        let bytes = unhex(self.text("secret_hex")?);
        let key_type: KeyType =
            serde_json::from_value(self.input["key_type"].clone()).expect("a key type");
        Some(SecretKey::from_bytes(key_type, &bytes).expect("a secret key"))
    }
}

/// What was found, under the names that `expected` uses.
type Found = BTreeMap<&'static str, Value>;

fn refused(code: impl ToString) -> Found {
    Found::from([("refused", json!(code.to_string()))])
}

#[test]
fn every_published_vector_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/vectors");
    if std::env::var_os("GRIDPASS_WRITE_VECTORS").is_some() {
        write_made(&folder);
    }
    let mut cases_by_file = BTreeMap::new();
    let mut failures = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the folder of vectors") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).expect("a readable file");
        let file: VectorFile =
            serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(!file.source.is_empty(), "{name} names no source");
        assert!(!file.cases.is_empty(), "{name} has no cases");
        for case in &file.cases {
            let found = match file.kind.as_str() {
                "did-key" | "did-jwk" => resolve(case),
                "jws" => sign_or_verify(case),
                "jcs" => canonical_text(case),
                "jcs-number" => canonical_number(case),
                "visa-verdict" => visa_verdict(case),
                "data-integrity" => data_integrity(case),
                "sd-jwt" => sd_jwt(case),
                "bitstring" => bitstring(case),
                "envelope" => envelope(case),
                "sealing" => sealing(case),
                "files" => file_blocks(case),
                "bundle" => bundle(case),
                "role-definition" => documents::role(case),
                "charter" => documents::charter(case),
                "trust-pack" => packs::trust_pack(case),
                "channel" => channels::descriptor(case),
                "decision" => decisions::decision(case),
                "receipt" => wire::receipt(case),
                "sync" => wire::sync(case),
                "key-at" => keys::key_at(case),
                "jwe" => keys::jwe(case),
                "presentation" => shown::presentation(case),
                "node-authorisation" => shown::authorisation(case),
                "request" => statements::statement(case),
                "parcel" => statements::parcel(case),
                "log" => logs::log(case),
                "backup" => wallets::backup(case),
                "bitswap" => frames::bitswap(case),
                "bitswap-stream" => frames::stream(case),
                "control-question" => questions::question(case),
                "control-conversation" => questions::conversation(case),
                "status-list" => lists::status_list(case),
                "visa-form" => lists::visa(case),
                "payload" => payloads::payload(case),
                "evolution" => payloads::evolution(case),
                other => panic!("{name}: no runner for the kind {other}"),
            };
            failures.extend(differences(&name, case, &found));
        }
        cases_by_file.insert(name, file.cases.len());
    }
    println!("{} vectors: {cases_by_file:#?}", cases_by_file.values().sum::<usize>());
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(cases_by_file.len() >= 55, "files were lost: {cases_by_file:?}");
    assert!(cases_by_file.values().sum::<usize>() >= 1850, "cases were lost: {cases_by_file:?}");
}

/// The files whose cases are made beside their runners.
fn write_made(folder: &Path) {
    use made::write;
    let role = ("role-definition.json", "role-definition");
    let shown = ("presentation.json", "presentation");
    let node = ("node-authorisation.json", "node-authorisation");
    let others = [
        write(folder, role, documents::role, documents::roles()),
        write(folder, ("charter.json", "charter"), documents::charter, documents::charters()),
        write(folder, ("trust-pack.json", "trust-pack"), packs::trust_pack, packs::packs()),
        write(folder, ("channel.json", "channel"), channels::descriptor, channels::descriptors()),
        write(folder, ("decision.json", "decision"), decisions::decision, decisions::decisions()),
        write(folder, ("receipt.json", "receipt"), wire::receipt, wire::receipts()),
        write(folder, ("sync.json", "sync"), wire::sync, wire::messages()),
        write(folder, ("key-at.json", "key-at"), keys::key_at, keys::histories()),
        write(folder, ("jwe.json", "jwe"), keys::jwe, keys::sealed()),
        write(folder, shown, shown::presentation, shown::presentations()),
        write(folder, node, shown::authorisation, shown::authorisations()),
    ]
    .concat();
    assert!(others.is_empty(), "other codes than were meant:\n{}", others.join("\n"));
}

fn differences(file: &str, case: &Case, found: &Found) -> Vec<String> {
    assert!(!case.expected.is_empty(), "{file}, {}: nothing is expected", case.name);
    let differ = |(name, expected): (&String, &Value)| {
        let found = found.get(name.as_str());
        let place = format!("{file}, {}, {name}", case.name);
        (found != Some(expected)).then(|| format!("{place}: expected {expected}, found {found:?}"))
    };
    let mut list: Vec<_> = case.expected.iter().filter_map(differ).collect();
    // A refusal that nobody expected is a failure even where the other names happen to match.
    if let Some(code) = found.get("refused").filter(|_| !case.expected.contains_key("refused")) {
        list.push(format!("{file}, {}: refused with {code}", case.name));
    }
    list
}

/// At the level of the proof: whose key it is, is not asked.
fn data_integrity(case: &Case) -> Found {
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

fn sd_jwt(case: &Case) -> Found {
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

fn bitstring(case: &Case) -> Found {
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
/// A step of the chain key, a sealed payload, or a document or statement of a sealed channel.
fn sealing(case: &Case) -> Found {
    let bytes = |name: &str| unhex(case.text(name).unwrap_or_else(|| panic!("{name}")));
    let secret = |name: &str| <[u8; 32]>::try_from(bytes(name)).expect("32 bytes");
    if let Some(steps) = case.input.get("steps") {
        let start = ChainKey::new(secret("chain_key_hex"));
        let there = start.forward(steps.as_u64().expect("a number")).expect("near");
        return Found::from([
            ("chain_key_hex", json!(hex(there.expose()))),
            ("message_key_hex", json!(hex(there.message().expose()))),
        ]);
    }
    let node =
        || SecretKey::from_bytes(KeyType::Ed25519, &secret("node_secret_hex")).expect("a key");
    if let Some(document) = case.text("document") {
        let epoch = match Epoch::parse(document.as_bytes()) {
            Ok(epoch) => epoch,
            Err(e) => return refused(e.code()),
        };
        let did = Did::parse(case.text("node").expect("a node")).expect("a DID");
        let handed = epoch.take(&did, &node()).expect("it opens");
        return Found::from([
            ("cid", json!(epoch.id())),
            ("first", json!(handed.first)),
            ("chain_key_hex", json!(hex(handed.key.expose()))),
        ]);
    }
    if let Some(text) = case.text("statement") {
        let signed = match SignedStatement::parse(text.as_bytes()) {
            Ok(signed) => signed,
            Err(e) => return refused(e.code()),
        };
        return match signed.statement() {
            Statement::Membership(said) => {
                Found::from([("node", json!(said.member.node)), ("lacks", json!(said.lacks))])
            }
            Statement::Grant(grant, _) => {
                let keys = grant.take(&node()).expect("it opens");
                let [handed] = keys.as_slice() else { panic!("one key") };
                Found::from([
                    ("from", json!(handed.from)),
                    ("chain_key_hex", json!(hex(handed.key.expose()))),
                ])
            }
        };
    }
    let name = |name: &str| ContentId::parse(case.text(name).expect("a CID")).expect("a CID");
    let (channel, epoch) = (name("channel"), name("epoch"));
    let sender = Did::parse(case.text("sender").expect("a sender")).expect("a DID");
    let key = DidUrl::parse(case.text("key").expect("a key")).expect("a DID URL");
    let sequence = case.input["sequence"].as_u64().expect("a number");
    let place = Place { channel: &channel, sender: &sender, key: &key, sequence, epoch: &epoch };
    let message = MessageKey::new(secret("message_key_hex"));
    let nonce = <[u8; 12]>::try_from(bytes("nonce_hex")).expect("12 bytes");
    let payload = bytes("payload_hex");
    let sealed = SealedPayload::seal(&payload, &message, &place, nonce).expect("sealed");
    assert_eq!(sealed.open(&message, &place).expect("opens").as_slice(), payload);
    Found::from([
        ("padded", json!(padded(payload.len()))),
        ("sealed_hex", json!(hex(&sealed.encode().expect("bytes")))),
    ])
}

/// A bundle or its manifest: what is read of it. Verifying more is for the tests of audits.
fn bundle(case: &Case) -> Found {
    if let Some(manifest) = case.text("manifest_hex") {
        return match Manifest::parse(&unhex(manifest)) {
            Err(e) => refused(e.code()),
            Ok(read) => Found::from([
                ("channel", json!(read.selection.channel)),
                ("participant", json!(read.exporter.participant)),
                ("made", json!(read.made)),
                ("payloads", json!(read.payloads)),
            ]),
        };
    }
    let file = unhex(case.text("file_hex").expect("a file"));
    match Bundle::parse(&file) {
        Err(e) => refused(e.code()),
        Ok(read) => {
            let missing = read.missing().iter().map(|(_, cid)| cid.to_string());
            let messages = read.entries().messages.iter().map(|m| m.envelope.to_string());
            let at = case.text("at").expect("a time of verification");
            let at = UnixMillis::parse_rfc3339(at).expect("a time");
            let pack = case.text("trust_pack").expect("a trust pack").as_bytes();
            let report = verify_bundle(&read, pack, at, None).expect("it holds");
            Found::from([
                ("root", json!(read.root().to_string())),
                ("missing", json!(missing.collect::<Vec<_>>())),
                ("messages", json!(messages.collect::<Vec<_>>())),
                ("outcome", json!(report.outcome)),
                ("code", json!(report.code)),
                ("not_passed", json!(bad(&report))),
            ])
        }
    }
}

fn envelope(case: &Case) -> Found {
    let bytes = |name: &str| case.text(name).map(unhex);
    let read = match (bytes("wire_hex"), bytes("block_hex")) {
        (Some(wire), _) => Envelope::parse(&wire),
        (None, Some(block)) => Envelope::parse_block(&block),
        (None, None) => panic!("{}: neither wire nor block", case.name),
    };
    let read = match read {
        Ok(read) => read,
        Err(e) => return refused(e.code()),
    };
    let key = PublicKey::from_multikey(case.text("key").expect("a key")).expect("a key");
    let signature = if read.verify(&key).is_ok() { "fits" } else { "does not fit" };
    let jws = read.to_jws();
    let protected = URL_SAFE_NO_PAD.decode(jws.split('.').next().expect("a part")).expect("base64");
    Found::from([
        ("id", json!(read.id())),
        ("payload_id", json!(read.payload_id())),
        ("jws", json!(jws)),
        ("protected", json!(String::from_utf8(protected).expect("text"))),
        ("signature", json!(signature)),
    ])
}

/// The byte at n of the content is n modulo 251.
fn file_blocks(case: &Case) -> Found {
    use gridpass_credentials::content_id::ContentId;
    use gridpass_messaging::files::cutting::digest_of;
    use gridpass_messaging::files::{FileKey, Reference, Sealer};
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let number = |name: &str| case.input[name].as_u64().expect("a number");
    let channel = ContentId::parse(case.text("channel").expect("a channel")).expect("a CID");
    let key = case.input["key_hex"].as_str().map(unhex);
    let key = key.map(|k| FileKey::new(k.try_into().expect("32 bytes")));
    let block_size = u32::try_from(number("block_size")).expect("small");
    let content: Vec<u8> =
        (0..number("content_bytes")).map(|n| u8::try_from(n % 251).expect("small")).collect();
    let mut sealer = Sealer::new(&channel, key.as_ref(), block_size);
    let whole = usize::try_from(block_size).expect("small");
    let count = content.len().div_ceil(whole).max(1);
    let blocks: Vec<_> = (0..count)
        .map(|n| {
            let mut part = content[n * whole..content.len().min((n + 1) * whole)].to_vec();
            sealer.next(&mut part, n + 1 == count).expect("a block")
        })
        .filter(|block| !block.is_empty())
        .collect();
    let (manifest, digests, size) = sealer.finish().expect("a manifest");
    let bytes = manifest.encode().expect("bytes");
    let id = ContentId::of_bytes(&bytes).expect("a name");
    let reference = Reference {
        manifest: id.clone(),
        size,
        name: "meters.csv".into(),
        media_type: "text/csv".into(),
        key,
    };
    let named: Vec<_> = blocks.iter().map(|b| hex(&digest_of(b))).collect();
    Found::from([
        ("block_sha256_hex", json!(named)),
        ("list_hex", json!(hex(digests.as_flattened()))),
        ("manifest_hex", json!(hex(&bytes))),
        ("manifest", json!(id)),
        ("reference", reference.to_payload(serde_json::Map::new())),
    ])
}

fn visa_verdict(case: &Case) -> Found {
    use gridpass_credentials::keeping;
    use gridpass_credentials::trust::Trust;
    use gridpass_credentials::verify::{Expectation, SeenLists};
    let now = UnixMillis::parse_rfc3339(case.text("now").expect("a time")).expect("a time");
    let pack = case.text("trust_pack").expect("a trust pack");
    let trust = match Trust::open(pack.as_bytes(), None, now) {
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
        clock: now,
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

fn resolve(case: &Case) -> Found {
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

fn sign_or_verify(case: &Case) -> Found {
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

fn canonical_text(case: &Case) -> Found {
    let text = case.text("json").expect("JSON");
    let canonical = json::parse_strict(text.as_bytes(), Limits::DOCUMENT)
        .and_then(|value| json::canonicalize(&value));
    canonical_found(canonical)
}

fn canonical_number(case: &Case) -> Found {
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pair = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(pair).collect()
}
