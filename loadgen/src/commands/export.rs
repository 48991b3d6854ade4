//! `wssbench export`: a result in the format of another program.
//!
//! The exported text goes to standard output and notes go to standard error, so the text can be piped.

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
    /// The result of a run, a comparison or (--format summary-csv) a sweep (JSON, also .gz)
    #[arg(value_name = "RESULT")]
    result: PathBuf,

    /// The format to write
    #[arg(long, value_enum)]
    format: Format,

    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The latency to write with --format hgrm or cdf-csv, such as handshake.tls [default: the run's main latency]
    #[arg(long, value_name = "NAME")]
    latency: Option<String>,

    /// The figures to write with --format github-action-benchmark, which takes one kind per file
    #[arg(long, value_enum, default_value_t)]
    better: Better,
}

/// Reads, converts and writes.
///
/// # Errors
/// If the file is not a complete result, the format cannot hold it, or the output cannot be written.
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
