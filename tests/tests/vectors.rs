//! Runs every file of `spec/vectors/`: published facts (RFCs, W3C) and our own refusals.
//!
//! The format is described in `spec/vectors/README.md`. A file of an unknown kind, a case with
//! nothing to check and a file without cases fail: no vector is ever passed over.

use gridpass_identity::jwk::Jwk;
use gridpass_identity::key::{KeyType, PublicKey, SecretKey};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

#[path = "vectors/channels.rs"]
mod channels;
#[path = "vectors/credentials.rs"]
mod credentials;
#[path = "vectors/decisions.rs"]
mod decisions;
#[path = "vectors/documents.rs"]
mod documents;
#[path = "vectors/frames.rs"]
mod frames;
#[path = "vectors/identities.rs"]
mod identities;
#[path = "vectors/keys.rs"]
mod keys;
#[path = "vectors/lists.rs"]
mod lists;
#[path = "vectors/logs.rs"]
mod logs;
#[path = "vectors/made.rs"]
mod made;
#[path = "vectors/messages.rs"]
mod messages;
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
                "did-key" | "did-jwk" => identities::resolve(case),
                "jws" => identities::sign_or_verify(case),
                "jcs" => identities::canonical_text(case),
                "jcs-number" => identities::canonical_number(case),
                "visa-verdict" => credentials::visa_verdict(case),
                "data-integrity" => credentials::data_integrity(case),
                "sd-jwt" => credentials::sd_jwt(case),
                "bitstring" => credentials::bitstring(case),
                "envelope" => messages::envelope(case),
                "sealing" => messages::sealing(case),
                "files" => messages::file_blocks(case),
                "bundle" => messages::bundle(case),
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
    assert!(cases_by_file.len() >= 56, "files were lost: {cases_by_file:?}");
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pair = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(pair).collect()
}
