//! The tables of the report: the latencies of both phases, what they cost, and what went wrong.

use comfy_table::{CellAlignment, ColumnConstraint, Table, Width};

use crate::layout::{numbers_right, table};
use wss_model::config::Mode;
use wss_model::latency::Latency;
use wss_model::ring_counters::{EndRings, PhaseRings, RingCounters};
use wss_model::run_result::{EchoResult, End, HandshakeCost, HandshakeResult, RunResult};
use wss_model::text::phrases::{one_line, pluralize};
use wss_model::text::quantity::{count, memory, percent, significant, time, time_or_dash, total};
use wss_model::units::{Rate, Size};

/// Kinds of errors that are shown; the others are summed up.
const ERROR_ROWS: usize = 8;

/// Messages from which on their bytes are what they cost.
const BULK: Size = Size(4096);

/// Characters of an example: three lines of its column.
const EXAMPLE_CHARS: usize = 120;

/// The phases of a handshake, one a row. A phase without samples was not part of the stack, and has no row.
pub(super) fn handshake(result: &RunResult) -> Table {
    let handshake = &result.handshake;
    let open_loop = matches!(result.config.connect_rate, Rate::PerSecond(_));
    let rows = [
        ("TCP connect", Some(&handshake.connect)),
        ("TLS", Some(&handshake.tls)),
        ("upgrade", Some(&handshake.upgrade)),
        ("first echo", Some(&handshake.first_echo)),
        ("ready", Some(&handshake.ready)),
        ("lateness", Some(&handshake.lateness).filter(|_| open_loop)),
        ("client busy", Some(&handshake.client_busy)),
        ("server busy", handshake.server_busy.as_ref()),
    ];
    let mut table = table(["", "min", "p50", "p90", "p99", "p99.9", "max"]);
    for (name, latency) in rows {
        if let Some(latency) = latency.filter(|latency| latency.count > 0) {
            let Latency { min, p50, p90, p99, p99_9, max, .. } = latency;
            table.add_row(row(name, [min, p50, p90, p99, p99_9, max]));
        }
    }
    even(&mut table);
    table
}

/// Response, service and lateness of an open loop; a closed one has the round trip alone.
pub(super) fn echo(result: &RunResult, echo: &EchoResult) -> Table {
    let rows = match result.config.rate {
        Rate::PerSecond(_) => {
            vec![("response", &echo.response), ("service", &echo.service), ("lateness", &echo.lateness)]
        }
        Rate::Max => vec![("round trip", &echo.service)],
    };
    let mut table = table(["", "p50", "p90", "p99", "p99.9", "p99.99", "max"]);
    for (name, Latency { p50, p90, p99, p99_9, p99_99, max, .. }) in rows {
        table.add_row(row(name, [p50, p90, p99, p99_9, p99_99, max]));
    }
    even(&mut table);
    table
}

fn row(name: &str, latencies: [&Option<u64>; 6]) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    row.extend(latencies.into_iter().map(|ns| time_or_dash(*ns)));
    row
}

/// Gives the same column the same place in both tables of latencies, so that the eye can go from one to the other.
fn even(table: &mut Table) {
    numbers_right(table);
    for (index, column) in table.column_iter_mut().enumerate() {
        let width = if index == 0 { 13 } else { 10 };
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
}

/// CPU and memory of each end. An end that is not known has no column.
pub(super) fn cost(result: &RunResult) -> Table {
    let (handshake, echo) = (&result.handshake, result.echo.as_ref());
    let sides: Vec<&End> = [Some(&result.client), result.server.as_ref()].into_iter().flatten().collect();
    let mut table = table([&["Cost", "client", "server"][..=sides.len()]].concat());
    let mut add = |name: &str, cells: Vec<Option<String>>| {
        // A row that nobody can fill says nothing.
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "not known".to_owned()));
            table.add_row([name.to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
        }
    };
    let cpu = |client: Option<f64>, server: Option<f64>| -> Vec<_> {
        [client, server].into_iter().take(sides.len()).map(|ns| ns.map(time)).collect()
    };
    let each = |of: &dyn Fn(&End) -> Option<String>| sides.iter().map(|side| of(side)).collect::<Vec<_>>();
    let used = |share: f64, side: &End| format!("{} of {}", percent(share), pluralize(side.threads as u64, "thread"));

    add("CPU time a handshake", cpu(handshake.client_cpu_ns, handshake.server_cpu_ns));
    add("CPU time a message", cpu(echo.and_then(|e| e.client_cpu_ns), echo.and_then(|e| e.server_cpu_ns)));
    // Each end decrypts and encrypts a message: two passes over its bytes.
    let size = result.config.size;
    let a_byte = |ns: Option<f64>| ns.filter(|_| size >= BULK).map(|ns| ns / size.0 as f64);
    let per_byte: Vec<_> = [echo.and_then(|e| e.client_cpu_ns), echo.and_then(|e| e.server_cpu_ns)]
        .into_iter()
        .take(sides.len())
        .map(|ns| a_byte(ns).map(|ns| format!("{ns:.3} ns")))
        .collect();
    add("  the same a payload byte", per_byte);
    let of_records = |aead: Option<f64>, all: Option<f64>| aead.zip(all).map(|(aead, all)| percent(aead / all));
    let shares = [
        echo.and_then(|e| of_records(e.client_aead_ns, e.client_cpu_ns)),
        echo.and_then(|e| of_records(e.server_aead_ns, e.server_cpu_ns)),
    ];
    add("  of it encrypting and decrypting", shares.into_iter().take(sides.len()).collect());
    let in_echo_mode = result.config.mode == Mode::Echo;
    add("CPU used, opening", each(&|side| side.cpu_utilization_handshake.map(|share| used(share, side))));
    let phase = if in_echo_mode { "CPU used, echoing" } else { "CPU used" };
    add(phase, each(&|side| Some(used(side.cpu_utilization, side))));
    add("memory, all open and idle", each(&|side| side.rss_bytes_idle.map(|bytes| memory(bytes as f64))));
    let open = handshake.completed;
    let a_connection = |side: &End| side.rss_bytes_idle.filter(|_| open > 0).map(|b| memory(b as f64 / open as f64));
    add("  the same a connection", each(&a_connection));
    add("memory, peak", each(&|side| Some(memory(side.rss_bytes_peak as f64))));
    numbers_right(&mut table);
    table
}

/// What the rings did in the phase that the run is about, and what a handshake took before it. `None` if no end counts.
pub(super) fn rings(result: &RunResult) -> Option<Table> {
    let nothing = PhaseRings::default();
    let (opening, echoing) = (&result.handshake.rings, result.echo.as_ref().map_or(&nothing, |echo| &echo.rings));
    let about = if result.config.mode == Mode::Echo { echoing } else { opening };
    let ends: [fn(&PhaseRings) -> Option<&EndRings>; 2] = [|io| io.client.as_ref(), |io| io.server.as_ref()];
    let threads = [Some(&result.client), result.server.as_ref()].map(|side| side.map_or(1, |side| side.threads));
    // As in the table above it, an end that is not known has no column.
    let shown = if result.server.is_some() { 2 } else { 1 };
    if ends.iter().take(shown).all(|end| end(opening).or(end(echoing)).is_none()) {
        return None;
    }
    let mut table = table([&["Rings", "client", "server"][..=shown]].concat());
    let mut add = |name: &str, cells: Vec<Option<String>>| {
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "not counted".to_owned()));
            table.add_row([name.to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
        }
    };
    let mean = |io: &PhaseRings, of: fn(&EndRings) -> Option<f64>| -> Vec<_> {
        ends.iter().take(shown).map(|end| of(end(io)?).map(|mean| significant(mean, 3))).collect()
    };
    add("enters a handshake", mean(opening, |side| side.enters_per_handshake));
    add("enters a message", mean(echoing, |side| side.enters_per_message));
    add("completions an enter", mean(about, |side| side.completions_per_enter));
    let left = ends.iter().zip(threads).take(shown).map(|(end, threads)| {
        let RingCounters { buffers, buffers_low_water, .. } = end(echoing).or(end(opening))?.totals;
        let of_one_thread = buffers / threads.max(1) as u64;
        (buffers > 0).then(|| format!("{} of {}", count(buffers_low_water), count(of_one_thread)))
    });
    add("receive buffers, fewest free", left.collect());
    // What should not be is told only if it was.
    for (name, of) in [
        ("receives without a buffer", (|totals| totals.no_buffers) as fn(&RingCounters) -> u64),
        ("sends cut short by a full socket", |totals| totals.partial_sends),
        ("times the completion queue was full", |totals| totals.overflows),
    ] {
        let sums = ends.iter().take(shown).map(|end| {
            end(opening).or(end(echoing))?;
            Some(total([opening, echoing].into_iter().filter_map(end).map(|side| of(&side.totals))))
        });
        let sums: Vec<Option<u64>> = sums.collect();
        if sums.iter().flatten().any(|sum| *sum > 0) {
            add(name, sums.into_iter().map(|sum| sum.map(count)).collect());
        }
    }
    numbers_right(&mut table);
    Some(table)
}

/// Where each end's time for a handshake went: a mean, and its share of the busy time. `None` if that was not told.
pub(super) fn split(handshake: &HandshakeResult) -> Option<Table> {
    let sides: Vec<(&str, &HandshakeCost)> = [("client", &handshake.client_cost), ("server", &handshake.server_cost)]
        .into_iter()
        .filter_map(|(name, cost)| Some((name, cost.as_ref()?)))
        .collect();
    if sides.is_empty() {
        return None;
    }
    let mut table = table([vec!["Where a handshake's time went"], sides.iter().map(|side| side.0).collect()].concat());
    let mut add = |name: &str, of: &dyn Fn(&HandshakeCost) -> Option<f64>| {
        let cells: Vec<Option<f64>> = sides.iter().map(|(_, cost)| of(cost)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.iter().map(|cell| cell.map_or_else(|| "not known".to_owned(), signed_time));
            table.add_row([name.to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
        }
    };
    add("key exchange, share made", &|cost| cost.key_exchange_start_ns);
    add("key exchange, completed", &|cost| cost.key_exchange_complete_ns);
    add("signing", &|cost| cost.sign_ns);
    add("verifying signatures", &|cost| cost.verify_ns);
    add("records: AEAD", &|cost| cost.aead_ns);
    add("hashes and key derivation", &|cost| cost.hash_ns);
    add("reading and writing the socket", &|cost| cost.socket_ns);
    add("everything else: rustls, upgrade", &|cost| Some(cost.rest_ns));
    add("= busy, mean", &|cost| Some(cost.busy_ns));
    add("in the kernel: network, system calls", &|cost| cost.system_ns);
    add("unexplained: engine, accept, close", &|cost| cost.unexplained_ns);
    add("= CPU time (busy - socket + the two)", &|cost| cost.system_ns.and(cost.cpu_ns));
    numbers_right(&mut table);
    Some(table)
}

fn signed_time(ns: f64) -> String {
    if ns < 0.0 { format!("-{}", time(-ns)) } else { time(ns) }
}

/// What went wrong, the commonest first.
pub(super) fn errors(result: &RunResult) -> Table {
    let mut kinds: Vec<_> = result.errors.iter().collect();
    kinds.sort_by_key(|error| std::cmp::Reverse(error.count));
    let mut table = table(["Error in", "kind", "count", "the first one"]);
    for error in kinds.iter().take(ERROR_ROWS) {
        let (phase, kind) = (error.phase.name().to_owned(), error.kind.name().to_owned());
        table.add_row([phase, kind, count(error.count), shortened(&error.example)]);
    }
    let more = total(kinds.iter().skip(ERROR_ROWS).map(|error| error.count));
    if more > 0 {
        let kinds = pluralize((kinds.len() - ERROR_ROWS) as u64, "more kind");
        table.add_row(["others".to_owned(), String::new(), count(more), kinds]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        match index {
            0 => drop(column.set_padding((0, 1))),
            2 => column.set_cell_alignment(CellAlignment::Right),
            _ => {}
        }
    }
    table
}

/// The beginning of an example: the whole of it is in the result.
fn shortened(example: &str) -> String {
    let example = one_line(example);
    match example.char_indices().nth(EXAMPLE_CHARS) {
        Some((end, _)) => format!("{}…", &example[..end]),
        None => example,
    }
}
