//! Whether something kept the ends from running in a measured phase. Judged in every mode, closed loops included.

use wss_model::disturbance::{PhaseDisturbance, ThreadDisturbance};
use wss_model::run_result::RunResult;
use wss_model::text::quantity::{distinguishable, percent_to, time, time_to};
use wss_model::validity::{Reason, ReasonCode};

use super::{MAX_STEAL_PERCENT, reason};

/// Share of a phase for which a thread may be kept from running, 0 to 1.
const MAX_DESCHEDULED: f64 = 0.05;
/// Time of that kind that is always accepted: a few time slices of the scheduler, 3 ms each.
const DESCHEDULED_ALLOWED_NS: u64 = 10_000_000;
/// The longest stall of a thread of the generator that is accepted. Virtual CPUs stop for up to 20 ms at the first touch of
/// memory.
const MAX_STALL_NS: u64 = 50_000_000;
/// Share of a phase for which the control group may be throttled, 0 to 1.
const MAX_THROTTLED: f64 = 0.01;
/// Time for which the machine may be suspended: less than any suspend takes, more than two clocks differ by.
const MAX_SUSPENDED_NS: u64 = 1_000_000;
/// The shortest phase whose steal is judged on its own: the kernel counts it in ticks of 10 ms.
const MIN_FOR_STEAL_NS: u64 = 1_000_000_000;

/// The reasons of all measured phases.
pub(super) fn judge(result: &RunResult) -> Vec<Reason> {
    let echo = result.echo.as_ref().and_then(|echo| echo.disturbance.as_ref());
    let pushed = result.subscribe.as_ref().and_then(|pushed| pushed.disturbance.as_ref());
    let phases = [("handshakes", result.handshake.disturbance.as_ref()), ("echoes", echo), ("messages", pushed)];
    let mut reasons = Vec::new();
    for (phase, disturbance) in phases {
        let Some(disturbance) = disturbance else { continue };
        reasons.extend(suspended(phase, disturbance));
        reasons.extend(cgroup(phase, disturbance));
        // Interleaved runs share their CPUs by design, in the phases before the first slice, too.
        if result.config.time_slice.is_some() {
            continue;
        }
        reasons.extend(generator_stalled(phase, disturbance));
        reasons.extend(generator_descheduled(phase, disturbance));
        reasons.extend(server_descheduled(phase, disturbance, result));
        // One reason for steal is enough: see the rule for the whole run.
        if result.environment.steal_percent <= MAX_STEAL_PERCENT {
            reasons.extend(steal(phase, disturbance));
        }
    }
    reasons
}

/// The length of the phase.
fn elapsed_ns(disturbance: &PhaseDisturbance) -> u64 {
    disturbance.client.iter().map(|thread| thread.elapsed_ns).max().unwrap_or(0)
}

#[allow(clippy::cast_precision_loss)] // times stay far below 2^52 ns
fn share_of(time_ns: u64, elapsed_ns: u64) -> f64 {
    if elapsed_ns == 0 { 0.0 } else { time_ns as f64 / elapsed_ns as f64 }
}

#[allow(clippy::cast_precision_loss)] // times stay far below 2^52 ns
fn generator_stalled(phase: &str, disturbance: &PhaseDisturbance) -> Option<Reason> {
    let longest = disturbance.longest_stall_ns();
    let (stall, limit) = distinguishable(longest as f64, MAX_STALL_NS as f64, time_to);
    (longest > MAX_STALL_NS).then(|| {
        reason!(
            GeneratorStalled,
            "{phase}: a thread of the generator did not run for {stall} at a time (limit {limit}), in which it neither \
             sent nor read anything"
        )
    })
}

/// By the thread that was kept from running most.
#[allow(clippy::cast_precision_loss)] // times stay far below 2^52 ns
fn generator_descheduled(phase: &str, disturbance: &PhaseDisturbance) -> Option<Reason> {
    let worst = disturbance.client.iter().max_by(|a, b| a.share().total_cmp(&b.share()))?;
    let ThreadDisturbance { run_queue_ns, stalled_ns, .. } = *worst;
    let (share, limit) = distinguishable(worst.share() * 100.0, MAX_DESCHEDULED * 100.0, percent_to);
    (worst.share() > MAX_DESCHEDULED && run_queue_ns.max(stalled_ns) > DESCHEDULED_ALLOWED_NS).then(|| {
        reason!(
            GeneratorDescheduled,
            "{phase}: a thread of the generator was kept from running for {share} of the time (limit {limit}): {} in the \
             run queue, {} in stalls",
            time(run_queue_ns as f64),
            time(stalled_ns as f64)
        )
    })
}

/// A server that this run started waits for a CPU only if something else uses its CPUs, provided that it has no more
/// threads than CPUs and does not share them with the generator.
fn server_descheduled(phase: &str, disturbance: &PhaseDisturbance, result: &RunResult) -> Option<Reason> {
    let config = &result.config;
    let cpus = &config.server_cpus.as_ref()?.0;
    let client = &config.client_cpus.as_ref()?.0;
    let threads = result.config.server_threads?;
    if !config.is_embedded() || threads > cpus.len() || !cpus.is_disjoint(client) {
        return None;
    }
    let waited = disturbance.server_run_queue_ns.filter(|&waited| waited > DESCHEDULED_ALLOWED_NS)?;
    let share = share_of(waited, elapsed_ns(disturbance).saturating_mul(threads as u64));
    let (percent, limit) = distinguishable(share * 100.0, MAX_DESCHEDULED * 100.0, percent_to);
    (share > MAX_DESCHEDULED).then(|| {
        reason!(
            ServerDescheduled,
            "{phase}: the threads of the server waited for their CPUs for {percent} of the time (limit {limit}), since \
             something else used them"
        )
    })
}

#[allow(clippy::cast_precision_loss)] // times stay far below 2^52 ns
fn suspended(phase: &str, disturbance: &PhaseDisturbance) -> Option<Reason> {
    let suspended = disturbance.suspended_ns;
    (suspended > MAX_SUSPENDED_NS)
        .then(|| reason!(Suspended, "{phase}: the machine was suspended for {}", time(suspended as f64)))
}

#[allow(clippy::cast_precision_loss)] // times stay far below 2^52 ns
fn cgroup(phase: &str, disturbance: &PhaseDisturbance) -> Vec<Reason> {
    let elapsed = elapsed_ns(disturbance);
    let mut reasons = Vec::new();
    let throttled = share_of(disturbance.throttled_ns.unwrap_or(0), elapsed);
    if throttled > MAX_THROTTLED {
        let (share, limit) = distinguishable(throttled * 100.0, MAX_THROTTLED * 100.0, percent_to);
        reasons.push(reason!(
            CgroupThrottled,
            "{phase}: the CPU quota of the control group stopped the generator for {share} of the time (limit {limit})"
        ));
    }
    if let Some(frozen) = disturbance.frozen_ns.filter(|&frozen| frozen > 0) {
        reasons.push(reason!(
            CgroupFrozen,
            "{phase}: the control group of the generator was frozen for {}",
            time(frozen as f64)
        ));
    }
    reasons
}

fn steal(phase: &str, disturbance: &PhaseDisturbance) -> Option<Reason> {
    let ends = [("generator", disturbance.client_steal_percent), ("server", disturbance.server_steal_percent)];
    let known = ends.into_iter().filter_map(|(end, percent)| Some((end, percent?)));
    let (end, percent) = known.max_by(|a, b| a.1.total_cmp(&b.1))?;
    if percent <= MAX_STEAL_PERCENT || elapsed_ns(disturbance) < MIN_FOR_STEAL_NS {
        return None;
    }
    let (percent, limit) = distinguishable(percent, MAX_STEAL_PERCENT, percent_to);
    Some(reason!(
        Steal,
        "{phase}: the hypervisor gave {percent} of the time of the CPUs of the {end} to others (limit {limit})"
    ))
}
