//! `history` as a command: adding, showing and changes.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use common::comparison::{comparison, write};
use common::{BOUND, CLOSED, SHORT, run, start_in, wssbench};
use tempfile::TempDir;
use wss_analysis::history::read;
use wss_model::RunResult;

/// The run whose machine and build the comparisons have.
fn result() -> &'static RunResult {
    static RESULT: OnceLock<RunResult> = OnceLock::new();
    RESULT.get_or_init(|| run(&[&["--connections", "10"], &CLOSED[..], &SHORT].concat()).result())
}

/// A history of comparisons whose B costs these factors of A, and its folder.
fn history(factors: &[f64]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl").display().to_string();
    let paths: Vec<String> = factors
        .iter()
        .enumerate()
        .map(|(number, factor)| write(&comparison(result(), number, *factor), folder.path()))
        .collect();
    let mut arguments = vec!["history", "add", "--file", &file];
    arguments.extend(paths.iter().map(String::as_str));
    let ended = wssbench(&arguments);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ended.stdout.lines().count(), factors.len(), "{ended}");
    (folder, file)
}

#[test]
fn adds_one_line_per_comparison_and_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&comparison(result(), 1, 1.05), folder.path());
    let ended = wssbench(&["history", "add", &path]);
    assert_eq!(ended.stdout, "results/history/history.jsonl: line 1: comparison-1\n", "{ended}");
    let file = ended.folder.path().join("results/history/history.jsonl");
    let found = read(&file).unwrap();
    let ratio = found.entries[0].metrics["server_cpu_handshake_us"];
    assert!((ratio.center - 1.05).abs() < 0.02 && ratio.blocks == 10, "{ratio:?}");
    let shown = wssbench(&["history", "show", "--file", &file.display().to_string()]);
    assert!(shown.code() == Some(0) && shown.stderr.is_empty(), "{shown}");
    assert!(
        shown.stdout.contains("server_cpu_handshake_us   ▄ ")
            && shown.stdout.contains("Too few points to look for changes"),
        "{shown}"
    );
}

#[test]
fn a_step_is_a_change_and_the_exit_code_is_0() {
    let mut factors = vec![1.0; 8];
    factors.extend([1.06; 8]);
    let (_folder, file) = history(&factors);
    let ended = wssbench(&["history", "changes", "--file", &file]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let text = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("server_cpu_handshake_us: +6.") && text.contains("worse since 2026-03-01 (0000008abc)"),
        "{ended}"
    );
    let shown = wssbench(&["history", "show", "--metric", "server_cpu_handshake_us", "--file", &file]);
    let changed: Vec<&str> = shown.stdout.lines().filter(|line| line.contains("← change")).collect();
    assert!(changed.len() == 1 && changed[0].starts_with("2026-03-01T00:08:00Z"), "{shown}");
    let ended = wssbench(&["history", "show", "--metric", "speed", "--file", &file]);
    assert!(ended.refusal().ends_with("no entry has the metric speed; available: server_cpu_handshake_us"), "{ended}");
}

#[test]
fn an_incomplete_line_is_reported_and_kept() {
    let (folder, file) = history(&[1.0, 1.01]);
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 40]).unwrap();
    let shown = wssbench(&["history", "show", "--file", &file]);
    assert!(shown.code() == Some(0) && shown.stdout.starts_with("1 comparison "), "{shown}");
    assert!(shown.stderr.contains("history.jsonl: line 2: partial line: "), "{shown}");
    let path = write(&comparison(result(), 7, 1.0), folder.path());
    let ended = wssbench(&["history", "add", &path, "--to", &file]);
    assert!(ended.code() == Some(0) && ended.stderr.contains("line 2 is incomplete; it is kept"), "{ended}");
    assert!(fs::read_to_string(&file).unwrap().starts_with(&whole[..whole.len() - 40]));
    let found = read(Path::new(&file)).unwrap();
    assert_eq!((found.entries.len(), found.bad_lines.len()), (2, 1));
}

#[test]
fn adds_nothing_of_a_list_with_an_error() {
    let (folder, file) = history(&[1.0]);
    let before = fs::read(&file).unwrap();
    let good = write(&comparison(result(), 5, 1.0), folder.path());
    let mut interrupted = comparison(result(), 6, 1.0);
    interrupted.interrupted = true;
    interrupted.conclude();
    let invalid = write(&interrupted, folder.path());
    let run = folder.path().join("run.json");
    wss_model::store::write(result(), &run).unwrap();
    let cut = folder.path().join("cut.json");
    fs::write(&cut, &fs::read(&good).unwrap()[..900]).unwrap();
    for (bad, says) in [
        (invalid.as_str(), "the comparison is invalid; add only valid ones (interrupted"),
        (run.to_str().unwrap(), "unsupported schema wssbench.run/2; expected wssbench.comparison/2"),
        (cut.to_str().unwrap(), "the file is truncated"),
        ("missing.json", "cannot read missing.json"),
    ] {
        let ended = wssbench(&["history", "add", &good, bad, "--file", &file]);
        assert!(ended.refusal().contains(says), "{ended}");
        assert_eq!(fs::read(&file).unwrap(), before, "{bad}");
    }
    let again = folder.path().join("comparison-0.json").display().to_string();
    let ended = wssbench(&["history", "add", &again, "--file", &file]);
    assert!(ended.refusal().ends_with("comparison-0 is already in the history, or is given twice"), "{ended}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn reports_a_missing_history() {
    for action in ["show", "changes"] {
        let ended = wssbench(&["history", action]);
        assert!(ended.refusal().contains("cannot read results/history/history.jsonl"), "{ended}");
    }
}

#[test]
fn concurrent_writers_keep_lines_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl").display().to_string();
    let paths: Vec<String> = (0..8).map(|number| write(&comparison(result(), number, 1.0), folder.path())).collect();
    let running: Vec<_> = paths.iter().map(|path| common::start(&["history", "add", path, "--file", &file])).collect();
    for one in running {
        let ended = one.end_within(common::BOUND);
        assert_eq!(ended.code(), Some(0), "{ended}");
    }
    let found = read(Path::new(&file)).unwrap();
    assert_eq!((found.entries.len(), found.bad_lines.len()), (8, 0));
}

#[test]
fn a_history_on_a_branch_leaves_the_working_copy_alone() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@localhost"];
        let output = Command::new("git").arg("-C").arg(folder.path()).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["config", "user.name", "somebody"]);
    git(&["config", "user.email", "somebody@localhost"]);
    git(&["commit", "--quiet", "--allow-empty", "--message=first"]);
    let history = |arguments: &[&str]| {
        let inside = tempfile::tempdir_in(folder.path()).unwrap();
        start_in(inside, &[&["history"], arguments].concat()).end_within(BOUND)
    };
    git(&["config", "user.name", ""]);
    let one = write(&comparison(result(), 9, 1.0), folder.path());
    let nameless = history(&["add", "--branch=perf", &one]);
    assert!(nameless.refusal().contains("git config user.name NAME"), "{nameless}");
    std::fs::remove_file(folder.path().join(one)).unwrap();
    git(&["config", "user.name", "somebody"]);
    let missing = history(&["show", "--branch=perf"]);
    assert!(missing.refusal().contains("perf:history.jsonl: the branch has no history"), "{missing}");
    for number in 0..3 {
        let one = write(&comparison(result(), number, 1.0), folder.path());
        let ended = history(&["add", &one, "--branch=perf"]);
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(ended.stdout.starts_with(&format!("perf:history.jsonl: line {}: ", number + 1)), "{ended}");
        fs::remove_file(&one).unwrap();
    }
    assert_eq!(git(&["show", "perf:history.jsonl"]).lines().count(), 3);
    assert_eq!(git(&["rev-list", "--count", "perf"]).trim(), "3");
    assert_eq!(git(&["status", "--porcelain"]), "");
    assert_eq!(history(&["show", "--branch=perf"]).code(), Some(0));
    // A branch that is checked out would get ahead of its working copy.
    git(&["checkout", "--quiet", "perf"]);
    let one = write(&comparison(result(), 7, 1.0), folder.path());
    let ended = history(&["add", &one, "--branch=perf"]);
    assert!(ended.refusal().contains("the branch perf is checked out"), "{ended}");
    assert_eq!(git(&["show", "perf:history.jsonl"]).lines().count(), 3);
    assert!(history(&["show", "--branch=a b"]).refusal().contains("is not a valid name for a branch"));
}
