//! The dependencies' licences and known advisories, checked without a network.
//!
//! Licences come from each package's own manifest. Advisories come from `.ci/advisories.json`,
//! facts of the RustSec database as of the date in it; `.ci/advisories-update` writes it anew. An
//! advisory that came later is not seen: the date is printed, and a new release starts with an
//! update.

use gridpass_tests::root;
use serde_json::Value;
use std::collections::BTreeSet;

/// Licences under which Gridpass may be distributed: permissive ones, and MPL-2.0, which binds
/// only changes to the package's own files.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages that name no licence in their manifest, and what their licence file says.
const LICENCE_FILES: &[(&str, &str)] = &[("sshkeys", "BSD-2-Clause")];

/// Advisories that hold for a package in the tree, and why it stays. Every one must still hold.
const ACCEPTED: &[(&str, &str)] = &include!("accepted_advisories.in");

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("JSON")
}

fn packages() -> Vec<Value> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    json(&output.stdout)["packages"].as_array().expect("packages").clone()
}

#[test]
fn every_licence_is_one_that_we_may_distribute_under() {
    let packages = packages();
    assert!(packages.len() > 300, "the whole tree is seen");
    let mut refused = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap_or_default();
        let known = LICENCE_FILES.iter().find(|(n, _)| *n == name).map(|(_, licence)| *licence);
        let text = package["license"].as_str().or(known).unwrap_or("none").to_owned();
        let expression = spdx::Expression::parse_mode(&text, spdx::ParseMode::LAX);
        let allowed = expression.is_ok_and(|e| {
            e.evaluate(|r| {
                let id = r.license.id().map(|id| id.name);
                id.is_some_and(|id| LICENCES.contains(&id))
            })
        });
        if !allowed {
            refused.push(format!("{name}: {text}"));
        }
    }
    assert!(refused.is_empty(), "licences to look at: {refused:#?}");
}

#[test]
fn every_known_advisory_is_fixed_or_accepted_with_a_reason() {
    let table = std::fs::read(root().join(".ci/advisories.json")).expect("the table of advisories");
    let table = json(&table);
    println!("advisories as of {}", table["as_of"]);
    let packages = packages();
    let (mut open, mut seen) = (BTreeSet::new(), 0);
    for advisory in table["advisories"].as_array().expect("a list") {
        let matches = |version: &semver::Version, list: &Value| {
            list.as_array().into_iter().flatten().any(|range| {
                let range = range.as_str().unwrap_or_default();
                semver::VersionReq::parse(range).is_ok_and(|r| r.matches(version))
            })
        };
        for package in packages.iter().filter(|p| p["name"] == advisory["package"]) {
            seen += 1;
            let version = package["version"].as_str().expect("a version");
            let version = semver::Version::parse(version).expect("a semantic version");
            if !matches(&version, &advisory["patched"])
                && !matches(&version, &advisory["unaffected"])
            {
                open.insert(format!(
                    "{} {} {version} ({})",
                    advisory["id"].as_str().unwrap_or_default(),
                    package["name"].as_str().unwrap_or_default(),
                    advisory["kind"].as_str().unwrap_or_default(),
                ));
            }
        }
    }
    assert!(seen > 50, "the table knows packages of the tree");
    let accepted = |line: &String| ACCEPTED.iter().any(|(id, _)| line.starts_with(id));
    let new: Vec<&String> = open.iter().filter(|line| !accepted(line)).collect();
    assert!(new.is_empty(), "advisories that hold and are not accepted: {new:#?}");
    for (id, why) in ACCEPTED {
        println!("accepted: {id}: {why}");
        assert!(open.iter().any(|line| line.starts_with(id)), "{id} holds no more: take it out");
    }
}
