//! The tables of a sweep, for text and Markdown: handshakes, messages, messages on many connections, published messages, and the ratios to
//! the reference.

use super::label::label;
use super::{compared, describe_ratio, groups, title};
use crate::table::Table;
use wss_analysis::metric::Metric;
use wss_analysis::sweep::{Summary, SweepResult};
use wss_model::text::quantity::{NOT_AVAILABLE, count, rate_to};

/// A table below its title.
pub(super) struct TitledTable {
    pub(super) title: String,
    pub(super) table: Table,
}

/// A column of figures.
struct Column {
    head: &'static str,
    cell: fn(&Summary) -> Option<String>,
}

/// Handshakes, with the echo latency and the bulk throughput.
const HANDSHAKE: [Column; 6] = [
    Column { head: "server µs\nhandshake", cell: |summary| figure(summary, Metric::ServerCpuHandshakeUs) },
    Column { head: "client µs\nhandshake", cell: |summary| figure(summary, Metric::ClientCpuHandshakeUs) },
    Column { head: "/s per\ncore", cell: |summary| whole(summary, Metric::HandshakesPerSPerCore) },
    Column {
        head: "bytes\nout + in",
        cell: |summary| {
            let out = whole(summary, Metric::HandshakeSentBytes)?;
            Some(format!("{out} + {}", whole(summary, Metric::HandshakeReceivedBytes)?))
        },
    },
    Column { head: "echo\np50 µs", cell: |summary| figure(summary, Metric::EchoP50Us) },
    Column { head: "bulk\nGB/s", cell: |summary| figure(summary, Metric::BulkGbPerS) },
];

/// What messages cost.
const MESSAGES: [Column; 10] = [
    Column { head: "echoes\n/s", cell: |summary| whole(summary, Metric::EchoesPerS) },
    Column { head: "server µs\nmessage", cell: |summary| figure(summary, Metric::ServerCpuMessageUs) },
    Column { head: "client µs\nmessage", cell: |summary| figure(summary, Metric::ClientCpuMessageUs) },
    Column { head: "bulk\nserver\nns/byte", cell: |summary| figure(summary, Metric::BulkServerNsPerByte) },
    Column { head: "of which\nAEAD", cell: |summary| figure(summary, Metric::BulkServerAeadNsPerByte) },
    Column { head: "bulk\nclient\nns/byte", cell: |summary| figure(summary, Metric::BulkClientNsPerByte) },
    Column { head: "paced\np50 µs", cell: |summary| figure(summary, Metric::PacedP50Us) },
    Column { head: "paced\np99 µs", cell: |summary| figure(summary, Metric::PacedP99Us) },
    Column { head: "paced\nserver µs", cell: |summary| figure(summary, Metric::PacedServerCpuMessageUs) },
    Column { head: "paced\nclient µs", cell: |summary| figure(summary, Metric::PacedClientCpuMessageUs) },
];

/// What messages cost on many connections.
const CROWD: [Column; 4] = [
    Column { head: "echoes\n/s", cell: |summary| whole(summary, Metric::CrowdEchoesPerS) },
    Column { head: "p50 µs", cell: |summary| figure(summary, Metric::CrowdP50Us) },
    Column { head: "server µs\nmessage", cell: |summary| figure(summary, Metric::CrowdServerCpuMessageUs) },
    Column { head: "client µs\nmessage", cell: |summary| figure(summary, Metric::CrowdClientCpuMessageUs) },
];

/// What published messages cost.
const SUBSCRIBE: [Column; 5] = [
    Column { head: "p50 µs", cell: |summary| figure(summary, Metric::SubscribeP50Us) },
    Column { head: "p99 µs", cell: |summary| figure(summary, Metric::SubscribeP99Us) },
    Column { head: "gap\np99 µs", cell: |summary| figure(summary, Metric::SubscribeGapP99Us) },
    Column { head: "server µs\nmessage", cell: |summary| figure(summary, Metric::SubscribeServerCpuMessageUs) },
    Column { head: "client µs\nmessage", cell: |summary| figure(summary, Metric::SubscribeClientCpuMessageUs) },
];

fn figure(summary: &Summary, metric: Metric) -> Option<String> {
    summary.metrics.get(&metric).map(|found| rate_to(found.median, 3))
}

fn whole(summary: &Summary, metric: Metric) -> Option<String> {
    summary.metrics.get(&metric).map(|found| count(found.median.round() as u64))
}

/// The tables of figures that have any.
pub(super) fn figures(sweep: &SweepResult) -> Vec<TitledTable> {
    let first = compared(sweep).into_iter().next();
    let tables = [
        ("What it costs", &HANDSHAKE[..]),
        ("What messages cost", &MESSAGES[..]),
        ("What messages cost on many connections", &CROWD[..]),
        ("What published messages cost", &SUBSCRIBE[..]),
    ];
    tables
        .into_iter()
        .filter_map(|(title, columns)| {
            let columns: Vec<&Column> = columns
                .iter()
                .filter(|column| sweep.analysis.summaries.iter().any(|summary| (column.cell)(summary).is_some()))
                .collect();
            let ranked = first.filter(|_| title == "What it costs");
            (!columns.is_empty()).then(|| table_of_figures(sweep, title, &columns, ranked))
        })
        .collect()
}

fn table_of_figures(sweep: &SweepResult, title: &str, columns: &[&Column], ranked: Option<Metric>) -> TitledTable {
    let mut head = ranked.map(|_| "rank").into_iter().collect::<Vec<_>>();
    head.extend(columns.iter().map(|column| column.head));
    let table = grouped(sweep, &head, |summary| {
        let ranks = ranked.map(|metric| rank_of(summary, metric)).into_iter();
        let cells = columns.iter().map(|column| (column.cell)(summary).unwrap_or_else(|| NOT_AVAILABLE.to_owned()));
        ranks.chain(cells).collect()
    });
    let by = ranked.map(|metric| format!("; ranked by {}", super::title(metric))).unwrap_or_default();
    TitledTable { title: format!("{title}, by security level{by}"), table }
}

/// `2`, or `2–4` where noise leaves it open.
fn rank_of(summary: &Summary, metric: Metric) -> String {
    match summary.metrics.get(&metric).and_then(|found| found.place) {
        None => String::new(),
        Some(place) if place.best == place.worst => place.best.to_string(),
        Some(place) => format!("{}–{}", place.best, place.worst),
    }
}

/// The table of ratios to the reference.
pub(super) fn ratios(sweep: &SweepResult) -> Option<TitledTable> {
    let reference = sweep.reference;
    let title_of_all = format!("Ratio to the reference (#{reference}, {})", label(sweep, reference));
    let metrics = compared(sweep);
    let head: Vec<&str> = metrics.iter().map(|metric| title(*metric)).collect();
    let table =
        grouped(sweep, &head, |summary| metrics.iter().map(|metric| ratio_of(sweep, summary, *metric)).collect());
    (!metrics.is_empty()).then_some(TitledTable { title: title_of_all, table })
}

fn ratio_of(sweep: &SweepResult, summary: &Summary, metric: Metric) -> String {
    match summary.metrics.get(&metric) {
        Some(_) if summary.configuration == sweep.reference => "1".to_owned(),
        Some(found) => found.ratio.as_ref().map_or_else(|| NOT_AVAILABLE.to_owned(), describe_ratio),
        None => NOT_AVAILABLE.to_owned(),
    }
}

/// A table with a row per configuration, below the title of its group.
fn grouped(sweep: &SweepResult, head: &[&str], cells: impl Fn(&Summary) -> Vec<String>) -> Table {
    let mut table = Table::new([&["#", "configuration"], head].concat()).with_text(&[1]).with_key(2);
    for group in groups(sweep) {
        table.group(&group.title);
        for summary in group.numbers.iter().filter_map(|number| sweep.analysis.summary(*number)) {
            let number = summary.configuration;
            table.row([number.to_string(), label(sweep, number)].into_iter().chain(cells(summary)));
        }
    }
    table
}
