//! Payload schemas of every kind: what is read, what is refused, and schemas that the tests share.

mod evolving;
mod grid_models;
mod rows;
mod xml_documents;

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

fn model(header: &str) -> String {
    format!(
        "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" \
         xmlns:md=\"http://iec.ch/TC57/61970-552/ModelDescription/1#\">\
         <md:FullModel rdf:about=\"urn:uuid:c47d4310-b8ee-480d-9cf3-e53a81630981\">{header}\
         </md:FullModel></rdf:RDF>"
    )
}

#[test]
fn what_is_wrong_with_the_whole_is_said_without_a_place() {
    let whole = Violation::new(codes::PAYLOAD_SCHEMA, "", "\"zone\" is a required property");
    assert_eq!(whole.to_string(), "\"zone\" is a required property");
    let part = Violation::new(codes::PAYLOAD_SCHEMA, "/zone", "5 is not of type \"string\"");
    assert_eq!(part.to_string(), "/zone: 5 is not of type \"string\"");
}
