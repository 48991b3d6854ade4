//! The share of the response times that the generator caused or may have caused.

use wss_model::config::Mode;
use wss_model::latency::Latency;
use wss_model::run_result::{ResponseBreakdown, RunResult};
use wss_model::text::quantity::{distinguishable, time, time_to};
use wss_model::units::Rate;
use wss_model::validity::{Reason, ReasonCode};

use super::{LATENESS_ALLOWED_NS, MAX_LATENESS_OF_MEDIAN, reason};

/// How much lower the rank of a neighbour is, as a share of the samples above.
const NEIGHBOUR: f64 = 0.1;

/// Judges an open loop by its mean and by each percentile up to p99: no more of it may be due to the generator than 10%,
/// or 100 µs if that is more. In a closed loop the generator always works while messages wait for it, so its share is
/// reported and not judged.
pub(super) fn judge(result: &RunResult) -> Option<Reason> {
    let (plural, response, breakdown, how) = match result.config.mode {
        Mode::Echo if result.config.rate != Rate::Max => {
            let echo = result.echo.as_ref()?;
            ("echoes", &echo.response, echo.breakdown.as_ref()?, "sending messages or reading echoes late")
        }
        // The pace of pushed messages is the server's.
        Mode::Subscribe => {
            let published = result.subscribe.as_ref()?.published.as_ref()?;
            ("messages", &published.response, published.breakdown.as_ref()?, "reading messages late")
        }
        Mode::Echo | Mode::Handshake => return None,
    };
    // The one that exceeds its limit by most.
    let (name, response_ns, own_ns, limit_ns) = figures(response, breakdown)
        .into_iter()
        .map(|(name, response_ns, own_ns)| {
            let limit_ns = (response_ns * MAX_LATENESS_OF_MEDIAN).max(LATENESS_ALLOWED_NS as f64);
            (name, response_ns, own_ns, limit_ns)
        })
        .filter(|(_, _, own_ns, limit_ns)| own_ns > limit_ns)
        .max_by(|a, b| (a.2 / a.3).total_cmp(&(b.2 / b.3)))?;
    let (own, limit) = distinguishable(own_ns, limit_ns, time_to);
    Some(reason!(
        GeneratorShare,
        "{plural}: the generator caused, or may have caused, {own} of the {name} response time of {} (limit {limit}) by \
         {how}",
        time(response_ns),
    ))
}

/// The mean and the percentiles: name, response time, and what of it may be due to the generator.
///
/// A percentile can lie on a steep slope, where the response times of neighbours differ by orders of magnitude. So the one
/// without the generator is compared with a response time of slightly lower rank: p89 for p90, p98.9 for p99.
#[allow(clippy::cast_precision_loss)] // times stay far below 2^52 ns
fn figures(response: &Latency, breakdown: &ResponseBreakdown) -> Vec<(&'static str, f64, f64)> {
    let without = &breakdown.without_generator;
    let mut figures = vec![("mean", breakdown.response_ns(), breakdown.generator_ns + breakdown.unknown_ns)];
    // A histogram that cannot be decoded is reported where the result is read.
    let Ok(samples) = response.samples() else { return figures };
    for (name, quantile, response, without) in [
        ("median", 0.5, response.p50, without.p50),
        ("p90", 0.9, response.p90, without.p90),
        ("p99", 0.99, response.p99, without.p99),
    ] {
        if let (Some(response), Some(without)) = (response, without) {
            let neighbour = samples.value_at(quantile - (1.0 - quantile) * NEIGHBOUR);
            figures.push((name, response as f64, neighbour as f64 - without as f64));
        }
    }
    figures
}
