//! JSON Schemas of results: what other programs can rely on.
//!
//! Every field is required; one without a value is null. A new field does not change the major version. The exception is
//! `config`: a reader rejects an option that it does not know, because it cannot tell what was run.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

/// JSON Schema, draft 2020-12, of the serialized form of a type.
pub fn of<T: JsonSchema>() -> serde_json::Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// [`of`], with the digest that [`store`](crate::store) adds to a file.
pub fn of_file<T: JsonSchema>() -> serde_json::Value {
    let mut schema = of::<T>();
    schema["properties"]["digest"] = serde_json::json!({
        "type": "string",
        "description": "SHA-256 over all other fields, so that an edit is noticed. Absent from older files.",
    });
    schema
}

/// Fails unless the committed `results/schema/<name>` equals `schema`; rewrites it if `UPDATE_SCHEMA` is set.
#[cfg(any(test, feature = "fixtures"))]
pub fn assert_committed(name: &str, schema: &serde_json::Value) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/schema").join(name);
    let schema = serde_json::to_string_pretty(schema).expect("a schema is JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &schema).expect("results/schema is writable");
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == schema,
        "results/schema/{name} does not match the types. Under this major version fields may only be added. If that is \
         what changed, run: UPDATE_SCHEMA=1 cargo test --workspace schema"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{echo_run, handshake_run};
    use crate::run_result::RunResult;

    #[test]
    fn the_committed_schema_matches_the_types() {
        assert_committed("wssbench.run-2.json", &of_file::<RunResult>());
    }

    #[test]
    fn a_result_of_either_mode_matches_the_schema() {
        let validator = jsonschema::validator_for(&of_file::<RunResult>()).unwrap();
        for result in [echo_run(), handshake_run()] {
            let errors: Vec<String> = validator
                .iter_errors(&serde_json::to_value(result).unwrap())
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert_eq!(errors, Vec::<String>::new());
        }
    }

    #[test]
    fn a_missing_field_violates_the_schema() {
        let validator = jsonschema::validator_for(&of_file::<RunResult>()).unwrap();
        let whole = serde_json::to_value(echo_run()).unwrap();
        for (parent, field) in
            [("", "valid"), ("", "echo"), ("/handshake", "lateness"), ("/handshake/tls", "p99_9"), ("/config", "rate")]
        {
            let mut lacking = whole.clone();
            lacking.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
            assert!(!validator.is_valid(&lacking), "{parent}/{field} is missing, and the result is valid");
        }
    }

    #[test]
    fn an_additional_field_matches_the_schema() {
        let validator = jsonschema::validator_for(&of_file::<RunResult>()).unwrap();
        let mut more = serde_json::to_value(echo_run()).unwrap();
        more["handshake"]["added_later"] = 1.into();
        assert!(validator.is_valid(&more));
    }
}
