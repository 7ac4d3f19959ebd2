//! What an officer sees of its register: who was taken something back, for what nobody takes a visa any more,
//! why that was done, and many visas at once.

use crate::common::waiting::wait_for_next_second;
use crate::common::{Place, codes_of};
use crate::parties::{Party, framework};
use gridpass_identity::time::UnixMillis;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

const ROLE: &str = "flex.gb.aggregator";

fn id_of(row: &Value) -> String {
    row["id"].as_str().expect("an id").to_owned()
}

/// Issues a visa for a zone, without a request; gives its id.
fn issue(regulator: &Party<'_>, holder: &str, zone: &str, more: &[&str]) -> String {
    let claim = format!("zone={zone}");
    let args = ["visa", "issue", "--to", holder, "--role", ROLE, "--claim", &claim];
    let made = regulator.json("gridpass.visa.issue/1", &[&args[..], more].concat());
    id_of(&made["visa"])
}

/// The rows of `visa list --issued`.
fn issued(party: &Party<'_>, more: &[&str]) -> Vec<Value> {
    let args = [&["visa", "list", "--issued"], more].concat();
    let listed = party.json("gridpass.visa.list/1", &args);
    listed["visas"].as_array().cloned().expect("rows")
}

#[test]
fn who_was_revoked_is_not_given_the_role_again_in_silence_however_it_asks() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let first = issue(&regulator, &holder.did, "GB-1", &[]);
    let ask = |file: &str| {
        holder.ok(&["visa", "request", ROLE, "--claim", "zone=GB-1", "-o", file]);
    };
    let review = |file: &str| {
        let ran = place.run(&regulator.args(&["--json", "visa", "review", file]));
        (ran.status, codes_of(&ran.json()))
    };
    let to = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-1"];
    for (change, code) in [("suspend", "GP-VISA-SUSPENDED"), ("revoke", "GP-VISA-REVOKED")] {
        regulator.ok(&["visa", change, &first, "--reason", "fraud"]);
        // A request, and none that renews.
        let (request, visa) = (format!("{change}.json"), format!("{change}-visa.json"));
        ask(&request);
        let (status, codes) = review(&request);
        assert!(status == 13 && codes.iter().any(|c| c == code), "{change}: {codes:?}");
        let refused = regulator.refused(code, 13, &["visa", "issue", &request, "-o", &visa]);
        assert!(refused["message"].as_str().is_some_and(|m| m.contains("fraud")), "{refused}");
        regulator.refused(code, 13, &to);
        assert!(!place.path(&visa).exists());
    }
    regulator.ok(&["visa", "issue", "revoke.json", "--despite-revocation", "-o", "again.json"]);
    // That was decided: the next one is an ordinary one.
    ask("next.json");
    assert_eq!(review("next.json").0, 0);
    regulator.ok(&to);
}

/// The row of a visa in the register.
fn row(party: &Party<'_>, id: &str) -> Value {
    let rows = issued(party, &[]).into_iter();
    let mut found = rows.filter(|row| row["visa"]["id"] == id);
    found.next().expect("it is listed")
}

#[test]
fn the_register_says_what_nobody_takes_any_more_and_what_stands_in_its_place() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let body = Party::new(&place, "body");
    let (office, role) = ("flex.gb.licensing-body", "flex.gb.supplier");
    regulator.ok(&["role", "define", office]);
    regulator.ok(&["role", "define", role, "--issued-by", office, "--claim", "zone:string"]);
    regulator.ok(&["charter", "add-role", office, role]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    body.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let to = ["visa", "issue", "--to", &body.did, "--role", office, "-o", "authority.json"];
    regulator.ok(&to);
    body.ok(&["visa", "accept", "authority.json"]);
    let supplier = |zone: &str| {
        let args = ["visa", "issue", "--to", &holder.did, "--role", role, "--claim", zone];
        id_of(&body.json("gridpass.visa.issue/1", &args)["visa"])
    };
    let north = supplier("zone=GB-1");
    holder.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    std::fs::create_dir(place.path("requests")).expect("a folder");
    let ask = ["visa", "request", role, "--issuer", &body.did, "--claim", "zone=GB-2"];
    holder.ok(&[&ask[..], &["-o", "requests/south.json"]].concat());
    let folder = || {
        let call = ["--json", "visa", "issue", "requests", "-o", "visas"];
        let ran = place.run(&body.args(&call));
        (ran.status, ran.json()["requests"][0].clone())
    };
    let (_, answered) = folder();
    let south = answered["visa"].as_str().expect("it is issued").to_owned();
    assert_eq!(row(&body, &north)["state"], "in force");
    wait_for_next_second();
    body.ok(&["id", "rotate", "root", "--compromised-since", "2020-01-01T00:00:00Z"]);
    wait_for_next_second();
    for id in [&north, &south] {
        let row = row(&body, id);
        assert_eq!(row["state"], "key compromised", "{row:#}");
        let code = row["code"].as_str().expect("a code");
        assert!(code.starts_with("GP-KEY-COMPROMISED"), "{row:#}");
    }
    // Nor is it called answered in a folder.
    let (status, told) = folder();
    assert!(status == 8 && told["code"] == "GP-REQUEST-ANSWERED", "{told:#}");
    assert!(told["message"].as_str().is_some_and(|m| m.contains("key compromised")), "{told:#}");
    // For one zone it is done, for the other to do.
    let again = supplier("zone=GB-1");
    let replaced = row(&body, &north);
    let stands = (&replaced["state"], &replaced["replacedBy"]);
    assert_eq!(stands, (&"replaced".into(), &again.as_str().into()), "{replaced:#}");
    let shown = body.json("gridpass.visa.show/1", &["visa", "show", &north]);
    assert_eq!((&shown["state"], &shown["replacedBy"]), stands, "{shown:#}");
    assert_eq!(row(&body, &again)["state"], "in force");
    let left = issued(&body, &["--state", "key compromised"]);
    // Or as one word, which shells complete.
    assert_eq!(issued(&body, &["--state", "key-compromised"]), left);
    let script = place.ok(&["completions", "bash"]);
    assert!(script.text().contains("key-compromised") && !script.text().contains("in force "));
    assert!(left.len() == 1 && left[0]["visa"]["id"] == south.as_str(), "{left:#?}");
    // Who issues anew is told of the one that counts, and not of one that nobody takes.
    let third = ["visa", "issue", "--to", &holder.did, "--role", role, "--claim", "zone=GB-3"];
    let said = body.ok(&[&third[..], &["-o", "third.json"]].concat()).stderr;
    assert!(said.contains(&again) && !said.contains(&south), "{said}");
    // What begins later is not in force.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = UnixMillis::new(u64::try_from(since.as_millis()).expect("a time")).floor_to_second();
    let from = now.plus_millis(2 * 86_400_000).to_string();
    let later = issue(&regulator, &holder.did, "GB-1", &["--from", &from]);
    assert_eq!(row(&regulator, &later)["state"], "not yet");
}

#[test]
fn why_something_was_done_can_be_read_by_whoever_did_it() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let supervisor = Party::new(&place, "supervisor");
    let role = "flex.gb.supplier";
    regulator.ok(&["role", "define", role, "--revoker", &supervisor.did]);
    regulator.ok(&["charter", "add-role", role]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    supervisor.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    regulator.ok(&["visa", "issue", "--to", &holder.did, "--role", role, "-o", "visa.json"]);
    let own = issue(&regulator, &holder.did, "GB-1", &[]);
    regulator.ok(&["visa", "suspend", &own, "--reason", "a dispute"]);
    regulator.ok(&["visa", "revoke", &own, "--reason", "xyzzy"]);
    let listed = row(&regulator, &own);
    let last = &listed["events"][1];
    let said = (&last["what"], &last["reason"], &last["by"]);
    assert_eq!(said, (&"revoked".into(), &"xyzzy".into(), &regulator.did.as_str().into()));
    let shown = regulator.json("gridpass.visa.show/1", &["visa", "show", &own]);
    assert_eq!((&shown["state"], &shown["events"]), (&"revoked".into(), &listed["events"]));
    for args in [&["visa", "list", "--issued"][..], &["visa", "list", "--issued", "--csv"]] {
        let said = regulator.ok(args);
        assert!(said.text().contains("xyzzy"), "{}", said.text());
    }
    // A report has all of it, not the last change alone.
    let table = regulator.ok(&["visa", "list", "--issued", "--csv"]);
    assert!(table.text().contains("a dispute; revoked "), "{}", table.text());
    // Somebody else's visa, and a node: nobody else keeps why.
    supervisor.ok(&["visa", "revoke", "visa.json", "--reason", "plugh", "-o", "gone.json"]);
    let node = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    supervisor.ok(&["visa", "authorise-node", node, "-o", "node.json"]);
    supervisor.ok(&["visa", "revoke", node, "--reason", "lost"]);
    let args = ["visa", "list", "--issued"];
    let listed = supervisor.json("gridpass.visa.list/1", &args);
    let other = &listed["others"][0];
    assert_eq!(other["visa"]["holder"], holder.did.as_str(), "{listed:#}");
    let said = (&other["state"], &other["events"][0]["reason"]);
    assert_eq!(said, (&"revoked".into(), &"plugh".into()));
    assert_eq!(listed["authorisations"][0]["events"][0]["reason"], "lost");
    let text = supervisor.ok(&args);
    assert!(text.text().contains("plugh") && text.text().contains("lost"), "{}", text.text());
    let table = supervisor.ok(&["visa", "list", "--issued", "--csv"]);
    for end in [": plugh\"", ": lost\""] {
        assert!(table.text().contains(end), "{}", table.text());
    }
}

#[test]
fn several_visas_are_revoked_in_one_change_or_none() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let ids = ["GB-1", "GB-2", "GB-3"].map(|zone| issue(&regulator, &holder.did, zone, &[]));
    let [first, second, third] = ids.each_ref().map(String::as_str);
    let states = || {
        let state = |id: &str| row(&regulator, id)["state"].as_str().expect("a state").to_owned();
        [first, second, third].map(state)
    };
    regulator.refused("GP-NOT-KEPT", 5, &["visa", "revoke", first, second, "urn:uuid:none"]);
    assert_eq!(states(), ["in force"; 3]);
    let both = ["visa", "revoke", first, second, first, "--reason", "a merger", "-o", "l.json"];
    let revoked = regulator.json("gridpass.visa.status/1", &both);
    assert_eq!(revoked["visas"].as_array().map(Vec::len), Some(2), "{revoked:#}");
    assert_eq!(revoked["lists"].as_array().map(Vec::len), Some(1), "one change of one list");
    assert_eq!(states(), ["revoked", "revoked", "in force"]);
    // Called again with one more, it does what is left.
    let more = regulator.json("gridpass.visa.status/1", &["visa", "revoke", first, third]);
    assert_eq!(more["unchanged"], serde_json::json!([first]));
    assert_eq!(states(), ["revoked"; 3]);
    regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "revoke", first, second]);
    // Lists are for who looks for something in them.
    assert_eq!(issued(&regulator, &["--state", "revoked", "--role", ROLE]).len(), 3);
    assert!(issued(&regulator, &["--role", "flex.gb.supplier"]).is_empty());
    assert!(issued(&regulator, &["--since", "2099-01-01T00:00:00Z"]).is_empty());
    assert!(issued(&regulator, &["--holder", &regulator.did]).is_empty());
    regulator.refused("GP-USAGE", 2, &["visa", "list", "--issued", "--state", "revokt"]);
    let table = regulator.ok(&["visa", "list", "--issued", "--csv"]);
    assert_eq!(table.text().lines().count(), 4, "{}", table.text());
    let args = ["visa", "expirations", "--within", "900d", "--csv"];
    assert_eq!(regulator.ok(&args).text().lines().count(), 1, "revoked ones do not end");
    // One that is revoked is not reinstated with others either, and is no less revoked for it.
    let fourth = issue(&regulator, &holder.did, "GB-4", &["--despite-revocation"]);
    regulator.ok(&["visa", "suspend", &fourth]);
    let reinstate = ["visa", "reinstate", first, &fourth];
    let refused = regulator.refused("GP-STATUS-UNCHANGED", 8, &reinstate);
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains("is revoked, for good") && message.contains(first), "{message}");
    assert_eq!(row(&regulator, &fourth)["state"], "suspended");
}

#[test]
fn a_folder_of_requests_is_answered_and_a_repeated_call_issues_nothing_twice() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    for folder in ["requests", "visas"] {
        std::fs::create_dir(place.path(folder)).expect("a folder");
    }
    let ask = |zone: &str, file: &str| {
        let zone = format!("zone={zone}");
        let args = ["visa", "request", ROLE, "--claim", &zone, "--force", "-o", file];
        holder.ok(&args);
    };
    ask("GB-1", "requests/a.json");
    place.write("requests/b.json", "no request");
    ask("GB-3", "requests/c.json");
    let call = ["visa", "issue", "requests", "-o", "visas"];
    let issue = || {
        let ran = place.run(&regulator.args(&[&["--json"], &call[..]].concat()));
        let json = ran.json();
        assert_eq!(json["schema"], "gridpass.visa.issue-many/1");
        let count = |name: &str| json[name].as_u64().expect("a count");
        let counts = ["issued", "written_again", "issued_before", "failed"].map(count);
        (ran.status, counts, json)
    };
    let (status, counts, json) = issue();
    assert!(status != 0 && counts == [2, 0, 0, 1], "{json:#}");
    let second = &json["requests"][1];
    assert!(second["outcome"] == "failed" && second["code"].is_string(), "{json:#}");
    assert_eq!((&json["refused"], &second["transient"]), (&0.into(), &false.into()), "{json:#}");
    assert!(place.path("visas/a.json").exists() && !place.path("visas/b.json").exists());
    // As if it had been interrupted after the first was issued, before its file was written.
    std::fs::remove_file(place.path("visas/a.json")).expect("it was written");
    ask("GB-2", "requests/b.json");
    let (status, counts, json) = issue();
    assert!(status == 0 && counts == [1, 1, 1, 0], "{json:#}");
    assert_eq!(issued(&regulator, &[]).len(), 3);
    for file in ["visas/a.json", "visas/b.json", "visas/c.json"] {
        holder.ok(&["visa", "accept", file]);
    }
    regulator.refused("GP-USAGE", 2, &["visa", "issue", "requests", "-o", "requests"]);
    regulator.refused("GP-USAGE", 2, &["visa", "issue", "requests"]);
    let despite = [&call[..], &["--despite-revocation"]].concat();
    regulator.refused("GP-USAGE", 2, &despite);
}

#[test]
fn a_request_whose_visa_was_taken_back_is_told_of_in_a_folder_too() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    std::fs::create_dir(place.path("requests")).expect("a folder");
    holder.ok(&["visa", "request", ROLE, "--claim", "zone=GB-1", "-o", "requests/a.json"]);
    let call = |requests: &str| {
        let args = ["--json", "visa", "issue", requests, "-o", "visas/"];
        let ran = place.run(&regulator.args(&args));
        (ran.status, ran.json()["requests"][0].clone())
    };
    // The folder is made; one request that is named is written into it as well.
    let (status, issued) = call("requests");
    assert!(status == 0 && issued["outcome"] == "issued", "{issued:#}");
    assert!(place.path("visas/a.json").exists());
    let (status, again) = call("requests/a.json");
    assert!(status == 0 && again["outcome"] == "issued before", "{again:#}");
    let id = issued["visa"].as_str().expect("an id");
    for (change, state) in [("suspend", "suspended"), ("revoke", "revoked")] {
        regulator.ok(&["visa", change, id]);
        let (status, row) = call("requests");
        assert!(status == 8 && row["code"] == "GP-REQUEST-ANSWERED", "{row:#}");
        assert_eq!(
            (&row["outcome"], &row["visa"]),
            (&"refused".into(), &issued["visa"]),
            "{row:#}"
        );
        assert!(row["message"].as_str().is_some_and(|m| m.contains(state)), "{row:#}");
        let next = row["next"].as_str().expect("a next step");
        assert!(next.contains("--again and --despite-revocation"), "{next}");
    }
    // What is to be added is said at once for one alone, and is enough.
    let single = ["visa", "issue", "requests/a.json", "-o", "other.json"];
    regulator.refused("GP-REQUEST-ANSWERED", 8, &single);
    regulator.ok(&[&single[..], &["--again", "--despite-revocation"]].concat());
    // Without a request there is no name for the file.
    let to = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-2"];
    let to = [&to[..], &["--despite-revocation", "-o", "visas"]].concat();
    let refused = regulator.refused("GP-FILE-NOT-WRITTEN", 3, &to);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("visas/FILE")), "{refused}");
}

#[test]
fn a_request_that_was_refused_is_not_granted_by_mistake() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    std::fs::create_dir(place.path("requests")).expect("a folder");
    let request = "requests/a.json";
    holder.ok(&["visa", "request", ROLE, "--claim", "zone=GB-1", "-o", request]);
    let refuse = ["visa", "refuse", request, "--reason", "zone xyzzy", "--force", "-o", "no.json"];
    regulator.ok(&refuse);
    let answer = |args: &[&str]| place.run(&regulator.args(&[&["--json"], args].concat())).json();
    let review = answer(&["visa", "review", request]);
    let refused = review["checks"].as_array().expect("checks").iter();
    let refused: Vec<&Value> = refused.filter(|c| c["name"] == "refused").collect();
    assert!(refused.len() == 1 && refused[0]["outcome"] == "failed", "{review:#}");
    assert_eq!(refused[0]["code"], "GP-REQUEST-REFUSED");
    assert!(refused[0]["sentence"].as_str().is_some_and(|s| s.contains("zone xyzzy")));

    let issue = ["visa", "issue", request, "-o", "visa.json"];
    let said = regulator.refused("GP-REQUEST-REFUSED", 8, &issue);
    assert!(said["next"].as_str().is_some_and(|n| n.contains("--despite-refusal")), "{said}");
    let many = answer(&["visa", "issue", "requests", "-o", "visas"]);
    assert_eq!(many["requests"][0]["code"], "GP-REQUEST-REFUSED", "{many:#}");
    let despite = ["visa", "issue", "requests", "--despite-refusal", "-o", "visas"];
    regulator.refused("GP-USAGE", 2, &despite);
    assert!(issued(&regulator, &[]).is_empty());
    // It is refused again where the file was lost, and granted by whoever decides so. Another request is another one.
    regulator.ok(&refuse);
    regulator.ok(&[&issue[..], &["--despite-refusal"]].concat());
    holder.ok(&["visa", "request", ROLE, "--claim", "zone=GB-2", "-o", "other.json"]);
    regulator.ok(&["visa", "issue", "other.json", "-o", "other-visa.json"]);
}

#[test]
fn what_nothing_could_fit_is_not_looked_for_in_silence() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    issue(&regulator, &holder.did, "GB-1", &[]);
    let cid = "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77grai";
    for list in [&["visa", "list", "--issued"][..], &["visa", "list"], &["visa", "expirations"]] {
        for role in ["aggregator", cid] {
            regulator.refused("GP-USAGE", 2, &[list, &["--role", role]].concat());
        }
        regulator.refused("GP-DID-MALFORMED", 16, &[list, &["--holder", "nonsense"]].concat());
        let said = regulator.ok(&[list, &["--role", "flex.gb.agregator"]].concat()).stderr;
        assert!(said.contains("no role flex.gb.agregator is known here"), "{said}");
        let state = ["--role", ROLE, "--state", "revoked"];
        let said = regulator.ok(&[list, &state].concat()).stderr;
        assert!(!said.contains("no role"), "{said}");
    }
}

#[test]
fn a_new_version_of_a_role_says_what_it_requires_now() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let define = ["role", "define", ROLE, "--title", "Aggregator", "--claim", "zone:string"];
    let more = ["--claim", "capacityKw:integer?", "--claim", "mw:integer"];
    let said = regulator.ok(&[&define[..], &more].concat()).stderr;
    assert!(said.contains("adds the claim mw"), "{said}");
    assert!(said.contains("requires from now on the claim mw"), "{said}");
    // No part of a status list is withheld.
    let publish = ["status", "publish", "--form", "sd-jwt", "-o", "lists.json"];
    regulator.refused("GP-USAGE", 2, &publish);
}
