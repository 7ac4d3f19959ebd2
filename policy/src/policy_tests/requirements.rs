//! What the requirements of a channel ask: of keepers, messages, recipients and consents, and in Cedar by hand.

use super::*;

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

/// A bid that begins now, and came then.
fn came(arrived: Option<UnixMillis>) -> Question {
    let message = message(&json!({"start": NOW}));
    Question::Publish(Box::new(MessageFacts { arrived, ..message }))
}

#[test]
fn when_a_message_came_is_asked_of_the_facts_each_time() {
    let gate = json!({"when": "arrived < message.start + 90s"});
    let policy = compile(channel(vec![requirement("gate", gate)]));
    assert!(policy.reads_arrival("bids") && !policy.reads_arrival("orders"));
    let (just, late) = (NOW.plus_millis(89_999), NOW.plus_millis(90_000));
    let facts = admission(&policy, Vec::new());
    let mut admitted = policy.admit(facts.clone());
    // All is decided for the same time; what was allowed is not remembered for what comes later.
    for (arrived, cause) in [
        (Some(just), None),
        (Some(late), Some(codes::VALUE_DIFFERS)),
        (None, Some(codes::VALUE_MISSING)),
    ] {
        let decision = policy.decide(&mut admitted, &came(arrived), NOW).expect("a decision");
        let causes: Vec<_> =
            decision.reasons.iter().flat_map(|r| &r.causes).map(|c| c.code.as_str()).collect();
        assert_eq!(causes, cause.iter().map(|c| c.id()).collect::<Vec<_>>());
        assert_eq!(decision.verdict == Verdict::Allow, cause.is_none());
        let (_, bytes) = decision.encode().expect("bytes");
        let written = String::from_utf8_lossy(&bytes).contains("\"arrived\":");
        assert_eq!(written, arrived.is_some(), "what is not known is not written");
        let recorded = RecordedDecision::parse(&bytes).expect("a record");
        assert_eq!(recorded.recompute(&policy, &facts), Ok(decision));
    }
    // Where nobody noted it, it was not late for certain, either.
    let not_late = json!({"not": {"when": "arrived >= message.start + 90s"}});
    let policy = compile(channel(vec![requirement("gate", not_late)]));
    let verdict = |arrived| ask(&policy, Vec::new(), &came(arrived)).verdict;
    assert_eq!(verdict(Some(just)), Verdict::Allow);
    assert_eq!(verdict(Some(late)), Verdict::Deny);
    assert_eq!(verdict(None), Verdict::Deny);
    assert!(!zone_policy().reads_arrival("bids"));
}

#[test]
fn cedar_by_hand_is_told_when_a_message_came() {
    let gate = format!(
        "forbid (principal, action, resource) unless {{ \
         context has arrived && context.arrived < {} }};",
        NOW.plus_millis(90_000).get()
    );
    let policy = compile(channel(vec![cedar(&gate)]));
    assert!(policy.reads_arrival("bids"));
    let verdict = |arrived| ask(&policy, Vec::new(), &came(arrived)).verdict;
    assert_eq!(verdict(Some(NOW)), Verdict::Allow);
    assert_eq!(verdict(Some(NOW.plus_millis(90_000))), Verdict::Deny);
    assert_eq!(verdict(None), Verdict::Deny);
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
