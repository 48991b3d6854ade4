//! Results as files: [`write()`] whole or not at all, [`read`] only what can be read rightly.
//!
//! A file under its own name is always complete: it is written beside it under another one, brought to the disk,
//! and then renamed. A process that is killed in between leaves at most that other file, whose name begins with a dot.
//! Its last field is a digest of all others: a file that was edited is not read.

mod digest;

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::digest::Sealed;
use crate::latency::HistogramError;
use crate::named_latency;
use crate::run_result::{RunResult, SCHEMA};

/// The first bytes of a gzip file (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The largest file that is read, before and after decompression.
const MAX_BYTES: u64 = 1 << 30;

/// Why a result could not be written or read: one sentence that names the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
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
    /// The result has a number that JSON has no form for, a NaN or an infinity: it would be null, and not read back.
    #[error("{}: the result would not read back from its JSON: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What serde_json said.
        source: serde_json::Error,
    },
    /// JSON that stops in the middle.
    #[error("{}: the file was cut short: {source}", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Where.
        source: serde_json::Error,
    },
    /// Not JSON, no file of ours, or a field that is missing, of another type, or an option not known here.
    #[error("{}: it does not read as {schema}: {source}", path.display())]
    NoResult {
        /// The file.
        path: PathBuf,
        /// The schema that was expected.
        schema: &'static str,
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// A result of another kind or of another major version.
    #[error("{}: {found}: this wssbench reads {schema}", path.display())]
    UnknownSchema {
        /// The file.
        path: PathBuf,
        /// The schema it names.
        found: String,
        /// The schema that was expected.
        schema: &'static str,
    },
    /// It does not hold what it was written with.
    #[error("{}: the file was edited after it was written: what it says is not what its digest is of", path.display())]
    Edited {
        /// The file.
        path: PathBuf,
    },
    /// A latency without its samples.
    #[error("{}: {latency}: {source}", path.display())]
    Histogram {
        /// The file.
        path: PathBuf,
        /// Which one: `handshake.tls`.
        latency: String,
        /// Why not.
        source: HistogramError,
    },
}

/// Where a result goes if nobody says: `results/runs/<id>.json`, relative to the current folder.
pub fn default_path(id: &str) -> PathBuf {
    Path::new("results/runs").join(format!("{id}.json"))
}

/// Writes `result` to `path` as indented JSON, and makes the folders above it. A file that stands there is replaced
/// in one step; after a failure it stands there unchanged.
///
/// # Errors
/// [`StoreError::Io`] if a folder or file cannot be made, written, brought to the disk or renamed;
/// [`StoreError::Unwritable`] if it would not read back.
pub fn write(result: &RunResult, path: &Path) -> Result<(), StoreError> {
    write_as(result, path)
}

/// [`write()`], for a result of any kind.
pub fn write_as<T: Serialize + DeserializeOwned>(result: &T, path: &Path) -> Result<(), StoreError> {
    let json = json(result)
        .and_then(|json| serde_json::from_str::<T>(&json).map(|_| json))
        .map_err(|source| StoreError::Unwritable { path: path.to_owned(), source })?;
    write_bytes(json.as_bytes(), path)
}

/// A result as its file has it: indented JSON with the digest, ending with a newline.
///
/// # Errors
/// If it cannot be made into JSON.
pub fn json<T: Serialize>(result: &T) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(&Sealed::new(result)?)? + "\n")
}

/// Writes what was made from a result, as [`write()`] does.
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_text(text: &str, path: &Path) -> Result<(), StoreError> {
    write_bytes(text.as_bytes(), path)
}

fn write_bytes(bytes: &[u8], path: &Path) -> Result<(), StoreError> {
    let failed = |action| move |source| StoreError::Io { path: path.to_owned(), action, source };
    // A rename is atomic only within one file system: the temporary file lies in the same folder.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed("making its folder"))?;
    let mut file = tempfile::Builder::new()
        .prefix(".wssbench-")
        .suffix(".tmp")
        // As any file is made, less the umask; a temporary file would otherwise be for its owner alone.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed("making a temporary file beside it"))?;
    file.write_all(bytes).map_err(failed("writing"))?;
    file.as_file().sync_all().map_err(failed("writing"))?;
    file.persist(path).map_err(|error| failed("renaming the temporary file")(error.error))?;
    // The new name is the folder's content, which has to come to the disk as well.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("writing its folder"))
}

/// Reads the result at `path`: of the schema that this program knows, complete, and with all of its samples.
///
/// # Errors
/// [`StoreError`], one kind for each way in which a file is not that.
pub fn read(path: &Path) -> Result<RunResult, StoreError> {
    let result: RunResult = read_as(SCHEMA, path)?;
    for (latency, summary) in named_latency::all(&result) {
        summary.samples().map_err(|source| StoreError::Histogram { path: path.to_owned(), latency, source })?;
    }
    Ok(result)
}

/// The schema that the file at `path` names, whatever else it holds.
///
/// # Errors
/// [`StoreError`], if it is not JSON or names none; `expected` is what the sentence says should stand there.
pub fn schema_of(expected: &'static str, path: &Path) -> Result<String, StoreError> {
    read_named(expected, path).map(|(_, schema)| schema)
}

/// [`read`], for a result of any kind: of this schema, complete and unedited; what its histograms hold is not looked at.
pub fn read_as<T: DeserializeOwned>(schema: &'static str, path: &Path) -> Result<T, StoreError> {
    // The schema first and alone: what another version changed must not read as an error in the file.
    let (text, found) = read_named(schema, path)?;
    if found != schema {
        return Err(StoreError::UnknownSchema { path: path.to_owned(), found, schema });
    }
    let malformed = |source| malformed(schema, path, source);
    let result = serde_json::from_str(&text).map_err(malformed)?;
    if !digest::is_as_written(serde_json::from_str(&text).map_err(malformed)?) {
        return Err(StoreError::Edited { path: path.to_owned() });
    }
    Ok(result)
}

/// The text of a result file, decompressed if it is a gzip file.
///
/// # Errors
/// [`StoreError::Io`] if it cannot be read, decompressed, or is larger than 1 GiB.
pub fn read_text(path: &Path) -> Result<String, StoreError> {
    let failed = |source| StoreError::Io { path: path.to_owned(), action: "reading", source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.starts_with(&GZIP) {
        let mut text = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
        bytes = text;
    }
    if bytes.len() as u64 == MAX_BYTES {
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 GiB")));
    }
    String::from_utf8(bytes).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
}

/// The text of a file and the schema that it names.
fn read_named(schema: &'static str, path: &Path) -> Result<(String, String), StoreError> {
    let text = read_text(path)?;
    let Named { schema: found } = serde_json::from_str(&text).map_err(|source| malformed(schema, path, source))?;
    Ok((text, found))
}

fn malformed(schema: &'static str, path: &Path, source: serde_json::Error) -> StoreError {
    let path = path.to_owned();
    if source.is_eof() { StoreError::CutShort { path, source } } else { StoreError::NoResult { path, schema, source } }
}

/// What a file says it is, whatever else it holds.
#[derive(Deserialize)]
struct Named {
    schema: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EngineKind;
    use crate::fixtures::{echo_run, handshake_run};
    use crate::ring_counters::PhaseRings;

    /// What `read` says about a file with this text.
    fn refusal(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        fs::write(&path, text).unwrap();
        let sentence = read(&path).unwrap_err().to_string();
        assert!(sentence.contains("run.json"), "it does not name the file: {sentence}");
        assert!(!sentence.contains('\n'), "it is more than a sentence: {sentence}");
        sentence
    }

    fn edited(edit: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut value = serde_json::to_value(echo_run()).unwrap();
        edit(&mut value);
        value.to_string()
    }

    #[test]
    fn what_was_written_reads_back_as_the_same_result() {
        let folder = tempfile::tempdir().unwrap();
        for result in [echo_run(), handshake_run()] {
            let path = folder.path().join("new/folders").join(default_path(&result.id));
            write(&result, &path).unwrap();
            assert_eq!(read(&path).unwrap(), result);
        }
    }

    #[test]
    fn reads_a_compressed_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json.gz");
        let mut file = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        file.write_all(json(&echo_run()).unwrap().as_bytes()).unwrap();
        file.finish().unwrap();
        assert_eq!(read(&path).unwrap(), echo_run());
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(matches!(read(&path).unwrap_err(), StoreError::Io { .. }));
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_no_other_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        write(&handshake_run(), &path).unwrap();
        write(&echo_run(), &path).unwrap();
        assert_eq!(read(&path).unwrap(), echo_run());
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["run.json"]);
    }

    #[test]
    fn a_write_that_fails_leaves_what_stood_there_and_no_half_file() {
        let folder = tempfile::tempdir().unwrap();
        // A folder cannot be replaced by a file, even by root: the last step fails.
        let path = folder.path().join("run.json");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("kept"), "kept").unwrap();
        let sentence = write(&echo_run(), &path).unwrap_err().to_string();
        assert!(sentence.contains("run.json: renaming the temporary file failed"), "{sentence}");
        assert_eq!(fs::read_to_string(path.join("kept")).unwrap(), "kept");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_number_that_json_cannot_hold_is_refused_at_writing_not_at_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let mut result = echo_run();
        result.handshake.rate_per_s = f64::NAN;
        let sentence = write(&result, &path).unwrap_err().to_string();
        assert!(sentence.contains("would not read back") && sentence.contains("null"), "{sentence}");
        assert!(!path.exists());
    }

    #[test]
    fn a_result_is_as_readable_as_any_other_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("run.json"), folder.path().join("other"));
        write(&echo_run(), &path).unwrap();
        fs::write(&other, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other));
    }

    #[test]
    fn another_major_version_is_refused_before_anything_else() {
        let sentence = refusal(r#"{ "figures": "all different", "schema": "wssbench.run/2" }"#);
        assert!(sentence.ends_with("wssbench.run/2: this wssbench reads wssbench.run/2"), "{sentence}");
        assert!(refusal(&edited(|run| run["schema"] = "wssbench.comparison/2".into())).contains("comparison/1"));
    }

    #[test]
    fn a_file_cut_short_anywhere_says_so() {
        let whole = edited(|_| ());
        for cut in [0, 1, 30, whole.len() / 2, whole.len() - 1] {
            let sentence = refusal(&whole[..cut]);
            assert!(sentence.contains("cut short"), "cut at {cut}: {sentence}");
        }
    }

    #[test]
    fn what_is_no_result_is_told_with_the_field_it_lacks() {
        assert!(refusal("once upon a time").contains("does not read as wssbench.run/2"));
        assert!(refusal("{}").contains("missing field `schema`"));
        let without_client = edited(|run| drop(run.as_object_mut().unwrap().remove("client")));
        assert!(refusal(&without_client).contains("missing field `client`"));
    }

    #[test]
    fn a_field_that_a_later_version_added_is_no_reason_to_refuse() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        fs::write(&path, edited(|run| run["handshake"]["added_later"] = 1.into())).unwrap();
        assert_eq!(read(&path).unwrap(), echo_run());
    }

    #[test]
    fn a_result_from_before_rings_were_counted_reads_without_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let old = edited(|value| {
            for phase in ["handshake", "echo"] {
                value[phase].as_object_mut().unwrap().remove("io").unwrap();
            }
            // It is of the time of another default.
            value["config"]["engine"] = "tokio-uring".into();
        });
        fs::write(&path, old).unwrap();
        let read = read(&path).unwrap();
        assert_eq!(read.handshake.rings, PhaseRings::default());
        assert_eq!(read.echo.unwrap().rings, PhaseRings::default());
        assert_eq!(read.config.engine, EngineKind::TokioUring);
    }

    #[test]
    fn a_file_that_was_edited_says_so_and_one_that_was_laid_out_anew_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        write(&handshake_run(), &path).unwrap();
        let written = fs::read_to_string(&path).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(&written).unwrap();
        fs::write(&path, value.to_string()).unwrap();
        assert_eq!(read(&path).unwrap(), handshake_run());
        for pointer in ["/handshake/server_cpu_ns", "/handshake/tls/p50", "/valid", "/environment/cpu_model"] {
            let place = value.pointer_mut(pointer).unwrap();
            let before = place.clone();
            *place = match &before {
                serde_json::Value::Bool(flag) => (!flag).into(),
                serde_json::Value::String(_) => "another".into(),
                _ => 1.into(),
            };
            let sentence = refusal(&value.to_string());
            assert!(sentence.contains("edited after it was written"), "{pointer}: {sentence}");
            *value.pointer_mut(pointer).unwrap() = before;
        }
    }

    #[test]
    fn a_histogram_that_does_not_decode_is_refused_with_its_name_wherever_it_lies() {
        for pointer in ["/handshake/server_busy", "/echo/lateness", "/warmup/echo/response"] {
            let text = edited(|run| run.pointer_mut(pointer).unwrap()["histogram"] = "AAAA".into());
            let sentence = refusal(&text);
            let name = pointer.trim_start_matches('/').replace('/', ".");
            assert!(sentence.contains(&format!("{name}: the histogram does not decode")), "{sentence}");
        }
        let sentence = refusal(&edited(|run| run["handshake"]["tls"]["count"] = 7.into()));
        assert!(sentence.contains("handshake.tls"), "{sentence}");
    }
}
