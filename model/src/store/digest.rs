//! The digest at the end of a file, by which an edit of it shows.
//!
//! It is over what the JSON says and not over its bytes, so that another layout or order of fields, as a formatter
//! makes it, changes nothing. It proves no origin: who wants to forge can make a new one.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The name of the field that holds it.
pub(super) const FIELD: &str = "digest";

/// A result with the digest of all of it, as it stands in a file.
#[derive(Serialize)]
pub(super) struct Sealed<'a, T> {
    #[serde(flatten)]
    result: &'a T,
    digest: String,
}

impl<'a, T: Serialize> Sealed<'a, T> {
    pub(super) fn new(result: &'a T) -> serde_json::Result<Self> {
        Ok(Self { result, digest: of(&serde_json::to_value(result)?) })
    }
}

/// Whether a file holds what it was written with. One without a digest, from before there were any, cannot tell, and is
/// taken.
pub(super) fn is_as_written(mut file: Value) -> bool {
    let written = file.as_object_mut().and_then(|fields| fields.remove(FIELD));
    written.is_none_or(|written| written.as_str() == Some(&of(&file)))
}

/// `sha256:` and 64 hexadecimal digits.
fn of(value: &Value) -> String {
    let mut hash = Sha256::new();
    feed(&mut hash, value);
    let hexadecimal: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}

/// Each value by its sort and its length, so that none reads as another.
fn feed(hash: &mut Sha256, value: &Value) {
    let text = |hash: &mut Sha256, sort: u8, text: &str| {
        hash.update([sort]);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(true) => hash.update(b"t"),
        Value::Bool(false) => hash.update(b"f"),
        // By their value: 1 and 1.0 are the same to JSON.
        Value::Number(number) => {
            hash.update(b"#");
            hash.update(number.as_f64().unwrap_or(f64::NAN).to_be_bytes());
        }
        Value::String(string) => text(hash, b's', string),
        Value::Array(values) => {
            hash.update(b"[");
            hash.update((values.len() as u64).to_be_bytes());
            values.iter().for_each(|value| feed(hash, value));
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            hash.update(b"{");
            hash.update((fields.len() as u64).to_be_bytes());
            for (name, value) in fields {
                text(hash, b's', name);
                feed(hash, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn sealed(value: &Value) -> Value {
        serde_json::to_value(Sealed::new(value).unwrap()).unwrap()
    }

    #[test]
    fn an_edit_of_anything_shows_and_another_layout_does_not() {
        let file = sealed(&json!({ "ratio": 1.031, "blocks": [1, 2, { "valid": true }], "why": null }));
        let text = serde_json::to_string_pretty(&file).unwrap();
        assert!(is_as_written(serde_json::from_str(&text).unwrap()));
        assert!(is_as_written(serde_json::from_str(&text.replace("2,", "2.0,").replace(' ', "")).unwrap()));
        for (from, to) in [("1.031", "1.013"), ("true", "false"), ("null", "0"), ("why", "who"), ("1,", "1, 1,")] {
            assert!(text.contains(from));
            assert!(!is_as_written(serde_json::from_str(&text.replacen(from, to, 1)).unwrap()), "{from} became {to}");
        }
    }

    #[test]
    fn what_moves_from_one_value_into_the_next_shows() {
        let digests =
            [json!(["ab", "c"]), json!(["a", "bc"]), json!([["ab", "c"]]), json!(["ab", ["c"]])].map(|one| of(&one));
        for (at, one) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn a_file_from_before_there_were_digests_is_taken() {
        assert!(is_as_written(json!({ "ratio": 1.5 })));
        assert!(!is_as_written(json!({ "ratio": 1.5, "digest": 7 })));
    }

    proptest! {
        #[test]
        fn any_number_is_the_same_after_it_was_written_and_read(number in any::<f64>().prop_filter("JSON has no other", |number| number.is_finite())) {
            let text = serde_json::to_string(&sealed(&json!({ "number": number }))).unwrap();
            prop_assert!(is_as_written(serde_json::from_str(&text).unwrap()));
        }
    }
}
