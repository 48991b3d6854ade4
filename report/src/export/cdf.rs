//! The cumulative distribution of one latency as CSV (RFC 4180): a row per value of the histogram that has samples, so that
//! nothing is interpolated or lost.

use super::{ExportError, Format};
use wss_model::run_result::RunResult;

const HEAD: [&str; 4] = ["value_ns", "count", "cumulative_count", "cumulative_share"];

/// The distribution of the named latency, or of the run's main latency.
pub(super) fn run(run: &RunResult, name: Option<&str>) -> Result<String, ExportError> {
    let (_, samples) = super::one_latency(run, name, Format::CdfCsv)?;
    let unwritable = |reason: String| ExportError::Unwritable { format: Format::CdfCsv.name(), reason };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEAD).map_err(|error| unwritable(error.to_string()))?;
    let total = samples.count();
    let mut cumulative = 0_u64;
    for recorded in samples.histogram().iter_recorded() {
        let count = recorded.count_at_value();
        cumulative = cumulative.saturating_add(count);
        let share = cumulative as f64 / total as f64;
        let row =
            [recorded.value_iterated_to().to_string(), count.to_string(), cumulative.to_string(), share.to_string()];
        writer.write_record(row).map_err(|error| unwritable(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| unwritable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| unwritable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_model::fixtures::echo_run;

    #[test]
    fn the_distribution_counts_every_sample() {
        let result = echo_run();
        let text = run(&result, Some("handshake.tls")).unwrap();
        let rows: Vec<csv::StringRecord> =
            csv::Reader::from_reader(text.as_bytes()).records().collect::<Result<_, _>>().unwrap();
        let last = rows.last().unwrap();
        assert_eq!((&last[2], &last[3]), ("1000", "1"));
        assert_eq!(last[0], result.handshake.tls.max.unwrap().to_string());
        let values: Vec<u64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
        assert!(values.is_sorted() && rows.iter().map(|row| row[1].parse::<u64>().unwrap()).sum::<u64>() == 1_000);
    }
}
