//! JSON payloads: JSON Schema 2020-12, without references outside, patterns in linear time.

use super::{SchemaError, Violation};
use crate::codes;
use crate::value::{Value, ValueType};
use gridpass_credentials::schema::Schema;
use gridpass_identity::json::{Limits, parse_strict};
use serde_json::Value as Json;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A JSON Schema.
#[derive(Debug)]
pub struct JsonSchema {
    schema: Schema,
    document: Json,
}

impl JsonSchema {
    pub(super) fn compile(document: Json) -> Result<Self, SchemaError> {
        if document.get("$schema").and_then(Json::as_str) != Some(DIALECT) {
            let reason = format!("it is of no known type, and its $schema is not {DIALECT}");
            return Err(SchemaError::Malformed(reason));
        }
        let schema =
            Schema::compile(&document).map_err(|e| SchemaError::Malformed(e.to_string()))?;
        Ok(Self { schema, document })
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> &Json {
        &self.document
    }

    pub(super) fn validate(&self, payload: &[u8]) -> Vec<Violation> {
        match parse_strict(payload, Limits::DOCUMENT) {
            Err(e) => {
                vec![Violation::new(codes::PAYLOAD_MALFORMED, "", format!("it is not JSON: {e}"))]
            }
            Ok(value) => self.fits(&value),
        }
    }

    /// Where a value does not fit.
    #[must_use]
    pub fn fits(&self, value: &Json) -> Vec<Violation> {
        let found = self.schema.places(value).into_iter();
        found.map(|(place, why)| Violation::new(codes::PAYLOAD_SCHEMA, place, why)).collect()
    }
}

pub(super) fn read(payload: &[u8], pointer: &str, value_type: ValueType) -> Option<Value> {
    let value = parse_strict(payload, Limits::DOCUMENT).ok()?;
    Value::read(value.pointer(pointer)?, value_type)
}
