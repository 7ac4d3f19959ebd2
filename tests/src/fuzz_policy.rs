//! Fuzz targets for what `gridpass-policy` reads: see [`crate::fuzz`].

use crate::channels;
use crate::world::{NOW, Party};
use gridpass_credentials::content_id::ContentId;
use gridpass_policy::cases::CaseFile;
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::comparison::{AttributeTypes, Comparison};
use gridpass_policy::decision::{RecordedDecision, parse_admission};
use gridpass_policy::odrl::Terms;
use gridpass_policy::payload::evolution::compare;
use gridpass_policy::payload::{PayloadSchema, xsd_manifest};
use gridpass_policy::policy::Policy;
use gridpass_policy::value::ValueType;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A channel descriptor: what is read can be compiled or is refused, and written again.
pub fn channel(data: &[u8]) {
    let Ok(channel) = SignedChannel::parse(data) else { return };
    let text = channel.to_json().to_string();
    let again = SignedChannel::parse(text.as_bytes()).expect("its own JSON");
    assert_eq!(again.id(), channel.id());
    let _ = Policy::compile(channel.descriptor().clone());
}

/// A comparison, with attributes of each type.
pub fn comparison(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let attributes: AttributeTypes = [
        ("zone", ValueType::Text),
        ("quantity", ValueType::Integer),
        ("urgent", ValueType::Boolean),
        ("purposes", ValueType::Texts),
        ("start", ValueType::Time),
    ]
    .into_iter()
    .map(|(name, kind)| (name.to_owned(), kind))
    .collect();
    for in_role in [true, false] {
        if let Ok(read) = Comparison::parse(text, &attributes, in_role) {
            assert_eq!(read.text, text);
            let again = Comparison::parse(&read.text, &attributes, in_role);
            assert_eq!(again, Ok(read));
        }
    }
}

/// Data-use terms: what is read makes conditions, or is refused.
pub fn terms(data: &[u8]) {
    let Ok(terms) = serde_json::from_slice::<Terms>(data) else { return };
    let _ = terms.compile(&mut BTreeMap::new());
}

/// A recorded decision, recorded facts, and policy cases.
pub fn record(data: &[u8]) {
    static POLICY: LazyLock<Policy> =
        LazyLock::new(|| channels::policy(channels::bids(&Party::new(1).did, |_| ())));
    if let Ok((id, facts)) = parse_admission(data, None) {
        assert_eq!(facts.encode().expect("what was read can be written").0, id);
        let mut admitted = POLICY.admit(facts.clone());
        let decision =
            POLICY.decide(&mut admitted, &channels::bid("GB-1", 5), NOW).expect("a decision");
        let (_, bytes) = decision.encode().expect("bytes");
        let recorded = RecordedDecision::parse(&bytes).expect("its own bytes");
        assert_eq!(recorded.recompute(&POLICY, &facts), Ok(decision));
    }
    if let Ok(recorded) = RecordedDecision::parse(data) {
        let _ = recorded.verdict;
    }
    if let Ok(file) = CaseFile::parse(data) {
        for case in &file.cases {
            let _ = file.run(case, &POLICY);
        }
    }
}

const XSD: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Bid"><xs:complexType><xs:sequence><xs:element name="ISP" maxOccurs="unbounded"><xs:complexType><xs:attribute name="Start" type="xs:positiveInteger" use="required"/><xs:attribute name="Power" type="xs:decimal"/></xs:complexType></xs:element></xs:sequence><xs:attribute name="Zone" type="xs:token" use="required"/></xs:complexType></xs:element></xs:schema>"#;

thread_local! {
    /// A compiled XSD stays in its thread.
    static SCHEMAS: Vec<PayloadSchema> = schemas();
}

fn schemas() -> Vec<PayloadSchema> {
    let files = BTreeMap::from([("bid.xsd".to_owned(), XSD.as_bytes().to_vec())]);
    let (_, manifest) = xsd_manifest("bid.xsd", &[], &files).expect("a manifest");
    let documents: [Vec<u8>; 4] = [
        manifest,
        br#"{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"zone":{"pattern":"^GB-","type":"string"}},"required":["zone"],"type":"object"}"#.to_vec(),
        br#"{"columns":[{"datatype":"string","name":"mrid"},{"datatype":"dateTime","name":"start","required":true},{"datatype":"decimal","maximum":"99.5","name":"kwh"}],"formatVersion":1,"maxRows":100,"primaryKey":["mrid","start"],"type":"gridpass-csv"}"#.to_vec(),
        br#"{"formatVersion":1,"maxBytes":100000,"minVersion":1,"profiles":["http://iec.ch/TC57/ns/CIM/CoreEquipment/4.0"],"type":"gridpass-cim"}"#.to_vec(),
    ];
    documents.iter().map(|d| compile(d).expect("a schema")).collect()
}

fn compile(document: &[u8]) -> Option<PayloadSchema> {
    let id = ContentId::of_bytes(document).ok()?;
    let xsd = ContentId::of_bytes(XSD.as_bytes()).ok()?;
    PayloadSchema::compile(&id, &|wanted| {
        if *wanted == id {
            Some(document.to_vec())
        } else {
            (*wanted == xsd).then(|| XSD.as_bytes().to_vec())
        }
    })
    .ok()
}

/// A payload of any kind.
pub fn payload(data: &[u8]) {
    SCHEMAS.with(|schemas| {
        for schema in schemas {
            let found = schema.validate(data);
            assert!(found.len() <= gridpass_policy::payload::MAX_VIOLATIONS);
            assert!(found.iter().all(|v| !v.sentence.contains(char::is_control)));
            for path in ["/zone", "/Bid/@Zone", "/Bid/ISP/@Start"] {
                let _ = schema.read(data, path, ValueType::Text);
            }
        }
    });
}

/// A schema of any kind, which says of itself that it is compatible with itself or cannot tell.
pub fn payload_schema(data: &[u8]) {
    let Some(schema) = compile(data) else { return };
    let _ = schema.validate(b"{}");
    let found = compare(&schema, &schema);
    assert!(found.outcome != gridpass_identity::report::Outcome::Failed, "{found:?}");
}
