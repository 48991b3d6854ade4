//! The fields that must be equal for two results to be comparable, and how two results differ in them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use wss_model::run_result::RunResult;
use wss_model::text::phrases::describe_handshake;

/// A field in which two results differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Path of the field: `config.tls.suite`.
    pub field: String,
    /// Its value in A, as JSON; `absent` without the field.
    pub a: String,
    /// Its value in B, likewise.
    pub b: String,
}

/// Fields that do not affect what is measured.
const IGNORED: [&str; 1] = ["config.seed"];

/// The fields of a run that must be equal for a comparison, by path, with values as JSON: configuration, kinds of
/// handshake, machine, engine features and build profile. The program itself is what is compared, so it may differ.
pub fn fields(run: &RunResult) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let environment = &run.environment;
    flatten("config", &serde_json::to_value(&run.config).unwrap_or_default(), &mut fields);
    let machine = serde_json::json!({
        "kernel": environment.kernel,
        "cpu_model": environment.cpu_model,
        "cores": environment.cores,
        "memory_gib": environment.memory_gib(),
        "governor": environment.governor,
        "hypervisor": environment.hypervisor,
        "clocksource": environment.clocksource,
        "settings": environment.settings,
    });
    flatten("environment", &machine, &mut fields);
    let ends = [("client", Some(&run.client)), ("server", run.server.as_ref())];
    fields.extend(ends.into_iter().filter_map(|(name, end)| {
        let features = end?.engine_features.clone()?;
        Some((format!("{name}.engine_features"), features))
    }));
    fields.insert("tool.profile".to_owned(), run.tool.profile.clone());
    let kinds: BTreeSet<String> = run.negotiated.iter().map(|kind| describe_handshake(&kind.negotiated)).collect();
    fields.insert("negotiated".to_owned(), kinds.into_iter().collect::<Vec<_>>().join("; "));
    fields.retain(|name, _| !IGNORED.contains(&name.as_str()));
    fields
}

/// How two sets of [`fields`] differ, except in the fields in `vary` and those below them.
pub fn between(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>, vary: &[String]) -> Vec<Difference> {
    let varied = |field: &str| {
        let below = |named: &String| field.strip_prefix(named.as_str()).is_some_and(|rest| rest.starts_with('.'));
        vary.iter().any(|named| named == field || below(named))
    };
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let value = |fields: &BTreeMap<String, String>, name: &str| {
        fields.get(name).cloned().unwrap_or_else(|| "absent".to_owned())
    };
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name) && !varied(name))
        .map(|name| Difference { field: name.clone(), a: value(a, name), b: value(b, name) })
        .collect()
}

fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| flatten(&format!("{name}.{field}"), value, into));
        }
        other => drop(into.insert(name.to_owned(), other.to_string())),
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: A {}, B {}", self.field, self.a, self.b)
    }
}
