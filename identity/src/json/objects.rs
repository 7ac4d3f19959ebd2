//! Objects are read from objects, however deep they stand, and integers within what a double has exactly.
//!
//! A derived `Deserialize` also takes an array for a struct and fills its members in their order of
//! declaration. Another implementation has no such order: it would refuse what this one takes.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde_json::{Error, Value};

/// The greatest integer that every reader of JSON has: beyond it two texts are one double, and one name.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A value whose structs are objects, and whose integers every reader has. What a type reads through a buffer of serde's own (untagged and
/// internally tagged enums, flattened members) is not seen here.
pub(super) struct Objects(pub(super) Value);

impl Objects {
    fn no_object(&self) -> Error {
        let found = match &self.0 {
            Value::Array(_) => Unexpected::Seq,
            _ => Unexpected::Other("another value"),
        };
        de::Error::invalid_type(found, &"an object")
    }
}

impl<'de> IntoDeserializer<'de, Error> for Objects {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

/// What has no members is read as `serde_json` reads it.
macro_rules! as_it_is {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.0.$name(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Objects {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(list) => {
                let list = list.into_iter().map(Objects);
                let mut seq: SeqDeserializer<_, Error> = SeqDeserializer::new(list);
                let read = visitor.visit_seq(&mut seq)?;
                seq.end()?;
                Ok(read)
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| (name, Objects(value)));
                let mut map: MapDeserializer<'_, _, Error> = MapDeserializer::new(members);
                let read = visitor.visit_map(&mut map)?;
                map.end()?;
                Ok(read)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_object() { self.deserialize_any(visitor) } else { Err(self.no_object()) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.0.is_array() {
            return self.0.deserialize_seq(visitor);
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(members) if members.len() == 1 => {
                let members = members.into_iter().map(|(name, value)| (name, Objects(value)));
                let map: MapDeserializer<'_, _, Error> = MapDeserializer::new(members);
                visitor.visit_enum(MapAccessDeserializer::new(map))
            }
            other => other.deserialize_enum(name, variants, visitor),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.as_u64().is_some_and(|number| number > MAX_INTEGER) {
            return Err(de::Error::custom("an integer beyond 2^53 - 1"));
        }
        self.0.deserialize_u64(visitor)
    }

    as_it_is! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
        deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_unit_struct(name, visitor)
    }
}

#[cfg(test)]
mod tests {
    use crate::json::{Limits, from_slice_strict};
    use serde::Deserialize;
    use serde_json::{Map, Value};
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        a: u64,
        #[serde(default)]
        b: Option<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Plain,
        With(Inner),
        Both { a: u64 },
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(default)]
        one: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        named: BTreeMap<String, Inner>,
        #[serde(default)]
        pairs: Vec<(u64, u64)>,
        #[serde(default)]
        kinds: Vec<Kind>,
        #[serde(default)]
        free: Map<String, Value>,
        #[serde(default)]
        number: Option<f64>,
    }

    fn read(text: &str) -> Result<Outer, crate::json::JsonError> {
        from_slice_strict(text.as_bytes(), Limits::SMALL)
    }

    #[test]
    fn an_array_is_no_object_however_deep() {
        for text in [
            r#"{"one":[1,"x"]}"#,
            r#"{"list":[[1,"x"]]}"#,
            r#"{"named":{"n":[1,"x"]}}"#,
            r#"{"kinds":[{"with":[1,"x"]}]}"#,
            r#"{"kinds":[{"both":[1]}]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in [r#"{"one":1}"#, r#"{"one":"x"}"#, r#"{"named":[]}"#, r#"{"list":{}}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        let two = r#"{"kinds":[{"with":{"a":1},"plain":null}]}"#;
        assert!(read(two).is_err(), "two variants in one");
    }

    #[test]
    fn everything_else_is_read_as_ever() {
        let text = r#"{"one":{"a":1,"b":null},"list":[{"a":2,"b":"x"}],"named":{"n":{"a":3}},
            "pairs":[[1,2]],"kinds":["plain",{"with":{"a":4}},{"both":{"a":5}}],
            "free":{"deep":[{"n":1.50}],"large":9007199254740993},"number":2.50}"#;
        let found = read(text).expect("it is read");
        let inner = |a: u64, b: Option<&str>| Inner { a, b: b.map(str::to_owned) };
        assert_eq!(found.one, Some(inner(1, None)));
        assert_eq!(found.list, [inner(2, Some("x"))]);
        assert_eq!(found.named["n"], inner(3, None));
        assert_eq!(found.pairs, [(1, 2)]);
        assert_eq!(found.kinds, [Kind::Plain, Kind::With(inner(4, None)), Kind::Both { a: 5 }]);
        assert_eq!(found.free["deep"][0]["n"].as_f64(), Some(1.5));
        assert_eq!(found.free["large"].as_u64(), Some(9_007_199_254_740_993));
        assert_eq!(found.number, Some(2.5));
        assert!(read(r#"{"one":{"a":1,"c":2}}"#).is_err(), "an unknown member");
        assert!(read(r#"{"one":{"b":"x"}}"#).is_err(), "a member is missing");
        assert!(read(r#"{"one":{"a":1.0}}"#).is_err(), "a fraction");
        assert!(read(r#"{"one":{"a":9007199254740991}}"#).is_ok(), "2^53 - 1");
        assert!(read(r#"{"one":{"a":9007199254740992}}"#).is_err(), "2^53");
    }
}
