//! `--config FILE`: TOML of [`RunConfig`], under what the command line names; and the same as the options that it stands
//! for, where several layers of options meet.

use std::path::Path;

use anyhow::Context;
use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::Value;
use wss_model::RunConfig;
use wss_model::config::{arguments_of_fields, fields};

/// The configuration of a file, with each option that the command line names laid over it. `command_line` is what
/// was parsed from it, defaults included; `given` tells which of them the user wrote.
///
/// # Errors
/// If the file cannot be read, is no TOML, or has a key that is no option: with the line.
pub(crate) fn layer(path: &Path, command_line: &RunConfig, given: &ArgMatches) -> anyhow::Result<RunConfig> {
    let (file, _) = read(path)?;
    let mut merged = serde_json::to_value(&file).context("laying the command line over the file")?;
    let named = serde_json::to_value(command_line).context("laying the command line over the file")?;
    for id in given.ids().map(clap::Id::as_str) {
        if given.value_source(id) == Some(ValueSource::CommandLine) {
            overlay(&mut merged, &named, id);
        }
    }
    serde_json::from_value(merged).context("laying the command line over the file")
}

/// The options of a file, and nothing of what it leaves to the defaults: `--size=16KiB` each, a URL as it is.
///
/// # Errors
/// As [`layer`].
pub(crate) fn options(path: &Path) -> anyhow::Result<Vec<String>> {
    let (_, named) = read(path)?;
    let named = serde_json::to_value(named).context("laying the file's options out")?;
    Ok(arguments_of_fields::<RunConfig>(&fields(&named)))
}

/// What a file says: understood, and as it stands there.
fn read(path: &Path) -> anyhow::Result<(RunConfig, toml::Table)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let reading = || format!("reading the options of {}", path.display());
    Ok((toml::from_str(&text).with_context(reading)?, toml::from_str(&text).with_context(reading)?))
}

/// Copies the field `name` from one configuration to another: at the top, or in whichever table has it.
fn overlay(to: &mut Value, from: &Value, name: &str) {
    let (Some(to), Some(from)) = (to.as_object_mut(), from.as_object()) else { return };
    for (key, value) in from {
        match to.get_mut(key) {
            Some(old) if key == name => *old = value.clone(),
            Some(table) if value.is_object() => overlay(table, value, name),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::{Args, FromArgMatches};
    use wss_model::{Rate, Size};

    use super::*;

    fn layered(toml: &str, arguments: &[&str]) -> anyhow::Result<RunConfig> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let matches = RunConfig::augment_args(clap::Command::new("run"))
            .get_matches_from(std::iter::once("run").chain(arguments.iter().copied()));
        layer(file.path(), &RunConfig::from_arg_matches(&matches).unwrap(), &matches)
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_defaults() {
        let config = layered(
            "connections = 7\nrate = \"5k/s\"\nsize = 100\n[limits]\necho_timeout = \"3s\"\nhandshake_timeout = \"4s\"",
            &["--rate", "max", "--echo-timeout", "9s"],
        )
        .unwrap();
        assert_eq!((config.connections, config.rate, config.size), (7, Rate::Max, Size(100)));
        assert_eq!(config.limits.echo_timeout.to_string(), "9s");
        assert_eq!(config.limits.handshake_timeout.to_string(), "4s");
        assert_eq!(config.duration, RunConfig::default().duration);
    }

    #[test]
    fn the_options_of_a_file_are_understood_as_the_file_is() {
        let text = "connections = 7\nrate = 5000\nsize = \"16KiB\"\nno_first_echo = false\nclient_cpus = \"0,1\"\n\
                    [tls]\ntls_version = \"1.3\"\nmtls = true\nalpn = [\"a\", \"b\"]\nresume = \"50%\"\n\
                    [limits]\necho_timeout = \"3s\"";
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let options = options(file.path()).unwrap();
        assert_eq!(crate::child::run_options::parse(&options).unwrap(), layered(text, &[]).unwrap(), "{options:?}");
        assert!(options.contains(&"--mtls".to_owned()) && options.contains(&"--no-first-echo=false".to_owned()));
    }

    #[test]
    fn an_unknown_key_and_a_rate_of_zero_are_told_with_their_line() {
        let error = format!("{:#}", layered("connections = 7\nspeed = 3", &[]).unwrap_err());
        assert!(error.contains("speed") && error.contains("line 2"), "{error}");
        let error = format!("{:#}", layered("rate = 0", &[]).unwrap_err());
        assert!(error.contains("would never send"), "{error}");
    }
}
