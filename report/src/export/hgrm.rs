//! HdrHistogram's percentile distribution, as its `HistogramLogProcessor` and wrk2 print it, for its plotter.
//!
//! Values are in milliseconds, as usual, but with six decimals instead of three, so that no nanosecond is rounded away;
//! readers split the lines at blanks. The first line names the latency and the unit.
//!
//! Source: `AbstractHistogram.outputPercentileDistribution` of HdrHistogram 2.1 (Java).

use std::fmt::Write as _;

use super::{ExportError, Format};
use wss_model::latency::LatencyHistogram;
use wss_model::run_result::RunResult;
use wss_model::text::phrases::one_line;

/// Steps per halving of the distance to 100%, the default of the Java tools.
const STEPS_PER_HALVING: u32 = 5;

/// Sub-buckets of a histogram with three digits: the first power of two that is at least 2 · 10³.
const SUB_BUCKETS: u32 = 2048;

const NS_PER_MS: f64 = 1e6;

/// The distribution of one latency of a run: the named one, or the run's main latency.
pub(super) fn run(run: &RunResult, name: Option<&str>) -> Result<String, ExportError> {
    let (name, found) = super::one_latency(run, name, Format::Hgrm)?;
    Ok(distribution(&format!("wssbench {} {name}, values in milliseconds", one_line(&run.id)), &found))
}

/// The distribution under a comment.
fn distribution(comment: &str, samples: &LatencyHistogram) -> String {
    let histogram = samples.histogram();
    let mut text = format!("#[{comment}]\n");
    let _ = write!(text, "{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    for Step { ns, percent, total } in steps(samples) {
        let _ = write!(text, "{:12.6} {:14.12} {total:10}", ns as f64 / NS_PER_MS, percent / 100.0);
        // At 100% it is infinite, and the Java tools leave the column out.
        let _ = match 1.0 / (1.0 - percent / 100.0) {
            inverse if inverse.is_finite() => writeln!(text, " {inverse:14.2}"),
            _ => writeln!(text),
        };
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_MS, histogram.stdev() / NS_PER_MS);
    let max = histogram.max() as f64 / NS_PER_MS;
    let _ = writeln!(text, "#[Mean    = {mean:12.6}, StdDeviation   = {deviation:12.6}]");
    let _ = writeln!(text, "#[Max     = {max:12.6}, Total count    = {:12}]", samples.count());
    let _ = writeln!(text, "#[Buckets = {:12}, SubBuckets     = {SUB_BUCKETS:12}]", histogram.buckets());
    text
}

/// A line of the distribution.
struct Step {
    ns: u64,
    percent: f64,
    /// Samples up to `ns`.
    total: u64,
}

/// The values at 0%, 10%, … 50%, 55%, … 75%, 77.5% and so on: five steps per halving of the rest, until all samples are
/// included. Counted in percent, as the Java tools do: the Rust port's `iter_quantiles` adds up tenths, which makes
/// 0.30000000000000004, and takes the sixteenth of 50 samples as the value at 30%, where all others take the fifteenth.
fn steps(samples: &LatencyHistogram) -> Vec<Step> {
    let count = samples.count();
    let (mut steps, mut total, mut percent) = (Vec::new(), 0_u64, 0.0_f64);
    for recorded in samples.histogram().iter_recorded() {
        let ns = recorded.value_iterated_to();
        total = total.saturating_add(recorded.count_at_value());
        while 100.0 * total as f64 / count as f64 >= percent && percent < 100.0 {
            steps.push(Step { ns, percent, total });
            let halvings = (100.0 / (100.0 - percent)).log2().floor() as i32 + 1;
            percent += 100.0 / (f64::from(STEPS_PER_HALVING) * 2.0_f64.powi(halvings));
            if total >= count {
                steps.push(Step { ns, percent: 100.0, total });
                return steps;
            }
        }
    }
    steps
}
