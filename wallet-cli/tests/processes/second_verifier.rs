//! The second verifier of evidence bundles, `tests/independent-verifier/`, written in Python from `spec/` alone,
//! against `gridpass audit verify`: on what it makes itself, and on the bundles of a market day with what can be done
//! to them. It needs python 3.11 or later with `cryptography`; where that is absent the test says so and passes,
//! unless `GRIDPASS_REQUIRE_INTEROP_PYTHON=1`, as continuous integration sets it. `GRIDPASS_PYTHON` names the interpreter.

use crate::common::Place;
use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};

/// What somebody tampers with, and how, is chosen by this number.
const SEED: &str = "5";
/// So many tampered bundles, at least, are held against each other.
const LEAST: u64 = 40;

fn python(args: &[&str]) -> Option<Output> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/independent-verifier");
    let interpreter = std::env::var("GRIDPASS_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut command = Command::new(interpreter);
    // Nothing is written beside the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(folder).args(args).output().ok()
}

/// Whether it can run; says so loudly where it cannot.
fn python_is_here() -> bool {
    let asked = "import sys, cryptography; sys.exit(sys.version_info < (3, 11))";
    let here = python(&["-c", asked]).is_some_and(|o| o.status.success());
    let install = "pip install -r tests/independent-verifier/requirements.txt";
    let required = std::env::var("GRIDPASS_REQUIRE_INTEROP_PYTHON").is_ok_and(|v| v == "1");
    assert!(here || !required, "python 3.11 with cryptography is required and absent: {install}");
    if !here {
        let line = format!("SKIPPED: python 3.11 with cryptography is absent: {install}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    }
    here
}

/// What came of a comparison: the counts, and that there is no difference.
fn agree(more: &[&str]) -> Value {
    let args = [&["agree.py", env!("CARGO_BIN_EXE_gridpass")], more].concat();
    let output = python(&args).expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the verifiers differ:\n{told}{errors}");
    let counts = told.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let counts: Value = counts.unwrap_or_else(|| panic!("no counts:\n{told}{errors}"));
    assert_eq!((&counts["apart"], &counts["passedWrongly"]), (&0.into(), &0.into()), "{told}");
    counts
}

#[test]
fn both_verifiers_say_the_same_of_whole_bundles_and_of_those_that_somebody_tampered_with() {
    if !python_is_here() {
        return;
    }
    let own = python(&["-m", "unittest"]).expect("it runs");
    assert!(own.status.success(), "{}", String::from_utf8_lossy(&own.stderr));
    let made = agree(&[]);
    assert!(made["bundles"].as_u64() >= Some(LEAST), "{made}");

    let place = Place::new();
    let day = place.ok_json("gridpass.demo/2", &["demo", "--keep", "day", "--seed", SEED]);
    assert_eq!(day["failed"], 0, "{day:#}");
    let path = |name: &str| place.path(name).to_str().expect("text").to_owned();
    let counts = agree(&[&path("day/evidence"), &path("day/trust.json"), SEED]);
    assert!(counts["tampered"].as_u64() >= Some(LEAST), "{counts}");
    // The six of the day, as they are, beside those of which nobody can tell.
    assert!(counts["passed"].as_u64() >= Some(6), "{counts}");
    assert!(counts["indeterminate"].as_u64() >= Some(10), "{counts}");
}
