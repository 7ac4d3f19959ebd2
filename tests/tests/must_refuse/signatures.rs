//! What must be refused, group 0 and cases 3, 4, 8, 9: credentials and presentations that are
//! validly signed and still must not pass. Each asserts the code.

use gridpass_credentials::codes;
use gridpass_credentials::integrity::Suite;
use gridpass_credentials::secured::{Binding, Form, Kind, Secured};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::VisaReport;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::document::Relationship;
use gridpass_identity::jws::{self, Header};
use gridpass_identity::report::Outcome;
use gridpass_tests::world::{self, AUDIENCE, NOW, Party, days_ago};
use serde_json::{Value, json};

struct Setting {
    root: Party,
    holder: Party,
    role: gridpass_credentials::role::RoleDefinition,
    trust: Trust,
}

fn setting() -> Setting {
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let trust = world::trust(&[&root], &[&role]);
    Setting { root, holder, role, trust }
}

impl Setting {
    fn document(&self) -> Value {
        let visa = world::visa(&self.root, &self.holder, &self.role, |_| ());
        Value::Object(visa.to_credential().expect("a visa").json().clone())
    }

    fn alone(&self, text: &str) -> VisaReport {
        let secured = world::reread(text);
        world::verify_alone(&secured, &[], &self.trust, &world::clear_lists(&[&self.root]))
    }

    fn visa(&self, form: Form) -> Secured {
        let visa = world::visa(&self.root, &self.holder, &self.role, |_| ());
        world::issue_as(&self.root, &visa, form, days_ago(10))
    }

    fn presented(&self, presentation: &Secured) -> VisaReport {
        let lists = world::clear_lists(&[&self.root]);
        world::verify(presentation, &self.trust, &lists, &world::expectation())
    }
}

#[track_caller]
fn refused(report: &VisaReport, code: Code) {
    assert_ne!(report.outcome, Outcome::Passed, "{report:#?}");
    assert_eq!(report.code, code, "{}", report.sentence);
    assert_eq!(report.granted().count(), 0);
}

const SUITES: [Suite; 2] = [Suite::EddsaRdfc2022, Suite::EddsaJcs2022];

#[test]
fn a_visa_signed_by_anybody_in_the_regulators_name() {
    let s = setting();
    let thief = Party::new(9);
    for form in Form::ALL {
        assert_eq!(s.alone(s.visa(form).text()).outcome, Outcome::Passed, "{form}");
        let visa = world::visa(&s.root, &s.holder, &s.role, |_| ());
        let forged = world::issue_as(&thief, &visa, form, days_ago(10));
        refused(&s.alone(forged.text()), identity_codes::SIGNER_OTHER);
    }
}

#[test]
fn a_bad_signature_under_a_genuine_key_id() {
    let s = setting();
    let thief = Party { key: Party::new(9).key, ..s.root.clone() };
    for form in Form::ALL {
        let visa = world::visa(&s.root, &s.holder, &s.role, |_| ());
        let forged = world::issue_as(&thief, &visa, form, days_ago(10));
        refused(&s.alone(forged.text()), identity_codes::SIGNATURE_INVALID);
    }
}

#[test]
fn a_proof_made_for_another_purpose() {
    let s = setting();
    for suite in SUITES {
        let good = world::raw_proof(&s.root, &s.document(), suite, |_| ());
        assert_eq!(s.alone(&good.to_string()).outcome, Outcome::Passed);
        let other = world::raw_proof(&s.root, &s.document(), suite, |o| {
            o.purpose = Relationship::Authentication;
        });
        refused(&s.alone(&other.to_string()), codes::PROOF_PURPOSE);
    }
}

#[test]
fn a_key_that_the_document_does_not_list_for_statements() {
    let s = setting();
    // The key agreement key of a did:key is in its document, for keyAgreement only.
    let resolution = {
        use gridpass_identity::resolve::{NoSnapshots, OfflineResolver, Resolver as _};
        OfflineResolver::new(&NoSnapshots).resolve(&s.root.did).expect("a did:key")
    };
    let document = resolution.current().expect("a document");
    let agreement =
        document.methods_for(Relationship::KeyAgreement).next().expect("a key").id.clone();
    let signer = Party { key_id: agreement, ..s.root.clone() };
    let visa = world::visa(&s.root, &s.holder, &s.role, |_| ());
    for form in Form::ALL {
        let signed = world::issue_as(&signer, &visa, form, days_ago(10));
        refused(&s.alone(signed.text()), identity_codes::KEY_NOT_LISTED);
    }
}

#[test]
fn an_expired_proof_a_foreign_domain_and_a_stale_challenge() {
    let s = setting();
    for suite in SUITES {
        let with = |bend: fn(&mut gridpass_credentials::integrity::ProofOptions)| {
            s.alone(&world::raw_proof(&s.root, &s.document(), suite, bend).to_string())
        };
        refused(&with(|o| o.expires = Some(days_ago(1))), codes::PROOF_EXPIRED);
        refused(&with(|o| o.domain = Some("did:example:other".into())), codes::AUDIENCE_OTHER);
        refused(&with(|o| o.challenge = Some("n-0".into())), codes::NONCE_OTHER);
        assert_eq!(with(|o| o.expires = Some(NOW.plus_millis(1000))).outcome, Outcome::Passed);
    }
}

#[test]
fn a_signature_from_the_future_or_without_a_time() {
    let s = setting();
    let visa = world::visa(&s.root, &s.holder, &s.role, |_| ());
    let future = world::issue_as(&s.root, &visa, Form::Jwt, NOW.plus_millis(600_000));
    refused(&s.alone(future.text()), identity_codes::SIGNED_IN_FUTURE);
    let header = Header {
        kid: Some(s.root.key_id.clone()),
        typ: Some("vc+jwt".into()),
        ..Header::default()
    };
    let timeless = jws::sign(s.document().to_string().as_bytes(), &s.root.key, &header);
    refused(&s.alone(&timeless.expect("signs")), codes::SIGNING_TIME_MISSING);
}

#[test]
fn a_presentation_to_another_audience_with_another_nonce_or_after_its_end() {
    let s = setting();
    let visa = s.visa(Form::Jwt);
    for form in [Form::Jwt, Form::EddsaRdfc2022, Form::EddsaJcs2022] {
        let with =
            |binding: Binding| s.presented(&world::present_as(&s.holder, &[&visa], form, &binding));
        assert_eq!(with(world::binding()).outcome, Outcome::Passed, "{form}");
        let audience = "did:example:other".to_owned();
        refused(&with(Binding { audience, ..world::binding() }), codes::AUDIENCE_OTHER);
        let nonce = Some("n-2".to_owned());
        refused(&with(Binding { nonce, ..world::binding() }), codes::NONCE_OTHER);
        refused(&with(Binding { nonce: None, ..world::binding() }), codes::NONCE_OTHER);
        refused(&with(Binding { expires: NOW, ..world::binding() }), codes::PROOF_EXPIRED);
    }
}

#[test]
fn a_presentation_that_is_for_nobody_or_for_ever() {
    let s = setting();
    let member = s.visa(Form::Jwt).to_member();
    let document = json!({
        "@context": [gridpass_credentials::context::CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": s.holder.did,
        "verifiableCredential": [member],
        "aud": AUDIENCE,
        "nonce": "n-1",
    });
    let endless = world::raw_jwt(&s.holder, "vp+jwt", &document, NOW);
    let endless = Secured::parse(endless.as_bytes(), Kind::Presentation).expect("reads");
    refused(&s.presented(&endless), codes::PRESENTATION_UNBOUND);
    let good = world::present(&s.holder, &[&s.visa(Form::Jwt)]);
    let expect =
        gridpass_credentials::verify::Expectation { audience: None, ..world::expectation() };
    let lists = world::clear_lists(&[&s.root]);
    refused(&world::verify(&good, &s.trust, &lists, &expect), codes::AUDIENCE_OTHER);
}

#[test]
fn a_visa_of_another_subject_than_the_presenter() {
    let s = setting();
    let thief = Party::new(9);
    for form in Form::ALL {
        let stolen = world::present(&thief, &[&s.visa(form)]);
        refused(&s.presented(&stolen), codes::PRESENTER_OTHER);
    }
    // In the holder's name, by the thief's key.
    let named = Party { did: s.holder.did.clone(), ..thief };
    let named = world::present(&named, &[&s.visa(Form::Jwt)]);
    refused(&s.presented(&named), identity_codes::SIGNER_OTHER);
    // By the right presenter, where another was expected.
    let other = Party::new(8);
    let expect = gridpass_credentials::verify::Expectation {
        presenter: Some(&other.did),
        ..world::expectation()
    };
    let lists = world::clear_lists(&[&s.root]);
    let good = world::present(&s.holder, &[&s.visa(Form::Jwt)]);
    refused(&world::verify(&good, &s.trust, &lists, &expect), codes::PRESENTER_OTHER);
}

#[test]
fn a_key_binding_for_others_or_by_others_or_old() {
    use gridpass_credentials::sd_jwt;
    let s = setting();
    let visa = s.visa(Form::SdJwt);
    let bind = |party: &Party, aud: &str, nonce: &str, at| {
        let header = Header { kid: Some(party.key_id.clone()), ..Header::default() };
        sd_jwt::bind(visa.text(), aud, nonce, &party.key, header, at).expect("binds")
    };
    let check = |text: &str| {
        use gridpass_credentials::signature::SignatureMemo;
        use gridpass_credentials::verify::{Evidence, SeenLists, verify_visa};
        use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
        let (lists, seen) = (world::clear_lists(&[&s.root]), SeenLists::new());
        let resolver = OfflineResolver::new(&NoSnapshots);
        let evidence =
            Evidence { trust: &s.trust, lists: &lists, resolver: &resolver, seen: &seen };
        let memo = &mut SignatureMemo::default();
        verify_visa(text.as_bytes(), &[], &evidence, &world::expectation(), memo)
    };
    let good = check(&bind(&s.holder, AUDIENCE, "n-1", NOW));
    assert_eq!(good.outcome, Outcome::Passed, "{good:#?}");
    refused(&check(visa.text()), codes::PRESENTATION_UNBOUND);
    refused(&check(&bind(&s.holder, "did:example:x", "n-1", NOW)), codes::AUDIENCE_OTHER);
    refused(&check(&bind(&s.holder, AUDIENCE, "n-2", NOW)), codes::NONCE_OTHER);
    refused(&check(&bind(&s.holder, AUDIENCE, "n-1", days_ago(1))), codes::BINDING_OLD);
    let thief = Party::new(9);
    refused(&check(&bind(&thief, AUDIENCE, "n-1", NOW)), identity_codes::SIGNER_OTHER);
    let late = NOW.plus_millis(900_000);
    refused(&check(&bind(&s.holder, AUDIENCE, "n-1", late)), identity_codes::SIGNED_IN_FUTURE);
}

#[test]
fn a_credential_as_a_presentation_and_the_other_way_round() {
    let s = setting();
    let visa = s.visa(Form::Jwt);
    let presentation = world::present(&s.holder, &[&visa]);
    let as_presentation = Secured::parse(visa.text().as_bytes(), Kind::Presentation);
    assert_eq!(as_presentation.expect_err("a visa").code(), codes::SECURED_TYPE);
    let as_visa = Secured::parse(presentation.text().as_bytes(), Kind::Credential);
    assert_eq!(as_visa.expect_err("a presentation").code(), codes::SECURED_TYPE);
    for typ in ["JWT", "vc-ld+jwt", "VC+JWT", "application/vc+jwt", ""] {
        let text = world::raw_jwt(&s.root, typ, &s.document(), days_ago(10));
        let error = Secured::parse(text.as_bytes(), Kind::Credential).expect_err(typ);
        assert_eq!(error.code(), codes::SECURED_TYPE, "{typ}");
    }
    let wrapped = world::raw_jwt(&s.root, "vc+jwt", &json!({"vc": s.document()}), days_ago(10));
    let error = Secured::parse(wrapped.as_bytes(), Kind::Credential).expect_err("version 1");
    assert_eq!(error.code(), codes::SECURED_MALFORMED);
}

#[test]
fn unsigned_doubly_signed_and_ambiguous_documents() {
    let s = setting();
    let signed = world::raw_proof(&s.root, &s.document(), Suite::EddsaJcs2022, |_| ());
    let mut none = signed.clone();
    none.as_object_mut().expect("an object").remove("proof");
    let mut two = signed.clone();
    two["proof"] = json!([signed["proof"], signed["proof"]]);
    let twice = signed.to_string().replacen("\"issuer\"", "\"id\":\"urn:x:y\",\"issuer\"", 1);
    for text in [none.to_string(), two.to_string(), twice] {
        let error = Secured::parse(text.as_bytes(), Kind::Credential).expect_err("refused");
        assert_eq!(error.code(), codes::SECURED_MALFORMED, "{text}");
    }
    let mut chained = signed.clone();
    chained["proof"]["previousProof"] = json!("urn:uuid:1");
    let error = Secured::from_json(chained, Kind::Credential).expect_err("a chain");
    assert_eq!(error.code(), codes::PROOF_MALFORMED);
    let alg_none = format!("{}.{}.", b64(br#"{"alg":"none","typ":"vc+jwt"}"#), b64(b"{}"));
    let error = Secured::parse(alg_none.as_bytes(), Kind::Credential).expect_err("alg none");
    assert_eq!(error.code(), identity_codes::JWS_HEADER_REFUSED);
    let huge = vec![b'a'; gridpass_credentials::secured::MAX_BYTES + 1];
    let error = Secured::parse(&huge, Kind::Credential).expect_err("too long");
    assert_eq!(error.code(), codes::SECURED_MALFORMED);
}

fn b64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn an_unknown_an_altered_and_an_inline_context() {
    let s = setting();
    let v2 = gridpass_credentials::context::CREDENTIALS_V2;
    let ours = gridpass_credentials::context::GRIDPASS_V1;
    for contexts in [
        json!([v2, "https://attacker.example/v1"]),
        json!([v2, ours, {"role": "https://attacker.example/role"}]),
        json!([v2, {"claims": "https://attacker.example/claims"}]),
        json!([v2, "https://www.w3.org/ns/credentials/examples/v2"]),
        json!([v2]),
        json!([v2, ours, ours]),
    ] {
        let mut document = s.document();
        document["@context"] = contexts.clone();
        // Signed as JSON, where the context is only a member; it must still be the right one.
        let jwt = world::raw_jwt(&s.root, "vc+jwt", &document, days_ago(10));
        refused(&s.alone(&jwt), codes::CONTEXT_UNKNOWN);
        let signed = world::raw_proof(&s.root, &document, Suite::EddsaJcs2022, |_| ());
        refused(&s.alone(&signed.to_string()), codes::CONTEXT_UNKNOWN);
    }
}

#[test]
fn a_member_that_json_ld_would_drop_and_nobody_asked_for() {
    let s = setting();
    let mut document = s.document();
    document["credentialSubject"]["superuser"] = json!(true);
    for form in ["jwt", "jcs"] {
        let text = match form {
            "jwt" => world::raw_jwt(&s.root, "vc+jwt", &document, days_ago(10)),
            _ => world::raw_proof(&s.root, &document, Suite::EddsaJcs2022, |_| ()).to_string(),
        };
        refused(&s.alone(&text), codes::VISA_MALFORMED);
    }
    // Under RDF the member is not even signed: put there afterwards, it must not get through.
    let mut signed = world::raw_proof(&s.root, &s.document(), Suite::EddsaRdfc2022, |_| ());
    signed["credentialSubject"]["superuser"] = json!(true);
    refused(&s.alone(&signed.to_string()), codes::VISA_MALFORMED);
    for (pointer, value) in [
        ("/credentialSubject/claims/zone", json!("GB-2")),
        ("/credentialSubject/id", json!(Party::new(7).did)),
        ("/validUntil", json!("2030-01-01T00:00:00Z")),
        ("/credentialStatus/0/statusListIndex", json!("1")),
        ("/proof/created", json!("2026-02-20T00:00:00Z")),
    ] {
        let mut altered = world::raw_proof(&s.root, &s.document(), Suite::EddsaRdfc2022, |_| ());
        *altered.pointer_mut(pointer).expect(pointer) = value;
        let report = s.alone(&altered.to_string());
        assert_eq!(report.outcome, Outcome::Failed, "{pointer}");
        let invalid = identity_codes::SIGNATURE_INVALID;
        assert!(report.visas[0].checks.iter().any(|c| c.code == invalid), "{pointer}");
    }
}

#[test]
fn a_number_that_jcs_writes_like_another() {
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let trust = world::trust(&[&root], &[&role]);
    let lists = world::clear_lists(&[&root]);
    for suite in SUITES {
        let visa = world::visa(&root, &holder, &role, |v| {
            v.claims.insert("capacityKw".into(), json!(9_007_199_254_740_992_u64));
        });
        let document = Value::Object(visa.to_credential().expect("a visa").json().clone());
        let signed = world::raw_proof(&root, &document, suite, |_| ()).to_string();
        // One more is written alike: the signature fits, and the number that is read is the same.
        let altered = signed.replace("9007199254740992", "9007199254740993");
        assert_ne!(altered, signed);
        for text in [signed, altered] {
            let report = world::verify_alone(&world::reread(&text), &[], &trust, &lists);
            assert_eq!(report.outcome, Outcome::Passed, "{report:#?}");
            let claims = &report.visas[0].visa.as_ref().expect("a visa").claims;
            assert_eq!(claims["capacityKw"], json!(9_007_199_254_740_992_u64));
        }
    }
}

#[test]
fn an_sd_jwt_whose_holder_could_withhold_its_status() {
    use gridpass_credentials::sd_jwt;
    let s = setting();
    let header = Header {
        kid: Some(s.root.key_id.clone()),
        typ: Some("vc+sd-jwt".into()),
        iat: Some(days_ago(10)),
        ..Header::default()
    };
    let payload = s.document().as_object().expect("an object").clone();
    let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    for (path, names) in
        [(&[][..], "credentialStatus"), (&["credentialSubject"][..], "role"), (&[], "validUntil")]
    {
        let text = sd_jwt::issue(payload.clone(), path, &[names], &s.root.key, &header, &mut rng);
        refused(&s.alone(&text.expect("issues")), codes::VISA_MALFORMED);
    }
    let path = &["credentialSubject", "claims"];
    let good = sd_jwt::issue(payload, path, &["zone"], &s.root.key, &header, &mut rng);
    assert_eq!(s.alone(&good.expect("issues")).outcome, Outcome::Passed);
}
