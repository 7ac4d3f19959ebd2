//! XML with what it imports: what is refused, wherever it stands.

use super::*;

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
