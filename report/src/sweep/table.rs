//! The tables of a sweep, before they are text: one for the handshakes, one for the messages, one for the messages of
//! many connections, and what differs from the reference.

use super::label::label;
use super::{compared, groups, ratio_in_words, title};
use wss_analysis::sweep::{Metric, Summary, SweepResult};
use wss_model::text::quantity::{NOT_AVAILABLE, count, rate_to};

/// A table.
pub(super) struct SweepTable {
    pub(super) title: String,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// A line of a table.
pub(super) enum Row {
    /// A group of configurations begins.
    Group(String),
    /// One of them.
    Cells(Vec<String>),
}

/// A column of figures.
struct Column {
    head: &'static str,
    cell: fn(&Summary) -> Option<String>,
}

/// Handshakes, with the echo beside them.
const HANDSHAKE: [Column; 6] = [
    Column { head: "server µs\nhandshake", cell: |summary| figure(summary, Metric::ServerCpuHandshakeUs) },
    Column { head: "client µs\nhandshake", cell: |summary| figure(summary, Metric::ClientCpuHandshakeUs) },
    Column { head: "/s\na core", cell: |summary| whole(summary, Metric::HandshakesPerSPerCore) },
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
    Column { head: "of it\nAEAD", cell: |summary| figure(summary, Metric::BulkServerAeadNsPerByte) },
    Column { head: "bulk\nclient\nns/byte", cell: |summary| figure(summary, Metric::BulkClientNsPerByte) },
    Column { head: "paced\np50 µs", cell: |summary| figure(summary, Metric::PacedP50Us) },
    Column { head: "paced\np99 µs", cell: |summary| figure(summary, Metric::PacedP99Us) },
    Column { head: "paced\nserver µs", cell: |summary| figure(summary, Metric::PacedServerCpuMessageUs) },
    Column { head: "paced\nclient µs", cell: |summary| figure(summary, Metric::PacedClientCpuMessageUs) },
];

/// What messages cost on many connections: a table of its own, as the one above is as wide as a page.
const CROWD: [Column; 4] = [
    Column { head: "echoes\n/s", cell: |summary| whole(summary, Metric::CrowdEchoesPerS) },
    Column { head: "p50 µs", cell: |summary| figure(summary, Metric::CrowdP50Us) },
    Column { head: "server µs\nmessage", cell: |summary| figure(summary, Metric::CrowdServerCpuMessageUs) },
    Column { head: "client µs\nmessage", cell: |summary| figure(summary, Metric::CrowdClientCpuMessageUs) },
];

fn figure(summary: &Summary, metric: Metric) -> Option<String> {
    summary.metrics.get(&metric).map(|found| rate_to(found.median, 3))
}

fn whole(summary: &Summary, metric: Metric) -> Option<String> {
    summary.metrics.get(&metric).map(|found| count(found.median.round() as u64))
}

/// The tables of figures: those that have any.
pub(super) fn figures(sweep: &SweepResult) -> Vec<SweepTable> {
    let first = compared(sweep).into_iter().next();
    let tables = [
        ("What it costs", &HANDSHAKE[..]),
        ("What messages cost", &MESSAGES[..]),
        ("What messages cost in a crowd", &CROWD[..]),
    ];
    tables
        .into_iter()
        .filter_map(|(title, columns)| {
            let columns: Vec<&Column> = columns
                .iter()
                .filter(|column| sweep.analysis.summaries.iter().any(|summary| (column.cell)(summary).is_some()))
                .collect();
            let place = first.filter(|_| title == "What it costs");
            (!columns.is_empty()).then(|| table_of_figures(sweep, title, &columns, place))
        })
        .collect()
}

fn table_of_figures(sweep: &SweepResult, title: &str, columns: &[&Column], place: Option<Metric>) -> SweepTable {
    let mut head = vec!["#".to_owned(), "configuration".to_owned()];
    head.extend(place.map(|_| "place".to_owned()));
    head.extend(columns.iter().map(|column| column.head.to_owned()));
    let rows = grouped(sweep, |summary| {
        let places = place.map(|metric| place_of(summary, metric)).into_iter();
        let cells = columns.iter().map(|column| (column.cell)(summary).unwrap_or_else(|| NOT_AVAILABLE.to_owned()));
        places.chain(cells).collect()
    });
    let by = place.map(|metric| format!("; places by {}", super::title(metric))).unwrap_or_default();
    SweepTable { title: format!("{title}, by security level{by}"), head, rows }
}

/// `2`, or `2–4` where the noise leaves it open.
fn place_of(summary: &Summary, metric: Metric) -> String {
    match summary.metrics.get(&metric).and_then(|found| found.place) {
        None => String::new(),
        Some(place) if place.best == place.worst => place.best.to_string(),
        Some(place) => format!("{}–{}", place.best, place.worst),
    }
}

/// The tables of ratios, at most `columns` figures in each.
pub(super) fn ratios(sweep: &SweepResult, columns: usize) -> Vec<SweepTable> {
    let reference = sweep.reference;
    let title_of_all = format!("Times the reference (#{reference}, {})", label(sweep, reference));
    let metrics = compared(sweep);
    let sheet = |metrics: &[Metric]| {
        let mut head = vec!["#".to_owned(), "configuration".to_owned()];
        head.extend(metrics.iter().map(|metric| title(*metric).to_owned()));
        let rows = grouped(sweep, |summary| metrics.iter().map(|metric| ratio_of(sweep, summary, *metric)).collect());
        SweepTable { title: title_of_all.clone(), head, rows }
    };
    metrics.chunks(columns.max(1)).map(sheet).collect()
}

fn ratio_of(sweep: &SweepResult, summary: &Summary, metric: Metric) -> String {
    match summary.metrics.get(&metric) {
        Some(_) if summary.configuration == sweep.reference => "1".to_owned(),
        Some(found) => found.ratio.as_ref().map_or_else(|| NOT_AVAILABLE.to_owned(), ratio_in_words),
        None => NOT_AVAILABLE.to_owned(),
    }
}

/// A row for each configuration, below the title of its group.
fn grouped(sweep: &SweepResult, cells: impl Fn(&Summary) -> Vec<String>) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in groups(sweep) {
        rows.push(Row::Group(group.title));
        for summary in group.numbers.iter().filter_map(|number| sweep.analysis.summary(*number)) {
            let number = summary.configuration;
            let name = vec![number.to_string(), label(sweep, number)];
            rows.push(Row::Cells(name.into_iter().chain(cells(summary)).collect()));
        }
    }
    rows
}
