//! Cases that are made here rather than copied from somebody: `GRIDPASS_WRITE_VECTORS=1` writes them anew,
//! with what came out as what is expected. Each says beforehand which code that must be.

use crate::{Case, Found};
use gridpass_credentials::integrity::Suite;
use gridpass_identity::report::Check;
use gridpass_identity::time::UnixMillis;
use gridpass_tests::world::{self, Party};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// A case before it was run.
pub(crate) struct Made {
    name: String,
    input: Value,
    code: Option<&'static str>,
}

/// A case that comes out with this code, refused or not.
pub(crate) fn with_code(name: &str, input: Value, code: &'static str) -> Made {
    Made { name: name.into(), input, code: Some(code) }
}

/// A case that is not refused and has no code.
pub(crate) fn plain(name: &str, input: Value) -> Made {
    Made { name: name.into(), input, code: None }
}

/// Runs cases and writes them as a file of this name. Answers with those that come out with another code.
pub(crate) fn write(
    folder: &Path,
    (name, kind): (&str, &str),
    run: fn(&Case) -> Found,
    all: Vec<Made>,
) -> Vec<String> {
    let mut others = Vec::new();
    let mut cases = Vec::new();
    for Made { name, input, code } in all {
        let members: BTreeMap<String, Value> =
            serde_json::from_value(input.clone()).expect("an object");
        let found = run(&Case { name: name.clone(), input: members, expected: BTreeMap::new() });
        let came = found.get("refused").or_else(|| found.get("code")).and_then(Value::as_str);
        if came != code {
            others.push(format!("{kind}, {name}: {code:?}, not {found:?}"));
        }
        cases.push(json!({"name": name, "input": input, "expected": found}));
    }
    let file = json!({"source": "Gridpass", "kind": kind, "cases": cases});
    let text = serde_json::to_string_pretty(&file).expect("JSON") + "\n";
    std::fs::write(folder.join(name), text).expect("written");
    others
}

/// Checks, without their sentences.
pub(crate) fn told(checks: &[Check]) -> Value {
    let one = |c: &Check| json!({"name": c.name, "outcome": c.outcome, "code": c.code});
    checks.iter().map(one).collect()
}

/// The `eddsa-jcs-2022` signatures of parties at times.
pub(crate) fn proofs(document: &Value, signers: &[(&Party, UnixMillis)]) -> Value {
    let one = |(party, at): &(&Party, UnixMillis)| {
        let made = |o: &mut gridpass_credentials::integrity::ProofOptions| o.created = *at;
        world::raw_proof(party, document, Suite::EddsaJcs2022, made)["proof"].clone()
    };
    signers.iter().map(one).collect()
}

/// The same document with these in `proof`.
pub(crate) fn signed(document: &Value, signers: &[(&Party, UnixMillis)]) -> Value {
    let mut whole = document.clone();
    whole["proof"] = proofs(document, signers);
    whole
}

/// A document whose members a function changes.
pub(crate) fn bent(document: &Value, bend: impl FnOnce(&mut Value)) -> Value {
    let mut changed = document.clone();
    bend(&mut changed);
    changed
}

/// JCS.
pub(crate) fn jcs(value: &Value) -> String {
    let bytes = gridpass_identity::json::canonicalize(value).expect("a canonical form");
    String::from_utf8(bytes).expect("text")
}

/// The same document without a member.
pub(crate) fn without(document: &Value, member: &str) -> Value {
    bent(document, |d| drop(d.as_object_mut().expect("an object").remove(member)))
}
