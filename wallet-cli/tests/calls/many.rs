//! Many requests at once: looked at, issued for, refused. Each is answered as it is alone.

use crate::common::{Place, codes_of};
use crate::parties::{Party, framework};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ROLE: &str = "flex.gb.aggregator";
const SUPPLIER: &str = "flex.gb.supplier";

/// A regulator and two holders; one may be an aggregator, and lacks what a supplier must have first.
fn office(place: &Place) -> (Party<'_>, Party<'_>, Party<'_>) {
    let (regulator, holder) = framework(place);
    let second = Party::new(place, "second");
    regulator.ok(&["role", "define", SUPPLIER, "--requires", ROLE]);
    regulator.ok(&["charter", "add-role", SUPPLIER]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    for party in [&holder, &second] {
        party.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    }
    std::fs::create_dir(place.path("requests")).expect("a folder");
    (regulator, holder, second)
}

/// What a call answers for several, and its exit status.
fn answer(party: &Party<'_>, schema: &str, args: &[&str]) -> (i32, Value) {
    let ran = party.place.run(&party.args(&[&["--json"], args].concat()));
    let json = ran.json();
    assert_eq!(json["schema"], schema, "{args:?}");
    (ran.status, json)
}

#[test]
fn a_folder_of_requests_is_looked_at_and_each_says_what_it_lacks() {
    let place = Place::new();
    let (regulator, holder, _) = office(&place);
    let zone = ["--claim", "zone=GB-1", "-o", "requests/a.json"];
    holder.ok(&[&["visa", "request", ROLE], &zone[..]].concat());
    holder.ok(&["visa", "request", SUPPLIER, "-o", "requests/b.json"]);
    let schema = "gridpass.visa.review-many/1";
    let call = ["visa", "review", "requests"];
    let (status, json) = answer(&regulator, schema, &call);
    assert_eq!(status, 11, "{json:#}");
    let (good, open) = (&json["requests"][0], &json["requests"][1]);
    assert_eq!((&good["outcome"], &good["missing"]), (&"passed".into(), &json!([])), "{good:#}");
    assert_eq!((&good["requires"], &open["requires"]), (&Value::Null, &ROLE.into()));
    assert_eq!(good["statement"]["holder"], holder.did.as_str());
    assert_eq!(open["outcome"], "indeterminate", "{open:#}");
    assert_eq!(open["missing"][0]["code"], "GP-PRECONDITIONS-UNKNOWN", "{open:#}");
    // As alone.
    for (row, file) in [(good, "requests/a.json"), (open, "requests/b.json")] {
        assert_eq!(row["request"], file);
        let (_, alone) = answer(&regulator, "gridpass.visa.review/1", &["visa", "review", file]);
        assert_eq!((&row["id"], &row["outcome"]), (&alone["request"], &alone["outcome"]));
        assert_eq!(codes_of(row), codes_of(&alone));
    }
    let ran = place.run(&regulator.args(&call));
    let said = ran.text();
    assert!(said.contains(&holder.did) && said.contains("requires  flex.gb.aggregator"), "{said}");
    // What is claimed is seen before the whole folder is issued.
    assert!(said.contains("zone") && said.contains("GB-1"), "{said}");
    assert!(said.contains("1 passed, 0 failed, 1 cannot be decided"), "{said}");
    // One that is none keeps nobody from the others, and is worse than one that is open.
    place.write("requests/c.json", "no request");
    let (status, json) = answer(&regulator, schema, &call);
    assert!(status != 0 && status != 11, "{status}: {json:#}");
    assert_eq!((&json["passed"], &json["unreadable"]), (&1.into(), &1.into()), "{json:#}");
    assert!(json["requests"][2]["code"].is_string(), "{json:#}");
    // It was only looked at.
    let listed = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    assert_eq!(listed["visas"], json!([]));
}

#[test]
fn a_folder_of_requests_is_refused_for_one_reason() {
    let place = Place::new();
    let (regulator, holder, second) = office(&place);
    let ask = |party: &Party<'_>, file: &str| {
        party.ok(&["visa", "request", ROLE, "--claim", "zone=GB-1", "-o", file]);
    };
    ask(&holder, "requests/a.json");
    place.write("requests/b.json", "no request");
    ask(&second, "requests/c.json");
    let refuse = ["visa", "refuse", "requests", "--reason", "the season is full"];
    regulator.refused("GP-USAGE", 2, &refuse);
    regulator.refused("GP-USAGE", 2, &[&refuse[..], &["-o", "requests"]].concat());
    let schema = "gridpass.visa.refuse-many/1";
    let call = [&refuse[..], &["-o", "refusals/"]].concat();
    let (status, json) = answer(&regulator, schema, &call);
    assert!(status != 0, "{json:#}");
    assert_eq!((&json["refused"], &json["failed"]), (&2.into(), &1.into()), "{json:#}");
    assert_eq!(json["requests"][1]["outcome"], "failed", "{json:#}");
    for (party, name) in [(&holder, "a.json"), (&second, "c.json")] {
        let (request, refusal) = (format!("requests/{name}"), format!("refusals/{name}"));
        let verify = ["visa", "verify", &refusal];
        let told = party.json("gridpass.visa.verify-refusal/1", &verify);
        assert_eq!(told["refusal"]["reason"], "the season is full");
        assert_eq!(told["refusal"]["holder"], party.did.as_str());
        // Kept as one alone is.
        let issue = ["visa", "issue", &request, "-o", "visa.json"];
        regulator.refused("GP-REQUEST-REFUSED", 8, &issue);
    }
    // Where a visa counts, no refusal says the opposite; and nothing is written over in silence.
    let despite = ["--despite-refusal", "-o", "visa.json"];
    regulator.ok(&[&["visa", "issue", "requests/a.json"], &despite[..]].concat());
    let (_, json) = answer(&regulator, schema, &call);
    assert_eq!(json["requests"][2]["code"], "GP-FILE-EXISTS", "{json:#}");
    let (status, json) = answer(&regulator, schema, &[&call[..], &["--force"]].concat());
    assert_eq!((status, &json["refused"]), (8, &1.into()), "{json:#}");
    assert_eq!(json["requests"][0]["code"], "GP-REQUEST-ANSWERED", "{json:#}");
}

#[test]
fn visas_that_are_issued_together_have_places_of_their_own_on_lists_that_are_signed_once() {
    let place = Place::new();
    let (regulator, holder, second) = office(&place);
    for (party, name) in [(&holder, "a"), (&second, "b")] {
        let file = format!("requests/{name}.json");
        party.ok(&["visa", "request", ROLE, "--claim", "zone=GB-1", "-o", &file]);
    }
    // The same request once more is not answered with a second visa.
    let copy = place.path("requests/c.json");
    std::fs::copy(place.path("requests/a.json"), copy).expect("copied");
    let call = ["visa", "issue", "requests", "-o", "visas/"];
    // By no other clock than its own: charters that are ahead would count by that.
    let ahead = [&call[..], &["--clock", "2100-01-01T00:00:00Z"]].concat();
    regulator.refused("GP-USAGE", 2, &ahead);
    let (status, json) = answer(&regulator, "gridpass.visa.issue-many/1", &call);
    let counts = (&json["issued"], &json["written_again"], &json["refused"]);
    assert_eq!((status, counts), (0, (&2.into(), &1.into(), &0.into())), "{json:#}");
    let rows = json["requests"].as_array().expect("rows");
    assert_eq!(rows[0]["visa"], rows[2]["visa"], "{json:#}");
    let listed = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let visas = listed["visas"].as_array().expect("rows");
    assert_eq!(visas.len(), 2, "{listed:#}");
    let entries = visas.iter().flat_map(|row| row["visa"]["status"].as_array().expect("a status"));
    let places: BTreeSet<String> = entries.map(ToString::to_string).collect();
    assert_eq!(places.len(), 4, "{places:?}");
    let lists = |name: &str| -> Value {
        let parcel: Value = serde_json::from_str(&place.read(name)).expect("JSON");
        parcel["statusLists"].clone()
    };
    let signed = lists("visas/a.json");
    assert_eq!(signed.as_array().map(Vec::len), Some(2));
    assert_eq!(signed, lists("visas/b.json"));
    holder.ok(&["visa", "accept", "visas/a.json"]);
    second.ok(&["visa", "accept", "visas/b.json"]);
    // The next call goes on from there.
    let (status, json) = answer(&regulator, "gridpass.visa.issue-many/1", &call);
    assert_eq!((status, &json["issued_before"]), (0, &3.into()), "{json:#}");
}
