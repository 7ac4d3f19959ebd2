//! What a holder does with visas beside the straight way: consents that it gives and uses, files that it
//! has again or parts with, what it shows to whom, and what it withholds.

use crate::common::Place;
use crate::parties::{Party, framework};
use gridpass_identity::time::UnixMillis;
use serde_json::Value;

#[test]
fn a_consent_that_covers_nothing_is_not_issued_and_one_that_ends_soon_is_shown_so() {
    let place = Place::new();
    let (regulator, customer) = framework(&place);
    let user = Party::new(&place, "body");
    let (role, point) = ("flex.gb.consent", "meteringPoint:string");
    regulator.ok(&["role", "define", "flex.gb.customer", "--claim", point]);
    let mut define = vec!["role", "define", role, "--issued-by", "flex.gb.customer"];
    let rest = ["purposes:array", "data:array", "parties:array", "from:string", "until:string"];
    for claim in [point].into_iter().chain(rest) {
        define.extend(["--claim", claim]);
    }
    regulator.ok(&define);
    regulator.ok(&["charter", "add-role", "flex.gb.customer", role]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    for party in [&customer, &user] {
        party.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    }
    let visa = ["visa", "issue", "--to", &customer.did, "--role", "flex.gb.customer"];
    regulator.ok(&[&visa[..], &["--claim", "meteringPoint=MP-1", "-o", "customer.json"]].concat());
    customer.ok(&["visa", "accept", "customer.json"]);

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now");
    let now = UnixMillis::new(u64::try_from(now.as_millis()).expect("millis")).floor_to_second();
    let tomorrow = now.plus_millis(86_400_000).to_string();
    let good = serde_json::json!({
        "meteringPoint": "MP-1", "purposes": ["settlement"], "data": ["readings"],
        "parties": [user.did], "from": "2026-01-01T00:00:00Z", "until": tomorrow,
    });
    let give = ["visa", "issue", "--to", &user.did, "--role", role, "--claims", "claims.json"];
    let give = [&give[..], &["-o", "consent.json"]].concat();
    let ask = ["visa", "request", role, "--issuer", &customer.did, "--claims", "claims.json"];
    let ask = [&ask[..], &["-o", "request.json"]].concat();
    let neighbour = serde_json::json!("MP-2");
    let over = UnixMillis::new(now.get() - 86_400_000).to_string();
    for (claim, value) in [
        ("until", serde_json::json!(over)),
        ("parties", serde_json::json!(["alpha"])),
        ("from", serde_json::json!("2026-01-01T00:00:00+02:00")),
        ("until", serde_json::json!("2025-12-31T00:00:00Z")),
        ("meteringPoint", neighbour.clone()),
    ] {
        let mut bad = good.clone();
        bad[claim] = value.clone();
        place.write("claims.json", &bad.to_string());
        let refused = customer.refused("GP-CLAIMS-UNFIT", 10, &give);
        assert!(refused["message"].as_str().is_some_and(|m| m.contains(claim)), "{refused}");
        // Whose the metering point is, the asker does not know; the customer sees it.
        if value != neighbour {
            user.refused("GP-CLAIMS-UNFIT", 10, &ask);
            continue;
        }
        user.ok(&ask);
        let review = customer.place.run(&customer.args(&["visa", "review", "request.json"]));
        assert!(review.status == 10 && review.text().contains("MP-2"), "{review:?}");
    }
    place.write("claims.json", &good.to_string());
    customer.ok(&give);
    user.ok(&["visa", "accept", "consent.json"]);
    let list = user.json("gridpass.visa.list/1", &["visa", "list"]);
    assert_eq!(list["visas"][0]["ends"], good["until"]);
    assert!(user.ok(&["visa", "list"]).text().contains(&tomorrow));
    let issued = customer.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    assert_eq!(issued["visas"][0]["ends"], good["until"]);
    let soon = ["visa", "expirations", "--within", "60d"];
    let soon = user.json("gridpass.visa.expirations/1", &soon);
    assert_eq!(soon["expirations"][0]["until"], good["until"]);
    // Of two that say different things each is named by its hash, and the next step holds.
    let mut other = good.clone();
    other["purposes"] = serde_json::json!(["forecast"]);
    place.write("claims.json", &other.to_string());
    customer.ok(&[&give[..], &["--force"]].concat());
    let accepted = user.ok(&["visa", "accept", "consent.json"]);
    let (_, next) = accepted.text().split_once("next: gridpass ").expect("a next step");
    let next = next.trim_end().replace(" DID ", &format!(" {} ", customer.did));
    user.ok(&next.split(' ').collect::<Vec<_>>());
    let present = ["visa", "present", role, "--to", &customer.did];
    let refused = user.refused("GP-NAME-AMBIGUOUS", 2, &present);
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("hash")), "{refused}");
}

/// Whoever holds a visa can have its file again, and part with it.
#[test]
fn a_visa_that_is_held_is_exported_removed_and_accepted_again() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let role = "flex.gb.aggregator";
    let issue = ["visa", "issue", "--to", &holder.did, "--role", role, "--claim", "zone=GB-1"];
    for file in ["first.json", "second.json"] {
        regulator.ok(&[&issue[..], &["-o", file]].concat());
        holder.ok(&["visa", "accept", file]);
    }
    let held = || {
        let list = holder.json("gridpass.visa.list/1", &["visa", "list"]);
        let visas = list["visas"].as_array().expect("visas").iter();
        visas.map(|v| v["evidence"].as_str().expect("a hash").to_owned()).collect::<Vec<_>>()
    };
    let [first, second]: [String; 2] = held().try_into().expect("two");
    // By the role it is not said which of the two.
    holder.refused("GP-NAME-AMBIGUOUS", 2, &["visa", "remove", role]);
    holder.refused("GP-NOT-KEPT", 5, &["visa", "remove", "nothing"]);
    holder.ok(&["visa", "export", &first, "-o", "copy.json"]);
    let removed = holder.json("gridpass.visa.remove/1", &["visa", "remove", &first]);
    assert_eq!(removed["evidence"], first.as_str());
    assert_eq!(removed["state"], "held");
    assert_eq!(held(), [second.as_str()]);
    holder.ok(&["visa", "accept", "copy.json"]);
    assert_eq!(held().len(), 2);
    holder.refused("GP-NOT-KEPT", 5, &["visa", "export", "nothing", "-o", "none.json"]);
    holder.ok(&["visa", "remove", &first]);
    // Of the only one that is left the role says which; it is in its issuer's register all the same.
    holder.ok(&["visa", "remove", role]);
    assert!(held().is_empty());
    let issued = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    assert_eq!(issued["visas"][0]["state"], "in force");
}

#[test]
fn a_presentation_is_to_somebody_and_ends_with_its_visa() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let role = "flex.gb.aggregator";
    let issue = ["visa", "issue", "--to", &holder.did, "--role", role, "--claim", "zone=GB-1"];
    regulator.ok(&[&issue[..], &["--validity", "20d", "-o", "visa.json"]].concat());
    holder.ok(&["visa", "accept", "visa.json"]);
    let to = ["visa", "present", role, "-o", "shown.json", "--to"];
    holder.refused("GP-USAGE", 2, &[&to[..], &["notadid"]].concat());
    let to = [&to[..], &[regulator.did.as_str()]].concat();
    holder.refused("GP-DURATION", 2, &[&to[..], &["--for", "0s"]].concat());
    assert!(!place.path("shown.json").exists());
    let held = holder.json("gridpass.visa.list/1", &["visa", "list"]);
    let long = [&to[..], &["--for", "400d"]].concat();
    let shown = holder.json("gridpass.visa.present/1", &long);
    assert_eq!(shown["expires"], held["visas"][0]["visa"]["validUntil"]);
    let channel = "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77grai";
    holder.ok(&["visa", "present", role, "--to", channel, "-o", "for-channel.json"]);
}

#[test]
fn of_two_that_say_the_same_the_one_is_shown_that_holds() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let role = "flex.gb.aggregator";
    let issue = ["visa", "issue", "--to", &holder.did, "--role", role, "--claim", "zone=GB-1"];
    for (validity, file) in [("20d", "short.json"), ("30d", "long.json")] {
        regulator.ok(&[&issue[..], &["--validity", validity, "-o", file]].concat());
        holder.ok(&["visa", "accept", file]);
    }
    let held = holder.json("gridpass.visa.list/1", &["visa", "list"]);
    let of = |number: usize| held["visas"][number]["visa"].clone();
    let (mut short, mut long) = (of(0), of(1));
    if short["validUntil"].as_str() > long["validUntil"].as_str() {
        (short, long) = (long, short);
    }
    let present = ["visa", "present", role, "--to", &regulator.did, "--for", "400d", "--force"];
    let present = [&present[..], &["-o", "shown.json"]].concat();
    let shown = holder.json("gridpass.visa.present/1", &present);
    assert_eq!(shown["expires"], long["validUntil"], "the last of those that hold");
    let id = long["id"].as_str().expect("an id");
    regulator.ok(&["visa", "suspend", id, "-o", "suspended.json"]);
    holder.ok(&["status", "accept", "suspended.json"]);
    let shown = holder.json("gridpass.visa.present/1", &present);
    assert_eq!(shown["expires"], short["validUntil"]);
}

/// With `--json` whatever is told beside the answer is an object too, also where there is no file.
#[test]
fn every_line_on_standard_error_is_an_object_with_json() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let role = "flex.gb.aggregator";
    let told = |party: &Party<'_>, args: &[&str]| {
        let ran = party.ok(&[&["--json"], args].concat());
        let lines = ran.stderr.lines().map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{args:?}: {e}: {line}"))
        });
        let hints: Vec<_> = lines.filter(|l| l["schema"] == "gridpass.hint/1").collect();
        let next = |h: &Value| h["message"].as_str().is_some_and(|m| m.contains("next: "));
        assert!(hints.iter().any(next), "{args:?} says no next step: {}", ran.stderr);
    };
    let ask = ["visa", "request", role, "--claim", "zone=GB-1"];
    told(&holder, &ask);
    holder.ok(&[&ask[..], &["-o", "request.json"]].concat());
    told(&regulator, &["visa", "refuse", "request.json", "--reason", "late"]);
    told(&regulator, &["visa", "issue", "request.json", "--despite-refusal"]);
    let issued = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let id = issued["visas"][0]["visa"]["id"].as_str().expect("an id");
    told(&regulator, &["visa", "export", id]);
    regulator.ok(&["visa", "export", id, "-o", "visa.json"]);
    holder.ok(&["visa", "accept", "visa.json"]);
    told(&holder, &["visa", "present", role, "--to", &regulator.did]);
    told(&holder, &["visa", "renew", role]);
    told(&regulator, &["status", "publish"]);
    let new = ["--profile", "regulator", "--method", "key", "--node"];
    let node = place.new_identity("node-1", &new);
    told(&regulator, &["visa", "authorise-node", &node, "--as", "root"]);
}

/// What was shown cannot be taken back.
#[test]
fn what_a_visa_does_not_let_its_holder_withhold_is_told_before_it_is_shown() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let issue = |file: &str, more: &[&str]| {
        let to = ["visa", "issue", "--to", &holder.did, "--role", "flex.gb.aggregator"];
        let claims = ["--claim", "zone=GB-1", "--claim", "capacityKw=5", "-o", file];
        regulator.ok(&[&to[..], &claims[..], more].concat());
        let kept = holder.json("gridpass.visa.accept/1", &["visa", "accept", file]);
        kept["visas"][0]["evidence"].as_str().expect("a hash").to_owned()
    };
    let present = |visas: &[&str], more: &[&str]| {
        let to = ["--to", &regulator.did, "--force", "-o", "shown.json"];
        let args = [&["--json", "visa", "present"][..], visas, &to[..], more].concat();
        holder.place.run(&holder.args(&args))
    };
    let refused = |code: &str, status: i32, visas: &[&str], more: &[&str]| {
        let ran = present(visas, more);
        let error = ran.error();
        assert_eq!((error["code"].as_str(), ran.status), (Some(code), status), "{more:?}: {error}");
        error["message"].as_str().expect("text").to_owned()
    };
    let told = |visas: &[&str], more: &[&str]| {
        let ran = present(visas, more);
        assert_eq!(ran.status, 0, "{more:?}: {ran:?}");
        ran.stderr
    };
    let whole = issue("jwt.json", &[]);
    let message = refused("GP-USAGE", 2, &[&whole], &["--disclose-none"]);
    assert!(message.contains("capacityKw") && message.contains("zone"), "{message}");
    let message = refused("GP-USAGE", 2, &[&whole], &["--disclose", "zone"]);
    assert!(message.contains("capacityKw of the visa"), "{message}");
    refused("GP-CLAIM-NOT-FOUND", 5, &[&whole], &["--disclose", "nosuchclaim"]);
    assert!(!place.path("shown.json").exists());
    let both = ["--disclose", "zone", "--disclose", "capacityKw"];
    let warning = told(&[&whole], &both);
    assert!(!warning.contains("withheld"), "it shows what was asked for: {warning}");
    // Of one that lets its holder withhold a part, the rest is told; beside it, the other too.
    let part = issue("part.json", &["--form", "sd-jwt", "--withholdable", "capacityKw"]);
    let warning = told(&[&part], &["--disclose-none"]);
    assert!(warning.contains("zone of the visa") && !warning.contains("capacityKw"), "{warning}");
    let warning = told(&[&part], &["--disclose", "zone"]);
    assert!(!warning.contains("withheld"), "{warning}");
    let warning = told(&[&part, &whole], &["--disclose", "zone"]);
    assert!(warning.contains("capacityKw of the visa"), "{warning}");
}

/// A role that requires another one asks that it is held, and for nothing that its visa claims.
#[test]
fn a_visa_that_is_shown_since_it_is_required_shows_no_claim_that_was_named_for_another() {
    const ROLE: &str = "flex.gb.supplier";
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let required = "flex.gb.aggregator";
    let define = ["role", "define", ROLE, "--requires", required, "--claim", "zone:string"];
    regulator.ok(&define);
    regulator.ok(&["charter", "add-role", ROLE]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    holder.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let issue = |role: &str, file: &str, more: &[&str]| {
        let to = ["visa", "issue", "--to", &holder.did, "--role", role, "--form", "sd-jwt"];
        regulator.ok(&[&to[..], &["--claim", "zone=GB-1", "-o", file], more].concat());
        holder.ok(&["visa", "accept", file]);
    };
    issue(required, "required.json", &["--claim", "capacityKw=5"]);
    issue(ROLE, "visa.json", &["--evidence", "required.json"]);

    let shown = |visas: &[&str], more: &[&str]| {
        let to = ["--to", &regulator.did, "--force", "-o", "shown.json"];
        let ran = holder.ok(&[&["visa", "present"], visas, &to[..], more].concat());
        let verify = ["visa", "verify", "shown.json", "--audience", &regulator.did];
        let report = regulator.json("gridpass.visa.verify/1", &verify);
        let visas = report["visas"].as_array().expect("visas").clone();
        let claims = |role: &str| {
            let found = visas.iter().find(|v| v["visa"]["role"] == role).expect("it is shown");
            found["visa"]["claims"].clone()
        };
        (claims(ROLE), claims(required), ran.stderr)
    };
    let (zone, nothing) = (serde_json::json!({"zone": "GB-1"}), serde_json::json!({}));
    let whole = serde_json::json!({"zone": "GB-1", "capacityKw": 5});
    let (own, other, told) = shown(&[ROLE], &["--disclose", "zone"]);
    assert_eq!((&own, &other), (&zone, &nothing));
    assert!(told.contains("no claim that can be withheld"), "{told}");
    // Of one that is named, too, it is shown; and all of both where nothing is withheld.
    let (own, other, _) = shown(&[ROLE, required], &["--disclose", "zone"]);
    assert_eq!((&own, &other), (&zone, &zone));
    let (own, other, _) = shown(&[ROLE], &[]);
    assert_eq!((&own, &other), (&zone, &whole));
    // What only the added one claims is no claim of what is named.
    let to = ["visa", "present", ROLE, "--to", &regulator.did, "--disclose", "capacityKw"];
    holder.refused("GP-CLAIM-NOT-FOUND", 5, &[&to[..], &["-o", "none.json"]].concat());
}
