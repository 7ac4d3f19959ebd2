//! Who issues and revokes by a role: believed while their own authority stands, and nobody else.

use crate::common::{Place, codes_of};
use crate::parties::{Party, framework};

#[test]
fn a_delegate_issues_and_its_own_authority_can_be_withdrawn() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let delegate = Party::new(&place, "body");
    regulator.ok(&["role", "define", "flex.gb.licensing-body", "--title", "Licensing body"]);
    regulator.ok(&[
        "role",
        "define",
        "flex.gb.supplier",
        "--issued-by",
        "flex.gb.licensing-body",
        "--requires",
        "flex.gb.aggregator",
        "--on-issuer-revoked",
        "ends",
    ]);
    regulator.ok(&["charter", "add-role", "flex.gb.licensing-body", "flex.gb.supplier"]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    for party in [&holder, &delegate] {
        party.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    }
    // The old pack is older than what they hold now.
    holder.refused("GP-CHARTER-ROLLBACK", 8, &["charter", "verify", "trust.json", "--adopt"]);

    let issue = |to: &Party<'_>, role: &str, claim: &[&str], file: &str| {
        let args = ["visa", "issue", "--to", &to.did, "--role", role, "-o", file];
        regulator.ok(&[&args[..], claim].concat());
        to.ok(&["visa", "accept", file]);
    };
    issue(&delegate, "flex.gb.licensing-body", &[], "authority.json");
    // Without the visa that the role requires nobody can say; with it the delegate issues.
    let ask = ["visa", "request", "flex.gb.supplier", "--issuer", &delegate.did];
    holder.ok(&[&ask[..], &["-o", "early.json"]].concat());
    delegate.refused(
        "GP-PRECONDITIONS-UNKNOWN",
        11,
        &["visa", "issue", "early.json", "-o", "never.json"],
    );
    assert!(!place.path("never.json").exists());
    issue(&holder, "flex.gb.aggregator", &["--claim", "zone=GB-1"], "aggregator.json");
    holder.ok(&[&ask[..], &["-o", "request.json"]].concat());
    delegate.ok(&["visa", "review", "request.json"]);
    delegate.ok(&["visa", "issue", "request.json", "-o", "supplier.json"]);
    holder.ok(&["visa", "accept", "supplier.json", "--evidence", "aggregator.json"]);

    let to = regulator.did.as_str();
    let both = ["flex.gb.supplier", "flex.gb.aggregator"];
    holder
        .ok(&[&["visa", "present"], &both[..], &["--to", to, "-o", "presentation.json"]].concat());
    let verify = ["visa", "verify", "presentation.json", "--audience", to];
    let trust = ["--trust", "trust-2.json"];
    let report = regulator.verdict("GP-VISA-IN-FORCE", 0, &[&verify[..], &trust].concat());
    let path = report["visas"][0]["path"].as_array().expect("a path");
    assert_eq!(path.len(), 2);
    assert_eq!(path[1]["issuer"].as_str(), Some(to));

    regulator.ok(&["visa", "revoke", &delegate.did, "-o", "withdrawn.json"]);
    let args = [&verify[..], &trust, &["--status", "withdrawn.json"]].concat();
    regulator.verdict("GP-ISSUER-REVOKED-ENDS", 13, &args);
}

#[test]
fn who_revokes_by_a_role_is_believed_and_nobody_else() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let (ombudsman, dso) = (Party::new(&place, "ombudsman"), Party::new(&place, "dso"));
    let (office, role) = ("flex.gb.ombudsman", "flex.gb.supplier");
    regulator.ok(&["role", "define", office]);
    regulator.ok(&["role", "define", role, "--revoked-by", office]);
    regulator.ok(&["charter", "add-role", office, role]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    for (to, role, file) in [(&ombudsman, office, "office.json"), (&holder, role, "visa.json")] {
        to.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
        regulator.ok(&["visa", "issue", "--to", &to.did, "--role", role, "-o", file]);
        to.ok(&["visa", "accept", file]);
    }
    dso.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    holder.ok(&["visa", "present", role, "--to", &dso.did, "-o", "shown.json"]);
    let verify = ["visa", "verify", "shown.json", "--audience", &dso.did];
    dso.verdict("GP-VISA-IN-FORCE", 0, &verify);
    // Whoever has no such role is told so.
    dso.refused("GP-STATUS-SIGNER", 11, &["visa", "revoke", "visa.json", "-o", "no.json"]);
    assert!(!place.path("no.json").exists());
    ombudsman.ok(&["visa", "revoke", "visa.json", "-o", "gone.json"]);
    let told = [&verify[..], &["--status", "gone.json"]].concat();
    dso.verdict("GP-VISA-REVOKED", 13, &told);
    dso.ok(&["status", "accept", "gone.json"]);
    dso.verdict("GP-VISA-REVOKED", 13, &verify);
    // Published again it carries the same.
    ombudsman.ok(&["status", "publish", "-o", "again.json"]);
    let told = [&verify[..], &["--trust", "trust-2.json", "--status", "again.json"]].concat();
    dso.verdict("GP-VISA-REVOKED", 13, &told);
}

#[test]
fn what_is_revoked_is_not_renewed_in_silence_whoever_revoked_it() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let supervisor = Party::new(&place, "supervisor");
    let role = "flex.gb.supplier";
    regulator.ok(&["role", "define", role, "--revoker", &supervisor.did]);
    regulator.ok(&["charter", "add-role", role]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    for party in [&holder, &supervisor] {
        party.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    }
    let issue = |role: &str, more: &[&str], file: &str| {
        let args = ["visa", "issue", "--to", &holder.did, "--role", role, "-o", file];
        regulator.ok(&[&args[..], more].concat());
        holder.ok(&["visa", "accept", file]);
        holder.ok(&["visa", "renew", role, "-o", &format!("renew-{file}")]);
    };
    let aggregator = "flex.gb.aggregator";
    issue(aggregator, &["--claim", "zone=GB-1"], "aggregator.json");
    issue(role, &[], "supplier.json");
    let review = |file: &str| {
        let ran = place.run(&regulator.args(&["--json", "visa", "review", file]));
        (ran.status, ran.json())
    };
    assert_eq!(review("renew-aggregator.json").0, 0);

    // By the issuer: its own register says so, and the holder's list.
    regulator.ok(&["visa", "revoke", "aggregator.json", "-o", "gone.json"]);
    let (status, report) = review("renew-aggregator.json");
    assert_eq!(status, 13, "{report:#}");
    assert!(codes_of(&report).contains(&"GP-VISA-REVOKED".to_owned()), "{report:#}");
    let again = ["visa", "issue", "renew-aggregator.json", "-o", "again.json"];
    regulator.refused("GP-VISA-REVOKED", 13, &again);
    assert!(!place.path("again.json").exists());
    holder.ok(&["status", "accept", "gone.json"]);
    holder.refused("GP-VISA-REVOKED", 13, &["visa", "renew", aggregator, "-o", "no.json"]);
    regulator.ok(&[&again[..], &["--despite-revocation"]].concat());

    // By somebody else who may: as soon as the issuer keeps its list.
    supervisor.ok(&["visa", "revoke", "supplier.json", "-o", "theirs.json"]);
    assert_eq!(review("renew-supplier.json").0, 0);
    regulator.ok(&["status", "accept", "theirs.json"]);
    assert_eq!(review("renew-supplier.json").0, 13);
    let again = ["visa", "issue", "renew-supplier.json", "-o", "once-more.json"];
    regulator.refused("GP-VISA-REVOKED", 13, &again);
    let issued = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let rows = issued["visas"].as_array().expect("visas");
    let row = rows.iter().find(|v| v["visa"]["role"] == role).expect("it was issued");
    assert_eq!(row["state"], "revoked");
    let by = format!("by {}", supervisor.did);
    assert!(row["sentence"].as_str().is_some_and(|s| s.contains(&by)), "{row:#}");
}
