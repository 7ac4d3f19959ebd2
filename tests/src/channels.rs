//! A channel for tests: aggregators bid in their zone, system operators read.

use crate::world::NOW;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::RoleName;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::VisaReport;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_policy::admission::AdmissionSource;
use gridpass_policy::channel::{
    ChannelDescriptor, FORMAT_VERSION, Indeterminate, MessageLimits, Mode, Retention, Sealing, TYPE,
};
use gridpass_policy::facts::{Admission, CheckFacts, MessageFacts, Question};
use gridpass_policy::payload::PayloadSchema;
use gridpass_policy::policy::Policy;
use gridpass_policy::requirement::Requirement;
use gridpass_policy::topic::{Attribute, Topic, TopicVersion};
use gridpass_policy::value::ValueType;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A requirement in the readable form.
#[must_use]
pub fn requirement(id: &str, says: &str, needs: Value) -> Requirement {
    Requirement::new(id, says, serde_json::from_value(needs).expect("a condition"))
}

/// The channel `flex.gb.bids` of an owner: aggregators bid in their zone.
#[must_use]
pub fn bids(owner: &Did, bend: impl FnOnce(&mut ChannelDescriptor)) -> ChannelDescriptor {
    let attribute = |value_type| Attribute { value_type, from: None, optional: false };
    let mut descriptor = ChannelDescriptor {
        document_type: TYPE.into(),
        format_version: FORMAT_VERSION,
        framework: ContentId::of_bytes(b"a framework").expect("a name"),
        name: RoleName::parse("flex.gb.bids").expect("a name"),
        version: 1,
        previous: None,
        dated: crate::world::days_ago(20),
        owner: owner.clone(),
        title: "Bids for flexibility".into(),
        mode: Mode::Broadcast,
        publish: vec![
            requirement(
                "zone",
                "bids come from aggregators accredited for the zone that they bid in",
                json!({"role": "flex.gb.aggregator", "where": ["visa.zone == message.zone"]}),
            ),
            requirement(
                "capacity",
                "nobody bids more than it is accredited for",
                json!({
                    "role": "flex.gb.aggregator", "where": ["message.quantityKw <= visa.capacityKw"],
                }),
            ),
        ],
        subscribe: vec![requirement(
            "operator",
            "system operators read bids",
            json!({"role": "flex.gb.dso"}),
        )],
        keep: Vec::new(),
        topics: vec![Topic {
            name: "bids".into(),
            title: "Bids".into(),
            versions: vec![TopicVersion {
                version: 1,
                media_type: "application/json".into(),
                schema: schema(),
                retired: None,
            }],
            attributes: [
                ("zone".to_owned(), attribute(ValueType::Text)),
                ("quantityKw".to_owned(), attribute(ValueType::Integer)),
            ]
            .into_iter()
            .collect(),
            publish: Vec::new(),
            answered_by: None,
        }],
        sealing: Sealing::None,
        retention: Retention { seconds: 30 * 24 * 3600, history: true },
        receipts: true,
        limits: MessageLimits {
            max_payload_bytes: 65536,
            max_messages_per_minute: 600,
            max_lifetime_seconds: 3600,
            max_recipients: 16,
        },
        max_status_age_seconds: 24 * 3600,
        clock_skew_seconds: 30,
        indeterminate: Indeterminate::Deny,
        terms: None,
    };
    bend(&mut descriptor);
    descriptor
}

/// The schema of the topic of [`bids`], as its bytes.
pub const SCHEMA: &[u8] =
    br#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object"}"#;

/// The schema that the topic of [`bids`] names.
#[must_use]
pub fn schema() -> ContentId {
    ContentId::of_bytes(SCHEMA).expect("a name")
}

/// The schemas of the topics of [`bids`].
#[must_use]
pub fn schemas() -> BTreeMap<ContentId, PayloadSchema> {
    let documents = |_: &ContentId| Some(SCHEMA.to_vec());
    let compiled = PayloadSchema::compile(&schema(), &documents).expect("a schema");
    BTreeMap::from([(schema(), compiled)])
}

/// The policy of a descriptor.
#[must_use]
pub fn policy(descriptor: ChannelDescriptor) -> Policy {
    descriptor.encode().expect("a descriptor");
    Policy::compile(descriptor).expect("a policy")
}

/// The same for a descriptor of the framework of a trust pack.
#[must_use]
pub fn policy_in(trust: &Trust, mut descriptor: ChannelDescriptor) -> Policy {
    descriptor.framework = trust.history()[0].id().clone();
    policy(descriptor)
}

/// The facts about a sender from a report on its presentation.
#[must_use]
pub fn admission(policy: &Policy, sender: &Did, report: &VisaReport, trust: &Trust) -> Admission {
    Admission::of_report(&AdmissionSource {
        channel: (policy.id(), policy.descriptor()),
        sender,
        report,
        clock: report.at,
        trust,
        node: None,
    })
}

/// A bid in a zone.
#[must_use]
pub fn bid(zone: &str, quantity_kw: i64) -> Question {
    let attributes = json!({"zone": zone, "quantityKw": quantity_kw});
    let code = gridpass_identity::codes::SIGNATURE_VALID;
    Question::Publish(Box::new(MessageFacts {
        envelope: None,
        topic: "bids".into(),
        version: 1,
        schema: schema(),
        media_type: "application/json".into(),
        recipients: Vec::new(),
        issued: NOW,
        expires: NOW.plus_millis(60_000),
        arrived: None,
        payload_bytes: 512,
        sealed: false,
        attributes: attributes.as_object().expect("an object").clone(),
        signature: CheckFacts::new(Outcome::Passed, code, "the signature fits"),
        payload: None,
        sealing: None,
        sent_last_minute: Some(0),
    }))
}
