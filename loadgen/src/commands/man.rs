//! `wssbench man`: manual pages, generated from the command line.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

/// `wssbench man`.
#[derive(Debug, Args)]
pub(crate) struct ManCommand {
    /// Write wssbench.1 and a page per verb to this directory [default: print wssbench.1]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Prints or writes the pages.
///
/// # Errors
/// If they cannot be written.
pub(crate) fn man(command: &ManCommand) -> anyhow::Result<()> {
    let wssbench = crate::cli::command();
    match &command.directory {
        Some(directory) => {
            let failed = || format!("cannot write manual pages to {}", directory.display());
            std::fs::create_dir_all(directory).with_context(failed)?;
            clap_mangen::generate_to(wssbench, directory).with_context(failed)
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(wssbench).render(&mut page).context("cannot render the manual page")?;
            std::io::stdout().write_all(&page).context("cannot write the manual page to standard output")
        }
    }
}
