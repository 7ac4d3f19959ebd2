//! Visas as an officer, a holder and a verifier call them, from the request to the presentation, the suspension and
//! the revocation, each with a wallet of its own, and nothing but files between them.

use crate::common::Place;
use crate::parties::{Party, framework};
use serde_json::Value;

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
    // It ends as a visa does, and is to be renewed.
    let soon = |more: &[&str]| {
        let call = [&["visa", "expirations", "--within", "10d"], more].concat();
        let told = regulator.json("gridpass.visa.expirations/1", &call);
        told["expirations"].as_array().cloned().expect("rows")
    };
    let ends = soon(&[]);
    assert_eq!((ends.len(), &ends[0]["what"]), (1, &"authorisation".into()), "{ends:#?}");
    assert_eq!(ends[0]["authorisation"], made["authorisation"]);
    assert_eq!(ends[0]["ends"], made["authorisation"]["validUntil"]);
    assert!(soon(&["--role", "flex.gb.aggregator"]).is_empty());
    let table = regulator.ok(&["visa", "expirations", "--within", "10d", "--csv"]);
    assert_eq!(table.text().lines().count(), 2, "{}", table.text());
    // What lets it do less is no renewal, what lets it do as much is one.
    let less = ["visa", "authorise-node", &node, "--purpose", "sealing"];
    regulator.ok(&[&less[..], &["--validity", "20d", "-o", "sealing.json"]].concat());
    assert_eq!(soon(&[]).len(), 1);
    let renewed = [&args[..], &["--validity", "20d", "-o", "node-2.json"]].concat();
    regulator.ok(&renewed);
    assert!(soon(&[]).is_empty(), "{:#?}", soon(&[]));
    let long = ["visa", "authorise-node", &node, "--validity", "91d", "-o", "never.json"];
    regulator.refused("GP-VISA-VALIDITY-TOO-LONG", 10, &long);
    // A node acts as long as its organisation's own list is new enough.
    let told = regulator.ok(&["visa", "authorise-node", &node, "-o", "again.json"]);
    assert!(told.text().contains("gridpass status publish"), "{}", told.text());
    regulator.ok(&["visa", "revoke", &node, "-o", "cut-off.json"]);
    regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "revoke", &node]);
    let index = regulator.json("gridpass.status.show/1", &["status", "show", "cut-off.json"]);
    assert_eq!(index["lists"][0]["purposes"][0], "revocation");
}
