//! JSON Schema (2020-12) for claims: nothing is fetched, patterns run in linear time.

use crate::codes;
use gridpass_identity::code::Code;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use std::sync::Arc;

/// The most violations that one answer lists.
const MAX_VIOLATIONS: usize = 16;

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// It asks more schemas about one place of a value than are asked, or never ends asking.
    #[error("its references unfold to more than {MAX_UNFOLDED} schemas for one place")]
    Unfolds,
    /// It is no JSON Schema, refers to somewhere else, or has a pattern that could take for ever.
    #[error("{0}")]
    Malformed(String),
}

impl SchemaError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unfolds | Self::Malformed(_) => codes::SCHEMA_MALFORMED,
        }
    }
}

/// A schema that was compiled. Clones share it.
#[derive(Clone)]
pub struct Schema {
    validator: Arc<Validator>,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schema")
    }
}

impl Schema {
    /// Compiles a schema. References lead nowhere but into the schema itself.
    ///
    /// ```
    /// use gridpass_credentials::schema::{Schema, SchemaError};
    /// use serde_json::json;
    ///
    /// let elsewhere = json!({"$ref": "https://elsewhere.example/zone.json"});
    /// assert!(matches!(Schema::compile(&elsewhere), Err(SchemaError::Malformed(_))));
    /// ```
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        check_unfolding(schema)?;
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            // Backtracking would let a pattern take for ever.
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
            .should_validate_formats(true)
            .build(schema)
            .map(|validator| Self { validator: Arc::new(validator) })
            .map_err(|e| SchemaError::Malformed(bounded(&e)))
    }

    /// What does not fit, each with the place; empty if all fits.
    #[must_use]
    pub fn violations(&self, value: &Value) -> Vec<String> {
        let place = |path: String| if path.is_empty() { "the whole".to_owned() } else { path };
        self.places(value)
            .into_iter()
            .map(|(path, why)| format!("{}: {why}", place(path)))
            .collect()
    }

    /// What does not fit: the place as a JSON Pointer, and a sentence.
    #[must_use]
    pub fn places(&self, value: &Value) -> Vec<(String, String)> {
        self.validator
            .iter_errors(value)
            .take(MAX_VIOLATIONS)
            .map(|e| (e.instance_path().to_string(), bounded(&e)))
            .collect()
    }
}

/// The most schemas that are asked about one place of a value.
const MAX_UNFOLDED: usize = 1000;

/// The words whose schemas are asked about the same place, so that references among them multiply.
/// What stands under `properties` or `items` is asked about a part of the value, which is bounded.
const IN_PLACE: [&str; 8] =
    ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

/// Refuses a schema of a few kilobytes that asks millions of schemas about one byte: an allocation
/// that fails ends the process, and nobody can catch it.
fn check_unfolding(root: &Value) -> Result<(), SchemaError> {
    let mut open = vec![root];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => open.extend(object.values()),
            Value::Array(list) => open.extend(list),
            _ => {}
        }
        let mut left = MAX_UNFOLDED;
        unfold(root, value, 64, &mut left)?;
    }
    Ok(())
}

fn unfold(root: &Value, schema: &Value, depth: usize, left: &mut usize) -> Result<(), SchemaError> {
    let Value::Object(object) = schema else { return Ok(()) };
    let depth = depth.checked_sub(1).ok_or(SchemaError::Unfolds)?;
    *left = left.checked_sub(1).ok_or(SchemaError::Unfolds)?;
    for word in ["$ref", "$dynamicRef"] {
        let pointer = object.get(word).and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
        if let Some(next) = pointer.and_then(|p| root.pointer(p)) {
            unfold(root, next, depth, left)?;
        }
    }
    for word in IN_PLACE {
        match object.get(word) {
            Some(Value::Array(list)) => {
                list.iter().try_for_each(|s| unfold(root, s, depth, left))?;
            }
            Some(Value::Object(map)) if word == "dependentSchemas" => {
                map.values().try_for_each(|s| unfold(root, s, depth, left))?;
            }
            Some(one) => unfold(root, one, depth, left)?,
            None => {}
        }
    }
    Ok(())
}

/// A violation quotes the value, which is as long as its writer likes.
fn bounded(error: &dyn std::fmt::Display) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_the_place_of_what_does_not_fit() {
        let schema = json!({
            "type": "object",
            "properties": {"zone": {"type": "string", "pattern": "^GB-"}},
            "required": ["zone"],
        });
        let schema = Schema::compile(&schema).expect("compiles");
        assert!(schema.violations(&json!({"zone": "GB-1"})).is_empty());
        let found = schema.violations(&json!({"zone": "FR-1"}));
        assert!(found[0].starts_with("/zone: "), "{found:?}");
        assert!(schema.violations(&json!({}))[0].contains("zone"));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        for schema in [
            json!({"type": "object", "allOf": [{"$ref": "#"}]}),
            json!({"type": "object", "properties": {"a": {"$ref": "#"}}}),
            json!({"type": "object", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
                   "allOf": [{"$ref": "#/$defs/a"}]}),
        ] {
            if let Ok(schema) = Schema::compile(&schema) {
                let _ = schema.violations(&json!({"a": {"a": {}}}));
            }
        }
    }

    #[test]
    fn a_small_schema_that_unfolds_without_end_is_refused() {
        let chain = |levels: u32, word: &str| {
            let mut defs = serde_json::Map::new();
            defs.insert(format!("a{levels}"), json!({"type": "string"}));
            for level in 0..levels {
                let next = json!({"$ref": format!("#/$defs/a{}", level + 1)});
                defs.insert(format!("a{level}"), json!({word: [next, next]}));
            }
            json!({"$ref": "#/$defs/a0", "$defs": defs})
        };
        for word in ["anyOf", "allOf", "oneOf"] {
            assert!(Schema::compile(&chain(6, word)).is_ok(), "{word}");
            let error = Schema::compile(&chain(26, word)).expect_err("it unfolds");
            assert_eq!(error, SchemaError::Unfolds, "{word}");
            assert_eq!(
                error.to_string(),
                "its references unfold to more than 1000 schemas for one place"
            );
        }
        let list =
            json!({"type": "object", "properties": {"next": {"$ref": "#"}, "x": {"$ref": "#"}}});
        assert!(Schema::compile(&list).is_ok(), "it goes on with the value");
    }

    #[test]
    fn nothing_is_fetched_and_no_pattern_backtracks() {
        for schema in [
            json!({"$ref": "https://attacker.example/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"type": "object", "properties": {"a": {"pattern": "(?=x)y"}}}),
            json!({"type": 5}),
        ] {
            let error = Schema::compile(&schema).expect_err("refused");
            assert!(matches!(error, SchemaError::Malformed(_)), "{schema}: {error}");
            assert_eq!(error.code(), codes::SCHEMA_MALFORMED);
        }
    }
}
