use super::*;
use crate::requirement::Requirement;
use crate::topic::{Attribute, Topic};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::RoleName;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use serde_json::json;

fn of(schema: Value, kind: ValueType) -> Option<Level> {
    let schema = schema.as_object().expect("an object");
    fault(schema, "visa", "zone", kind).map(|(level, _)| level)
}

/// The lints of a topic with a gate and these requirements.
fn told(requirements: &[Value]) -> Vec<(Code, String)> {
    let name = RoleName::parse("flex.gb.bids").expect("a name");
    let owner = Did::parse("did:web:dso.example").expect("a DID");
    let (nothing, dated) = (ContentId::of_nothing(), UnixMillis::new(0));
    let mut channel = ChannelDescriptor::first(name, "Bids", owner, nothing.clone(), dated);
    let mut topic = Topic::first("bids", "Bids", "application/json", nothing);
    let gate =
        Attribute { value_type: ValueType::Time, from: Some("/gate".into()), optional: false };
    topic.attributes.insert("gate".into(), gate);
    channel.topics = vec![topic];
    let read = |(number, needs): (usize, &Value)| {
        let condition = serde_json::from_value(needs.clone()).expect("a condition");
        Requirement::new(&format!("r{number}"), "it is so", condition)
    };
    channel.publish = requirements.iter().enumerate().map(read).collect();
    let reader = serde_json::from_value(json!({"role": "flex.gb.dso"})).expect("a condition");
    channel.subscribe = vec![Requirement::new("reader", "operators read", reader)];
    let checked = channel.check().unwrap_or_else(|e| panic!("{e}"));
    lint(&channel, &checked, None).into_iter().map(|l| (l.code, l.place)).collect()
}

#[test]
fn a_gate_that_does_not_ask_when_a_message_came_is_told() {
    let when = |comparison: &str| json!({ "when": comparison });
    let one = vec![(codes::LINT_ARRIVAL, "topic bids, requirement r0".to_owned())];
    for gate in ["time < message.gate", "message.gate > issued", "time + 1h <= message.gate"] {
        assert_eq!(told(&[when(gate)]), one, "{gate}");
    }
    assert_eq!(told(&[json!({"not": when("time >= message.gate")})]), one);
    let in_role = json!({"role": "flex.gb.dso", "where": ["issued < message.gate"]});
    assert_eq!(told(&[json!({"any": [in_role]})]), one);
    // One that opens, or compares something else, is no gate.
    for other in ["time > message.gate", "message.gate <= time", "expires < message.gate"] {
        assert!(told(&[when(other)]).is_empty(), "{other}");
    }
    assert!(told(&[json!({"not": when("time < message.gate")})]).is_empty());
    // And one that asks is none to be told of, in whichever requirement it asks.
    let arrived = when("arrived < message.gate + 90s");
    assert!(told(&[when("issued < message.gate"), arrived]).is_empty());
}

#[test]
fn what_a_schema_does_not_exclude_is_no_error() {
    let text = |schema| of(schema, ValueType::Text);
    let zone = json!({"zone": {"type": "string"}});
    let flat = json!({"properties": zone, "required": ["zone"], "additionalProperties": false});
    assert_eq!(text(flat.clone()), None);
    assert_eq!(of(flat, ValueType::Boolean), Some(Level::Error));
    assert_eq!(text(json!({"properties": zone})), Some(Level::Warning));
    let none = json!({"properties": {}, "additionalProperties": false});
    assert_eq!(text(none), Some(Level::Error));
    for elsewhere in [
        json!({"properties": {}}),
        json!({"allOf": [{"properties": zone}]}),
        json!({"$ref": "#/$defs/claims", "$defs": {"claims": {"properties": zone}}}),
        json!({"patternProperties": {"^z": true}, "additionalProperties": false}),
    ] {
        assert_eq!(text(elsewhere.clone()), Some(Level::Warning), "{elsewhere}");
    }
    let number = json!({"properties": {"zone": {"type": "number"}}, "required": ["zone"]});
    assert_eq!(of(number.clone(), ValueType::Integer), Some(Level::Warning));
    assert_eq!(text(number), Some(Level::Error));
}
