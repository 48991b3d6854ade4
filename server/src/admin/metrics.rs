//! The counters as OpenMetrics text, which Prometheus reads.

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
use wss_model::server_stats::PublishStats;

/// The Content-Type of the response.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    phase: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NegotiatedLabels {
    version: String,
    suite: String,
    group: String,
    certificate: String,
    kind: String,
}

/// Renders the counters of all workers.
pub(super) fn render(stats: &ServerStats) -> Result<String, String> {
    let mut registry = Registry::with_prefix("wssbench");
    let outcomes = Family::<OutcomeLabels, Counter<u64, AtomicU64>>::default();
    for outcome in &stats.outcomes {
        let labels = OutcomeLabels { phase: outcome.phase.name(), outcome: outcome.outcome.name() };
        outcomes.get_or_create(&labels).inc_by(outcome.count);
    }
    registry.register("outcomes", "Phases of connections by how they ended", outcomes);
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
    if let Some(published) = &stats.published {
        let PublishStats { messages, bytes, unsent, discarded, lateness: _ } = published;
        registry.register("messages_published", "Messages published", ConstCounter::new(*messages));
        registry.register_with_unit("published", "Payload published", Unit::Bytes, ConstCounter::new(*bytes));
        let help = "Messages that were due on connections that ended before they were sent";
        registry.register("messages_unsent", help, ConstCounter::new(*unsent));
        registry.register(
            "messages_discarded",
            "Messages of subscribers that were discarded",
            ConstCounter::new(*discarded),
        );
    }
    #[allow(clippy::cast_precision_loss)] // exact up to 104 days of CPU time
    let cpu_seconds = stats.cpu_ns as f64 / 1e9;
    registry.register_with_unit("worker_cpu", "CPU time of the workers", Unit::Seconds, ConstCounter::new(cpu_seconds));
    registry.register("connections_open", "Connections open", gauge(stats.connections_open));
    registry.register_with_unit("resident_memory", "Resident memory", Unit::Bytes, gauge(stats.rss_bytes));
    if let Some(rings) = &stats.rings {
        register_rings(&mut registry, rings);
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|error: fmt::Error| format!("cannot render the metrics: {error}"))?;
    Ok(text)
}

/// The counters of the workers' rings. Omitted for an engine that does not count them, rather than reported as 0.
fn register_rings(registry: &mut Registry, rings: &RingCounters) {
    for (name, help, count) in [
        ("ring_enters", "Calls of io_uring_enter", rings.enters),
        ("ring_submissions", "Operations submitted to the rings", rings.submissions),
        ("ring_completions", "Completions received from the rings", rings.completions),
        ("ring_no_buffers", "Receives that found no buffer (ENOBUFS)", rings.no_buffers),
        ("ring_partial_sends", "Sends that the socket accepted only in part, or not at all", rings.partial_sends),
        ("ring_overflows", "Number of times that a completion queue was full", rings.overflows),
    ] {
        registry.register(name, help, ConstCounter::new(count));
    }
    registry.register("ring_buffers", "Receive buffers of all workers", gauge(rings.buffers));
    let low_water = gauge(rings.buffers_low_water);
    registry.register("ring_buffers_low_water", "Lowest number of free receive buffers of a worker", low_water);
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}
