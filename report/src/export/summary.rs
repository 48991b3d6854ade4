//! The figures of a result as CSV (RFC 4180), one row per metric: for spreadsheets, and for `read.csv` and pandas.

use super::{ExportError, Format};
use crate::sweep;
use wss_analysis::comparison::{ComparedMetric, Comparison, Role};
use wss_analysis::statistics::{Finding, Ratio};
use wss_analysis::sweep::SweepResult;
use wss_model::latency::Latency;
use wss_model::named_latency;
use wss_model::run_result::{End, RunResult, SubscribeResult};

const OF_RUN: [&str; 3] = ["metric", "unit", "value"];

const OF_COMPARISON: [&str; 16] = [
    "metric",
    "role",
    "a_median",
    "b_median",
    "ratio",
    "ratio_low",
    "ratio_high",
    "ratio_confidence",
    "pairs",
    "finding",
    "noise_floor",
    "noise_floor_low",
    "noise_floor_high",
    "detectable_percent",
    "p_value",
    "p_holm",
];

/// Every figure of a run by its path in the result. One that the run does not have is left out.
pub(super) fn run(run: &RunResult) -> Result<String, ExportError> {
    let mut rows = Vec::new();
    let mut add = |name: String, unit: &str, value: Option<f64>| {
        let known = value.filter(|value| value.is_finite());
        rows.extend(known.map(|value| vec![name, unit.to_owned(), value.to_string()]));
    };
    for (name, latency) in named_latency::measured(run) {
        of_latency(&name, latency, &mut add);
    }
    of_counts(run, &mut add);
    for (name, end) in [("client", Some(&run.client)), ("server", run.server.as_ref())] {
        let Some(End { cpu_utilization, rss_bytes_peak, anon_bytes_per_connection, .. }) = end else { continue };
        add(format!("{name}.cpu_utilization"), "1", Some(*cpu_utilization));
        add(format!("{name}.rss_bytes_peak"), "bytes", Some(*rss_bytes_peak as f64));
        add(format!("{name}.anon_bytes_per_connection"), "bytes", *anon_bytes_per_connection);
    }
    written(&OF_RUN, rows)
}

fn of_latency(name: &str, latency: &Latency, add: &mut impl FnMut(String, &str, Option<f64>)) {
    let Latency { unit: _, count, min, mean, p50, p90, p99, p99_9, p99_99, max, out_of_range, histogram: _ } = latency;
    if *count == 0 && *out_of_range == 0 {
        return;
    }
    add(format!("{name}.count"), "1", Some(*count as f64));
    add(format!("{name}.mean"), "ns", *mean);
    let quantiles =
        [("min", min), ("p50", p50), ("p90", p90), ("p99", p99), ("p99_9", p99_9), ("p99_99", p99_99), ("max", max)];
    for (quantile, ns) in quantiles {
        add(format!("{name}.{quantile}"), "ns", ns.map(|ns| ns as f64));
    }
    add(format!("{name}.out_of_range"), "1", Some(*out_of_range as f64));
}

fn of_counts(run: &RunResult, add: &mut impl FnMut(String, &str, Option<f64>)) {
    let handshake = &run.handshake;
    for (name, count) in [
        ("planned", handshake.planned),
        ("started", handshake.started),
        ("completed", handshake.completed),
        ("failed", handshake.failed),
    ] {
        add(format!("handshake.{name}"), "1", Some(count as f64));
    }
    for (name, unit, value) in [
        ("rate_per_s", "1/s", Some(handshake.rate_per_s)),
        ("bytes_sent_mean", "bytes", handshake.bytes_sent_mean),
        ("bytes_received_mean", "bytes", handshake.bytes_received_mean),
        ("client_cpu_ns", "ns", handshake.client_cpu_ns),
        ("server_cpu_ns", "ns", handshake.server_cpu_ns),
    ] {
        add(format!("handshake.{name}"), unit, value);
    }
    if let Some(echo) = &run.echo {
        for (name, count) in
            [("planned", echo.planned), ("sent", echo.sent), ("received", echo.received), ("failed", echo.failed)]
        {
            add(format!("echo.{name}"), "1", Some(count as f64));
        }
        for (name, unit, value) in [
            ("rate_per_s", "1/s", Some(echo.rate_per_s)),
            ("bytes_per_s", "bytes/s", Some(echo.bytes_per_s)),
            ("client_cpu_ns", "ns", echo.client_cpu_ns),
            ("server_cpu_ns", "ns", echo.server_cpu_ns),
        ] {
            add(format!("echo.{name}"), unit, value);
        }
    }
    if let Some(pushed) = &run.subscribe {
        of_subscription(pushed, add);
    }
}

fn of_subscription(pushed: &SubscribeResult, add: &mut impl FnMut(String, &str, Option<f64>)) {
    for (name, unit, value) in [
        ("connections", "1", Some(pushed.connections as f64)),
        ("silent_connections", "1", Some(pushed.silent_connections as f64)),
        ("received", "1", Some(pushed.received as f64)),
        ("rate_per_s", "1/s", Some(pushed.rate_per_s)),
        ("bytes_per_s", "bytes/s", Some(pushed.bytes_per_s)),
        ("client_cpu_ns", "ns", pushed.client_cpu_ns),
        ("server_cpu_ns", "ns", pushed.server_cpu_ns),
    ] {
        add(format!("subscribe.{name}"), unit, value);
    }
    let Some(published) = &pushed.published else { return };
    for (name, unit, value) in [
        ("requested_per_s", "1/s", published.requested_per_s),
        ("messages", "1", published.messages as f64),
        ("lost", "1", published.lost as f64),
        ("duplicated", "1", published.duplicated as f64),
        ("reordered", "1", published.reordered as f64),
    ] {
        add(format!("subscribe.published.{name}"), unit, Some(value));
    }
}

/// A row per metric of a comparison.
pub(super) fn comparison(comparison: &Comparison) -> Result<String, ExportError> {
    let rows: Vec<Vec<String>> = comparison.analysis.metrics.iter().map(of_figure).collect();
    if rows.is_empty() {
        return Err(ExportError::Nothing { what: "metric", format: Format::SummaryCsv.name() });
    }
    written(&OF_COMPARISON, rows)
}

fn of_figure(figure: &ComparedMetric) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let interval = |ratio: Option<&Ratio>| ratio.and_then(|ratio| ratio.interval.clone());
    let (ratio, floor) = (figure.ratio.as_ref(), figure.noise_floor.as_ref());
    let (of_ratio, of_floor) = (interval(ratio), interval(floor));
    let finding = match figure.finding {
        None => "",
        Some(Finding::Differs) => "differs",
        Some(Finding::NoDifferenceLargerThan { .. }) => "no_difference",
        Some(Finding::TooFewPairs) => "too_few_pairs",
    };
    let role = match figure.role {
        Role::Primary => "primary",
        Role::Secondary => "secondary",
    };
    vec![
        figure.metric.name().to_owned(),
        role.to_owned(),
        figure.a_median.to_string(),
        figure.b_median.to_string(),
        number(ratio.map(|ratio| ratio.center)),
        number(of_ratio.as_ref().map(|ends| ends.low)),
        number(of_ratio.as_ref().map(|ends| ends.high)),
        number(of_ratio.as_ref().map(|ends| ends.confidence)),
        ratio.map_or_else(String::new, |ratio| ratio.pairs.to_string()),
        finding.to_owned(),
        number(floor.map(|ratio| ratio.center)),
        number(of_floor.as_ref().map(|ends| ends.low)),
        number(of_floor.as_ref().map(|ends| ends.high)),
        number(figure.detectable_percent),
        number(figure.p_value),
        number(figure.p_holm),
    ]
}

/// A row per metric and configuration of a sweep, as `wssbench sweep --csv` prints it.
pub(super) fn sweep(sweep: &SweepResult) -> Result<String, ExportError> {
    sweep::csv(sweep).map_err(|error| unwritable(&error))
}

fn unwritable(error: &impl ToString) -> ExportError {
    ExportError::Unwritable { format: Format::SummaryCsv.name(), reason: error.to_string() }
}

fn written(head: &[&str], rows: Vec<Vec<String>>) -> Result<String, ExportError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head).map_err(|error| unwritable(&error))?;
    for row in rows {
        writer.write_record(row).map_err(|error| unwritable(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| unwritable(&error))?;
    String::from_utf8(bytes).map_err(|error| unwritable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_analysis::comparison::fixtures::comparison as compared;
    use wss_analysis::sweep::fixtures::sweep as swept;
    use wss_model::fixtures::echo_run;

    fn rows(text: &str) -> Vec<csv::StringRecord> {
        csv::Reader::from_reader(text.as_bytes()).records().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_run_has_a_row_per_metric_with_its_unit() {
        let result = echo_run();
        let rows = rows(&run(&result).unwrap());
        let value =
            |name: &str| rows.iter().find(|row| &row[0] == name).map(|row| (row[1].to_owned(), row[2].to_owned()));
        let p99 = result.handshake.tls.p99.unwrap().to_string();
        assert_eq!(value("handshake.tls.p99"), Some(("ns".to_owned(), p99)));
        assert_eq!(value("echo.received"), Some(("1".to_owned(), "100000".to_owned())));
        assert_eq!(value("handshake.ready.p99_99"), None, "a percentile of too few samples");
        let mut names: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len());
    }

    #[test]
    fn comparisons_and_sweeps_have_ratios_with_intervals() {
        let comparison = compared(12, 1.05);
        let text = super::comparison(&comparison).unwrap();
        let of_comparison = rows(&text);
        assert_eq!(of_comparison.len(), comparison.analysis.metrics.len());
        let interval = comparison.analysis.metrics[0].ratio.as_ref().unwrap().interval.as_ref().unwrap();
        assert_eq!(of_comparison[0][5], interval.low.to_string());
        assert!(rows(&sweep(&swept(12)).unwrap()).len() > 20);
    }
}
