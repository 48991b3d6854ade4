//! The options of `run` as text, `--option=value` each, between the verbs that start runs and the runs.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use serde_json::Value;
use wss_results::RunConfig;
use wss_results::config::CpuList;

/// `--suite=aes128` → `--suite`; nothing for a URL.
pub(crate) fn name(argument: &str) -> &str {
    if argument.starts_with("--") { argument.split('=').next().unwrap_or(argument) } else { "" }
}

/// The options of `run`, as `run` has them.
pub(crate) fn run_command() -> Command {
    RunConfig::augment_args(Command::new("wssbench run").no_binary_name(true))
}

/// How an option of `run` becomes a list.
pub(crate) enum Shape {
    /// `--mtls`, which can be `--mtls=true,false` here.
    Flag,
    /// `--suite a,b`.
    List,
    /// `--client-cpus 0,1`: a value with commas of its own. It can be given several times.
    Repeated,
    /// `--alpn a --alpn b`: one value, as in `run`.
    Whole,
}

/// How `argument` becomes a list.
pub(crate) fn shape(argument: &Arg) -> Shape {
    let value = argument.get_value_parser().type_id();
    match argument.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => Shape::Flag,
        ArgAction::Append => Shape::Whole,
        _ if argument.is_positional() || value == TypeId::of::<CpuList>() || value == TypeId::of::<PathBuf>() => {
            Shape::Repeated
        }
        _ => Shape::List,
    }
}

/// The same arguments as `run` takes them: there a flag that is not to be is left out.
pub(crate) fn for_run(arguments: &[String]) -> Vec<String> {
    let run = run_command();
    let is_off = |argument: &&String| {
        let flag = argument.strip_suffix("=false").and_then(|flag| flag.strip_prefix("--"));
        flag.is_some_and(|flag| {
            let mut known = run.get_arguments();
            known.any(|known| known.get_long() == Some(flag) && matches!(shape(known), Shape::Flag))
        })
    };
    arguments.iter().filter(|argument| !is_off(argument)).cloned().collect()
}

/// What `run` understands these arguments to be.
///
/// # Errors
/// If they cannot be together: in the parser's words.
pub(crate) fn parse(arguments: &[String]) -> anyhow::Result<RunConfig> {
    let matches = run_command().try_get_matches_from(for_run(arguments)).map_err(|error| anyhow!(in_words(&error)))?;
    RunConfig::from_arg_matches(&matches).map_err(|error| anyhow!(in_words(&error)))
}

/// The options of a run that are not the defaults, but for the seed: what else was asked, `--option=value` each.
pub(crate) fn of(config: &RunConfig) -> Vec<String> {
    let fields = |config: &RunConfig| {
        let mut fields = BTreeMap::new();
        leaves("", &serde_json::to_value(config).unwrap_or_default(), &mut fields);
        fields
    };
    let (usual, asked) = (fields(&RunConfig::default()), fields(config));
    let other = asked.into_iter().filter(|(name, value)| name != "seed" && usual.get(name) != Some(value));
    let run = run_command();
    let option = |(name, value): (String, Value)| {
        let argument = run.get_arguments().find(|argument| argument.get_id() == name.as_str())?;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(argument.get_long().map_or_else(|| value.clone(), |long| format!("--{long}={value}")))
    };
    other.filter_map(option).collect()
}

fn leaves(name: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| leaves(name, value, into)),
        leaf => drop(into.insert(name.to_owned(), leaf.clone())),
    }
}

/// A parser's error without what is around it: the first line and what it lists.
pub(crate) fn in_words(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.trim_start_matches("error: ");
    let end = ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|end| text.find(end)).min();
    text[..end.unwrap_or(text.len())].trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_that_are_not_the_defaults_are_told_and_the_seed_is_not() {
        assert_eq!(of(&RunConfig::default()), [""; 0]);
        let words =
            ["--connections=4", "--seed=7", "--mtls", "--suite=TLS13_CHACHA20_POLY1305_SHA256", "--echo-timeout=3s"];
        let config = parse(&words.map(str::to_owned)).unwrap();
        let told = of(&config);
        assert!(!told.iter().any(|option| option.contains("seed")), "{told:?}");
        for option in ["--connections=4", "--mtls=true", "--suite=TLS13_CHACHA20_POLY1305_SHA256", "--echo-timeout=3s"]
        {
            assert!(told.contains(&option.to_owned()), "{option} is not in {told:?}");
        }
    }
}
