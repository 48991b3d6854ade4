//! Writing, reading back, and every way in which a file is rejected.

use super::*;
use crate::config::EngineChoice;
use crate::fixtures::{echo_run, handshake_run};
use crate::ring_counters::PhaseRings;
use std::error::Error;

/// Reads `text` as a run's file and returns the error with its causes, as the command prints it.
fn refusal(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    fs::write(&path, text).unwrap();
    let message = printed(read::<RunResult>(&path).unwrap_err());
    assert!(message.contains("run.json"), "the file is not named: {message}");
    assert!(!message.contains('\n'), "more than one line: {message}");
    message
}

/// An error with its causes, as the command prints it.
fn printed(error: StoreError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

/// The file of a run, changed by `edit`, without a digest.
fn edited(edit: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value = serde_json::to_value(echo_run()).unwrap();
    edit(&mut value);
    value.to_string()
}

#[test]
fn a_written_result_reads_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    for result in [echo_run(), handshake_run()] {
        let path = folder.path().join("new/folders").join(default_path::<RunResult>(&result.id));
        write(&result, &path).unwrap();
        assert_eq!(read::<RunResult>(&path).unwrap(), result);
    }
}

#[test]
fn reads_a_compressed_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json.gz");
    let mut file = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
    file.write_all(json(&echo_run()).unwrap().as_bytes()).unwrap();
    file.finish().unwrap();
    assert_eq!(read::<RunResult>(&path).unwrap(), echo_run());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(read::<RunResult>(&path).unwrap_err(), StoreError::Io { .. }));
}

#[test]
fn writing_replaces_the_file_and_leaves_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    write(&handshake_run(), &path).unwrap();
    write(&echo_run(), &path).unwrap();
    assert_eq!(read::<RunResult>(&path).unwrap(), echo_run());
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["run.json"]);
}

#[test]
fn a_failed_write_changes_nothing_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    // A folder cannot be replaced by a file, even by root: the last step fails.
    let path = folder.path().join("run.json");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("kept"), "kept").unwrap();
    let message = printed(write(&echo_run(), &path).unwrap_err());
    let expected = format!("cannot rename the temporary file to {}: ", path.display());
    assert!(message.starts_with(&expected), "{message}");
    assert_eq!(fs::read_to_string(path.join("kept")).unwrap(), "kept");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_number_that_json_cannot_represent_is_rejected_on_writing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let mut result = echo_run();
    result.handshake.rate_per_s = f64::NAN;
    let message = printed(write(&result, &path).unwrap_err());
    assert!(message.contains("number that JSON cannot represent") && message.contains("null"), "{message}");
    assert!(!path.exists());
}

#[test]
fn a_result_has_the_permissions_of_any_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("run.json"), folder.path().join("other"));
    write(&echo_run(), &path).unwrap();
    fs::write(&other, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&other));
}

#[test]
fn another_schema_is_rejected_before_anything_else_is_read() {
    let message = refusal(r#"{ "figures": "all different", "schema": "wssbench.run/3" }"#);
    assert!(message.ends_with("unsupported schema wssbench.run/3; expected wssbench.run/2"), "{message}");
    assert!(
        refusal(&edited(|run| run["schema"] = "wssbench.comparison/2".into()))
            .contains("schema wssbench.comparison/2;")
    );
}

#[test]
fn a_file_that_ends_too_early_is_reported_as_truncated() {
    let whole = edited(|_| ());
    for cut in [0, 1, 30, whole.len() / 2, whole.len() - 1] {
        let message = refusal(&whole[..cut]);
        assert!(message.contains("the file is truncated"), "cut at {cut}: {message}");
    }
}

#[test]
fn an_invalid_file_is_rejected_with_the_missing_field() {
    assert!(refusal("once upon a time").contains("not a valid wssbench.run/2 file"));
    assert!(refusal("{}").contains("missing field `schema`"));
    let without_client = edited(|run| drop(run.as_object_mut().unwrap().remove("client")));
    assert!(refusal(&without_client).contains("missing field `client`"));
}

#[test]
fn an_unknown_field_of_a_later_version_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    fs::write(&path, edited(|run| run["handshake"]["added_later"] = 1.into())).unwrap();
    assert_eq!(read::<RunResult>(&path).unwrap(), echo_run());
}

#[test]
fn an_older_result_without_ring_counters_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let old = edited(|value| {
        for phase in ["handshake", "echo"] {
            value[phase].as_object_mut().unwrap().remove("rings").unwrap();
        }
        // The default engine of that time.
        value["config"]["engine"] = "tokio-uring".into();
    });
    fs::write(&path, old).unwrap();
    let read: RunResult = read(&path).unwrap();
    assert_eq!(read.handshake.rings, PhaseRings::default());
    assert_eq!(read.echo.unwrap().rings, PhaseRings::default());
    assert_eq!(read.config.engine, EngineChoice::TokioUring);
}

#[test]
fn an_edited_file_is_rejected_and_a_reformatted_one_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    write(&handshake_run(), &path).unwrap();
    let written = fs::read_to_string(&path).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&written).unwrap();
    fs::write(&path, value.to_string()).unwrap();
    assert_eq!(read::<RunResult>(&path).unwrap(), handshake_run());
    for pointer in ["/handshake/server_cpu_ns", "/handshake/tls/p50", "/valid", "/environment/cpu_model"] {
        let place = value.pointer_mut(pointer).unwrap();
        let before = place.clone();
        *place = match &before {
            serde_json::Value::Bool(flag) => (!flag).into(),
            serde_json::Value::String(_) => "another".into(),
            _ => 1.into(),
        };
        let message = refusal(&value.to_string());
        assert!(message.contains("edited after it was written"), "{pointer}: {message}");
        *value.pointer_mut(pointer).unwrap() = before;
    }
}

#[test]
fn a_damaged_histogram_is_rejected_with_its_path() {
    for pointer in ["/handshake/server_busy", "/echo/lateness", "/warmup/echo/response"] {
        let text = edited(|run| run.pointer_mut(pointer).unwrap()["histogram"] = "AAAA".into());
        let message = refusal(&text);
        let name = pointer.trim_start_matches('/').replace('/', ".");
        let expected = format!("the samples of {name} are damaged: the histogram cannot be decoded");
        assert!(message.contains(&expected), "{message}");
    }
    let message = refusal(&edited(|run| run["handshake"]["tls"]["count"] = 7.into()));
    assert!(message.contains("handshake.tls"), "{message}");
}

#[test]
fn no_error_prints_its_cause_twice() {
    let path = || PathBuf::from("run.json");
    let json = || serde_json::from_str::<u8>("x").unwrap_err();
    let errors = [
        StoreError::Io { path: path(), action: "read", source: io::Error::other("the cause") },
        StoreError::Unwritable { path: path(), source: json() },
        StoreError::Truncated { path: path(), source: json() },
        StoreError::Invalid { path: path(), schema: RunResult::SCHEMA, source: json() },
        StoreError::UnexpectedSchema { path: path(), found: "x".to_owned(), schema: RunResult::SCHEMA },
        StoreError::Edited { path: path() },
        StoreError::Histogram {
            path: path(),
            latency: "handshake.tls".to_owned(),
            source: HistogramError::Undecodable("the cause".to_owned()),
        },
    ];
    for error in errors {
        let cause = error.source().map(ToString::to_string);
        let message = printed(error);
        assert!(message.contains("run.json"), "{message}");
        assert!(cause.is_none_or(|cause| message.matches(&cause).count() == 1), "{message}");
    }
}
