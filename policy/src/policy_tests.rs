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
fn every_unmet_requirement_is_named_with_its_causes() {
    let policy = zone_policy();
    let aggregator = || visa(1, "flex.gb.aggregator", &json!({"zone": "GB-1"}), Finding::Passed);
    let bid = publish(&json!({"zone": "GB-1", "quantity": 50}));
    assert_eq!(ask(&policy, vec![aggregator()], &bid).verdict, Verdict::Allow);

    let other = publish(&json!({"zone": "GB-2", "quantity": 500}));
    let decision = ask(&policy, vec![aggregator()], &other);
    assert_eq!(decision.verdict, Verdict::Deny);
    let named: Vec<_> = decision.reasons.iter().filter_map(|r| r.requirement.as_deref()).collect();
    assert_eq!(named, ["zone", "size"]);
    let cause = &decision.reasons[0].causes[0];
    assert_eq!(cause.code, codes::VALUE_DIFFERS.id());
    assert!(
        cause.sentence.contains("visa.zone is \"GB-1\", message.zone is \"GB-2\""),
        "{cause:?}"
    );
}

#[test]
fn a_suspended_visa_is_named_with_the_reason_of_its_verification() {
    let policy = zone_policy();
    let mut suspended = visa(1, "flex.gb.aggregator", &json!({"zone": "GB-1"}), Finding::Failed);
    suspended.standing = CheckFacts {
        outcome: Finding::Failed,
        code: "GP-STATUS-SUSPENDED".into(),
        sentence: "suspended since 2026-03-03T00:00:00Z".into(),
    };
    let decision = ask(&policy, vec![suspended], &publish(&json!({"zone": "GB-1", "quantity": 5})));
    let cause = &decision.reasons[0].causes[0];
    assert_eq!(cause.code, "GP-STATUS-SUSPENDED");
    assert!(
        cause.sentence.contains("flex.gb.aggregator by did:example:regulator: suspended since")
    );
}

#[test]
fn a_keeper_holds_what_it_may_not_read_and_only_what_is_sealed() {
    let keep = vec![requirement("keeper", json!({"role": "flex.gb.keeper"}))];
    let open = ChannelDescriptor {
        keep: keep.clone(),
        ..channel(vec![requirement("any", json!({"role": "flex.gb.aggregator"}))])
    };
    assert_eq!(open.encode().expect_err("not sealed").code(), codes::REQUIREMENT_MALFORMED);
    let sealed = ChannelDescriptor { sealing: Sealing::Members, ..open };
    let policy = compile(sealed.clone());
    let holds = |role: &str| vec![visa(1, role, &json!({}), Finding::Passed)];
    let verdict = |role: &str, question: &Question| ask(&policy, holds(role), question).verdict;
    assert_eq!(verdict("flex.gb.keeper", &Question::Keep), Verdict::Allow);
    assert_eq!(verdict("flex.gb.keeper", &Question::Subscribe), Verdict::Deny);
    assert_eq!(verdict("flex.gb.dso", &Question::Keep), Verdict::Deny);
    // Where nobody is one, nobody is.
    let none = compile(ChannelDescriptor { keep: Vec::new(), ..sealed });
    let denied = ask(&none, holds("flex.gb.keeper"), &Question::Keep);
    assert_eq!(denied.verdict, Verdict::Deny);
    assert_eq!(denied.reasons[0].code, codes::NO_KEEPERS.id());
}

#[test]
fn what_was_left_out_satisfies_nothing_and_excludes_nothing() {
    for needs in [
        json!({"when": "message.zone == 'GB-1'"}),
        json!({"not": {"when": "message.zone == 'GB-1'"}}),
        json!({"when": "message.zone != 'GB-1'"}),
    ] {
        let policy = compile(channel(vec![requirement("zone", needs.clone())]));
        let decision = ask(&policy, Vec::new(), &publish(&json!({})));
        assert_eq!(decision.verdict, Verdict::Deny, "{needs}");
    }
}

#[test]
fn a_broadcast_is_within_no_list_of_recipients() {
    let policy = compile(channel(vec![requirement(
        "parties",
        json!({
            "role": "flex.gb.consent", "where": ["recipients within visa.parties"]
        }),
    )]));
    let consent =
        visa(1, "flex.gb.consent", &json!({"parties": ["did:example:x"]}), Finding::Passed);
    assert_eq!(ask(&policy, vec![consent], &publish(&json!({}))).verdict, Verdict::Deny);
}

#[test]
fn an_undecided_visa_denies_unless_the_channel_takes_it() {
    let needs = json!({"all": [
        {"role": "flex.gb.aggregator"}, {"not": {"role": "flex.gb.banned"}}
    ]});
    let both = || {
        vec![
            visa(1, "flex.gb.aggregator", &json!({}), Finding::Indeterminate),
            visa(2, "flex.gb.banned", &json!({}), Finding::Indeterminate),
        ]
    };
    let mut descriptor = channel(vec![requirement("role", needs)]);
    let decision = ask(&compile(descriptor.clone()), both(), &publish(&json!({})));
    assert_eq!(decision.reasons[0].code, codes::POLICY_UNDECIDED.id());
    descriptor.indeterminate = Indeterminate::Allow;
    let policy = compile(descriptor);
    let publishes = |visas| ask(&policy, visas, &publish(&json!({}))).verdict;
    // What may be held excludes also here.
    assert_eq!(publishes(both()), Verdict::Deny);
    assert_eq!(publishes(both().drain(..1).collect()), Verdict::Allow);
    // Open for another reason than its status: anybody's invention, for all that is known.
    let mut invented = both();
    invented.truncate(1);
    invented[0].only_status_open = false;
    assert_eq!(publishes(invented), Verdict::Deny);
}

#[test]
fn a_message_is_decided_by_the_facts_about_its_own_sender() {
    let policy = zone_policy();
    let holds = || vec![visa(1, "flex.gb.aggregator", &json!({"zone": "GB-1"}), Finding::Passed)];
    let facts = admission(&policy, holds());
    let fits = EnvelopeFacts {
        id: gridpass_credentials::content_id::EnvelopeId::of_block(b"envelope").expect("a name"),
        channel: facts.channel.clone(),
        sender: facts.sender.clone(),
        node: None,
        authorisation: None,
        presentation: facts.presentation.clone(),
    };
    let asked = |envelope: EnvelopeFacts| {
        let mut message = message(&json!({"zone": "GB-1", "quantity": 5}));
        message.envelope = Some(envelope);
        ask(&policy, holds(), &Question::Publish(Box::new(message)))
    };
    assert_eq!(asked(fits.clone()).verdict, Verdict::Allow);
    for (what, other) in [
        ("sender", EnvelopeFacts { sender: did("beta"), ..fits.clone() }),
        ("node", EnvelopeFacts { node: Some(did("node")), ..fits.clone() }),
        ("presentation", EnvelopeFacts { presentation: Some(cid("other")), ..fits.clone() }),
        ("channel", EnvelopeFacts { channel: cid("other"), ..fits.clone() }),
    ] {
        let decision = asked(other);
        assert_eq!(decision.verdict, Verdict::Deny, "{what}");
        assert_eq!(decision.reasons[0].code, codes::ADMISSION_OTHER.id(), "{what}");
    }
}

#[test]
fn another_framework_and_a_channel_of_tomorrow_deny() {
    let mut descriptor = channel(Vec::new());
    descriptor.publish = vec![requirement("hours", json!({"did": [did("alpha")]}))];
    let policy = compile(descriptor.clone());
    let mut facts = admission(&policy, Vec::new());
    facts.trust.framework = cid("another framework");
    let mut admitted = policy.admit(facts);
    let decision = policy.decide(&mut admitted, &publish(&json!({})), NOW).expect("a decision");
    assert_eq!(decision.reasons[0].code, codes::ADMISSION_OTHER.id());
    descriptor.dated = NOW.plus_millis(1);
    let decision = ask(&compile(descriptor), Vec::new(), &publish(&json!({})));
    assert_eq!(decision.reasons[0].code, codes::CHANNEL_NOT_YET.id());
}

#[test]
fn a_consent_of_a_customer_with_two_meters_is_asked_with_either() {
    let needs = json!({"role": "flex.gb.consent", "where": ["visa.point == authority.point"]});
    let policy = compile(channel(vec![requirement("own", needs)]));
    let mut consent = visa(1, "flex.gb.consent", &json!({"point": "B"}), Finding::Passed);
    let point = |p: &str| json!({"point": p}).as_object().cloned().unwrap_or_default();
    consent.authorities = vec![point("A"), point("B")];
    let asked = |c: &VisaFacts| ask(&policy, vec![c.clone()], &publish(&json!({}))).verdict;
    assert_eq!(asked(&consent), Verdict::Allow);
    consent.authorities = vec![point("A"), point("C")];
    assert_eq!(asked(&consent), Verdict::Deny);
}

#[test]
fn what_would_compile_without_bound_is_refused() {
    let nested = format!(
        "forbid(principal, action, resource) when {{ {}true{} }};",
        "(".repeat(4000),
        ")".repeat(4000)
    );
    let hidden = format!("forbid(principal, action, resource) when {{ // \"\n{}", &nested);
    let long =
        format!("forbid(principal, action, resource) when {{ {}true }};", "true || ".repeat(600));
    for cedar in [nested, hidden, long] {
        let by_hand = Requirement {
            id: "deep".into(),
            says: "deep".into(),
            needs: None,
            cedar: Some(cedar),
            reads: std::collections::BTreeMap::new(),
        };
        let error = channel(vec![by_hand]).check().expect_err("bounded");
        assert!(error.to_string().contains("its Cedar"), "{error}");
    }
    let wide = json!({"did": (0..200).map(|n| did(&format!("n{n}"))).collect::<Vec<_>>()});
    let many: Vec<_> = (0..32).map(|n| requirement(&format!("r{n}"), wide.clone())).collect();
    let error = channel(many).check().expect_err("bounded");
    assert!(error.to_string().contains("4096"), "{error}");
}

#[test]
fn a_ninth_visa_for_one_role_is_not_looked_at_and_denies() {
    let policy = zone_policy();
    let bid = publish(&json!({"zone": "GB-1", "quantity": 5}));
    let visas = |count: usize| -> Vec<_> {
        (0..count)
            .map(|n| visa(n, "flex.gb.aggregator", &json!({"zone": "GB-1"}), Finding::Passed))
            .collect()
    };
    assert_eq!(ask(&policy, visas(8), &bid).verdict, Verdict::Allow);
    let decision = ask(&policy, visas(9), &bid);
    assert_eq!(decision.reasons[0].code, codes::TOO_MANY_VISAS.id());
}

#[test]
fn the_facts_deny_before_any_requirement() {
    let policy = zone_policy();
    let aggregator =
        || vec![visa(1, "flex.gb.aggregator", &json!({"zone": "GB-1"}), Finding::Passed)];
    let fine = || message(&json!({"zone": "GB-1", "quantity": 5}));
    type Bend = Box<dyn Fn(&mut MessageFacts)>;
    let cases: Vec<(&str, Bend)> = vec![
        ("GP-TOPIC-UNKNOWN", Box::new(|m| m.topic = "other".into())),
        ("GP-TOPIC-UNKNOWN", Box::new(|m| m.version = 2)),
        ("GP-TOPIC-SCHEMA-OTHER", Box::new(|m| m.schema = cid("another"))),
        ("GP-TOPIC-SCHEMA-OTHER", Box::new(|m| m.media_type = "text/plain".into())),
        ("GP-MESSAGE-TOO-LARGE", Box::new(|m| m.payload_bytes = 1001)),
        ("GP-MESSAGE-FROM-FUTURE", Box::new(|m| m.issued = NOW.plus_millis(30_001))),
        (
            "GP-MESSAGE-EXPIRED",
            Box::new(|m| {
                m.issued = UnixMillis::new(NOW.get() - 60_000);
                m.expires = UnixMillis::new(NOW.get() - 30_000);
            }),
        ),
        ("GP-MESSAGE-LIFETIME", Box::new(|m| m.expires = NOW.plus_millis(3_600_001))),
        ("GP-MESSAGE-LIFETIME", Box::new(|m| m.expires = m.issued)),
        ("GP-MESSAGE-RECIPIENTS", Box::new(|m| m.recipients = vec![did("x")])),
        ("GP-MESSAGE-SEALING", Box::new(|m| m.sealed = true)),
        ("GP-MESSAGE-RATE", Box::new(|m| m.sent_last_minute = Some(60))),
        (
            "GP-ATTRIBUTE-UNKNOWN",
            Box::new(|m| {
                m.attributes.insert("colour".into(), json!("red"));
            }),
        ),
        (
            "GP-ATTRIBUTE-UNKNOWN",
            Box::new(|m| {
                m.attributes.insert("quantity".into(), json!("5"));
            }),
        ),
        ("GP-TEST", Box::new(|m| m.signature = standing(Finding::Failed))),
        ("GP-TEST", Box::new(|m| m.signature = standing(Finding::Indeterminate))),
        ("GP-TEST", Box::new(|m| m.payload = Some(standing(Finding::Failed)))),
    ];
    for (code, bend) in cases {
        let mut bent = fine();
        bend(&mut bent);
        let decision = ask(&policy, aggregator(), &Question::Publish(Box::new(bent)));
        assert_eq!(decision.verdict, Verdict::Deny, "{code}");
        assert!(decision.reasons.iter().any(|r| r.code == code), "{code}: {decision:?}");
    }
    let question = Question::Publish(Box::new(fine()));
    assert_eq!(ask(&policy, aggregator(), &question).verdict, Verdict::Allow);
    for (code, bend) in [
        ("GP-ADMISSION-EXPIRED", (|a| a.expires = NOW) as fn(&mut Admission)),
        ("GP-ADMISSION-EXPIRED", |a| a.judged = NOW.plus_millis(1)),
        ("GP-ADMISSION-OTHER", |a| a.channel = cid("another")),
        ("GP-TEST", |a| a.standing = standing(Finding::Indeterminate)),
    ] {
        let mut bent = admission(&policy, aggregator());
        bend(&mut bent);
        let mut admitted = policy.admit(bent);
        let decision = policy.decide(&mut admitted, &question, NOW).expect("a decision");
        assert!(decision.reasons.iter().any(|r| r.code == code), "{code}: {decision:?}");
    }
}

fn cedar(text: &str) -> Requirement {
    serde_json::from_value(json!({
        "id": "own", "says": "as it is written", "cedar": text,
        "reads": {"flex.gb.aggregator": {"zone": "text", "capacityKw": "integer"}},
    }))
    .expect("a requirement")
}

#[test]
fn cedar_is_validated_strictly_and_an_error_in_it_denies() {
    let good = "forbid (principal, action, resource) unless { \
        principal.granted[\"flex.gb.aggregator\"] has \"1\" && context.message has quantity && \
        context.message.quantity * 9000000000000 > 0 };";
    let policy = compile(channel(vec![cedar(good)]));
    let held = || vec![visa(1, "flex.gb.aggregator", &json!({}), Finding::Passed)];
    assert_eq!(ask(&policy, held(), &publish(&json!({"quantity": 5}))).verdict, Verdict::Allow);
    // Beyond 64 bits: Cedar skips a forbid that errs, and a skipped forbid forbids nothing.
    let decision = ask(&policy, held(), &publish(&json!({"quantity": 9_000_000_000_i64})));
    assert_eq!(decision.verdict, Verdict::Deny);
    assert_eq!(decision.reasons[0].code, codes::POLICY_ERROR.id());
    let decision = ask(&policy, held(), &publish(&json!({})));
    assert_eq!(decision.reasons[0].requirement.as_deref(), Some("own"));

    for (text, why) in [
        ("permit (principal, action, resource);", "permits"),
        ("forbid (principal, action, resource) when { principal.name == 1 };", "name"),
        ("forbid (principal, action, resource) when { context.recipient == \"a\" };", "recipient"),
        ("forbid (principal, action, resource) when { context.time == \"now\" };", "types"),
        ("forbid (principal, action, resource) when { false };", ""),
        ("forbid (principal == Participant::\"x\", action, resource) when { 1 == 2 };", ""),
        ("forbid (principal, action, resource); permit (principal, action, resource);", ""),
        ("forbid (principal == ?principal, action, resource);", ""),
        ("forbid", ""),
    ] {
        let descriptor = channel(vec![cedar(text)]);
        let error = Policy::compile(descriptor).expect_err(text);
        assert_eq!(error.code(), codes::CEDAR_REFUSED, "{text}: {error}");
        assert!(error.to_string().contains(why), "{text}: {error}");
    }
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
    let mut others = facts;
    others.visas[0].claims.insert("zone".into(), json!("GB-2"));
    assert!(recorded.recompute(&policy, &others).is_err());
}

// Properties: Cedar and the direct evaluation never disagree.

fn comparison() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just("visa.zone".to_owned()),
        Just("authority.zone".to_owned()),
        Just("message.zone".to_owned()),
        Just("'GB-1'".to_owned()),
        Just("issuer".to_owned()),
        Just("sender".to_owned()),
        Just("recipient".to_owned()),
    ];
    let number = prop_oneof![
        Just("visa.capacityKw".to_owned()),
        Just("message.quantity".to_owned()),
        Just("5".to_owned()),
        Just("-3".to_owned()),
    ];
    let time = prop_oneof![
        Just("time".to_owned()),
        Just("issued".to_owned()),
        Just("expires - 1m".to_owned()),
        Just("message.start + 1h".to_owned()),
        Just("visa.until".to_owned()),
        Just("'2026-03-01T12:00:00Z'".to_owned()),
    ];
    let set = prop_oneof![
        Just("visa.zones".to_owned()),
        Just("message.purposes".to_owned()),
        Just("recipients".to_owned()),
        Just("['GB-1', 'x']".to_owned()),
    ];
    let equality = prop::sample::select(vec!["==", "!="]);
    let order = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    prop_oneof![
        (text.clone(), equality, text.clone()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        (number.clone(), order.clone(), number).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        (time.clone(), order, time).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        (text.clone(), set.clone()).prop_map(|(a, b)| format!("{a} in {b}")),
        (set.clone(), text).prop_map(|(a, b)| format!("{a} contains {b}")),
        (set.clone(), set).prop_map(|(a, b)| format!("{a} within {b}")),
        Just("message.urgent == true".to_owned()),
        Just("visa.small != message.urgent".to_owned()),
    ]
}

fn condition() -> impl Strategy<Value = Json> {
    let role = prop::sample::select(vec!["flex.gb.aggregator", "flex.gb.dso", "flex.gb.banned"]);
    let leaf = prop_oneof![
        4 => (role, prop::collection::vec(comparison(), 0..3))
            .prop_map(|(role, list)| json!({"role": role, "where": list})),
        2 => comparison().prop_map(|c| json!({"when": c})),
        1 => Just(json!({"did": ["did:example:alpha"]})),
        1 => Just(json!({"did": ["did:example:other"]})),
        1 => Just(json!({"between": {"from": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z"}})),
        1 => Just(json!({"between": {"until": "2026-03-01T12:00:00Z"}})),
        1 => Just(json!({"hours": {"from": "06:00", "until": "22:00", "days": ["sun"]}})),
        1 => Just(json!({"hours": {"from": "12:30", "until": "12:00", "offset": "+01:00"}})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            list.clone().prop_map(|all| json!({"all": all})),
            list.clone().prop_map(|any| json!({"any": any})),
            (list, 1..4_usize).prop_map(|(of, n)| json!({"atLeast": n.min(of.len()), "of": of})),
            inner.prop_map(|not| json!({"not": not})),
        ]
    })
}

fn claims() -> impl Strategy<Value = Json> {
    let zone = prop::option::of(prop::sample::select(vec![json!("GB-1"), json!("GB-2"), json!(5)]));
    let capacity = prop::option::of(-4..7_i64);
    let zones =
        prop::option::of(prop::collection::vec(prop::sample::select(vec!["GB-1", "x"]), 0..3));
    let until = prop::option::of(prop::sample::select(vec![
        "2026-03-01T12:00:00Z",
        "2027-01-01T00:00:00Z",
    ]));
    (zone, capacity, zones, until, any::<Option<bool>>()).prop_map(
        |(zone, capacity, zones, until, small)| {
            let all = [
                ("zone", zone),
                ("capacityKw", capacity.map(Json::from)),
                ("zones", zones.map(Json::from)),
                ("until", until.map(Json::from)),
                ("small", small.map(Json::from)),
            ];
            all.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v?))).collect::<Json>()
        },
    )
}

fn visas() -> impl Strategy<Value = Vec<VisaFacts>> {
    let role = prop::sample::select(vec!["flex.gb.aggregator", "flex.gb.dso", "flex.gb.banned"]);
    let outcome = prop::sample::select(vec![
        Finding::Passed,
        Finding::Passed,
        Finding::Indeterminate,
        Finding::Failed,
    ]);
    prop::collection::vec((role, claims(), outcome), 0..4).prop_map(|list| {
        list.into_iter()
            .enumerate()
            .map(|(n, (role, claims, outcome))| visa(n, role, &claims, outcome))
            .collect()
    })
}

fn messages() -> impl Strategy<Value = MessageFacts> {
    let zone = prop::option::of(prop::sample::select(vec!["GB-1", "GB-2", "did:example:alpha"]));
    let start = prop::option::of(prop::sample::select(vec![
        "2026-03-01T11:00:00Z",
        "2026-03-01T11:00:01Z",
    ]));
    let purposes =
        prop::option::of(prop::collection::vec(prop::sample::select(vec!["GB-1", "x"]), 0..3));
    (zone, prop::option::of(-4..7_i64), start, purposes, any::<Option<bool>>()).prop_map(
        |(zone, quantity, start, purposes, urgent)| {
            let all = [
                ("zone", zone.map(Json::from)),
                ("quantity", quantity.map(Json::from)),
                ("start", start.map(Json::from)),
                ("purposes", purposes.map(Json::from)),
                ("urgent", urgent.map(Json::from)),
            ];
            message(&all.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v?))).collect())
        },
    )
}

fn well_typed(needs: &Json) -> Option<(Checked, ChannelDescriptor)> {
    let condition: Condition = serde_json::from_value(needs.clone()).ok()?;
    let mut descriptor = channel(vec![Requirement::new("it", "it is so", condition)]);
    descriptor.mode = Mode::Multicast;
    let checked = descriptor.check().ok()?;
    match &checked.publish["bids"][0].asked {
        Asked::Condition(condition) => Some((condition.clone(), descriptor)),
        Asked::Cedar(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn cedar_and_the_direct_evaluation_never_disagree(
        needs in condition(), facts in prop::collection::vec((visas(), messages(), 0..3_usize), 4),
        allow in any::<bool>(),
    ) {
        let Some((condition, mut descriptor)) = well_typed(&needs) else {
            return Err(TestCaseError::reject("two constants, or one claim as two types"));
        };
        descriptor.indeterminate = if allow { Indeterminate::Allow } else { Indeterminate::Deny };
        let rule = descriptor.indeterminate;
        let policy = compile(descriptor);
        for (visas, mut message, recipients) in facts {
            message.recipients = ["dso", "alpha", "x"][..=recipients].iter().map(|r| did(r)).collect();
            let question = Question::Publish(Box::new(message));
            let facts = admission(&policy, visas);
            let mut admitted = policy.admit(facts.clone());
            let decision = policy.decide(&mut admitted, &question, NOW).expect("a decision");
            let sender = SenderView::new(&facts, &policy.checked().reads, rule.into());
            let view = RequestView::new(&question, &policy.checked().attributes, NOW);
            let world = World { sender: &sender, request: &view };
            let expected = direct::holds(&condition, world);
            prop_assert_eq!(decision.verdict == Verdict::Allow, expected, "{}\n{:?}", needs, decision);
            // Never both, but where the channel hopes both ways; and no denial without a cause.
            prop_assert!(allow || !(expected && direct::fails(&condition, world)));
            prop_assert_eq!(direct::causes(&condition, world, &facts).is_empty(), expected);
            // Made again from what was recorded: the same bytes.
            let (_, bytes) = decision.encode().expect("bytes");
            let recorded = RecordedDecision::parse(&bytes).expect("a record");
            prop_assert_eq!(recorded.recompute(&policy, &facts), Ok(decision));
        }
    }
}
