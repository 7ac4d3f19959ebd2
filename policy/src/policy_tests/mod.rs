//! A policy is asked, and its decisions are made again: a channel, visas and messages that the tests share.

mod agreement;
mod requirements;
mod sender;

use super::*;
use crate::channel::{Indeterminate, MessageLimits, Mode, Retention, Sealing};
use crate::condition::{Checked, Condition};
use crate::decision::RecordedDecision;
use crate::facts::{
    CheckFacts, EnvelopeFacts, Finding, MessageFacts, RestsOn, StepFacts, TrustFacts, VisaFacts,
};
use crate::requirement::Requirement;
use crate::topic::{Attribute, Topic, TopicVersion};
use crate::value::ValueType;
use gridpass_credentials::role::RoleName;
use gridpass_identity::did::Did;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const NOW: UnixMillis = UnixMillis::from_millis(1_772_366_400_000); // Sunday 1 March 2026, noon

fn cid(text: &str) -> ContentId {
    ContentId::of_bytes(text.as_bytes()).expect("a name")
}

fn did(name: &str) -> Did {
    Did::parse(&format!("did:example:{name}")).expect("a DID")
}

fn requirement(id: &str, needs: Json) -> Requirement {
    let condition: Condition = serde_json::from_value(needs).expect("a condition");
    Requirement::new(id, "it is as it should be", condition)
}

fn channel(publish: Vec<Requirement>) -> ChannelDescriptor {
    let attribute = |value_type| Attribute { value_type, from: None, optional: true };
    ChannelDescriptor {
        document_type: crate::channel::TYPE.into(),
        format_version: 1,
        framework: cid("framework"),
        name: RoleName::parse("flex.gb.bids").expect("a name"),
        version: 1,
        previous: None,
        dated: NOW,
        owner: did("dso"),
        title: "Bids".into(),
        mode: Mode::Broadcast,
        publish,
        subscribe: vec![requirement("dso", json!({"role": "flex.gb.dso"}))],
        keep: Vec::new(),
        topics: vec![Topic {
            name: "bids".into(),
            title: "Bids".into(),
            versions: vec![TopicVersion {
                version: 1,
                media_type: "application/json".into(),
                schema: cid("schema"),
                retired: None,
            }],
            attributes: [
                ("zone", ValueType::Text),
                ("quantity", ValueType::Integer),
                ("start", ValueType::Time),
                ("purposes", ValueType::Texts),
                ("urgent", ValueType::Boolean),
            ]
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), attribute(kind)))
            .collect(),
            publish: Vec::new(),
            answered_by: None,
        }],
        sealing: Sealing::None,
        retention: Retention { seconds: 3600, history: false },
        receipts: false,
        limits: MessageLimits {
            max_payload_bytes: 1000,
            max_messages_per_minute: 60,
            max_lifetime_seconds: 3600,
            max_recipients: 4,
        },
        max_status_age_seconds: 3600,
        clock_skew_seconds: 30,
        indeterminate: Indeterminate::Deny,
        terms: None,
    }
}

fn compile(descriptor: ChannelDescriptor) -> Policy {
    descriptor.encode().unwrap_or_else(|e| panic!("{e}"));
    Policy::compile(descriptor).unwrap_or_else(|e| panic!("{e}"))
}

fn passed() -> CheckFacts {
    standing(Finding::Passed)
}

fn standing(outcome: Finding) -> CheckFacts {
    CheckFacts { outcome, code: "GP-TEST".into(), sentence: "as the test says".into() }
}

fn visa(number: usize, role: &str, claims: &Json, outcome: Finding) -> VisaFacts {
    let evidence = cid(&format!("visa {number}"));
    VisaFacts {
        path: vec![StepFacts { evidence: evidence.clone(), issuer: did("regulator") }],
        evidence,
        role: role.into(),
        definition: cid(role),
        issuer: did("regulator"),
        standing: standing(outcome),
        claims: claims.as_object().cloned().unwrap_or_default(),
        authorities: vec![json!({"zone": "GB-1"}).as_object().cloned().unwrap_or_default()],
        only_status_open: outcome == Finding::Indeterminate,
        valid_until: NOW.plus_millis(1000),
        status_dated: Some(NOW),
    }
}

fn admission(policy: &Policy, mut visas: Vec<VisaFacts>) -> Admission {
    visas.sort_by(|a, b| a.evidence.cmp(&b.evidence));
    Admission {
        document_type: crate::facts::TYPE.into(),
        format_version: 1,
        channel: policy.id().clone(),
        sender: did("alpha"),
        presentation: Some(cid("presentation")),
        trust: TrustFacts {
            framework: policy.descriptor().framework.clone(),
            pack: cid("pack"),
            charter: cid("charter"),
        },
        judged: NOW,
        expires: NOW.plus_millis(1000),
        standing: passed(),
        visas,
        node: None,
        lists: Vec::new(),
        rests_on: RestsOn::default(),
    }
}

fn message(attributes: &Json) -> MessageFacts {
    MessageFacts {
        envelope: None,
        topic: "bids".into(),
        version: 1,
        schema: cid("schema"),
        media_type: "application/json".into(),
        recipients: Vec::new(),
        issued: NOW,
        expires: NOW.plus_millis(60_000),
        arrived: None,
        payload_bytes: 10,
        sealed: false,
        attributes: attributes.as_object().cloned().unwrap_or_default(),
        signature: passed(),
        payload: None,
        sealing: None,
        sent_last_minute: Some(0),
    }
}

fn publish(attributes: &Json) -> Question {
    Question::Publish(Box::new(message(attributes)))
}

fn ask(policy: &Policy, visas: Vec<VisaFacts>, question: &Question) -> Decision {
    let mut admitted = policy.admit(admission(policy, visas));
    policy.decide(&mut admitted, question, NOW).expect("a decision")
}

fn zone_policy() -> Policy {
    compile(channel(vec![
        requirement(
            "zone",
            json!({
                "role": "flex.gb.aggregator", "where": ["visa.zone == message.zone"]
            }),
        ),
        requirement("size", json!({"when": "message.quantity <= 100"})),
    ]))
}

#[test]
fn a_recorded_decision_is_made_again_and_an_altered_one_is_found_out() {
    let policy = zone_policy();
    let facts = admission(
        &policy,
        vec![visa(1, "flex.gb.aggregator", &json!({"zone": "GB-1"}), Finding::Passed)],
    );
    let mut admitted = policy.admit(facts.clone());
    let question = publish(&json!({"zone": "GB-2", "quantity": 5}));
    let decision = policy.decide(&mut admitted, &question, NOW).expect("a decision");
    let (_, bytes) = decision.encode().expect("bytes");
    let recorded = RecordedDecision::parse(&bytes).expect("a record");
    assert_eq!(recorded.recompute(&policy, &facts), Ok(decision));

    let text = String::from_utf8(bytes).expect("text");
    for (from, to, code) in [
        ("\"verdict\":\"deny\"", "\"verdict\":\"allow\"", codes::DECISION_DIFFERS),
        ("it is as it should be", "it is as it must be", codes::DECISION_DIFFERS),
        ("GB-2", "GB-1", codes::DECISION_DIFFERS),
    ] {
        assert!(text.contains(from));
        let altered = text.replace(from, to);
        let recorded = RecordedDecision::parse(altered.as_bytes()).expect("a record");
        let error = recorded.recompute(&policy, &facts).expect_err(from);
        assert_eq!(error.code(), code, "{from}");
    }
    // An array in the place of an object within it.
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let signature = value["question"]["publish"]["signature"].take();
    let list = json!([signature["outcome"], signature["code"], signature["sentence"]]);
    value["question"]["publish"]["signature"] = list;
    let error = RecordedDecision::parse(value.to_string().as_bytes()).expect_err("no object");
    assert_eq!(error.code(), codes::DECISION_MALFORMED);
    let mut others = facts;
    others.visas[0].claims.insert("zone".into(), json!("GB-2"));
    assert!(recorded.recompute(&policy, &others).is_err());
}

/// A channel whose topic's only version is retired after 100 s, and a bid of which the times are given.
fn retiring() -> (Policy, Admission, impl Fn(u64) -> Question) {
    let mut descriptor =
        channel(vec![requirement("size", json!({"when": "message.quantity <= 100"}))]);
    descriptor.topics[0].versions[0].retired = Some(NOW.plus_millis(100_000));
    let policy = compile(descriptor);
    let mut facts = admission(&policy, Vec::new());
    facts.expires = NOW.plus_millis(1_000_000);
    let bid = |issued: u64| {
        let mut bid = message(&json!({"quantity": 5}));
        bid.issued = NOW.plus_millis(issued);
        bid.expires = bid.issued.plus_millis(600_000);
        Question::Publish(Box::new(bid))
    };
    (policy, facts, bid)
}

#[test]
fn a_version_is_retired_by_when_a_message_was_issued_and_by_the_clock_past_the_skew() {
    let (policy, facts, bid) = retiring();
    for (issued, judged, expected) in [
        (99_999, 99_999, Verdict::Allow),
        // It was sent in time, and the clock here is ahead, or the way was long.
        (99_999, 100_000, Verdict::Allow),
        (99_999, 129_999, Verdict::Allow),
        // Else who dates back uses it for good.
        (99_999, 130_000, Verdict::Deny),
        (100_000, 100_000, Verdict::Deny),
        (100_000, 99_000, Verdict::Deny),
    ] {
        let at = NOW.plus_millis(judged);
        let mut admitted = policy.admit(facts.clone());
        let decision = policy.decide(&mut admitted, &bid(issued), at).expect("a decision");
        assert_eq!(decision.verdict, expected, "{issued}, {judged}");
        let codes: Vec<_> = decision.reasons.iter().map(|r| r.code.as_str()).collect();
        let denied = (expected == Verdict::Deny).then_some(codes::TOPIC_UNKNOWN.id());
        assert_eq!(codes, Vec::from_iter(denied), "{issued}, {judged}");
    }
}

#[test]
fn what_was_recorded_by_the_rule_of_before_is_no_forgery() {
    let (policy, facts, bid) = retiring();
    let (question, at) = (bid(99_999), NOW.plus_millis(110_000));
    let mut admitted = policy.admit(facts.clone());
    let before = policy.rule_of_before(&mut admitted, &question, at).expect("another rule");
    assert_eq!(before.verdict, Verdict::Deny);
    let id = admitted.id().expect("a name").clone();
    let decision = Decision::of_ruling(&policy, &facts, &id, (&question, at), &before);
    let (_, bytes) = decision.encode().expect("bytes");
    let recorded = RecordedDecision::parse(&bytes).expect("a record");
    assert_eq!(recorded.recompute(&policy, &facts), Ok(decision));
    // Past the skew both rules say no, and a yes is none.
    let late = NOW.plus_millis(130_000);
    let mut decision = policy.decide(&mut admitted, &question, late).expect("a decision");
    (decision.verdict, decision.reasons) = (Verdict::Allow, Vec::new());
    let (_, bytes) = decision.encode().expect("bytes");
    let recorded = RecordedDecision::parse(&bytes).expect("a record");
    let error = recorded.recompute(&policy, &facts).expect_err("altered");
    assert_eq!(error.code(), codes::DECISION_DIFFERS);
    // Where nothing is retired there is one rule.
    let other = zone_policy();
    let mut admitted = other.admit(admission(&other, Vec::new()));
    assert!(other.rule_of_before(&mut admitted, &question, at).is_none());
}
