//! A sweep as CSV (RFC 4180): a line per figure and configuration, so that every column has one meaning.

use super::label::label;
use wss_analysis::statistics::Finding;
use wss_analysis::sweep::{MetricSummary, Summary, SweepResult};
use wss_model::run_result::Negotiated;

const HEAD: [&str; 21] = [
    "number",
    "configuration",
    "options",
    "repeat_of",
    "version",
    "suite",
    "group",
    "certificate",
    "kind",
    "security_bits",
    "post_quantum",
    "trials",
    "trials_valid",
    "metric",
    "median",
    "ratio",
    "ratio_low",
    "ratio_high",
    "ratio_confidence",
    "finding",
    "place",
];

/// `sweep` as CSV with a header line; missing values are empty.
///
/// # Errors
/// Those of the CSV writer; a sweep causes none, since the lines are written to memory.
pub fn csv(sweep: &SweepResult) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEAD)?;
    for summary in &sweep.analysis.summaries {
        let mut known = identity(sweep, summary);
        if summary.metrics.is_empty() {
            // A configuration without figures still has a line.
            known.resize(HEAD.len(), String::new());
            writer.write_record(&known)?;
            continue;
        }
        for (metric, found) in &summary.metrics {
            let mut record = known.clone();
            record.extend([metric.name().to_owned(), found.median.to_string()]);
            record.extend(comparison(found));
            writer.write_record(&record)?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn identity(sweep: &SweepResult, summary: &Summary) -> Vec<String> {
    let configuration = sweep.configuration(summary.configuration);
    // Several kinds of handshake, such as full and resumed, share a cell.
    let of = |field: fn(&Negotiated) -> &String| {
        let mut names: Vec<&str> = summary.negotiated.iter().map(|kind| field(kind).as_str()).collect();
        names.dedup();
        names.join(" ")
    };
    vec![
        summary.configuration.to_string(),
        label(sweep, summary.configuration),
        configuration.map_or_else(String::new, |one| one.options.join(" ")),
        configuration.and_then(|one| one.repeat_of).map_or_else(String::new, |number| number.to_string()),
        of(|kind| &kind.version),
        of(|kind| &kind.suite),
        of(|kind| &kind.group),
        of(|kind| &kind.certificate),
        of(|kind| &kind.kind),
        summary.security.map_or_else(String::new, |security| security.bits.to_string()),
        summary.security.map_or_else(String::new, |security| security.post_quantum.to_string()),
        summary.trials.to_string(),
        summary.trials_valid.to_string(),
    ]
}

fn comparison(found: &MetricSummary) -> [String; 6] {
    let ratio = found.ratio.as_ref();
    let interval = ratio.and_then(|ratio| ratio.interval.as_ref());
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let finding = found.finding.map_or_else(String::new, |finding| match finding {
        Finding::Differs => "differs".to_owned(),
        Finding::NoDifferenceLargerThan { percent } => format!("no difference larger than {percent:.2}%"),
        Finding::TooFewPairs => "too few blocks".to_owned(),
    });
    let place = found.place.map_or_else(String::new, |place| match place.best == place.worst {
        true => place.best.to_string(),
        false => format!("{}-{}", place.best, place.worst),
    });
    [
        number(ratio.map(|ratio| ratio.center)),
        number(interval.map(|interval| interval.low)),
        number(interval.map(|interval| interval.high)),
        number(interval.map(|interval| interval.confidence)),
        finding,
        place,
    ]
}
