//! The evolution of schemas, told in three values; and properties of it and of every reader.

use super::*;

fn evolution(old: Json, new: Json) -> Outcome {
    compare(&json_schema(old), &json_schema(new)).outcome
}

#[test]
fn an_exclusive_bound_gives_way_to_one_that_lets_through_the_same_or_more() {
    let of = |kind: &str, (word, bound): (&str, i64)| json!({"type": kind, word: bound});
    for (kind, old, new, expected) in [
        ("integer", ("exclusiveMinimum", 0), ("minimum", 1), Outcome::Passed),
        ("integer", ("exclusiveMinimum", 0), ("minimum", 0), Outcome::Passed),
        ("integer", ("exclusiveMinimum", 0), ("minimum", 2), Outcome::Failed),
        ("integer", ("exclusiveMaximum", 9), ("maximum", 8), Outcome::Passed),
        ("integer", ("exclusiveMaximum", 9), ("maximum", 7), Outcome::Failed),
        ("number", ("exclusiveMinimum", 0), ("minimum", 0), Outcome::Passed),
        // Half of one fitted.
        ("number", ("exclusiveMinimum", 0), ("minimum", 1), Outcome::Failed),
        ("number", ("exclusiveMaximum", 9), ("maximum", 8), Outcome::Failed),
    ] {
        assert_eq!(evolution(of(kind, old), of(kind, new)), expected, "{kind} {old:?} {new:?}");
    }
}

#[test]
fn evolution_of_json_schemas_is_told_in_three_values() {
    let object = |properties: Json, required: Json| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let text = json!({"type": "string"});
    let old =
        object(json!({"zone": text, "kw": {"type": "integer", "minimum": 0}}), json!(["zone"]));
    for (new, expected) in [
        (old.clone(), Outcome::Passed),
        (
            object(json!({"zone": text, "kw": {"type": "number"}, "note": text}), json!(["zone"])),
            Outcome::Passed,
        ),
        (object(json!({"zone": text, "kw": {"type": "integer"}}), json!([])), Outcome::Passed),
        (object(json!({"zone": text}), json!(["zone"])), Outcome::Failed),
        (
            object(
                json!({"zone": text, "kw": {"type": "integer", "minimum": 0}}),
                json!(["zone", "kw"]),
            ),
            Outcome::Failed,
        ),
        (
            object(json!({"zone": text, "kw": {"type": "integer", "minimum": 1}}), json!(["zone"])),
            Outcome::Failed,
        ),
        (
            object(
                json!({"zone": {"type": "string", "pattern": "^GB"}, "kw": {"type": "integer"}}),
                json!(["zone"]),
            ),
            Outcome::Indeterminate,
        ),
        (
            object(json!({"zone": {"enum": ["GB-1"]}, "kw": {"type": "integer"}}), json!(["zone"])),
            Outcome::Failed,
        ),
    ] {
        assert_eq!(evolution(old.clone(), new.clone()), expected, "{new}");
    }
    // What another word counts on, what two words say together, what an inner name means.
    for (old, new) in [
        (json!({"const": "a"}), json!({"const": "a", "enum": ["b"]})),
        (
            json!({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}),
            json!({"items": {"type": "integer"}}),
        ),
        (
            json!({"patternProperties": {"^s": true}, "additionalProperties": false}),
            json!({"additionalProperties": false}),
        ),
        (
            json!({"contains": {"type": "string"}, "minContains": 0}),
            json!({"contains": {"type": "string"}}),
        ),
        (
            json!({"$defs": {"t": true}, "properties": {"a": {"$id": "urn:x", "$defs": {"t": {"maximum": 5}}, "properties": {"v": {"$ref": "#/$defs/t"}}}}}),
            json!({"$defs": {"t": true}, "properties": {"a": {"$id": "urn:x", "$defs": {"t": {"maximum": 0}}, "properties": {"v": {"$ref": "#/$defs/t"}}}}}),
        ),
    ] {
        assert_ne!(evolution(old.clone(), new.clone()), Outcome::Passed, "{old} {new}");
    }
    let referring = |inner: Json| json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": inner}});
    assert_eq!(
        evolution(referring(json!({"maximum": 5})), referring(json!({"maximum": 4}))),
        Outcome::Failed
    );
    assert_eq!(
        evolution(referring(json!({"maximum": 5})), referring(json!({"maximum": 6}))),
        Outcome::Passed
    );
    // A schema that refers to itself ends.
    let list = |most: u32| json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "maxProperties": most});
    assert_eq!(evolution(list(5), list(4)), Outcome::Failed);
    assert_eq!(evolution(list(4), list(5)), Outcome::Indeterminate);
    // What a reference leads to may have changed where the reference has not.
    let elsewhere = |kind: &str| json!({"properties": {"a": {"$ref": "#/x"}}, "x": {"type": kind}});
    assert_eq!(evolution(elsewhere("string"), elsewhere("null")), Outcome::Failed);
    // And so does one that unfolds into thousands of millions.
    let tree = |most: u32| {
        let branches: serde_json::Map<String, Json> =
            ["a", "b", "c", "d"].iter().map(|n| ((*n).to_owned(), json!({"$ref": "#"}))).collect();
        json!({"type": "object", "properties": branches, "maxProperties": most})
    };
    assert_eq!(evolution(tree(4), tree(5)), Outcome::Indeterminate);
}

#[test]
fn evolution_of_xsds_csv_and_models() {
    let old = xsd(MAIN, COMMON).expect("compiles");
    let change = |from: &str, to: &str| xsd(&MAIN.replace(from, to), COMMON).expect("compiles");
    let power = "<xs:element name=\"Power\" type=\"xs:integer\" minOccurs=\"0\" maxOccurs=\"2\"/>";
    let note = "<xs:element name=\"Note\" type=\"xs:string\" minOccurs=\"0\"/>";
    for (new, expected) in [
        (xsd(MAIN, COMMON).expect("compiles"), Outcome::Passed),
        (change("maxOccurs=\"2\"", "maxOccurs=\"9\""), Outcome::Passed),
        (change("use=\"required\"", ""), Outcome::Passed),
        (change(power, &format!("{power}{note}")), Outcome::Passed),
        (change(power, &format!("{note}{power}")), Outcome::Passed),
        (change(power, &format!("{power}{}", note.replace("0", "1"))), Outcome::Failed),
        (change(power, ""), Outcome::Failed),
        (change("maxOccurs=\"2\"", "maxOccurs=\"1\""), Outcome::Failed),
        (change("minOccurs=\"0\" ", ""), Outcome::Failed),
        (change("xs:integer", "xs:string"), Outcome::Indeterminate),
        (change("maxOccurs=\"2\"", "maxOccurs=\"2\" default=\"1\""), Outcome::Indeterminate),
        (change("name=\"Order\"", "name=\"Bid\""), Outcome::Failed),
        (xsd(MAIN, &COMMON.replace("GB-2", "GB-9")).expect("compiles"), Outcome::Failed),
        (
            xsd(
                MAIN,
                &COMMON.replace(
                    "<xs:enumeration value=\"GB-2\"/>",
                    "<xs:enumeration value=\"GB-2\"/><xs:enumeration value=\"GB-3\"/>",
                ),
            )
            .expect("compiles"),
            Outcome::Passed,
        ),
    ] {
        let found = compare(&old, &new);
        assert_eq!(found.outcome, expected, "{new:?}: {found:?}");
    }
    let table = |columns: Json| {
        schema(
            json!({"type": "gridpass-csv", "formatVersion": 1, "maxRows": 5, "columns": columns}),
        )
    };
    let plain = table(json!([{"name": "a", "datatype": "integer"}]));
    for (new, expected) in [
        (table(json!([{"name": "a", "datatype": "decimal"}])), Outcome::Passed),
        (table(json!([{"name": "a", "datatype": "integer", "required": true}])), Outcome::Failed),
        (table(json!([{"name": "a", "datatype": "integer", "maximum": "5"}])), Outcome::Failed),
        (
            table(
                json!([{"name": "a", "datatype": "integer"}, {"name": "b", "datatype": "string"}]),
            ),
            Outcome::Failed,
        ),
        (json_schema(json!({})), Outcome::Failed),
    ] {
        assert_eq!(compare(&plain, &new).outcome, expected, "{new:?}");
    }
}

fn small_schema() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(false)),
        prop::sample::select(vec!["string", "integer", "number", "boolean", "null"])
            .prop_map(|t| json!({"type": t})),
        (0..4_i64, 0..4_i64)
            .prop_map(|(a, b)| json!({"type": "integer", "minimum": a, "maximum": a + b})),
        (0..3_u32).prop_map(|n| json!({"minLength": n, "maxLength": n + 1})),
        prop::collection::btree_set(0..4_i64, 1..3).prop_map(|v| json!({"enum": v})),
        Just(json!({"const": 2})),
        Just(json!({"not": {"type": "string"}})),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            (
                prop::collection::btree_map("[ab]", inner.clone(), 0..3),
                prop::collection::btree_set("[ab]", 0..2),
                prop::option::of(inner.clone()),
            )
                .prop_map(|(properties, required, others)| {
                    let mut schema =
                        json!({"type": "object", "properties": properties, "required": required});
                    if let Some(others) = others {
                        schema["additionalProperties"] = others;
                    }
                    schema
                }),
            (inner.clone(), prop::option::of(0..3_u32)).prop_map(|(items, most)| match most {
                Some(most) => json!({"items": items, "maxItems": most}),
                None => json!({"type": "array", "items": items}),
            }),
            inner.prop_map(|s| json!({"allOf": [s]})),
        ]
    })
}

fn small_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-1..5_i64).prop_map(Json::from),
        Just(json!(1.5)),
        "[a-c]{0,3}".prop_map(Json::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|m| json!(m)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// What is called compatible is: nothing that fitted before is refused after.
    #[test]
    fn compatible_schemas_lose_no_document(
        old in small_schema(), new in small_schema(), values in prop::collection::vec(small_value(), 24),
    ) {
        let wrap = |s: &Json| json_schema(json!({"properties": {"x": s}}));
        let (old, new) = (wrap(&old), wrap(&new));
        if compare(&old, &new).outcome == Outcome::Passed {
            for value in values {
                let payload = json!({"x": value}).to_string();
                if old.validate(payload.as_bytes()).is_empty() {
                    prop_assert_eq!(new.validate(payload.as_bytes()), [], "{}", payload);
                }
            }
        }
        prop_assert_eq!(compare(&old, &old).outcome, Outcome::Passed);
    }

    #[test]
    fn no_reader_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[<>/&;a-z\"'=! ?\\[\\]-]{0,80}") {
        let all = [
            json_schema(json!({})), xsd(MAIN, COMMON).expect("compiles"), readings(),
            schema(json!({"type": "gridpass-cim", "formatVersion": 1, "profiles": ["x"], "maxBytes": 99})),
        ];
        for one in &all {
            for payload in [bytes.as_slice(), text.as_bytes()] {
                let _ = one.validate(payload);
                let _ = one.read(payload, "/a/@b", ValueType::Text);
            }
        }
    }
}
