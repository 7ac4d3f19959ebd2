//! Payloads and their schemas: JSON Schema, XSD, typed CSV, and the headers of CIM grid models.
//!
//! In: a schema pinned by CID with all that it imports, then the bytes of a payload. Out: every
//! place where it does not fit. Never: a file, a network, a default that lets through what is not
//! understood. The kinds stand in `spec/payload-schemas.md`.

mod cim;
mod csv;
pub mod evolution;
mod json;
mod xml;
mod xsd;
mod xsd_size;

use crate::codes;
use crate::topic::Topic;
use crate::value::{Value, ValueType};
use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_identity::code::Code;
use gridpass_identity::json::{self as strict, Limits};
use serde::Serialize;
use serde_json::{Map, Value as Json};

pub use cim::CimSchema;
pub use csv::CsvSchema;
pub use json::JsonSchema;
pub use xsd::{XsdSchema, is_xsd_file, xsd_manifest};

/// The most violations that one answer lists.
pub const MAX_VIOLATIONS: usize = 16;

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// It is no schema, or breaks a limit.
    #[error("the schema cannot be used: {0}")]
    Malformed(String),
    /// A document that it is pinned with is not at hand.
    #[error("the schema document {0} is not at hand")]
    Missing(ContentId),
    /// The bytes are another document's.
    #[error(transparent)]
    ContentId(#[from] ContentIdError),
    /// The media type is not one of its kind.
    #[error("a {kind} schema does not describe {media_type}")]
    MediaType {
        /// The kind of schema.
        kind: Kind,
        /// The media type.
        media_type: String,
    },
}

impl SchemaError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::SCHEMA_MALFORMED,
            Self::Missing(_) => codes::SCHEMA_MISSING,
            Self::ContentId(e) => e.code(),
            Self::MediaType { .. } => codes::SCHEMA_MEDIA_TYPE,
        }
    }
}

/// A place where a payload does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where: a JSON Pointer, a path of XML names with line and column, a row and column of CSV.
    pub place: String,
    /// The stable reason.
    pub code: Code,
    /// The same as a sentence.
    pub sentence: String,
}

impl Violation {
    /// A violation whose sentence is bounded, and shows nothing that a terminal would obey.
    #[must_use]
    pub fn new(code: Code, place: impl Into<String>, sentence: impl AsRef<str>) -> Self {
        let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(300).collect();
        Self { place: shown(&place.into()), code, sentence: shown(sentence.as_ref()) }
    }
}

/// The sentence, after its place where it is not the whole that does not fit.
impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.sentence)
    }
}

/// A kind of schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// JSON Schema 2020-12.
    Json,
    /// XML Schema 1.0.
    Xsd,
    /// Typed columns.
    Csv,
    /// The header of a CIM model in RDF/XML.
    Cim,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Xsd => "XSD",
            Self::Csv => "CSV",
            Self::Cim => "CIM",
        })
    }
}

impl Kind {
    fn describes(self, media_type: &str) -> bool {
        match self {
            Self::Json => media_type == "application/json" || media_type.ends_with("+json"),
            Self::Xsd => {
                matches!(media_type, "application/xml" | "text/xml") || media_type.ends_with("+xml")
            }
            Self::Csv => media_type == "text/csv",
            Self::Cim => {
                matches!(media_type, "application/rdf+xml" | "application/xml" | "text/xml")
            }
        }
    }
}

/// A schema that was compiled.
#[derive(Debug)]
pub enum PayloadSchema {
    /// JSON Schema 2020-12.
    Json(JsonSchema),
    /// XML Schema 1.0.
    Xsd(Box<XsdSchema>),
    /// Typed columns.
    Csv(CsvSchema),
    /// The header of a CIM model.
    Cim(CimSchema),
}

impl PayloadSchema {
    /// Compiles the schema of a name, from documents that are each checked against their own.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn compile(
        id: &ContentId,
        documents: &dyn Fn(&ContentId) -> Option<Vec<u8>>,
    ) -> Result<Self, SchemaError> {
        let bytes = documents(id).ok_or_else(|| SchemaError::Missing(id.clone()))?;
        id.verify(&bytes)?;
        let malformed = |e: strict::JsonError| SchemaError::Malformed(e.to_string());
        let value = strict::parse_strict(&bytes, Limits::DOCUMENT).map_err(malformed)?;
        if strict::canonicalize(&value).map_err(malformed)? != bytes {
            return Err(SchemaError::Malformed("it is not in canonical form (JCS)".into()));
        }
        Ok(match value.get("type").and_then(Json::as_str) {
            Some(xsd::TYPE) => Self::Xsd(Box::new(XsdSchema::compile(value, documents)?)),
            Some(csv::TYPE) => Self::Csv(CsvSchema::compile(value)?),
            Some(cim::TYPE) => Self::Cim(CimSchema::compile(value)?),
            _ => Self::Json(JsonSchema::compile(value)?),
        })
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Json(_) => Kind::Json,
            Self::Xsd(_) => Kind::Xsd,
            Self::Csv(_) => Kind::Csv,
            Self::Cim(_) => Kind::Cim,
        }
    }

    /// Refuses a media type that this kind of schema does not describe.
    ///
    /// # Errors
    /// [`SchemaError::MediaType`].
    pub fn check_media_type(&self, media_type: &str) -> Result<(), SchemaError> {
        let kind = self.kind();
        if kind.describes(media_type) {
            return Ok(());
        }
        let media_type = media_type.chars().take(80).collect();
        Err(SchemaError::MediaType { kind, media_type })
    }

    /// Where a payload does not fit; empty if it does.
    #[must_use]
    pub fn validate(&self, payload: &[u8]) -> Vec<Violation> {
        match self {
            Self::Json(schema) => schema.validate(payload),
            Self::Xsd(schema) => schema.validate(payload),
            Self::Csv(schema) => schema.validate(payload),
            Self::Cim(schema) => schema.validate(payload),
        }
    }

    /// The value at a place of a payload, if there is exactly one, of this type. A CSV has none.
    #[must_use]
    pub fn read(&self, payload: &[u8], path: &str, value_type: ValueType) -> Option<Value> {
        match self {
            Self::Json(_) => json::read(payload, path, value_type),
            Self::Xsd(_) | Self::Cim(_) => xml::read(payload, path, value_type),
            Self::Csv(_) => None,
        }
    }

    /// Where the attributes of a message's header say another thing than its payload: whoever can
    /// read both holds them against each other, since policy was shown the header alone.
    #[must_use]
    pub fn check_attributes(
        &self,
        topic: &Topic,
        attributes: &Map<String, Json>,
        payload: &[u8],
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        for (name, attribute) in &topic.attributes {
            let Some(path) = &attribute.from else { continue };
            let said = attributes.get(name).and_then(|v| Value::read(v, attribute.value_type));
            let stands = self.read(payload, path, attribute.value_type);
            if said != stands {
                let show = |v: &Option<Value>| {
                    v.as_ref().map_or("nothing".to_owned(), ToString::to_string)
                };
                let sentence = format!(
                    "the header says {name} is {}, and the payload says {}",
                    show(&said),
                    show(&stands)
                );
                found.push(Violation::new(codes::ATTRIBUTE_DIFFERS, path, sentence));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
