use super::evolution::compare;
use super::*;
use gridpass_identity::report::Outcome;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn compiled(document: &Json, files: &[&[u8]]) -> Result<PayloadSchema, SchemaError> {
    let (id, bytes) = ContentId::of_json(document).expect("canonical");
    let mut store: BTreeMap<ContentId, Vec<u8>> = BTreeMap::new();
    store.insert(id.clone(), bytes);
    for file in files {
        store.insert(ContentId::of_bytes(file).expect("a name"), file.to_vec());
    }
    PayloadSchema::compile(&id, &|id| store.get(id).cloned())
}

fn schema(document: Json) -> PayloadSchema {
    compiled(&document, &[]).unwrap_or_else(|e| panic!("{document}: {e}"))
}

fn json_schema(rest: Json) -> PayloadSchema {
    let mut document = json!({"$schema": "https://json-schema.org/draft/2020-12/schema"});
    document
        .as_object_mut()
        .expect("an object")
        .extend(rest.as_object().expect("an object").clone());
    schema(document)
}

const MAIN: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:c="urn:common"
    targetNamespace="urn:orders" xmlns="urn:orders" elementFormDefault="qualified">
  <xs:import namespace="urn:common" schemaLocation="common.xsd"/>
  <xs:element name="Order"><xs:complexType><xs:sequence>
    <xs:element name="Zone" type="c:Zone"/>
    <xs:element name="Power" type="xs:integer" minOccurs="0" maxOccurs="2"/>
  </xs:sequence><xs:attribute name="id" type="xs:NCName" use="required"/></xs:complexType></xs:element>
</xs:schema>"#;
const COMMON: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:common">
  <xs:simpleType name="Zone"><xs:restriction base="xs:string">
    <xs:enumeration value="GB-1"/><xs:enumeration value="GB-2"/></xs:restriction></xs:simpleType>
</xs:schema>"#;

fn files(main: &str, common: &str) -> BTreeMap<String, Vec<u8>> {
    [("main.xsd", main), ("common.xsd", common)]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn xsd(main: &str, common: &str) -> Result<PayloadSchema, SchemaError> {
    let (_, bytes) = xsd_manifest("main.xsd", &[], &files(main, common)).expect("a manifest");
    let document: Json = serde_json::from_slice(&bytes).expect("JSON");
    compiled(&document, &[main.as_bytes(), common.as_bytes()])
}

fn order(inner: &str) -> String {
    format!("<Order xmlns=\"urn:orders\" id=\"o1\">{inner}</Order>")
}

fn codes_of(found: &[Violation]) -> Vec<&str> {
    found.iter().map(|v| v.code.id()).collect()
}

#[test]
fn a_schema_is_its_name_its_bytes_and_nothing_else() {
    let document = json!({"$schema": "https://json-schema.org/draft/2020-12/schema"});
    let (id, bytes) = ContentId::of_json(&document).expect("canonical");
    assert_eq!(
        PayloadSchema::compile(&id, &|_| None).expect_err("absent").code().id(),
        "GP-SCHEMA-MISSING"
    );
    let spaced = serde_json::to_vec_pretty(&document).expect("JSON");
    assert_eq!(
        PayloadSchema::compile(&id, &|_| Some(spaced.clone())).expect_err("other").code().id(),
        "GP-CID-OTHER"
    );
    let schema = PayloadSchema::compile(&id, &|_| Some(bytes.clone())).expect("compiles");
    assert!(schema.check_media_type("application/cim+json").is_ok());
    assert!(schema.check_media_type("text/csv").is_err());
    for document in [
        json!({"type": "object"}),
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "https://x.example/y"}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
        json!({"type": "gridpass-csv", "formatVersion": 1, "columns": [], "maxRows": 5}),
        json!({"type": "gridpass-cim", "formatVersion": 2, "profiles": ["x"], "maxBytes": 5}),
        json!({"type": "gridpass-xsd", "formatVersion": 1, "main": "a.xsd", "files": {}}),
    ] {
        assert!(compiled(&document, &[]).is_err(), "{document}");
    }
}

#[test]
fn xml_is_validated_with_what_it_imports_and_the_place_is_named() {
    let schema = xsd(MAIN, COMMON).expect("compiles");
    let good = order("<Zone>GB-1</Zone><Power>-5</Power>");
    assert_eq!(schema.validate(good.as_bytes()), []);
    assert_eq!(schema.validate(format!("\u{feff}{good}").as_bytes()), []);
    for (bad, place) in [
        (order("<Zone>GB-3</Zone>"), "Zone"),
        (order("<Zone>GB-1</Zone><Power>five</Power>"), "Power"),
        (order("<Power>5</Power>"), "Order"),
        (good.replace("id=", "no="), "Order"),
        (good.replace("urn:orders", "urn:other"), "Order"),
        ("<Other/>".to_owned(), "Other"),
    ] {
        let found = schema.validate(bad.as_bytes());
        assert!(found.iter().any(|v| v.code == codes::PAYLOAD_SCHEMA), "{bad}: {found:?}");
        assert!(found[0].place.contains(place), "{bad}: {found:?}");
    }
    let path = "/Order/Zone";
    assert_eq!(
        schema.read(good.as_bytes(), path, ValueType::Text),
        Some(Value::Text("GB-1".into()))
    );
    assert_eq!(
        schema.read(good.as_bytes(), "/Order/@id", ValueType::Text),
        Some(Value::Text("o1".into()))
    );
    let twice = order("<Zone>GB-1</Zone><Power>1</Power><Power>2</Power>");
    assert_eq!(schema.read(twice.as_bytes(), "/Order/Power", ValueType::Integer), None);
}

#[test]
fn xml_that_reaches_out_is_refused_wherever_it_stands() {
    let schema = xsd(MAIN, COMMON).expect("compiles");
    let good = order("<Zone>GB-1</Zone>");
    for (bad, code) in [
        (format!("<!DOCTYPE Order [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{good}"), "GP-XML-FORBIDDEN"),
        (format!("<!DOCTYPE Order>{good}"), "GP-XML-FORBIDDEN"),
        (order("<Zone>&x;</Zone>"), "GP-XML-FORBIDDEN"),
        (good.replace("o1", "&x;"), "GP-XML-FORBIDDEN"),
        (format!("<?xml-stylesheet href=\"x\"?>{good}"), "GP-XML-FORBIDDEN"),
        (format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{good}"), "GP-XML-FORBIDDEN"),
        (
            good.replace("id=", "xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:schemaLocation=\"urn:orders http://x.example/x.xsd\" id="),
            "GP-XML-FORBIDDEN",
        ),
        (good.replace("</Order>", ""), "GP-PAYLOAD-MALFORMED"),
        (format!("{good}{good}"), "GP-PAYLOAD-MALFORMED"),
        (format!("{good}text"), "GP-PAYLOAD-MALFORMED"),
        (format!("{}{}", "<a>".repeat(70), "</a>".repeat(70)), "GP-PAYLOAD-LIMIT"),
        (String::new(), "GP-PAYLOAD-MALFORMED"),
    ] {
        let found = schema.validate(bad.as_bytes());
        assert_eq!(codes_of(&found), [code], "{bad}: {found:?}");
    }
    assert_eq!(
        schema.validate(format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{good}\n").as_bytes()),
        []
    );
    assert_eq!(schema.validate(order("<Zone>&#71;B-1</Zone>").as_bytes()), []);
}

#[test]
fn what_no_xml_processor_takes_is_not_taken_here() {
    let cim = schema(json!({
        "type": "gridpass-cim", "formatVersion": 1, "profiles": ["urn:p:EQ"], "maxBytes": 10_000,
    }));
    let good = model(
        "<md:Model.created>2026-03-01T00:00:00Z</md:Model.created>\
         <md:Model.profile>urn:p:EQ</md:Model.profile><md:Model.version>2</md:Model.version>",
    );
    for fine in [
        good.clone(),
        format!("\u{feff}{good}\n"),
        format!("<?xml version=\"1.0\"?><!-- a note -->{good}<!-- end -->"),
        good.replace("urn:p:EQ", "urn:p:&#69;Q"),
    ] {
        assert_eq!(cim.validate(fine.as_bytes()), [], "{fine}");
    }
    for bad in [
        format!("{good}<![CDATA[ ]]>"),
        format!("{good}&#32;"),
        format!("\u{feff}\u{feff}{good}"),
        format!("{good}\u{feff}"),
        format!(" <?xml version=\"1.0\"?>{good}"),
        format!("<?xml version=\"1.0\"?><?xml version=\"1.0\"?>{good}"),
        format!("<!-- a -- b -->{good}"),
        good.replace("urn:p:EQ", "urn:p:EQ]]>"),
        good.replace("urn:p:EQ", "urn:p:EQ\u{1}"),
        good.replace("urn:p:EQ", "urn:p:EQ&#1;"),
        good.replace("<md:FullModel ", "<md:FullModel x=\"a<b\" "),
        good.replace("<md:FullModel ", "<md:FullModel 1x=\"a\" "),
        good.replace("<md:FullModel ", "<md:FullModel x=\"a\" x=\"b\" "),
        good.replace("</rdf:RDF>", "<1a/></rdf:RDF>"),
        good.replace("</rdf:RDF>", "<a:b:c xmlns:a=\"urn:a\"/></rdf:RDF>"),
        good.replace(
            "</rdf:RDF>",
            "<a xmlns:p=\"u\" xmlns:q=\"u\" p:x=\"1\" q:x=\"2\"/></rdf:RDF>",
        ),
    ] {
        let found = cim.validate(bad.as_bytes());
        assert_eq!(codes_of(&found), ["GP-PAYLOAD-MALFORMED"], "{bad}: {found:?}");
    }
}

#[test]
fn a_content_model_that_unfolds_is_refused_before_it_does() {
    let nested = |depth: usize, times: usize| {
        let open = format!("<xs:sequence maxOccurs=\"{times}\">").repeat(depth);
        let close = "</xs:sequence>".repeat(depth);
        let leaf = "<xs:element name=\"a\" type=\"xs:string\"/>";
        MAIN.replace(
            "<xs:sequence>\n    <xs:element name=\"Zone\"",
            &format!("<xs:sequence>{open}{leaf}{close}<xs:element name=\"Zone\""),
        )
    };
    assert!(xsd(&nested(2, 16), COMMON).is_ok());
    // Through groups that refer to each other, the same.
    let groups: String = (0..6)
        .map(|n| {
            let inner = format!("<xs:group ref=\"g{}\" maxOccurs=\"8\"/>", n + 1);
            format!("<xs:group name=\"g{n}\"><xs:sequence>{inner}</xs:sequence></xs:group>")
        })
        .collect();
    let last = "<xs:group name=\"g6\"><xs:sequence><xs:element name=\"a\" type=\"xs:string\"/>\
                </xs:sequence></xs:group>";
    let by_groups = MAIN.replace("</xs:schema>", &format!("{groups}{last}</xs:schema>"));
    for large in [nested(5, 16), nested(4, 1000), by_groups] {
        let error = xsd(&large, COMMON).expect_err("too large");
        assert!(error.to_string().contains("10000 particles"), "{error}");
    }
}

#[test]
fn a_file_of_an_xsd_is_told_from_other_xml_and_from_one_that_was_cut_off() {
    let file = "<?xml version=\"1.0\"?>\n<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\">\
        <xs:include schemaLocation=\"common.xsd\"/></xs:schema>\n";
    assert!(is_xsd_file(file.as_bytes()));
    let cut = file.len() - "schema>\n".len();
    for other in ["", "<xs:schema/>", "<schema xmlns=\"urn:x\"/>", "words", &file[..cut]] {
        assert!(!is_xsd_file(other.as_bytes()), "{other}");
    }
}

#[test]
fn an_xsd_is_pinned_with_all_that_it_imports() {
    let doctype = format!("<!DOCTYPE xs:schema>{COMMON}");
    for (main, common) in [
        (MAIN.replace("common.xsd", "other.xsd"), COMMON.to_owned()),
        (MAIN.replace("common.xsd", "http://x.example/common.xsd"), COMMON.to_owned()),
        (MAIN.replace("common.xsd", "file:///etc/passwd"), COMMON.to_owned()),
        (MAIN.to_owned(), doctype),
        (MAIN.to_owned(), "<not-a-schema/>".to_owned()),
        (
            MAIN.replace("<xs:import namespace=\"urn:common\" schemaLocation=\"common.xsd\"/>", ""),
            COMMON.to_owned(),
        ),
    ] {
        let error = xsd(&main, &common).expect_err(&main);
        assert_eq!(error.code().id(), "GP-SCHEMA-MALFORMED", "{error}");
    }
    let (_, bytes) = xsd_manifest("main.xsd", &[], &files(MAIN, COMMON)).expect("a manifest");
    let document: Json = serde_json::from_slice(&bytes).expect("JSON");
    let error = compiled(&document, &[MAIN.as_bytes()]).expect_err("a file is missing");
    assert_eq!(error.code().id(), "GP-SCHEMA-MISSING");
}

fn readings() -> PayloadSchema {
    schema(json!({
        "type": "gridpass-csv", "formatVersion": 1, "maxRows": 3, "primaryKey": ["mrid", "start"],
        "columns": [
            {"name": "mrid", "datatype": "string", "required": true, "maxLength": 8},
            {"name": "start", "datatype": "dateTime", "required": true},
            {"name": "kwh", "datatype": "decimal", "minimum": "0", "maximum": "99.5"},
            {"name": "quality", "datatype": "string", "enum": ["A", "B"]},
        ],
    }))
}

#[test]
fn csv_is_checked_cell_by_cell_and_numbers_are_exact() {
    let schema = readings();
    let table = |rows: &str| format!("mrid,start,kwh,quality\n{rows}");
    let row = "m1,2026-03-01T00:00:00Z,99.500,A\n";
    assert_eq!(schema.validate(table(row).as_bytes()), []);
    assert_eq!(schema.validate(table("m1,2026-03-01T00:00:00Z,,\n").as_bytes()), []);
    for (bad, place) in [
        (table("m1,2026-03-01T00:00:00Z,99.5000000000000000001,A\n"), "row 1, column \"kwh\""),
        (table("m1,2026-03-01T00:00:00Z,-0.1,A\n"), "row 1, column \"kwh\""),
        (table("m1,2026-03-01T00:00:00Z,1e3,A\n"), "row 1, column \"kwh\""),
        (table("m1,2026-03-01 00:00,1,A\n"), "row 1, column \"start\""),
        (table(",2026-03-01T00:00:00Z,1,A\n"), "row 1, column \"mrid\""),
        (table("m123456789,2026-03-01T00:00:00Z,1,A\n"), "row 1, column \"mrid\""),
        (table("m1,2026-03-01T00:00:00Z,1,C\n"), "row 1, column \"quality\""),
        (table("m1,2026-03-01T00:00:00Z,1\n"), "row 1"),
        (table(&row.repeat(2)), "row 2"),
        (row.to_owned(), "header"),
        (String::new(), "header"),
    ] {
        let found = schema.validate(bad.as_bytes());
        assert_eq!(found.first().map(|v| v.place.as_str()), Some(place), "{bad}: {found:?}");
    }
    // RFC 4180: what the reader would take in good faith, two readers take differently.
    for (bad, place) in [
        (table("\"m1,2026-03-01T00:00:00Z,1,A\n"), "line 3"),
        (table("m\"1\",2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("\"m1\"x,2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("\nm1,2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("m1\0,2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("m1,2026-03-01T00:00:00Z,1,A\rm2,2026-03-01T00:00:00Z,1,A\n"), "line 2"),
        (table("m1,2026-03-01T00:00:00Z,1,A\r"), "line 2"),
    ] {
        let found = schema.validate(bad.as_bytes());
        assert_eq!(codes_of(&found), ["GP-PAYLOAD-MALFORMED"], "{bad:?}");
        assert_eq!(found[0].place, place, "{bad:?}");
    }
    for good in ["\"m1\",2026-03-01T00:00:00Z,1,A\r\n", "\"m\"\"1\",2026-03-01T00:00:00Z,1,A"] {
        assert_eq!(schema.validate(table(good).as_bytes()), [], "{good}");
    }
    // One key, however it is written.
    let twice = table("m1,2026-03-01T00:00:00Z,1,A\nm1,2026-03-01T00:00:00.000Z,2,A\n");
    assert_eq!(schema.validate(twice.as_bytes())[0].place, "row 2");
    let many: String = (0..4).map(|n| format!("m{n},2026-03-01T00:00:00Z,1,A\n")).collect();
    assert_eq!(codes_of(&schema.validate(table(&many).as_bytes())), ["GP-PAYLOAD-LIMIT"]);
}

fn model(header: &str) -> String {
    format!(
        "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" \
         xmlns:md=\"http://iec.ch/TC57/61970-552/ModelDescription/1#\">\
         <md:FullModel rdf:about=\"urn:uuid:c47d4310-b8ee-480d-9cf3-e53a81630981\">{header}\
         </md:FullModel></rdf:RDF>"
    )
}

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

fn evolution(old: Json, new: Json) -> Outcome {
    compare(&json_schema(old), &json_schema(new)).outcome
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

#[test]
fn what_is_wrong_with_the_whole_is_said_without_a_place() {
    let whole = Violation::new(codes::PAYLOAD_SCHEMA, "", "\"zone\" is a required property");
    assert_eq!(whole.to_string(), "\"zone\" is a required property");
    let part = Violation::new(codes::PAYLOAD_SCHEMA, "/zone", "5 is not of type \"string\"");
    assert_eq!(part.to_string(), "/zone: 5 is not of type \"string\"");
}
