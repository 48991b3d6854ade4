//! The phases of a handshake, stacked, at the median and at the 99th percentile.

use super::axis::{Axis, tick_time};
use super::bars::{Part, Row, StackedBars};
use super::scale::{ScaleKind, zero_domain};
use super::{DataTable, Figure};
use wss_model::latency::Latency;
use wss_model::run_result::HandshakeResult;
use wss_model::text::quantity::{percent, time};

/// The phases by name, in their order.
fn phases(handshake: &HandshakeResult) -> [(&'static str, &Latency); 4] {
    [
        ("TCP connect", &handshake.connect),
        ("TLS", &handshake.tls),
        ("upgrade", &handshake.upgrade),
        ("first echo", &handshake.first_echo),
    ]
}

/// A bar per run and percentile. `None` without a completed handshake.
pub(crate) fn phases_of(id: &str, runs: &[(String, &HandshakeResult)]) -> Option<Figure> {
    let mut table = DataTable::new(["bar", "phase", "latency"]);
    let mut rows = Vec::new();
    for (name, handshake) in runs {
        for (percentile, of) in [("p50", (|l: &Latency| l.p50) as fn(&Latency) -> Option<u64>), ("p99", |l| l.p99)] {
            let name = if runs.len() > 1 { format!("{name} {percentile}") } else { percentile.to_owned() };
            rows.extend(row(&name, handshake, of, &mut table));
        }
    }
    let first = runs.iter().find(|(_, handshake)| handshake.completed > 0)?;
    let ends = rows.iter().map(|row: &Row| {
        let sum: f64 = row.parts.iter().map(|part| part.value).sum();
        row.total.as_ref().map_or(sum, |(total, _)| sum.max(*total))
    });
    let x = Axis { label: "time".to_owned(), kind: ScaleKind::Linear, domain: zero_domain(ends), format: tick_time };
    let note = "Each part is that percentile of its own phase. Percentiles do not add up: the line is the percentile of the \
                time to ready, from the planned start to the end of the upgrade.";
    let chart = StackedBars { x, rows, total_name: Some("time to ready".to_owned()) };
    (!chart.rows.is_empty()).then(|| Figure::new(id, title(first.1, runs.len()), note, table, chart))
}

fn row(name: &str, handshake: &HandshakeResult, of: fn(&Latency) -> Option<u64>, table: &mut DataTable) -> Option<Row> {
    let parts: Vec<Part> = phases(handshake)
        .into_iter()
        .enumerate()
        .filter_map(|(color, (phase, latency))| {
            let ns = of(latency)? as f64;
            table.row([name.to_owned(), phase.to_owned(), time(ns)]);
            Some(Part {
                name: phase.to_owned(),
                color,
                value: ns,
                text: time(ns),
                title: format!("{name}: {phase} {}", time(ns)),
            })
        })
        .collect();
    let total = of(&handshake.ready).map(|ns| {
        table.row([name.to_owned(), "time to ready".to_owned(), time(ns as f64)]);
        (ns as f64, format!("{name}: time to ready {}", time(ns as f64)))
    });
    (!parts.is_empty()).then(|| Row { name: name.to_owned(), parts, total })
}

fn title(handshake: &HandshakeResult, runs: usize) -> String {
    let sum: f64 = phases(handshake).iter().filter_map(|(_, latency)| latency.p50).map(|ns| ns as f64).sum();
    match (handshake.tls.p50, runs) {
        (Some(tls), 1) if sum > 0.0 => {
            format!("TLS takes {} of a median handshake: {} of the phases", time(tls as f64), percent(tls as f64 / sum))
        }
        (None, 1) => format!("A median connection without TLS takes {}", time(sum)),
        _ => format!("Where the time of a handshake goes, in {runs} runs"),
    }
}
