//! Trust packs.

use crate::made::{Made, bent, jcs, plain, signed, with_code};
use crate::{Case, Found, refused};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::trust::{Comparison, Trust};
use gridpass_identity::time::UnixMillis;
use gridpass_tests::world::{self, NOW, Party, days_ago};
use serde_json::{Value, json};

/// A trust pack, perhaps beside one that is held already.
pub(crate) fn trust_pack(case: &Case) -> Found {
    let now = UnixMillis::parse_rfc3339(case.text("now").expect("a time")).expect("a time");
    let pin = case.text("pin").map(|p| ContentId::parse(p).expect("a CID"));
    let pack = case.text("pack").expect("a pack").as_bytes();
    let trust = match Trust::open(pack, pin.as_ref(), now) {
        Ok(trust) => trust,
        Err(e) => return refused(e.code()),
    };
    let mut found = Found::from([
        ("cid", json!(trust.id())),
        ("framework", json!(trust.history().first().expect("a charter").id())),
        ("charter", json!(trust.charter().id())),
        ("definitions", trust.definitions().map(|(id, _)| json!(id)).collect()),
    ]);
    if let Some(held) = case.text("held") {
        let held = Trust::open(held.as_bytes(), None, now).expect("a pack that holds");
        let word = match trust.compare(&held) {
            Comparison::Same => "same",
            Comparison::Newer => "newer",
            Comparison::Older => "older",
            Comparison::Fork => "fork",
            Comparison::Unrelated => "unrelated",
        };
        found.insert("comparison", json!(word));
    }
    found
}

pub(crate) fn packs() -> Vec<Made> {
    let [a, b] = [1, 2].map(Party::new);
    let role = world::definition("flex.gb.aggregator", world::dids(&[&a]), |_| ());
    let first = world::charter(&[&a], &[&role]);
    let next = |dated: UnixMillis| {
        serde_json::to_value(first.next(dated).expect("a charter")).expect("JSON")
    };
    let (second, fork) = (next(days_ago(50)), next(days_ago(40)));
    let ahead = next(NOW.plus_millis(300_001));
    let first = serde_json::to_value(&first).expect("JSON");
    let stranger = serde_json::to_value(world::charter(&[&b], &[])).expect("JSON");
    let definition = serde_json::to_value(&role).expect("JSON");
    let sign = |d: &Value| signed(d, &[(&a, NOW)]);
    let pack = |charters: &[Value], definitions: &[&Value], identities: Value| {
        jcs(&json!({"type": "gridpass-trust-pack", "formatVersion": 1, "charters": charters,
            "definitions": definitions, "identities": identities}))
    };
    let of = |charters: &[Value]| pack(charters, &[&definition], json!([]));
    let input = |pack: &str| json!({"pack": pack, "now": NOW});
    let beside = |pack: &str, held: &str| json!({"pack": pack, "held": held, "now": NOW});
    let one = of(&[sign(&first)]);
    let two = of(&[sign(&first), sign(&second)]);
    let other = of(&[sign(&first), sign(&fork)]);
    let theirs = pack(&[signed(&stranger, &[(&b, NOW)])], &[], json!([]));
    let cid = |text: &str| ContentId::of_bytes(text.as_bytes()).expect("a name");
    let pinned = |pin: &ContentId| json!({"pack": one, "now": NOW, "pin": pin});
    let misnamed = bent(&first, |d| d["roles"][0]["name"] = json!("flex.gb.other"));
    let mut cases = vec![
        plain("one charter", input(&one)),
        plain("two charters", input(&two)),
        plain("under its name", pinned(&cid(&one))),
        with_code("under another name", pinned(&cid(&two)), "GP-CID-OTHER"),
        with_code(
            "a definition is missing",
            input(&pack(&[sign(&first)], &[], json!([]))),
            "GP-DEFINITION-MISSING",
        ),
        with_code(
            "a definition under another name",
            input(&of(&[sign(&misnamed)])),
            "GP-DEFINITION-NAME",
        ),
        with_code(
            "a charter of tomorrow",
            input(&of(&[sign(&first), sign(&ahead)])),
            "GP-SIGNED-IN-FUTURE",
        ),
        with_code(
            "the first charter is missing",
            input(&of(&[sign(&second)])),
            "GP-CHARTER-HISTORY-BROKEN",
        ),
        with_code(
            "nobody signed it",
            input(&of(std::slice::from_ref(&first))),
            "GP-CHARTER-SIGNERS-TOO-FEW",
        ),
        with_code("no charter", input(&of(&[])), "GP-TRUST-PACK-MALFORMED"),
        with_code(
            "a later format",
            input(&one.replace(
                "\"formatVersion\":1,\"identities\"",
                "\"formatVersion\":2,\"identities\"",
            )),
            "GP-TRUST-PACK-MALFORMED",
        ),
        with_code(
            "an unknown member",
            input(&one.replacen('{', "{\"note\":1,", 1)),
            "GP-TRUST-PACK-MALFORMED",
        ),
        with_code("a charter that is none", input(&of(&[json!({})])), "GP-CHARTER-MALFORMED"),
        with_code(
            "a definition that is none",
            input(&pack(&[sign(&first)], &[&json!({})], json!([]))),
            "GP-ROLE-MALFORMED",
        ),
        plain("beside itself", beside(&one, &one)),
        plain("beside an older one", beside(&two, &one)),
        plain("beside a newer one", beside(&one, &two)),
        plain("beside one that contradicts it", beside(&two, &other)),
        plain("beside one of another framework", beside(&one, &theirs)),
    ];
    cases.extend(by_did_web(&definition, &pack));
    cases
}

/// A framework whose only signer is a did:web: what was seen of it counts from when it was seen.
fn by_did_web(
    definition: &Value,
    pack: &dyn Fn(&[Value], &[&Value], Value) -> String,
) -> Vec<Made> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let key = Party::new(5);
    let did = "did:web:regulator.example";
    let document = json!({"id": did, "assertionMethod": ["#k"], "verificationMethod": [{"id": "#k",
        "type": "Multikey", "controller": did, "publicKeyMultibase": key.key.public_key().to_multikey()}]});
    let party = Party {
        did: did.parse().expect("a DID"),
        key: key.key.clone(),
        key_id: format!("{did}#k").parse().expect("a key id"),
    };
    let mut charter = world::charter(&[&party], &[]);
    charter.dated = days_ago(100);
    let charter = serde_json::to_value(charter).expect("JSON");
    let whole = signed(&charter, &[(&party, days_ago(100))]);
    let seen = |days: u64, confirmed: Option<u64>| {
        let mut one = json!({"did": did, "seen": days_ago(days),
            "document": STANDARD.encode(document.to_string())});
        if let Some(days) = confirmed {
            one["confirmed"] = json!(days_ago(days));
        }
        json!({"pack": pack(std::slice::from_ref(&whole), &[definition], json!([one])), "now": NOW})
    };
    vec![
        plain("a signer of did:web, seen before it signed", seen(101, None)),
        plain("seen before, and confirmed since", seen(101, Some(1))),
        with_code("seen after it signed", seen(99, None), "GP-CHARTER-SIGNER-UNKNOWN"),
        with_code(
            "never seen",
            json!({"pack": pack(&[whole.clone()], &[definition], json!([])), "now": NOW}),
            "GP-CHARTER-SIGNER-UNKNOWN",
        ),
    ]
}
