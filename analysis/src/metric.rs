//! What a trial is made of ([`Workload`]), what is compared ([`Metric`]), and how the one comes from the other
//! ([`measure`]).

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use wss_model::run_result::RunResult;

/// A workload of a trial: one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Handshakes one after the other, as fast as they complete
    Handshake,
    /// Small messages on a few connections, as fast as they are echoed
    Echo,
    /// Small messages on many connections, as fast as they are echoed
    Crowd,
    /// Large messages on a few connections, as fast as they are echoed
    Bulk,
    /// Small messages on some connections, at a fixed rate
    Paced,
}

impl Workload {
    /// All of them, in the order in which a trial has them.
    pub const ALL: [Self; 5] = [Self::Handshake, Self::Echo, Self::Crowd, Self::Bulk, Self::Paced];

    /// The name on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Echo => "echo",
            Self::Crowd => "crowd",
            Self::Bulk => "bulk",
            Self::Paced => "paced",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A figure of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// CPU time of the server a handshake, kernel, accept and close included.
    ServerCpuHandshakeUs,
    /// CPU time of the client a handshake, kernel, connect and close included.
    ClientCpuHandshakeUs,
    /// Handshakes that a core of the server can do in a second: one second over the first.
    HandshakesPerSPerCore,
    /// Handshakes completed a second.
    HandshakesPerS,
    /// Median time of a handshake, from its start to the end of connect, TLS and upgrade.
    HandshakeP50Us,
    /// 90th percentile of it.
    HandshakeP90Us,
    /// 99th percentile of it.
    HandshakeP99Us,
    /// Bytes that the client's TLS and upgrade sent, TCP payload.
    HandshakeSentBytes,
    /// Bytes that they received.
    HandshakeReceivedBytes,
    /// Median round trip of a small message, with as many messages under way as there are connections.
    EchoP50Us,
    /// 90th percentile of it.
    EchoP90Us,
    /// 99th percentile of it.
    EchoP99Us,
    /// Small messages echoed a second.
    EchoesPerS,
    /// Resident memory of the server at its highest.
    EchoServerRssBytes,
    /// CPU time of the server a small message.
    ServerCpuMessageUs,
    /// CPU time of the client a small message.
    ClientCpuMessageUs,
    /// Median round trip of a small message on many connections, each of which has one under way.
    CrowdP50Us,
    /// Small messages echoed a second on many connections.
    CrowdEchoesPerS,
    /// CPU time of the server a small message on many connections.
    CrowdServerCpuMessageUs,
    /// CPU time of the client a small message on many connections.
    CrowdClientCpuMessageUs,
    /// Payload of large messages echoed a second, in each direction, 10⁹ bytes.
    BulkGbPerS,
    /// CPU time of the server a byte of it, which it receives once and sends once.
    BulkServerNsPerByte,
    /// CPU time of the client a byte of it.
    BulkClientNsPerByte,
    /// The part of the server's that is in the records' AEAD.
    BulkServerAeadNsPerByte,
    /// Median response time of a small message at a fixed rate, from the planned instant.
    PacedP50Us,
    /// 99th percentile of it.
    PacedP99Us,
    /// CPU time of the server a small message at a fixed rate.
    PacedServerCpuMessageUs,
    /// CPU time of the client a small message at a fixed rate.
    PacedClientCpuMessageUs,
}

impl Metric {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 28] = [
        Self::ServerCpuHandshakeUs,
        Self::ClientCpuHandshakeUs,
        Self::HandshakesPerSPerCore,
        Self::HandshakesPerS,
        Self::HandshakeP50Us,
        Self::HandshakeP90Us,
        Self::HandshakeP99Us,
        Self::HandshakeSentBytes,
        Self::HandshakeReceivedBytes,
        Self::EchoP50Us,
        Self::EchoP90Us,
        Self::EchoP99Us,
        Self::EchoesPerS,
        Self::EchoServerRssBytes,
        Self::ServerCpuMessageUs,
        Self::ClientCpuMessageUs,
        Self::CrowdP50Us,
        Self::CrowdEchoesPerS,
        Self::CrowdServerCpuMessageUs,
        Self::CrowdClientCpuMessageUs,
        Self::BulkGbPerS,
        Self::BulkServerNsPerByte,
        Self::BulkClientNsPerByte,
        Self::BulkServerAeadNsPerByte,
        Self::PacedP50Us,
        Self::PacedP99Us,
        Self::PacedServerCpuMessageUs,
        Self::PacedClientCpuMessageUs,
    ];

    /// The name in JSON and CSV, the unit last.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServerCpuHandshakeUs => "server_cpu_handshake_us",
            Self::ClientCpuHandshakeUs => "client_cpu_handshake_us",
            Self::HandshakesPerSPerCore => "handshakes_per_s_per_core",
            Self::HandshakesPerS => "handshakes_per_s",
            Self::HandshakeP50Us => "handshake_p50_us",
            Self::HandshakeP90Us => "handshake_p90_us",
            Self::HandshakeP99Us => "handshake_p99_us",
            Self::HandshakeSentBytes => "handshake_sent_bytes",
            Self::HandshakeReceivedBytes => "handshake_received_bytes",
            Self::EchoP50Us => "echo_p50_us",
            Self::EchoP90Us => "echo_p90_us",
            Self::EchoP99Us => "echo_p99_us",
            Self::EchoesPerS => "echoes_per_s",
            Self::EchoServerRssBytes => "echo_server_rss_bytes",
            Self::ServerCpuMessageUs => "server_cpu_message_us",
            Self::ClientCpuMessageUs => "client_cpu_message_us",
            Self::CrowdP50Us => "crowd_p50_us",
            Self::CrowdEchoesPerS => "crowd_echoes_per_s",
            Self::CrowdServerCpuMessageUs => "crowd_server_cpu_message_us",
            Self::CrowdClientCpuMessageUs => "crowd_client_cpu_message_us",
            Self::BulkGbPerS => "bulk_gb_per_s",
            Self::BulkServerNsPerByte => "bulk_server_ns_per_byte",
            Self::BulkClientNsPerByte => "bulk_client_ns_per_byte",
            Self::BulkServerAeadNsPerByte => "bulk_server_aead_ns_per_byte",
            Self::PacedP50Us => "paced_p50_us",
            Self::PacedP99Us => "paced_p99_us",
            Self::PacedServerCpuMessageUs => "paced_server_cpu_message_us",
            Self::PacedClientCpuMessageUs => "paced_client_cpu_message_us",
        }
    }

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
        }
    }

    /// Whether more of it is better.
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

    /// The one with that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

/// What a run says as this workload of a trial.
pub fn measure(workload: Workload, run: &RunResult) -> BTreeMap<Metric, Option<f64>> {
    Metric::ALL
        .into_iter()
        .filter(|metric| metric.workload() == workload)
        .map(|metric| (metric, value(metric, run)))
        .collect()
}

fn value(metric: Metric, run: &RunResult) -> Option<f64> {
    let (handshake, echo) = (&run.handshake, run.echo.as_ref());
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
        Metric::EchoServerRssBytes => echo.and(run.server.as_ref()).map(|server| server.rss_bytes_peak as f64),
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
    };
    // What JSON has no number for was not measured.
    found.filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_model::fixtures::{echo_run, handshake_run};

    #[test]
    fn every_metric_has_the_name_that_json_gives_it_and_a_place_in_the_list() {
        for (index, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
            assert_eq!(metric as usize, index);
        }
        for workload in Workload::ALL {
            assert_eq!(serde_json::to_value(workload).unwrap(), workload.name());
            assert_eq!(workload.to_possible_value().unwrap().get_name(), workload.name());
        }
    }

    #[test]
    fn a_run_gives_the_metrics_of_its_workload_and_no_others() {
        let found = measure(Workload::Handshake, &handshake_run());
        assert!(found.keys().all(|metric| metric.workload() == Workload::Handshake) && found.len() == 9);
        let server = handshake_run().handshake.server_cpu_ns.unwrap();
        assert_eq!(found[&Metric::ServerCpuHandshakeUs], Some(server / 1e3));
        assert_eq!(found[&Metric::HandshakesPerSPerCore], Some(1e9 / server));
        let found = measure(Workload::Bulk, &echo_run());
        assert_eq!(found[&Metric::BulkServerNsPerByte], Some(21_300.0 / 64.0));
        assert_eq!(found[&Metric::BulkGbPerS], Some(9_999.4 * 64.0 / 1e9));
    }

    #[test]
    fn what_a_run_does_not_tell_is_missing_and_not_zero() {
        let mut run = echo_run();
        (run.handshake.server_cpu_ns, run.handshake.client_cpu_ns) = (None, Some(f64::NAN));
        let found = measure(Workload::Handshake, &run);
        assert_eq!(found[&Metric::ServerCpuHandshakeUs], None);
        assert_eq!(found[&Metric::ClientCpuHandshakeUs], None);
        run.echo = None;
        assert!(measure(Workload::Echo, &run).values().all(Option::is_none));
    }
}
