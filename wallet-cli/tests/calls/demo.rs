//! `gridpass demo`, as far as it starts no nodes: market processes of somebody's own.

use crate::common::Place;
use serde_json::Value;
use std::path::Path;

fn published(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/scenarios");
    let bytes = std::fs::read(folder.join(format!("{name}.json"))).expect("a file");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn a_market_process_of_ones_own_is_checked_and_its_faults_have_codes() {
    let place = Place::new();
    let mut own = published("onenet-spain");
    own["name"] = "mine".into();
    place.write("mine.json", &own.to_string());
    let check = ["demo", "--list", "--scenario-file", "mine.json"];
    let listed = place.ok_json("gridpass.demo.list/1", &check);
    assert_eq!(listed["scenarios"][0]["name"], "mine");
    assert_eq!(listed["scenarios"].as_array().map(Vec::len), Some(1));
    assert!(place.ok(&check).text().contains("next: gridpass demo --scenario-file mine.json"));

    let mut table = own.clone();
    let row = table["policy"][0].as_object_mut().expect("a case");
    row.remove("because");
    row.remove("codes");
    let expected = if row["expect"] == "allow" { "deny" } else { "allow" };
    row.insert("expect".into(), expected.into());
    let (mut root, mut title) = (own.clone(), own);
    root["root"] = "nobody".into();
    title["title"] = "a".repeat(1001).into();
    for (text, code, status) in [
        (table.to_string(), "GP-SCENARIO-TABLE", 10),
        (root.to_string(), "GP-SCENARIO-REFERENCE", 16),
        (title.to_string(), "GP-SCENARIO-MALFORMED", 16),
        ("{".to_owned(), "GP-SCENARIO-MALFORMED", 16),
        (" ".repeat(1024 * 1024 + 1), "GP-FILE-TOO-LARGE", 2),
    ] {
        place.write("bad.json", &text);
        let bad = ["demo", "--scenario-file", "bad.json"];
        for more in [&["--list"][..], &["--keep", "kept"]] {
            let error = place.refused(code, status, &[&bad[..], more].concat());
            let message = error["message"].as_str().expect("a message");
            assert!(message.contains("bad.json") && message.len() < 2000, "{message}");
        }
    }
    assert!(!place.path("kept").exists());
    place.refused("GP-FILE-NOT-READ", 5, &["demo", "--scenario-file", "nothing.json"]);
    place.refused("GP-USAGE", 2, &[&check[..], &["--scenario", "market-day"]].concat());
}

#[test]
fn the_demonstration_runs_and_leaves_wallets_to_look_at() {
    let place = Place::new();
    let ran = place.ok(&["--json", "demo", "--tour", "--keep", "grid"]);
    let json = ran.json();
    let said = (json["schema"].as_str(), json["outcome"].as_str());
    assert_eq!(said, (Some("gridpass.demo.tour/1"), Some("passed")));
    // Beside the answer each line is an object, as with every command.
    let hints = ran.objects_on_stderr();
    assert!(hints.iter().all(|h| h["schema"] == "gridpass.hint/1"), "{hints:?}");
    assert!(hints.len() > 10, "{hints:?}");
    let args =
        ["--home", "grid", "--profile", "dso-north", "--passphrase-file", "grid/passphrase.txt"];
    let list = place.ok(&[&args[..], &["id", "list"]].concat());
    assert!(list.text().contains("did:webvh:"), "{}", list.text());
    place.refused("GP-FILE-EXISTS", 8, &["demo", "--tour", "--keep", "grid"]);
}
