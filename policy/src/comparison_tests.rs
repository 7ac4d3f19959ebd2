use super::*;
use proptest::prelude::*;

fn attributes() -> AttributeTypes {
    [
        ("zone", ValueType::Text),
        ("quantity", ValueType::Integer),
        ("start", ValueType::Time),
        ("purposes", ValueType::Texts),
        ("urgent", ValueType::Boolean),
    ]
    .into_iter()
    .map(|(name, kind)| (name.to_owned(), kind))
    .collect()
}

fn read(text: &str) -> Comparison {
    Comparison::parse(text, &attributes(), true).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_claim_has_the_type_of_what_it_is_compared_with() {
    for (text, expected) in [
        ("visa.zone == message.zone", ValueType::Text),
        ("message.quantity <= visa.capacityKw", ValueType::Integer),
        ("visa.until > time", ValueType::Time),
        ("time + 1h <= visa.gate", ValueType::Time),
        ("arrived < visa.gate + 90s", ValueType::Time),
        ("visa.gate - 1h > '2026-03-01T00:00:00Z'", ValueType::Time),
        ("visa.a == authority.a", ValueType::Text),
        ("visa.a < authority.a", ValueType::Integer),
        ("visa.small == true", ValueType::Boolean),
        ("'settlement' in visa.purposes", ValueType::Text),
        ("recipients within visa.parties", ValueType::Texts),
        ("message.urgent != visa.calm", ValueType::Boolean),
        ("visa.n == -5", ValueType::Integer),
    ] {
        assert_eq!(read(text).left.value_type, expected, "{text}");
    }
    assert_eq!(read("'settlement' in visa.purposes").right.value_type, ValueType::Texts);
    assert_eq!(read("message.start - 15m > issued").left.offset, -900_000);
}

#[test]
fn refuses_what_is_not_one_comparison_of_fitting_types() {
    for text in [
        "",
        "visa.zone",
        "visa.zone ==",
        "== visa.zone",
        "visa.zone = message.zone",
        "visa.zone == message.zone && true == true",
        "'a' == 'a'",
        "message.unknown == 'a'",
        "visa.zone == zone",
        "visa. == 'a'",
        "visa.a.b == 'a'",
        "message.zone == 5",
        "message.zone < 'b'",
        "message.zone in 'b'",
        "message.quantity + 1h > 5",
        "message.start > 'yesterday'",
        "arrived > 5",
        "message.arrived < time",
        "message.start + 99999d > time",
        "time + 1y > issued",
        "visa.n == 9007199254740993",
        "visa.n == 1.5",
        "visa.n == 'open",
        "visa.n in []",
        "visa.n in ['a' 'b']",
        "visa.n == 'back\\slash'",
        "visa.n == $x",
        "1h == visa.n",
    ] {
        assert!(Comparison::parse(text, &attributes(), true).is_err(), "{text}");
    }
    for text in ["visa.zone == message.zone", "issuer == sender", "authority.a == 'b'"] {
        assert!(Comparison::parse(text, &attributes(), false).is_err(), "{text}");
    }
}

#[test]
fn what_is_refused_is_told_beside_the_text() {
    let refused = |text: &str| {
        Comparison::parse(text, &attributes(), false).expect_err("it is no comparison")
    };
    let error = refused("message.zone == 5");
    let reason = "== does not compare text with integer".to_owned();
    let comparison = "message.zone == 5".to_owned();
    assert_eq!(error, ComparisonError { comparison, reason });
    assert_eq!(error.code(), codes::REQUIREMENT_MALFORMED);
    let text = r#""message.zone == 5": == does not compare text with integer"#;
    assert_eq!(error.to_string(), text);
    // As long as somebody likes to make it.
    let long = refused(&"x".repeat(MAX_LENGTH + 1));
    assert_eq!((long.comparison.len(), long.reason.as_str()), (120, "longer than 2048 bytes"));
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC{0,80}") {
        let _ = Comparison::parse(&text, &attributes(), true);
    }

    #[test]
    fn never_panics_on_pieces(
        parts in prop::collection::vec(prop::sample::select(vec![
            "visa.zone", "message.zone", "==", "<", "in", "'a'", "['a']", "[", "-", "+", "1h", "5",
            "time", " ", "within", "true", "''", "é",
        ]), 0..9),
    ) {
        let _ = Comparison::parse(&parts.join(" "), &attributes(), true);
        let _ = Comparison::parse(&parts.concat(), &attributes(), true);
    }
}
