//! The market day, as whoever runs it first sees it: real processes, real documents, and what is
//! refused.

// A test fails by panicking.

use crate::common::Place;
use serde_json::Value;

fn step<'s>(answer: &'s Value, name: &str) -> &'s Value {
    let steps = answer["steps"].as_array().expect("steps");
    steps.iter().find(|s| s["step"] == name).unwrap_or_else(|| panic!("there is no step {name}"))
}

#[test]
fn the_market_day_ends_well_and_what_must_be_refused_is_and_the_folder_can_be_looked_into() {
    let place = Place::new();
    let ran = place.ok(&["--json", "demo", "--keep", "day", "--seed", "3"]);
    let answer = ran.json();
    assert_eq!(answer["schema"], "gridpass.demo/2");
    // As with every command, each line beside the answer is an object.
    let hints = ran.objects_on_stderr();
    assert!(hints.iter().all(|h| h["schema"] == "gridpass.hint/1"), "{hints:?}");
    assert!(hints.len() > 20, "a step for each: {hints:?}");
    assert_eq!(answer["failed"], 0, "{answer:#}");
    for (name, code) in [
        ("bid-beta-wrong-zone", "GP-POLICY-UNMET"),
        ("bid-alpha-malformed", "GP-PAYLOAD-SCHEMA"),
        ("bid-alpha-as-gamma", "GP-POLICY-UNMET"),
        ("bid-replayed", "GP-ENVELOPE-DUPLICATE"),
        ("bid-tampered", "GP-SIGNATURE-INVALID"),
        ("order-gamma-accepted", "GP-POLICY-UNMET"),
        ("activation-wrong-operator", "GP-POLICY-UNMET"),
        ("activation-elsewhere", "GP-PAYLOAD-SCHEMA"),
        ("readings-without-consent", "GP-POLICY-UNMET"),
    ] {
        assert_eq!(
            (&step(&answer, name)["outcome"], &step(&answer, name)["code"]),
            (&"refused".into(), &code.into())
        );
    }
    for name in ["model-north", "order-alpha", "beta-returns", "exchange-restarted"] {
        assert_eq!(step(&answer, name)["outcome"], "done", "{name}");
    }
    let reached = answer["revocationMillis"]["gamma-revoked"].as_object().expect("times");
    assert_eq!(reached.len(), 6, "{reached:?}");

    // With the ordinary commands.
    let look = |profile: &str, words: &[&str]| {
        let home = ["--home", "day", "--passphrase-file", "day/passphrase.txt", "--json"];
        let ran = place.run_bare(&[&home[..], &["--profile", profile], words].concat());
        assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
        ran.json()
    };
    let visas = look("alpha", &["visa", "list"]);
    assert!(visas.to_string().contains("flex.day.aggregator"), "{visas}");
    let store = look("exchange-node", &["node", "check"]);
    let nothing = Value::Array(Vec::new());
    assert_eq!((&store["damaged"], &store["missing"]), (&nothing, &nothing));
    let doctor = place.run_bare(&["--home", "day", "--json", "doctor"]).json();
    let checks = doctor["checks"].as_array().expect("checks");
    let home = checks.iter().find(|c| c["name"] == "home").expect("it looks at the folder");
    assert_eq!(home["outcome"], "passed", "{home}");
    place.refused("GP-FILE-EXISTS", 8, &["demo", "--keep", "day"]);
}

#[test]
fn processes_are_listed_and_an_unknown_one_is_named() {
    let place = Place::new();
    let listed = place.ok_json("gridpass.demo.list/1", &["demo", "--list"]);
    let names = listed["scenarios"].as_array().expect("scenarios");
    assert!(names.iter().any(|s| s["name"] == "market-day"), "{names:?}");
    let unknown = ["demo", "--scenario", "nothing", "--keep", "kept"];
    place.refused("GP-SCENARIO-UNKNOWN", 5, &unknown);
    assert!(!place.path("kept").exists(), "it is in the way of the next call");
    // What would do nothing is refused.
    for more in [
        &["--list", "--seed", "7"][..],
        &["--list", "--scale", "2"],
        &["--tour", "--seed", "7"],
        &["--tour", "--scale", "2"],
        &["--scenario", "onenet-france", "--scale", "2", "--keep", "kept"],
    ] {
        place.refused("GP-USAGE", 2, &[&["demo"], more].concat());
    }
    assert!(!place.path("kept").exists());
}
