//! Documents that others wrote, against schemas that others wrote: UFTP, interval readings, a CIM
//! model; and libxml2's verdict beside ours on many mutations of them.

use gridpass_credentials::content_id::ContentId;
use gridpass_policy::payload::{PayloadSchema, xsd_manifest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// The folder with other people's files, which a newcomer's clone does not have.
fn shared() -> Option<PathBuf> {
    let folder = gridpass_tests::root().join("../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} is not here; documents of others are not run", folder.display());
    None
}

fn compile(document: &[u8], files: &BTreeMap<String, Vec<u8>>) -> PayloadSchema {
    let value: Value = serde_json::from_slice(document).expect("JSON");
    let (id, bytes) = ContentId::of_json(&value).expect("canonical");
    let mut store = BTreeMap::from([(id.clone(), bytes)]);
    for file in files.values() {
        store.insert(ContentId::of_bytes(file).expect("a name"), file.clone());
    }
    PayloadSchema::compile(&id, &|id| store.get(id).cloned()).unwrap_or_else(|e| panic!("{e}"))
}

struct Uftp {
    schema: PayloadSchema,
    folder: PathBuf,
    documents: Vec<String>,
}

fn uftp() -> Option<Uftp> {
    let folder = shared()?.join("shapeshifter");
    let names = [
        "UFTP.xsd",
        "UFTP-common.xsd",
        "UFTP-agr-cro.xsd",
        "UFTP-agr-dso.xsd",
        "UFTP-cro-dso.xsd",
        "UFTP-metering.xsd",
    ];
    let files: BTreeMap<String, Vec<u8>> = names
        .iter()
        .map(|name| ((*name).to_owned(), std::fs::read(folder.join(name)).expect("a file")))
        .collect();
    let (_, manifest) = xsd_manifest("UFTP.xsd", &[], &files).expect("a manifest");
    let documents = ["FlexRequest", "FlexOffer", "FlexOrder"]
        .iter()
        .map(|name| {
            let text = std::fs::read_to_string(folder.join(format!("{name}.xml"))).expect("a file");
            // As the folder's own README says.
            text.replacen(&format!("<{name}"), &format!("<{name} Version=\"3.0.0\""), 1)
        })
        .collect();
    Some(Uftp { schema: compile(&manifest, &files), folder, documents })
}

#[test]
fn uftp_documents_fit_and_mutated_ones_are_refused_at_the_place() {
    let Some(Uftp { schema, folder, documents }) = uftp() else { return };
    for document in &documents {
        assert_eq!(schema.validate(document.as_bytes()), [], "{}", &document[..200]);
    }
    let offer = &documents[1];
    for (bad, place) in [
        (offer.replace(" ISP-Duration=\"PT15M\"", ""), "FlexOffer"),
        (offer.replace("ISP-Duration=\"PT15M\"", "ISP-Duration=\"soon\""), "FlexOffer"),
        (offer.replacen("Start=\"2\"", "Start=\"two\"", 1), "ISP"),
        (offer.replacen("<ISP ", "<PSI ", 1), "OfferOption"),
        (offer.replace("Currency=\"EUR\"", "Currency=\"euro\""), "FlexOffer"),
    ] {
        assert_ne!(&bad, offer, "the mutation changed something");
        let found = schema.validate(bad.as_bytes());
        assert!(found.iter().any(|v| v.place.contains(place)), "{place}: {found:?}");
    }
    let hostile = std::fs::read(folder.join("hostile-xxe.xml")).expect("a file");
    let found = schema.validate(&hostile);
    assert_eq!(found.first().map(|v| v.code.id()), Some("GP-XML-FORBIDDEN"), "{found:?}");
}

#[test]
fn interval_readings_and_a_grid_model_fit() {
    let Some(folder) = shared() else { return };
    let schema = gridpass_tests::root().join("spec/examples/interval-readings.schema.json");
    let schema = compile(&std::fs::read(schema).expect("a file"), &BTreeMap::new());
    let readings = folder.join("telemark/IntervalReading_4Quadrants_1.json");
    let readings = std::fs::read_to_string(readings).expect("a file");
    assert_eq!(schema.validate(readings.as_bytes()), []);
    let bad = readings.replacen("\"26.104\"", "26.104", 1);
    let found = schema.validate(bad.as_bytes());
    assert_eq!(
        found.first().map(|v| v.place.as_str()),
        Some("/MeterReading/0/IntervalBlocks/0/IntervalReadings/0/value")
    );

    let model = std::fs::read(folder.join("telemark/Telemark-120-LV1_EQ.xml")).expect("a file");
    let cim = |profile: &str| {
        let document = json!({
            "type": "gridpass-cim", "formatVersion": 1, "maxBytes": 1_000_000,
            "profiles": ["http://iec.ch/TC57/ns/CIM/CoreEquipment-EU/3.0", profile],
        });
        compile(document.to_string().as_bytes(), &BTreeMap::new())
    };
    assert_eq!(cim("http://iec.ch/TC57/ns/CIM/CoreEquipment/4.0").validate(&model), []);
    let found = cim("http://iec.ch/TC57/ns/CIM/Topology/4.0").validate(&model);
    assert_eq!(found.first().map(|v| v.code.id()), Some("GP-CIM-HEADER"), "{found:?}");
}

/// Numbers that look like chance and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

/// One change to a document that leaves it well-formed: an attribute dropped, renamed or given
/// another value, an element renamed, dropped or doubled.
fn mutate(text: &str, dice: &mut Dice) -> Option<String> {
    let values = [
        "",
        "0",
        "-1",
        "1.5",
        "abc",
        "2021-10-30",
        "PT15M",
        "EUR",
        "true",
        "99999999999999999999",
        " 7 ",
        "2021-02-30",
    ];
    // Comments before the root are nobody's business.
    let start = text.find("-->").map_or(0, |i| i + 3);
    let attributes: Vec<(usize, usize, usize)> = text[start..]
        .match_indices("=\"")
        .filter_map(|(at, _)| {
            let at = at + start;
            let name = text[..at].rfind([' ', '\n']).map(|i| i + 1)?;
            let end = at + 2 + text[at + 2..].find('"')?;
            (!text[name..at].contains(['<', '?'])).then_some((name, at, end))
        })
        .collect();
    let (name, at, end) = *attributes.get(dice.roll(attributes.len().max(1)))?;
    let isps: Vec<usize> = text.match_indices("<ISP ").map(|(i, _)| i).collect();
    let isp = isps.get(dice.roll(isps.len().max(1))).copied();
    let isp_end = isp.and_then(|i| Some(i + text[i..].find("/>")? + 2));
    Some(match dice.roll(7) {
        0 => format!("{}{}", &text[..name], &text[end + 1..]),
        1 => format!("{}X{}", &text[..name], &text[name..]),
        2..=3 => format!("{}{}{}", &text[..at + 2], values[dice.roll(values.len())], &text[end..]),
        4 => format!("{}{}", &text[..isp?], &text[isp_end?..]),
        5 => format!("{}{}{}", &text[..isp_end?], &text[isp?..isp_end?], &text[isp_end?..]),
        _ => format!("{}<Other/>{}", &text[..isp?], &text[isp?..]),
    })
}

/// A small schema with what UFTP lacks: two namespaces, a choice, patterns, bounds, a key.
const OWN: [(&str, &str); 2] = [
    (
        "main.xsd",
        r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:c="urn:c" xmlns="urn:o" targetNamespace="urn:o" elementFormDefault="qualified">
<xs:import namespace="urn:c" schemaLocation="common.xsd"/>
<xs:element name="Bid"><xs:complexType><xs:sequence>
 <xs:element name="ISP" maxOccurs="4"><xs:complexType><xs:attribute name="Start" type="c:Start" use="required"/><xs:attribute name="Power" type="xs:decimal"/></xs:complexType></xs:element>
 <xs:choice minOccurs="0"><xs:element name="Up" type="xs:boolean"/><xs:element name="Down" type="xs:date"/></xs:choice>
</xs:sequence><xs:attribute name="Zone" type="c:Zone" use="required"/><xs:attribute name="Ref" type="xs:NCName"/><xs:attribute name="Currency" type="c:Currency" default="EUR"/></xs:complexType>
<xs:key name="start"><xs:selector xpath="c:none | *"/><xs:field xpath="@Start"/></xs:key></xs:element>
</xs:schema>"#,
    ),
    (
        "common.xsd",
        r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:c">
<xs:simpleType name="Start"><xs:restriction base="xs:integer"><xs:minInclusive value="1"/><xs:maxExclusive value="100"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Zone"><xs:restriction base="xs:token"><xs:pattern value="GB-[0-9]{1,2}"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Currency"><xs:restriction base="xs:string"><xs:enumeration value="EUR"/><xs:enumeration value="GBP"/></xs:restriction></xs:simpleType>
</xs:schema>"#,
    ),
];

const OWN_DOCUMENT: &str = "<Bid xmlns=\"urn:o\" Zone=\"GB-1\" Ref=\"a1\" Currency=\"GBP\">\n<ISP Start=\"1\" Power=\"2.50\"/><ISP Start=\"2\" Power=\"-1\"/>\n</Bid>";

/// Both verdicts on many documents, and how many were valid.
fn differences(
    schema: &PayloadSchema,
    xsd: &std::path::Path,
    documents: &[String],
) -> (usize, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<PathBuf> =
        (0..documents.len()).map(|n| folder.path().join(format!("{n}.xml"))).collect();
    for (name, document) in names.iter().zip(documents) {
        std::fs::write(name, document).expect("a file");
    }
    let output = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema"])
        .arg(xsd)
        .args(&names)
        .output()
        .expect("xmllint runs");
    let verdicts = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut valid = 0;
    let mut differ = Vec::new();
    for (name, document) in names.iter().zip(documents) {
        let theirs = verdicts.lines().any(|l| l == format!("{} validates", name.display()));
        let fails = verdicts.lines().any(|l| l == format!("{} fails to validate", name.display()));
        let read = theirs || fails || verdicts.contains(&format!("{}:", name.display()));
        assert!(read, "xmllint said nothing of {}", name.display());
        let found = schema.validate(document.as_bytes());
        valid += usize::from(theirs);
        if found.is_empty() != theirs {
            let why: Vec<&str> =
                verdicts.lines().filter(|l| l.contains(&format!("{}:", name.display()))).collect();
            differ.push(format!("ours: {found:?}\ntheirs: {why:?}\n"));
        }
    }
    (valid, differ)
}

#[test]
fn our_verdict_on_mutated_documents_is_libxml2s() {
    if Command::new("xmllint").arg("--version").output().is_err() {
        eprintln!("SKIPPED: xmllint is not installed; libxml2's verdicts are not compared");
        return;
    }
    let mut dice = Dice(1);
    let mut mutated = |text: &str, count: usize| -> Vec<String> {
        let mut all = vec![text.to_owned()];
        while all.len() < count {
            let mut next = mutate(text, &mut dice);
            // Two changes at once, at times.
            if dice.roll(3) == 0 {
                next = next.and_then(|t| mutate(&t, &mut dice));
            }
            all.extend(next);
        }
        all
    };
    let folder = tempfile::tempdir().expect("a folder");
    let files: BTreeMap<String, Vec<u8>> =
        OWN.iter().map(|(n, t)| ((*n).to_owned(), t.as_bytes().to_vec())).collect();
    for (name, bytes) in &files {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
    }
    let (_, manifest) = xsd_manifest("main.xsd", &[], &files).expect("a manifest");
    let mut runs = vec![(
        compile(&manifest, &files),
        folder.path().join("main.xsd"),
        mutated(OWN_DOCUMENT, 400),
    )];
    if let Some(Uftp { schema, folder, documents }) = uftp() {
        let all = documents.iter().flat_map(|d| mutated(d, 200)).collect();
        runs.push((schema, folder.join("UFTP.xsd"), all));
    }
    for (schema, xsd, documents) in &runs {
        let (valid, differ) = differences(schema, xsd, documents);
        println!(
            "{}: {} documents, {valid} valid, {} differ",
            xsd.display(),
            documents.len(),
            differ.len()
        );
        assert!(valid > 0 && valid < documents.len(), "both verdicts occur");
        assert!(
            differ.is_empty(),
            "{} differ:\n{}",
            differ.len(),
            differ[..differ.len().min(5)].join("\n")
        );
    }
}
