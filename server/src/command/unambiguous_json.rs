//! JSON whose objects have each key once. Of two values of a key a parser takes the last, so that what stands first, such as one side of
//! a merge that went wrong, would be lost without a word.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

/// Parses a text.
pub fn parse(text: &str) -> Result<Json, serde_json::Error> {
    serde_json::from_str::<Unambiguous>(text).map(|Unambiguous(json)| json)
}

struct Unambiguous(Json);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading).map(Self)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("`{key}` stands twice in one object")));
            }
            let Unambiguous(value) = entries.next_value()?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_any_parser_reads_them() {
        for text in
            [r#"{"b": [1, -2, 2.5, 18446744073709551615, null, true], "a": {"b": "x\n\u00e8"}}"#, "[]", "\"\"", "0"]
        {
            let read = parse(text).unwrap();
            assert_eq!(read, serde_json::from_str::<Json>(text).unwrap());
            assert_eq!(read.to_string(), serde_json::from_str::<Json>(text).unwrap().to_string(), "in the same order");
        }
        for text in ["", "{", "{\"a\": 1,}", "[1] 2", "nul"] {
            assert!(!parse(text).unwrap_err().is_data(), "{text}");
        }
    }

    #[test]
    fn a_key_stands_once_in_an_object() {
        assert!(parse(r#"[{"a": 1}, {"a": {"a": 2}}]"#).is_ok());
        let fault = parse("{\"x\": [{\n  \"a\": 1, \"b\": 2,\n  \"a\": 1}]}").unwrap_err();
        assert!(fault.is_data());
        assert!(fault.to_string().starts_with("`a` stands twice in one object at line 3"), "{fault}");
    }
}
