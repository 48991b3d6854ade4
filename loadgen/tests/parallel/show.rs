//! `wssbench show`: result files of every kind, compressed, of other versions, and to outputs that cannot be written.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use common::comparison::{comparison, write};
use common::{CLOSED, Ended, SHORT, run, wssbench};
use tempfile::TempDir;
use wss_model::RunResult;
use wss_report::Style;

/// A run of one second, shared by all tests.
fn result() -> &'static RunResult {
    static RESULT: OnceLock<RunResult> = OnceLock::new();
    RESULT.get_or_init(|| run(&[&["--connections", "4"], &CLOSED[..], &SHORT].concat()).result())
}

/// A folder with this text in `file.json`, and the path of that file.
fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

fn json(run: &RunResult) -> String {
    serde_json::to_string_pretty(run).unwrap()
}

fn show(path: &str, options: &[&str]) -> Ended {
    wssbench(&[&["show", path], options].concat())
}

#[test]
fn a_run_is_printed_as_it_was() {
    let (_folder, path) = file(&json(result()));
    assert_eq!(show(&path, &[]).stdout, wss_report::terminal(result(), Style::default()));
    let verbose = Style { verbose: true, ..Style::default() };
    assert_eq!(show(&path, &["--verbose"]).stdout, wss_report::terminal(result(), verbose));
    assert_eq!(show(&path, &["--json"]).stdout, json(result()));
}

#[test]
fn a_compressed_file_is_printed_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json.gz");
    let mut gzip = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
    gzip.write_all(json(result()).as_bytes()).unwrap();
    gzip.finish().unwrap();
    let ended = show(&path.display().to_string(), &[]);
    assert_eq!(ended.stdout, wss_report::terminal(result(), Style::default()), "{ended}");
    assert_eq!(show(&path.display().to_string(), &["--json"]).stdout, json(result()));
}

#[test]
fn the_exit_code_is_that_of_the_verdict() {
    let mut run = result().clone();
    for (valid, code) in [(true, 0), (false, 3)] {
        run.valid = valid;
        run.invalid_because.clear();
        let (_folder, path) = file(&json(&run));
        assert_eq!(show(&path, &[]).code(), Some(code));
    }
}

#[test]
fn traces_engines_and_comparisons_are_printed() {
    for verb in ["trace", "engines"] {
        let printed = wssbench(&[verb, "--json"]).stdout;
        let (_folder, path) = file(&printed);
        let ended = show(&path, &[]);
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(ended.stdout.contains(if verb == "trace" { "ClientHello" } else { "epoll" }), "{ended}");
        assert_eq!(show(&path, &["--json"]).stdout, printed);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = write(&comparison(result(), 1, 1.05), folder.path());
    assert!(show(&path, &[]).stdout.contains("B ÷ A"));
    assert!(show(&path, &["--md"]).stdout.contains("| figure |"));
}

#[test]
fn another_version_or_kind_of_file_is_refused() {
    let run = json(result());
    for (text, says) in [
        (
            run.replace("wssbench.run/2", "wssbench.run/9"),
            "has the schema wssbench.run/9, and this wssbench reads wssbench.run/2",
        ),
        (run.replace("wssbench.run/2", "other.tool/1"), "unknown schema `other.tool/1`"),
        (run.replace("wssbench.run/2", "wssbench.history/2"), "wssbench history show"),
        (run[..run.len() / 2].to_owned(), "truncated"),
        ("no JSON".to_owned(), "not a valid wssbench result file"),
    ] {
        let (_folder, path) = file(&text);
        let sentence = show(&path, &[]).refusal();
        assert!(sentence.contains(says) && sentence.contains("file.json"), "{sentence}");
    }
}

#[test]
fn a_format_that_the_kind_does_not_have_is_refused() {
    let (_folder, path) = file(&json(result()));
    assert!(show(&path, &["--md"]).refusal().contains("a run has no Markdown format"));
    assert!(show(&path, &["--csv"]).refusal().contains("wssbench export --format csv"));
}

/// The exit code and standard error of `wssbench show FILE` with this standard output.
fn show_to(path: &str, stdout: Stdio) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wssbench"))
        .args(["show", path])
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_closed_pipe_ends_quietly_and_a_full_disk_is_an_error() {
    let run = result();
    let (_folder, path) = file(&json(run));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let code = if run.valid { 0 } else { 3 };
    assert_eq!(show_to(&path, writer.into()), (Some(code), String::new()));
    let full = Path::new("/dev/full");
    if full.exists() {
        let (code, said) = show_to(&path, File::options().write(true).open(full).unwrap().into());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.starts_with("wssbench: cannot write to standard output") && said.lines().count() == 1, "{said}");
    }
}
