//! Whether a result can be trusted: [`judge`], the last step before it is written and shown.
//!
//! Every rule looks for one way in which the figures would speak of something other than the server: a generator
//! that was out of breath, a load that was not the one asked for, a machine that was taken away. A rule that is
//! broken gives a sentence with its figures. Nothing is corrected and nothing is left out.

use std::collections::BTreeMap;

use wss_model::config::{Arrivals, Mode};
use wss_model::latency::{HIGHEST_NS, Latency};
use wss_model::named_latency;
use wss_model::run_result::{ErrorCount, Negotiated, NegotiatedCount, RunResult};
use wss_model::text::phrases::{describe_handshake, one_line, pluralize};
use wss_model::text::quantity::{count, distinguishable, percent_to, rate_to, time, time_to, total};
use wss_model::units::Rate;
use wss_model::{Reason, ReasonCode};

/// A [`Reason`] with a formatted text.
macro_rules! reason {
    ($code:ident, $($text:tt)*) => { Reason::new(ReasonCode::$code, format!($($text)*)) };
}
pub(crate) use reason;

/// CPU utilization of the generator's threads, 0 to 1, above which an open loop is no longer trusted: with less to
/// spare, waiting for the generator's own CPU is part of every latency.
pub const MAX_GENERATOR_CPU: f64 = 0.90;

/// The 99th percentile of the generator's lateness may be this share of the median that it is part of …
pub const MAX_LATENESS_OF_MEDIAN: f64 = 0.10;

/// … or, for a message, this many nanoseconds, if that is more: 100 µs is about what waking a thread costs.
pub const LATENESS_ALLOWED_NS: u64 = 100_000;

/// … or, for a handshake, this many: the clocks of connect, TLS and upgrade start when they do, so that lateness is
/// part of `ready` alone; and one handshake keeps its thread busy for hundreds of µs, which the next may wait for.
pub const HANDSHAKE_LATENESS_ALLOWED_NS: u64 = 1_000_000;

/// Least share of what was asked for that has to be achieved in an open loop, by number and by rate.
pub const MIN_ACHIEVED: f64 = 0.98;

/// Connections of `--mode echo` from which on their rate is judged: with fewer the last handshake, which begins on
/// time and takes as long as it takes, weighs too much in it.
pub const MIN_CONNECTIONS_FOR_RATE: u64 = 100;

/// CPU time that the hypervisor may have kept for others, in percent.
pub const MAX_STEAL_PERCENT: f64 = 5.0;

/// Kinds of errors, and sorts of handshakes, that one sentence names.
const NAMED_IN_A_SENTENCE: usize = 3;

/// Why the figures of `result` cannot be trusted: the reasons of `invalid_because`, the gravest first, each with
/// its figures; empty if they can be. `valid` and `invalid_because` of `result` itself are not looked at.
pub fn judge(result: &RunResult) -> Vec<Reason> {
    let phases = phases(result);
    let mut reasons = Vec::new();
    reasons.extend(interrupted(result));
    reasons.extend(phases.iter().filter_map(Phase::nothing_completed));
    if result.config.mode == Mode::Echo && result.echo.is_none() {
        reasons.push(Reason::new(ReasonCode::NothingCompleted, "no echo was completed: the phase did not begin"));
    }
    reasons.extend(errors(ReasonCode::Errors, &result.errors, ""));
    reasons.extend(errors(ReasonCode::WarmupErrors, &result.warmup.errors, " in the warm-up"));
    reasons.extend(phases.iter().filter_map(Phase::generator_cpu));
    reasons.extend(phases.iter().filter_map(Phase::lateness));
    reasons.extend(phases.iter().filter_map(Phase::achieved));
    reasons.extend(out_of_range(result));
    reasons.extend(negotiated(result));
    reasons.extend(steal(result));
    reasons
}

/// Whether nothing but the machine makes `result` doubtful: others had its CPU, or the generator was late.
pub fn is_only_disturbed(result: &RunResult) -> bool {
    let disturbed =
        phases(result).iter().filter(|phase| phase.lateness().is_some()).count() + steal(result).iter().count();
    disturbed > 0 && judge(result).len() == disturbed
}

/// A measured phase with what its rules look at.
struct Phase<'a> {
    /// One of what it did, and its plural.
    noun: &'static str,
    plural: &'static str,
    asked: Rate,
    generator_cpu: Option<f64>,
    lateness: &'a Latency,
    /// The latency that the lateness is part of, and its name.
    whole: &'a Latency,
    whole_name: &'static str,
    lateness_allowed_ns: u64,
    planned: u64,
    completed: u64,
    rate_per_s: f64,
    /// Whether enough was planned for the achieved rate to mean something.
    judge_rate: bool,
}

fn phases(result: &RunResult) -> Vec<Phase<'_>> {
    let handshake = &result.handshake;
    let in_echo_mode = result.config.mode == Mode::Echo;
    // A Poisson process plans more or fewer than its rate by chance: there only the number is judged.
    let even = result.config.arrivals == Arrivals::Even;
    let mut phases = vec![Phase {
        noun: "handshake",
        plural: "handshakes",
        asked: result.config.connect_rate,
        generator_cpu: if in_echo_mode {
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
        judge_rate: even && (!in_echo_mode || handshake.planned >= MIN_CONNECTIONS_FOR_RATE),
    }];
    phases.extend(result.echo.iter().map(|echo| Phase {
        noun: "echo",
        plural: "echoes",
        asked: result.config.rate,
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
    /// The rate asked for in an open loop; in a closed loop the peer sets the pace, and there is none.
    fn asked_per_s(&self) -> Option<f64> {
        match self.asked {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Max => None,
        }
    }

    fn nothing_completed(&self) -> Option<Reason> {
        (self.completed == 0).then(|| {
            let text = format!("no {} was completed, of {} planned", self.noun, count(self.planned));
            Reason::new(ReasonCode::NothingCompleted, text)
        })
    }

    fn generator_cpu(&self) -> Option<Reason> {
        self.asked_per_s()?;
        let used = self.generator_cpu.filter(|&used| used > MAX_GENERATOR_CPU)?;
        let (used, limit) = distinguishable(used * 100.0, MAX_GENERATOR_CPU * 100.0, percent_to);
        let plural = self.plural;
        Some(reason!(
            GeneratorCpu,
            "{plural}: the generator used {used} of its CPU (limit {limit}): it, not the server, set the pace"
        ))
    }

    /// Lateness is judged by its 99th percentile, or by its maximum where there are too few samples for that.
    fn lateness(&self) -> Option<Reason> {
        self.asked_per_s()?;
        let lateness = self.lateness;
        // With too few samples for a p99 the highest percentile that can be told: one sample is not the generator.
        let told = [("p99", lateness.p99), ("p90", lateness.p90), ("median", lateness.p50)];
        let (name, late_ns) = told.into_iter().find_map(|(name, value)| Some((name, value?)))?;
        let median_ns = self.whole.p50.unwrap_or(0) as f64;
        let limit_ns = (median_ns * MAX_LATENESS_OF_MEDIAN).max(self.lateness_allowed_ns as f64);
        if late_ns as f64 <= limit_ns {
            return None;
        }
        let (late, limit) = distinguishable(late_ns as f64, limit_ns, time_to);
        Some(reason!(
            GeneratorLate,
            "{}: the generator was late by {late} ({name}; limit {limit}, where the median {} is {}): \
             part of the latencies is its own",
            self.plural,
            self.whole_name,
            time(median_ns),
        ))
    }

    /// By number and by rate: a run that stalls at its end keeps its rate a second, and one that drags keeps its number.
    fn achieved(&self) -> Option<Reason> {
        let asked_per_s = self.asked_per_s()?;
        // That nothing was completed is a sentence of its own.
        if self.completed == 0 || self.planned == 0 {
            return None;
        }
        let mut short = Vec::new();
        let by_number = self.completed as f64 / self.planned as f64;
        let (of_number, limit) = distinguishable(by_number * 100.0, MIN_ACHIEVED * 100.0, percent_to);
        if by_number < MIN_ACHIEVED {
            short.push(format!(
                "only {} of {} planned were completed ({of_number}, limit {limit})",
                count(self.completed),
                count(self.planned)
            ));
        }
        let by_rate = self.rate_per_s / asked_per_s;
        let (of_rate, limit) = distinguishable(by_rate * 100.0, MIN_ACHIEVED * 100.0, percent_to);
        if self.judge_rate && by_rate < MIN_ACHIEVED {
            let (achieved, asked) = distinguishable(self.rate_per_s, asked_per_s, rate_to);
            short.push(format!("only {achieved}/s of {asked}/s were achieved ({of_rate}, limit {limit})"));
        }
        (!short.is_empty()).then(|| reason!(RateNotAchieved, "{}: {}", self.plural, short.join(", and ")))
    }
}

fn interrupted(result: &RunResult) -> Option<Reason> {
    result.interrupted.then(|| match result.series.last() {
        Some(point) => {
            reason!(
                Interrupted,
                "it was interrupted after {} of the {} phase: partial",
                time(point.second * 1e9),
                point.phase
            )
        }
        None => reason!(Interrupted, "it was interrupted after less than a second: partial"),
    })
}

fn errors(code: ReasonCode, errors: &[ErrorCount], of: &str) -> Option<Reason> {
    let mut kinds: Vec<_> = errors.iter().filter(|error| error.count > 0).collect();
    kinds.sort_by_key(|error| std::cmp::Reverse(error.count));
    let all = total(kinds.iter().map(|error| error.count));
    let named: Vec<String> = kinds
        .iter()
        .take(NAMED_IN_A_SENTENCE)
        .map(|error| one_line(&format!("{} × {} {}", count(error.count), error.phase, error.kind)))
        .collect();
    let others = total(kinds.iter().skip(NAMED_IN_A_SENTENCE).map(|error| error.count));
    let others = if others > 0 { format!(", {} of other kinds", count(others)) } else { String::new() };
    (all > 0).then(|| {
        let text = format!("{}{of} (limit 0): {}{others}", pluralize(all, "error"), named.join(", "));
        Reason::new(code, text)
    })
}

/// A sample beyond the histogram's end is in no percentile: all of them are then lower than what was measured.
fn out_of_range(result: &RunResult) -> Option<Reason> {
    let beyond: Vec<String> = named_latency::measured(result)
        .into_iter()
        .filter(|(_, latency)| latency.out_of_range > 0)
        .map(|(path, latency)| format!("{} of {path}", count(latency.out_of_range)))
        .collect();
    (!beyond.is_empty()).then(|| {
        reason!(
            OutOfRange,
            "samples over {} (limit 0) are in no percentile, which makes all of them too low: {}",
            time(HIGHEST_NS as f64),
            beyond.join(", ")
        )
    })
}

/// Both ends have to have made the same handshakes, and equally many of each sort.
fn negotiated(result: &RunResult) -> Option<Reason> {
    let mut sorts: BTreeMap<&Negotiated, (u64, u64)> = BTreeMap::new();
    for NegotiatedCount { negotiated, count } in &result.negotiated {
        let client = &mut sorts.entry(negotiated).or_default().0;
        *client = client.saturating_add(*count);
    }
    for NegotiatedCount { negotiated, count } in result.server_negotiated.as_ref()? {
        let server = &mut sorts.entry(negotiated).or_default().1;
        *server = server.saturating_add(*count);
    }
    let differing: Vec<String> = sorts
        .into_iter()
        .filter(|(_, (client, server))| client != server)
        .map(|(sort, (client, server))| {
            format!("{}: client {}, server {}", describe_handshake(sort), count(client), count(server))
        })
        .collect();
    let more = differing.len().saturating_sub(NAMED_IN_A_SENTENCE);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let named = &differing[..differing.len().min(NAMED_IN_A_SENTENCE)];
    (!differing.is_empty())
        .then(|| reason!(EndsDisagree, "the two ends counted different handshakes: {}{more}", named.join("; ")))
}

fn steal(result: &RunResult) -> Option<Reason> {
    let steal = result.environment.steal_percent;
    let (told, limit) = distinguishable(steal, MAX_STEAL_PERCENT, percent_to);
    (steal > MAX_STEAL_PERCENT)
        .then(|| reason!(Steal, "the hypervisor kept {told} of the CPU time for others (limit {limit}): measure again"))
}

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
#[cfg(test)]
mod tests;
