//! Keys over time, and what is sealed with a JWE.

use crate::made::{Made, bent, plain, with_code};
use crate::{Case, Found, hex, refused};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::jwe::{JweIn, Recipient, SealHeader, seal};
use gridpass_identity::key::{KeyType, PublicKey, SecretKey};
use gridpass_identity::method::webvh::{self, Control, NewMethod, VerifiedEntries};
use gridpass_identity::resolve::{
    OfflineResolver, ResolveError, Resolver as _, Snapshot, SnapshotStore, TimeBasis,
};
use gridpass_identity::time::UnixMillis;
use gridpass_tests::world::{NOW, days_ago};
use serde_json::{Value, json};

struct Seen(Vec<Snapshot>);

impl SnapshotStore for Seen {
    fn snapshots(&self, _: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        Ok(self.0.clone())
    }
}

/// What was obtained of a DID, and a key id, a purpose and a time: what holds of the key.
pub(crate) fn key_at(case: &Case) -> Found {
    let time = |v: &Value| UnixMillis::parse_rfc3339(v.as_str().expect("text")).expect("a time");
    let bytes = |v: &Value| v.as_str().expect("text").as_bytes().to_vec();
    let snapshots = case.input["snapshots"].as_array().expect("a list").iter();
    let seen = snapshots.map(|one| Snapshot {
        seen: time(&one["seen"]),
        confirmed: one.get("confirmed").map(time),
        document: bytes(&one["document"]),
        witness: one.get("witness").map(bytes),
    });
    let seen = Seen(seen.collect());
    let did = Did::parse(case.text("did").expect("a DID")).expect("a DID");
    let resolution = match OfflineResolver::new(&seen).resolve(&did) {
        Ok(resolution) => resolution,
        Err(e) => return refused(e.code()),
    };
    let key = DidUrl::parse(case.text("key").expect("a key")).expect("a DID URL");
    let purpose: Relationship =
        serde_json::from_value(case.input["purpose"].clone()).expect("a purpose");
    let proven = case.input.get("proven").is_some_and(|p| p == true);
    let basis = if proven { TimeBasis::Proven } else { TimeBasis::Claimed };
    let (check, key) = resolution.key_at(&key, purpose, time(&case.input["at"]), basis);
    Found::from([
        ("outcome", json!(check.outcome)),
        ("code", json!(check.code)),
        ("multikey", json!(key.map(|k| k.to_multikey()))),
    ])
}

/// A JWE and a recipient's secret: what is in it.
pub(crate) fn jwe(case: &Case) -> Found {
    let read = match JweIn::parse(case.text("jwe").expect("a JWE")) {
        Ok(read) => read,
        Err(e) => return refused(e.code()),
    };
    let kid = DidUrl::parse(case.text("kid").expect("a key")).expect("a DID URL");
    match read.open(&kid, &case.secret().expect("a secret")) {
        Err(e) => refused(e.code()),
        Ok(content) => Found::from([
            ("payload_hex", json!(hex(content.expose_secret()))),
            ("cty", json!(read.content_type())),
            ("kids", json!(read.key_ids().collect::<Vec<_>>())),
        ]),
    }
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("a key")
}

fn at(text: &str) -> UnixMillis {
    UnixMillis::parse_rfc3339(text).expect("a time")
}

const WEB: &str = "did:web:dso.example";

/// A document of did:web with these methods, each listed for assertion unless it is revoked.
fn document(methods: &[Value]) -> Value {
    let listed: Vec<&Value> =
        methods.iter().filter(|m| m.get("revoked").is_none()).map(|m| &m["id"]).collect();
    json!({"id": WEB, "verificationMethod": methods, "assertionMethod": listed})
}

fn method(fragment: &str, key: &PublicKey) -> Value {
    json!({"id": format!("#{fragment}"), "type": "Multikey", "controller": WEB,
        "publicKeyMultibase": key.to_multikey()})
}

pub(crate) fn histories() -> Vec<Made> {
    let [one, two] = [1, 2].map(|n| key(n).public_key());
    let first = document(&[method("a", &one)]);
    let second = document(&[method("b", &two)]);
    let (t1, t2) = (at("2026-01-01T00:00:00.500Z"), at("2026-02-01T00:00:00.500Z"));
    let seen = |list: &[(UnixMillis, &Value)]| -> Value {
        let one = |(t, d): &(UnixMillis, &Value)| json!({"seen": t, "document": d.to_string()});
        list.iter().map(one).collect()
    };
    let asked = |snapshots: Value, fragment: &str, when: &str| {
        json!({"did": WEB, "snapshots": snapshots, "key": format!("{WEB}#{fragment}"),
            "purpose": "assertionMethod", "at": when})
    };
    let both = || seen(&[(t1, &first), (t2, &second)]);
    let expiring =
        document(&[bent(&method("a", &one), |m| m["expires"] = json!("2026-01-15T00:00:00Z"))]);
    let marked = document(&[
        bent(&method("a", &one), |m| m["revoked"] = json!("2026-01-15T00:00:00Z")),
        method("b", &two),
    ]);
    let washed = document(&[
        bent(&method("x", &one), |m| m["revoked"] = json!("2026-01-15T00:00:00Z")),
        method("a", &one),
    ]);
    let theirs =
        document(&[bent(&method("a", &one), |m| m["controller"] = json!("did:web:other.example"))]);
    let nobodys = document(&[bent(&method("a", &one), |m| {
        drop(m.as_object_mut().expect("an object").remove("controller"))
    })]);
    let unknown = document(&[bent(&method("a", &one), |m| {
        m["publicKeyMultibase"] = json!("zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme")
    })]);
    let broken =
        document(&[bent(&method("a", &one), |m| m["publicKeyMultibase"] = json!("z6MkiTBz1y"))]);
    let twice = document(&[method("a", &one), method("a", &two)]);
    let embedded = json!({"id": WEB, "assertionMethod": [method("a", &one)]});
    let other = bent(&first, |d| d["id"] = json!("did:web:tso.example"));
    let alone = |d: &Value| seen(&[(t1, d)]);
    let mid = "2026-01-20T00:00:00Z";
    let mut proven = asked(alone(&marked), "a", "2026-01-10T00:00:00Z");
    proven["snapshots"] = seen(&[(t1, &first), (t2, &marked)]);
    let mut really = proven.clone();
    really["proven"] = json!(true);
    let mut agreement = asked(both(), "a", mid);
    agreement["purpose"] = json!("keyAgreement");
    let mut cases = vec![
        with_code("the current key", asked(both(), "b", "2026-03-01T00:00:00Z"), "GP-KEY-CURRENT"),
        with_code("a key that was replaced since", asked(both(), "a", mid), "GP-KEY-ROTATED-SINCE"),
        with_code(
            "a key that had been replaced",
            asked(both(), "a", "2026-02-02T00:00:00Z"),
            "GP-KEY-ROTATED",
        ),
        with_code(
            "in the second of the change, the old key",
            asked(both(), "a", "2026-02-01T00:00:00Z"),
            "GP-KEY-ROTATED-SINCE",
        ),
        with_code(
            "in the second of the change, the new key",
            asked(both(), "b", "2026-02-01T00:00:00Z"),
            "GP-KEY-CURRENT",
        ),
        with_code(
            "a second later, the old key",
            asked(both(), "a", "2026-02-01T00:00:01Z"),
            "GP-KEY-ROTATED",
        ),
        with_code("a key of later", asked(both(), "b", mid), "GP-KEY-NOT-LISTED"),
        with_code("a key that there never was", asked(both(), "c", mid), "GP-KEY-NOT-LISTED"),
        with_code("another purpose", agreement, "GP-KEY-NOT-LISTED"),
        with_code(
            "before anything was seen",
            asked(both(), "a", "2025-12-31T23:59:59Z"),
            "GP-DID-NOT-YET",
        ),
        with_code(
            "within the second in which it was seen first",
            asked(both(), "a", "2026-01-01T00:00:00Z"),
            "GP-KEY-ROTATED-SINCE",
        ),
        with_code(
            "a key that expired",
            asked(alone(&expiring), "a", "2026-01-15T00:00:00Z"),
            "GP-KEY-EXPIRED",
        ),
        with_code(
            "a key before it expires",
            asked(alone(&expiring), "a", "2026-01-14T23:59:59Z"),
            "GP-KEY-CURRENT",
        ),
        with_code(
            "a key marked as compromised before",
            asked(proven["snapshots"].clone(), "a", mid),
            "GP-KEY-COMPROMISED",
        ),
        with_code(
            "a key marked since, at a time that is claimed",
            proven,
            "GP-KEY-COMPROMISED-SINCE",
        ),
        with_code("a key marked since, at a time that is proven", really, "GP-KEY-ROTATED-SINCE"),
        with_code(
            "a compromised key under another id",
            asked(alone(&washed), "a", mid),
            "GP-KEY-COMPROMISED",
        ),
        with_code(
            "a key that somebody else controls",
            asked(alone(&theirs), "a", mid),
            "GP-KEY-NOT-LISTED",
        ),
        with_code(
            "a key without a controller",
            asked(alone(&nobodys), "a", mid),
            "GP-KEY-NOT-LISTED",
        ),
        with_code(
            "a key of a type that is not used",
            asked(alone(&unknown), "a", mid),
            "GP-KEY-TYPE-UNSUITABLE",
        ),
        with_code("an embedded method", asked(alone(&embedded), "a", mid), "GP-KEY-CURRENT"),
        with_code(
            "a broken key of a known type",
            asked(alone(&broken), "a", mid),
            "GP-DID-DOCUMENT-MALFORMED",
        ),
        with_code("one id twice", asked(alone(&twice), "a", mid), "GP-DID-DOCUMENT-MALFORMED"),
        with_code(
            "the document of another DID",
            asked(alone(&other), "a", mid),
            "GP-DID-DOCUMENT-OTHER-ID",
        ),
        with_code("nothing was obtained", asked(json!([]), "a", mid), "GP-DID-NOT-FOUND"),
    ];
    let mut unknown = asked(json!([]), "a", mid);
    unknown["did"] = json!("did:example:x");
    cases.push(with_code("a method that is not known", unknown, "GP-DID-METHOD-UNKNOWN"));
    cases.extend(logs());
    cases
}

fn logs() -> Vec<Made> {
    let new = |fragment: &str, seed: u8| NewMethod {
        fragment: fragment.into(),
        public_key: key(seed).public_key(),
        relationships: vec![Relationship::AssertionMethod],
        revoked: None,
    };
    let (k1, k2, k3) = (key(11), key(12), key(13));
    let next = k2.public_key();
    let control = Control { signer: &k1, next: &next, witness: None };
    let (did, line) =
        webvh::create("dso.example", &[new("a", 1)], &control, days_ago(50)).expect("a log");
    let read = |log: &str| VerifiedEntries::verify(&did, log.as_bytes(), NOW).expect("a log");
    let after = k3.public_key();
    let control = Control { signer: &k2, next: &after, witness: None };
    let rotated =
        webvh::update(&read(&line), &[new("b", 2)], &control, days_ago(20)).expect("a log");
    let ended = webvh::deactivate(&read(&rotated), &k3, days_ago(5)).expect("a log");
    let asked = |log: &str, fragment: &str, days: u64| {
        json!({"did": did, "snapshots": [{"seen": NOW, "document": log}],
            "key": format!("{did}#{fragment}"), "purpose": "assertionMethod", "at": days_ago(days)})
    };
    let changed = rotated.replacen("#b", "#c", 1);
    let mut rewritten = asked(&line, "a", 30);
    let second = webvh::create(
        "dso.example",
        &[new("a", 3)],
        &Control { signer: &k1, next: &next, witness: None },
        days_ago(50),
    );
    let (_, other_line) = second.expect("a log");
    let swapped = rotated.lines().rev().collect::<Vec<_>>().join("\n");
    rewritten["snapshots"] = json!([
        {"seen": days_ago(1), "document": rotated},
        {"seen": NOW, "document": line},
    ]);
    let mut theirs = asked(&other_line, "a", 30);
    theirs["snapshots"][0]["document"] = json!(other_line);
    vec![
        with_code("a log, its first key", asked(&rotated, "a", 30), "GP-KEY-ROTATED-SINCE"),
        with_code("a log, its second key", asked(&rotated, "b", 10), "GP-KEY-CURRENT"),
        with_code(
            "a log, its first key after the change",
            asked(&rotated, "a", 10),
            "GP-KEY-ROTATED",
        ),
        with_code("a log, before it begins", asked(&rotated, "a", 51), "GP-DID-NOT-YET"),
        with_code("a deactivated DID", asked(&ended, "b", 4), "GP-DID-DEACTIVATED"),
        with_code("before it was deactivated", asked(&ended, "b", 10), "GP-KEY-ROTATED-SINCE"),
        with_code(
            "in the second before it was deactivated",
            asked(&ended, "b", 5),
            "GP-KEY-ROTATED-SINCE",
        ),
        with_code("an entry was changed", asked(&changed, "a", 30), "GP-WEBVH-LOG-INVALID"),
        with_code("entries were exchanged", asked(&swapped, "a", 30), "GP-WEBVH-LOG-INVALID"),
        with_code(
            "a log that is shorter than the one seen before",
            rewritten,
            "GP-WEBVH-LOG-INVALID",
        ),
        with_code("another DID's log", theirs, "GP-WEBVH-LOG-INVALID"),
    ]
}

pub(crate) fn sealed() -> Vec<Made> {
    let kid = |seed: u8| format!("did:web:dso.example#key-{seed}");
    let secret = |seed: u8, key_type| SecretKey::from_bytes(key_type, &[seed; 32]).expect("a key");
    let recipient = |seed: u8, key_type| Recipient {
        key_id: kid(seed).parse().expect("a key id"),
        public_key: secret(seed, key_type).public_key(),
    };
    let all = [recipient(1, KeyType::X25519), recipient(2, KeyType::P256)];
    let header = SealHeader { typ: None, cty: Some("JOSE".into()) };
    let text = seal(b"a bid", &all, &header).expect("sealed");
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    let input = |jwe: &Value, seed: u8, key_type: KeyType| {
        json!({"jwe": jwe.to_string(), "kid": kid(seed), "key_type": key_type,
            "secret_hex": format!("{seed:02x}").repeat(32)})
    };
    let first = |jwe: &Value| input(jwe, 1, KeyType::X25519);
    let mut other = first(&whole);
    other["secret_hex"] = json!("03".repeat(32));
    let flat = json!({"protected": whole["protected"], "iv": whole["iv"], "ciphertext": whole["ciphertext"],
        "tag": whole["tag"], "header": whole["recipients"][0]["header"],
        "encrypted_key": whole["recipients"][0]["encrypted_key"]});
    let protected = |bend: &dyn Fn(&mut Value)| {
        let bytes =
            URL_SAFE_NO_PAD.decode(whole["protected"].as_str().expect("text")).expect("base64url");
        let shared: Value = serde_json::from_slice(&bytes).expect("JSON");
        let shared = bent(&shared, |s| bend(s));
        first(&bent(&whole, |w| w["protected"] = json!(URL_SAFE_NO_PAD.encode(shared.to_string()))))
    };
    let with = |bend: &dyn Fn(&mut Value)| first(&bent(&whole, |w| bend(w)));
    let header = |bend: &dyn Fn(&mut Value)| with(&|w| bend(&mut w["recipients"][0]["header"]));
    let mut cases = vec![
        plain("to an X25519 key", first(&whole)),
        plain("to a P-256 key", input(&whole, 2, KeyType::P256)),
        plain("in flattened form", {
            let one = seal(b"a bid", &all[..1], &SealHeader::default()).expect("sealed");
            let one: Value = serde_json::from_str(&one).expect("JSON");
            first(
                &json!({"protected": one["protected"], "iv": one["iv"], "ciphertext": one["ciphertext"],
                "tag": one["tag"], "header": one["recipients"][0]["header"],
                "encrypted_key": one["recipients"][0]["encrypted_key"]}),
            )
        }),
        plain("flattened by somebody who was sent it", first(&flat)),
        with_code("to somebody else", input(&whole, 3, KeyType::X25519), "GP-JWE-NOT-FOR-US"),
        with_code("with another secret", other, "GP-JWE-OPEN-FAILED"),
        with_code(
            "another tag",
            with(&|w| w["tag"] = json!("AAAAAAAAAAAAAAAAAAAAAA")),
            "GP-JWE-OPEN-FAILED",
        ),
    ];
    for (name, input) in [
        ("zip", protected(&|s| s["zip"] = json!("DEF"))),
        ("crit", protected(&|s| s["crit"] = json!(["exp"]))),
        ("another alg", protected(&|s| s["alg"] = json!("RSA1_5"))),
        ("another enc", protected(&|s| s["enc"] = json!("A128CBC-HS256"))),
        ("zip in a recipient's header", header(&|h| h["zip"] = json!("DEF"))),
        ("a name in two headers", header(&|h| h["enc"] = json!("A256GCM"))),
        ("no kid", header(&|h| drop(h.as_object_mut().expect("an object").remove("kid")))),
        (
            "an ephemeral key of small order",
            header(&|h| h["epk"]["x"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ),
        ("two recipients of one kid", with(&|w| w["recipients"][1] = w["recipients"][0].clone())),
    ] {
        cases.push(with_code(name, input, "GP-JWE-HEADER-REFUSED"));
    }
    for (name, input) in [
        ("shared unprotected headers", with(&|w| w["unprotected"] = json!({"x": 1}))),
        ("general and flattened at once", with(&|w| w["encrypted_key"] = json!("AA"))),
        ("no ciphertext", with(&|w| w["ciphertext"] = json!(""))),
        ("an iv of another length", with(&|w| w["iv"] = json!("AAAA"))),
        (
            "an encrypted key of another length",
            with(&|w| w["recipients"][0]["encrypted_key"] = json!("AAAA")),
        ),
        ("an array", with(&|w| *w = json!([]))),
    ] {
        cases.push(with_code(name, input, "GP-JWE-MALFORMED"));
    }
    cases.push(with_code("nobody", with(&|w| w["recipients"] = json!([])), "GP-WALLET-LIMIT"));
    cases
}
