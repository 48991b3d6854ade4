//! The digest at the end of a result file, which reveals edits.
//!
//! It covers the values of the JSON and not its bytes, so that reformatting and reordering do not change it. It does not
//! authenticate: anybody can compute a new digest.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Name of the field with the digest.
pub(super) const FIELD: &str = "digest";

/// A result with its digest, as stored in a file.
#[derive(Serialize)]
pub(super) struct Sealed<'a, T> {
    #[serde(flatten)]
    result: &'a T,
    digest: String,
}

impl<'a, T: Serialize> Sealed<'a, T> {
    pub(super) fn new(result: &'a T) -> serde_json::Result<Self> {
        Ok(Self { result, digest: digest_of(&serde_json::to_value(result)?) })
    }
}

/// Whether the values match the digest. Older files have no digest and are accepted.
pub(super) fn is_as_written(mut file: Value) -> bool {
    let written = file.as_object_mut().and_then(|fields| fields.remove(FIELD));
    written.is_none_or(|written| written.as_str() == Some(&digest_of(&file)))
}

/// `sha256:` and 64 hexadecimal digits.
fn digest_of(value: &Value) -> String {
    let mut hash = Sha256::new();
    feed(&mut hash, value);
    let hexadecimal: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}

/// Feeds each value with its type and length, so that no two different values give the same bytes.
fn feed(hash: &mut Sha256, value: &Value) {
    let text = |hash: &mut Sha256, tag: u8, text: &str| {
        hash.update([tag]);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(true) => hash.update(b"t"),
        Value::Bool(false) => hash.update(b"f"),
        // By value: JSON does not distinguish 1 from 1.0.
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
    fn detects_edits_and_ignores_formatting() {
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
    fn detects_text_that_moves_to_the_next_value() {
        let digests = [json!(["ab", "c"]), json!(["a", "bc"]), json!([["ab", "c"]]), json!(["ab", ["c"]])]
            .map(|one| digest_of(&one));
        for (at, one) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn accepts_a_file_without_a_digest() {
        assert!(is_as_written(json!({ "ratio": 1.5 })));
        assert!(!is_as_written(json!({ "ratio": 1.5, "digest": 7 })));
    }

    proptest! {
        #[test]
        fn any_number_matches_after_a_round_trip(number in any::<f64>().prop_filter("JSON has no other", |number| number.is_finite())) {
            let text = serde_json::to_string(&sealed(&json!({ "number": number }))).unwrap();
            prop_assert!(is_as_written(serde_json::from_str(&text).unwrap()));
        }
    }
}
