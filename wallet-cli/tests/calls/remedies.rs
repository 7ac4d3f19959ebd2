//! What is said next where somebody went wrong: it names what is meant.

use crate::common::Place;
use crate::common::waiting::wait_for_next_second;
use crate::parties::{Party, framework};
use gridpass_identity::time::UnixMillis;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

const OFFICE: &str = "flex.gb.licensing-body";
const SUPPLIER: &str = "flex.gb.supplier";

fn says(error: &Value, member: &str, what: &str) {
    assert!(error[member].as_str().is_some_and(|text| text.contains(what)), "{what:?}: {error}");
}

/// A body that issues a role by its own, and a holder; all trust the second pack.
fn delegated(place: &Place) -> (Party<'_>, Party<'_>, Party<'_>) {
    let (regulator, holder) = framework(place);
    let body = Party::new(place, "body");
    regulator.ok(&["role", "define", OFFICE]);
    regulator.ok(&["role", "define", SUPPLIER, "--issued-by", OFFICE]);
    regulator.ok(&["charter", "add-role", OFFICE, SUPPLIER]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    for party in [&holder, &body] {
        party.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    }
    (regulator, body, holder)
}

#[test]
fn who_may_issue_a_role_is_named_to_whoever_asks_for_it() {
    let place = Place::new();
    let (_, _, holder) = delegated(&place);
    let ask = ["visa", "request", SUPPLIER, "-o", "request.json"];
    says(&holder.refused("GP-USAGE", 2, &ask), "message", &format!("holders of {OFFICE}"));
}

#[test]
fn a_visa_of_an_issuer_whose_key_is_marked_is_not_listed_without_a_word() {
    let place = Place::new();
    let (regulator, body, holder) = delegated(&place);
    let to = ["visa", "issue", "--to", &body.did, "--role", OFFICE, "-o", "authority.json"];
    regulator.ok(&to);
    body.ok(&["visa", "accept", "authority.json"]);
    let to = ["visa", "issue", "--to", &holder.did, "--role", SUPPLIER, "-o", "visa.json"];
    body.ok(&to);
    holder.ok(&["visa", "accept", "visa.json"]);
    let row = || holder.json("gridpass.visa.list/1", &["visa", "list"])["visas"][0].clone();
    assert_eq!((&row()["state"], &row()["code"]), (&"held".into(), &Value::Null));

    wait_for_next_second();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let since =
        UnixMillis::new(u64::try_from(since.as_millis()).expect("a time")).floor_to_second();
    body.ok(&["id", "rotate", "root", "--compromised-since", &since.to_string()]);
    body.ok(&["id", "export", "root", "-o", "body.jsonl"]);
    holder.ok(&["id", "resolve", &body.did, "--log", "body.jsonl", "--save"]);
    let row = row();
    assert_eq!(row["code"], "GP-KEY-COMPROMISED-SINCE", "{row:#}");
}

#[test]
fn who_reads_a_presentation_says_what_is_done_with_its_file() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let role = "flex.gb.aggregator";
    let issue = ["visa", "issue", "--to", &holder.did, "--role", role, "--claim", "zone=GB-1"];
    regulator.ok(&[&issue[..], &["-o", "visa.json"]].concat());
    holder.ok(&["visa", "accept", "visa.json"]);
    let channel = "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77grai";
    let present = |to: &str, file: &str| {
        let shown = holder.ok(&["visa", "present", role, "--to", to, "-o", file]);
        shown.text().to_owned()
    };
    let told = present(channel, "channel.json");
    assert!(told.contains("gridpass node add") && !told.contains("visa verify"), "{told}");
    let told = present(&regulator.did, "did.json");
    assert!(told.contains("visa verify") && !told.contains("node add"), "{told}");
}

#[test]
fn words_that_are_no_types_files_or_profiles_are_called_so() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let define = ["role", "define", "flex.gb.new", "--claim", "since:date"];
    let refused = regulator.refused("GP-USAGE", 2, &define);
    says(&refused, "message", "date");
    says(&refused, "next", "string, integer");
    let lint = regulator.refused("GP-FILE-NOT-READ", 5, &["policy", "lint", "missing.json"]);
    says(&lint, "message", "missing.json");
    let unknown = regulator.refused("GP-NOT-KEPT", 5, &["policy", "lint", "flex.gb.missing"]);
    says(&unknown, "next", "channel list");

    let call = |args: &[&str]| {
        let mut command = place.bare();
        command.env("GRIDPASS_PROFILE", "").arg("--json").args(args);
        command.output().expect("it runs")
    };
    let refused = call(&["wallet", "status"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("GP-PROFILE-NAME") && told.contains("GRIDPASS_PROFILE"), "{told}");
    let doctor = call(&["doctor"]);
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(!doctor.status.success() && told.contains("GP-PROFILE-NAME"), "{told}");
}

#[test]
fn an_xsd_that_is_given_as_a_schema_is_to_be_pinned() {
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    place.write("bid.xsd", "<?xml version='1.0'?>\n<xs:schema/>");
    place.write("bid.xml", "<Bid/>");
    let new = ["channel", "new", "flex.gb.bids", "--publish", "flex.gb.aggregator"];
    let new = [&new[..], &["--topic", "bids=bid.xsd"]].concat();
    for args in [&new[..], &["schema", "validate", "bid.xsd", "bid.xml"]] {
        let refused = place.refused("GP-SCHEMA-MALFORMED", 16, args);
        says(&refused, "next", "gridpass schema pin");
        says(&refused, "next", "--media-type");
    }
}
