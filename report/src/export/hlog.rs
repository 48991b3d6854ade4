//! HdrHistogram's interval log, version 1.3: every latency with all of its samples, as one interval with its name as tag.
//!
//! Timestamps are seconds since the start of the run. A result does not say when a phase began, so every interval begins
//! at 0; its length is that of its phase.
//!
//! Source: `HistogramLogWriter` of HdrHistogram 2.1 (Java); written by the Rust port.

use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::{ExportError, Format};
use wss_model::run_result::{MeasuredPhase, RunResult};
use wss_model::text::phrases::{one_line, program};

const VERSION: &str = "[Histogram log format version 1.3]";
/// The line that the Java writer calls the legend.
const LEGEND: &str = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// Every latency with samples.
pub(super) fn run(run: &RunResult) -> Result<String, ExportError> {
    let unwritable = |reason: String| ExportError::Unwritable { format: Format::Hlog.name(), reason };
    let start = humantime::parse_rfc3339(&run.started_at)
        .map_err(|error| unwritable(format!("started_at {:?}: {error}", run.started_at)))?;
    let samples = super::samples(run)?;
    if samples.is_empty() {
        return Err(ExportError::Nothing { what: "latency", format: Format::Hlog.name() });
    }
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment(&format!("[Logged with {}: run {}]", one_line(&program(&run.tool)), one_line(&run.id)))
        .add_comment("[Values in nanoseconds, Interval_Max in milliseconds; phases start at unknown times: all intervals start at 0]")
        .add_comment(VERSION)
        .with_start_time(start);
    // A writer borrows the log until its end and cannot write the legend, so one writes the lines before it and another
    // the lines after it.
    builder.begin_log_with(&mut log, &mut serializer).map_err(|error| unwritable(error.to_string()))?;
    log.extend_from_slice(LEGEND.as_bytes());
    let mut writer = IntervalLogWriterBuilder::new()
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut log, &mut serializer)
        .map_err(|error| unwritable(error.to_string()))?;
    for (name, samples) in &samples {
        writer
            .write_histogram(samples.histogram(), Duration::ZERO, length(run, name), Tag::new(name))
            .map_err(|error| unwritable(error.to_string()))?;
    }
    drop(writer);
    String::from_utf8(log).map_err(|error| unwritable(error.to_string()))
}

/// How long the phase of a latency took: by the series, or the requested duration without a series.
fn length(run: &RunResult, name: &str) -> Duration {
    let (phase, requested) = match name.split('.').next() {
        Some("warmup") => return run.config.warmup.0,
        Some("echo") => (MeasuredPhase::Echo, run.config.duration.0),
        _ => (MeasuredPhase::Handshake, run.config.duration.0),
    };
    let seconds = run.series.iter().filter(|point| point.phase == phase).map(|point| point.second).fold(0.0, f64::max);
    Duration::try_from_secs_f64(seconds).ok().filter(|length| !length.is_zero()).unwrap_or(requested)
}
