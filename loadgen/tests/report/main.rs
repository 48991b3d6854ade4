//! `wssbench report`, and `--html` of the verbs that measure: files, errors, and the page in a browser.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod page;

use std::path::Path;
use std::sync::OnceLock;

use common::{BOUND, CLOSED, Ended, SHORT, run, start_in};
use wss_model::RunResult;

/// A run of one second, shared by all tests.
fn result() -> &'static RunResult {
    static RESULT: OnceLock<RunResult> = OnceLock::new();
    RESULT.get_or_init(|| run(&[&["--connections", "60"], &CLOSED[..], &SHORT].concat()).result())
}

/// Runs a command in a folder with the result in `run.json`.
fn with_result(arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    wss_model::store::write(result(), &folder.path().join("run.json")).unwrap();
    start_in(folder, arguments).end_within(BOUND)
}

/// The next command in the folder of an ended one.
fn then(ended: Ended, arguments: &[&str]) -> Ended {
    assert_eq!(ended.code(), Some(0), "{ended}");
    start_in(ended.folder, arguments).end_within(BOUND)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_report_gives_its_results_back_byte_for_byte() {
    let made = with_result(&["report", "run.json"]);
    let original = std::fs::read(made.folder.path().join("run.json")).unwrap();
    let page = std::fs::read_to_string(made.folder.path().join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("class=\"answer\""), "{made}");
    let printed = then(made, &["report", "--extract", "report.html"]);
    assert_eq!(printed.stdout.as_bytes(), original);
    let written = then(printed, &["report", "--extract", "report.html", "-o", "again.json"]);
    assert_eq!(std::fs::read(written.folder.path().join("again.json")).unwrap(), original);
    std::fs::copy(written.folder.path().join("run.json"), written.folder.path().join("other.json")).unwrap();
    let several = then(written, &["report", "run.json", "other.json", "-o", "both.html"]);
    let refused = then(several, &["report", "--extract", "both.html"]);
    assert!(refused.refusal().contains("has 2 results (run.json, other.json); name one of them"), "{refused}");
    let one = start_in(refused.folder, &["report", "--extract", "both.html", "other.json", "-o", "o.json"]);
    let all = then(one.end_within(BOUND), &["report", "--extract", "both.html", "-o", "results"]);
    assert_eq!(names(&all.folder.path().join("results")), ["other.json", "run.json"]);
    assert_eq!(std::fs::read(all.folder.path().join("o.json")).unwrap(), original);
}

#[test]
fn figures_are_written_alone() {
    let ended = with_result(&["report", "run.json", "--svg", "figures/svg", "--png", "figures/png"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let folder = ended.folder.path();
    let (svg, png) = (names(&folder.join("figures/svg")), names(&folder.join("figures/png")));
    assert!(svg.contains(&"handshake-phases.svg".to_owned()) && svg.len() >= 6, "{svg:?}");
    assert_eq!(svg.iter().map(|name| name.replace(".svg", ".png")).collect::<Vec<_>>(), png);
    assert!(!folder.join("report.html").exists(), "a page that nobody asked for");
}

#[test]
fn verbs_that_measure_write_a_page_too() {
    let run = [&["run", "--connections", "20", "--html", "run.html"], &CLOSED[..], &SHORT].concat();
    let trials = ["--trial=200ms", "--workloads=handshake", "--blocks=1"];
    let ab = [&["ab", "--a", "", "--b", "--layer=ws", "--html", "ab.html"][..], &trials].concat();
    let sweep = [&["sweep", "--layer=ws,wss", "--html", "sweep.html"][..], &trials].concat();
    for (arguments, page) in [(run, "run.html"), (ab, "ab.html"), (sweep, "sweep.html")] {
        let ended = start_in(tempfile::tempdir().unwrap(), &arguments).end_within(BOUND);
        assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
        let text = std::fs::read_to_string(ended.folder.path().join(page)).unwrap();
        assert!(text.contains("data-name=\""), "{ended}");
        // A block of which the machine disturbed a trial has no figure.
        assert!(text.contains("<figure ") || page != "run.html" && ended.code() == Some(3), "{ended}");
    }
}

#[test]
fn refuses_what_cannot_be_a_report() {
    let refusal = |arguments: &[&str]| with_result(arguments).refusal().to_owned();
    assert!(refusal(&["report", "/etc/hostname"]).contains("not a wssbench result"));
    assert!(refusal(&["report", "missing.json"]).contains("cannot read missing.json"));
    assert!(refusal(&["report", "run.json", "-o", "run.json"]).contains("refusing to overwrite the input"));
    assert!(refusal(&["report", "--extract", "run.json"]).contains("no result is embedded in this file"));
    let both = refusal(&["run", "--out", "one.json", "--html", "one.json"]);
    assert!(both.contains("--html and --out both name one.json"), "{both}");
}
