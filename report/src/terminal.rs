//! The final text of a run, for a person who has not seen one before.
//!
//! What makes the figures doubtful comes before them. Latencies come before what they cost. Nothing is shown that
//! the result does not hold, and a figure that it does not hold is shown as missing, never as 0.

use crate::layout::Layout;
use crate::tables;
use wss_model::config::{Mode, RunConfig};
use wss_model::latency::samples_needed;
use wss_model::run_result::{EchoResult, End, Resumption, RunResult};
use wss_model::text::phrases::{describe_handshake, machine, pluralize, program};
use wss_model::text::quantity::{NOT_AVAILABLE, count, percent_to, rate, time, total};
use wss_model::units::Rate;

/// Sorts of handshakes that are listed; the others are counted.
const NEGOTIATED_SHOWN: usize = 6;

/// `result` as text: at most 80 columns wide, without colours, ending with a newline.
pub fn terminal(result: &RunResult) -> String {
    let mut page = Layout::default();
    verdict(&mut page, result);
    negotiated(&mut page, result);
    what_was_run(&mut page, result);
    page.gap();
    handshake(&mut page, result);
    if let Some(echo) = &result.echo {
        page.gap();
        echoes(&mut page, result, echo);
    }
    page.gap();
    cost(&mut page, result);
    if let Some(table) = tables::rings(result) {
        page.gap();
        page.table(&table);
    }
    let mut text = page.finish();
    // The mark needs its meaning only where it stands.
    let marked = text.contains(NOT_AVAILABLE);
    let mut page = Layout::default();
    if marked {
        page.text(&meaning_of_not_told());
    }
    errors(&mut page, result);
    notes(&mut page, result);
    last_line(&mut page, result);
    text.push_str(&page.finish());
    text
}

fn is_valid(result: &RunResult) -> bool {
    result.valid && result.invalid_because.is_empty()
}

fn verdict(page: &mut Layout, result: &RunResult) {
    if is_valid(result) {
        return;
    }
    page.text("NOT VALID: the figures below do not show what the server can do, because");
    for reason in &result.invalid_because {
        page.bullet(&reason.text);
    }
    if result.invalid_because.is_empty() {
        page.bullet("(the result does not say why)");
    }
    page.gap();
}

fn negotiated(page: &mut Layout, result: &RunResult) {
    // How certificates were verified is told of every run with TLS, also of one whose handshakes all failed.
    if result.verify.is_none() {
        return page.fact("Negotiated", "no TLS");
    }
    let mut sorts: Vec<_> = result.negotiated.iter().collect();
    sorts.sort_by_key(|sort| std::cmp::Reverse(sort.count));
    if sorts.is_empty() {
        page.fact("Negotiated", "nothing: not one TLS handshake was completed");
    }
    for (index, sort) in sorts.iter().take(NEGOTIATED_SHOWN).enumerate() {
        let label = if index == 0 { "Negotiated" } else { "" };
        page.fact(label, &format!("{} × {}", count(sort.count), describe_handshake(&sort.negotiated)));
    }
    if let Some(more) = sorts.get(NEGOTIATED_SHOWN..).filter(|more| !more.is_empty()) {
        let handshakes = total(more.iter().map(|sort| sort.count));
        page.fact("", &format!("{} × {}", count(handshakes), pluralize(more.len() as u64, "other sort")));
    }
    if let (Some(verify), Some(skipped)) = (&result.verify, &result.verify_skips) {
        page.fact("Verification", &format!("NOT FULL ({verify}): {skipped}"));
    }
    if let Some(resumption) = &result.resumption {
        let Resumption { mechanism: by, requested_percent, achieved_percent, early_data_percent } = resumption;
        let early = if *early_data_percent > 0.0 {
            format!(", {} with early data", percent_to(*early_data_percent, 3))
        } else {
            String::new()
        };
        let (asked, achieved) = (percent_to(*requested_percent, 3), percent_to(*achieved_percent, 3));
        page.fact("Resumption", &format!("{achieved} of the handshakes by {by} ({asked} asked){early}"));
    }
}

fn what_was_run(page: &mut Layout, result: &RunResult) {
    let target = &result.target;
    let whose = match (&target.command, target.embedded) {
        (Some(command), _) => format!("started with `{command}`"),
        (None, true) => "embedded server".to_owned(),
        (None, false) => "external server".to_owned(),
    };
    page.fact("Server", &format!("{} at {} ({whose})", target.url, target.address));
    let server = result.server.as_ref().map_or_else(|| "not known".to_owned(), engine);
    page.fact("Engines", &format!("client {}; server {server}", engine(&result.client)));
    let config = &result.config;
    let long = format!("for {} after a warm-up of {}", config.duration, config.warmup);
    let opening = pace(
        config,
        config.connect_rate,
        &format!("{} at a time, as fast as they complete", config.connect_concurrency),
    );
    match config.mode {
        Mode::Echo => {
            page.fact("Connections", &format!("{}, opened {opening}", count(config.connections as u64)));
            let pace = pace(config, config.rate, "as fast as echoes return");
            let in_flight = format!("{} in flight a connection", count(config.in_flight as u64));
            page.fact("Messages", &format!("{} each, {pace}, {in_flight}, {long}", config.size));
        }
        Mode::Handshake => {
            let and_echo =
                if config.no_first_echo { String::new() } else { format!(", each with an echo of {}", config.size) };
            page.fact("Handshakes", &format!("{opening}, {long}{and_echo}"));
        }
    }
    page.fact("Measured on", &format!("{}, {}", machine(&result.environment), program(&result.tool)));
}

/// How the instants of a phase were planned; `closed` says what sets the pace if they were not.
fn pace(config: &RunConfig, asked: Rate, closed: &str) -> String {
    match asked {
        Rate::PerSecond(per_s) => format!("at {}/s (open loop, {} arrivals)", rate(per_s), config.arrivals),
        Rate::Max => format!("{closed} (closed loop)"),
    }
}

fn engine(side: &End) -> String {
    let cpus = side
        .cpus
        .as_ref()
        .map_or_else(String::new, |cpus| format!(" on CPU{} {cpus}", if cpus.contains(',') { "s" } else { "" }));
    format!("{}, {}{cpus}", side.engine_name(), pluralize(side.threads as u64, "thread"))
}

fn handshake(page: &mut Layout, result: &RunResult) {
    let handshake = &result.handshake;
    page.text(&format!(
        "Handshakes: {} completed of {} planned, {} failed{}; {}/s{}",
        count(handshake.completed),
        count(handshake.planned),
        count(handshake.failed),
        never(handshake.planned, handshake.started, "started"),
        rate(handshake.rate_per_s),
        asked(result.config.connect_rate),
    ));
    if handshake.completed == 0 {
        return;
    }
    page.table(&tables::handshake(result));
    let lateness = match result.config.connect_rate {
        Rate::PerSecond(_) => "; lateness: actual start minus planned",
        Rate::Max => "",
    };
    let busy = match handshake.client_busy.count {
        0 => "",
        _ => "; busy: time inside that end's code for TLS and upgrade",
    };
    page.text(&format!("ready: planned start until messages can be sent{lateness}{busy}."));
}

fn echoes(page: &mut Layout, result: &RunResult, echo: &EchoResult) {
    page.text(&format!(
        "Echoes: {} received of {} planned, {} failed{}; {}/s{}{}",
        count(echo.received),
        count(echo.planned),
        count(echo.failed),
        never(echo.planned, echo.sent, "sent"),
        rate(echo.rate_per_s),
        asked(result.config.rate),
        throughput(echo.bytes_per_s),
    ));
    if echo.received == 0 {
        return;
    }
    page.table(&tables::echo(result, echo));
    page.text(match result.config.rate {
        Rate::PerSecond(_) => {
            "response: planned instant to echo; service: actual sending to echo; lateness: how much later than \
             possible the generator sent."
        }
        Rate::Max => {
            "round trip: from sending to echo. A closed loop asks a slow server less often, which hides its stalls: \
             an open loop (--rate 10k/s) shows them."
        }
    });
    if echo.in_flight_waits > 0 && matches!(result.config.rate, Rate::PerSecond(_)) {
        page.text(&format!(
            "{} due while their connection still waited for an earlier echo: response counts that wait, service does \
             not.",
            match echo.in_flight_waits {
                1 => "1 message was".to_owned(),
                many => format!("{} messages were", count(many)),
            }
        ));
    }
}

/// Those among the failed ones that were not even begun.
fn never(planned: u64, begun: u64, verb: &str) -> String {
    match planned.saturating_sub(begun) {
        0 => String::new(),
        missing => format!(" ({} never {verb})", count(missing)),
    }
}

/// Told from 1 MB/s on: below, nobody asks for it.
fn throughput(bytes_per_s: f64) -> String {
    match bytes_per_s {
        1e9.. => format!("; {:.2} GB/s each way", bytes_per_s / 1e9),
        1e6.. => format!("; {:.1} MB/s each way", bytes_per_s / 1e6),
        _ => String::new(),
    }
}

fn asked(asked: Rate) -> String {
    match asked {
        Rate::PerSecond(per_s) => format!(" of {}/s asked", rate(per_s)),
        Rate::Max => String::new(),
    }
}

fn cost(page: &mut Layout, result: &RunResult) {
    page.table(&tables::cost(result));
    let handshake = &result.handshake;
    let bytes = |mean: f64| pluralize(mean.round() as u64, "byte");
    if let (Some(sent), Some(received)) = (handshake.bytes_sent_mean, handshake.bytes_received_mean) {
        page.text(&format!("A handshake took {} to the server and {} back.", bytes(sent), bytes(received)));
    }
    if let Some(flights) = &handshake.flights {
        let few = |mean: f64| format!("{:.1}", mean).trim_end_matches(".0").to_owned();
        let tickets = match flights.ticket_bytes {
            None => String::new(),
            Some(0.0) => "; no tickets".to_owned(),
            Some(mean) => format!("; tickets {}", bytes(mean)),
        };
        page.text(&format!(
            "TLS of it: {} in {} records to the server, {} in {} back, {} ({} with the upgrade){tickets}.",
            bytes(flights.tls_bytes_sent),
            few(flights.tls_records_sent),
            bytes(flights.tls_bytes_received),
            few(flights.tls_records_received),
            match few(flights.tls_round_trips).as_str() {
                "1" => "1 round trip".to_owned(),
                many => format!("{many} round trips"),
            },
            few(flights.round_trips),
        ));
    }
    if let Some(table) = tables::split(handshake) {
        page.gap();
        page.table(&table);
        let timing = [&handshake.client_cost, &handshake.server_cost]
            .into_iter()
            .flatten()
            .map(|cost| cost.timer_overhead_ns)
            .fold(0.0, f64::max);
        if timing > 0.0 {
            page.text(&format!(
                "Timing itself is up to {} of it (--cost-split {}; off leaves it out, all tells more).",
                time(timing),
                result.config.tls.cost_split()
            ));
        }
    }
    if result.server.is_none() {
        page.text("What it cost the server is not known: no admin endpoint of it was given (--server-stats).");
    }
}

fn meaning_of_not_told() -> String {
    let needed = |quantile| count(samples_needed(quantile));
    format!(
        "{NOT_AVAILABLE} too few samples: p90 needs {}, p99 {}, p99.9 {}, p99.99 {}.",
        needed(0.9),
        needed(0.99),
        needed(0.999),
        needed(0.9999)
    )
}

fn errors(page: &mut Layout, result: &RunResult) {
    if !result.errors.is_empty() {
        page.gap();
        page.table(&tables::errors(result));
    }
}

fn notes(page: &mut Layout, result: &RunResult) {
    if !result.notes.is_empty() {
        page.gap();
    }
    for note in &result.notes {
        page.text(&format!("Note: {}", note));
    }
}

fn last_line(page: &mut Layout, result: &RunResult) {
    page.gap();
    let config = &result.config;
    let closed = if config.mode == Mode::Echo { config.rate } else { config.connect_rate } == Rate::Max;
    page.text(match (is_valid(result), closed) {
        (true, false) => "VALID: nothing failed, and the generator kept the pace that was asked for.",
        (true, true) => "VALID: nothing failed. In a closed loop there is no pace to keep.",
        (false, _) => "NOT VALID: the reasons stand at the top.",
    });
}

#[cfg(test)]
mod tests;
