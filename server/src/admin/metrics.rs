//! The same numbers as Prometheus text.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use wss_model::ServerStats;
use wss_model::ring_counters::RingCounters;

/// What the answer is sent as.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    phase: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NegotiatedLabels {
    version: String,
    suite: String,
    group: String,
    certificate: String,
    kind: String,
}

/// Renders one answer of the workers.
pub(super) fn render(stats: &ServerStats) -> Result<String, String> {
    let mut registry = Registry::with_prefix("wssbench");
    let outcomes = Family::<OutcomeLabels, Counter<u64, AtomicU64>>::default();
    for outcome in &stats.outcomes {
        let labels = OutcomeLabels { phase: outcome.phase.clone(), outcome: outcome.outcome.clone() };
        outcomes.get_or_create(&labels).inc_by(outcome.count);
    }
    registry.register("outcomes", "Ends of the phases of connections", outcomes);
    let handshakes = Family::<NegotiatedLabels, Counter<u64, AtomicU64>>::default();
    for entry in &stats.negotiated {
        let label = entry.negotiated.clone();
        let labels = NegotiatedLabels {
            version: label.version,
            suite: label.suite,
            group: label.group,
            certificate: label.certificate,
            kind: label.kind,
        };
        handshakes.get_or_create(&labels).inc_by(entry.count);
    }
    registry.register("tls_handshakes", "TLS handshakes completed", handshakes);
    registry.register("messages_echoed", "Messages echoed", ConstCounter::new(stats.messages_echoed));
    registry.register_with_unit("echoed", "Payload echoed", Unit::Bytes, ConstCounter::new(stats.bytes_echoed));
    #[allow(clippy::cast_precision_loss)] // exact up to 104 days of CPU time
    let cpu_seconds = stats.cpu_ns as f64 / 1e9;
    registry.register_with_unit("worker_cpu", "CPU time of the workers", Unit::Seconds, ConstCounter::new(cpu_seconds));
    registry.register("connections_open", "Connections open", gauge(stats.connections_open));
    registry.register_with_unit("resident_memory", "Resident memory", Unit::Bytes, gauge(stats.rss_bytes));
    if let Some(io) = &stats.rings {
        register_ring(&mut registry, io);
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error: fmt::Error| format!("rendering the metrics: {error}"))?;
    Ok(text)
}

/// What the workers' rings did: only where there are any, as a 0 would say that they did nothing.
fn register_ring(registry: &mut Registry, io: &RingCounters) {
    for (name, help, count) in [
        ("ring_enters", "Calls of io_uring_enter", io.enters),
        ("ring_submissions", "Operations submitted to the rings", io.submissions),
        ("ring_completions", "Completions taken from the rings", io.completions),
        ("ring_no_buffers", "Receives that found no buffer (ENOBUFS)", io.no_buffers),
        ("ring_partial_sends", "Sends that the socket took in part or not at all", io.partial_sends),
        ("ring_overflows", "Times that a completion queue was full", io.overflows),
    ] {
        registry.register(name, help, ConstCounter::new(count));
    }
    registry.register("ring_buffers", "Receive buffers of all workers", gauge(io.buffers));
    let low_water = gauge(io.buffers_low_water);
    registry.register("ring_buffers_low_water", "The fewest receive buffers that one worker had free", low_water);
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
