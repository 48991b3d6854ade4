//! The id in a JSON text, found without building a value: nothing is allocated, and what is not on the path is skipped.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// What is at the place of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundId {
    /// A number, or a string of its digits.
    Number(u64),
    /// Nothing.
    Missing,
    /// Something else, such as null.
    Other,
}

/// The parts of a JSON pointer (RFC 6901).
pub(super) fn path(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

/// What a text has at this path; `None` if it is not JSON.
pub(super) fn find(json: &[u8], path: &[String]) -> Option<FoundId> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let found = At(Some(path)).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(found)
}

/// Reads a value of which the part at this path is wanted, or nothing. [`serde::de::IgnoredAny`], which skips a value, would
/// allocate for a container in a container.
#[derive(Clone, Copy)]
struct At<'p>(Option<&'p [String]>);

impl At<'_> {
    /// The value is not a container.
    fn scalar(&self, found: FoundId) -> FoundId {
        if self.0.is_some_and(<[String]>::is_empty) { found } else { FoundId::Missing }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = FoundId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FoundId, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = FoundId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_u64<E>(self, number: u64) -> Result<FoundId, E> {
        Ok(self.scalar(FoundId::Number(number)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<FoundId, E> {
        Ok(self.scalar(FoundId::Other))
    }

    fn visit_f64<E>(self, _: f64) -> Result<FoundId, E> {
        Ok(self.scalar(FoundId::Other))
    }

    fn visit_bool<E>(self, _: bool) -> Result<FoundId, E> {
        Ok(self.scalar(FoundId::Other))
    }

    fn visit_unit<E>(self) -> Result<FoundId, E> {
        Ok(self.scalar(FoundId::Other))
    }

    fn visit_str<E>(self, text: &str) -> Result<FoundId, E> {
        // Only digits: `parse` would accept a sign.
        let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        Ok(self.scalar(number.map_or(FoundId::Other, FoundId::Number)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FoundId, A::Error> {
        let Some((key, rest)) = self.0.and_then(<[String]>::split_first) else {
            while map.next_entry_seed(At(None), At(None))?.is_some() {}
            return Ok(self.scalar(FoundId::Other));
        };
        let mut found = FoundId::Missing;
        while let Some(matches) = map.next_key_seed(KeyIs(key))? {
            if matches {
                found = map.next_value_seed(At(Some(rest)))?;
            } else {
                map.next_value_seed(At(None))?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<FoundId, A::Error> {
        let Some((index, rest)) = self.0.and_then(<[String]>::split_first) else {
            while sequence.next_element_seed(At(None))?.is_some() {}
            return Ok(self.scalar(FoundId::Other));
        };
        let wanted = index.parse::<usize>().ok();
        let mut found = FoundId::Missing;
        for at in 0.. {
            if wanted == Some(at) {
                match sequence.next_element_seed(At(Some(rest)))? {
                    Some(element) => found = element,
                    None => break,
                }
            } else if sequence.next_element_seed(At(None))?.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// Whether a key is this one.
struct KeyIs<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, pointer: &str) -> Option<FoundId> {
        find(json.as_bytes(), &path(pointer))
    }

    #[test]
    fn finds_numbers_and_strings_of_digits() {
        for (json, pointer, id) in [
            (r#"{"id":7}"#, "/id", 7),
            (r#"{"jsonrpc":"2.0","result":{"id":1,"a":[{}]},"id":"7"}"#, "/id", 7),
            (r#" {"params": {"list": [0, {"id": 7}, 9]}} "#, "/params/list/1/id", 7),
            (r#"{"a/b":{"~":7}}"#, "/a~1b/~0", 7),
            (r#"{"i\u0064":7}"#, "/id", 7),
            ("7", "", 7),
            (r#"{"id":1,"id":7}"#, "/id", 7),
        ] {
            assert_eq!(found(json, pointer), Some(FoundId::Number(id)), "{json}");
        }
    }

    #[test]
    fn says_what_is_there_instead() {
        for json in [r#"{"method":"tick"}"#, "[]", "[1]", "7", r#""id""#, r#"{"a":{"id":1}}"#, "null"] {
            assert_eq!(found(json, "/id"), Some(FoundId::Missing), "{json}");
        }
        for json in ["null", "-1", "1.5", "true", r#""seven""#, r#""""#, "{}", "[1]", "18446744073709551616"] {
            assert_eq!(found(&format!(r#"{{"id":{json}}}"#), "/id"), Some(FoundId::Other), "{json}");
        }
        for json in ["", "{", r#"{"id":7"#, r#"{"id":7}{}"#, "hello", "{'id':7}", r#"{"id":7}}"#] {
            assert_eq!(found(json, "/id"), None, "{json}");
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = format!("{{\"a\":{}{},\"id\":7}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        // Found or refused, but without a crash.
        let _ = found(&deep, "/id");
    }
}
