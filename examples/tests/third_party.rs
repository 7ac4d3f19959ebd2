//! Our documents beside other people's: the published schema of UFTP as libxml2 reads it, and the
//! structure of a published grid model and of published readings.

#![allow(missing_docs, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)] // tests may overflow, and then fail

mod common;

use common::{every_kind, moment};
use gridpass_examples::scenario::{Expect, Scenario, Step};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says loudly that something is not run.
fn skipped(what: &str) {
    // Not `eprintln!`: the test harness would swallow it for a test that passes.
    let line = format!("SKIPPED: {what} is absent; documents are not held against it\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
}

/// The same of a program; fails where it must be there.
fn absent(program: &str) {
    let required = std::env::var("GRIDPASS_REQUIRE_INTEROP").is_ok_and(|v| v == "1");
    assert!(!required, "{program} is required and absent");
    skipped(program);
}

/// A file of the folder with other people's files, which a newcomer's clone does not have: nothing can
/// install it.
fn shared(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !folder.exists() {
        skipped(name);
        return None;
    }
    let file = folder.join(name);
    assert!(file.exists(), "{name} is gone from {}", folder.display());
    Some(file)
}

/// Every document of a kind that a scenario sends unspoilt, and those that none sends.
fn documents(kind: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for scenario in Scenario::all().into_iter().chain([every_kind()]) {
        for (_, step) in scenario.steps() {
            let plan = match step {
                Step::Send(send) if send.spoil.is_none() => &send.document,
                Step::SendFile(file) => &file.document,
                _ => continue,
            };
            if kind(plan.schema()) {
                let name = format!("{}-{}", scenario.name, step.id());
                found.push((name, scenario.document(step.id(), &moment(11)).expect("a document")));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// libxml2's answer.
fn lint(schema: &Path, document: &[u8]) -> (bool, String) {
    let mut child = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint starts");
    child.stdin.take().expect("a pipe").write_all(document).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn xmllint() -> bool {
    let found = Command::new("xmllint").arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        absent("xmllint");
    }
    found
}

#[test]
fn uftp_documents_fit_the_published_schema() {
    let (true, Some(schema)) = (xmllint(), shared("shapeshifter/UFTP.xsd")) else { return };
    let uftp = |schema: &str| {
        schema.starts_with("flex-") || schema == "d-prognosis" || schema == "metering"
    };
    let mut roots = BTreeSet::new();
    for (name, bytes) in documents(uftp) {
        let (fits, why) = lint(&schema, &bytes);
        assert!(fits, "{name}: {why}\n{}", String::from_utf8_lossy(&bytes));
        let text = String::from_utf8(bytes).expect("UTF-8");
        let root = text.split_once("?>\n<").and_then(|(_, rest)| rest.split_once(' '));
        roots.insert(root.expect("a root").0.to_owned());
        let broken = text.replacen(" MessageID=", " MassageID=", 1);
        assert!(!lint(&schema, broken.as_bytes()).0, "{name}: the schema is really asked");
    }
    assert_eq!(roots.len(), 14, "{roots:?}");
}

#[test]
fn market_documents_fit_our_schemas_as_libxml2_reads_them() {
    if !xmllint() {
        return;
    }
    for kind in ["reserve-bid", "activation"] {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{kind}.xsd"));
        for (name, bytes) in documents(|schema| schema == kind) {
            let (fits, why) = lint(&schema, &bytes);
            assert!(fits, "{name}: {why}");
        }
    }
}

/// The paths of elements and their attributes, namespaces and all.
fn xml_paths(text: &str) -> BTreeSet<String> {
    let mut reader = Reader::from_str(text);
    let (mut path, mut found): (Vec<String>, _) = (Vec::new(), BTreeSet::new());
    loop {
        let event = reader.read_event().expect("XML");
        let (start, empty) = match &event {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::End(_) => {
                path.pop();
                continue;
            }
            Event::Eof => return found,
            _ => continue,
        };
        path.push(String::from_utf8_lossy(start.name().as_ref()).into_owned());
        let here = path.join("/");
        for attribute in start.attributes() {
            let key = attribute.expect("an attribute").key;
            found.insert(format!("{here}/@{}", String::from_utf8_lossy(key.as_ref())));
        }
        found.insert(here);
        if empty {
            path.pop();
        }
    }
}

#[test]
fn a_grid_model_has_the_structure_of_the_published_one() {
    let Some(theirs) = shared("telemark/Telemark-120-LV1_EQ.xml") else { return };
    let theirs = xml_paths(&std::fs::read_to_string(theirs).expect("a file"));
    for (name, bytes) in documents(|schema| schema == "grid-model") {
        let ours = xml_paths(std::str::from_utf8(&bytes).expect("UTF-8"));
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
            a.difference(b).cloned().collect::<Vec<_>>()
        };
        assert_eq!(only(&ours, &theirs), Vec::<String>::new(), "{name}: what theirs lacks");
        assert_eq!(only(&theirs, &ours), Vec::<String>::new(), "{name}: what ours lacks");
    }
}

/// What a model refers to is in it, but for data sheets, which stand elsewhere.
#[test]
fn a_grid_model_refers_to_what_is_in_it() {
    for (name, bytes) in documents(|schema| schema == "grid-model") {
        let text = String::from_utf8(bytes).expect("UTF-8");
        let after = |mark: &str| -> Vec<&str> {
            text.split(mark).skip(1).filter_map(|t| t.split('"').next()).collect()
        };
        let ids: BTreeSet<&str> = after("rdf:ID=\"").into_iter().collect();
        assert_eq!(ids.len(), after("rdf:ID=\"").len(), "{name}: each name is one object's");
        let sheet = text
            .split("AssetDatasheet rdf:resource=\"#")
            .nth(1)
            .and_then(|t| t.split('"').next())
            .expect("a data sheet");
        for reference in after("rdf:resource=\"#") {
            assert!(ids.contains(reference) || reference == sheet, "{name}: {reference}");
        }
    }
}

fn json_paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                json_paths(member, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(members) => {
            members.iter().for_each(|m| json_paths(m, &format!("{path}[]"), found));
        }
        leaf => {
            let kind = match leaf {
                Value::String(_) => "text",
                Value::Number(_) => "number",
                _ => "other",
            };
            found.insert(format!("{path}: {kind}"));
        }
    }
}

#[test]
fn readings_have_the_structure_of_the_published_ones() {
    let Some(theirs) = shared("telemark/IntervalReading_4Quadrants_1.json") else { return };
    let paths = |bytes: &[u8]| {
        let mut found = BTreeSet::new();
        json_paths(&serde_json::from_slice(bytes).expect("JSON"), "", &mut found);
        found
    };
    let theirs = paths(&std::fs::read(theirs).expect("a file"));
    for (name, bytes) in documents(|schema| schema == "interval-readings") {
        assert_eq!(paths(&bytes), theirs, "{name}");
    }
}

#[test]
fn no_document_is_larger_than_a_message_may_be() {
    for scenario in Scenario::all() {
        for (_, step) in scenario.steps() {
            let Step::Send(send) = step else { continue };
            if let Expect::Delivered(_) = send.expect {
                let bytes = scenario.document(&send.id, &moment(2)).expect("a document");
                assert!(bytes.len() < 256 * 1024, "{}: {}", send.id, bytes.len());
            }
        }
    }
}
