//! `wssbench history`: what changed over months, from comparisons with one pinned reference build.
//!
//! A line that cannot be read is told on standard error and left where it is.

mod branch;

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::{Args, Subcommand};
use wss_analysis::comparison::Comparison;
use wss_analysis::history::{self, Added, BadLine, Entry};
use wss_model::store;

use self::branch::Branch;
use crate::output;

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

    /// A branch of this repository that has it, as history.jsonl; each added line is a commit there
    #[arg(long, value_name = "BRANCH", conflicts_with = "file")]
    branch: Option<String>,
}

/// Adds or tells.
///
/// # Errors
/// If a comparison is none that can be remembered, the history cannot be read or written, or it has no such metric.
pub(crate) fn history(command: &HistoryCommand) -> anyhow::Result<()> {
    let (Action::Add { place, .. } | Action::Show { place, .. } | Action::Changes { place, .. }) = &command.action;
    let branch = place.branch.as_deref().map(Branch::look).transpose()?;
    let path = match &branch {
        Some(branch) => branch.path(),
        None => place.file.clone().unwrap_or_else(history::default_path),
    };
    let shown = place.branch.as_deref().map_or_else(|| path.display().to_string(), branch::shown);
    match &command.action {
        Action::Add { comparisons, .. } => {
            branch.as_ref().map_or(Ok(()), Branch::check_free)?;
            let added = add(comparisons, &path, &shown)?;
            branch.map_or(Ok(()), |branch| branch.commit(&format!("history: {}", added.join(", "))))
        }
        Action::Show { metric, .. } => output::print(&wss_report::history::show(
            &entries(&path, &shown)?,
            metric.as_deref(),
            output::style(false),
        )?),
        Action::Changes { metric, .. } => output::print(&wss_report::history::changes(
            &entries(&path, &shown)?,
            metric.as_deref(),
            output::style(false),
        )?),
    }
}

/// All are read before the first is added: of a list with a mistake in it, nothing is. What was added.
fn add(comparisons: &[PathBuf], path: &Path, shown: &str) -> anyhow::Result<Vec<String>> {
    let entries = comparisons
        .iter()
        .map(|path| Ok(Entry::from_comparison(&store::read::<Comparison>(path)?)?))
        .collect::<anyhow::Result<Vec<Entry>>>()?;
    let known = if path.is_file() { history::read(path)?.entries } else { Vec::new() };
    for (index, entry) in entries.iter().enumerate() {
        let again = known.iter().chain(&entries[..index]).any(|other| other.comparison_id == entry.comparison_id);
        ensure!(!again, "{shown}: {} is there already, or is given twice", entry.comparison_id);
    }
    for entry in &entries {
        let Added { line, after_partial } = history::append(path, entry)?;
        if after_partial {
            eprintln!("note: {shown}: line {} was torn; it is kept, and the next line begins after it", line - 1);
        }
        output::print(&format!("{shown}: line {line}: {}\n", entry.comparison_id))?;
    }
    Ok(entries.into_iter().map(|entry| entry.comparison_id).collect())
}

/// The lines that can be read; of the others it is told why not.
fn entries(path: &Path, shown: &str) -> anyhow::Result<Vec<Entry>> {
    // A copy's own place says nothing to anybody.
    ensure!(path.is_file() || path == Path::new(shown), "{shown}: there is no history on the branch");
    let found = history::read(path)?;
    for BadLine { number, reason } in &found.bad_lines {
        eprintln!("note: {shown}: line {number}: {reason}; it is kept, and left out here");
    }
    Ok(found.entries)
}
