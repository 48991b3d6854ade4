//! `wssbench history`: changes over months, from comparisons with one pinned reference build.
//!
//! A line that cannot be read is reported on standard error and kept.

mod branch;

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::{Args, Subcommand};
use wss_analysis::comparison::Comparison;
use wss_analysis::history::{self, Added, BadLine, Entry};
use wss_model::store;

use self::branch::Branch;
use crate::output::{self, note};

/// `wssbench history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Append one line per comparison
    Add {
        /// Files of comparisons
        #[arg(value_name = "COMPARISON", required = true)]
        comparisons: Vec<PathBuf>,

        #[command(flatten)]
        place: Place,
    },
    /// Show the trend of every metric, with its last ratio and its changes
    Show {
        /// Show only this metric, with its last entries, e.g. server_cpu_handshake_us
        #[arg(long, value_name = "METRIC")]
        metric: Option<String>,

        #[command(flatten)]
        place: Place,
    },
    /// List where metrics changed: a hint only; one series in twenty shows a change by chance
    ///
    /// E-divisive with a permutation test; needs 10 points, with at least 5 on either side.
    /// Exit code: 0, whether or not there are changes.
    Changes {
        /// Check only this metric
        #[arg(long, value_name = "METRIC")]
        metric: Option<String>,

        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// File of the history [default: results/history/history.jsonl]
    #[arg(long, visible_alias = "to", value_name = "FILE")]
    file: Option<PathBuf>,

    /// Git branch of this repository that holds the history as history.jsonl; each added line is a commit
    #[arg(long, value_name = "BRANCH", conflicts_with = "file")]
    branch: Option<String>,
}

/// Runs one action.
///
/// # Errors
/// If a comparison is not valid, the history cannot be read or written, or it does not have the metric.
pub(crate) fn history(command: &HistoryCommand) -> anyhow::Result<()> {
    let (Action::Add { place, .. } | Action::Show { place, .. } | Action::Changes { place, .. }) = &command.action;
    let branch = place.branch.as_deref().map(Branch::read).transpose()?;
    let path = match &branch {
        Some(branch) => branch.path(),
        None => place.file.clone().unwrap_or_else(history::default_path),
    };
    let shown = place.branch.as_deref().map_or_else(|| path.display().to_string(), branch::shown);
    match &command.action {
        Action::Add { comparisons, .. } => {
            branch.as_ref().map_or(Ok(()), Branch::check_writable)?;
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

/// Adds all comparisons, or none if one of them has an error; returns their IDs.
fn add(comparisons: &[PathBuf], path: &Path, shown: &str) -> anyhow::Result<Vec<String>> {
    let entries = comparisons
        .iter()
        .map(|path| Ok(Entry::from_comparison(&store::read::<Comparison>(path)?)?))
        .collect::<anyhow::Result<Vec<Entry>>>()?;
    let known = if path.is_file() { history::read(path)?.entries } else { Vec::new() };
    for (index, entry) in entries.iter().enumerate() {
        let again = known.iter().chain(&entries[..index]).any(|other| other.comparison_id == entry.comparison_id);
        ensure!(!again, "{shown}: {} is already in the history, or is given twice", entry.comparison_id);
    }
    for entry in &entries {
        let Added { line, after_partial } = history::append(path, entry)?;
        if after_partial {
            let line = line - 1;
            note(&format!(
                "note: {shown}: line {line} is incomplete; it is kept, and the new entry starts on the next line"
            ));
        }
        output::print(&format!("{shown}: line {line}: {}\n", entry.comparison_id))?;
    }
    Ok(entries.into_iter().map(|entry| entry.comparison_id).collect())
}

/// The entries of the readable lines; the others are reported with the reason.
fn entries(path: &Path, shown: &str) -> anyhow::Result<Vec<Entry>> {
    // The path of the temporary copy would not help the user.
    ensure!(
        path.is_file() || path == Path::new(shown),
        "{shown}: the branch has no history; add a comparison with history add"
    );
    let found = history::read(path)?;
    for BadLine { number, reason } in &found.bad_lines {
        note(&format!("note: {shown}: line {number}: {reason}; it is kept in the file and ignored here"));
    }
    Ok(found.entries)
}
