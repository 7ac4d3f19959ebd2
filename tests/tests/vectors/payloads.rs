//! Payloads against their schemas, and what became of a schema.

use crate::{Case, Found, refused};
use gridpass_credentials::content_id::ContentId;
use gridpass_policy::payload::evolution::compare;
use gridpass_policy::payload::{PayloadSchema, SchemaError};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn compiled(case: &Case, name: &str) -> Result<PayloadSchema, SchemaError> {
    let (id, bytes) = ContentId::of_json(&case.input[name]).expect("JSON");
    let mut store = BTreeMap::from([(id.clone(), bytes)]);
    for file in case.input.get("files").and_then(Value::as_array).into_iter().flatten() {
        let bytes = file.as_str().expect("text").as_bytes();
        store.insert(ContentId::of_bytes(bytes).expect("a name"), bytes.to_vec());
    }
    PayloadSchema::compile(&id, &|id| store.get(id).cloned())
}

/// The first code, and the place of each violation.
pub(crate) fn payload(case: &Case) -> Found {
    let schema = match compiled(case, "schema") {
        Err(e) => return refused(e.code()),
        Ok(schema) => schema,
    };
    let found = schema.validate(case.text("payload").expect("a payload").as_bytes());
    let code = found.first().map_or_else(|| "GP-PAYLOAD-FITS".to_owned(), |v| v.code.to_string());
    let places: Vec<&str> = found.iter().map(|v| v.place.as_str()).collect();
    Found::from([("code", json!(code)), ("places", json!(places))])
}

/// Whether everything that fits the old schema fits the new one.
pub(crate) fn evolution(case: &Case) -> Found {
    let [old, new] = ["old", "new"].map(|name| compiled(case, name).expect("a schema"));
    Found::from([("outcome", json!(compare(&old, &new).outcome))])
}
