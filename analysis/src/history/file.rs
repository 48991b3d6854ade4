//! The file of a history: appended to under a lock, never rewritten.
//!
//! A process that is killed while it writes leaves at most a partial last line. That line is reported with its number and
//! kept; the next entry starts on a new line.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::entry::{Entry, SCHEMA};

/// The contents of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The readable lines, in file order.
    pub entries: Vec<Entry>,
    /// The other lines.
    pub bad_lines: Vec<BadLine>,
}

/// An unreadable line. It stays in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub number: usize,
    /// Why it cannot be read.
    pub reason: String,
}

/// The outcome of [`append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Number of the new line, from 1.
    pub line: usize,
    /// Whether the line before it is partial.
    pub after_partial: bool,
}

/// Why a history could not be read or appended to. Every message names the file; the cause is the `source`.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted, a phrase that the path completes: `read`.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The comparison is in the history.
    #[error("{}: comparison {comparison} is already in line {line}; add each comparison once", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// Id of the comparison.
        comparison: String,
        /// Number of the line, from 1.
        line: usize,
    },
    /// The entry holds a NaN or an infinity, which JSON would turn into null.
    #[error("cannot write {}: the entry holds a number that JSON cannot represent", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The error of reading the JSON back.
        source: serde_json::Error,
    },
    /// The path names a folder, a device or a pipe.
    #[error("{}: not a regular file; name a file to append to", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
}

/// The default path of the history: `results/history/history.jsonl`, relative to the current folder.
pub fn default_path() -> PathBuf {
    Path::new("results/history").join("history.jsonl")
}

/// Reads a history. Unreadable lines are listed in [`History::bad_lines`] and do not affect the others. A
/// comparison that an earlier line contains is listed there, too: a merge may have kept both sides.
///
/// # Errors
/// If the file itself cannot be read.
pub fn read(path: &Path) -> Result<History, HistoryError> {
    let bytes = fs::read(path).map_err(|source| HistoryError::Io { path: path.to_owned(), action: "read", source })?;
    Ok(parse(&bytes))
}

/// [`read`], of the contents of a file.
pub fn parse(bytes: &[u8]) -> History {
    let mut history = History::default();
    let mut seen = BTreeMap::new();
    for (number, entry) in lines(bytes) {
        let entry = entry.and_then(|entry| match seen.insert(entry.comparison_id.clone(), number) {
            None => Ok(*entry),
            Some(first) => Err(format!("the comparison {} is in line {first} already", entry.comparison_id)),
        });
        match entry {
            Ok(entry) => history.entries.push(entry),
            Err(reason) => history.bad_lines.push(BadLine { number, reason }),
        }
    }
    history
}

/// Appends an entry as one line and syncs the file. Concurrent calls wait for each other. Missing folders and a missing
/// file are created.
///
/// # Errors
/// [`HistoryError`], if the comparison is already in the history, or the file cannot be created, locked, read or written.
pub fn append(path: &Path, entry: &Entry) -> Result<Added, HistoryError> {
    let failed = |action| move |source| HistoryError::Io { path: path.to_owned(), action, source };
    let line = serde_json::to_string(entry)
        .and_then(|line| serde_json::from_str::<Entry>(&line).map(|_| line))
        .map_err(|source| HistoryError::Unwritable { path: path.to_owned(), source })?;
    // Opening a pipe would block until its other end is opened.
    if path.exists() && !path.is_file() {
        return Err(HistoryError::NotAFile { path: path.to_owned() });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed("create the folder of"))?;
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed("open"))?;
    // An advisory lock, released when the file is closed: nobody else appends between our read and our write.
    file.lock().map_err(failed("lock"))?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)).map_err(failed("read"))?;
    let mut last = 0;
    for (number, other) in lines(&bytes) {
        last = number;
        if other.is_ok_and(|other| other.comparison_id == entry.comparison_id) {
            let comparison = entry.comparison_id.clone();
            return Err(HistoryError::Duplicate { path: path.to_owned(), comparison, line: number });
        }
    }
    let after_partial = bytes.last().is_some_and(|byte| *byte != b'\n');
    let text = format!("{}{line}\n", if after_partial { "\n" } else { "" });
    write_in_one_call(&mut file, text.as_bytes()).map_err(failed("write"))?;
    file.sync_all().map_err(failed("write"))?;
    if bytes.is_empty() {
        // The new name is part of the folder's content, which has to be synced too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync the folder of"))?;
    }
    Ok(Added { line: last + 1, after_partial })
}

/// Writes `bytes` with a single call: with O_APPEND, the bytes of one write stay together.
fn write_in_one_call(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let written = loop {
        match file.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if written < bytes.len() {
        let message = format!("only {written} of {} bytes were written; free some disk space", bytes.len());
        return Err(io::Error::new(io::ErrorKind::WriteZero, message));
    }
    Ok(())
}

/// The field that every line has, whatever its version.
#[derive(Deserialize)]
struct Header {
    schema: String,
}

/// The non-empty lines with their numbers, each parsed or with the reason why it cannot be.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Result<Box<Entry>, String>)> {
    let ended = bytes.last() == Some(&b'\n');
    let count = bytes.split(|byte| *byte == b'\n').count();
    let lines = bytes.split(|byte| *byte == b'\n').enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(move |(number, line)| {
        let is_partial = number == count && !ended;
        let entry =
            parse_line(line).map_err(|reason| if is_partial { format!("partial line: {reason}") } else { reason });
        (number, entry)
    })
}

fn parse_line(line: &[u8]) -> Result<Box<Entry>, String> {
    let malformed = |error: serde_json::Error| format!("not a valid {SCHEMA} entry: {error}");
    let Header { schema } = serde_json::from_slice(line).map_err(malformed)?;
    if schema != SCHEMA {
        return Err(format!("unsupported schema {schema}; expected {SCHEMA}"));
    }
    serde_json::from_slice(line).map(Box::new).map_err(malformed)
}
