//! What an officer sees of its register: who was taken something back, for what nobody takes a visa any more,
//! why that was done, and many visas at once.

use crate::common::{Place, codes_of};
use crate::visas::{Party, framework};
use serde_json::Value;

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
