//! In which fields two results differ that have to be the same for the two to be compared.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use wss_model::run_result::RunResult;

/// A field in which two results differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Where it stands: `config.tls.suite`.
    pub field: String,
    /// What it is in the one, as JSON.
    pub a: String,
    /// What it is in the other.
    pub b: String,
}

/// Fields of a run's configuration that say how it was told, and not what was measured.
const NO_MATTER: [&str; 1] = ["config.seed"];

/// What has to be the same for two runs to be compared: what was asked, what was negotiated, and the machine. By the
/// field's name, as JSON. The program may differ, since it is what is compared; a debug build from a release build not.
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
    });
    flatten("environment", &machine, &mut fields);
    let forms = [("client", Some(&run.client)), ("server", run.server.as_ref())];
    fields.extend(forms.into_iter().filter_map(|(end, arm)| {
        let form = arm?.engine_features.clone()?;
        Some((format!("{end}.engine_features"), form))
    }));
    fields.insert("tool.profile".to_owned(), run.tool.profile.clone());
    let sorts: BTreeSet<String> =
        run.negotiated.iter().map(|sort| wss_model::text::phrases::describe_handshake(&sort.negotiated)).collect();
    fields.insert("negotiated".to_owned(), sorts.into_iter().collect::<Vec<_>>().join("; "));
    fields.retain(|name, _| !NO_MATTER.contains(&name.as_str()));
    fields
}

/// Where two such sets differ, but for the fields in `vary` and what lies below them.
pub fn between(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>, vary: &[String]) -> Vec<Difference> {
    let varied = |field: &str| {
        let below = |named: &String| field.strip_prefix(named.as_str()).is_some_and(|rest| rest.starts_with('.'));
        vary.iter().any(|named| named == field || below(named))
    };
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let value =
        |of: &BTreeMap<String, String>, name: &str| of.get(name).cloned().unwrap_or_else(|| "absent".to_owned());
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
