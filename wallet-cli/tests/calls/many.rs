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
    let kept = place.read("refusals/c.json");
    let (status, json) = answer(&regulator, schema, &[&call[..], &["--force"]].concat());
    let counts = (&json["refused"], &json["refused_before"]);
    assert_eq!((status, counts), (8, (&0.into(), &1.into())), "{json:#}");
    let answered = &json["requests"][0];
    assert_eq!(answered["code"], "GP-REQUEST-ANSWERED", "{json:#}");
    assert!(answered["visa"].is_string() && answered["holder"] == holder.did.as_str(), "{json:#}");
    assert_eq!(kept, place.read("refusals/c.json"), "it is as it was");
    // For another reason it is another refusal, and nothing is written over in silence.
    let other = ["visa", "refuse", "requests/c.json", "--reason", "another", "-o", "refusals/"];
    let (status, json) = answer(&regulator, schema, &other);
    assert_eq!((status, &json["requests"][0]["code"]), (8, &"GP-FILE-EXISTS".into()), "{json:#}");
    assert_eq!(json["requests"][0]["outcome"], "failed", "{json:#}");
}

/// What was decided is told as decided, whatever becomes of its file; a call that is repeated decides nothing twice.
#[test]
fn what_is_decided_and_not_in_its_file_is_told_so() {
    let place = Place::new();
    let (regulator, holder, second) = office(&place);
    for (party, name) in [(&holder, "a"), (&second, "b")] {
        let file = format!("requests/{name}.json");
        let made = party.json(
            "gridpass.visa.request/1",
            &["visa", "request", ROLE, "--claim", "zone=GB-1", "-o", &file],
        );
        let (_, looked) = answer(&regulator, "gridpass.visa.review/1", &["visa", "review", &file]);
        assert!(made["request"].is_string() && made["request"] == looked["request"], "{made:#}");
    }
    let schema = "gridpass.visa.refuse-many/1";
    let refuse = ["visa", "refuse", "requests/a.json", "--reason", "full", "-o", "refusals/"];
    let (status, first) = answer(&regulator, schema, &refuse);
    assert_eq!((status, &first["refused"]), (0, &1.into()), "{first:#}");
    let (status, again) = answer(&regulator, schema, &refuse);
    assert_eq!((status, &again["refused_before"]), (0, &1.into()), "{again:#}");
    place.write("refusals/a.json", "something else");
    let (status, again) = answer(&regulator, schema, &refuse);
    let row = &again["requests"][0];
    assert_eq!((status, &again["refused_not_written"]), (8, &1.into()), "{again:#}");
    assert_eq!(row["outcome"], "refused-not-written", "{again:#}");
    assert!(row["message"].as_str().is_some_and(|m| m.contains("is entered all the same")));
    std::fs::remove_file(place.path("refusals/a.json")).expect("it is there");
    let (status, again) = answer(&regulator, schema, &refuse);
    assert_eq!((status, &again["written_again"]), (0, &1.into()), "{again:#}");
    holder.ok(&["visa", "verify", "refusals/a.json"]);

    let schema = "gridpass.visa.issue-many/1";
    let issue = ["visa", "issue", "requests/b.json", "-o", "visas/"];
    let (status, first) = answer(&regulator, schema, &issue);
    assert_eq!((status, &first["issued"]), (0, &1.into()), "{first:#}");
    let row = &first["requests"][0];
    assert_eq!((&row["holder"], &row["exit"]), (&second.did.as_str().into(), &0.into()));
    place.write("visas/b.json", "something else");
    let (status, again) = answer(&regulator, schema, &issue);
    assert_eq!((status, &again["issued_not_written"]), (8, &1.into()), "{again:#}");
    let row = &again["requests"][0];
    assert_eq!((&row["outcome"], &row["exit"]), (&"issued-not-written".into(), &8.into()));
    assert_eq!((&row["visa"], &row["transient"]), (&first["requests"][0]["visa"], &false.into()));
    // One that is not issued yet, and has no place for its file, is neither issued nor refused.
    second.ok(&["visa", "request", ROLE, "--claim", "zone=GB-2", "-o", "requests/c.json"]);
    place.write("visas/c.json", "something else");
    let (status, json) =
        answer(&regulator, schema, &["visa", "issue", "requests/c.json", "-o", "visas/"]);
    let counts = (&json["failed"], &json["refused"]);
    assert_eq!((status, counts), (8, (&1.into(), &0.into())), "{json:#}");
}

#[test]
fn what_a_folder_has_beside_requests_is_named() {
    let place = Place::new();
    let (regulator, holder, _) = office(&place);
    let schema = "gridpass.visa.review-many/1";
    let review = ["visa", "review", "requests"];
    let issue = ["visa", "issue", "requests", "-o", "visas/"];
    // A day without a request is no mistake.
    let (status, json) = answer(&regulator, schema, &review);
    assert_eq!((status, &json["requests"]), (0, &json!([])), "{json:#}");
    let (status, json) = answer(&regulator, "gridpass.visa.issue-many/1", &issue);
    assert_eq!((status, &json["requests"]), (0, &json!([])), "{json:#}");
    holder.ok(&["visa", "request", ROLE, "--claim", "zone=GB-1", "-o", "requests/a.json"]);
    place.write("requests/.hidden.json", "no request");
    std::fs::create_dir(place.path("requests/more")).expect("a folder");
    std::os::unix::fs::symlink("nowhere", place.path("requests/link.json")).expect("a link");
    for (schema, call) in [(schema, &review[..]), ("gridpass.visa.issue-many/1", &issue[..])] {
        let (status, json) = answer(&regulator, schema, call);
        assert_eq!(status, 5, "{json:#}");
        assert_eq!(json["passed_over"], json!(["requests/.hidden.json", "requests/more"]));
        assert_eq!(json["requests"][1]["request"], "requests/link.json", "{json:#}");
        assert_eq!(json["requests"][1]["code"], "GP-FILE-NOT-READ", "{json:#}");
        let said = place.run(&regulator.args(call));
        assert!(said.text().contains("passed over: requests/more"), "{said:?}");
    }
}

#[test]
fn a_review_says_what_was_issued_before_for_the_request_and_its_holder() {
    let place = Place::new();
    let (regulator, holder, _) = office(&place);
    for name in ["a", "b"] {
        let file = format!("requests/{name}.json");
        let zone = format!("zone=GB-{name}");
        holder.ok(&["visa", "request", ROLE, "--claim", &zone, "-o", &file]);
    }
    let review =
        |file: &str| answer(&regulator, "gridpass.visa.review/1", &["visa", "review", file]).1;
    let before = review("requests/a.json");
    assert_eq!((&before["answered"], &before["in_force"]), (&Value::Null, &json!([])));
    let issue = ["visa", "issue", "requests", "-o", "visas/"];
    let (status, json) = answer(&regulator, "gridpass.visa.issue-many/1", &issue);
    assert_eq!((status, &json["issued"]), (0, &2.into()), "{json:#}");
    let (first, second) = (&json["requests"][0], &json["requests"][1]);
    assert_eq!(first["in_force"], json!([]));
    assert_eq!(second["in_force"][0]["visa"], first["visa"], "{json:#}");
    assert_eq!(second["in_force"][0]["code"], "GP-VISA-IN-FORCE", "{json:#}");
    let after = review("requests/b.json");
    assert_eq!(
        (&after["answered"]["visa"], &after["outcome"]),
        (&second["visa"], &"passed".into())
    );
    assert_eq!(after["in_force"][0]["visa"], first["visa"], "{after:#}");
    let codes = codes_of(&after);
    for code in ["GP-REQUEST-ANSWERED", "GP-VISA-IN-FORCE"] {
        assert!(codes.iter().any(|c| c == code), "{code}: {codes:?}");
    }
    let (_, many) =
        answer(&regulator, "gridpass.visa.review-many/1", &["visa", "review", "requests"]);
    assert_eq!(many["requests"][1]["answered"], after["answered"]);
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
