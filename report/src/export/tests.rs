//! Each format against a reader: another implementation in Rust, the published schema, or the rules of the format.
//! `loadgen/tests/parallel/export.rs` uses the programs themselves.

mod openmetrics;

use std::path::PathBuf;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry};
use serde_json::{Value, json};

use super::*;
use wss_analysis::comparison::fixtures::comparison;
use wss_analysis::validity::fixtures::{invalid_run, large_run};
use wss_model::fixtures::{closed_run, echo_run, handshake_run, latency};

fn options(format: Format) -> Options<'static> {
    Options { format, latency: None, better: Better::Smaller }
}

fn exported(run: RunResult, format: Format) -> String {
    export(&Source::Run(Box::new(run)), &options(format)).unwrap().text
}

fn runs() -> [RunResult; 5] {
    [echo_run(), handshake_run(), invalid_run(), closed_run(), large_run()]
}

/// A run with few samples in this format.
fn small(format: Format) -> String {
    let mut run = handshake_run();
    run.warmup = wss_model::run_result::Warmup::default();
    for latency in [&mut run.handshake.connect, &mut run.handshake.upgrade, &mut run.handshake.first_echo] {
        *latency = wss_model::Latency::default();
    }
    run.handshake.tls = latency(1_230_000.0, 8);
    exported(run, format)
}

fn source(comparison: Comparison) -> Source {
    Source::Comparison(Box::new(comparison))
}

#[test]
fn bmf_matches_benchers_schema() {
    // https://bencher.dev/bmf.json, with what Bencher does not read left out of the objects as well.
    let schema = json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64 },
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "value": { "type": "number" },
                    "lower_value": { "type": "number" },
                    "upper_value": { "type": "number" }
                },
                "required": ["value"],
                "additionalProperties": false
            }
        },
        "propertyNames": { "maxLength": 1024 }
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    let comparisons = [comparison(12, 1.05), comparison(3, 1.0)].map(source);
    for source in runs().map(|run| Source::Run(Box::new(run))).into_iter().chain(comparisons) {
        let text = export(&source, &options(Format::Bmf)).unwrap().text;
        let wrong: Vec<String> = validator
            .iter_errors(&serde_json::from_str(&text).unwrap())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(wrong, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn bmf_has_the_figures_of_a_run_and_the_ratios_of_a_comparison() {
    let bmf: Value = serde_json::from_str(&exported(echo_run(), Format::Bmf)).unwrap();
    let (name, measures) = bmf.as_object().unwrap().iter().next().unwrap();
    assert_eq!(
        name,
        "wss, messages of 64B at 10000/s on 1,000 connections, uring to uring, TLSv1.3, TLS13_AES_256_GCM_SHA384, \
         X25519MLKEM768, ecdsa-p256 certificate, full"
    );
    // Two servers are two series, whatever their engines are.
    let foreign = |url: &str, command: Option<&str>| {
        let mut run = echo_run();
        run.target.embedded = false;
        run.target.url = url.to_owned();
        run.target.command = command.map(str::to_owned);
        let bmf: Value = serde_json::from_str(&exported(run, Format::Bmf)).unwrap();
        bmf.as_object().unwrap().keys().next().unwrap().clone()
    };
    assert!(foreign("wss://a:1/", None).contains("uring to wss://a:1/, "));
    assert_ne!(foreign("wss://a:1/", None), foreign("wss://b:1/", None));
    assert_eq!(foreign("wss://a:1/", Some("node echo.js")), foreign("wss://a:2/", Some("node echo.js")));
    let run = echo_run();
    assert_eq!(measures["handshake-tls-p99-ns"]["value"], json!(run.handshake.tls.p99.unwrap() as f64));
    assert_eq!(measures["echo-server-cpu-ns"], json!({ "value": 21_300.0 }));
    assert_eq!(measures.get("echo-rate-per-s"), None, "the rate of an open loop is the one that was asked for");
    assert!(exported(closed_run(), Format::Bmf).contains("echo-rate-per-s"));

    let compared = comparison(12, 1.05);
    let ratio = compared.analysis.metrics[0].ratio.clone().unwrap();
    let interval = ratio.interval.unwrap();
    let bmf: Value = serde_json::from_str(&export(&source(compared), &options(Format::Bmf)).unwrap().text).unwrap();
    let (name, measures) = bmf.as_object().unwrap().iter().next().unwrap();
    assert!(name.starts_with("ratio to base: TLSv1.3, "), "{name}");
    let close = |found: &Value, expected: f64| (found.as_f64().unwrap() - expected).abs() < 1e-12;
    let found = &measures["server-cpu-handshake-us-ratio"];
    assert!(close(&found["value"], ratio.center), "{found}");
    assert!(close(&found["lower_value"], interval.low) && close(&found["upper_value"], interval.high), "{found}");
    assert!(measures["server-cpu-handshake-us"]["value"].as_f64().unwrap() > 205.0);
    // Three blocks have no interval, and none is made up.
    let few = export(&source(comparison(3, 1.0)), &options(Format::Bmf)).unwrap().text;
    assert!(few.contains("-ratio") && !few.contains("_value"), "{few}");
}

#[test]
fn github_action_benchmark_files_have_one_kind_of_figures() {
    // BenchmarkResult of its src/extract.ts, which takes any array of these.
    let schema = json!({
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "minLength": 1 },
                "unit": { "type": "string", "minLength": 1 },
                "value": { "type": "number" },
                "range": { "type": "string" },
                "extra": { "type": "string" }
            },
            "required": ["name", "unit", "value"],
            "additionalProperties": false
        }
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    for source in [Source::Run(Box::new(closed_run())), source(comparison(12, 1.05))] {
        let [smaller, bigger] = [Better::Smaller, Better::Bigger].map(|better| {
            let options = Options { better, ..options(Format::GithubActionBenchmark) };
            let Exported { text, notes } = export(&source, &options).unwrap();
            let array: Value = serde_json::from_str(&text).unwrap();
            assert!(validator.is_valid(&array), "{text}");
            let figure = |one: &Value| one["name"].as_str().unwrap().split(' ').next().unwrap().to_owned();
            let names: Vec<String> = array.as_array().unwrap().iter().map(figure).collect();
            (names, notes)
        });
        for ((names, _), (others, notes)) in [(&smaller, &bigger), (&bigger, &smaller)] {
            assert!(names.iter().all(|name| !others.contains(name)), "{names:?} {others:?}");
            let said = notes.iter().find(|note| note.starts_with("left out, because ")).unwrap();
            assert!(names.iter().all(|name| said.contains(name.as_str())), "{said}");
        }
    }
    let text = export(&source(comparison(12, 1.05)), &options(Format::GithubActionBenchmark)).unwrap().text;
    let array: Value = serde_json::from_str(&text).unwrap();
    let name = array[0]["name"].as_str().unwrap();
    assert!(name.starts_with("server_cpu_handshake_us (ratio to base: TLSv1.3, "), "{name}");
    assert_eq!(array[0]["unit"], json!("ratio"));
    let range = array[0]["range"].as_str().unwrap();
    assert!(range.starts_with("1.0") && range.contains(" to 1.0"), "{range}");
}

#[test]
fn an_open_loop_has_no_figure_for_which_more_is_better() {
    let options = Options { better: Better::Bigger, ..options(Format::GithubActionBenchmark) };
    let sentence = export(&Source::Run(Box::new(echo_run())), &options).unwrap_err().to_string();
    assert!(sentence.contains("--rate max") && !sentence.contains('\n'), "{sentence}");
}

#[test]
fn a_percentile_distribution() {
    insta::assert_snapshot!(small(Format::Hgrm), @r"
    #[wssbench 20260301T120000Z-4711 handshake.tls, values in milliseconds]
           Value     Percentile TotalCount 1/(1-Percentile)

        0.906239 0.000000000000          1           1.00
        0.906239 0.100000000000          1           1.11
        0.996863 0.200000000000          2           1.25
        1.088511 0.300000000000          3           1.43
        1.181695 0.400000000000          4           1.67
        1.181695 0.500000000000          4           2.00
        1.276927 0.550000000000          5           2.22
        1.276927 0.600000000000          5           2.50
        1.375231 0.650000000000          6           2.86
        1.375231 0.700000000000          6           3.33
        1.375231 0.750000000000          6           4.00
        1.479679 0.775000000000          7           4.44
        1.479679 0.800000000000          7           5.00
        1.479679 0.825000000000          7           5.71
        1.479679 0.850000000000          7           6.67
        1.479679 0.875000000000          7           8.00
        1.605631 0.887500000000          8           8.89
        1.605631 1.000000000000          8
    #[Mean    =     1.238400, StdDeviation   =     0.225649]
    #[Max     =     1.605631, Total count    =            8]
    #[Buckets =           26, SubBuckets     =         2048]
    ");
}

#[test]
fn a_percentile_distribution_matches_the_result() {
    for (run, name) in
        [(echo_run(), "echo.service"), (handshake_run(), "handshake.tls"), (invalid_run(), "echo.response")]
    {
        let latency = named_latency::all(&run).into_iter().find(|(one, _)| one == name).unwrap().1.clone();
        let options = Options { latency: Some(name), ..options(Format::Hgrm) };
        let text = export(&Source::Run(Box::new(run)), &options).unwrap().text;
        let lines: Vec<Vec<f64>> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_whitespace().map(|number| number.parse().ok()).collect())
            .filter(|line: &Vec<f64>| !line.is_empty())
            .collect();
        let at = |quantile: f64| (lines.iter().find(|line| line[1] == quantile).unwrap()[0] * 1e6).round() as u64;
        assert_eq!((Some(at(0.5)), Some(at(0.9)), Some(at(1.0))), (latency.p50, latency.p90, latency.max));
        assert_eq!(lines.last().unwrap()[2], latency.count as f64);
        assert!(lines.windows(2).all(|two| two[0][..3] <= two[1][..3]), "it is not cumulative: {text}");
        assert!(lines[..lines.len() - 1].iter().all(|line| line.len() == 4), "{text}");
        assert!(text.contains(&format!("Total count    = {:12}]", latency.count)), "{text}");
    }
}

fn decode(interval: &IntervalLogHistogram<'_>) -> Histogram<u64> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(interval.encoded_histogram()).unwrap();
    Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
}

#[test]
fn an_interval_log_reads_back_with_all_samples() {
    for run in runs() {
        let text = exported(run.clone(), Format::Hlog);
        let mut found = Vec::new();
        let mut start = None;
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            match entry.unwrap() {
                LogEntry::Interval(interval) => {
                    let histogram = decode(&interval);
                    let name = interval.tag().unwrap().as_str().to_owned();
                    let max_ms = histogram.max() as f64 / 1e6;
                    assert!((interval.max() - max_ms).abs() <= 0.001, "{name}: {} and {max_ms}", interval.max());
                    assert!(interval.duration() > std::time::Duration::ZERO, "{name}");
                    found.push((
                        name,
                        histogram.len(),
                        histogram.value_at_quantile(0.5),
                        histogram.value_at_quantile(0.99),
                    ));
                }
                LogEntry::StartTime(time) => start = Some(time.as_secs()),
                LogEntry::BaseTime(_) => panic!("timestamps are from the start, not from a base"),
            }
        }
        let expected: Vec<(String, u64, u64, u64)> = samples(&run)
            .unwrap()
            .into_iter()
            .map(|(name, samples)| (name, samples.count(), samples.value_at(0.5), samples.value_at(0.99)))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(start, Some(1_772_366_400));
    }
}

#[test]
fn an_interval_log_begins_with_version_and_legend() {
    let text = exported(echo_run(), Format::Hlog);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.contains(&"#[Histogram log format version 1.3]"), "{text}");
    let legend = lines.iter().position(|line| line.starts_with("\"StartTimestamp\"")).unwrap();
    assert_eq!(lines[legend], r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#);
    assert!(lines[..legend].iter().all(|line| line.starts_with('#')), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("Tag=echo.response,0.000,2.000,")), "{text}");
}

#[test]
fn the_series_as_csv() {
    insta::assert_snapshot!(exported(echo_run(), Format::Csv), @r"
    phase,second_s,connections,completed,errors,p50_ns,p99_ns
    handshake,1,1000,10000,0,92400,141000
    echo,1,1000,10000,0,92400,141000
    echo,2,1000,10000,0,92400,141000
    ");
}

#[test]
fn names_cannot_end_a_line_or_a_label() {
    let mut run = echo_run();
    run.negotiated[0].negotiated.suite = "time\"out\n# EOF\nforged_total 1".to_owned();
    run.tool.version = "0.1\n#[Histogram log format version 9]".to_owned();
    run.id = "one\n# two".to_owned();
    let text = exported(run.clone(), Format::Openmetrics);
    assert!(!text.contains("\nforged") && text.lines().filter(|line| *line == "# EOF").count() == 1, "{text}");
    let log = exported(run.clone(), Format::Hlog);
    assert!(!log.contains("\n#[Histogram log format version 9"), "{log}");
    assert!(exported(run, Format::Hgrm).starts_with("#[wssbench one # two echo.response, values in milliseconds]\n"));
}

#[test]
fn an_invalid_run_has_a_note_unless_the_format_says_so() {
    for format in Format::ALL {
        let exported = export(&Source::Run(Box::new(invalid_run())), &options(format)).unwrap();
        let says = exported.notes.iter().any(|note| note.contains("the run is invalid"));
        assert_eq!(says, format != Format::Openmetrics, "{format:?}: {:?}", exported.notes);
    }
    assert!(exported(invalid_run(), Format::Openmetrics).contains("\nwssbench_run_valid 0.0\n"));
}

#[test]
fn unsupported_combinations_are_refused_with_the_supported_ones() {
    for format in Format::ALL {
        match export(&source(comparison(12, 1.0)), &options(format)) {
            Ok(_) => assert!([Format::Bmf, Format::GithubActionBenchmark, Format::SummaryCsv].contains(&format)),
            Err(error) => {
                let has = "bmf, github-action-benchmark or summary-csv";
                assert_eq!(
                    error.to_string(),
                    format!("a comparison cannot be exported as {}; use {has}", format.name())
                );
            }
        }
    }
    let run = Source::Run(Box::new(handshake_run()));
    let refusal = |options: Options<'_>| export(&run, &options).unwrap_err().to_string();
    let sentence = refusal(Options { latency: Some("tls"), ..options(Format::Hgrm) });
    assert!(
        sentence.starts_with("the result has no latency named tls; it has handshake.connect, handshake.tls,"),
        "{sentence}"
    );
    let sentence = refusal(Options { latency: Some("handshake.tls"), ..options(Format::Hlog) });
    assert_eq!(sentence, "--latency has no effect with --format hlog; remove it, or use --format hgrm or cdf-csv");
    let sentence = refusal(Options { better: Better::Bigger, ..options(Format::Csv) });
    assert_eq!(
        sentence,
        "--better has no effect with --format csv; remove it, or use --format github-action-benchmark"
    );
}

#[test]
fn an_empty_run_is_refused_by_formats_without_content() {
    let mut run = closed_run();
    run.handshake = wss_model::run_result::HandshakeResult::default();
    (run.echo, run.series) = (None, Vec::new());
    run.warmup = wss_model::run_result::Warmup::default();
    let source = Source::Run(Box::new(run));
    for format in Format::ALL {
        let exported = export(&source, &options(format));
        let refused = matches!(format, Format::Hgrm | Format::Hlog | Format::Csv | Format::CdfCsv);
        assert_eq!(exported.is_err(), refused, "{format:?}: {exported:?}");
    }
}

#[test]
fn a_broken_histogram_is_refused_by_name() {
    let mut run = echo_run();
    run.handshake.tls.histogram = "AAAA".to_owned();
    for format in [Format::Hgrm, Format::Hlog, Format::Openmetrics] {
        let error = export(&Source::Run(Box::new(run.clone())), &options(format)).unwrap_err();
        assert_eq!(error.to_string(), "the samples of handshake.tls are damaged");
        assert!(std::error::Error::source(&error).is_some());
    }
}

/// Reads a file with this text.
fn read(text: &str) -> Result<Source, StoreError> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("file.json");
    std::fs::write(&path, text).unwrap();
    Source::read(&path)
}

#[test]
fn a_file_is_read_by_its_schema() {
    let run = serde_json::to_string(&echo_run()).unwrap();
    assert!(matches!(read(&run), Ok(Source::Run(_))));
    let compared = serde_json::to_string(&comparison(6, 1.0)).unwrap();
    assert!(matches!(read(&compared), Ok(Source::Comparison(_))));
    for (text, says) in [
        (
            run.replace("wssbench.run/2", "wssbench.run/1"),
            "unsupported schema wssbench.run/1; expected wssbench.run/2, wssbench.comparison/2 or wssbench.sweep/2",
        ),
        (run.replace("wssbench.run/2", "wssbench.gate/2"), "unsupported schema wssbench.gate/2; expected"),
        (run[..run.len() / 2].to_owned(), "the file is truncated"),
        (compared[..compared.len() / 2].to_owned(), "the file is truncated"),
        ("[]".to_owned(), "not a valid wssbench.run/2, wssbench.comparison/2 or wssbench.sweep/2 file"),
        (run.replace("\"completed\"", "\"finished\""), "missing field `completed`"),
    ] {
        let error = read(&text).unwrap_err();
        let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        let sentence = format!("{error}: {cause}");
        assert!(sentence.contains(says) && sentence.contains("file.json") && !sentence.contains('\n'), "{sentence}");
    }
}
