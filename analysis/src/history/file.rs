//! The file of a history: appended to line by line under a lock, never rewritten.
//!
//! A process that is killed while it writes leaves at most a torn last line. That line is told with its number and stays;
//! the next one begins on a line of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Entry, SCHEMA};

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// The lines that can be read, in their order.
    pub entries: Vec<Entry>,
    /// Those that cannot.
    pub bad_lines: Vec<BadLine>,
}

/// A line that cannot be read. It stays in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub number: usize,
    /// Why not.
    pub reason: String,
}

/// What became of an addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The line it is on, from 1.
    pub line: usize,
    /// The line before it was torn, and was ended first.
    pub after_torn: bool,
}

/// Why a history could not be read or added to: one sentence that names the file.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The disk, the folder or the rights.
    #[error("{}: {action} failed: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The line is there.
    #[error("{}: comparison {comparison} is in line {line} already", path.display())]
    AlreadyThere {
        /// The file.
        path: PathBuf,
        /// Its id.
        comparison: String,
        /// The line.
        line: usize,
    },
    /// A number that JSON has no form for: it would be null, and not read back.
    #[error("{}: the entry would not read back from its JSON: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What serde_json said.
        source: serde_json::Error,
    },
    /// What has the name is no file.
    #[error("{}: it is no file that lines can be added to", path.display())]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
}

/// Reads a history. A line that cannot be read is among [`History::bad_lines`], and costs none of the others.
///
/// # Errors
/// If the file itself cannot be read.
pub fn read(path: &Path) -> Result<History, HistoryError> {
    let bytes =
        fs::read(path).map_err(|source| HistoryError::Io { path: path.to_owned(), action: "reading", source })?;
    let mut history = History::default();
    for (line, entry) in lines(&bytes) {
        match entry {
            Ok(entry) => history.entries.push(*entry),
            Err(reason) => history.bad_lines.push(BadLine { number: line, reason }),
        }
    }
    Ok(history)
}

/// Adds a line: whole, behind all others, and on the disk when this returns. Two that add at once come one after the
/// other.
///
/// # Errors
/// If the comparison is there already, or the file cannot be made, locked or written.
pub fn append(path: &Path, entry: &Entry) -> Result<Added, HistoryError> {
    let failed = |action| move |source| HistoryError::Io { path: path.to_owned(), action, source };
    let line = serde_json::to_string(entry)
        .and_then(|line| serde_json::from_str::<Entry>(&line).map(|_| line))
        .map_err(|source| HistoryError::Unwritable { path: path.to_owned(), source })?;
    // Opening a pipe would wait for somebody at its other end.
    if path.exists() && !path.is_file() {
        return Err(HistoryError::NoFile { path: path.to_owned() });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed("making its folder"))?;
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed("opening it to append"))?;
    // Advisory, and released with the file: between reading the end and writing behind it nobody else writes.
    file.lock().map_err(failed("locking"))?;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)).map_err(failed("reading"))?;
    let mut last = 0;
    for (number, other) in lines(&bytes) {
        last = number;
        if other.is_ok_and(|other| other.comparison_id == entry.comparison_id) {
            let comparison = entry.comparison_id.clone();
            return Err(HistoryError::AlreadyThere { path: path.to_owned(), comparison, line: number });
        }
    }
    let after_torn = bytes.last().is_some_and(|byte| *byte != b'\n');
    let text = format!("{}{line}\n", if after_torn { "\n" } else { "" });
    write_at_once(&mut file, text.as_bytes()).map_err(failed("writing"))?;
    file.sync_all().map_err(failed("writing"))?;
    if bytes.is_empty() {
        // A new name is the folder's content, which has to come to the disk as well.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("writing its folder"))?;
    }
    Ok(Added { line: last + 1, after_torn })
}

/// One call, so that a line is never in two: in a file that is appended to, one call's bytes stay together.
fn write_at_once(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let written = loop {
        match file.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if written < bytes.len() {
        let said = format!("{written} of {} bytes were taken: the disk is full; the line is torn", bytes.len());
        return Err(io::Error::new(io::ErrorKind::WriteZero, said));
    }
    Ok(())
}

/// What a line says it is, whatever else it holds.
#[derive(Deserialize)]
struct Named {
    schema: String,
}

/// The lines with their numbers, empty ones left out, each read or with the reason why not.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, Result<Box<Entry>, String>)> {
    let ended = bytes.last() == Some(&b'\n');
    let count = bytes.split(|byte| *byte == b'\n').count();
    let lines = bytes.split(|byte| *byte == b'\n').enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(move |(number, line)| {
        let is_torn = number == count && !ended;
        let entry = parse(line).map_err(|reason| if is_torn { format!("it was torn: {reason}") } else { reason });
        (number, entry)
    })
}

fn parse(line: &[u8]) -> Result<Box<Entry>, String> {
    let malformed = |error: serde_json::Error| format!("it does not read as {SCHEMA}: {error}");
    let Named { schema } = serde_json::from_slice(line).map_err(malformed)?;
    if schema != SCHEMA {
        return Err(format!("{schema}: this wssbench reads {SCHEMA}"));
    }
    serde_json::from_slice(line).map(Box::new).map_err(malformed)
}
