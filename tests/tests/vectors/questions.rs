//! Questions on the control socket.

use crate::{Case, Found, refused};
use gridpass_messaging::node::control::parse;
use serde_json::{Value, json};

/// A line: what it asks, without what was left out or is null.
pub(crate) fn question(case: &Case) -> Found {
    match parse(case.text("line").expect("a line").as_bytes()) {
        Err(e) => refused(e.code),
        Ok(asked) => {
            let mut asked = json!(asked);
            asked.as_object_mut().expect("an object").retain(|_, value| {
                let is_empty = value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(serde_json::Map::is_empty);
                *value != Value::Null && !is_empty
            });
            Found::from([("question", asked)])
        }
    }
}
