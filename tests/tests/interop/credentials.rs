//! What we issue, other people's implementations verify, offline; and the other way round: Data
//! Integrity in npm `@digitalbazaar/vc`, `vc+jwt` in npm `jose`, SD-JWT in npm `@sd-jwt/core`, and
//! status lists in npm `@digitalbazaar/vc-bitstring-status-list`.
//!
//! Needs node and `tests/interop/node_modules`. Without them each test says so and passes, unless
//! `GRIDPASS_REQUIRE_INTEROP=1`, as continuous integration sets it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::codes;
use gridpass_credentials::context::BUNDLED;
use gridpass_credentials::general::{self, General};
use gridpass_credentials::sd_jwt;
use gridpass_credentials::secured::{Form, Kind, Secured};
use gridpass_credentials::status::{Bits, Change, MIN_ENTRIES, NewStatusList, StatusList};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::jwk::Jwk;
use gridpass_identity::jws::Header;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver, Resolver as _};
use gridpass_tests::interop::Script;
use gridpass_tests::world::{self, NOW, Party, days_ago};
use serde_json::{Map, Value, json};

const SUITES: [(Form, &str); 2] =
    [(Form::EddsaRdfc2022, "eddsa-rdfc-2022"), (Form::EddsaJcs2022, "eddsa-jcs-2022")];

fn digital_bazaar() -> Option<Script> {
    Script::find("vc.mjs", "@digitalbazaar/vc")
}

/// Everything that the other implementation may load: our contexts, and DID documents.
fn documents(parties: &[&Party]) -> Value {
    let mut map = Map::new();
    for context in BUNDLED {
        let json: Value = serde_json::from_str(context.text).expect("JSON");
        map.insert(context.iri.to_owned(), json);
    }
    let resolver = OfflineResolver::new(&NoSnapshots);
    for party in parties {
        let resolution = resolver.resolve(&party.did).expect("a did:key");
        let document = resolution.current().expect("a document").as_json().clone();
        map.insert(party.did.to_string(), document);
    }
    Value::Object(map)
}

fn hex(key: &SecretKey) -> String {
    key.to_secret_bytes().expose_secret().iter().map(|b| format!("{b:02x}")).collect()
}

fn private_jwk(key: &SecretKey) -> Value {
    let mut jwk = json!(Jwk::from_public_key(&key.public_key()));
    jwk["d"] = json!(URL_SAFE_NO_PAD.encode(key.to_secret_bytes().expose_secret()));
    jwk
}

fn parsed(secured: &Secured) -> Value {
    serde_json::from_str(secured.text()).expect("JSON")
}

#[test]
fn digital_bazaar_verifies_our_visas_and_finds_what_was_changed() {
    let Some(script) = digital_bazaar() else { return };
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let visa = world::visa(&root, &holder, &role, |_| ());
    for (form, suite) in SUITES {
        let signed = parsed(&world::issue_as(&root, &visa, form, days_ago(10)));
        let ask = |credential: &Value| {
            let request = json!({
                "do": "verify", "credential": credential, "suite": suite,
                "documents": status_documents(&root, form, &[], &[&root, &holder]), "now": NOW,
            });
            script.ask(&request).expect("an answer")
        };
        let answer = ask(&signed);
        assert_eq!(answer["verified"], true, "{suite}: {answer}");
        let mut forged = signed.clone();
        forged["credentialSubject"]["claims"]["capacityKw"] = json!(5000);
        assert_eq!(ask(&forged)["verified"], false, "{suite}: a changed claim");
    }
}

/// DID documents, and both status lists of an issuer, with proofs.
fn status_documents(issuer: &Party, form: Form, changes: &[Change], parties: &[&Party]) -> Value {
    let mut all = documents(parties);
    for purpose in Purpose::ALL {
        let mut bits = Bits::clear(MIN_ENTRIES);
        let changes = if purpose == Purpose::Revocation { changes } else { &[] };
        for change in changes {
            bits.set(change.index, change.set).expect("inside");
        }
        let id = issuer.list_id(purpose);
        let new = NewStatusList {
            id: &id,
            issuer: &issuer.did,
            purpose,
            version: 1,
            dated: days_ago(1),
            expires: None,
            bits: &bits,
            changes,
        };
        let credential = new.to_credential().expect("a list");
        all[&id] = parsed(&world::sign_credential(issuer, &credential, form, days_ago(1)));
    }
    all
}

#[test]
fn we_verify_visas_that_digital_bazaar_signed() {
    let Some(script) = digital_bazaar() else { return };
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let trust = world::trust(&[&root], &[&role]);
    let lists = world::clear_lists(&[&root]);
    let visa = world::visa(&root, &holder, &role, |_| ());
    let unsigned = Value::Object(visa.to_credential().expect("a visa").json().clone());
    for (_, suite) in SUITES {
        let request = json!({
            "do": "issue", "credential": unsigned, "suite": suite, "seedHex": hex(&root.key),
            "controller": root.did, "keyId": root.key_id, "documents": documents(&[&root]),
            "date": days_ago(10),
        });
        let signed = script.ask(&request).expect("they sign");
        let secured = Secured::from_json(signed.clone(), Kind::Credential).expect("well formed");
        let report = world::verify_alone(&secured, &[], &trust, &lists);
        assert_eq!(report.outcome, Outcome::Passed, "{suite}: {report:#?}");
        let mut forged = signed;
        forged["credentialSubject"]["claims"]["capacityKw"] = json!(5000);
        let forged = Secured::from_json(forged, Kind::Credential).expect("well formed");
        let report = world::verify_alone(&forged, &[], &trust, &lists);
        assert_eq!(report.code, gridpass_identity::codes::SIGNATURE_INVALID, "{suite}");
    }
}

#[test]
fn presentations_go_both_ways() {
    let Some(script) = digital_bazaar() else { return };
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let visa = world::visa(&root, &holder, &role, |_| ());
    for (form, suite) in SUITES {
        let visa = world::issue_as(&root, &visa, form, days_ago(10));
        let ours = world::present_as(&holder, &[&visa], form, &world::binding());
        let documents = status_documents(&root, form, &[], &[&root, &holder]);
        let ask = |challenge: &str| {
            let request = json!({
                "do": "verifyPresentation", "presentation": parsed(&ours), "suite": suite,
                "challenge": challenge, "domain": world::AUDIENCE, "documents": documents,
                "now": NOW,
            });
            script.ask(&request).expect("an answer")
        };
        let answer = ask("n-1");
        assert_eq!(answer["verified"], true, "{suite}: {answer}");
        assert_eq!(ask("n-2")["verified"], false, "{suite}: another nonce");

        let unsigned = {
            let mut json = parsed(&ours);
            json.as_object_mut().expect("an object").remove("proof");
            json
        };
        let request = json!({
            "do": "signPresentation", "presentation": unsigned, "suite": suite,
            "seedHex": hex(&holder.key), "controller": holder.did, "keyId": holder.key_id,
            "challenge": "n-1", "domain": world::AUDIENCE, "documents": documents, "date": NOW,
        });
        let theirs = script.ask(&request).expect("they sign");
        let resolver = OfflineResolver::new(&NoSnapshots);
        let check = |challenge| {
            let domain = Some(world::AUDIENCE);
            let general = General { now: NOW, domain, challenge: Some(challenge) };
            general::verify_presentation(&theirs, &general, &resolver).outcome()
        };
        assert_eq!(check("n-1"), Outcome::Passed, "{suite}");
        assert_eq!(check("n-2"), Outcome::Failed, "{suite}");
        // Their proof has no end, which our own presentations must have.
        let theirs = Secured::from_json(theirs.clone(), Kind::Presentation).expect("well formed");
        let trust = world::trust(&[&root], &[&role]);
        let lists = world::clear_lists(&[&root]);
        let report = world::verify(&theirs, &trust, &lists, &world::expectation());
        assert_eq!(report.code, codes::PRESENTATION_UNBOUND, "{suite}");
    }
}

#[test]
fn npm_jose_and_we_verify_each_others_jwt() {
    let Some(script) = Script::find("jose.mjs", "jose") else { return };
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        let (root, holder) = (Party::with_key(1, key_type), Party::new(2));
        let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
        let visa = world::visa(&root, &holder, &role, |_| ());
        let ours = world::issue(&root, &visa);
        let jwk = json!(Jwk::from_public_key(&root.key.public_key()));
        let request = json!({"do": "verify", "jwk": jwk, "jws": ours.text()});
        let payload = script.ask(&request).expect("they verify");
        let payload = URL_SAFE_NO_PAD.decode(payload.as_str().expect("text")).expect("base64url");
        assert_eq!(&serde_json::from_slice::<Value>(&payload).expect("JSON"), ours.document());

        let sign = |typ: &str| {
            let request = json!({
                "do": "sign", "jwk": private_jwk(&root.key), "kid": root.key_id,
                "payload": URL_SAFE_NO_PAD.encode(ours.document().to_string()),
                "header": {"typ": typ, "iat": days_ago(10).get() / 1000},
            });
            script.ask(&request).expect("they sign").as_str().expect("text").to_owned()
        };
        // Charters are signed with Ed25519 only; a root that issues may have another key.
        let signer = Party::new(3);
        let mut charter = world::charter(&[&signer], &[&role]);
        charter.roots = vec![root.did.clone()];
        let pack = world::pack(&[world::sign_charter(charter, &[&signer])], &[&role]);
        let trust = gridpass_credentials::trust::Trust::open(&pack, None, NOW).expect("a pack");
        let lists = world::clear_lists(&[&root]);
        let theirs = Secured::parse(sign("vc+jwt").as_bytes(), Kind::Credential).expect("reads");
        let report = world::verify_alone(&theirs, &[], &trust, &lists);
        assert_eq!(report.outcome, Outcome::Passed, "{key_type}: {report:#?}");
        let other = Secured::parse(sign("JWT").as_bytes(), Kind::Credential).expect_err("typ");
        assert_eq!(other.code(), codes::SECURED_TYPE);
    }
}

#[test]
fn sd_jwt_goes_both_ways_with_key_binding() {
    let Some(script) = Script::find("sdjwt.mjs", "@sd-jwt/core") else { return };
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        let (root, holder) = (Party::with_key(1, key_type), Party::with_key(2, key_type));
        let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
        let visa = world::visa(&root, &holder, &role, |_| ());
        let ours = world::issue_as(&root, &visa, Form::SdJwt, days_ago(10));
        let shown = ours.disclose(&["zone"]).expect("discloses");
        let header = Header { kid: Some(holder.key_id.clone()), ..Header::default() };
        let bound =
            sd_jwt::bind(&shown, world::AUDIENCE, "n-1", &holder.key, header, NOW).expect("binds");
        let jwk = json!(Jwk::from_public_key(&root.key.public_key()));
        let kb_jwk = json!(Jwk::from_public_key(&holder.key.public_key()));
        let request = json!({
            "do": "verify", "sdjwt": bound, "jwk": jwk, "kbJwk": kb_jwk, "nonce": "n-1",
            "aud": world::AUDIENCE, "now": NOW,
        });
        let answer = script.ask(&request).expect("they verify");
        let claims = &answer["payload"]["credentialSubject"]["claims"];
        assert_eq!(claims, &json!({"zone": "GB-1"}), "{answer}");
        let mut replay = request.clone();
        replay["nonce"] = json!("n-2");
        assert!(script.ask(&replay).is_err(), "another nonce");

        let request = json!({
            "do": "issue", "payload": visa.to_credential().expect("a visa").json(),
            "disclosureFrame": {"credentialSubject": {"claims": {"_sd": ["zone", "capacityKw"]}}},
            "header": {"typ": "vc+sd-jwt", "kid": root.key_id, "iat": days_ago(10).get() / 1000},
            "jwk": private_jwk(&root.key),
        });
        let theirs = script.ask(&request).expect("they issue");
        let request = json!({
            "do": "present", "sdjwt": theirs,
            "frame": {"credentialSubject": {"claims": {"zone": true}}},
            "kb": {
                "jwk": private_jwk(&holder.key),
                "payload": {"iat": NOW.get() / 1000, "aud": world::AUDIENCE, "nonce": "n-1"},
                "header": {"kid": holder.key_id},
            },
        });
        let theirs = script.ask(&request).expect("they present");
        let theirs = theirs.as_str().expect("text");
        let secured = Secured::parse(theirs.as_bytes(), Kind::Credential).expect("reads");
        let claims = &secured.document()["credentialSubject"]["claims"];
        assert_eq!(claims, &json!({"zone": "GB-1"}));
        assert_eq!(secured.withheld(), 1);
    }
}

#[test]
fn status_lists_go_both_ways() {
    let Some(script) = digital_bazaar() else { return };
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let visa = world::visa(&root, &holder, &role, |_| ());
    let index = visa.status_of(Purpose::Revocation).expect("an entry").index;
    let signed = parsed(&world::issue_as(&root, &visa, Form::EddsaRdfc2022, days_ago(10)));
    let revoked = [Change { index, set: true, at: days_ago(2) }];
    for (changes, expected) in [(&[][..], false), (&revoked[..], true)] {
        let request = json!({
            "do": "checkStatus", "credential": signed, "suite": "eddsa-rdfc-2022",
            "documents": status_documents(&root, Form::EddsaRdfc2022, changes, &[&root, &holder]), "now": NOW,
        });
        let answer = script.ask(&request).expect("an answer");
        // `verified` says that the list could be read; `status` is what it says.
        let entry = |purpose: &str| {
            let results = answer["results"].as_array().expect("results");
            let found = results.iter().find(|r| r["credentialStatus"]["statusPurpose"] == purpose);
            found.expect("an entry")["status"].clone()
        };
        assert_eq!(entry("revocation"), json!(expected), "{answer}");
        assert_eq!(entry("suspension"), json!(false), "{answer}");
    }
    // The bits themselves, each read by the other.
    let set = [0, 7, 8, 4711, MIN_ENTRIES - 1];
    let request = json!({"do": "encodeList", "length": MIN_ENTRIES, "set": set});
    let theirs = script.ask(&request).expect("they encode");
    let bits = Bits::decode(theirs.as_str().expect("text")).expect("decodes");
    for index in 0..MIN_ENTRIES {
        assert_eq!(bits.get(index), Ok(set.contains(&index)), "{index}");
    }
    let request =
        json!({"do": "decodeList", "encodedList": bits.encode(), "indexes": [0, 1, 7, 4711]});
    assert_eq!(script.ask(&request), Ok(json!([true, false, true, true])));
}

#[test]
fn we_read_a_status_list_that_they_signed() {
    let Some(script) = digital_bazaar() else { return };
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let trust = world::trust(&[&root], &[&role]);
    let visa = world::visa(&root, &holder, &role, |_| ());
    let index = visa.status_of(Purpose::Revocation).expect("an entry").index;
    let request = json!({"do": "encodeList", "length": MIN_ENTRIES, "set": [index]});
    let encoded = script.ask(&request).expect("they encode");
    let mut lists = world::clear_lists(&[&root]);
    lists.retain(|l| l.purposes == ["suspension"]);
    let list = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": root.list_id(Purpose::Revocation),
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": root.did,
        "validFrom": days_ago(0),
        "credentialSubject": {
            "id": format!("{}#list", root.list_id(Purpose::Revocation)),
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": encoded,
        },
    });
    let request = json!({
        "do": "issue", "credential": list, "suite": "eddsa-rdfc-2022", "seedHex": hex(&root.key),
        "controller": root.did, "keyId": root.key_id, "documents": documents(&[&root]), "date": NOW,
    });
    let signed = script.ask(&request).expect("they sign");
    let secured = Secured::from_json(signed, Kind::Credential).expect("well formed");
    lists.push(StatusList::read(secured).expect("a list"));
    let report = world::verify_alone(&world::issue(&root, &visa), &[], &trust, &lists);
    assert_eq!((report.outcome, report.code), (Outcome::Failed, codes::VISA_REVOKED));
}
