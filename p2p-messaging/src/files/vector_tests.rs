//! The vectors of `spec/vectors/files.json`: everything in them is made again.

use super::cutting::digest_of;
use super::*;
use crate::test_kit::cid;
use gridpass_credentials::content_id::ContentId;
use serde_json::{Map, Value, json};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The content: the numbers of its bytes, modulo 251.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n % 251).expect("small")).collect()
}

fn cases() -> Vec<Value> {
    let mut cases = Vec::new();
    for (name, length) in [("empty", 0), ("short", 300), ("whole blocks", 2048), ("three", 2500)] {
        for key in [None, Some(FileKey::new([7; 32]))] {
            let channel = cid("channel");
            let mut sealer = Sealer::new(&channel, key.as_ref(), 1024);
            let content = content(length);
            let mut parts: Vec<_> = content.chunks(1024).map(<[u8]>::to_vec).collect();
            if parts.is_empty() {
                parts.push(Vec::new());
            }
            let count = parts.len();
            let parts = parts.iter_mut().enumerate();
            let blocks: Vec<_> =
                parts.map(|(n, p)| sealer.next(p, n + 1 == count).expect("made")).collect();
            let (manifest, digests, size) = sealer.finish().expect("a manifest");
            let bytes = manifest.encode().expect("bytes");
            let id = ContentId::of_bytes(&bytes).expect("a name");
            let reference = Reference {
                manifest: id.clone(),
                size,
                name: "meters.csv".into(),
                media_type: "text/csv".into(),
                key: key.clone(),
            };
            let blocks = blocks.iter().filter(|b| !b.is_empty());
            cases.push(json!({
                "name": format!("{name}, {}", if key.is_some() { "sealed" } else { "open" }),
                "input": {
                    "content_bytes": length,
                    "block_size": 1024,
                    "channel": channel,
                    "key_hex": key.as_ref().map(|k| hex(k.expose())),
                },
                "expected": {
                    "block_sha256_hex":
                        blocks.map(|b| hex(&digest_of(b))).collect::<Vec<_>>(),
                    "list_hex": hex(digests.as_flattened()),
                    "manifest_hex": hex(&bytes),
                    "manifest": id,
                    "reference": reference.to_payload(Map::new()),
                },
            }));
        }
    }
    cases
}

#[test]
fn the_published_vectors_are_made_again() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/files.json");
    let made = json!({
        "source": "Gridpass, spec/files.md",
        "kind": "files",
        "cases": cases(),
    });
    if std::env::var_os("GRIDPASS_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&made).expect("text");
        std::fs::write(path, format!("{text}\n")).expect("written");
    }
    let read: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    assert_eq!(read, made);
}
