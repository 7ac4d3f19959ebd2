//! XML payloads: XML Schema 1.0, pinned with every file that it includes and imports.

use super::xml::{self, Element, Visitor};
use super::xsd_size::{MAX_PARTICLES, Sizes, XSD};
use super::{MAX_VIOLATIONS, SchemaError, Violation};
use crate::codes;
use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_identity::code::Code;
use gridpass_identity::json;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use xsd_schema::parser::{SchemaLoader, SchemaResolver};
use xsd_schema::validation::{
    CollectingValidationSink, SchemaValidator, ValidationFlags, drive_quick_xml,
};
use xsd_schema::{SchemaError as LibraryError, SchemaSet, SchemaSetBuilder, XsdVersion};

/// What the member `type` of the manifest says.
pub(super) const TYPE: &str = "gridpass-xsd";
/// The most files of one schema.
const MAX_FILES: usize = 64;
/// The largest file, in bytes.
const MAX_FILE: usize = 2 * 1024 * 1024;
/// Where the files stand for each other: a place that nothing but the manifest fills.
const BASE: &str = "pinned://schema/";

/// The manifest: which files make up the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Manifest {
    #[serde(rename = "type")]
    pub(super) document_type: String,
    pub(super) format_version: u32,
    /// The file that is read first.
    pub(super) main: String,
    /// The root elements that a payload may have, by local name; any that is declared, if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) roots: Vec<String>,
    /// Each file, by the name that others include it by, and the CID of its bytes.
    pub(super) files: BTreeMap<String, ContentId>,
}

/// An XML Schema.
pub struct XsdSchema {
    set: SchemaSet,
    manifest: Manifest,
    files: BTreeMap<String, String>,
}

impl std::fmt::Debug for XsdSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "XsdSchema({})", self.manifest.main)
    }
}

/// Makes the manifest of a schema: its name and bytes.
///
/// # Errors
/// [`ContentIdError`] for a file that has no name; none that can occur.
pub fn xsd_manifest(
    main: &str,
    roots: &[String],
    files: &BTreeMap<String, Vec<u8>>,
) -> Result<(ContentId, Vec<u8>), ContentIdError> {
    let files = files
        .iter()
        .map(|(name, bytes)| Ok((name.clone(), ContentId::of_bytes(bytes)?)))
        .collect::<Result<_, ContentIdError>>()?;
    ContentId::of_json(&Manifest {
        document_type: TYPE.into(),
        format_version: 1,
        main: main.to_owned(),
        roots: roots.to_vec(),
        files,
    })
}

/// Whether bytes are a whole file of an XML Schema, such as a manifest names. It is read, not compiled.
#[must_use]
pub fn is_xsd_file(bytes: &[u8]) -> bool {
    bytes.len() <= MAX_FILE && check_plain(bytes, &mut SchemaRoot).is_ok()
}

/// Takes a document whose root is that of an XML Schema.
struct SchemaRoot;

impl Visitor for SchemaRoot {
    fn start(&mut self, element: &Element<'_>) -> Result<(), (Code, String)> {
        let is_root = element.path.len() == 1;
        if is_root && (element.namespace, element.local()) != (XSD, "schema") {
            return Err((codes::SCHEMA_MALFORMED, "its root is none of a schema".to_owned()));
        }
        Ok(())
    }
    fn text(&mut self, _: &str) {}
    fn end(&mut self, _: &[String]) -> Result<(), (Code, String)> {
        Ok(())
    }
}

/// Serves the pinned files, and nothing else.
#[derive(Debug)]
struct Pinned(BTreeMap<String, String>);

impl SchemaLoader for Pinned {
    fn load(&self, location: &str) -> Result<String, LibraryError> {
        let name = location.strip_prefix(BASE).unwrap_or(location);
        self.0.get(name).cloned().ok_or_else(|| {
            LibraryError::resolution(format!("{name:?} is not one of the pinned files"))
        })
    }

    fn can_load(&self, _: &str) -> bool {
        true
    }
}

impl XsdSchema {
    pub(super) fn compile(
        value: Json,
        documents: &dyn Fn(&ContentId) -> Option<Vec<u8>>,
    ) -> Result<Self, SchemaError> {
        let malformed = |reason: String| SchemaError::Malformed(reason);
        let manifest: Manifest = json::from_object(value).map_err(|e| malformed(e.to_string()))?;
        if manifest.format_version != 1
            || manifest.files.len() > MAX_FILES
            || !manifest.files.contains_key(&manifest.main)
        {
            return Err(malformed("its manifest has no main file, or more than 64 files".into()));
        }
        let mut files = BTreeMap::new();
        let mut sizes = Sizes::default();
        for (name, id) in &manifest.files {
            let bytes = documents(id).ok_or_else(|| SchemaError::Missing(id.clone()))?;
            id.verify(&bytes)?;
            if !is_file_name(name) || bytes.len() > MAX_FILE {
                return Err(malformed(format!("the file {name:?} has no usable name or size")));
            }
            // `schemaLocation` is an attribute of a schema, too: those are looked at below.
            check_plain(&bytes, &mut sizes).map_err(|why| malformed(format!("{name}: {why}")))?;
            let text = String::from_utf8(bytes)
                .map_err(|_| malformed(format!("the file {name:?} is not UTF-8")))?;
            files.insert(name.clone(), text);
        }
        if sizes.largest() > MAX_PARTICLES {
            return Err(malformed(format!(
                "a content model has more than {MAX_PARTICLES} particles once its maxOccurs are written out"
            )));
        }
        let set = build(&manifest, &files)?;
        Ok(Self { set, manifest, files })
    }

    /// The files, by name.
    pub(super) fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn validate(&self, payload: &[u8]) -> Vec<Violation> {
        let mut root = Root { allowed: &self.manifest.roots };
        if let Err(fault) = xml::walk(payload, xml::MAX_ELEMENTS, &mut root) {
            return vec![fault.located(Some(payload))];
        }
        // Some producers write a byte order mark; XML 1.0 allows it, the validator need not see it.
        let payload = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
        let flags = ValidationFlags::default() & !ValidationFlags::BUILD_PSVI_TYPED_VALUES;
        let validator = SchemaValidator::new(&self.set, flags);
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        let sink = CollectingValidationSink { errors: &mut errors, warnings: &mut warnings };
        let mut runtime = validator.start_run(sink);
        let driven = drive_quick_xml(payload, &mut runtime, &self.set);
        drop(runtime);
        let mut found: Vec<Violation> = errors
            .iter()
            .take(MAX_VIOLATIONS)
            .map(|e| {
                let path = e
                    .instance_path()
                    .map(|p| without_namespaces(&p.to_string()))
                    .or_else(|| e.element_path().map(str::to_owned))
                    .unwrap_or_default();
                let sentence = format!("{} [{}]", e.message, e.constraint);
                Violation::new(codes::PAYLOAD_SCHEMA, path, sentence)
            })
            .collect();
        match driven {
            Ok(outcome) => {
                // Only a root that was found valid is: one that nothing declares is no pass.
                let valid =
                    outcome.root_validity == Some(xsd_schema::validation::SchemaValidity::Valid);
                if found.is_empty() && !valid {
                    let sentence = "its root element was not found valid";
                    found.push(Violation::new(codes::PAYLOAD_SCHEMA, "/", sentence));
                }
            }
            Err(e) if found.is_empty() => {
                found.push(Violation::new(codes::PAYLOAD_MALFORMED, "/", e.to_string()));
            }
            Err(_) => {}
        }
        found
    }
}

/// `/Q{urn:x}Order[1]/Q{urn:x}Zone[1]` as people write it: `/Order[1]/Zone[1]`.
fn without_namespaces(path: &str) -> String {
    let mut parts = path.split("Q{");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('}').map_or(part, |(_, name)| name));
    }
    plain
}

struct Root<'r> {
    allowed: &'r [String],
}

impl Visitor for Root<'_> {
    fn start(&mut self, element: &Element<'_>) -> Result<(), (Code, String)> {
        let fits = self.allowed.is_empty() || self.allowed.iter().any(|r| r == element.local());
        if element.path.len() == 1 && !fits {
            let sentence = format!("{} is not a root element of this topic", element.local());
            return Err((codes::PAYLOAD_SCHEMA, sentence));
        }
        Ok(())
    }
    fn text(&mut self, _: &str) {}
    fn end(&mut self, _: &[String]) -> Result<(), (Code, String)> {
        Ok(())
    }
}

/// A name that cannot lead anywhere.
fn is_file_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// A schema file without a DOCTYPE, entities or processing instructions. Its own `schemaLocation`
/// attributes have no prefix and are what it is made of.
fn check_plain(bytes: &[u8], visitor: &mut dyn Visitor) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let without_locations = text.replace("schemaLocation", "location");
    xml::walk(without_locations.as_bytes(), xml::MAX_ELEMENTS, visitor)
        .map_err(|fault| fault.located(Some(bytes)).sentence)
}

fn build(manifest: &Manifest, files: &BTreeMap<String, String>) -> Result<SchemaSet, SchemaError> {
    let library = |e: LibraryError| {
        SchemaError::Malformed(
            e.to_string().chars().filter(|c| !c.is_control()).take(300).collect(),
        )
    };
    let resolver = SchemaResolver::with_loader(Box::new(Pinned(files.clone())));
    let mut builder = SchemaSetBuilder::with_resolver(resolver, XsdVersion::V1_0);
    builder.try_add(&format!("{BASE}{}", manifest.main)).map_err(library)?;
    let compiled = builder.compile().map_err(library)?;
    if let Some(failure) = compiled.directive_failures().first() {
        let location = failure.schema_location().unwrap_or("a schema without a location");
        return Err(SchemaError::Malformed(format!(
            "it includes or imports {location:?}, which is not one of the pinned files"
        )));
    }
    let set = compiled.into_schema_set();
    for name in files.keys() {
        if !set.is_loaded(&format!("{BASE}{name}")) {
            let reason = format!("the pinned file {name:?} is not included by any other");
            return Err(SchemaError::Malformed(reason));
        }
    }
    Ok(set)
}
