//! The table of what kept both ends from running.

use wss_model::disturbance::PhaseDisturbance;
use wss_model::run_result::RunResult;
use wss_model::text::quantity::{NOT_AVAILABLE, count, percent, time};

use crate::table::Table;

/// A row per measured phase; `None` for results without accounts.
#[allow(clippy::cast_precision_loss)] // times stay far below 2^52 ns
pub(super) fn table(result: &RunResult) -> Option<Table> {
    let echo = result.echo.as_ref().and_then(|echo| echo.disturbance.as_ref());
    let pushed = result.subscribe.as_ref().and_then(|pushed| pushed.disturbance.as_ref());
    let phases = [("handshakes", result.handshake.disturbance.as_ref()), ("echoes", echo), ("messages", pushed)];
    let headings = ["Disturbance", "generator waited", "longest stall", "preempted", "server waited", "steal"];
    let mut table = Table::new(headings);
    let mut is_empty = true;
    for (phase, disturbance) in phases {
        let Some(disturbance) = disturbance.filter(|disturbance| !disturbance.client.is_empty()) else { continue };
        is_empty = false;
        let preempted = disturbance.client.iter().map(|thread| thread.involuntary_switches).sum();
        let server = disturbance.server_run_queue_ns;
        table.row([
            phase.to_owned(),
            percent(disturbance.client_share()),
            time(disturbance.longest_stall_ns() as f64),
            count(preempted),
            server.map_or_else(|| NOT_AVAILABLE.to_owned(), |waited| time(waited as f64)),
            steal(disturbance),
        ]);
    }
    (!is_empty).then_some(table)
}

/// The steal of the end that lost more.
fn steal(disturbance: &PhaseDisturbance) -> String {
    let known = [disturbance.client_steal_percent, disturbance.server_steal_percent].into_iter().flatten();
    known.reduce(f64::max).map_or_else(|| NOT_AVAILABLE.to_owned(), |steal| percent(steal / 100.0))
}
