//! The options of `run` as axes: each of them takes a list here. They come from the parser of `run`, so that a new option
//! is an axis at once.
//!
//! Values are passed on as they were written, `--option=value`, and are checked by the parser of `run`, so that an unknown
//! value gets the same error in both commands.

use std::ffi::OsStr;

use anyhow::anyhow;
use clap::builder::{PossibleValue, Resettable, StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use wss_model::Layer;

use crate::child::run_options::{Shape, describe, for_run, name, parse, run_command, shape};

/// Stands for every value that an option lists, but for `auto`, which is one of the others.
const ALL: &str = "all";

/// Options of `run` that the sweep itself sets, by their ID.
const SET_BY_SWEEP: [&str; 5] = ["mode", "duration", "warmup", "seed", "time_slice"];

/// Heading of the options that have none in `run`.
const HEADING: &str = "Options of run (each takes a list)";

/// An option of `run` with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Axis {
    /// The arguments for `run`, per value: usually one; all of them for an option that may be given several times.
    pub(super) values: Vec<Vec<String>>,
}

impl Axis {
    /// The name of the option with its dashes; empty for the URL.
    pub(super) fn name(&self) -> &str {
        self.values.iter().flatten().next().map_or("", |argument| name(argument))
    }
}

/// Drops the options of TLS from a configuration whose layer has none, so that a product of layers and providers has each
/// layer without TLS only once.
pub(super) fn without_irrelevant(options: Vec<String>) -> Vec<String> {
    let layer = parse(&options).ok().and_then(|config| config.layer());
    if layer.is_none_or(Layer::has_tls) {
        return options;
    }
    let run = run_command();
    let is_for_tls = |option: &String| {
        let known = run
            .get_arguments()
            .find(|argument| argument.get_long().is_some_and(|long| name(option).strip_prefix("--") == Some(long)));
        known.is_some_and(|argument| {
            matches!(argument.get_help_heading(), Some("TLS" | "Trust"))
                || argument.get_id().as_str().ends_with("_provider")
        })
    };
    options.into_iter().filter(|option| !is_for_tls(option)).collect()
}

/// Adds the axes to the command `sweep`.
pub(super) fn augment(command: Command) -> Command {
    let run = run_command();
    let axes = run.get_arguments().filter(|argument| !SET_BY_SWEEP.contains(&argument.get_id().as_str())).map(list);
    axes.fold(command, Command::arg)
}

fn list(argument: &Arg) -> Arg {
    let listed = Listed(argument.get_possible_values());
    let list = argument.clone().action(ArgAction::Append).default_value(Resettable::Reset);
    // After the options of the sweep itself.
    let list = if argument.get_help_heading().is_none() { list.help_heading(HEADING) } else { list };
    match shape(argument) {
        Shape::Flag => list
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_delimiter(',')
            .value_parser(Listed(vec![PossibleValue::new("true"), PossibleValue::new("false")])),
        Shape::List => list.value_delimiter(',').value_parser(listed),
        Shape::Repeated | Shape::Whole => list.value_parser(listed),
    }
}

/// Accepts any text, and lists the possible values in the help.
#[derive(Debug, Clone)]
struct Listed(Vec<PossibleValue>);

impl TypedValueParser for Listed {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        (!self.0.is_empty()).then(|| Box::new(self.0.iter().cloned()) as Box<dyn Iterator<Item = _>>)
    }
}

/// The axes on the command line.
pub(super) fn given(matches: &ArgMatches) -> Vec<Axis> {
    let run = run_command();
    let given = run.get_arguments().filter(|argument| {
        let id = argument.get_id().as_str();
        !SET_BY_SWEEP.contains(&id) && matches.value_source(id) == Some(ValueSource::CommandLine)
    });
    given.map(|argument| axis(argument, matches)).filter(|axis| !axis.values.is_empty()).collect()
}

fn axis(argument: &Arg, matches: &ArgMatches) -> Axis {
    let given = matches.get_many::<String>(argument.get_id().as_str()).into_iter().flatten();
    let possible = argument.get_possible_values();
    let is_value = |value: &&PossibleValue| !value.is_hide_set() && value.get_name() != "auto";
    let every = || possible.iter().filter(is_value).map(|value| value.get_name().to_owned());
    let shape = shape(argument);
    let mut values: Vec<String> = Vec::new();
    for value in given {
        match (value.as_str(), &shape) {
            (ALL, Shape::Flag) => values.extend(["true".to_owned(), "false".to_owned()]),
            (ALL, Shape::List) if !possible.is_empty() => values.extend(every()),
            _ => values.push(value.clone()),
        }
    }
    let long = argument.get_long().map(|long| format!("--{long}"));
    let written = |value: &String| match (&long, &shape) {
        (Some(long), Shape::Flag) if value == "true" => vec![long.clone()],
        (Some(long), _) => vec![format!("{long}={value}")],
        (None, _) => vec![value.clone()],
    };
    Axis {
        values: match shape {
            Shape::Whole => vec![values.iter().flat_map(written).collect()],
            _ => values.iter().map(written).collect(),
        },
    }
}

/// Checks each value of an axis on its own.
///
/// # Errors
/// The error of `run` for the first value that it rejects.
pub(super) fn check(axis: &Axis) -> anyhow::Result<()> {
    for value in &axis.values {
        match run_command().try_get_matches_from(for_run(value)) {
            Ok(_) => {}
            // Another axis may add the missing option.
            Err(error) if matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict) => {}
            Err(error) => return Err(anyhow!(describe(&error))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(arguments: &[&str]) -> Vec<Axis> {
        let command = augment(Command::new("sweep").no_binary_name(true));
        given(&command.try_get_matches_from(arguments).unwrap())
    }

    fn values(arguments: &[&str]) -> Vec<Vec<Vec<String>>> {
        axes(arguments).into_iter().map(|axis| axis.values).collect()
    }

    #[test]
    fn an_option_takes_a_list_and_keeps_its_spelling() {
        assert_eq!(
            values(&["--suite", "aes128,CHACHA20", "--layer=wss", "--suite", "aes256"]),
            [
                vec![vec!["--layer=wss".to_owned()]],
                vec![
                    vec!["--suite=aes128".to_owned()],
                    vec!["--suite=CHACHA20".to_owned()],
                    vec!["--suite=aes256".to_owned()]
                ],
            ]
        );
        assert!(values(&[]).is_empty());
    }

    #[test]
    fn all_stands_for_the_listed_values() {
        let layers = &axes(&["--layer", "all"])[0];
        assert_eq!(
            layers.values.iter().flatten().collect::<Vec<_>>(),
            ["--layer=wss", "--layer=ws", "--layer=tls", "--layer=tcp"]
        );
        assert_eq!(layers.name(), "--layer");
        // A certificate can also be a file; only the kinds are listed.
        assert_eq!(axes(&["--cert", "all"])[0].values.len(), 9);
        // A number has no list, and the parser rejects `all`.
        assert!(check(&axes(&["--connections", "all"])[0]).unwrap_err().to_string().contains("'all'"));
    }

    #[test]
    fn a_flag_is_an_axis_and_a_value_may_contain_commas() {
        assert_eq!(values(&["--mtls=true,false"]), [vec![vec!["--mtls".to_owned()], vec!["--mtls=false".to_owned()]]]);
        assert_eq!(values(&["--mtls"]), [vec![vec!["--mtls".to_owned()]]]);
        assert_eq!(for_run(&["--mtls=false".to_owned(), "--ca=false".to_owned()]), ["--ca=false"]);
        assert_eq!(values(&["--client-cpus", "0,1"]), [vec![vec!["--client-cpus=0,1".to_owned()]]]);
        assert_eq!(values(&["--alpn", "a", "--alpn", "b"]), [vec![vec!["--alpn=a".to_owned(), "--alpn=b".to_owned()]]]);
        let commands = ["a --b 1,2", "c"].map(|command| vec![format!("--server={command}")]);
        assert_eq!(values(&["--server", "a --b 1,2", "--server", "c"]), [commands]);
        assert_eq!(values(&["ws://a/", "ws://b/"]), [vec![vec!["ws://a/".to_owned()], vec!["ws://b/".to_owned()]]]);
    }

    #[test]
    fn an_unknown_value_is_reported_with_similar_ones() {
        let sentence = check(&axes(&["--engine", "epol"])[0]).unwrap_err().to_string();
        assert!(sentence.starts_with("invalid value 'epol' for '--engine"), "{sentence}");
        assert!(sentence.contains("tokio-uring") && sentence.contains("similar value exists: 'epoll'"), "{sentence}");
        assert!(!sentence.contains("Usage"), "{sentence}");
    }

    #[test]
    fn options_that_the_sweep_sets_are_not_axes() {
        for option in ["--mode=echo", "--duration=3s", "--warmup=1s"] {
            let command = augment(Command::new("sweep").no_binary_name(true));
            assert!(command.try_get_matches_from([option]).is_err(), "{option}");
        }
    }
}
