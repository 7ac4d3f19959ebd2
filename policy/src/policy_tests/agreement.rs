//! Properties: Cedar and the direct evaluation never disagree.

use super::*;

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
        Just("arrived".to_owned()),
        Just("arrived - 90s".to_owned()),
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
    let arrived = prop::option::of(prop::sample::select(vec![NOW, NOW.plus_millis(90_000)]));
    (zone, prop::option::of(-4..7_i64), start, purposes, any::<Option<bool>>(), arrived).prop_map(
        |(zone, quantity, start, purposes, urgent, arrived)| {
            let all = [
                ("zone", zone.map(Json::from)),
                ("quantity", quantity.map(Json::from)),
                ("start", start.map(Json::from)),
                ("purposes", purposes.map(Json::from)),
                ("urgent", urgent.map(Json::from)),
            ];
            let all = all.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v?))).collect();
            MessageFacts { arrived, ..message(&all) }
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
