//! The time that a rate is taken over.

use std::time::Duration;

use crate::generator::plan::{EchoPlan, HandshakePlan, Pace, Until};
use crate::generator::record::{EchoRecord, LastEvents};

/// The time that the rate of a phase of handshakes is taken over.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
pub(super) fn elapsed_handshakes(plan: &HandshakePlan, last: LastEvents, interrupted: bool) -> Duration {
    let clock = &plan.clock;
    let end = match (plan.spec.pace, plan.spec.until) {
        // An open loop is measured by the starts of its handshakes: with a distant server they complete later.
        (Pace::Rate { rate, .. }, Until::Count(count)) => clock.at(Duration::from_secs_f64(count as f64 / rate)),
        (Pace::Rate { .. }, Until::Elapsed(length)) => clock.end(length),
        (Pace::Closed { .. }, _) => last.completed.unwrap_or(clock.start()),
    };
    let last_start = last.started.unwrap_or(end);
    let end = if interrupted { last_start } else { end.max(last_start) };
    match plan.spec.pace {
        Pace::Rate { .. } => clock.elapsed(end),
        Pace::Closed { .. } => clock.elapsed_with_tails(end),
    }
}

/// The time that the rate of a phase of messages is taken over.
pub(super) fn elapsed_echo(plan: &EchoPlan, record: &EchoRecord, interrupted: bool) -> Duration {
    let last_sent = record.last.started.unwrap_or(plan.end);
    match plan.rate {
        Some(_) if interrupted => plan.clock.elapsed(last_sent),
        Some(_) => plan.clock.elapsed(plan.end.max(last_sent)),
        None => plan.clock.elapsed_with_tails(record.last.completed.unwrap_or(plan.end)),
    }
}
