//! Values that a requirement compares: the claims of visas, the attributes of messages, literals.

use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::fmt;

/// The largest number that every JSON reader keeps exactly, 2^53 - 1. No sum of a number or time
/// with a duration can then leave the 64 bits that Cedar computes in.
pub const MAX_INTEGER: i64 = 9_007_199_254_740_991;
/// The longest text, in bytes.
pub const MAX_TEXT: usize = 1024;
/// The most texts in a set.
pub const MAX_TEXTS: usize = 256;

/// What kind of value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// A text.
    Text,
    /// A whole number. Amounts are given in a unit that makes them whole.
    Integer,
    /// Yes or no.
    Boolean,
    /// A set of texts.
    Texts,
    /// A point in time, RFC 3339 in UTC.
    Time,
}

impl ValueType {
    /// The type in Cedar. A time is a number of milliseconds there.
    #[must_use]
    pub fn cedar(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Integer | Self::Time => "Long",
            Self::Boolean => "Bool",
            Self::Texts => "Set<String>",
        }
    }

    /// Whether its values have an order.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::Integer | Self::Time)
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Texts => "texts",
            Self::Time => "time",
        })
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number from `-MAX_INTEGER` to `MAX_INTEGER`.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// A set of texts.
    Texts(BTreeSet<String>),
    /// A point in time.
    Time(UnixMillis),
}

impl Value {
    /// Reads JSON as a value of a type; absent where it is of another type or out of bounds.
    #[must_use]
    pub fn read(json: &Json, expected: ValueType) -> Option<Self> {
        let text = |j: &Json| j.as_str().filter(|t| t.len() <= MAX_TEXT).map(str::to_owned);
        match expected {
            ValueType::Text => text(json).map(Self::Text),
            ValueType::Integer => integer(json).map(Self::Integer),
            ValueType::Boolean => json.as_bool().map(Self::Boolean),
            ValueType::Time => {
                json.as_str().and_then(|t| UnixMillis::parse_rfc3339(t).ok()).map(Self::Time)
            }
            ValueType::Texts => {
                let members = json.as_array().filter(|a| a.len() <= MAX_TEXTS)?;
                members.iter().map(text).collect::<Option<_>>().map(Self::Texts)
            }
        }
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => Json::from(text.as_str()),
            Self::Integer(number) => Json::from(*number),
            Self::Boolean(yes) => Json::from(*yes),
            Self::Texts(texts) => texts.iter().map(String::as_str).collect::<Vec<_>>().into(),
            Self::Time(time) => Json::from(time.to_string()),
        }
    }

    /// Its type.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Text(_) => ValueType::Text,
            Self::Integer(_) => ValueType::Integer,
            Self::Boolean(_) => ValueType::Boolean,
            Self::Texts(_) => ValueType::Texts,
            Self::Time(_) => ValueType::Time,
        }
    }

    /// The number that Cedar sees, where it sees one.
    #[must_use]
    pub fn as_long(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            // The year 9999 is far below 2^53 milliseconds.
            Self::Time(time) => i64::try_from(time.get()).ok(),
            Self::Text(_) | Self::Boolean(_) | Self::Texts(_) => None,
        }
    }
}

/// A whole number within bounds, however it is spelt: JCS writes 5.0 as 5.
fn integer(json: &Json) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation)] // within 2^53, where every whole number is exact
    let number = json.as_i64().or_else(|| {
        let number =
            json.as_f64().filter(|n| n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_991.0);
        number.map(|n| n as i64)
    })?;
    (-MAX_INTEGER..=MAX_INTEGER).contains(&number).then_some(number)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(yes) => write!(f, "{yes}"),
            Self::Texts(texts) => {
                let list: Vec<_> = texts.iter().map(|t| format!("{t:?}")).collect();
                write!(f, "[{}]", list.join(", "))
            }
            Self::Time(time) => write!(f, "{time}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_number_is_one_however_it_is_spelt() {
        for text in ["5.0", "5e0", "50e-1"] {
            let json: Json = serde_json::from_str(text).expect("JSON");
            assert_eq!(Value::read(&json, ValueType::Integer), Some(Value::Integer(5)), "{text}");
        }
        let json: Json = serde_json::from_str("9007199254740993.0").expect("JSON");
        assert_eq!(Value::read(&json, ValueType::Integer), None);
    }

    #[test]
    fn reads_only_what_has_the_type_and_fits_the_bounds() {
        for (json, expected) in [
            (json!("GB-1"), ValueType::Text),
            (json!(5), ValueType::Integer),
            (json!(-MAX_INTEGER), ValueType::Integer),
            (json!(true), ValueType::Boolean),
            (json!(["a", "b"]), ValueType::Texts),
            (json!("2026-03-01T12:00:00Z"), ValueType::Time),
        ] {
            let value = Value::read(&json, expected).expect("of the type");
            assert_eq!((value.to_json(), value.value_type()), (json, expected));
        }
        for (json, expected) in [
            (json!(5), ValueType::Text),
            (json!("5"), ValueType::Integer),
            (json!(5.5), ValueType::Integer),
            (json!(MAX_INTEGER + 1), ValueType::Integer),
            (json!("x".repeat(MAX_TEXT + 1)), ValueType::Text),
            (json!(["a", 1]), ValueType::Texts),
            (json!(vec!["a"; MAX_TEXTS + 1]), ValueType::Texts),
            (json!("2026-03-01"), ValueType::Time),
            (json!(null), ValueType::Boolean),
        ] {
            assert_eq!(Value::read(&json, expected), None, "{json}");
        }
    }
}
