//! Warnings and hints on standard error, beside the answer: lines for people, and with `--json` an
//! object on each line, as the error is one.

use crate::output::{note, object};
use crate::shown::shown;
use gridpass_identity::code::Code;
use serde_json::json;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether whoever called reads JSON. Secrets are read deep within a call, and warn there.
static AS_JSON: AtomicBool = AtomicBool::new(false);

/// Says how this call answers.
pub fn set_json(as_json: bool) {
    AS_JSON.store(as_json, Ordering::Relaxed);
}

/// Whether whoever called reads JSON.
pub fn in_json() -> bool {
    AS_JSON.load(Ordering::Relaxed)
}

/// Warns of something that the call does not fail of.
pub fn warn(code: Option<Code>, message: impl Display) {
    match code {
        _ if in_json() => {
            let message = message.to_string();
            object(&json!({"schema": "gridpass.warning/1", "code": code, "message": message}));
        }
        Some(code) => note(format_args!("warning [{code}]: {}", shown(message))),
        None => note(format_args!("warning: {}", shown(message))),
    }
}

/// Says that a step of something long is over: `line` to people, `message` to programs.
pub fn step(line: impl Display, message: impl Display) {
    if in_json() {
        hint(message);
    } else {
        note(line);
    }
}

/// Says why it takes a while, or what comes next.
pub fn hint(message: impl Display) {
    if in_json() {
        object(&json!({"schema": "gridpass.hint/1", "message": message.to_string()}));
    } else {
        note(message);
    }
}
