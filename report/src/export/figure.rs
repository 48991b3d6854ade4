//! The figures of a run that a regression tracker can follow over time, and the name of what was measured.
//!
//! Figures that no change of server or client moves are left out: the generator's lateness, and the rate of an open loop,
//! which is the requested one.

use wss_analysis::comparison::Comparison;
use wss_model::config::Mode;
use wss_model::named_latency;
use wss_model::run_result::RunResult;
use wss_model::text::phrases::{describe_handshake, one_line, pluralize};
use wss_model::units::Rate;

/// A number with its name and unit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    /// Its path in the result: `handshake.tls.p50`.
    pub(super) name: String,
    /// The unit of `value`.
    pub(super) unit: Unit,
    /// The number.
    pub(super) value: f64,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Nanoseconds,
    Bytes,
    PerSecond,
}

impl Unit {
    /// The symbol: `/s`.
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes",
            Self::PerSecond => "/s",
        }
    }

    /// The suffix of a name: `per-s`.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes",
            Self::PerSecond => "per-s",
        }
    }

    /// Whether more is better.
    pub(super) const fn more_is_better(self) -> bool {
        matches!(self, Self::PerSecond)
    }
}

/// Every figure that `run` has. Figures that it does not have are left out, not zero.
pub(super) fn of_run(run: &RunResult) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut add = |name: String, unit: Unit, value: Option<f64>| {
        figures.extend(value.filter(|value| value.is_finite()).map(|value| Figure { name, unit, value }));
    };
    for (name, latency) in named_latency::measured(run) {
        if name.ends_with(".lateness") || latency.count == 0 {
            continue;
        }
        for (percentile, ns) in [("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99)] {
            add(format!("{name}.{percentile}"), Unit::Nanoseconds, ns.map(|ns| ns as f64));
        }
    }
    let handshake = &run.handshake;
    add("handshake.client_cpu".to_owned(), Unit::Nanoseconds, handshake.client_cpu_ns);
    add("handshake.server_cpu".to_owned(), Unit::Nanoseconds, handshake.server_cpu_ns);
    add("handshake.sent".to_owned(), Unit::Bytes, handshake.bytes_sent_mean);
    add("handshake.received".to_owned(), Unit::Bytes, handshake.bytes_received_mean);
    let found = |rate: Rate, per_s: f64| (rate == Rate::Max).then_some(per_s);
    add("handshake.rate".to_owned(), Unit::PerSecond, found(run.config.connect_rate, handshake.rate_per_s));
    if let Some(echo) = &run.echo {
        add("echo.client_cpu".to_owned(), Unit::Nanoseconds, echo.client_cpu_ns);
        add("echo.server_cpu".to_owned(), Unit::Nanoseconds, echo.server_cpu_ns);
        add("echo.rate".to_owned(), Unit::PerSecond, found(run.config.rate, echo.rate_per_s));
    }
    if let Some(pushed) = &run.subscribe {
        add("subscribe.client_cpu".to_owned(), Unit::Nanoseconds, pushed.client_cpu_ns);
        add("subscribe.server_cpu".to_owned(), Unit::Nanoseconds, pushed.server_cpu_ns);
        // The rate of wssbench's own publisher is the requested one.
        let found = pushed.published.is_none().then_some(pushed.rate_per_s);
        add("subscribe.rate".to_owned(), Unit::PerSecond, found);
    }
    add("client.rss_peak".to_owned(), Unit::Bytes, Some(run.client.rss_bytes_peak as f64));
    add("server.rss_peak".to_owned(), Unit::Bytes, run.server.as_ref().map(|server| server.rss_bytes_peak as f64));
    figures
}

/// What was measured: load, engines or server, and handshake. It keeps figures of the same name but of another load or server
/// in separate series. Machine and build are left to the tracker's testbeds and branches.
pub(super) fn scenario(run: &RunResult) -> String {
    let config = &run.config;
    let layer = run.target.url.split(':').next().unwrap_or_default();
    // A server that --server starts may choose another port each time; its command identifies it.
    let server = match (&run.target.command, &run.server) {
        (None, Some(end)) if run.target.embedded => end.engine_name(),
        (Some(command), _) => command,
        (None, _) => &run.target.url,
    };
    let load = match config.mode {
        Mode::Handshake => format!("handshakes at {}", config.connect_rate),
        Mode::Echo => format!(
            "messages of {} at {} on {}",
            config.size,
            config.rate,
            pluralize(config.connections as u64, "connection")
        ),
        Mode::Subscribe => format!(
            "messages of {} pushed at {} to {}",
            config.size,
            config.rate,
            pluralize(config.connections as u64, "connection")
        ),
    };
    let load = match (config.mode, config.is_embedded()) {
        (Mode::Subscribe, false) => {
            format!("messages pushed to {}", pluralize(config.connections as u64, "connection"))
        }
        _ => load,
    };
    let kind = match run.negotiated.as_slice() {
        [] => String::new(),
        [one] => format!(", {}", describe_handshake(&one.negotiated)),
        several => format!(", {} kinds of handshake", several.len()),
    };
    format!("{layer}, {load}, {} to {server}{kind}", run.client.engine_name())
}

/// What was compared: the reference, and the configuration of B.
pub(super) fn compared(comparison: &Comparison) -> String {
    let kinds = comparison.b.negotiated.iter().map(describe_handshake);
    let parts: Vec<String> = comparison.b.options.iter().cloned().chain(kinds).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
    one_line(&format!("ratio to {}{parts}", comparison.a.label))
}
