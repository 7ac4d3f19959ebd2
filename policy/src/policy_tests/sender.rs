//! What is known of a sender decides before any requirement does: suspended, undecided, of another framework, or too much.

use super::*;

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
