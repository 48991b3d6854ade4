//! The options of `wssbench run`.

use std::path::PathBuf;

use clap::{ArgMatches, Args};
use wss_model::RunConfig;

use crate::commands::report::HtmlOption;
use crate::config_file;

/// `wssbench run`.
#[derive(Debug, Args)]
pub(crate) struct RunCommand {
    /// Read options from a TOML file
    ///
    /// Options on the command line take precedence. Keys are option names with _ instead of -; the options under TLS, Trust and Limits are in the tables [tls],
    /// [trust] and [limits].
    #[arg(id = "config_file", long = "config", value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) config: RunConfig,

    /// Print the result as JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    /// Print every table instead of a summary
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pub(crate) verbose: bool,

    /// Result file [default: results/runs/ID.json]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) html: HtmlOption,
}

impl RunCommand {
    /// Merges the file that `--config` names with the command line; `matches` knows which options the user gave.
    ///
    /// # Errors
    /// If the file cannot be read as options.
    pub(crate) fn with_config_file(mut self, matches: &ArgMatches) -> anyhow::Result<Self> {
        if let Some(path) = &self.config_file {
            self.config = config_file::merge(path, &self.config, matches)?;
        }
        Ok(self)
    }
}
