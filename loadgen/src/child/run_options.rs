//! The options of `run` as arguments, `--option=value`, for the commands that start runs.

use std::any::TypeId;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use wss_model::RunConfig;
use wss_model::config::{CpuList, arguments};

/// `--suite` of `--suite=aes128`; empty for a URL.
pub(crate) fn name(argument: &str) -> &str {
    if argument.starts_with("--") { argument.split('=').next().unwrap_or(argument) } else { "" }
}

/// The parser of the options of `run`.
pub(crate) fn run_command() -> Command {
    RunConfig::augment_args(Command::new("wssbench run").no_binary_name(true))
}

/// Options whose value may contain commas, beyond those that their type marks.
const MAY_HAVE_COMMAS: [&str; 3] = ["server", "at", "server_stats"];

/// How an option of `run` becomes a list.
pub(crate) enum Shape {
    /// `--mtls`, and here also `--mtls=true,false`.
    Flag,
    /// `--suite a,b`.
    List,
    /// `--client-cpus 0,1`: the value may contain commas; give the option once per value.
    Repeated,
    /// `--alpn a --alpn b`: together one value, as in `run`.
    Whole,
}

/// The shape of `argument`.
pub(crate) fn shape(argument: &Arg) -> Shape {
    let value = argument.get_value_parser().type_id();
    match argument.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => Shape::Flag,
        ArgAction::Append => Shape::Whole,
        _ if MAY_HAVE_COMMAS.contains(&argument.get_id().as_str()) => Shape::Repeated,
        _ if argument.is_positional() || value == TypeId::of::<CpuList>() || value == TypeId::of::<PathBuf>() => {
            Shape::Repeated
        }
        _ => Shape::List,
    }
}

/// The arguments in the form that `run` takes: without flags that are `=false`.
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

/// Parses arguments of `run`.
///
/// # Errors
/// The message of the parser.
pub(crate) fn parse(arguments: &[String]) -> anyhow::Result<RunConfig> {
    let matches = run_command().try_get_matches_from(for_run(arguments)).map_err(|error| anyhow!(describe(&error)))?;
    RunConfig::from_arg_matches(&matches).map_err(|error| anyhow!(describe(&error)))
}

/// The options of a run that differ from the defaults, as arguments. The seed is left out: it is no choice of the load.
pub(crate) fn of(config: &RunConfig) -> Vec<String> {
    arguments(&RunConfig { seed: RunConfig::default().seed, ..config.clone() })
}

/// The message of a parser's error, without usage and hints for help.
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
    fn arguments_leave_out_defaults_and_the_seed() {
        assert_eq!(of(&RunConfig::default()), [""; 0]);
        let words =
            ["--connections=4", "--seed=7", "--mtls", "--suite=TLS13_CHACHA20_POLY1305_SHA256", "--echo-timeout=3s"];
        let config = parse(&words.map(str::to_owned)).unwrap();
        let arguments = of(&config);
        assert!(!arguments.iter().any(|option| option.contains("seed")), "{arguments:?}");
        for option in ["--connections=4", "--mtls", "--suite=TLS13_CHACHA20_POLY1305_SHA256", "--echo-timeout=3s"] {
            assert!(arguments.contains(&option.to_owned()), "{option} is not in {arguments:?}");
        }
    }
}
