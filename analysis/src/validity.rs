//! Whether the result of a run is valid: [`judge`], the last step before it is written and printed.
//!
//! Each rule detects one way in which the figures would describe something other than the server: an overloaded
//! generator, a load other than the requested one, a machine that was busy elsewhere. A broken rule yields a [`Reason`]
//! with figures and limit; its code has an advice. Nothing is corrected and nothing is omitted.

mod disturbance;
mod generator_share;
mod ownership;
mod subscription;

use std::collections::BTreeMap;

use wss_model::config::{Arrivals, Mode};
use wss_model::latency::{HIGHEST_NS, Latency};
use wss_model::named_latency;
use wss_model::run_result::{EchoResult, ErrorCount, Negotiated, NegotiatedCount, RunResult, SubscribeResult, Warmup};
use wss_model::text::phrases::{describe_handshake, one_line, pluralize};
use wss_model::text::quantity::{count, distinguishable, percent_to, rate_to, time, time_to, total};
use wss_model::units::Rate;
use wss_model::validity::{Reason, ReasonCode};

/// A [`Reason`] with a formatted text.
macro_rules! reason {
    ($code:ident, $($text:tt)*) => { Reason::new(ReasonCode::$code, format!($($text)*)) };
}
pub(crate) use reason;

/// CPU utilization of the generator's threads, 0 to 1, above which an open loop is invalid: with less headroom, waiting
/// for the generator's own CPU becomes part of every latency.
pub const MAX_GENERATOR_CPU: f64 = 0.90;

/// Limit for the 99th percentile of the generator's lateness, as a share of the median latency that includes it. The
/// limit is never lower than [`LATENESS_ALLOWED_NS`] or [`HANDSHAKE_LATENESS_ALLOWED_NS`].
pub const MAX_LATENESS_OF_MEDIAN: f64 = 0.10;

/// Lateness of a message that is always accepted: 100 µs is about the cost of waking a thread.
pub const LATENESS_ALLOWED_NS: u64 = 100_000;

/// Lateness of a handshake that is always accepted. It is part of `ready` alone, because the clocks of connect, TLS and
/// upgrade start with each of them; and a handshake occupies its thread for hundreds of µs, which delays the next one.
pub const HANDSHAKE_LATENESS_ALLOWED_NS: u64 = 1_000_000;

/// Share of the requested load that an open loop must achieve, by number and by rate, 0 to 1.
pub const MIN_ACHIEVED: f64 = 0.98;

/// Number of connections that stay open from which their connect rate is judged. With fewer, the duration of the last
/// handshake dominates the rate.
pub const MIN_CONNECTIONS_FOR_RATE: u64 = 100;

/// Limit for the CPU time that the hypervisor gave to others, in percent.
pub const MAX_STEAL_PERCENT: f64 = 5.0;

/// Least number of handshakes in `--mode handshake`, of echoes in `--mode echo`, or of pushed messages: with fewer, not even the median is known
/// to within the 30th and the 70th percentile.
pub const MIN_SAMPLES: u64 = 30;

/// Number of kinds of errors, or of handshakes, that one reason lists.
const LISTED_KINDS: usize = 3;

/// The reasons why `result` is invalid, the most severe first; empty if it is valid. Ignores the fields `valid` and
/// `invalid_because` of `result`.
pub fn judge(result: &RunResult) -> Vec<Reason> {
    let phases = phases(result);
    let mut reasons = Vec::new();
    reasons.extend(interrupted(result));
    reasons.extend(phases.iter().filter_map(Phase::nothing_completed));
    if result.config.mode == Mode::Echo && result.echo.is_none() {
        reasons.push(Reason::new(ReasonCode::NothingCompleted, "no echo completed, because the phase did not start"));
    }
    reasons.extend(subscription::nothing_received(result));
    let limit = |operations: [Option<u64>; 3]| {
        let operations = total(operations.into_iter().flatten());
        result.config.limits.max_errors.map_or(0, |limit| limit.among(operations))
    };
    let planned = |echo: &Option<EchoResult>| echo.as_ref().map(|phase| phase.planned);
    let received = |pushed: &Option<SubscribeResult>| pushed.as_ref().map(|phase| phase.received);
    let measured = limit([Some(result.handshake.planned), planned(&result.echo), received(&result.subscribe)]);
    reasons.extend(errors(ReasonCode::Errors, &result.errors, "", measured));
    let Warmup { handshake, echo, subscribe, errors: warmup_errors } = &result.warmup;
    let warmup = limit([handshake.as_ref().map(|phase| phase.planned), planned(echo), received(subscribe)]);
    reasons.extend(errors(ReasonCode::WarmupErrors, warmup_errors, " in the warm-up", warmup));
    match result.config.mode {
        Mode::Subscribe => reasons.extend(subscription::too_few(result)),
        Mode::Echo | Mode::Handshake => reasons.extend(phases.last().and_then(Phase::too_few)),
    }
    reasons.extend(phases.iter().filter_map(Phase::generator_cpu));
    reasons.extend(subscription::generator_cpu(result));
    reasons.extend(phases.iter().filter_map(Phase::lateness));
    reasons.extend(generator_share::judge(result));
    reasons.extend(phases.iter().filter_map(Phase::achieved));
    reasons.extend(subscription::rate_not_achieved(result));
    reasons.extend(out_of_range(result));
    reasons.extend(ownership::judge(result));
    reasons.extend(negotiated(result));
    reasons.extend(disturbance::judge(result));
    reasons.extend(steal(result));
    reasons
}

/// Whether `result` is invalid only because the machine interfered: it kept an end from running, or the generator was
/// late.
pub fn is_only_disturbed(result: &RunResult) -> bool {
    let late = phases(result).iter().filter(|phase| phase.lateness().is_some()).count();
    let disturbed = late
        + generator_share::judge(result).iter().count()
        + disturbance::judge(result).len()
        + steal(result).iter().count();
    disturbed > 0 && judge(result).len() == disturbed
}

/// The properties of a measured phase that the rules use.
struct Phase<'a> {
    /// What the phase does, for texts.
    plural: &'static str,
    requested: Rate,
    generator_cpu: Option<f64>,
    lateness: &'a Latency,
    /// The latency that includes the lateness, and its name.
    whole: &'a Latency,
    whole_name: &'static str,
    lateness_allowed_ns: u64,
    planned: u64,
    completed: u64,
    rate_per_s: f64,
    /// Whether the achieved rate is judged.
    judge_rate: bool,
}

fn phases(result: &RunResult) -> Vec<Phase<'_>> {
    let handshake = &result.handshake;
    let stays_open = result.config.mode != Mode::Handshake;
    // A Poisson process plans more or less than its rate by chance, so only the number is judged.
    let even = result.config.arrivals == Arrivals::Even;
    let mut phases = vec![Phase {
        plural: "handshakes",
        requested: result.config.connect_rate,
        generator_cpu: if stays_open {
            result.client.cpu_utilization_handshake
        } else {
            Some(result.client.cpu_utilization)
        },
        lateness: &handshake.lateness,
        whole: &handshake.ready,
        whole_name: "time to ready",
        lateness_allowed_ns: HANDSHAKE_LATENESS_ALLOWED_NS,
        planned: handshake.planned,
        completed: handshake.completed,
        rate_per_s: handshake.rate_per_s,
        judge_rate: even && (!stays_open || handshake.planned >= MIN_CONNECTIONS_FOR_RATE),
    }];
    phases.extend(result.echo.iter().map(|echo| Phase {
        plural: "echoes",
        requested: result.config.rate,
        generator_cpu: Some(result.client.cpu_utilization),
        lateness: &echo.lateness,
        whole: &echo.response,
        whole_name: "response time",
        lateness_allowed_ns: LATENESS_ALLOWED_NS,
        planned: echo.planned,
        completed: echo.received,
        rate_per_s: echo.rate_per_s,
        judge_rate: even,
    }));
    phases
}

impl Phase<'_> {
    /// The requested rate of an open loop; `None` in a closed loop, where the server sets the pace.
    fn requested_per_s(&self) -> Option<f64> {
        match self.requested {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Max => None,
        }
    }

    fn nothing_completed(&self) -> Option<Reason> {
        (self.completed == 0).then(|| {
            let text = format!("none of {} planned {} completed", count(self.planned), self.plural);
            Reason::new(ReasonCode::NothingCompleted, text)
        })
    }

    /// `nothing_completed` reports a phase without samples.
    fn too_few(&self) -> Option<Reason> {
        let Self { plural, completed, .. } = *self;
        (1..MIN_SAMPLES)
            .contains(&completed)
            .then(|| reason!(TooFewSamples, "{plural}: only {completed} completed (at least {MIN_SAMPLES} are needed)"))
    }

    fn generator_cpu(&self) -> Option<Reason> {
        self.requested_per_s()?;
        let used = self.generator_cpu.filter(|&used| used > MAX_GENERATOR_CPU)?;
        let (used, limit) = distinguishable(used * 100.0, MAX_GENERATOR_CPU * 100.0, percent_to);
        let plural = self.plural;
        Some(reason!(
            GeneratorCpu,
            "{plural}: the generator used {used} of its CPU (limit {limit}), so it may have set the pace instead of the \
             server"
        ))
    }

    /// Judges lateness by its 99th percentile, or by the highest percentile that has enough samples.
    fn lateness(&self) -> Option<Reason> {
        self.requested_per_s()?;
        let lateness = self.lateness;
        // Never by the maximum: a single late sample does not mean that the generator was late.
        let percentiles = [("p99", lateness.p99), ("p90", lateness.p90), ("median", lateness.p50)];
        let (name, late_ns) = percentiles.into_iter().find_map(|(name, value)| Some((name, value?)))?;
        let median_ns = self.whole.p50.unwrap_or(0) as f64;
        let limit_ns = (median_ns * MAX_LATENESS_OF_MEDIAN).max(self.lateness_allowed_ns as f64);
        if late_ns as f64 <= limit_ns {
            return None;
        }
        let (late, limit) = distinguishable(late_ns as f64, limit_ns, time_to);
        Some(reason!(
            GeneratorLate,
            "{}: the generator was late by {late} ({name}; limit {limit} at a median {} of {}), which is part of the \
             latencies",
            self.plural,
            self.whole_name,
            time(median_ns),
        ))
    }

    /// Judges the number as well as the rate: a run that stalls at its end reaches the rate, and one that is slow throughout
    /// reaches the number.
    fn achieved(&self) -> Option<Reason> {
        let requested_per_s = self.requested_per_s()?;
        // `nothing_completed` reports this.
        if self.completed == 0 || self.planned == 0 {
            return None;
        }
        let mut short = Vec::new();
        let by_number = self.completed as f64 / self.planned as f64;
        let (of_number, limit) = distinguishable(by_number * 100.0, MIN_ACHIEVED * 100.0, percent_to);
        if by_number < MIN_ACHIEVED {
            short.push(format!(
                "{} of {} completed ({of_number}, limit {limit})",
                count(self.completed),
                count(self.planned)
            ));
        }
        let by_rate = self.rate_per_s / requested_per_s;
        let (of_rate, limit) = distinguishable(by_rate * 100.0, MIN_ACHIEVED * 100.0, percent_to);
        if self.judge_rate && by_rate < MIN_ACHIEVED {
            let (achieved, requested) = distinguishable(self.rate_per_s, requested_per_s, rate_to);
            short.push(format!("{achieved}/s of {requested}/s achieved ({of_rate}, limit {limit})"));
        }
        (!short.is_empty()).then(|| reason!(RateNotAchieved, "{}: only {}", self.plural, short.join(", and only ")))
    }
}

fn interrupted(result: &RunResult) -> Option<Reason> {
    result.interrupted.then(|| match result.series.last() {
        Some(point) => {
            reason!(
                Interrupted,
                "interrupted after {} of the {} phase: partial results",
                time(point.second * 1e9),
                point.phase
            )
        }
        None => reason!(Interrupted, "interrupted after less than a second: partial results"),
    })
}

fn errors(code: ReasonCode, errors: &[ErrorCount], place: &str, limit: u64) -> Option<Reason> {
    let mut kinds: Vec<_> = errors.iter().filter(|error| error.count > 0).collect();
    kinds.sort_by_key(|error| std::cmp::Reverse(error.count));
    let all = total(kinds.iter().map(|error| error.count));
    let named: Vec<String> = kinds
        .iter()
        .take(LISTED_KINDS)
        .map(|error| one_line(&format!("{} × {} {}", count(error.count), error.phase, error.kind)))
        .collect();
    let others = total(kinds.iter().skip(LISTED_KINDS).map(|error| error.count));
    let others = if others > 0 { format!(", {} of other kinds", count(others)) } else { String::new() };
    (all > limit).then(|| {
        let text = format!("{}{place} (limit {}): {}{others}", pluralize(all, "error"), count(limit), named.join(", "));
        Reason::new(code, text)
    })
}

/// A sample beyond the range of the histogram is in no percentile, which makes all percentiles too low.
fn out_of_range(result: &RunResult) -> Option<Reason> {
    let beyond: Vec<String> = named_latency::measured(result)
        .into_iter()
        .filter(|(_, latency)| latency.out_of_range > 0)
        .map(|(path, latency)| format!("{} of {path}", pluralize(latency.out_of_range, "sample")))
        .collect();
    (!beyond.is_empty()).then(|| {
        reason!(
            OutOfRange,
            "{} (limit 0) took longer than {} and are in no percentile, so all percentiles are too low",
            beyond.join(", "),
            time(HIGHEST_NS as f64)
        )
    })
}

/// Both ends must have counted the same number of handshakes of each kind.
fn negotiated(result: &RunResult) -> Option<Reason> {
    let mut kinds: BTreeMap<&Negotiated, (u64, u64)> = BTreeMap::new();
    for NegotiatedCount { negotiated, count } in &result.negotiated {
        let client = &mut kinds.entry(negotiated).or_default().0;
        *client = client.saturating_add(*count);
    }
    for NegotiatedCount { negotiated, count } in result.server_negotiated.as_ref()? {
        let server = &mut kinds.entry(negotiated).or_default().1;
        *server = server.saturating_add(*count);
    }
    let differing: Vec<String> = kinds
        .into_iter()
        .filter(|(_, (client, server))| client != server)
        .map(|(kind, (client, server))| {
            format!("{}: client {}, server {}", describe_handshake(kind), count(client), count(server))
        })
        .collect();
    let more = differing.len().saturating_sub(LISTED_KINDS);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let named = &differing[..differing.len().min(LISTED_KINDS)];
    (!differing.is_empty())
        .then(|| reason!(EndsDisagree, "client and server counted different handshakes: {}{more}", named.join("; ")))
}

fn steal(result: &RunResult) -> Option<Reason> {
    let steal = result.environment.steal_percent;
    let (percent, limit) = distinguishable(steal, MAX_STEAL_PERCENT, percent_to);
    (steal > MAX_STEAL_PERCENT)
        .then(|| reason!(Steal, "the hypervisor gave {percent} of the CPU time to others (limit {limit})"))
}

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
#[cfg(test)]
mod tests;
