//! The kernel's clock beside the tool's.

use wss_model::run_result::{KernelClock, KernelClockProblem, PhaseClocks};
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::time_or_dash;

/// How much of the medians is on the wire, in one sentence; `None` without a sample and without a problem.
pub(super) fn sentence(clock: &KernelClock) -> Option<String> {
    if let Some(problem) = clock.problem {
        return Some(format!("No kernel clock: {}.", cause(problem)));
    }
    let phases: Vec<String> = clock.phases().map(|(name, clocks)| phase(name, clocks)).collect();
    if phases.is_empty() {
        return None;
    }
    let connections = pluralize(clock.connections, "connection");
    let phases = phases.join(", ");
    Some(format!("On the wire (p50, kernel clock, {connections}): {phases}; the rest is the generator's own time."))
}

/// What the sentence leaves out.
pub(super) const DETAILS: &str = "on the wire: from when the kernel had the first byte that was sent until it had the last byte that was \
     received; the generator's own time includes its delays, its wake-ups and its cryptography.";

fn phase(name: &str, clocks: &PhaseClocks) -> String {
    let name = match name {
        "connect" => "TCP connect",
        "tls" => "TLS",
        "first_echo" => "first echo",
        other => other,
    };
    format!("{name} {} of {}", time_or_dash(clocks.wire.p50), time_or_dash(clocks.tool.p50))
}

fn cause(problem: KernelClockProblem) -> &'static str {
    match problem {
        KernelClockProblem::Refused => "the kernel refuses to record times (SO_TIMESTAMPING)",
        KernelClockProblem::NoTimes => "the kernel recorded no times",
    }
}
