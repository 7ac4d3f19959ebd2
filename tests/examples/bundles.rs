//! Writes `spec/vectors/bundle.json`, and the seeds of the fuzz target, from a scene of the tests: run again
//! after the format changed.

// A panic is the answer of a program that developers run.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use gridpass_messaging::bundle::{Bundle, verify};
use gridpass_messaging::checking::Source;
use gridpass_messaging::node::{NodeKey, Payloads};
use gridpass_tests::evidence::{LATER, Scene, bad};
use gridpass_tests::parts::{Parts, sections, without};
use gridpass_tests::world::{NOW, Party};
use serde_json::{Value, json};
use std::path::Path;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut scene = Scene::new(folder.path(), 20, |_| ());
    let sent = scene.alone.send(NOW);
    scene.receive(&sent, Source::Live, NOW);
    scene.confirm(&sent, &[(1, 1)], NOW.plus_millis(10));
    let whole = scene.export();
    let withheld = scene.export_with(|asked| asked.payloads = Payloads::Withhold);
    let parts = Parts::of(&whole);
    let manifest = Bundle::parse(&whole).expect("a bundle").manifest().encode().expect("bytes");
    let all = sections(&whole);
    let begin = whole.len() - all.iter().map(|(_, _, s)| s.len()).sum::<usize>();
    let ordered = |order: &[usize]| {
        let mut out = whole[..begin].to_vec();
        order.iter().for_each(|i| out.extend(&all[*i].2));
        out
    };
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.swap(all.len() - 2, all.len() - 1);
    let mut twice: Vec<usize> = (0..all.len()).collect();
    twice.push(all.len() - 1);
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let lists: Vec<String> = parts.entries.lists.iter().map(ToString::to_string).collect();
    let admission: Vec<String> = parts.entries.admissions.iter().map(ToString::to_string).collect();
    let mut refused = parts.clone();
    refused.entries.messages[0].allowed = false;
    let mut other = parts.clone();
    other.entries.messages[0].content = Some(other.put(b"{\"bid\":50000}"));
    let stranger = Party::new(99);
    let forged = NodeKey { key: stranger.key.clone(), key_id: scene.key().key_id };
    let pack = scene.pack.clone();
    let case = |name: &str, bytes: &[u8]| case(name, bytes, &pack);
    let cases = vec![
        case("everything is there", &whole),
        case("the payload is withheld", &withheld),
        case("the status lists are missing", &without(&whole, &lists)),
        case("the admission is missing", &without(&whole, &admission)),
        case("the exporter says that it refused what it allowed", &refused.signed_by(&scene.key())),
        case("another payload is listed", &other.signed_by(&scene.key())),
        case("another key signed the manifest", &parts.signed_by(&forged)),
        case("a flipped bit in the last block", &flipped),
        case("cut within the last block", &whole[..last]),
        case("two blocks exchanged", &ordered(&order)),
        case("a block twice", &ordered(&twice)),
        case("another kind of file", b"PK\x03\x04../../etc/passwd"),
        manifest_case("a manifest", &manifest),
        manifest_case("a manifest of a later version", &later(&manifest)),
        manifest_case("a manifest with something behind it", &[manifest.as_slice(), &[0]].concat()),
    ];
    let file = json!({
        "source": "Gridpass",
        "kind": "bundle",
        "cases": cases,
    });
    let root = gridpass_tests::root();
    let text = serde_json::to_string_pretty(&file).expect("JSON") + "\n";
    std::fs::write(root.join("spec/vectors/bundle.json"), text).expect("written");
    let corpus = root.join("tests/fuzz/corpus/bundle");
    std::fs::create_dir_all(&corpus).expect("a folder");
    write(&corpus, "whole", &whole);
    write(&corpus, "withheld", &withheld);
    write(&corpus, "lists-missing", &without(&whole, &lists));
    write(&corpus, "manifest", &manifest);
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("written");
}

fn later(manifest: &[u8]) -> Vec<u8> {
    // The member `formatVersion` ends in its value.
    let at = manifest.windows(13).position(|w| w == b"formatVersion").expect("a version") + 13;
    let mut bent = manifest.to_vec();
    bent[at] = 2;
    bent
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn case(name: &str, bytes: &[u8], pack: &[u8]) -> Value {
    let mut input = json!({"file_hex": hex(bytes)});
    let expected = match Bundle::parse(bytes) {
        Err(e) => json!({"refused": e.code()}),
        Ok(read) => {
            let missing: Vec<_> = read.missing().iter().map(|(_, cid)| cid.to_string()).collect();
            let messages: Vec<_> =
                read.entries().messages.iter().map(|m| m.envelope.to_string()).collect();
            let report = verify(&read, pack, LATER, None).expect("a trust pack");
            input["trust_pack"] = std::str::from_utf8(pack).expect("JSON").into();
            input["at"] = json!(LATER);
            json!({
                "root": read.root().to_string(), "missing": missing, "messages": messages,
                "outcome": report.outcome, "code": report.code, "not_passed": bad(&report),
            })
        }
    };
    json!({"name": name, "input": input, "expected": expected})
}

fn manifest_case(name: &str, bytes: &[u8]) -> Value {
    let expected = match gridpass_messaging::bundle::Manifest::parse(bytes) {
        Err(e) => json!({"refused": e.code()}),
        Ok(read) => json!({
            "channel": read.selection.channel,
            "participant": read.exporter.participant,
            "made": read.made,
            "payloads": read.payloads,
        }),
    };
    json!({"name": name, "input": {"manifest_hex": hex(bytes)}, "expected": expected})
}
