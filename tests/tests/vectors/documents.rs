//! Role definitions and charters.

use crate::made::{Made, bent, jcs, plain, signed, told, with_code, without};
use crate::{Case, Found, refused};
use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::RoleDefinition;
use gridpass_identity::method;
use gridpass_identity::report::Report;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use gridpass_tests::world::{self, NOW, Party, days_ago};
use serde_json::{Value, json};

/// A role definition's bytes, perhaps under the name by which they were asked for.
pub(crate) fn role(case: &Case) -> Found {
    let name = case.text("cid").map(ContentId::parse).transpose();
    let bytes = case.text("document").expect("a document").as_bytes();
    let read = match name {
        Err(e) => return refused(e.code()),
        Ok(name) => RoleDefinition::parse(bytes, name.as_ref()),
    };
    match read {
        Err(e) => refused(e.code()),
        Ok((definition, cid)) => {
            Found::from([("cid", json!(cid)), ("name", json!(definition.name))])
        }
    }
}

/// A charter with its signatures, as the first of a framework or after another.
pub(crate) fn charter(case: &Case) -> Found {
    let read = |name: &str| SignedCharter::parse(case.text(name).expect("a charter").as_bytes());
    let signed = match read("document") {
        Ok(signed) => signed,
        Err(e) => return refused(e.code()),
    };
    let now = UnixMillis::parse_rfc3339(case.text("now").expect("a time")).expect("a time");
    let resolver = OfflineResolver::new(&NoSnapshots);
    let checks = if case.input.contains_key("previous") {
        signed.check_follows(&read("previous").expect("a charter"), &resolver, now)
    } else {
        signed.check_first(&resolver, now)
    };
    let report = Report { checks };
    Found::from([
        ("cid", json!(signed.id())),
        ("outcome", json!(report.outcome())),
        ("code", json!(report.deciding().map(|c| c.code))),
        ("checks", told(&report.checks)),
    ])
}

pub(crate) fn roles() -> Vec<Made> {
    let root = Party::new(1);
    let base = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let other = world::id(&world::definition("flex.gb.body", world::dids(&[&root]), |_| ()));
    let name = world::id(&base);
    let base = serde_json::to_value(base).expect("JSON");
    let full = bent(&base, |d| {
        d["previous"] = json!(name);
        d["issuers"]["roles"] = json!([other]);
        d["revokers"] = json!({"roles": [other]});
        d["issuerRevocation"] = json!("ends");
        d["preconditions"] = json!({"all": [
            {"role": other}, {"atLeast": 1, "of": [{"role": name}, {"any": [{"role": other}]}]}]});
    });
    let of = |document: &Value| json!({"document": jcs(document)});
    let named = |cid: &str| json!({"document": jcs(&base), "cid": cid});
    let mut cases = vec![
        plain("as small as it gets", of(&base)),
        plain("with every member", of(&full)),
        plain("under its name", named(name.as_str())),
        with_code("under another name", named(other.as_str()), "GP-CID-OTHER"),
        with_code("a name in upper case", named(&name.as_str().to_uppercase()), "GP-CID-MALFORMED"),
        with_code("a name of version 0", named("QmYwAPJzv5CZsnA"), "GP-CID-MALFORMED"),
    ];
    let spelt = |from: &str, to: &str| json!({"document": jcs(&base).replacen(from, to, 1)});
    for (name, input, code) in [
        ("a space", spelt(":", ": "), "GP-DOCUMENT-NOT-CANONICAL"),
        (
            "an integer with a fraction",
            spelt("Depth\":4", "Depth\":4.0"),
            "GP-DOCUMENT-NOT-CANONICAL",
        ),
        ("a member twice", spelt("{", "{\"claims\":{},"), "GP-ROLE-MALFORMED"),
        ("something behind it", json!({"document": jcs(&base) + "x"}), "GP-ROLE-MALFORMED"),
        ("an array", json!({"document": "[]"}), "GP-ROLE-MALFORMED"),
    ] {
        cases.push(with_code(name, input, code));
    }
    let long = "x".repeat(201);
    let deep = (0..9).fold(json!({"role": other}), |inner, _| json!({"all": [inner]}));
    let wide: Vec<Value> = (0..64).map(|_| json!({"role": other})).collect();
    let bends: Vec<(&str, Value)> = vec![
        ("an unknown member", bent(&base, |d| d["note"] = json!("x"))),
        ("a member that is missing", without(&base, "version")),
        ("null for a member", bent(&base, |d| d["title"] = Value::Null)),
        ("another type", bent(&base, |d| d["type"] = json!("gridpass-role"))),
        ("a later format", bent(&base, |d| d["formatVersion"] = json!(2))),
        ("a name of one part", bent(&base, |d| d["name"] = json!("aggregator"))),
        ("a name with upper case", bent(&base, |d| d["name"] = json!("flex.GB.x"))),
        ("a name's part that begins with a digit", bent(&base, |d| d["name"] = json!("flex.1b"))),
        ("a name's part that ends in a dash", bent(&base, |d| d["name"] = json!("flex.b-"))),
        ("a version of two numbers", bent(&base, |d| d["version"] = json!("1.0"))),
        ("a version with a leading zero", bent(&base, |d| d["version"] = json!("1.02.0"))),
        ("a title of spaces", bent(&base, |d| d["title"] = json!("  "))),
        ("a title that is too long", bent(&base, |d| d["title"] = json!(long))),
        ("a title with a control character", bent(&base, |d| d["title"] = json!("a\u{1b}b"))),
        ("nobody issues it", bent(&base, |d| d["issuers"] = json!({}))),
        ("a depth of none", bent(&base, |d| d["maxChainDepth"] = json!(0))),
        ("a depth of nine", bent(&base, |d| d["maxChainDepth"] = json!(9))),
        ("no validity", bent(&base, |d| d["maxValiditySeconds"] = json!(0))),
        ("ten years and a second", bent(&base, |d| d["maxValiditySeconds"] = json!(316_224_001))),
        (
            "a status older than the visa",
            bent(&base, |d| d["maxStatusAgeSeconds"] = json!(366 * 24 * 3600 + 1)),
        ),
        ("another rule of revocation", bent(&base, |d| d["issuerRevocation"] = json!("Keeps"))),
        ("claims of no object", bent(&base, |d| d["claims"]["type"] = json!("array"))),
        (
            "claims that refer outside",
            bent(&base, |d| d["claims"]["$ref"] = json!("https://schemas.example/x")),
        ),
        (
            "a pattern that goes back",
            bent(&base, |d| d["claims"]["properties"]["zone"]["pattern"] = json!("^(a)\\1$")),
        ),
        ("preconditions of nothing", bent(&base, |d| d["preconditions"] = json!({"any": []}))),
        (
            "none of one",
            bent(&base, |d| d["preconditions"] = json!({"atLeast": 0, "of": [{"role": other}]})),
        ),
        (
            "two conditions in one",
            bent(&base, |d| {
                d["preconditions"] = json!({"all": [{"role": other}], "any": [{"role": other}]});
            }),
        ),
        ("preconditions nested too deep", bent(&base, |d| d["preconditions"] = deep)),
        (
            "preconditions with too many parts",
            bent(&base, |d| d["preconditions"] = json!({"all": wide})),
        ),
    ];
    cases.extend(bends.iter().map(|(name, d)| with_code(name, of(d), "GP-ROLE-MALFORMED")));
    cases
}

/// A party whose DID is a did:jwk of the same key.
fn as_jwk(party: &Party) -> Party {
    let did = method::jwk::from_public_key(&party.key.public_key()).expect("a DID");
    let key_id = did.with_fragment("0").expect("a key id");
    Party { did, key: party.key.clone(), key_id }
}

pub(crate) fn charters() -> Vec<Made> {
    let [a, b, c, thief] = [1, 2, 3, 9].map(Party::new);
    let role = world::definition("flex.gb.aggregator", world::dids(&[&a]), |_| ());
    let mut first = world::charter(&[&a, &b, &c], &[&role]);
    first.rule.threshold = 2;
    let dated = first.dated;
    let second = first.next(days_ago(50)).expect("a charter");
    let first = serde_json::to_value(first).expect("JSON");
    let second = serde_json::to_value(second).expect("JSON");
    let text = |d: &Value, by: &[(&Party, UnixMillis)]| json!({"document": signed(d, by).to_string(), "now": NOW});
    let both = [(&a, dated), (&b, dated)];
    let twin = as_jwk(&a);
    let of_twins = bent(&first, |d| d["rule"]["signers"] = json!([a.did, twin.did, c.did]));
    let web = bent(&first, |d| d["rule"]["signers"] = json!([a.did, "did:web:b.example", c.did]));
    let mut by_web = signed(&web, &[(&a, dated), (&b, dated)]);
    by_web["proof"][1]["verificationMethod"] = json!("did:web:b.example#k");
    let proof = |bend: &dyn Fn(&mut Value)| {
        let mut whole = signed(&first, &both);
        bend(&mut whole["proof"][1]);
        json!({"document": whole.to_string(), "now": NOW})
    };
    let mut cases = vec![
        with_code("two of three signed it", text(&first, &both), "GP-CHARTER-SIGNED"),
        with_code(
            "all signed it",
            text(&first, &[(&a, dated), (&b, dated), (&c, dated)]),
            "GP-CHARTER-SIGNED",
        ),
        with_code("nobody signed it", text(&first, &[]), "GP-CHARTER-SIGNERS-TOO-FEW"),
        with_code(
            "one signed it twice",
            text(&first, &[(&a, dated), (&a, NOW)]),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "one key under two DIDs",
            text(&of_twins, &[(&a, dated), (&twin, dated)]),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "a stranger signed it",
            text(&first, &[(&a, dated), (&thief, dated)]),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "a signer's document is missing",
            json!({"document": by_web.to_string(), "now": NOW}),
            "GP-CHARTER-SIGNER-UNKNOWN",
        ),
        with_code(
            "signed five minutes ahead",
            text(&first, &[(&a, dated), (&b, NOW.plus_millis(300_000))]),
            "GP-CHARTER-SIGNED",
        ),
        with_code(
            "signed further ahead",
            text(&first, &[(&a, dated), (&b, NOW.plus_millis(301_000))]),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "a signature with a domain",
            proof(&|p| p["domain"] = json!("did:example:x")),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "a signature for another purpose",
            proof(&|p| p["proofPurpose"] = json!("authentication")),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "a signature without a time",
            proof(&|p| drop(p.as_object_mut().expect("an object").remove("created"))),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "a signature that cannot be read",
            proof(&|p| p["proofValue"] = json!("z0")),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "not the first, and none before it",
            text(&second, &both),
            "GP-CHARTER-HISTORY-BROKEN",
        ),
    ];
    cases.extend(followers(&first, &second, [&a, &b, &c]));
    let late = dated.to_string().replace('Z', ".000Z");
    let bends: Vec<(&str, Value)> = vec![
        ("an unknown member", bent(&first, |d| d["note"] = json!("x"))),
        ("a member that is missing", without(&first, "dated")),
        ("an empty list spelt out", bent(&first, |d| d["schemas"] = json!([]))),
        ("a time with digits that it does not need", bent(&first, |d| d["dated"] = json!(late))),
        ("no root", bent(&first, |d| d["roots"] = json!([]))),
        ("a root twice", bent(&first, |d| d["roots"] = json!([a.did, a.did]))),
        ("a rule that cannot be met", bent(&first, |d| d["rule"]["threshold"] = json!(4))),
        ("a rule of none", bent(&first, |d| d["rule"]["threshold"] = json!(0))),
        (
            "version 1 with a predecessor",
            bent(&first, |d| d["previous"] = second["previous"].clone()),
        ),
        ("version 2 without one", without(&second, "previous")),
        (
            "grace for what is not retired",
            bent(&first, |d| d["roles"][0]["graceSeconds"] = json!(5)),
        ),
        (
            "a definition twice",
            bent(&first, |d| d["roles"] = json!([d["roles"][0], d["roles"][0]])),
        ),
        ("a later format", bent(&first, |d| d["formatVersion"] = json!(2))),
    ];
    cases.extend(
        bends.iter().map(|(name, d)| with_code(name, text(d, &both), "GP-CHARTER-MALFORMED")),
    );
    let one = bent(&signed(&first, &both), |d| d["proof"] = d["proof"][0].clone());
    let one = json!({"document": one.to_string(), "now": NOW});
    cases.push(with_code("a proof that is no list", one, "GP-CHARTER-MALFORMED"));
    cases
}

fn followers(first: &Value, second: &Value, [a, b, c]: [&Party; 3]) -> Vec<Made> {
    let d = Party::new(4);
    let before = signed(first, &[(a, days_ago(100)), (b, days_ago(100))]).to_string();
    let at = days_ago(50);
    let after = |document: &Value, by: &[(&Party, UnixMillis)]| json!({"document": signed(document, by).to_string(), "previous": before, "now": NOW});
    let handed = bent(second, |v| v["rule"] = json!({"threshold": 1, "signers": [d.did]}));
    let other = bent(second, |v| v["previous"] = json!(ContentId::of_bytes(b"x").expect("a name")));
    let earlier = bent(second, |v| v["dated"] = json!(days_ago(101)));
    let third = bent(second, |v| v["version"] = json!(3));
    let old = days_ago(100);
    let just = UnixMillis::new(old.get() - 300_000);
    let before_it = UnixMillis::new(old.get() - 301_000);
    vec![
        with_code("it follows", after(second, &[(a, at), (c, at)]), "GP-CHARTER-SIGNED"),
        with_code(
            "by the old rule alone",
            after(&handed, &[(a, at), (b, at)]),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "by the new rule alone",
            after(&handed, &[(&d, at)]),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code(
            "by both rules",
            after(&handed, &[(a, at), (b, at), (&d, at)]),
            "GP-CHARTER-SIGNED",
        ),
        with_code(
            "it names another before it",
            after(&other, &[(a, at), (b, at)]),
            "GP-CHARTER-HISTORY-BROKEN",
        ),
        with_code(
            "dated before the one before it",
            after(&earlier, &[(a, at), (b, at)]),
            "GP-CHARTER-HISTORY-BROKEN",
        ),
        with_code(
            "a version is left out",
            after(&third, &[(a, at), (b, at)]),
            "GP-CHARTER-HISTORY-BROKEN",
        ),
        with_code(
            "signed five minutes before the date of the one before",
            after(second, &[(a, just), (b, at)]),
            "GP-CHARTER-SIGNED",
        ),
        with_code(
            "signed earlier than that",
            after(second, &[(a, before_it), (b, at)]),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
    ]
}
