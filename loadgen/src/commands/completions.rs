//! `wssbench completions`: completion scripts for shells.

use std::io::Write;

use anyhow::Context;
use clap::Args;
use clap_complete::Shell;

/// `wssbench completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsCommand {
    /// Shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// If standard output cannot be written.
pub(crate) fn completions(command: &CompletionsCommand) -> anyhow::Result<()> {
    // Generated in memory: clap_complete panics if its output is a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut crate::cli::command(), "wssbench", &mut script);
    std::io::stdout().write_all(&script).context("cannot write the script to standard output")
}
