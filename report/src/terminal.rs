//! The final text of a run, for a reader who has not seen one before.
//!
//! It is a summary of at most 40 lines for a run with the default options, or everything with [`Style::verbose`]. What
//! was run comes first, then latencies, then their cost, and the verdict last. A missing figure is printed as missing,
//! never as 0.

mod compression;
mod kernel_clock;
mod subscription;

use crate::disturbances;
use crate::layout::Layout;
use crate::style::Style;
use crate::tables;
use crate::verdict::{heads_up, verdict};
use wss_model::config::{HttpVersion, Mode, RunConfig};
use wss_model::latency::samples_needed;
use wss_model::run_result::{
    EchoResult, End, Flights, HandshakeResult, KernelClock, ResponseBreakdown, Resumption, RunResult,
};
use wss_model::text::phrases::{describe_handshake, machine, pluralize, program};
use wss_model::text::quantity::{NOT_AVAILABLE, count, percent_to, rate, time, total};
use wss_model::units::Rate;

/// Kinds of handshake in a summary; the rest are counted.
const KINDS_SHOWN: usize = 3;

/// `result` as text in the given style, ending with a newline.
pub fn terminal(result: &RunResult, style: Style) -> String {
    let mut layout = Layout::new(style);
    let is_valid = result.valid && result.invalid_because.is_empty();
    heads_up(&mut layout, is_valid);
    all_facts(&mut layout, result);
    layout.gap();
    handshake(&mut layout, result);
    if let Some(echo) = &result.echo {
        layout.gap();
        echoes(&mut layout, result, echo);
    }
    if let Some(pushed) = &result.subscribe {
        layout.gap();
        subscription::section(&mut layout, result, pushed);
    }
    layout.gap();
    cost(&mut layout, result);
    if layout.is_verbose() {
        details(&mut layout, result);
    }
    errors_and_notes(&mut layout, result);
    layout.gap();
    conclusion(&mut layout, result, is_valid);
    layout.finish()
}

/// What was run and what was negotiated, each with its label.
pub(crate) fn facts(result: &RunResult) -> Vec<(String, String)> {
    Layout::facts_of(|layout| all_facts(layout, result))
}

fn all_facts(layout: &mut Layout, result: &RunResult) {
    what_was_run(layout, result);
    negotiated(layout, result);
    if let Some(compression) = &result.compression {
        compression::facts(layout, compression);
    }
}

fn what_was_run(layout: &mut Layout, result: &RunResult) {
    let target = &result.target;
    let kind = match (&target.command, target.embedded) {
        (Some(command), _) => format!("started with `{command}`"),
        (None, true) => "embedded server".to_owned(),
        (None, false) => "external server".to_owned(),
    };
    let http = if target.http == Some(HttpVersion::Http2) { " over HTTP/2" } else { "" };
    layout.fact("Target", &format!("{} at {}{http} ({kind})", target.url, target.address));
    if let Some(from) = &target.redirected_from {
        layout.fact("", &format!("redirected from {from} to {}", target.url));
    }
    let config = &result.config;
    let long = format!("for {} after a warm-up of {}", config.duration, config.warmup);
    let opening = pace(
        config,
        config.connect_rate,
        &format!("{} at a time, as fast as they complete", config.connect_concurrency),
    );
    match config.mode {
        Mode::Echo => {
            layout.fact("Connections", &format!("{}, opened {opening}", count(config.connections as u64)));
            let pace = pace(config, config.rate, "as fast as echoes return");
            let in_flight = format!("{} in flight per connection", count(config.in_flight as u64));
            layout.fact("Messages", &format!("{}, {pace}, {in_flight}, {long}", config.size));
        }
        Mode::Subscribe => {
            layout.fact("Connections", &format!("{}, opened {opening}", count(config.connections as u64)));
            layout.fact("Messages", &format!("{}, {long}", subscription::what_is_pushed(config)));
        }
        Mode::Handshake => {
            let and_echo = match config.no_first_echo {
                true => String::new(),
                false => format!(", each with an echo of {}", config.size),
            };
            layout.fact("Handshakes", &format!("{opening}, {long}{and_echo}"));
        }
    }
    let server = result.server.as_ref().map_or_else(|| "not known".to_owned(), engine);
    layout.fact("Engines", &format!("client {}; server {server}", engine(&result.client)));
    if layout.is_verbose() {
        layout.fact("Measured on", &format!("{}, {}", machine(&result.environment), program(&result.tool)));
    } else if result.tool.profile == "debug" {
        layout.fact("Program", &program(&result.tool));
    }
}

/// How the instants of a phase were planned; `closed` describes a closed loop.
fn pace(config: &RunConfig, requested: Rate, closed: &str) -> String {
    match requested {
        Rate::PerSecond(per_s) => format!("at {}/s (open loop, {} arrivals)", rate(per_s), config.arrivals),
        Rate::Max => format!("{closed} (closed loop)"),
    }
}

fn engine(end: &End) -> String {
    let cpus = end
        .cpus
        .as_ref()
        .map_or_else(String::new, |cpus| format!(" on CPU{} {cpus}", if cpus.contains(',') { "s" } else { "" }));
    format!("{}, {}{cpus}", end.engine_name(), pluralize(end.threads as u64, "thread"))
}

fn negotiated(layout: &mut Layout, result: &RunResult) {
    // Every run with TLS says how certificates were verified, even if all of its handshakes failed.
    if result.verify.is_none() {
        return layout.fact("Negotiated", "no TLS");
    }
    let mut kinds: Vec<_> = result.negotiated.iter().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
    if kinds.is_empty() {
        layout.fact("Negotiated", "nothing: no TLS handshake completed");
    }
    let shown = if layout.is_verbose() { kinds.len() } else { KINDS_SHOWN };
    for (index, kind) in kinds.iter().take(shown).enumerate() {
        let label = if index == 0 { "Negotiated" } else { "" };
        layout.fact(label, &format!("{} × {}", count(kind.count), describe_handshake(&kind.negotiated)));
    }
    if let Some(more) = kinds.get(shown..).filter(|more| !more.is_empty()) {
        let handshakes = total(more.iter().map(|kind| kind.count));
        layout.fact("", &format!("{} × {}", count(handshakes), pluralize(more.len() as u64, "other kind")));
    }
    if let (Some(verify), Some(skipped)) = (&result.verify, &result.verify_skips) {
        layout.fact("Verification", &format!("NOT FULL ({verify}): {skipped}"));
    }
    if let Some(resumption) = &result.resumption {
        let Resumption { mechanism, requested_percent, achieved_percent, early_data_percent } = resumption;
        let early = if *early_data_percent > 0.0 {
            format!(", {} with early data", percent_to(*early_data_percent, 3))
        } else {
            String::new()
        };
        let (requested, achieved) = (percent_to(*requested_percent, 3), percent_to(*achieved_percent, 3));
        layout.fact(
            "Resumption",
            &format!("{achieved} of the handshakes by {} ({requested} requested){early}", mechanism.describe()),
        );
    }
}

fn handshake(layout: &mut Layout, result: &RunResult) {
    let handshake = &result.handshake;
    layout.text(&format!(
        "Handshakes: {} of {} completed, {} failed{}; {}/s{}",
        count(handshake.completed),
        count(handshake.planned),
        count(handshake.failed),
        never(handshake.planned, handshake.started, "started"),
        rate(handshake.rate_per_s),
        of_requested(result.config.connect_rate),
    ));
    if handshake.completed == 0 {
        return;
    }
    layout.table(&tables::handshake(result, layout.is_verbose()));
    on_the_wire(layout, handshake.kernel_clock.as_ref());
    if layout.is_verbose() {
        let lateness = match result.config.connect_rate {
            Rate::PerSecond(_) => "; lateness: actual start minus planned start",
            Rate::Max => "",
        };
        let busy = match handshake.client_busy.count {
            0 => "",
            _ => "; busy: time inside that end's code for TLS and upgrade",
        };
        layout.secondary(&format!("ready: from the planned start until messages can be sent{lateness}{busy}."));
    }
}

fn echoes(layout: &mut Layout, result: &RunResult, echo: &EchoResult) {
    layout.text(&format!(
        "Echoes: {} of {} received, {} failed{}; {}/s{}{}",
        count(echo.received),
        count(echo.planned),
        count(echo.failed),
        never(echo.planned, echo.sent, "sent"),
        rate(echo.rate_per_s),
        of_requested(result.config.rate),
        throughput(echo.bytes_per_s, " each way"),
    ));
    if echo.received == 0 {
        return;
    }
    layout.table(&tables::echo(result, echo));
    layout.secondary(match result.config.rate {
        Rate::PerSecond(_) => {
            "response: from the planned instant to the echo; service: from the actual send to the echo; lateness: the \
             generator's own delay before the send."
        }
        Rate::Max => {
            "round trip: from the send to the echo. A closed loop slows down with the server, which hides stalls; an \
             open loop (--rate 10k/s) shows them."
        }
    });
    if let Some(breakdown) = &echo.breakdown {
        layout.text(&response_parts(breakdown, result.config.rate));
    }
    on_the_wire(layout, echo.kernel_clock.as_ref());
    if echo.unsolicited_messages + echo.repeated_replies > 0 {
        layout.text(&format!(
            "Ignored messages: {} without an id, {} that repeat a reply.",
            count(echo.unsolicited_messages),
            count(echo.repeated_replies)
        ));
    }
    if echo.in_flight_waits > 0 && matches!(result.config.rate, Rate::PerSecond(_)) {
        layout.text(&format!(
            "{} due while an earlier echo was still outstanding on the connection: response includes that wait, service \
             does not.",
            match echo.in_flight_waits {
                1 => "1 message was".to_owned(),
                many => format!("{} messages were", count(many)),
            }
        ));
    }
}

/// The medians by the kernel's clock.
fn on_the_wire(layout: &mut Layout, clock: Option<&KernelClock>) {
    let Some(sentence) = clock.and_then(kernel_clock::sentence) else { return };
    layout.text(&sentence);
    if layout.is_verbose() {
        layout.secondary(kernel_clock::DETAILS);
    }
}

/// Who held the messages during the mean response time.
fn response_parts(breakdown: &ResponseBreakdown, rate: Rate) -> String {
    let name = match rate {
        Rate::PerSecond(_) => "response",
        Rate::Max => "round trip",
    };
    let mut parts = vec![format!("{} at the server", time(breakdown.server_ns))];
    if breakdown.connection_ns > 0.0 {
        parts.push(format!("{} behind earlier messages", time(breakdown.connection_ns)));
    }
    parts.push(format!("{} at the generator", time(breakdown.generator_ns)));
    parts.push(format!("{} that cannot be attributed to either", time(breakdown.unknown_ns)));
    format!("Mean {name} {}: {}.", time(breakdown.response_ns()), parts.join(", "))
}

/// Those among the failed ones that never began.
fn never(planned: u64, begun: u64, verb: &str) -> String {
    match planned.saturating_sub(begun) {
        0 => String::new(),
        missing => format!(" ({} never {verb})", count(missing)),
    }
}

/// Printed from 1 MB/s on.
fn throughput(bytes_per_s: f64, direction: &str) -> String {
    match bytes_per_s {
        1e9.. => format!("; {:.2} GB/s{direction}", bytes_per_s / 1e9),
        1e6.. => format!("; {:.1} MB/s{direction}", bytes_per_s / 1e6),
        _ => String::new(),
    }
}

fn of_requested(requested: Rate) -> String {
    match requested {
        Rate::PerSecond(per_s) => format!(" of {}/s requested", rate(per_s)),
        Rate::Max => String::new(),
    }
}

fn cost(layout: &mut Layout, result: &RunResult) {
    layout.table(&tables::cost(result, layout.is_verbose()));
    let handshake = &result.handshake;
    if let (Some(sent), Some(received)) = (handshake.bytes_sent_mean, handshake.bytes_received_mean) {
        layout.text(&format!("Per handshake: {} sent, {} received.", bytes(sent), bytes(received)));
    }
    if result.server.is_none() {
        layout.text("The server's cost is not known: name its admin endpoint with --server-stats, or its process with --server-pid.");
    }
}

/// What a summary leaves out.
fn details(layout: &mut Layout, result: &RunResult) {
    let handshake = &result.handshake;
    if let Some(flights) = &handshake.flights {
        tls_of_it(layout, flights);
    }
    if let Some(table) = tables::split(handshake) {
        layout.gap();
        layout.table(&table);
        timer_overhead(layout, handshake, &result.config.tls.cost_split().to_string());
    }
    if let Some(table) = tables::rings(result) {
        layout.gap();
        layout.table(&table);
    }
    if let Some(table) = disturbances::table(result) {
        layout.gap();
        layout.table(&table);
    }
    if layout.has(NOT_AVAILABLE) {
        let needed = |quantile| count(samples_needed(quantile));
        layout.secondary(&format!(
            "{NOT_AVAILABLE} too few samples: p90 needs {}, p99 {}, p99.9 {}, p99.99 {}.",
            needed(0.9),
            needed(0.99),
            needed(0.999),
            needed(0.9999)
        ));
    }
}

fn tls_of_it(layout: &mut Layout, flights: &Flights) {
    let few = |mean: f64| format!("{mean:.1}").trim_end_matches(".0").to_owned();
    let records = |mean: f64| format!("{} {}", few(mean), if few(mean) == "1" { "record" } else { "records" });
    let tickets = match flights.ticket_bytes {
        None => String::new(),
        Some(0.0) => "; no session tickets".to_owned(),
        Some(mean) => format!("; session tickets of {}", bytes(mean)),
    };
    layout.text(&format!(
        "of which TLS: {} in {} sent, {} in {} received; {} ({} including the upgrade){tickets}.",
        bytes(flights.tls_bytes_sent),
        records(flights.tls_records_sent),
        bytes(flights.tls_bytes_received),
        records(flights.tls_records_received),
        match few(flights.tls_round_trips).as_str() {
            "1" => "1 round trip".to_owned(),
            many => format!("{many} round trips"),
        },
        few(flights.round_trips),
    ));
}

fn timer_overhead(layout: &mut Layout, handshake: &HandshakeResult, cost_split: &str) {
    let costs = [&handshake.client_cost, &handshake.server_cost].into_iter().flatten();
    let overhead = costs.map(|cost| cost.timer_overhead_ns).fold(0.0, f64::max);
    if overhead > 0.0 {
        let more = if cost_split == "all" { "" } else { "; more detail with --cost-split all" };
        layout.text(&format!(
            "Timer overhead is up to {} of this (disable with --cost-split off{more}).",
            time(overhead)
        ));
    }
}

fn bytes(mean: f64) -> String {
    pluralize(mean.round() as u64, "byte")
}

fn errors_and_notes(layout: &mut Layout, result: &RunResult) {
    if !result.errors.is_empty() {
        layout.gap();
        layout.table(&tables::errors(result, layout.is_verbose()));
    }
    if !result.notes.is_empty() {
        layout.gap();
    }
    for note in &result.notes {
        layout.text(&format!("Note: {note}"));
    }
}

/// What a valid result means, after "VALID: ".
pub(crate) fn praise(result: &RunResult) -> &'static str {
    let config = &result.config;
    match (config.mode, config.rate, config.connect_rate) {
        (Mode::Subscribe, ..) => "nothing failed, and the generator read in time.",
        (Mode::Echo, Rate::Max, _) | (Mode::Handshake, _, Rate::Max) => {
            "nothing failed. A closed loop has no pace to keep."
        }
        (Mode::Echo | Mode::Handshake, ..) => "nothing failed, and the generator kept the requested pace.",
    }
}

fn conclusion(layout: &mut Layout, result: &RunResult, is_valid: bool) {
    let blame = "these figures do not show what the server can do.";
    verdict(layout, is_valid, &result.invalid_because, praise(result), blame);
}

#[cfg(test)]
mod tests;
