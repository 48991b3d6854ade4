//! OpenMetrics as it is read, and the rules of its types.

use super::*;

#[test]
fn a_small_run() {
    let text = small(Format::Openmetrics);
    let until = text.find("# HELP wssbench_run_latency_seconds").unwrap();
    insta::assert_snapshot!(&text[..until], @r#"
    # HELP wssbench_run_about The program that measured, and its configuration
    # TYPE wssbench_run_about info
    wssbench_run_about_info{id="20260301T120000Z-4711",started_at="2026-03-01T12:00:00Z",version="0.1.0",commit="3146730",layer="wss",client_engine="uring",server_engine="uring",verify="full"} 1
    # HELP wssbench_run_valid 1 if the result is valid, else 0
    # TYPE wssbench_run_valid gauge
    wssbench_run_valid 1.0
    # HELP wssbench_run_handshakes Handshakes of the measured phase
    # TYPE wssbench_run_handshakes counter
    wssbench_run_handshakes_total{outcome="completed"} 2500
    wssbench_run_handshakes_total{outcome="failed"} 0
    # HELP wssbench_run_tls_handshakes TLS handshakes by what the client negotiated
    # TYPE wssbench_run_tls_handshakes counter
    wssbench_run_tls_handshakes_total{version="TLSv1.3",suite="TLS13_AES_256_GCM_SHA384",group="X25519MLKEM768",certificate="ecdsa-p256",kind="full"} 2500
    # HELP wssbench_run_handshake_cpu_seconds CPU time per completed handshake
    # TYPE wssbench_run_handshake_cpu_seconds gauge
    # UNIT wssbench_run_handshake_cpu_seconds seconds
    wssbench_run_handshake_cpu_seconds{end="client"} 0.000742
    wssbench_run_handshake_cpu_seconds{end="server"} 0.000801
    # HELP wssbench_run_resident_memory_peak_bytes Peak resident memory
    # TYPE wssbench_run_resident_memory_peak_bytes gauge
    # UNIT wssbench_run_resident_memory_peak_bytes bytes
    wssbench_run_resident_memory_peak_bytes{end="client"} 71303168.0
    wssbench_run_resident_memory_peak_bytes{end="server"} 78643200.0
    "#);
}

/// A line of OpenMetrics that is a sample: name, labels, value.
fn sample(line: &str) -> (&str, &str, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| (name, rest));
    (name, labels.trim_end_matches('}'), value.parse().unwrap())
}

#[test]
fn counts_and_quantiles_match_the_result() {
    for run in runs() {
        let text = exported(run.clone(), Format::Openmetrics);
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
        let types: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        for (family, unit) in text.lines().filter_map(|line| line.strip_prefix("# UNIT ")?.split_once(' ')) {
            assert!(family.ends_with(&format!("_{unit}")) && ["seconds", "bytes"].contains(&unit), "{family} {unit}");
        }
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(sample).collect();
        for (name, labels, _) in &samples {
            let suffixes = |kind: &str| match kind {
                "counter" => vec!["_total"],
                "info" => vec!["_info"],
                "histogram" => vec!["_bucket", "_count", "_sum"],
                _ => vec![""],
            };
            let declared =
                |(family, kind): &(&str, &str)| suffixes(kind).iter().any(|end| *name == format!("{family}{end}"));
            assert!(types.iter().any(declared), "{name} is of no declared family");
            assert_eq!(samples.iter().filter(|(other, same, _)| other == name && same == labels).count(), 1, "{name}");
        }
        let value = |name: &str, labels: &str| {
            samples.iter().find(|(one, with, _)| *one == name && *with == labels).map(|(_, _, value)| *value)
        };
        for (name, latency) in named_latency::all(&run).into_iter().filter(|(_, latency)| latency.count > 0) {
            let label = format!("latency=\"{name}\"");
            let quantile =
                |q: &str| value("wssbench_run_latency_quantile_seconds", &format!("{label},quantile=\"{q}\""));
            for (q, ns) in [("0.5", latency.p50), ("0.99", latency.p99), ("0.9999", latency.p99_99), ("1", latency.max)]
            {
                assert_eq!(quantile(q).map(|seconds| (seconds * 1e9).round() as u64), ns, "{name} {q}");
            }
            let count = latency.count as f64;
            assert_eq!(value("wssbench_run_latency_seconds_count", &label), Some(count), "{name}");
            let buckets: Vec<f64> = samples
                .iter()
                .filter(|(one, with, _)| {
                    *one == "wssbench_run_latency_seconds_bucket" && with.contains(&format!("\"{name}\""))
                })
                .map(|(_, _, value)| *value)
                .collect();
            assert!(buckets.len() == 25 && buckets.is_sorted() && buckets[24] == count, "{name}: {buckets:?}");
        }
        let handshakes = value("wssbench_run_handshakes_total", "outcome=\"completed\"");
        assert_eq!(handshakes, Some(run.handshake.completed as f64));
    }
}

#[test]
fn buckets_have_the_samples_up_to_their_bound() {
    let mut run = closed_run();
    let mut histogram = wss_model::LatencyHistogram::new();
    // Of each decade: one sample up to 2, two up to 5, three up to 10.
    for us in [1_500, 3_000, 4_000, 6_000, 8_000, 9_000, 1_500_000, 3_000_000] {
        histogram.record_ns(us * 1_000);
    }
    run.handshake.connect = histogram.summary();
    let text = exported(run, Format::Openmetrics);
    let up_to = |bound: &str| {
        let series = format!("wssbench_run_latency_seconds_bucket{{le=\"{bound}\",latency=\"handshake.connect\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
    };
    let found = ["0.001", "0.002", "0.005", "0.01", "1.0", "2.0", "5.0", "+Inf"].map(|bound| up_to(bound).unwrap());
    assert_eq!(found, ["0", "1", "3", "6", "6", "7", "8", "8"]);
}
