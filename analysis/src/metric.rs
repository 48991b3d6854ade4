//! [`Metric`]: the figures that sweeps and comparisons compare, and how a run's result provides them ([`measure`]).

use std::collections::BTreeMap;

use crate::workload::{MetricSet, Workload};
use wss_model::named_choice;
use wss_model::run_result::RunResult;

named_choice! {
    /// A figure of a trial. The name ends with the unit.
    Metric {
        /// CPU time of the server per handshake, including kernel, accept and close.
        ServerCpuHandshakeUs = "server_cpu_handshake_us",
        /// CPU time of the client per handshake, including kernel, connect and close.
        ClientCpuHandshakeUs = "client_cpu_handshake_us",
        /// Handshakes per second that one core of the server can do: the inverse of its CPU time per handshake.
        HandshakesPerSPerCore = "handshakes_per_s_per_core",
        /// Handshakes completed per second.
        HandshakesPerS = "handshakes_per_s",
        /// Median time to ready: from the start to the end of connect, TLS and upgrade.
        HandshakeP50Us = "handshake_p50_us",
        /// 90th percentile of the time to ready.
        HandshakeP90Us = "handshake_p90_us",
        /// 99th percentile of the time to ready.
        HandshakeP99Us = "handshake_p99_us",
        /// TCP payload that the client sends for TLS and upgrade, mean per handshake.
        HandshakeSentBytes = "handshake_sent_bytes",
        /// TCP payload that the client receives for TLS and upgrade, mean per handshake.
        HandshakeReceivedBytes = "handshake_received_bytes",
        /// Median round trip of a small message, with one in flight per connection.
        EchoP50Us = "echo_p50_us",
        /// 90th percentile of that round trip.
        EchoP90Us = "echo_p90_us",
        /// 99th percentile of that round trip.
        EchoP99Us = "echo_p99_us",
        /// Small messages echoed per second.
        EchoesPerS = "echoes_per_s",
        /// Anonymous resident memory of the server with all connections open: without the pages of files, which differ between
        /// copies of a program.
        EchoServerRssBytes = "echo_server_rss_bytes",
        /// CPU time of the server per small message.
        ServerCpuMessageUs = "server_cpu_message_us",
        /// CPU time of the client per small message.
        ClientCpuMessageUs = "client_cpu_message_us",
        /// Median round trip of a small message on many connections, with one in flight per connection.
        CrowdP50Us = "crowd_p50_us",
        /// Small messages echoed per second on many connections.
        CrowdEchoesPerS = "crowd_echoes_per_s",
        /// CPU time of the server per small message on many connections.
        CrowdServerCpuMessageUs = "crowd_server_cpu_message_us",
        /// CPU time of the client per small message on many connections.
        CrowdClientCpuMessageUs = "crowd_client_cpu_message_us",
        /// Payload of large messages echoed per second, in each direction, in 10⁹ bytes.
        BulkGbPerS = "bulk_gb_per_s",
        /// CPU time of the server per payload byte, which it receives once and sends once.
        BulkServerNsPerByte = "bulk_server_ns_per_byte",
        /// CPU time of the client per payload byte.
        BulkClientNsPerByte = "bulk_client_ns_per_byte",
        /// The part of the server's CPU time per byte that the AEAD of the records takes.
        BulkServerAeadNsPerByte = "bulk_server_aead_ns_per_byte",
        /// Median response time of a small message at a fixed rate, from the planned instant.
        PacedP50Us = "paced_p50_us",
        /// 99th percentile of that response time.
        PacedP99Us = "paced_p99_us",
        /// CPU time of the server per small message at a fixed rate.
        PacedServerCpuMessageUs = "paced_server_cpu_message_us",
        /// CPU time of the client per small message at a fixed rate.
        PacedClientCpuMessageUs = "paced_client_cpu_message_us",
        /// Median response time of a published message, from the instant for which it was planned until it was read.
        SubscribeP50Us = "subscribe_p50_us",
        /// 99th percentile of that response time.
        SubscribeP99Us = "subscribe_p99_us",
        /// 99th percentile of the time between two messages of one connection.
        SubscribeGapP99Us = "subscribe_gap_p99_us",
        /// CPU time of the server per published message.
        SubscribeServerCpuMessageUs = "subscribe_server_cpu_message_us",
        /// CPU time of the client per published message.
        SubscribeClientCpuMessageUs = "subscribe_client_cpu_message_us",
    }
}

impl Metric {
    /// The workload that measures it.
    pub const fn workload(self) -> Workload {
        match self {
            Self::ServerCpuHandshakeUs
            | Self::ClientCpuHandshakeUs
            | Self::HandshakesPerSPerCore
            | Self::HandshakesPerS
            | Self::HandshakeP50Us
            | Self::HandshakeP90Us
            | Self::HandshakeP99Us
            | Self::HandshakeSentBytes
            | Self::HandshakeReceivedBytes => Workload::Handshake,
            Self::EchoP50Us
            | Self::EchoP90Us
            | Self::EchoP99Us
            | Self::EchoesPerS
            | Self::EchoServerRssBytes
            | Self::ServerCpuMessageUs
            | Self::ClientCpuMessageUs => Workload::Echo,
            Self::CrowdP50Us
            | Self::CrowdEchoesPerS
            | Self::CrowdServerCpuMessageUs
            | Self::CrowdClientCpuMessageUs => Workload::Crowd,
            Self::BulkGbPerS
            | Self::BulkServerNsPerByte
            | Self::BulkClientNsPerByte
            | Self::BulkServerAeadNsPerByte => Workload::Bulk,
            Self::PacedP50Us | Self::PacedP99Us | Self::PacedServerCpuMessageUs | Self::PacedClientCpuMessageUs => {
                Workload::Paced
            }
            Self::SubscribeP50Us
            | Self::SubscribeP99Us
            | Self::SubscribeGapP99Us
            | Self::SubscribeServerCpuMessageUs
            | Self::SubscribeClientCpuMessageUs => Workload::Subscribe,
        }
    }

    /// Whether a larger value is better.
    pub const fn more_is_better(self) -> bool {
        matches!(
            self,
            Self::HandshakesPerSPerCore
                | Self::HandshakesPerS
                | Self::EchoesPerS
                | Self::CrowdEchoesPerS
                | Self::BulkGbPerS
        )
    }

    /// Whether it is CPU time, or follows from CPU time alone.
    pub const fn is_cpu_time(self) -> bool {
        matches!(
            self,
            Self::ServerCpuHandshakeUs
                | Self::ClientCpuHandshakeUs
                | Self::HandshakesPerSPerCore
                | Self::ServerCpuMessageUs
                | Self::ClientCpuMessageUs
                | Self::CrowdServerCpuMessageUs
                | Self::CrowdClientCpuMessageUs
                | Self::BulkServerNsPerByte
                | Self::BulkClientNsPerByte
                | Self::BulkServerAeadNsPerByte
                | Self::PacedServerCpuMessageUs
                | Self::PacedClientCpuMessageUs
                | Self::SubscribeServerCpuMessageUs
                | Self::SubscribeClientCpuMessageUs
        )
    }

    /// The metric with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name)
    }
}

/// Those metrics of a workload that are in `set`, from the result of the run that applied it; `None` if the result does not
/// have the value.
pub fn measure(workload: Workload, set: MetricSet, run: &RunResult) -> BTreeMap<Metric, Option<f64>> {
    Metric::ALL
        .iter()
        .copied()
        .filter(|metric| metric.workload() == workload)
        .filter(|metric| match set {
            MetricSet::All => true,
            MetricSet::CpuTime => metric.is_cpu_time(),
            MetricSet::AllButCpuTime => !metric.is_cpu_time(),
        })
        .map(|metric| (metric, value(metric, run)))
        .collect()
}

fn value(metric: Metric, run: &RunResult) -> Option<f64> {
    let (handshake, echo, pushed) = (&run.handshake, run.echo.as_ref(), run.subscribe.as_ref());
    let us = |ns: f64| ns / 1e3;
    let size = run.config.size.0 as f64;
    let found = match metric {
        Metric::ServerCpuHandshakeUs => handshake.server_cpu_ns.map(us),
        Metric::ClientCpuHandshakeUs => handshake.client_cpu_ns.map(us),
        Metric::HandshakesPerSPerCore => handshake.server_cpu_ns.map(|ns| 1e9 / ns),
        Metric::HandshakesPerS => Some(handshake.rate_per_s),
        Metric::HandshakeP50Us => handshake.ready.p50.map(|ns| us(ns as f64)),
        Metric::HandshakeP90Us => handshake.ready.p90.map(|ns| us(ns as f64)),
        Metric::HandshakeP99Us => handshake.ready.p99.map(|ns| us(ns as f64)),
        Metric::HandshakeSentBytes => handshake.bytes_sent_mean,
        Metric::HandshakeReceivedBytes => handshake.bytes_received_mean,
        Metric::EchoP50Us | Metric::CrowdP50Us | Metric::PacedP50Us => echo?.response.p50.map(|ns| us(ns as f64)),
        Metric::EchoP90Us => echo?.response.p90.map(|ns| us(ns as f64)),
        Metric::EchoP99Us | Metric::PacedP99Us => echo?.response.p99.map(|ns| us(ns as f64)),
        Metric::EchoServerRssBytes => echo.and(run.server.as_ref())?.anon_bytes_idle.map(|bytes| bytes as f64),
        Metric::EchoesPerS | Metric::CrowdEchoesPerS => echo.map(|echo| echo.rate_per_s),
        Metric::ServerCpuMessageUs | Metric::CrowdServerCpuMessageUs | Metric::PacedServerCpuMessageUs => {
            echo?.server_cpu_ns.map(us)
        }
        Metric::ClientCpuMessageUs | Metric::CrowdClientCpuMessageUs | Metric::PacedClientCpuMessageUs => {
            echo?.client_cpu_ns.map(us)
        }
        Metric::BulkGbPerS => echo.map(|echo| echo.rate_per_s * size / 1e9),
        Metric::BulkServerNsPerByte => echo?.server_cpu_ns.map(|ns| ns / size),
        Metric::BulkClientNsPerByte => echo?.client_cpu_ns.map(|ns| ns / size),
        Metric::BulkServerAeadNsPerByte => echo?.server_aead_ns.map(|ns| ns / size),
        Metric::SubscribeP50Us => pushed?.published.as_ref()?.response.p50.map(|ns| us(ns as f64)),
        Metric::SubscribeP99Us => pushed?.published.as_ref()?.response.p99.map(|ns| us(ns as f64)),
        Metric::SubscribeGapP99Us => pushed?.arrival_gap.p99.map(|ns| us(ns as f64)),
        Metric::SubscribeServerCpuMessageUs => pushed?.server_cpu_ns.map(us),
        Metric::SubscribeClientCpuMessageUs => pushed?.client_cpu_ns.map(us),
    };
    // JSON cannot represent NaN and infinity.
    found.filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_model::fixtures::{echo_run, handshake_run};

    #[test]
    fn a_run_provides_only_the_metrics_of_its_workload() {
        let found = measure(Workload::Handshake, MetricSet::All, &handshake_run());
        assert!(found.keys().all(|metric| metric.workload() == Workload::Handshake) && found.len() == 9);
        let server = handshake_run().handshake.server_cpu_ns.unwrap();
        assert_eq!(found[&Metric::ServerCpuHandshakeUs], Some(server / 1e3));
        assert_eq!(found[&Metric::HandshakesPerSPerCore], Some(1e9 / server));
        let found = measure(Workload::Bulk, MetricSet::All, &echo_run());
        assert_eq!(found[&Metric::BulkServerNsPerByte], Some(21_300.0 / 64.0));
        assert_eq!(found[&Metric::BulkGbPerS], Some(9_999.4 * 64.0 / 1e9));
    }

    #[test]
    fn a_value_that_was_not_measured_is_none() {
        let mut run = echo_run();
        (run.handshake.server_cpu_ns, run.handshake.client_cpu_ns) = (None, Some(f64::NAN));
        let found = measure(Workload::Handshake, MetricSet::All, &run);
        assert_eq!(found[&Metric::ServerCpuHandshakeUs], None);
        assert_eq!(found[&Metric::ClientCpuHandshakeUs], None);
        run.echo = None;
        assert!(measure(Workload::Echo, MetricSet::All, &run).values().all(Option::is_none));
    }

    #[test]
    fn the_two_sets_of_metrics_make_all_of_them() {
        for workload in Workload::ALL {
            let of = |set| measure(*workload, set, &echo_run());
            let (mut cpu_time, others) = (of(MetricSet::CpuTime), of(MetricSet::AllButCpuTime));
            assert!(cpu_time.keys().all(|metric| metric.is_cpu_time() && !others.contains_key(metric)));
            assert!(!cpu_time.is_empty() && !others.is_empty());
            cpu_time.extend(others);
            assert_eq!(cpu_time, of(MetricSet::All));
            // The names agree.
            assert!(cpu_time.keys().all(|metric| !metric.name().contains("_cpu_") || metric.is_cpu_time()));
        }
    }
}
