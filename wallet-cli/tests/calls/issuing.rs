//! Who may issue, found out before somebody waits for a visa; when it begins; and what an officer names beside a
//! DID.

use crate::common::Place;
use crate::common::waiting::wait_for_next_second;
use crate::parties::{Party, framework};
use serde_json::{Value, json};

const ROLE: &str = "flex.gb.aggregator";

/// What `visa review` says of issuing, and its exit status.
fn review(party: &Party<'_>, file: &str) -> (i32, Value) {
    let ran = party.place.run(&party.args(&["--json", "visa", "review", file]));
    let json = ran.json();
    let mut checks = json["checks"].as_array().expect("checks").iter();
    let issuing = checks.find(|c| c["name"] == "issuing").unwrap_or_else(|| panic!("{json:#}"));
    (ran.status, issuing["code"].clone())
}

/// A licensing body, which the regulator lets issue `flex.gb.supplier`.
fn delegate<'p>(place: &'p Place, regulator: &Party<'p>, holder: &Party<'p>) -> Party<'p> {
    let body = Party::new(place, "body");
    regulator.ok(&["role", "define", "flex.gb.licensing-body"]);
    let define = ["role", "define", "flex.gb.supplier", "--issued-by", "flex.gb.licensing-body"];
    regulator.ok(&define);
    regulator.ok(&["charter", "add-role", "flex.gb.licensing-body", "flex.gb.supplier"]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    for party in [holder, &body] {
        party.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    }
    body
}

#[test]
fn an_issuer_that_cannot_issue_the_role_is_not_asked() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let dso = Party::new(&place, "dso");
    let claim = ["--claim", "zone=GB-1", "-o", "request.json"];
    let ask = ["visa", "request", ROLE, "--issuer", &dso.did];
    let refused = holder.refused("GP-ISSUER-NOT-ALLOWED", 14, &[&ask[..], &claim].concat());
    assert!(refused["next"].as_str().is_some_and(|n| n.contains(&regulator.did)), "{refused}");
    assert!(!place.path("request.json").exists());
    // A visa is asked for again of who issued it; that one does not issue its next version.
    let issue = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-1"];
    regulator.ok(&[&issue[..], &["-o", "visa.json"]].concat());
    holder.ok(&["visa", "accept", "visa.json"]);
    let define = ["role", "define", ROLE, "--claim", "zone:string", "--issuer", &dso.did];
    regulator.ok(&define);
    regulator.ok(&["charter", "add-role", ROLE]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    holder.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let refused = holder.refused("GP-ISSUER-NOT-ALLOWED", 14, &["visa", "renew", ROLE]);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains(&dso.did)), "{refused}");
    // Nor is it issued, and the advice is for who issues.
    let refused = regulator.refused("GP-ISSUER-NOT-ALLOWED", 14, &issue);
    let next = refused["next"].as_str().expect("a next step");
    assert!(next.contains("role show") && !next.contains("forged"), "{next}");
}

#[test]
fn who_issued_a_visa_may_perhaps_issue_its_next_version() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    delegate(&place, &regulator, &holder);
    let issue = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-1"];
    regulator.ok(&[&issue[..], &["-o", "visa.json"]].concat());
    holder.ok(&["visa", "accept", "visa.json"]);
    let renew = ["visa", "renew", ROLE, "--claim", "zone=GB-1", "--force", "-o", "request.json"];
    assert!(!holder.ok(&renew).stderr.contains("GP-CHAIN-LINK-MISSING"));
    let by_holders = ["--claim", "zone:string", "--issued-by", "flex.gb.licensing-body"];
    regulator.ok(&[&["role", "define", ROLE], &by_holders[..]].concat());
    regulator.ok(&["charter", "add-role", ROLE]);
    regulator.ok(&["charter", "pack", "-o", "trust-3.json"]);
    holder.ok(&["charter", "verify", "trust-3.json", "--adopt"]);
    assert!(holder.ok(&renew).stderr.contains("GP-CHAIN-LINK-MISSING"));
}

/// The officer is told at the review what issuing would say.
#[test]
fn a_review_says_that_the_own_authority_does_not_count() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let body = delegate(&place, &regulator, &holder);
    let ask = ["visa", "request", "flex.gb.supplier", "--issuer", &body.did, "-o", "request.json"];
    holder.ok(&ask);
    let issue = ["visa", "issue", "request.json", "-o", "supplier.json"];
    assert_eq!(review(&body, "request.json"), (11, "GP-CHAIN-LINK-MISSING".into()));
    body.refused("GP-CHAIN-LINK-MISSING", 11, &issue);

    let authority = ["visa", "issue", "--to", &body.did, "--role", "flex.gb.licensing-body"];
    regulator.ok(&[&authority[..], &["-o", "authority.json"]].concat());
    body.ok(&["visa", "accept", "authority.json"]);
    assert_eq!(review(&body, "request.json"), (0, "GP-CHAIN-DELEGATED".into()));
    // It was only tried.
    let issued = body.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    assert_eq!(issued["visas"], json!([]));

    regulator.ok(&["visa", "suspend", &body.did, "-o", "suspended.json"]);
    body.ok(&["status", "accept", "suspended.json"]);
    // Signatures say their second; what was signed in that of the suspension may be from before it.
    wait_for_next_second();
    assert_eq!(review(&body, "request.json"), (13, "GP-ISSUER-REVOKED".into()));
    let refused = body.refused("GP-ISSUER-REVOKED", 13, &issue);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("authority")), "{refused}");
    assert!(!place.path("supplier.json").exists());

    regulator.ok(&["visa", "reinstate", &body.did, "-o", "reinstated.json"]);
    body.ok(&["status", "accept", "reinstated.json"]);
    wait_for_next_second();
    assert_eq!(review(&body, "request.json"), (0, "GP-CHAIN-DELEGATED".into()));
    body.ok(&issue);
}

#[test]
fn what_is_named_beside_a_did_counts_or_is_refused() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    regulator.ok(&["role", "define", "flex.gb.supplier", "--requires", ROLE]);
    regulator.ok(&["charter", "add-role", "flex.gb.supplier"]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    holder.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    // Another operator's wallet has the visa that is required first.
    let issue = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-1"];
    regulator.ok(&[&issue[..], &["-o", "aggregator.json"]].concat());
    let issue = |more: &[&'static str]| {
        let to = ["visa", "issue", "--to", &holder.did, "--role", "flex.gb.supplier"];
        [&to[..], more, &["-o", "supplier.json"]].concat()
    };
    let evidence = ["--evidence", "aggregator.json"];
    regulator.refused("GP-PRECONDITIONS-UNKNOWN", 11, &issue(&[]));
    let other = "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77grai";
    for (code, status, more) in [
        ("GP-FILE-NOT-READ", 5, &["--evidence", "none.json"][..]),
        ("GP-FILE-NOT-READ", 5, &["--status", "none.json"]),
        ("GP-FILE-NOT-READ", 5, &["--trust", "none.json"]),
        ("GP-CID-OTHER", 10, &["--trust", "trust-2.json", "--pin", other]),
        // The one that was pinned before.
        ("GP-USAGE", 2, &["--trust", "trust.json"]),
        ("GP-USAGE", 2, &["--at", "2020-01-01T00:00:00Z"]),
    ] {
        regulator.refused(code, status, &issue(&[&evidence[..], more].concat()));
    }
    assert!(!place.path("supplier.json").exists());
    regulator.ok(&issue(&[&evidence[..], &["--trust", "trust-2.json"]].concat()));
    holder.ok(&["visa", "accept", "supplier.json", "--evidence", "aggregator.json"]);
    // As for a request.
    holder.ok(&["visa", "request", ROLE, "--claim", "zone=GB-1", "-o", "request.json"]);
    let answer = ["visa", "issue", "request.json", "-o", "second.json"];
    regulator.refused("GP-USAGE", 2, &[&answer[..], &["--trust", "trust.json"]].concat());
    regulator.ok(&[&answer[..], &["--trust", "trust-2.json"]].concat());
}

#[test]
fn a_file_of_claims_that_cannot_be_read_is_called_by_its_name() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    for (text, why) in [("{\"zone\": ", "claims.json"), ("[\"GB-1\"]", "no JSON object")] {
        place.write("claims.json", text);
        let ask = ["visa", "request", ROLE, "--claims", "claims.json"];
        let define = ["role", "define", "flex.gb.bidder", "--claims-schema", "claims.json"];
        for (party, args) in [(&holder, &ask[..]), (&regulator, &define)] {
            let refused = party.refused("GP-RECORD-UNREADABLE", 16, args);
            let message = refused["message"].as_str().expect("a message");
            assert!(message.contains(why) && message.contains("claims.json"), "{message}");
            assert!(!refused.to_string().contains("wallet"), "{refused}");
        }
    }
}
