//! The program `counts`: what it skips, and how it compares with the counts of another build.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

use wss_analysis::counts::Counts;
use wss_model::store;

fn counts(folder: &Path, path: Option<&str>, arguments: &[&str]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counts"));
    command.args(arguments).current_dir(folder);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, text)
}

#[test]
fn skips_valgrind_and_strace_with_a_reason_if_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (output, text) =
        counts(folder.path(), Some(""), &["--signal", "instructions,syscalls,wire", "--json", "all.json"]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let skipped: Vec<&str> = text.lines().filter(|line| line.starts_with("SKIPPED: ")).collect();
    assert!(skipped.len() == 2 && skipped[0].contains("valgrind") && skipped[1].contains("strace"), "{text}");
    let written = store::read::<Counts>(&folder.path().join("all.json")).unwrap();
    assert_eq!(written.skipped.len(), 2);
    assert!(!written.counts.is_empty() && written.counts.iter().all(|count| !count.name.contains("instructions")));
}

#[test]
fn exits_with_2_if_a_count_rose_and_with_0_if_it_fell() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.json");
    let (_, text) = counts(folder.path(), None, &["--signal", "wire", "--json", "base.json"]);
    let counted = store::read::<Counts>(&base).unwrap();
    let exact = counted.counts.iter().position(|count| count.range == 0.0).unwrap_or_else(|| panic!("{text}"));
    for (change, code, sign) in [(-1.0, 2, "+"), (1.0, 0, "-")] {
        let mut other = counted.clone();
        other.counts[exact].value += change;
        store::write(&other, &base).unwrap();
        let (output, text) = counts(folder.path(), None, &["--signal", "wire", "--against", "base.json"]);
        assert_eq!(output.status.code(), Some(code), "{text}");
        let line = text.lines().find(|line| line.starts_with(&format!("{}: ", other.counts[exact].name)));
        assert!(line.is_some_and(|line| line.contains(" → ") && line.contains(sign)), "{text}");
    }
    std::fs::write(&base, "{}").unwrap();
    let (output, text) = counts(folder.path(), None, &["--signal", "wire", "--against", "base.json"]);
    assert!(output.status.code() == Some(1) && text.contains("base.json"), "{text}");
}
