//! `wssbench history`: what changed over months, from comparisons with one pinned reference build.
//!
//! A line that cannot be read is told on standard error and left where it is.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::{Args, Subcommand};
use wss_results::comparison;
use wss_results::history::{self, Added, BadLine, Entry};
use wss_results::report;

/// `wssbench history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Append a line for each comparison
    Add {
        /// The comparisons' files
        #[arg(value_name = "COMPARISON", required = true)]
        comparisons: Vec<PathBuf>,

        #[command(flatten)]
        place: Place,
    },
    /// Draw the trend of every metric, with its last ratio and where it changed
    Show {
        /// Only this metric, with its last entries: server_cpu_handshake_us
        #[arg(long, value_name = "METRIC")]
        metric: Option<String>,

        #[command(flatten)]
        place: Place,
    },
    /// Say where metrics changed: a hint, which by chance one series in twenty gives
    ///
    /// By E-divisive with a permutation test, from 10 points on and with 5 on either side.
    /// Exit code: 0 also if there are changes.
    Changes {
        /// Only this metric
        #[arg(long, value_name = "METRIC")]
        metric: Option<String>,

        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The history's file [default: results/history/history.jsonl]
    #[arg(long, visible_alias = "to", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Place {
    fn path(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(history::default_path)
    }
}

/// Adds or tells.
///
/// # Errors
/// If a comparison is none that can be remembered, the history cannot be read or written, or it has no such metric.
pub(crate) fn history(command: &HistoryCommand) -> anyhow::Result<()> {
    match &command.action {
        Action::Add { comparisons, place } => add(comparisons, &place.path()),
        Action::Show { metric, place } => {
            print!("{}", report::history::show(&entries(&place.path())?, metric.as_deref())?);
            Ok(())
        }
        Action::Changes { metric, place } => {
            print!("{}", report::history::changes(&entries(&place.path())?, metric.as_deref())?);
            Ok(())
        }
    }
}

/// All are read before the first is added: of a list with a mistake in it, nothing is.
fn add(comparisons: &[PathBuf], path: &Path) -> anyhow::Result<()> {
    let entries = comparisons
        .iter()
        .map(|path| Ok(Entry::of(&comparison::read(path)?)?))
        .collect::<anyhow::Result<Vec<Entry>>>()?;
    let known = if path.is_file() { history::read(path)?.entries } else { Vec::new() };
    for (index, entry) in entries.iter().enumerate() {
        let again = known.iter().chain(&entries[..index]).any(|other| other.comparison == entry.comparison);
        ensure!(!again, "{}: {} is there already, or is given twice", path.display(), entry.comparison);
    }
    for entry in &entries {
        let Added { line, after_torn } = history::append(path, entry)?;
        if after_torn {
            eprintln!(
                "note: {}: line {} was torn; it is kept, and the next line begins after it",
                path.display(),
                line - 1
            );
        }
        println!("{}: line {line}: {}", path.display(), entry.comparison);
    }
    Ok(())
}

/// The lines that can be read; of the others it is told why not.
fn entries(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let found = history::read(path)?;
    for BadLine { number, reason } in &found.bad_lines {
        eprintln!("note: {}: line {number}: {reason}; it is kept, and left out here", path.display());
    }
    Ok(found.entries)
}
