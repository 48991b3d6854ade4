//! Why a report cannot be made or taken apart.

use std::path::PathBuf;

use wss_model::store::StoreError;

/// The error. Every message names the file; the cause is the `source`.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is not a result of this program.
    #[error("{}: not a wssbench result; name a result of run, sweep, ab, compare or history", path.display())]
    NotAResult {
        /// The file.
        path: PathBuf,
    },
    /// A result of a kind that has no report.
    #[error("{}: a file with the schema {schema} has no report; use `wssbench show`", path.display())]
    UnsupportedKind {
        /// The file.
        path: PathBuf,
        /// The schema that it names.
        schema: String,
    },
    /// A file is too large to be embedded.
    #[error("{}: the file has {bytes} bytes; a report takes at most {limit}; print it with wssbench show", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// More results than one page can show.
    #[error("{count} {kind} are too many for one report; name at most {limit}")]
    TooMany {
        /// Number of results.
        count: usize,
        /// What they are.
        kind: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A figure cannot be drawn as an image.
    #[error("cannot draw {figure} as PNG: {reason}")]
    Image {
        /// The id of the figure.
        figure: String,
        /// The message of the library.
        reason: String,
    },
    /// The file has no embedded result.
    #[error("{}: no result is embedded in this file; name a report that `wssbench report` made", path.display())]
    NotAReport {
        /// The file.
        path: PathBuf,
    },
    /// The report has no result of this name.
    #[error("{}: the report has no result named {name}; it has {has}", path.display())]
    NoSuchResult {
        /// The report.
        path: PathBuf,
        /// The requested name.
        name: String,
        /// The names that it has.
        has: String,
    },
    /// An embedded result is damaged.
    #[error("{}: the embedded result {name} is damaged; use another copy of the report", path.display())]
    Damaged {
        /// The report.
        path: PathBuf,
        /// Its name.
        name: String,
    },
}
