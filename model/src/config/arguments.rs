//! Options as arguments: the one way from a struct of options, or from its JSON or TOML, to `--option=value`.
//!
//! clap knows the options and serde their values. Both name an option after its field, so that no list of options is
//! kept by hand here.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use serde::Serialize;
use serde_json::Value;

/// The arguments that stand for `options`, without those that have their default.
pub fn arguments<T: Args + FromArgMatches + Serialize>(options: &T) -> Vec<String> {
    let fields_of = |options: &T| fields(&serde_json::to_value(options).unwrap_or_default());
    let (defaults, mut given) = (fields_of(&super::defaults()), fields_of(options));
    given.retain(|name, value| !value.is_null() && defaults.get(name) != Some(value));
    arguments_of_fields::<T>(&given)
}

/// The arguments that stand for named fields of `T`, in the order in which `T` declares them: `--size=16KiB`, `--mtls`,
/// a positional value as it is. Names that `T` does not have are left out.
pub fn arguments_of_fields<T: Args>(fields: &BTreeMap<String, Value>) -> Vec<String> {
    let command = T::augment_args(Command::new("options"));
    command
        .get_arguments()
        .filter_map(|argument| Some(arguments_of(argument, fields.get(argument.get_id().as_str())?)))
        .flatten()
        .collect()
}

/// The fields of a JSON object by name, including those of the objects in it.
pub fn fields(object: &Value) -> BTreeMap<String, Value> {
    let inner = |(name, value): (&String, &Value)| match value {
        Value::Object(_) => fields(value),
        leaf => BTreeMap::from([(name.clone(), leaf.clone())]),
    };
    object.as_object().into_iter().flatten().flat_map(inner).collect()
}

/// One option, once per value.
fn arguments_of(argument: &Arg, value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let Some(long) = argument.get_long() else { return vec![text(value)] };
    match (argument.get_action(), value) {
        (ArgAction::SetTrue, Value::Bool(true)) => vec![format!("--{long}")],
        (_, Value::Array(values)) => values.iter().map(|value| format!("--{long}={}", text(value))).collect(),
        (_, value) => vec![format!("--{long}={}", text(value))],
    }
}
