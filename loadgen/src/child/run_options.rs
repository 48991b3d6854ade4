//! The options of `run` as text, `--option=value` each, between the verbs that start runs and the runs.

use std::any::TypeId;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use wss_model::RunConfig;
use wss_model::config::{CpuList, arguments};

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
    let matches = run_command().try_get_matches_from(for_run(arguments)).map_err(|error| anyhow!(describe(&error)))?;
    RunConfig::from_arg_matches(&matches).map_err(|error| anyhow!(describe(&error)))
}

/// The options of a run that differ from the defaults, as arguments. The seed is left out: it is no choice of the load.
pub(crate) fn of(config: &RunConfig) -> Vec<String> {
    arguments(&RunConfig { seed: RunConfig::default().seed, ..config.clone() })
}

/// A parser's error without what is around it: the first line and what it lists.
pub(crate) fn describe(error: &clap::Error) -> String {
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
        for option in ["--connections=4", "--mtls", "--suite=TLS13_CHACHA20_POLY1305_SHA256", "--echo-timeout=3s"] {
            assert!(told.contains(&option.to_owned()), "{option} is not in {told:?}");
        }
    }
}
