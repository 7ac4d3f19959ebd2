//! The headers of grid models.

use super::*;

#[test]
fn the_header_of_a_grid_model_is_checked() {
    let schema = schema(json!({
        "type": "gridpass-cim", "formatVersion": 1, "profiles": ["urn:p:EQ"], "minVersion": 2,
        "maxBytes": 1000,
    }));
    let header = "<md:Model.created>2026-03-01T00:00:00Z</md:Model.created>\
                  <md:Model.profile>urn:p:EQ</md:Model.profile><md:Model.version>2</md:Model.version>";
    assert_eq!(schema.validate(model(header).as_bytes()), []);
    for bad in [
        model(&header.replace("urn:p:EQ", "urn:p:SSH")),
        model(&header.replace("<md:Model.profile>urn:p:EQ</md:Model.profile>", "")),
        model(&header.replace(">2<", ">1<")),
        model(&header.replace(">2<", ">two<")),
        model(&header.replace("2026-03-01T00:00:00Z", "yesterday")),
        model(header).replace("urn:uuid:", "urn:"),
        model(header).replace("c47d4310-b8ee-480d-9cf3-e53a81630981", &"-".repeat(36)),
        model(&format!("{header}<md:Model.version>9</md:Model.version>")),
        model(&header.replace(">urn:p:EQ<", ">evil<md:x/>urn:p:EQ<")),
        model(&header.replace("md:Model.profile", "rdf:Model.profile")),
        model(header).replace("FullModel", "DifferenceModel"),
        model(header).replace("ModelDescription/1#", "ModelDescription/9#"),
    ] {
        let found = schema.validate(bad.as_bytes());
        assert_eq!(codes_of(&found), ["GP-CIM-HEADER"], "{bad}: {found:?}");
        assert!(found[0].place.starts_with("line 1, column "), "{found:?}");
    }
    let PayloadSchema::Cim(cim) = &schema else { panic!("a CIM schema") };
    let long = model(&format!("{header}{}", " ".repeat(1000)));
    assert_eq!(codes_of(&cim.validate_reader(long.as_bytes())), ["GP-PAYLOAD-LIMIT"]);
    let behind = format!("{}{}", model(header), " ".repeat(1000));
    assert_eq!(codes_of(&cim.validate_reader(behind.as_bytes())), ["GP-PAYLOAD-LIMIT"]);
    assert_eq!(cim.validate_reader(model(header).as_bytes()), []);
    // However long the model may be: no piece of it is kept that is longer than 4 MiB.
    let schema = self::schema(json!({
        "type": "gridpass-cim", "formatVersion": 1, "profiles": ["urn:p:EQ"],
        "maxBytes": 1_000_000_000,
    }));
    let PayloadSchema::Cim(cim) = &schema else { panic!("a CIM schema") };
    for (count, codes) in [(3, vec![]), (5, vec!["GP-PAYLOAD-MALFORMED"])] {
        let text = "x".repeat(count * 1024 * 1024);
        let long = model(header).replace("</rdf:RDF>", &format!("<a>{text}</a></rdf:RDF>"));
        assert_eq!(codes_of(&cim.validate_reader(long.as_bytes())), codes);
    }
}

#[test]
fn a_header_that_says_another_thing_than_its_payload_is_found_out() {
    let schema = json_schema(json!({"type": "object"}));
    let topic: Topic = serde_json::from_value(json!({
        "name": "bids", "title": "Bids",
        "versions": [{"version": 1, "mediaType": "application/json", "schema": ContentId::of_nothing()}],
        "attributes": {
            "zone": {"type": "text", "from": "/zone"}, "kw": {"type": "integer", "from": "/kw"},
            "free": {"type": "text", "optional": true},
        },
    }))
    .expect("a topic");
    let said = |zone: &str| json!({"zone": zone, "kw": 5, "free": "x"});
    let check = |said: &Json, payload: &str| {
        schema.check_attributes(&topic, said.as_object().expect("an object"), payload.as_bytes())
    };
    assert_eq!(check(&said("GB-1"), r#"{"zone": "GB-1", "kw": 5}"#), []);
    let found = check(&said("GB-1"), r#"{"zone": "GB-2", "kw": 5}"#);
    assert_eq!(codes_of(&found), ["GP-ATTRIBUTE-DIFFERS"]);
    assert_eq!(check(&said("GB-1"), r#"{"kw": "5"}"#).len(), 2);
}
