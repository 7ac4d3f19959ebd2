//! JSON Schema (2020-12) for claims: nothing is fetched, patterns run in linear time.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// The most violations that one answer lists.
const MAX_VIOLATIONS: usize = 16;

/// A schema that was compiled.
pub struct Schema {
    validator: Validator,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schema")
    }
}

impl Schema {
    /// Compiles a schema. References lead nowhere but into the schema itself.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            // Backtracking would let a pattern take for ever.
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
            .should_validate_formats(true)
            .build(schema)
            .map(|validator| Self { validator })
            .map_err(|e| bounded(&e))
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
    fn nothing_is_fetched_and_no_pattern_backtracks() {
        for schema in [
            json!({"$ref": "https://attacker.example/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"type": "object", "properties": {"a": {"pattern": "(?=x)y"}}}),
            json!({"type": 5}),
        ] {
            assert!(Schema::compile(&schema).is_err(), "{schema}");
        }
    }
}
