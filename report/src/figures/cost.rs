//! What a handshake costs each end.

use super::axis::{Axis, tick_time};
use super::bars::{Part, Row, StackedBars};
use super::scale::{ScaleKind, zero_domain};
use super::text::capitalized;
use super::{DataTable, Figure};
use wss_model::run_result::{HandshakeCost, HandshakeResult};
use wss_model::text::quantity::{percent, time};

/// The parts of the busy time, in the order in which they are stacked, each with its color.
fn parts(cost: &HandshakeCost) -> Vec<(&'static str, usize, f64)> {
    let key_exchange = match (cost.key_exchange_start_ns, cost.key_exchange_complete_ns) {
        (None, None) => None,
        (start, complete) => Some(start.unwrap_or(0.0) + complete.unwrap_or(0.0)),
    };
    let all = [
        ("key exchange", 0, key_exchange),
        ("signing", 1, cost.sign_ns),
        ("verifying", 2, cost.verify_ns),
        ("AEAD", 6, cost.aead_ns),
        ("hashes", 7, cost.hash_ns),
        ("the rest", 5, Some(cost.rest_ns)),
        ("socket", 3, cost.socket_ns),
    ];
    all.into_iter().filter_map(|(name, color, ns)| Some((name, color, ns.filter(|ns| *ns > 0.0)?))).collect()
}

/// A bar per run and end. `None` if no run has the split.
pub(crate) fn costs_of(id: &str, runs: &[(String, &HandshakeResult)]) -> Option<Figure> {
    let mut table = DataTable::new(["end", "part", "time per handshake", "share"]);
    let mut rows = Vec::new();
    let mut sentences = Vec::new();
    for (name, handshake) in runs {
        for (end, cost) in [("client", &handshake.client_cost), ("server", &handshake.server_cost)] {
            let Some(cost) = cost.as_ref().filter(|cost| cost.busy_ns > 0.0) else { continue };
            let name = if runs.len() > 1 { format!("{name} {end}") } else { end.to_owned() };
            rows.push(row(&name, cost, &mut table));
            sentences.extend(largest(end, cost));
        }
    }
    let sums = rows.iter().map(|row: &Row| row.parts.iter().map(|part| part.value).sum());
    let x = Axis {
        label: "busy time per handshake, mean".to_owned(),
        kind: ScaleKind::Linear,
        domain: zero_domain(sums),
        format: tick_time,
    };
    let title = match (runs.len(), sentences.is_empty()) {
        (1, false) => capitalized(&sentences.join("; ")),
        _ => "What a handshake costs each end".to_owned(),
    };
    let note = "Busy: inside the code for TLS and upgrade. Kernel, connect and close are in the CPU time, not here. Socket: calls \
                that read and write it. The rest: state machine, encoding, parsing, upgrade.";
    (!rows.is_empty()).then(|| Figure::new(id, title, note, table, StackedBars { x, rows, total_name: None }))
}

fn row(name: &str, cost: &HandshakeCost, table: &mut DataTable) -> Row {
    let parts = parts(cost)
        .into_iter()
        .map(|(part, color, ns)| {
            let share = percent(ns / cost.busy_ns);
            table.row([name.to_owned(), part.to_owned(), time(ns), share.clone()]);
            let title = format!("{name}: {part} {}, {share} of its busy time", time(ns));
            Part { name: part.to_owned(), color, value: ns, text: time(ns), title }
        })
        .collect();
    Row { name: name.to_owned(), parts, total: None }
}

/// What most of an end's time goes to.
fn largest(end: &str, cost: &HandshakeCost) -> Option<String> {
    let named = parts(cost).into_iter().filter(|(name, ..)| *name != "the rest");
    let (name, _, ns) = named.max_by(|one, other| one.2.total_cmp(&other.2))?;
    let object = if name == "socket" { "the socket" } else { name };
    Some(format!("the {end} spends {} of {} on {object}", time(ns), time(cost.busy_ns)))
}
