//! The series as CSV (RFC 4180): one line per second, with units in the column names.

use super::{ExportError, Format};
use wss_model::run_result::{RunResult, SeriesPoint};

const HEAD: [&str; 7] = ["phase", "second_s", "connections", "completed", "errors", "p50_ns", "p99_ns"];

/// The series of a run; a percentile with too few samples is empty.
pub(super) fn run(run: &RunResult) -> Result<String, ExportError> {
    let unwritable = |reason: String| ExportError::Unwritable { format: Format::Csv.name(), reason };
    if run.series.is_empty() {
        return Err(ExportError::Nothing { what: "series", format: Format::Csv.name() });
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let number = |ns: Option<u64>| ns.map_or_else(String::new, |ns| ns.to_string());
    writer.write_record(HEAD).map_err(|error| unwritable(error.to_string()))?;
    for SeriesPoint { phase, second, connections, completed, errors, p50, p99 } in &run.series {
        let numbers = [second.to_string(), connections.to_string(), completed.to_string(), errors.to_string()];
        let line = [&[phase.to_string()][..], &numbers, &[number(*p50), number(*p99)]].concat();
        writer.write_record(line).map_err(|error| unwritable(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| unwritable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| unwritable(error.to_string()))
}
