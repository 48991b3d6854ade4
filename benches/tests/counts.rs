//! `counts` as it is started: what it leaves out and says so, and what differs from another build's counts.

// A panic is how a test fails.
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
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, said)
}

#[test]
fn without_valgrind_and_strace_both_are_left_out_with_a_sentence_each() {
    let folder = tempfile::tempdir().unwrap();
    let (output, said) =
        counts(folder.path(), Some(""), &["--signal", "instructions,syscalls,wire", "--json", "all.json"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let left_out: Vec<&str> = said.lines().filter(|line| line.starts_with("SKIPPED: ")).collect();
    assert!(left_out.len() == 2 && left_out[0].contains("valgrind") && left_out[1].contains("strace"), "{said}");
    let written = store::read::<Counts>(&folder.path().join("all.json")).unwrap();
    assert_eq!(written.skipped.len(), 2);
    assert!(!written.counts.is_empty() && written.counts.iter().all(|count| !count.name.contains("instructions")));
}

#[test]
fn a_byte_more_on_the_wire_is_told_with_exit_code_2_and_a_byte_less_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.json");
    let (_, said) = counts(folder.path(), None, &["--signal", "wire", "--json", "base.json"]);
    let counted = store::read::<Counts>(&base).unwrap();
    let exact = counted.counts.iter().position(|count| count.range == 0.0).unwrap_or_else(|| panic!("{said}"));
    for (by, code, sign) in [(-1.0, 2, "+"), (1.0, 0, "-")] {
        let mut other = counted.clone();
        other.counts[exact].value += by;
        store::write(&other, &base).unwrap();
        let (output, said) = counts(folder.path(), None, &["--signal", "wire", "--against", "base.json"]);
        assert_eq!(output.status.code(), Some(code), "{said}");
        let told = said.lines().find(|line| line.starts_with(&format!("{}: ", other.counts[exact].name)));
        assert!(told.is_some_and(|line| line.contains(" → ") && line.contains(sign)), "{said}");
    }
    std::fs::write(&base, "{}").unwrap();
    let (output, said) = counts(folder.path(), None, &["--signal", "wire", "--against", "base.json"]);
    assert!(output.status.code() == Some(1) && said.contains("base.json"), "{said}");
}
