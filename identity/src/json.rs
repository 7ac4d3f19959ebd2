//! JSON from outside, read strictly; and its canonical form (JCS, RFC 8785).
//!
//! `serde_json` alone keeps the last of two equal keys, so that two readers can see two
//! different documents in the same bytes. Everything signed or hashed goes through here.

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

mod objects;

/// What a JSON document may cost its reader.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes.
    pub bytes: usize,
    /// The deepest nesting of arrays and objects.
    pub depth: usize,
}

impl Limits {
    /// For a header or a single small document: 64 KiB, 16 deep.
    pub const SMALL: Self = Self { bytes: 64 * 1024, depth: 16 };
    /// For documents: 1 MiB, 32 deep.
    pub const DOCUMENT: Self = Self { bytes: 1024 * 1024, depth: 32 };
}

/// The most values (members of arrays and objects) in one document. A parsed number takes ninety
/// times the two bytes that it has in the text, so that the limit of bytes alone would let 32 MiB
/// take gigabytes.
pub const MAX_VALUES: usize = 100_000;

/// Why JSON from outside was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Over the limit of size.
    #[error("{found} bytes of JSON, and at most {limit} are read")]
    TooLarge {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Not JSON, too deep, or a key that occurs twice in one object.
    #[error("{0}")]
    Malformed(String),
}

/// serde quotes names out of the document in its messages: what a terminal would obey is escaped.
fn malformed(error: impl fmt::Display) -> JsonError {
    let mut text = String::new();
    for c in error.to_string().chars().take(400) {
        if c.is_ascii_graphic() || c == ' ' {
            text.push(c);
        } else {
            text.extend(c.escape_default());
        }
    }
    JsonError::Malformed(text)
}

/// `serde_json` smuggles numbers through this map key under its `arbitrary_precision`, by which they keep
/// their text. A document that spells it out would turn an object into a number.
const NUMBER_TOKEN: &str = "$serde_json::private::Number";

/// Reads JSON within limits, refusing an object with two equal keys.
///
/// # Errors
/// [`JsonError`] names the place (line and column) where it can.
pub fn parse_strict(bytes: &[u8], limits: Limits) -> Result<Value, JsonError> {
    if bytes.len() > limits.bytes {
        return Err(JsonError::TooLarge { found: bytes.len(), limit: limits.bytes });
    }
    let text = std::str::from_utf8(bytes).map_err(malformed)?;
    if text.contains("serde_json::private") {
        return Err(JsonError::Malformed("reserved key".into()));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    Shape { depth: limits.depth, values: &Cell::new(MAX_VALUES) }
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(malformed)?;
    serde_json::from_str(text).map_err(malformed)
}

/// Reads JSON as [`parse_strict`] does, into a type.
///
/// # Errors
/// [`JsonError`], also where a property is missing or has the wrong type.
pub fn from_slice_strict<T: de::DeserializeOwned>(
    bytes: &[u8],
    limits: Limits,
) -> Result<T, JsonError> {
    from_object(parse_strict(bytes, limits)?)
}

/// Reads a value that was read strictly into a type that stands for an object.
///
/// A derived `Deserialize` also takes an array and fills the members in their order of
/// declaration: `["EdDSA"]` would be a JWS header here and nowhere else. So would an array in the place of
/// an object within it.
///
/// # Errors
/// [`JsonError::Malformed`] for anything but an object, and for a property that is missing or has
/// the wrong type.
pub fn from_object<T: de::DeserializeOwned>(value: Value) -> Result<T, JsonError> {
    if !value.is_object() {
        return Err(JsonError::Malformed("it is not an object".into()));
    }
    T::deserialize(objects::Objects(value)).map_err(malformed)
}

/// For a member that may be absent and may not be `null`: `Option` alone takes the two for one,
/// and other readers refuse `"crit": null`.
///
/// # Errors
/// The deserializer's, also for `null`.
pub fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The JCS (RFC 8785) bytes of a value: the only form that is hashed or signed.
///
/// # Errors
/// [`JsonError::Malformed`] for a number that JCS cannot represent.
pub fn canonicalize<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, JsonError> {
    serde_json_canonicalizer::to_vec(value).map_err(malformed)
}

/// Walks a document without keeping it, checking depth, keys and the number of values.
struct Shape<'c> {
    depth: usize,
    /// How many more values the whole document may have.
    values: &'c Cell<usize>,
}

impl Shape<'_> {
    fn inner<E: de::Error>(&self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(self.at(depth))
    }

    fn at(&self, depth: usize) -> Self {
        Self { depth, values: self.values }
    }

    fn count<E: de::Error>(&self) -> Result<(), E> {
        let left = self.values.get().checked_sub(1);
        self.values.set(left.ok_or_else(|| E::custom("more than 100000 values"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while seq.next_element_seed(self.at(inner.depth))?.is_some() {
            self.count()?;
        }
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key_seed(Key)? {
            // A number comes as this map where `arbitrary_precision` is on: it has no depth and is
            // counted where it stands, so that the limits are the same in every build.
            if key == NUMBER_TOKEN {
                let text: String = map.next_value()?;
                // Without `arbitrary_precision` serde_json refuses these itself.
                if !text.parse::<f64>().is_ok_and(f64::is_finite) {
                    return Err(de::Error::custom("number out of range"));
                }
            } else {
                let inner = self.inner()?;
                self.count()?;
                map.next_value_seed(inner)?;
            }
            if !seen.insert(key) {
                return Err(de::Error::custom("an object has the same key twice"));
            }
        }
        if seen.is_empty() {
            self.inner::<A::Error>()?;
        }
        Ok(())
    }
}

/// A map key; refuses the reserved one where it was spelt with escapes, which is when
/// `serde_json` hands over a copy instead of a part of the text.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<String, E> {
        Ok(key.to_owned())
    }
    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if key.contains("serde_json::private") {
            return Err(E::custom("reserved key"));
        }
        Ok(key.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        match parse_strict(text.as_bytes(), Limits { bytes: 1000, depth: 3 }) {
            Err(e) => e.to_string(),
            Ok(v) => panic!("{text} was read as {v}"),
        }
    }

    #[test]
    fn refuses_an_object_with_two_equal_keys() {
        assert!(refused(r#"{"a":1,"a":2}"#).contains("same key twice"));
        assert!(refused(r#"{"a":1,"\u0061":2}"#).contains("same key twice"));
        assert!(refused(r#"[{"b":{"a":1,"a":1}}]"#).contains("same key twice"));
    }

    #[test]
    fn refuses_what_is_too_deep_or_too_large() {
        assert!(refused("[[[[1]]]]").contains("too deep"));
        assert!(refused("[[[{}]]]").contains("too deep"));
        assert!(refused(&format!("\"{}\"", "x".repeat(1000))).contains("at most 1000"));
    }

    #[test]
    fn refuses_numbers_beyond_a_double_in_every_build() {
        for text in ["1e400", "[-1e400]", r#"{"a":1e9999}"#, &format!("1{}", "0".repeat(400))] {
            assert!(refused(text).contains("out of range"), "{text}");
        }
    }

    #[test]
    fn an_error_never_carries_what_a_terminal_would_obey() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Empty {}
        let text = r#"{"\u001b[2J\u202e":1}"#.as_bytes();
        let error = from_slice_strict::<Empty>(text, Limits::SMALL).expect_err("unknown field");
        let shown = error.to_string();
        assert!(shown.contains("u{1b}") && shown.is_ascii(), "{shown:?}");
    }

    #[test]
    fn refuses_more_values_than_any_document_has() {
        for value in ["0", "1.5e300", "\"\"", "[]", "{}"] {
            let text = format!("[{value}{}]", format!(",{value}").repeat(MAX_VALUES));
            let error = parse_strict(text.as_bytes(), Limits::DOCUMENT).expect_err(value);
            assert!(error.to_string().contains("100000 values"), "{value}: {error}");
        }
        let text = format!("[1.5e2{}]", ",1.5e2".repeat(MAX_VALUES - 1));
        assert!(parse_strict(text.as_bytes(), Limits::DOCUMENT).is_ok());
    }

    #[test]
    fn refuses_trailing_bytes_and_the_reserved_key() {
        refused("{} {}");
        refused(r#"{"$serde_json::private::Number":"1"}"#);
        refused(r#"{"\u0024serde_json::private::Number":"1"}"#);
        refused(r#"{"$serde_json\u003a:private::Number":"1"}"#);
    }

    #[test]
    fn reads_numbers_at_the_deepest_level() -> Result<(), JsonError> {
        let value = parse_strict(b"[[[1, 2.5, -3]]]", Limits { bytes: 99, depth: 3 })?;
        assert_eq!(value.to_string(), "[[[1,2.5,-3]]]");
        Ok(())
    }

    #[test]
    fn refuses_an_array_where_an_object_is_asked_for() {
        #[derive(Debug, serde::Deserialize)]
        struct Pair {
            _a: u8,
        }
        assert!(from_slice_strict::<Pair>(br#"{"_a":1}"#, Limits::SMALL).is_ok());
        assert!(from_slice_strict::<Pair>(b"[1]", Limits::SMALL).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::hash_map(".{0,8}", inner, 0..8)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_form_reads_back_and_is_stable(value in any_json()) {
            let bytes = canonicalize(&value).expect("finite JSON canonicalises");
            let read = parse_strict(&bytes, Limits::DOCUMENT).expect("JCS output is strict JSON");
            prop_assert_eq!(&read, &value);
            prop_assert_eq!(canonicalize(&read).expect("again"), bytes);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = parse_strict(&bytes, Limits::SMALL);
        }
    }
}
