use super::*;
use proptest::prelude::*;
use serde_json::json;

const REGULATOR: &str = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";

fn aggregator() -> Value {
    json!({
        "type": TYPE,
        "formatVersion": 1,
        "name": "flex.gb.aggregator",
        "version": "1.0.0",
        "title": "Aggregator of flexibility in Great Britain",
        "description": "May offer flexibility of others on local markets.",
        "issuers": {"dids": [REGULATOR]},
        "maxChainDepth": 3,
        "claims": {
            "type": "object",
            "properties": {"zone": {"type": "string"}, "capacityKw": {"type": "integer"}},
            "required": ["zone"],
            "additionalProperties": false
        },
        "maxValiditySeconds": 31_536_000,
        "maxStatusAgeSeconds": 86_400,
        "issuerRevocation": "keeps"
    })
}

fn parse(value: &Value) -> Result<(RoleDefinition, ContentId), RoleError> {
    RoleDefinition::parse(&json::canonicalize(value).expect("JSON"), None)
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut value = aggregator();
    change(&mut value);
    value
}

#[test]
fn reads_a_definition_and_writes_the_same_bytes() -> Result<(), RoleError> {
    let (definition, id) = parse(&aggregator())?;
    assert_eq!(definition.name.as_str(), "flex.gb.aggregator");
    let (again, bytes) = definition.encode()?;
    assert_eq!(again, id);
    assert_eq!(bytes, json::canonicalize(&aggregator()).expect("JSON"));
    Ok(())
}

#[test]
fn refuses_bytes_that_do_not_hash_to_the_cid() -> Result<(), RoleError> {
    let (_, id) = parse(&aggregator())?;
    let other = json::canonicalize(&changed(|v| v["version"] = json!("1.0.1"))).expect("JSON");
    let error = RoleDefinition::parse(&other, Some(&id)).expect_err("another document");
    assert_eq!(error.code(), codes::CID_OTHER);
    Ok(())
}

#[test]
fn refuses_a_form_that_is_not_canonical() {
    let pretty = serde_json::to_vec_pretty(&aggregator()).expect("JSON");
    let error = RoleDefinition::parse(&pretty, None).expect_err("pretty");
    assert_eq!(error.code(), codes::DOCUMENT_NOT_CANONICAL);
}

#[test]
fn refuses_what_is_missing_unknown_or_out_of_bounds() {
    for name in aggregator().as_object().expect("an object").keys() {
        let without = changed(|v| {
            v.as_object_mut().expect("an object").remove(name);
        });
        assert_eq!(parse(&without).expect_err(name).code(), codes::ROLE_MALFORMED, "{name}");
    }
    for (name, value) in [
        ("surprise", json!(1)),
        ("type", json!("gridpass-charter")),
        ("formatVersion", json!(2)),
        ("name", json!("aggregator")),
        ("name", json!("Flex.gb.aggregator")),
        ("name", json!("flex..aggregator")),
        ("name", json!("flex.gb.-x")),
        ("version", json!("1.0")),
        ("version", json!("01.0.0")),
        ("title", json!(" ")),
        ("title", json!("\u{1b}[2J")),
        ("previous", json!("bafy")),
        ("issuers", json!({})),
        ("issuers", json!({"dids": ["not a did"]})),
        ("issuers", json!({"dids": [REGULATOR], "any": true})),
        ("maxChainDepth", json!(0)),
        ("maxChainDepth", json!(9)),
        ("preconditions", json!({"any": []})),
        ("revokers", json!({})),
        ("claims", json!({"type": "string"})),
        ("maxValiditySeconds", json!(0)),
        ("maxValiditySeconds", json!(1.5)),
        ("maxStatusAgeSeconds", json!(31_536_001)),
        ("issuerRevocation", json!("maybe")),
    ] {
        let error = parse(&changed(|v| v[name] = value.clone())).expect_err(name);
        assert_eq!(error.code(), codes::ROLE_MALFORMED, "{name} = {value}");
    }
}

proptest! {
    #[test]
    fn any_one_byte_changed_is_another_document(at in 0..500_usize, bit in 0..8_u8) {
        let bytes = json::canonicalize(&aggregator()).expect("JSON");
        let (_, id) = RoleDefinition::parse(&bytes, None).expect("good");
        let mut altered = bytes.clone();
        let at = at % altered.len();
        altered[at] ^= 1 << bit;
        let error = RoleDefinition::parse(&altered, Some(&id)).expect_err("altered");
        prop_assert_eq!(error.code(), codes::CID_OTHER);
    }

    #[test]
    fn the_reader_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = RoleDefinition::parse(&bytes, None);
    }
}
