//! `wssbench export`: a result in a form that another program reads.
//!
//! The file goes to standard output and what there is to say about it to standard error, so that it can be piped.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use wss_model::store;
use wss_report::export::{self, Better, Format, Options, Source};

use crate::output;
use crate::setup::preflight;

/// `wssbench export`.
#[derive(Debug, Args)]
pub(crate) struct ExportCommand {
    /// The result's file: of a run or of a comparison
    #[arg(value_name = "RESULT")]
    result: PathBuf,

    /// The form
    #[arg(long, value_enum)]
    format: Format,

    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The latency to write, of hgrm, by its name in the result: handshake.tls [default: what the run is about]
    #[arg(long, value_name = "NAME")]
    latency: Option<String>,

    /// The figures to write, of github-action-benchmark, which takes one sort a file
    #[arg(long, value_enum, default_value_t)]
    better: Better,
}

/// Reads, turns and writes.
///
/// # Errors
/// If the file is no result that can be trusted to be whole, if it has no such form, or if it cannot be written.
pub(crate) fn export(command: &ExportCommand) -> anyhow::Result<()> {
    if let Some(path) = &command.out {
        preflight::check_output(path)?;
        preflight::check_not_input(path, std::slice::from_ref(&command.result))?;
    }
    let source = Source::read(&command.result)?;
    let options = Options { format: command.format, latency: command.latency.as_deref(), better: command.better };
    let exported =
        export::export(&source, &options).with_context(|| format!("exporting {}", command.result.display()))?;
    for note in &exported.notes {
        output::note(&format!("note: {note}"));
    }
    match &command.out {
        Some(path) => Ok(store::write_text(&exported.text, path)?),
        None => output::print(&exported.text),
    }
}
