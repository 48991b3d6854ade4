//! Whether the statistics of the server are those of the server under test, and whether it served others.

use wss_model::run_result::{RunResult, ServerActivity};
use wss_model::text::quantity::{count, time};
use wss_model::validity::{Reason, ReasonCode};

use super::reason;

/// Handshakes or messages of others that are accepted, as a share of those of this run, 0 to 1.
const MAX_OTHERS: f64 = 0.01;
/// The number of them that is always accepted: a health check now and then.
const OTHERS_ALLOWED: u64 = 10;

/// The reasons of all measured phases.
pub(super) fn judge(result: &RunResult) -> Vec<Reason> {
    let handshake = &result.handshake;
    let mut reasons = Vec::new();
    let handshakes = handshake.server_activity.as_ref();
    if let Some(activity) = handshakes {
        // One reason is enough: the others compare the same statistics.
        if let Some(unproven) = unproven(activity, handshake.completed) {
            return vec![unproven];
        }
        reasons.extend(shared(activity, "handshake", handshake.server_cpu_ns));
    }
    if let Some(echo) = &result.echo {
        let activity = echo.server_activity.as_ref();
        reasons.extend(activity.and_then(|activity| shared(activity, "message", echo.server_cpu_ns)));
    }
    reasons
}

fn unproven(activity: &ServerActivity, completed: u64) -> Option<Reason> {
    (activity.proven && activity.own < completed).then(|| {
        reason!(
            ServerUnproven,
            "the statistics are not those of the server under test: they have {} of {} handshakes of this run",
            count(activity.own),
            count(completed)
        )
    })
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn shared(activity: &ServerActivity, what: &str, cpu_ns: Option<f64>) -> Option<Reason> {
    let ServerActivity { own, others, .. } = *activity;
    if others <= OTHERS_ALLOWED || others as f64 <= own as f64 * MAX_OTHERS {
        return None;
    }
    let cpu = cpu_ns.map_or_else(String::new, |ns| format!("; its CPU time per {what} ({}) includes theirs", time(ns)));
    Some(reason!(
        ServerShared,
        "the server also served others: {} {what}s of others beside {} of this run{cpu}",
        count(others),
        count(own)
    ))
}
