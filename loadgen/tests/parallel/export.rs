//! `wssbench export` of a real run, read by the programs that the formats are made for, if they are installed:
//! HdrHistogram's log processor (Debian: libhdrhistogram-java) and promtool (Debian: prometheus).

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::comparison::{comparison, write};
use common::{CLOSED, Ended, SHORT, left_out, run, samples, start_in, wssbench};
use serde_json::Value;
use tempfile::TempDir;
use wss_model::RunResult;

const FORMATS: [&str; 8] =
    ["bmf", "github-action-benchmark", "hgrm", "hlog", "csv", "openmetrics", "summary-csv", "cdf-csv"];
const JAR: &str = "/usr/share/java/hdrhistogram.jar";

/// A run of one second, shared by all tests.
fn result() -> &'static RunResult {
    static RESULT: OnceLock<RunResult> = OnceLock::new();
    RESULT.get_or_init(|| run(&[&["--connections", "60"], &CLOSED[..], &SHORT].concat()).result())
}

/// A folder with an edited copy of the result in `run.json`.
fn folder(edit: impl FnOnce(&mut Value)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut json = serde_json::to_value(result()).unwrap();
    edit(&mut json);
    std::fs::write(folder.path().join("run.json"), json.to_string()).unwrap();
    folder
}

/// Runs `wssbench export run.json` in a folder.
fn export_in(folder: TempDir, arguments: &[&str]) -> Ended {
    start_in(folder, &[&["export", "run.json"], arguments].concat()).end_within(common::BOUND)
}

/// The exported result.
fn exported(arguments: &[&str]) -> String {
    let ended = export_in(folder(|_| ()), &[&["--format"], arguments].concat());
    assert_eq!(ended.code(), Some(0), "{ended}");
    ended.stdout
}

/// The output of a program, or `None` if it is not installed.
fn installed(program: &str, arguments: &[&str], folder: &Path) -> Option<Output> {
    match Command::new(program).args(arguments).current_dir(folder).output() {
        Ok(output) => Some(output),
        Err(error) => {
            left_out(&format!("{program} does not start ({error})"));
            None
        }
    }
}

#[test]
fn standard_output_and_a_file_get_the_same_text() {
    for format in FORMATS {
        let printed = exported(&[format]);
        let ended = export_in(folder(|_| ()), &["--format", format, "--out", "new/exported"]);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(0), ""), "{ended}");
        assert_eq!(std::fs::read_to_string(ended.folder.path().join("new/exported")).unwrap(), printed);
    }
}

#[test]
fn hdrhistograms_log_processor_prints_the_same_distribution() {
    if !Path::new(JAR).exists() {
        return left_out(&format!("{JAR} is not there"));
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("run.hlog"), exported(&["hlog"])).unwrap();
    for name in ["handshake.tls", "handshake.connect", "echo.response"] {
        let arguments = ["-cp", JAR, "org.HdrHistogram.HistogramLogProcessor", "-i", "run.hlog", "-tag", name];
        let Some(theirs) =
            installed("java", &[&arguments[..], &["-outputValueUnitRatio", "1000000"]].concat(), folder.path())
        else {
            return;
        };
        assert!(theirs.status.success(), "{theirs:?}");
        let (theirs, ours) = (String::from_utf8(theirs.stdout).unwrap(), exported(&["hgrm", "--latency", name]));
        let (theirs, ours) = (numbers(&theirs), numbers(&ours));
        assert_eq!(theirs.len(), ours.len(), "{name}");
        for (their, our) in theirs.iter().zip(&ours) {
            assert_eq!(their.len(), our.len(), "{name}: {their:?} {our:?}");
            // They print three decimals of a millisecond and we six; the others are as they print them.
            assert!((their[0] - our[0]).abs() < 0.000_501, "{name}: {their:?} {our:?}");
            assert!(their[1..].iter().zip(&our[1..]).all(|(a, b)| (a - b).abs() < 0.001), "{name}: {their:?} {our:?}");
        }
    }
}

/// The numbers of a percentile distribution, line by line, including its footer.
fn numbers(text: &str) -> Vec<Vec<f64>> {
    let has_numbers = |line: &&str| {
        ["#[Mean", "#[Max", "#[Buckets"].iter().any(|end| line.starts_with(end)) || !line.starts_with('#')
    };
    let words = |line: &str| {
        line.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|word| word.parse().ok()).collect()
    };
    text.lines().filter(has_numbers).skip(1).map(words).filter(|line: &Vec<f64>| !line.is_empty()).collect()
}

#[test]
fn promtool_reads_every_openmetrics_sample() {
    // promtool creates database blocks, for which each sample needs a timestamp.
    let text: Vec<String> = exported(&["openmetrics"])
        .lines()
        .map(|line| if line.starts_with('#') { line.to_owned() } else { format!("{line} 1700000000") })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("run.txt"), text.join("\n") + "\n").unwrap();
    let arguments = ["tsdb", "create-blocks-from", "openmetrics", "run.txt", "blocks"];
    let Some(said) = installed("promtool", &arguments, folder.path()) else { return };
    assert!(said.status.success(), "{said:?}");
    let samples = text.iter().filter(|line| !line.starts_with('#')).count().to_string();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.split_whitespace().any(|word| word == samples), "not {samples} samples: {said}");
}

#[test]
fn figures_and_series_match_the_result() {
    let result = result();
    let bmf: Value = serde_json::from_str(&exported(&["bmf"])).unwrap();
    let measures = bmf.as_object().unwrap().values().next().unwrap();
    let echo = result.echo.as_ref().unwrap();
    assert_eq!(measures["echo-response-p50-ns"]["value"].as_f64(), echo.response.p50.map(|ns| ns as f64));
    assert_eq!(exported(&["csv"]).lines().count(), 1 + result.series.len());
    let metrics = exported(&["openmetrics"]);
    let count = format!("wssbench_run_latency_seconds_count{{latency=\"echo.response\"}} {}", samples(&echo.response));
    assert!(metrics.lines().any(|line| line == count), "{count}\n{metrics}");
}

#[test]
fn left_out_figures_are_named_and_are_in_the_other_file() {
    let format = ["--format", "github-action-benchmark"];
    let ended = export_in(folder(|_| ()), &format);
    assert!(
        ended.stderr.contains("note: left out, because more is better for them") && !ended.stdout.contains("echo.rate")
    );
    let bigger = export_in(folder(|_| ()), &[&format[..], &["--better", "bigger"]].concat());
    assert!(bigger.code() == Some(0) && bigger.stdout.contains("echo.rate"), "{bigger}");
}

#[test]
fn a_bad_input_is_refused_and_the_output_kept() {
    let whole = serde_json::to_string(result()).unwrap();
    let files = [
        (whole[..whole.len() / 2].to_owned(), "the file is truncated"),
        (whole.replace("wssbench.run/2", "wssbench.run/1"), "expected wssbench.run/2, wssbench.comparison/2 or"),
        ("{}".to_owned(), "missing field `schema`"),
    ];
    for (text, says) in files {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("run.json"), text).unwrap();
        std::fs::write(folder.path().join("out"), "kept").unwrap();
        let ended = export_in(folder, &["--format", "hlog", "--out", "out"]);
        assert!(ended.refusal().contains(says), "{ended}");
        assert_eq!(std::fs::read_to_string(ended.folder.path().join("out")).unwrap(), "kept");
    }
    let edited = folder(|json| json["echo"]["response"]["histogram"] = "AAAA".into());
    let ended = export_in(edited, &["--format", "bmf"]);
    assert!(ended.refusal().contains("the samples of echo.response are damaged"), "{ended}");
    let ended = wssbench(&["export", "missing.json", "--format", "csv"]);
    assert!(ended.refusal().contains("cannot read missing.json"), "{ended}");
}

#[test]
fn a_comparison_is_refused_with_its_formats() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&comparison(result(), 1, 1.05), folder.path());
    let ended = wssbench(&["export", &path, "--format", "csv"]);
    let says = "a comparison cannot be exported as csv; use bmf, github-action-benchmark or summary-csv";
    assert!(ended.refusal().ends_with(says), "{ended}");
    let ended = wssbench(&["export", &path, "--format", "bmf"]);
    assert!(ended.code() == Some(0) && ended.stdout.contains("lower_value"), "{ended}");
}

#[test]
fn an_unknown_latency_is_refused_with_the_known_ones() {
    let ended = export_in(folder(|_| ()), &["--format", "hgrm", "--latency", "tls"]);
    assert!(ended.refusal().contains("no latency named tls; it has handshake.connect, handshake.tls"), "{ended}");
    let ended = export_in(folder(|_| ()), &["--format", "csv", "--latency", "handshake.tls"]);
    assert!(ended.refusal().contains("--latency has no effect with --format csv"), "{ended}");
}
