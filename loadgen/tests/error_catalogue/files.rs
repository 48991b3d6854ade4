//! Errors of files: results, exports, gate policies, histories.

use std::io;
use std::path::PathBuf;

use wss_analysis::gate::{self, PolicyError};
use wss_analysis::history::{HistoryError, Unfit};
use wss_model::latency::HistogramError;
use wss_model::store::StoreError;
use wss_report::export::ExportError;
use wss_report::html::ReportError;

use crate::{Entry, printed};

fn path() -> PathBuf {
    "result.json".into()
}

fn not_found() -> io::Error {
    io::Error::from_raw_os_error(2)
}

/// Of a file that ends too early.
fn undecodable() -> HistogramError {
    HistogramError::Undecodable("it ends early".to_owned())
}

fn truncated() -> serde_json::Error {
    serde_json::from_str::<Vec<u8>>("[1,").unwrap_err()
}

/// Of a file with something else in it.
fn unexpected() -> serde_json::Error {
    serde_json::from_str::<Vec<u8>>("{}").unwrap_err()
}

/// Of a value that JSON cannot represent.
fn unwritable() -> serde_json::Error {
    serde::ser::Error::custom("float is infinite")
}

pub(crate) fn results() -> Vec<Entry> {
    let errors = vec![
        StoreError::Io { path: path(), action: "read", source: not_found() },
        StoreError::Unwritable { path: path(), source: unwritable() },
        StoreError::Truncated { path: path(), source: truncated() },
        StoreError::Invalid { path: path(), schema: "wssbench.run/2", source: unexpected() },
        StoreError::UnexpectedSchema { path: path(), found: "wssbench.run/1".to_owned(), schema: "wssbench.run/2" },
        StoreError::Edited { path: path() },
        StoreError::Histogram { path: path(), latency: "handshake.tls".to_owned(), source: undecodable() },
    ];
    errors.into_iter().map(result).collect()
}

fn result(error: StoreError) -> Entry {
    let (code, cause, cure) = match error {
        StoreError::Io { .. } => {
            ("io", "The file or its directory is missing or not accessible.", "Correct the path or its permissions.")
        }
        StoreError::Unwritable { .. } => {
            ("unwritable", "A figure is infinite or not a number.", "Report it; the result was not written.")
        }
        StoreError::Truncated { .. } => ("truncated", "The file ends within the JSON.", "Copy or measure it again."),
        StoreError::Invalid { .. } => {
            ("invalid", "The file is not a result of this kind, or was made by hand.", "Give a result file.")
        }
        StoreError::UnexpectedSchema { .. } => (
            "unexpected_schema",
            "The file is of another kind, or of another major version.",
            "Use the wssbench version that wrote it.",
        ),
        StoreError::Edited { .. } => {
            ("edited", "The content does not match the digest.", "Use the original file, or measure again.")
        }
        StoreError::Histogram { .. } => {
            ("histogram", "A histogram cannot be decoded.", "Use the original file, or measure again.")
        }
    };
    Entry::new(code, printed(error), cause, cure)
}

pub(crate) fn exports() -> Vec<Entry> {
    let errors = vec![
        ExportError::UnsupportedKind { kind: "comparison", format: "hgrm", has: "csv".to_owned() },
        ExportError::NoSuchLatency { name: "handshake.dns".to_owned(), has: "handshake.tls".to_owned() },
        ExportError::UnusedOption { option: "latency", format: "csv", of: "hgrm" },
        ExportError::Nothing { what: "histogram", format: "hgrm" },
        ExportError::Histogram { latency: "handshake.tls".to_owned(), source: undecodable() },
        ExportError::Unwritable { format: "csv", reason: "a record has a different number of fields".to_owned() },
    ];
    errors.into_iter().map(export).collect()
}

fn export(error: ExportError) -> Entry {
    let (code, cause, cure) = match error {
        ExportError::UnsupportedKind { .. } => {
            ("unsupported_kind", "The format cannot represent this kind of result.", "Use one of the listed formats.")
        }
        ExportError::NoSuchLatency { .. } => {
            ("no_such_latency", "The result has no latency of this name.", "Use one of the listed names.")
        }
        ExportError::UnusedOption { .. } => {
            ("unused_option", "The option belongs to another format.", "Remove the option.")
        }
        ExportError::Nothing { .. } => ("nothing", "The result has no such data.", "Use another format."),
        ExportError::Histogram { .. } => {
            ("histogram", "A histogram cannot be decoded.", "Use the original file, or measure again.")
        }
        ExportError::Unwritable { .. } => {
            ("unwritable", "The library of the format failed.", "Please report this as a bug.")
        }
    };
    Entry::new(code, printed(error), cause, cure)
}

pub(crate) fn reports() -> Vec<Entry> {
    let (page, name) = (|| PathBuf::from("report.html"), || "run.json".to_owned());
    let errors = vec![
        ReportError::NotAResult { path: "notes.txt".into() },
        ReportError::UnsupportedKind { path: path(), schema: "wssbench.gate/2".to_owned() },
        ReportError::TooLarge { path: path(), bytes: 70_000_000, limit: 67_108_864 },
        ReportError::TooMany { count: 9, kind: "runs", limit: 8 },
        ReportError::Image { figure: "echo-percentiles".to_owned(), reason: "the figure has no area".to_owned() },
        ReportError::NotAReport { path: page() },
        ReportError::NoSuchResult { path: page(), name: name(), has: "tour.sweep.json".to_owned() },
        ReportError::Damaged { path: page(), name: name() },
    ];
    errors.into_iter().map(report).collect()
}

fn report(error: ReportError) -> Entry {
    let (code, cause, cure) = match error {
        // Those of results are listed there.
        ReportError::Store(_) => ("store", "The file cannot be read or written.", "See Results."),
        ReportError::NotAResult { .. } => ("not_a_result", "The file names no schema of wssbench.", "Name a result."),
        ReportError::UnsupportedKind { .. } => {
            ("unsupported_kind", "The kind of result has no figures.", "Print it with `wssbench show`.")
        }
        ReportError::TooLarge { .. } => {
            ("too_large", "A page with the file in it would be too large to open.", "Print it with `wssbench show`.")
        }
        ReportError::TooMany { .. } => {
            ("too_many", "There are more curves than colors that readers can distinguish.", "Make several reports.")
        }
        ReportError::Image { .. } => ("image", "The library that draws failed.", "Please report this as a bug."),
        ReportError::NotAReport { .. } => {
            ("not_a_report", "The file was not made by `wssbench report`.", "Name a report.")
        }
        ReportError::NoSuchResult { .. } => {
            ("no_such_result", "The report has no result of this name.", "Use one of the listed names.")
        }
        ReportError::Damaged { .. } => {
            ("damaged", "The embedded result does not match its digest.", "Use another copy of the report.")
        }
    };
    Entry::new(code, printed(error), cause, cure)
}

pub(crate) fn policies() -> Vec<Entry> {
    let policies = [
        "threshold =",
        "threshold = \"2%\"\n[metrics.server_cpu_handshake]",
        "[metrics.server_cpu_handshake_us]",
        "threshold = \"2%\"",
    ];
    policies.map(|text| policy(text.parse::<gate::Policy>().unwrap_err())).into()
}

fn policy(error: PolicyError) -> Entry {
    let (code, cause, cure) = match error {
        PolicyError::Toml(_) => ("toml", "The file is not TOML, or has an unknown key.", "Correct the line."),
        PolicyError::UnknownMetric { .. } => ("unknown_metric", "No result has this metric.", "Correct the name."),
        PolicyError::NoThreshold(_) => {
            ("no_threshold", "Nothing says by how much the metric may get worse.", "Write a threshold.")
        }
        PolicyError::Direction { .. } => {
            ("direction", "A gain would be judged as a regression.", "Remove direction, or use \"either\".")
        }
        PolicyError::Empty => ("empty", "The policy judges nothing.", "Add a table [metrics.NAME]."),
    };
    Entry::new(code, printed(error), cause, cure)
}

pub(crate) fn history() -> Vec<Entry> {
    let id = || "20260101T000000Z-1".to_owned();
    let path = || PathBuf::from("results/history/history.jsonl");
    let errors = vec![
        HistoryError::Io { path: path(), action: "read", source: not_found() },
        HistoryError::Duplicate { path: path(), comparison: id(), line: 3 },
        HistoryError::Unwritable { path: path(), source: unwritable() },
        HistoryError::NotAFile { path: path() },
    ];
    let unfit = vec![
        Unfit::NotValid { id: id(), because: "6 of 12 blocks were dropped".to_owned() },
        Unfit::Copy { id: id() },
        Unfit::Forced { id: id(), field: "config.tls.suite".to_owned() },
        Unfit::NoRatio { id: id() },
    ];
    errors.into_iter().map(history_file).chain(unfit.into_iter().map(unfit_comparison)).collect()
}

fn history_file(error: HistoryError) -> Entry {
    let (code, cause, cure) = match error {
        HistoryError::Io { .. } => ("io", "The file is missing or not accessible.", "Correct --file."),
        HistoryError::Duplicate { .. } => ("duplicate", "The comparison was added before.", "No action needed."),
        HistoryError::Unwritable { .. } => {
            ("unwritable", "A figure is infinite or not a number.", "Please report this as a bug.")
        }
        HistoryError::NotAFile { .. } => ("not_a_file", "The path is a directory or device.", "Correct --file."),
    };
    Entry::new(code, printed(error), cause, cure)
}

fn unfit_comparison(error: Unfit) -> Entry {
    let (code, cause, cure) = match error {
        Unfit::NotValid { .. } => ("not_valid", "A history has valid comparisons only.", "Repeat the comparison."),
        Unfit::Copy { .. } => ("copy", "A build compared with itself has no trend.", "Compare two builds."),
        Unfit::Forced { .. } => (
            "forced",
            "The configurations differ too, so the ratio does not compare only the builds.",
            "Compare equal configurations.",
        ),
        Unfit::NoRatio { .. } => ("no_ratio", "The comparison has no figures.", "Repeat the comparison."),
    };
    Entry::new(code, printed(error), cause, cure)
}
