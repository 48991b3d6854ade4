//! The tables of a run's report: latencies of both phases, costs, ring counters and errors.

use crate::table::Table;
use wss_model::config::Mode;
use wss_model::latency::Latency;
use wss_model::ring_counters::{EndRings, PhaseRings, RingCounters};
use wss_model::run_result::{
    EchoResult, End, HandshakeCost, HandshakeResult, PublishedResult, RunResult, SubscribeResult,
};
use wss_model::text::phrases::{one_line, pluralize};
use wss_model::text::quantity::{count, memory, percent, significant, time, time_or_dash, total};
use wss_model::units::{Rate, Size};

/// Kinds of errors in a summary; the rest are summed up.
const ERROR_ROWS: usize = 4;

/// Size from which on the payload, not the message, determines the cost.
const BULK: Size = Size(4096);

/// Characters of an example: three lines of its column.
const EXAMPLE_CHARS: usize = 120;

/// Least widths of the latency tables: the same column is at the same place in both.
const LATENCY_WIDTHS: (usize, usize) = (13, 8);

/// A row per phase of a handshake. A phase without samples is not part of the stack and has no row.
pub(super) fn handshake(result: &RunResult, verbose: bool) -> Table {
    let handshake = &result.handshake;
    let open_loop = matches!(result.config.connect_rate, Rate::PerSecond(_));
    let rows = [
        ("TCP connect", Some(&handshake.connect)),
        ("TLS", Some(&handshake.tls)),
        ("upgrade", Some(&handshake.upgrade)),
        ("first echo", Some(&handshake.first_echo)),
        ("ready", Some(&handshake.ready)),
        ("lateness", Some(&handshake.lateness).filter(|_| open_loop && verbose)),
        ("client busy", Some(&handshake.client_busy).filter(|_| verbose)),
        ("server busy", handshake.server_busy.as_ref().filter(|_| verbose)),
    ];
    let mut table =
        Table::new(["", "min", "p50", "p90", "p99", "p99.9", "max"]).with_least(LATENCY_WIDTHS.0, LATENCY_WIDTHS.1);
    for (name, latency) in rows {
        if let Some(latency) = latency.filter(|latency| latency.count > 0) {
            let Latency { min, p50, p90, p99, p99_9, max, .. } = latency;
            table.row(row(name, [min, p50, p90, p99, p99_9, max]));
        }
    }
    table
}

/// Response, service and lateness of an open loop; the round trip alone of a closed loop.
pub(super) fn echo(result: &RunResult, echo: &EchoResult) -> Table {
    let rows = match result.config.rate {
        Rate::PerSecond(_) => {
            vec![("response", &echo.response), ("service", &echo.service), ("lateness", &echo.lateness)]
        }
        Rate::Max => vec![("round trip", &echo.service)],
    };
    let mut table =
        Table::new(["", "p50", "p90", "p99", "p99.9", "p99.99", "max"]).with_least(LATENCY_WIDTHS.0, LATENCY_WIDTHS.1);
    for (name, Latency { p50, p90, p99, p99_9, p99_99, max, .. }) in rows {
        table.row(row(name, [p50, p90, p99, p99_9, p99_99, max]));
    }
    table
}

/// The gaps between messages, and the latencies if the publisher is wssbench.
pub(super) fn subscription(pushed: &SubscribeResult) -> Table {
    let mut rows = Vec::new();
    if let Some(published) = &pushed.published {
        let PublishedResult { response, service, publisher_lateness, .. } = published;
        rows.extend([("response", response), ("service", service), ("publisher late", publisher_lateness)]);
    }
    rows.push(("gap", &pushed.arrival_gap));
    let mut table =
        Table::new(["", "p50", "p90", "p99", "p99.9", "p99.99", "max"]).with_least(LATENCY_WIDTHS.0, LATENCY_WIDTHS.1);
    for (name, Latency { p50, p90, p99, p99_9, p99_99, max, .. }) in rows {
        table.row(row(name, [p50, p90, p99, p99_9, p99_99, max]));
    }
    table
}

fn row(name: &str, latencies: [&Option<u64>; 6]) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    row.extend(latencies.into_iter().map(|ns| time_or_dash(*ns)));
    row
}

/// A table with a column per end. An end without a result has no column.
struct EndsTable {
    table: Table,
    ends: usize,
    /// What is printed for an end that lacks a figure of the other one.
    missing: &'static str,
}

impl EndsTable {
    fn new(title: &str, ends: &[&str], missing: &'static str) -> Self {
        Self { table: Table::new([&[title], ends].concat()), ends: ends.len(), missing }
    }

    /// Adds a row, unless no end has the figure.
    fn add(&mut self, name: &str, cells: impl IntoIterator<Item = Option<String>>) {
        let cells: Vec<Option<String>> = cells.into_iter().take(self.ends).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| self.missing.to_owned()));
            self.table.row([name.to_owned()].into_iter().chain(cells));
        }
    }
}

/// CPU and memory of each end.
pub(super) fn cost(result: &RunResult, verbose: bool) -> Table {
    let (handshake, echo) = (&result.handshake, result.echo.as_ref());
    let ends: Vec<&End> = [Some(&result.client), result.server.as_ref()].into_iter().flatten().collect();
    let mut table = EndsTable::new("Cost", &["client", "server"][..ends.len()], "not known");
    let (of_message, aead) = match (echo, &result.subscribe) {
        (Some(echo), _) => ([echo.client_cpu_ns, echo.server_cpu_ns], [echo.client_aead_ns, echo.server_aead_ns]),
        (None, Some(pushed)) => {
            ([pushed.client_cpu_ns, pushed.server_cpu_ns], [pushed.client_aead_ns, pushed.server_aead_ns])
        }
        (None, None) => ([None, None], [None, None]),
    };
    let used = |share: f64, end: &End| format!("{} of {}", percent(share), pluralize(end.threads as u64, "thread"));
    let of_ends = |of: &dyn Fn(&End) -> Option<String>| ends.iter().map(|end| of(end)).collect::<Vec<_>>();

    table.add("CPU per handshake", [handshake.client_cpu_ns, handshake.server_cpu_ns].map(|ns| ns.map(time)));
    table.add("CPU per message", of_message.map(|ns| ns.map(time)));
    let size = result.config.size;
    let per_byte = |ns: f64| format!("{:.3} ns", ns / size.0 as f64);
    table.add("  per payload byte", of_message.map(|ns| ns.filter(|_| size >= BULK).map(per_byte)));
    let shares = aead.into_iter().zip(of_message).map(|(aead, all)| Some(percent(aead? / all?)));
    table.add("  of which AEAD", shares);
    if verbose {
        table.add("CPU used, opening", of_ends(&|end| end.cpu_utilization_handshake.map(|share| used(share, end))));
    }
    let phase = match result.config.mode {
        Mode::Echo => "CPU used, echoing",
        Mode::Subscribe => "CPU used, receiving",
        Mode::Handshake => "CPU used",
    };
    table.add(phase, of_ends(&|end| Some(used(end.cpu_utilization, end))));
    if verbose {
        table.add("memory, all open and idle", of_ends(&|end| end.rss_bytes_idle.map(|bytes| memory(bytes as f64))));
    }
    table.add("memory per connection", of_ends(&|end| end.anon_bytes_per_connection.map(memory)));
    table.add("memory, peak", of_ends(&|end| Some(memory(end.rss_bytes_peak as f64))));
    table.table
}

/// What the rings did in the main phase, and per handshake before it. `None` if no end counts it.
pub(super) fn rings(result: &RunResult) -> Option<Table> {
    let nothing = PhaseRings::default();
    let pushed = result.subscribe.as_ref().map_or(&nothing, |pushed| &pushed.rings);
    let (opening, echoing) = (&result.handshake.rings, result.echo.as_ref().map_or(pushed, |echo| &echo.rings));
    let main = if result.config.mode == Mode::Handshake { opening } else { echoing };
    let ends: [fn(&PhaseRings) -> Option<&EndRings>; 2] =
        [|rings| rings.client.as_ref(), |rings| rings.server.as_ref()];
    let shown = if result.server.is_some() { 2 } else { 1 };
    if ends.iter().take(shown).all(|end| end(opening).or(end(echoing)).is_none()) {
        return None;
    }
    let mut table = EndsTable::new("Rings", &["client", "server"][..shown], "not counted");
    let mean = |rings: &PhaseRings, of: fn(&EndRings) -> Option<f64>| {
        ends.map(|end| of(end(rings)?).map(|mean| significant(mean, 3)))
    };
    table.add("enters per handshake", mean(opening, |end| end.enters_per_handshake));
    table.add("enters per message", mean(echoing, |end| end.enters_per_message));
    table.add("completions per enter", mean(main, |end| end.completions_per_enter));
    let threads = [Some(&result.client), result.server.as_ref()].map(|end| end.map_or(1, |end| end.threads));
    let fewest_free = ends.iter().zip(threads).map(|(end, threads)| {
        let RingCounters { buffers, buffers_low_water, .. } = end(echoing).or(end(opening))?.totals;
        let per_thread = buffers / threads.max(1) as u64;
        (buffers > 0).then(|| format!("{} of {}", count(buffers_low_water), count(per_thread)))
    });
    table.add("receive buffers, fewest free", fewest_free);
    // Exceptions have a row only if they occurred.
    for (name, of) in [
        ("receives without a buffer", (|totals| totals.no_buffers) as fn(&RingCounters) -> u64),
        ("sends cut short by a full socket", |totals| totals.partial_sends),
        ("completion queue overflows", |totals| totals.overflows),
    ] {
        let sums: [Option<u64>; 2] = ends.map(|end| {
            end(opening).or(end(echoing))?;
            Some(total([opening, echoing].into_iter().filter_map(end).map(|end| of(&end.totals))))
        });
        if sums.iter().take(shown).flatten().any(|sum| *sum > 0) {
            table.add(name, sums.map(|sum| sum.map(count)));
        }
    }
    Some(table.table)
}

/// Where the time of a handshake went on each end, as means. `None` if it was not measured.
pub(super) fn split(handshake: &HandshakeResult) -> Option<Table> {
    let ends: Vec<(&str, &HandshakeCost)> = [("client", &handshake.client_cost), ("server", &handshake.server_cost)]
        .into_iter()
        .filter_map(|(name, cost)| Some((name, cost.as_ref()?)))
        .collect();
    if ends.is_empty() {
        return None;
    }
    let names: Vec<&str> = ends.iter().map(|end| end.0).collect();
    let mut table = EndsTable::new("Where the time of a handshake went", &names, "not known");
    let mut add = |name: &str, of: &dyn Fn(&HandshakeCost) -> Option<f64>| {
        table.add(name, ends.iter().map(|(_, cost)| of(cost).map(signed_time)));
    };
    add("key exchange: making the share", &|cost| cost.key_exchange_start_ns);
    add("key exchange: completing it", &|cost| cost.key_exchange_complete_ns);
    add("signing", &|cost| cost.sign_ns);
    add("verifying signatures", &|cost| cost.verify_ns);
    add("records: AEAD", &|cost| cost.aead_ns);
    add("hashes and key derivation", &|cost| cost.hash_ns);
    add("reading and writing the socket", &|cost| cost.socket_ns);
    add("everything else: rustls, upgrade", &|cost| Some(cost.rest_ns));
    add("= busy, mean", &|cost| Some(cost.busy_ns));
    add("in the kernel: network, system calls", &|cost| cost.system_ns);
    add("unexplained: engine, accept, close", &|cost| cost.unexplained_ns);
    add("= CPU (busy - socket + kernel + unexplained)", &|cost| cost.system_ns.and(cost.cpu_ns));
    Some(table.table)
}

fn signed_time(ns: f64) -> String {
    if ns < 0.0 { format!("-{}", time(-ns)) } else { time(ns) }
}

/// The errors by phase and kind, the most frequent first.
pub(super) fn errors(result: &RunResult, verbose: bool) -> Table {
    let mut kinds: Vec<_> = result.errors.iter().collect();
    kinds.sort_by_key(|error| std::cmp::Reverse(error.count));
    let rows = if verbose { kinds.len() } else { ERROR_ROWS };
    let mut table = Table::new(["Error in", "kind", "count", "first example"]).with_text(&[0, 1, 3]);
    for error in kinds.iter().take(rows) {
        table.row([error.phase.name(), error.kind.name(), &count(error.count), &shortened(&error.example)]);
    }
    let more = total(kinds.iter().skip(rows).map(|error| error.count));
    if more > 0 {
        let kinds = pluralize((kinds.len() - rows) as u64, "more kind");
        table.row(["others", "", &count(more), &format!("{kinds} (--verbose)")]);
    }
    table
}

/// The beginning of an example: the result has the whole.
fn shortened(example: &str) -> String {
    let example = one_line(example);
    match example.char_indices().nth(EXAMPLE_CHARS) {
        Some((end, _)) => format!("{}…", &example[..end]),
        None => example,
    }
}
