//! Result files: [`write()`] stores a result completely or not at all, [`read`] accepts only complete, unedited files.
//!
//! A result is written to a temporary file in the same folder, synced, and renamed. If the process is killed, at most the
//! temporary file remains; its name starts with a dot. The last field of a result file is a digest of all others, so
//! that a file that was edited is rejected.

mod digest;

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::digest::Sealed;
use crate::latency::HistogramError;
use crate::named_latency;
use crate::run_result::RunResult;

/// The first bytes of a gzip file (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The largest file that is read, before and after decompression.
const MAX_BYTES: u64 = 1 << 30;

/// A result that is stored as a file of its own.
pub trait Stored: Serialize + DeserializeOwned + JsonSchema {
    /// Name and major version of the schema: `wssbench.run/2`. A reader rejects every other one.
    const SCHEMA: &'static str;

    /// The end of the default file name, after the id: `.json`, `.sweep.json`.
    const SUFFIX: &'static str;

    /// Checks what the types do not express.
    ///
    /// # Errors
    /// The path of the first latency whose histogram is damaged, with the reason.
    fn check(&self) -> Result<(), (String, HistogramError)> {
        Ok(())
    }
}

impl Stored for RunResult {
    const SCHEMA: &'static str = "wssbench.run/2";
    const SUFFIX: &'static str = ".json";

    fn check(&self) -> Result<(), (String, HistogramError)> {
        let mut latencies = named_latency::all(self).into_iter();
        latencies.try_for_each(|(path, latency)| latency.samples().map(drop).map_err(|error| (path, error)))
    }
}

/// Why a result file could not be written or read. Every message names the file; the cause is the `source`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// The result file.
        path: PathBuf,
        /// What was attempted, a phrase that the path completes: `read`.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The result holds a NaN or an infinity, which JSON would turn into null.
    #[error("cannot write {}: the result holds a number that JSON cannot represent", path.display())]
    Unwritable {
        /// The result file.
        path: PathBuf,
        /// The error of reading the JSON back.
        source: serde_json::Error,
    },
    /// The JSON ends too early.
    #[error("{}: the file is truncated; create or copy it again", path.display())]
    Truncated {
        /// The result file.
        path: PathBuf,
        /// Where it ends.
        source: serde_json::Error,
    },
    /// Not JSON, no schema, or a field that is missing, unknown in `config`, or of another type.
    #[error("{}: not a valid {schema} file", path.display())]
    Invalid {
        /// The result file.
        path: PathBuf,
        /// The schema that was expected.
        schema: &'static str,
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// A result of another kind or of another major version.
    #[error("{}: unsupported schema {found}; expected {schema}", path.display())]
    UnexpectedSchema {
        /// The result file.
        path: PathBuf,
        /// The schema that it names.
        found: String,
        /// The schema that was expected.
        schema: &'static str,
    },
    /// The digest does not match the other fields.
    #[error("{}: the file was edited after it was written (its digest does not match); use the original", path.display())]
    Edited {
        /// The result file.
        path: PathBuf,
    },
    /// A latency whose samples cannot be read.
    #[error("{}: the samples of {latency} are damaged", path.display())]
    Histogram {
        /// The result file.
        path: PathBuf,
        /// The path of the latency: `handshake.tls`.
        latency: String,
        /// What is wrong with them.
        source: HistogramError,
    },
}

/// The default path of a result: `results/runs/<id><SUFFIX>`, relative to the current folder.
pub fn default_path<T: Stored>(id: &str) -> PathBuf {
    Path::new("results/runs").join(format!("{id}{}", T::SUFFIX))
}

/// Writes `result` to `path` as indented JSON with a digest, and creates missing folders. An existing file is replaced
/// atomically; it stays unchanged on failure.
///
/// # Errors
/// [`StoreError::Io`] if a folder or file cannot be created, written, synced or renamed; [`StoreError::Unwritable`] if
/// the result holds a number that JSON cannot represent.
pub fn write<T: Stored>(result: &T, path: &Path) -> Result<(), StoreError> {
    let json = json(result)
        .and_then(|json| serde_json::from_str::<T>(&json).map(|_| json))
        .map_err(|source| StoreError::Unwritable { path: path.to_owned(), source })?;
    write_text(&json, path)
}

/// The contents of a result's file: indented JSON with the digest, ending with a newline.
///
/// # Errors
/// If the result cannot be serialized.
pub fn json<T: Serialize>(result: &T) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(&Sealed::new(result)?)? + "\n")
}

/// Writes text as [`write()`] writes a result: atomically, with missing folders.
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_text(text: &str, path: &Path) -> Result<(), StoreError> {
    write_bytes(text.as_bytes(), path)
}

/// [`write_text`], of any bytes.
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_bytes(bytes: &[u8], path: &Path) -> Result<(), StoreError> {
    let failed = |action| move |source| StoreError::Io { path: path.to_owned(), action, source };
    // A rename is atomic only within one file system, so the temporary file lies in the same folder.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed("create the folder of"))?;
    let mut file = tempfile::Builder::new()
        .prefix(".wssbench-")
        .suffix(".tmp")
        // The permissions of any new file, before the umask; the default of a temporary file is owner only.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed("create a temporary file for"))?;
    file.write_all(bytes).map_err(failed("write"))?;
    file.as_file().sync_all().map_err(failed("write"))?;
    file.persist(path).map_err(|error| failed("rename the temporary file to")(error.error))?;
    // The new name is part of the folder's content, which has to be synced too.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync the folder of"))
}

/// Reads the result at `path`.
///
/// # Errors
/// [`StoreError`], if the file cannot be read, has another schema, or is truncated, invalid, edited or damaged.
pub fn read<T: Stored>(path: &Path) -> Result<T, StoreError> {
    let schema = T::SCHEMA;
    // The schema first and alone: what another version changed must not be reported as an error in the file.
    let (text, found) = read_with_schema(schema, path)?;
    if found != schema {
        return Err(StoreError::UnexpectedSchema { path: path.to_owned(), found, schema });
    }
    let malformed = |source| malformed(schema, path, &text, source);
    let result: T = serde_json::from_str(&text).map_err(malformed)?;
    if !digest::is_as_written(serde_json::from_str(&text).map_err(malformed)?) {
        return Err(StoreError::Edited { path: path.to_owned() });
    }
    result.check().map_err(|(latency, source)| StoreError::Histogram { path: path.to_owned(), latency, source })?;
    Ok(result)
}

/// The schema that the file at `path` names.
///
/// # Errors
/// [`StoreError`], if the file is not JSON or names no schema. `expected` is what the message says should be there.
pub fn schema_of(expected: &'static str, path: &Path) -> Result<String, StoreError> {
    read_with_schema(expected, path).map(|(_, schema)| schema)
}

/// The text of a result file, decompressed if it is a gzip file.
///
/// # Errors
/// [`StoreError::Io`] if the file cannot be read or decompressed, or is larger than 1 GiB.
pub fn read_text(path: &Path) -> Result<String, StoreError> {
    let failed = |source| StoreError::Io { path: path.to_owned(), action: "read", source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.starts_with(&GZIP) {
        let mut text = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
        bytes = text;
    }
    if bytes.len() as u64 == MAX_BYTES {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 1 GiB")));
    }
    String::from_utf8(bytes).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
}

/// The text of a file and the schema that it names.
fn read_with_schema(expected: &'static str, path: &Path) -> Result<(String, String), StoreError> {
    let text = read_text(path)?;
    let Header { schema } = serde_json::from_str(&text).map_err(|source| malformed(expected, path, &text, source))?;
    Ok((text, schema))
}

fn malformed(schema: &'static str, path: &Path, text: &str, source: serde_json::Error) -> StoreError {
    let path = path.to_owned();
    // serde_json calls a number invalid that is cut after its sign, point or exponent.
    let last_line = text.lines().last().unwrap_or_default();
    let is_at_end = source.line() == text.lines().count() && source.column() >= last_line.len();
    let is_cut_number = is_at_end && last_line.ends_with(['-', '+', '.', 'e', 'E']);
    match source.is_eof() || source.is_syntax() && is_cut_number {
        true => StoreError::Truncated { path, source },
        false => StoreError::Invalid { path, schema, source },
    }
}

/// The field that every result has, whatever its kind and version.
#[derive(Deserialize)]
struct Header {
    schema: String,
}

#[cfg(test)]
mod tests;
