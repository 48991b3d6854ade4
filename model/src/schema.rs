//! The JSON Schema of a result: what other programs can rely on to find in its file.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::run_result::RunResult;

/// JSON Schema, draft 2020-12, of a file that [`store::write`](crate::store::write) makes: every field is required,
/// those without a value as null. Fields that are not named here may be added without a new major version,
/// but for options: a reader refuses a `config` with one that it does not know, since it cannot tell what was run.
///
/// The same as the committed `results/schema/wssbench.run-2.json`.
pub fn run_schema() -> serde_json::Value {
    of_file::<RunResult>()
}

/// JSON Schema, draft 2020-12, of what is written of a type.
pub fn of<T: JsonSchema>() -> serde_json::Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// [`of`], of what [`store`](crate::store) writes as a file, which ends with a digest.
pub fn of_file<T: JsonSchema>() -> serde_json::Value {
    let mut schema = of::<T>();
    schema["properties"]["digest"] = serde_json::json!({
        "type": "string",
        "description": "Over all other fields, by which an edit shows; absent of older files.",
    });
    schema
}

/// Fails unless `results/schema/<name>` is `schema`.
#[cfg(any(test, feature = "fixtures"))]
pub fn assert_committed(name: &str, schema: &serde_json::Value) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/schema").join(name);
    let schema = serde_json::to_string_pretty(schema).expect("a schema is JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &schema).expect("results/schema is writable");
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == schema,
        "results/schema/{name} is not what the types say. Only additions are free under this major version. If that is \
         what changed, run: UPDATE_SCHEMA=1 cargo test --workspace schema"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{echo_run, handshake_run};

    #[test]
    fn the_committed_schema_is_the_one_of_the_types() {
        assert_committed("wssbench.run-2.json", &run_schema());
    }

    #[test]
    fn a_result_of_either_mode_is_what_the_schema_says() {
        let validator = jsonschema::validator_for(&run_schema()).unwrap();
        for result in [echo_run(), handshake_run()] {
            let errors: Vec<String> = validator
                .iter_errors(&serde_json::to_value(result).unwrap())
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert_eq!(errors, Vec::<String>::new());
        }
    }

    #[test]
    fn a_result_that_lacks_a_field_is_not_what_the_schema_says() {
        let validator = jsonschema::validator_for(&run_schema()).unwrap();
        let whole = serde_json::to_value(echo_run()).unwrap();
        for (parent, field) in
            [("", "valid"), ("", "echo"), ("/handshake", "lateness"), ("/handshake/tls", "p99_9"), ("/config", "rate")]
        {
            let mut lacking = whole.clone();
            lacking.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
            assert!(!validator.is_valid(&lacking), "{parent}/{field} is missing, and it is valid");
        }
    }

    #[test]
    fn a_field_more_is_what_a_later_version_may_add() {
        let validator = jsonschema::validator_for(&run_schema()).unwrap();
        let mut more = serde_json::to_value(echo_run()).unwrap();
        more["handshake"]["added_later"] = 1.into();
        assert!(validator.is_valid(&more));
    }
}
