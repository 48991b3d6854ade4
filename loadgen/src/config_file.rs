//! `--config FILE`: a TOML file of the options of [`RunConfig`], or the result of a run, which is repeated.

use std::path::Path;

use anyhow::Context;
use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::Value;
use wss_model::config::{arguments_of_fields, fields};
use wss_model::{RunConfig, RunResult, store};

/// The configuration in a file, overridden by the options on the command line. `command_line` has the defaults too;
/// `matches` distinguishes them from what the user gave.
///
/// # Errors
/// If the file cannot be read, is not TOML, or has an unknown key; the error names the line.
pub(crate) fn merge(path: &Path, command_line: &RunConfig, matches: &ArgMatches) -> anyhow::Result<RunConfig> {
    const MERGING: &str = "cannot merge the file and the command line";
    let (file, _) = read(path)?;
    let mut merged = serde_json::to_value(&file).context(MERGING)?;
    let command_line = serde_json::to_value(command_line).context(MERGING)?;
    for id in matches.ids().map(clap::Id::as_str) {
        if matches.value_source(id) == Some(ValueSource::CommandLine) {
            copy_field(&mut merged, &command_line, id);
        }
    }
    serde_json::from_value(merged).context(MERGING)
}

/// The options that a file sets, as arguments such as `--size=16KiB`, without defaults.
///
/// # Errors
/// As [`merge`].
pub(crate) fn options(path: &Path) -> anyhow::Result<Vec<String>> {
    let (_, table) = read(path)?;
    let table = serde_json::to_value(table).context("cannot convert the file to options")?;
    Ok(arguments_of_fields::<RunConfig>(&fields(&table)))
}

/// The configuration in a file with defaults, and the table as written.
fn read(path: &Path) -> anyhow::Result<(RunConfig, toml::Table)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let invalid = || format!("invalid options in {}", path.display());
    if text.trim_start().starts_with('{') {
        let result: RunResult = store::read(path)?;
        let table = toml::Table::try_from(&result.config).with_context(invalid)?;
        return Ok((result.config, table));
    }
    Ok((toml::from_str(&text).with_context(invalid)?, toml::from_str(&text).with_context(invalid)?))
}

/// Copies the field `name` between two configurations: at the top, or in the table that has it.
fn copy_field(to: &mut Value, from: &Value, name: &str) {
    let (Some(to), Some(from)) = (to.as_object_mut(), from.as_object()) else { return };
    for (key, value) in from {
        match to.get_mut(key) {
            Some(old) if key == name => *old = value.clone(),
            Some(table) if value.is_object() => copy_field(table, value, name),
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

    fn merged(toml: &str, arguments: &[&str]) -> anyhow::Result<RunConfig> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(toml.as_bytes()).unwrap();
        let matches = RunConfig::augment_args(clap::Command::new("run"))
            .get_matches_from(std::iter::once("run").chain(arguments.iter().copied()));
        merge(file.path(), &RunConfig::from_arg_matches(&matches).unwrap(), &matches)
    }

    #[test]
    fn command_line_overrides_file_and_file_overrides_defaults() {
        let config = merged(
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
    fn options_of_a_file_mean_the_same_as_the_file() {
        let text = "connections = 7\nrate = 5000\nsize = \"16KiB\"\nno_first_echo = false\nclient_cpus = \"0,1\"\n\
                    [tls]\ntls_version = \"1.3\"\nmtls = true\nalpn = [\"a\", \"b\"]\nresume = \"50%\"\n\
                    [limits]\necho_timeout = \"3s\"";
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let options = options(file.path()).unwrap();
        assert_eq!(crate::child::run_options::parse(&options).unwrap(), merged(text, &[]).unwrap(), "{options:?}");
        assert!(options.contains(&"--mtls".to_owned()) && options.contains(&"--no-first-echo=false".to_owned()));
    }

    #[test]
    fn reports_unknown_keys_with_their_line() {
        let error = format!("{:#}", merged("connections = 7\nspeed = 3", &[]).unwrap_err());
        assert!(error.contains("speed") && error.contains("line 2"), "{error}");
        let error = format!("{:#}", merged("rate = 0", &[]).unwrap_err());
        assert!(error.contains("would never send"), "{error}");
    }
}
