//! Roles, charters, visas and status lists as an officer, a delegate, a holder and a verifier call
//! them, each with a wallet of its own, and nothing but files between them.

use crate::common::{Place, Ran, codes_of};
use serde_json::Value;

/// Somebody with a wallet and a did:webvh.
pub(crate) struct Party<'p> {
    pub(crate) place: &'p Place,
    profile: &'static str,
    pub(crate) did: String,
}

impl<'p> Party<'p> {
    pub(crate) fn new(place: &'p Place, profile: &'static str) -> Self {
        let words = format!("{profile}-words.txt");
        place.ok(&["init", "--name", profile, "--recovery-out", &words]);
        let location = format!("{profile}.example");
        let args = ["--profile", profile, "--method", "webvh", "--location", &location];
        let did = place.new_identity("root", &args);
        Self { place, profile, did }
    }

    pub(crate) fn args<'a>(&self, args: &[&'a str]) -> Vec<&'a str> {
        [&["--profile", self.profile], args].concat()
    }

    pub(crate) fn ok(&self, args: &[&str]) -> Ran {
        self.place.ok(&self.args(args))
    }

    pub(crate) fn json(&self, schema: &str, args: &[&str]) -> Value {
        self.place.ok_json(schema, &self.args(args))
    }

    pub(crate) fn refused(&self, code: &str, status: i32, args: &[&str]) -> Value {
        self.place.refused(code, status, &self.args(args))
    }

    /// A verification that must come out so.
    pub(crate) fn verdict(&self, code: &str, status: i32, args: &[&str]) -> Value {
        let args = [&["--json"], args].concat();
        let ran = self.place.run(&self.args(&args));
        let json = ran.json();
        assert_eq!((json["code"].as_str(), ran.status), (Some(code), status), "{args:?}: {json:#}");
        json
    }
}

/// A regulator with a role and a charter, and a holder who trusts it.
pub(crate) fn framework(place: &Place) -> (Party<'_>, Party<'_>) {
    let (regulator, holder) = (Party::new(place, "regulator"), Party::new(place, "agg"));
    regulator.ok(&[
        "role",
        "define",
        "flex.gb.aggregator",
        "--title",
        "Aggregator",
        "--claim",
        "zone:string",
        "--claim",
        "capacityKw:integer?",
    ]);
    regulator.ok(&["charter", "new", "Flexibility", "--role", "flex.gb.aggregator"]);
    regulator.ok(&["charter", "pack", "-o", "trust.json"]);
    holder.ok(&["charter", "verify", "trust.json", "--adopt"]);
    (regulator, holder)
}

#[test]
fn an_officer_needs_five_commands_and_each_prints_the_next() {
    let place = Place::new();
    let next = |args: &[&str], expected: &str| {
        let ran = place.ok(args);
        let all = format!("{}{}", ran.text(), ran.stderr);
        let (_, steps) = all.split_once("next: ").unwrap_or_default();
        assert!(steps.contains(expected), "{args:?} prints {all}");
    };
    next(&["init", "--name", "regulator", "--recovery-out", "w"], "gridpass id new");
    next(
        &["id", "new", "--name", "root", "--method", "webvh", "--location", "regulator.example"],
        "gridpass role define",
    );
    next(&["role", "define", "flex.gb.aggregator", "--claim", "zone"], "gridpass charter new");
    next(&["charter", "new", "Flexibility", "--role", "flex.gb.aggregator"], "gridpass visa issue");
    let to = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    next(
        &[
            "visa",
            "issue",
            "--to",
            to,
            "--role",
            "flex.gb.aggregator",
            "--claim",
            "zone=GB-1",
            "-o",
            "visa.json",
        ],
        "gridpass visa accept",
    );
    let show = place.ok_json("gridpass.visa.show/1", &["visa", "show", "visa.json"]);
    assert_eq!(
        (&show["visa"]["claims"]["zone"], &show["verified"]),
        (&"GB-1".into(), &false.into())
    );
}

#[test]
fn from_request_to_presentation_and_from_suspension_to_revocation() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let role = "flex.gb.aggregator";
    holder.ok(&[
        "visa",
        "request",
        role,
        "--claim",
        "zone=GB-1",
        "--claim",
        "capacityKw=500",
        "--note",
        "as agreed",
        "-o",
        "request.json",
    ]);
    let review = regulator.json("gridpass.visa.review/1", &["visa", "review", "request.json"]);
    assert_eq!(review["statement"]["claims"]["capacityKw"], 500);
    assert_eq!(review["outcome"], "passed");
    regulator.ok(&["visa", "issue", "request.json", "--form", "sd-jwt", "-o", "visa.json"]);
    // Somebody else cannot keep it; its holder can.
    regulator.refused("GP-PRESENTER-OTHER", 10, &["visa", "accept", "visa.json"]);
    holder.ok(&["visa", "accept", "visa.json"]);
    let list = holder.json("gridpass.visa.list/1", &["visa", "list"]);
    assert_eq!(list["visas"][0]["state"], "held");

    // The holder shows its zone and not its capacity.
    let to = regulator.did.as_str();
    let present = ["visa", "present", role, "--to", to, "--nonce", "n-1", "--disclose", "zone"];
    holder.ok(&[&present[..], &["-o", "presentation.json"]].concat());
    assert!(!place.read("presentation.json").contains("capacityKw"));
    let verify = ["visa", "verify", "presentation.json", "--audience", to, "--nonce", "n-1"];
    let report = regulator.json("gridpass.visa.verify/1", &verify);
    assert_eq!(report["visas"][0]["visa"]["claims"], serde_json::json!({"zone": "GB-1"}));
    regulator.verdict(
        "GP-NONCE-OTHER",
        10,
        &["visa", "verify", "presentation.json", "--audience", to, "--nonce", "n-2"],
    );
    regulator.verdict(
        "GP-AUDIENCE-OTHER",
        10,
        &["visa", "verify", "presentation.json", "--audience", &holder.did],
    );
    regulator.refused("GP-USAGE", 2, &["visa", "verify", "presentation.json"]);

    // Suspended, reinstated, revoked: the verifier needs only the new list.
    let issued = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let id = issued["visas"][0]["visa"]["id"].as_str().expect("an id").to_owned();
    let verify_with =
        |lists: &'static str| [&verify[..], &["--trust", "trust.json", "--status", lists]].concat();
    regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "reinstate", &id]);
    regulator.ok(&["visa", "suspend", &id, "--reason", "dispute", "-o", "suspended.json"]);
    holder.verdict("GP-VISA-SUSPENDED", 13, &verify_with("suspended.json"));
    regulator.ok(&["visa", "reinstate", &id, "-o", "reinstated.json"]);
    let fine = holder.verdict("GP-VISA-IN-FORCE", 0, &verify_with("reinstated.json"));
    assert!(fine.to_string().contains("GP-STATUS-REINSTATED"));
    regulator.ok(&["visa", "revoke", &id, "-o", "revoked.json"]);
    holder.verdict("GP-VISA-REVOKED", 13, &verify_with("revoked.json"));
    regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "revoke", &id]);
    // For good: it is neither suspended nor reinstated any more.
    for change in ["suspend", "reinstate"] {
        regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", change, &id]);
    }
    // A list that cannot be read is not one that nobody gave.
    let lists: Value = serde_json::from_str(&place.read("revoked.json")).expect("JSON");
    place.write("broken.jwt", &format!("{}=", lists["statusLists"][0].as_str().expect("a JWT")));
    holder.refused("GP-JWS-MALFORMED", 16, &verify_with("broken.jwt"));
    let issued = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    assert_eq!(issued["visas"][0]["state"], "revoked");
    let shown = regulator.json("gridpass.status.show/1", &["status", "show", "revoked.json"]);
    assert_eq!(shown["lists"][0]["purposes"][0], "revocation");
}

#[test]
fn a_visa_that_names_a_hundred_others_is_presented() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let role = "flex.gb.group";
    regulator.ok(&["role", "define", role, "--claim", "members:array"]);
    regulator.ok(&["charter", "add-role", role]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    holder.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let member = |n: u32| format!("did:webvh:QmNobodyIsCalledThisWayAnywhere:p{n}.example");
    let claims = serde_json::json!({"members": (0..100).map(member).collect::<Vec<_>>()});
    place.write("claims.json", &claims.to_string());
    let issue = ["visa", "issue", "--to", &holder.did, "--role", role, "--claims", "claims.json"];
    for form in ["jwt", "sd-jwt"] {
        let (visa, shown) = (format!("{form}.json"), format!("{form}-shown.json"));
        let with = ["--form", form, "-o", &visa];
        let issued = regulator.json("gridpass.visa.issue/1", &[&issue[..], &with].concat());
        let hash = issued["evidence"].as_str().expect("a hash");
        holder.ok(&["visa", "accept", &visa]);
        holder.ok(&["visa", "present", hash, "--to", &regulator.did, "-o", &shown]);
        let verify = ["visa", "verify", &shown, "--audience", &regulator.did];
        let report = regulator.json("gridpass.visa.verify/1", &verify);
        assert_eq!(report["visas"][0]["visa"]["claims"], claims, "{form}");
    }
}

#[test]
fn reports_are_byte_identical_for_the_same_inputs() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let claim = ["--claim", "zone=GB-1"];
    let issue = ["visa", "issue", "--to", &holder.did, "--role", "flex.gb.aggregator"];
    // The regulator does not know the holder's DID yet: a visa needs only its name.
    regulator.ok(&[&issue[..], &claim, &["-o", "visa.json"]].concat());
    let at = regulator.json("gridpass.status.show/1", &["status", "show"]);
    let at = at["lists"][0]["dated"].as_str().expect("a time").to_owned();
    for report in ["one.json", "two.json"] {
        let args = [
            "visa",
            "verify",
            "visa.json",
            "--trust",
            "trust.json",
            "--at",
            &at,
            "--clock",
            &at,
            "--report",
            report,
        ];
        // No wallet, no secret, no network.
        let ran = place.run_bare(&args);
        assert_eq!(ran.status, 0, "{} {}", ran.text(), ran.stderr);
    }
    assert_eq!(place.read("one.json"), place.read("two.json"));
}

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
fn two_of_three_signers_make_a_charter() {
    let place = Place::new();
    let signers = [Party::new(&place, "no"), Party::new(&place, "se"), Party::new(&place, "dk")];
    let [no, se, dk] = &signers;
    for signer in [se, dk] {
        let file = format!("{}.jsonl", signer.profile);
        signer.ok(&["id", "export", "root", "-o", &file]);
        no.ok(&["id", "resolve", &signer.did, "--log", &file, "--save"]);
    }
    no.ok(&["id", "export", "root", "-o", "no.jsonl"]);
    se.ok(&["id", "resolve", &no.did, "--log", "no.jsonl", "--save"]);
    no.ok(&["role", "define", "flex.no.bidder", "-o", "bidder.json"]);
    se.ok(&["role", "define", "--from", "bidder.json"]);
    let mut args = vec!["charter", "new", "Nordic", "--role", "flex.no.bidder", "--threshold", "2"];
    for signer in &signers {
        args.extend(["--signer", signer.did.as_str()]);
    }
    args.extend(["-o", "charter.json"]);
    let first = no.json("gridpass.charter/1", &args);
    assert_eq!(first["complete"], false);
    no.refused("GP-CHARTER-SIGNERS-TOO-FEW", 14, &["charter", "publish", "charter.json"]);
    let outsider = Party::new(&place, "outsider");
    outsider.refused(
        "GP-CHARTER-SIGNERS-TOO-FEW",
        14,
        &["charter", "sign", "charter.json", "-o", "x.json"],
    );
    se.ok(&["charter", "sign", "charter.json", "-o", "signed.json"]);
    let published = no.json(
        "gridpass.charter.publish/1",
        &["charter", "publish", "signed.json", "-o", "trust.json"],
    );
    let pin = published["pack"].as_str().expect("a CID");
    dk.ok(&["charter", "verify", "trust.json", "--pin", pin, "--adopt"]);
    place.write("altered.json", &place.read("trust.json").replace("Nordic", "Nordik"));
    dk.refused("GP-CID-OTHER", 10, &["charter", "verify", "altered.json", "--pin", pin]);
    let ran = place.run_bare(&["--json", "charter", "verify", "altered.json"]);
    assert_eq!(ran.status, 14, "{}", ran.text());
    // Another charter with the same version number is a contradiction.
    let retire = ["charter", "retire", "flex.no.bidder", "--grace", "90d", "-o", "retired.json"];
    assert_eq!(no.json("gridpass.charter/1", &retire)["complete"], false);
    let show = dk.json("gridpass.charter.show/1", &["charter", "show", "retired.json"]);
    assert_eq!(show["charter"]["version"], 2);
    // Where all must sign, one key is the end of it: it is said before it is too late.
    let mut all = vec!["charter", "new", "Strict", "--role", "flex.no.bidder", "-o", "strict.json"];
    for signer in &signers {
        all.extend(["--signer", signer.did.as_str()]);
    }
    assert!(no.ok(&all).stderr.contains("--threshold 2"));
}

#[test]
fn a_request_is_refused_with_a_reason_and_a_visa_is_renewed() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let role = "flex.gb.aggregator";
    holder.refused("GP-CLAIMS-UNFIT", 10, &["visa", "request", role, "--claim", "zone2=x"]);
    holder.refused("GP-CLAIM-ARGUMENT", 2, &["visa", "request", role, "--claim", "zone"]);
    holder.ok(&["visa", "request", role, "--claim", "zone=GB-9", "-o", "request.json"]);
    let altered = place.read("request.json").replace("eyJ", "eyK");
    place.write("altered.json", &altered);
    assert_ne!(regulator.place.run(&regulator.args(&["visa", "review", "altered.json"])).status, 0);
    let refuse = ["visa", "refuse", "request.json", "--reason", "not served", "-o", "refusal.json"];
    regulator.ok(&refuse);
    let shown = holder.json("gridpass.visa.show/1", &["visa", "show", "refusal.json"]);
    assert_eq!(shown["refusal"]["reason"], "not served");
    holder.refused("GP-PARCEL-KIND", 2, &["visa", "accept", "refusal.json"]);
    // Whether the issuer refused it can be verified.
    let verify = ["visa", "verify", "refusal.json"];
    let verified = holder.json("gridpass.visa.verify-refusal/1", &verify);
    assert_eq!((&verified["outcome"], &verified["refusal"]), (&"passed".into(), &shown["refusal"]));
    // What is asked of visas alone is not passed over.
    let presenter = ["--presenter", regulator.did.as_str()];
    for more in [["--nonce", "n-1"], presenter, ["--status", "refusal.json"]] {
        holder.refused("GP-USAGE", 2, &[&verify[..], &more].concat());
    }
    let late = [&verify[..], &["--at", "2099-01-01T00:00:00Z"]].concat();
    holder.verdict("GP-PROOF-EXPIRED", 12, &late);
    let told = place.run(&holder.args(&late));
    let signed = verified["signed"].as_str().expect("a time");
    assert!(told.text().contains(&format!("--at {signed}")), "{}", told.text());
    holder.ok(&[&verify[..], &["--at", signed]].concat());
    let refusal = place.read("refusal.json");
    let parcel: Value = serde_json::from_str(&refusal).expect("JSON");
    let content = parcel["content"].as_str().expect("a JWS");
    let (signed, signature) = content.rsplit_once('.').expect("a signature");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    place.write("forged.json", &refusal.replace(content, &forged));
    holder.verdict("GP-SIGNATURE-INVALID", 10, &["visa", "verify", "forged.json"]);

    let issue = ["visa", "issue", "request.json", "--validity", "20d", "-o", "visa.json"];
    regulator.refused("GP-REQUEST-REFUSED", 8, &issue);
    regulator.ok(&[&issue[..], &["--despite-refusal"]].concat());
    holder.ok(&["visa", "accept", "visa.json"]);
    // A visa that is malformed is no presentation that lacks its audience.
    let visa: Value = serde_json::from_str(&place.read("visa.json")).expect("JSON");
    place.write("padded.jwt", &format!("{}=", visa["content"].as_str().expect("a JWT")));
    holder.verdict("GP-JWS-MALFORMED", 16, &["visa", "verify", "padded.jwt"]);
    let soon = holder.json("gridpass.visa.expirations/1", &["visa", "expirations"]);
    assert_eq!(soon["expirations"].as_array().map(Vec::len), Some(1));
    holder.ok(&["visa", "renew", role, "-o", "renewal.json"]);
    let review = regulator.json("gridpass.visa.review/1", &["visa", "review", "renewal.json"]);
    assert!(review["statement"]["renews"].as_str().is_some_and(|r| r.starts_with("urn:uuid:")));
    regulator.ok(&["visa", "issue", "renewal.json", "--validity", "21d", "-o", "renewed.json"]);
    let renewed = holder.json("gridpass.visa.accept/1", &["visa", "accept", "renewed.json"]);
    // What is renewed is to be renewed no more.
    for party in [&holder, &regulator] {
        let soon = party.json("gridpass.visa.expirations/1", &["visa", "expirations"]);
        assert_eq!(soon["expirations"].as_array().map(Vec::len), Some(1), "{soon:#}");
        assert_eq!(soon["expirations"][0]["visa"]["id"], renewed["visas"][0]["visa"]["id"]);
    }
    // By the role it is the renewed one that is meant.
    let shown = ["visa", "present", role, "--to", &regulator.did, "-o", "shown.json"];
    holder.ok(&shown);
    let verify = ["visa", "verify", "shown.json", "--audience", &regulator.did];
    let verdict = regulator.json("gridpass.visa.verify/1", &verify);
    let held = holder.json("gridpass.visa.list/1", &["visa", "list"]);
    let held = held["visas"].as_array().expect("visas").iter().map(|v| &v["visa"]);
    let longest = held.max_by_key(|v| v["validUntil"].as_str()).expect("a visa");
    assert_eq!(verdict["visas"][0]["visa"]["id"], longest["id"]);
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

#[test]
fn roles_are_shown_listed_and_compared() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let role = "flex.gb.aggregator";
    regulator.ok(&["role", "show", role, "-o", "old.json"]);
    let new = ["role", "define", role, "--claim", "zone:string", "--max-validity", "30d"];
    let defined =
        regulator.json("gridpass.role.define/1", &[&new[..], &["-o", "new.json"]].concat());
    assert_eq!(defined["version"], "1.1.0");
    let list = regulator.json("gridpass.role.list/1", &["role", "list"]);
    let states: Vec<_> =
        list["roles"].as_array().expect("rows").iter().map(|r| r["state"].clone()).collect();
    assert_eq!(states, ["in force", "not listed"]);
    // Files need no wallet.
    let ran = place.run_bare(&["--json", "role", "diff", "old.json", "new.json"]);
    let places: Vec<_> = ran.json()["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|c| c["place"].as_str().expect("a place").to_owned())
        .collect();
    assert!(places.contains(&"/maxValiditySeconds".to_owned()), "{places:?}");
    assert!(places.contains(&"/claims/properties/capacityKw".to_owned()), "{places:?}");
    // A visa that nobody would believe is not issued.
    let to = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    let issue = ["visa", "issue", "--to", to, "--role", role, "--claim", "zone=GB-1"];
    regulator.refused(
        "GP-VISA-VALIDITY-TOO-LONG",
        10,
        &[&issue[..], &["--validity", "3650d"]].concat(),
    );
    regulator.refused("GP-ROLE-NOT-LISTED", 14, &["visa", "issue", "--to", to, "--role", "a.b"]);
    let issued = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    assert_eq!(issued["visas"].as_array().map(Vec::len), Some(0));
}

#[test]
fn without_a_trust_pack_nothing_is_verified() {
    let place = Place::new();
    let holder = Party::new(&place, "agg");
    place.write("visa.json", "eyJhbGciOiJFZERTQSJ9.e30.x");
    holder.refused("GP-TRUST-NOT-PINNED", 3, &["visa", "verify", "visa.json"]);
    holder.refused("GP-TRUST-NOT-PINNED", 3, &["visa", "request", "flex.gb.aggregator"]);
}

/// On a machine without a wallet, and in a script beside one whose passphrase it has not.
#[test]
fn a_visa_is_verified_by_the_trust_pack_alone_where_that_is_asked_for_and_it_is_said() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let issue = ["visa", "issue", "--to", &holder.did, "--role", "flex.gb.aggregator"];
    regulator.ok(&[&issue[..], &["--claim", "zone=GB-1", "-o", "visa.json"]].concat());
    regulator.ok(&["visa", "revoke", &holder.did, "-o", "revoked.json"]);
    let elsewhere = Place::new();
    for file in ["visa.json", "trust.json", "revoked.json"] {
        elsewhere.write(file, &place.read(file));
    }
    let alone = ["--json", "visa", "verify", "visa.json", "--without-wallet"];
    let by_pack = [&alone[..], &["--trust", "trust.json"]].concat();
    for place in [&place, &elsewhere] {
        let ran = place.run_bare(&by_pack);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
        assert_eq!(ran.json()["wallet"], "not-asked");
        assert_eq!(ran.json()["code"], "GP-VISA-IN-FORCE");
        let ran = place.run_bare(&by_pack[1..]);
        assert!(ran.text().contains("the wallet was NOT ASKED"), "{}", ran.text());
        let ran = place.run_bare(&[&by_pack[..], &["--status", "revoked.json"]].concat());
        assert_eq!((ran.status, ran.json()["code"].as_str()), (13, Some("GP-VISA-REVOKED")));
        let ran = place.run_bare(&alone);
        assert_eq!((ran.status, ran.error()["code"].as_str()), (2, Some("GP-USAGE")), "{ran:?}");
        assert!(ran.error()["next"].as_str().is_some_and(|n| n.contains("--trust")), "{ran:?}");
    }
    // Where it is not asked for, a wallet here is missed, and what it knows counts.
    let asked = ["--json", "visa", "verify", "visa.json", "--trust", "trust.json"];
    let ran = place.run_bare(&[&asked[..], &["--profile", "regulator"]].concat());
    assert!(ran.stderr.contains("GP-INPUT-NEEDED"), "{ran:?}");
    assert!(ran.json().get("wallet").is_none(), "{ran:?}");
}

#[test]
fn lists_are_kept_and_an_older_state_is_refused() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let issue = ["visa", "issue", "--to", &holder.did, "--role", "flex.gb.aggregator"];
    regulator.ok(&[&issue[..], &["--claim", "zone=GB-1", "-o", "visa.json"]].concat());
    holder.ok(&["visa", "accept", "visa.json"]);
    regulator.ok(&["status", "publish", "-o", "before.json"]);
    regulator.ok(&["visa", "revoke", &holder.did, "-o", "revoked.json"]);
    let dso = Party::new(&place, "dso");
    dso.ok(&["charter", "verify", "trust.json", "--adopt"]);
    let verify = ["visa", "verify", "visa.json"];
    dso.ok(&verify);
    let kept = dso.json("gridpass.status.accept/1", &["status", "accept", "revoked.json"]);
    assert_eq!(kept["lists"].as_array().map(Vec::len), Some(1));
    // Of a file the older ones are left out, and none beside them.
    let mixed = dso.json("gridpass.status.accept/1", &["status", "accept", "before.json"]);
    let ids = |lists: &Value| -> Vec<String> {
        let ids = lists.as_array().expect("lists").iter().map(|l| l["purposes"][0].to_string());
        ids.collect()
    };
    assert_eq!(ids(&mixed["older"]), ["\"revocation\""]);
    assert_eq!(ids(&mixed["lists"]), ["\"suspension\""]);
    let older: Value = serde_json::from_str(&place.read("before.json")).expect("JSON");
    let older = older["statusLists"].as_array().expect("lists");
    let is_revocations = |text: &&str| {
        place.write("older.jwt", text);
        let shown = dso.json("gridpass.status.show/1", &["status", "show", "older.jwt"]);
        shown["lists"][0]["purposes"][0] == "revocation"
    };
    let text = older.iter().filter_map(Value::as_str).find(is_revocations).expect("a list");
    place.write("older.jwt", text);
    dso.refused("GP-STATUS-ROLLBACK", 10, &["status", "accept", "older.jwt"]);
    // The visa's own file has the older list beside it: the kept one counts.
    dso.verdict("GP-VISA-REVOKED", 13, &verify);
    let text = place.read("revoked.json").replace("eyJ", "eyK");
    place.write("altered.json", &text);
    let ran = dso.place.run(&dso.args(&["status", "accept", "altered.json"]));
    assert_ne!(ran.status, 0);
}

#[test]
fn a_node_is_authorised_and_cut_off() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let node =
        place.new_identity("node-1", &["--profile", "regulator", "--method", "key", "--node"]);
    let channel = "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77grai";
    let args = ["visa", "authorise-node", &node, "--channel", channel, "--purpose", "messages"];
    let made = regulator.json(
        "gridpass.visa.authorise-node/1",
        &[&args[..], &["--validity", "7d", "-o", "node-1.json"]].concat(),
    );
    assert_eq!(made["authorisation"]["channels"][0], channel);
    assert_eq!(made["authorisation"]["purposes"], serde_json::json!(["messages"]));
    let long = ["visa", "authorise-node", &node, "--validity", "91d", "-o", "never.json"];
    regulator.refused("GP-VISA-VALIDITY-TOO-LONG", 10, &long);
    regulator.ok(&["visa", "revoke", &node, "-o", "cut-off.json"]);
    regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "revoke", &node]);
    let index = regulator.json("gridpass.status.show/1", &["status", "show", "cut-off.json"]);
    assert_eq!(index["lists"][0]["purposes"][0], "revocation");
}
