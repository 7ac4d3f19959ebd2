//! What the code writes fits the JSON Schemas of `spec/schemas/`, and what they forbid does not.

use gridpass_credentials::content_id::EnvelopeId;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::request::{self, Refusal, VisaRequest};
use gridpass_credentials::schema::Schema;
use gridpass_credentials::verify::VisaReportIn;
use gridpass_policy::facts::{EnvelopeFacts, Question};
use gridpass_tests::channels;
use gridpass_tests::world::{self, NOW, Party, days_ago};
use serde_json::{Value, json};

fn schema(name: &str) -> Schema {
    let path = gridpass_tests::root().join(format!("spec/schemas/{name}.v1.json"));
    let bytes = std::fs::read(path).expect("a schema");
    Schema::compile(&serde_json::from_slice(&bytes).expect("JSON")).expect("it compiles")
}

#[track_caller]
fn fits(name: &str, value: &Value) {
    let schema = schema(name);
    assert_eq!(schema.violations(value), Vec::<String>::new(), "{name}");
    let mut more = value.clone();
    more["surprise"] = json!(1);
    assert!(!schema.violations(&more).is_empty(), "{name} takes unknown members");
}

#[test]
fn charters_trust_packs_and_definitions_fit() {
    let root = Party::new(1);
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    fits("role-definition", &json!(role));
    let mut charter = world::charter(&[&root], &[&role]);
    charter.roles[0].retired = Some(days_ago(1));
    charter.roles[0].grace_seconds = Some(60);
    let signed = world::sign_charter(charter, &[&root]);
    fits("charter", &signed.to_json());
    let next = world::sign_charter(signed.charter().next(NOW).expect("a next"), &[&root]);
    fits("charter", &next.to_json());
    let pack = world::pack(&[signed, next], &[&role]);
    fits("trust-pack", &serde_json::from_slice(&pack).expect("JSON"));
}

#[test]
fn requests_refusals_and_parcels_fit() {
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let statement = VisaRequest {
        format_version: request::FORMAT_VERSION,
        holder: holder.did.clone(),
        issuer: root.did.clone(),
        definition: world::id(&role),
        role: role.name.clone(),
        claims: world::claims(),
        validity_seconds: Some(60),
        renews: Some("urn:uuid:1".into()),
        presentation: Some("eyJ".into()),
        note: Some("please".into()),
    };
    fits("visa-request", &json!(statement));
    let refusal = Refusal {
        format_version: request::FORMAT_VERSION,
        issuer: root.did,
        holder: holder.did,
        request: world::id(&role),
        role: role.name,
        reason: "no".into(),
    };
    fits("visa-refusal", &json!(refusal));
    let mut parcel = Parcel::new(ParcelKind::Visa, Some("eyJ".into()));
    parcel.supporting.push("eyJ".into());
    fits("parcel", &json!(parcel));
    fits("parcel", &json!(Parcel::new(ParcelKind::StatusLists, None)));
}

#[test]
fn every_report_of_the_vectors_fits() {
    let path = gridpass_tests::root().join("spec/vectors/visa-verdicts.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    let cases = file["cases"].as_array().expect("cases");
    assert!(cases.len() >= 20);
    for case in cases {
        fits("visa-report", &case["expected"]["report"]);
    }
}

#[test]
fn what_a_report_says_is_read_back_and_another_version_is_not_guessed() {
    let path = gridpass_tests::root().join("spec/vectors/visa-verdicts.json");
    let file: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    for case in file["cases"].as_array().expect("cases") {
        let mut written = case["expected"]["report"].clone();
        // As the command answers, beside it.
        written["schema"] = json!("gridpass.visa.verify/1");
        let read: VisaReportIn = serde_json::from_value(written.clone()).expect("it is read");
        assert_eq!(json!(read.outcome), written["outcome"]);
        assert_eq!(json!(read.at), written["at"]);
        assert_eq!(json!(read.code), written["code"]);
        assert_eq!(json!(read.trust), written["trust"]);
        let visas = written["visas"].as_array().expect("visas");
        assert_eq!(read.visas.len(), visas.len());
        for (read, written) in read.visas.iter().zip(visas) {
            let claims = read.visa.as_ref().map(|visa| json!(visa.claims));
            assert_eq!(claims.as_ref(), written.pointer("/visa/claims"));
            let codes: Vec<_> = read.checks.iter().map(|check| json!(check.code)).collect();
            let checks = written["checks"].as_array().expect("checks").iter();
            assert_eq!(codes, checks.map(|check| check["code"].clone()).collect::<Vec<_>>());
        }
        written["formatVersion"] = json!(2);
        let refused = serde_json::from_value::<VisaReportIn>(written).expect_err("of tomorrow");
        assert!(refused.to_string().contains("version is 2"), "{refused}");
    }
}

#[test]
fn channels_admissions_and_decisions_fit() {
    let folder = gridpass_tests::root().join("spec/policy-cases");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the published cases") {
        let path = entry.expect("an entry").path();
        if path.to_string_lossy().ends_with(".channel.json") {
            let channel = std::fs::read(&path).expect("a file");
            let read = gridpass_policy::channel::SignedChannel::parse(&channel).expect("a channel");
            fits("channel", &read.to_json());
            count += 1;
        }
    }
    assert!(count >= 6);

    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let trust = world::trust(&[&root], &[&role]);
    let lists = world::clear_lists(&[&root]);
    let visa = world::issue(&root, &world::visa(&root, &holder, &role, |_| ()));
    let report =
        world::verify(&world::present(&holder, &[&visa]), &trust, &lists, &world::expectation());
    let policy = channels::policy_in(&trust, channels::bids(&root.did, |_| ()));
    let facts = channels::admission(&policy, &holder.did, &report, &trust);
    fits("admission", &json!(facts));
    let mut admitted = policy.admit(facts);
    // With every fact that there can be.
    let Question::Publish(mut whole) = channels::bid("GB-1", 1) else { panic!("a message") };
    whole.recipients = vec![root.did.clone()];
    whole.sealing = Some(whole.signature.clone());
    whole.payload = Some(whole.signature.clone());
    whole.envelope = Some(EnvelopeFacts {
        id: EnvelopeId::of_block(b"a block").expect("a name"),
        channel: policy.id().clone(),
        sender: holder.did.clone(),
        node: Some(root.did.clone()),
        authorisation: Some(world::id(&role)),
        presentation: Some(world::id(&role)),
    });
    let questions = [
        channels::bid("GB-1", 1),
        channels::bid("GB-9", 9999),
        Question::Publish(whole),
        Question::Subscribe,
        Question::Keep,
    ];
    for question in questions {
        fits("decision", &json!(policy.decide(&mut admitted, &question, NOW).expect("a decision")));
    }
}

/// What a schema document of a payload may look like: the JSON Schema and the reader say the same.
#[test]
fn schema_documents_of_payloads() {
    let cid = gridpass_credentials::content_id::ContentId::of_bytes(b"x").expect("a name");
    let column = json!({"name": "a", "datatype": "integer", "minimum": "0"});
    for (name, good, bad) in [
        (
            "payload-csv",
            json!({"type": "gridpass-csv", "formatVersion": 1, "columns": [column], "maxRows": 5}),
            json!({"type": "gridpass-csv", "formatVersion": 1, "columns": [], "maxRows": 5}),
        ),
        (
            "payload-cim",
            json!({"type": "gridpass-cim", "formatVersion": 1, "profiles": ["urn:p"], "maxBytes": 9}),
            json!({"type": "gridpass-cim", "formatVersion": 1, "profiles": [], "maxBytes": 9}),
        ),
    ] {
        let read = |document: &Value| {
            let (id, bytes) =
                gridpass_credentials::content_id::ContentId::of_json(document).expect("a name");
            gridpass_policy::payload::PayloadSchema::compile(&id, &|_| Some(bytes.clone())).is_ok()
        };
        fits(name, &good);
        assert!(read(&good), "{good}");
        assert!(!read(&bad) && !schema(name).violations(&bad).is_empty(), "{bad}");
    }
    let files = std::collections::BTreeMap::from([("main.xsd".to_owned(), b"x".to_vec())]);
    let (_, manifest) =
        gridpass_policy::payload::xsd_manifest("main.xsd", &[], &files).expect("a manifest");
    fits("payload-xsd", &serde_json::from_slice(&manifest).expect("JSON"));
    let climbing = json!({
        "type": "gridpass-xsd", "formatVersion": 1, "main": "m", "files": {"../m": cid},
    });
    assert!(!schema("payload-xsd").violations(&climbing).is_empty());
}
