//! What a run of `--mode subscribe` received: [`SubscribeResult`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::response_breakdown::ResponseBreakdown;
use crate::disturbance::PhaseDisturbance;
use crate::latency::Latency;
use crate::ring_counters::PhaseRings;

/// The messages that the server pushed in a phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubscribeResult {
    /// Connections that took part.
    pub connections: u64,
    /// Connections on which no message arrived in the phase.
    pub silent_connections: u64,
    /// Messages received in the phase that are what `--expect` asks for.
    pub received: u64,
    /// Messages of the server that were discarded (`--skip-messages`).
    pub skipped_messages: u64,
    /// Payload received, bytes.
    pub received_bytes: u64,
    /// Messages received per second, over the length of the phase.
    pub rate_per_s: f64,
    /// Payload received per second, bytes.
    pub bytes_per_s: f64,
    /// Time between the arrivals of two messages of one connection, as the generator's engine found them. Messages that
    /// arrive together have a gap of 1 ns.
    pub arrival_gap: Latency,
    /// What the publisher says of itself, and the latencies that follow; null if it is not `wssbench serve --publish`.
    pub published: Option<PublishedResult>,
    /// CPU time of the generator's threads per message received, including the kernel; null if none was.
    pub client_cpu_ns: Option<f64>,
    /// CPU time of the server's workers per message received, including the kernel; null without its admin endpoint.
    pub server_cpu_ns: Option<f64>,
    /// The part of `client_cpu_ns` that the AEAD of the records takes; null without `--cost-split all`.
    pub client_aead_ns: Option<f64>,
    /// The part of `server_cpu_ns` that the AEAD of the records takes; null without `--cost-split all`.
    pub server_aead_ns: Option<f64>,
    /// What kept both ends from running in this phase.
    pub disturbance: Option<PhaseDisturbance>,
    /// What the rings of both ends did in this phase.
    #[serde(default)]
    pub rings: PhaseRings,
}

impl SubscribeResult {
    /// The latency by which the series counts: the response time if the publisher is wssbench, else the gap between arrivals.
    pub fn latency(&self) -> &Latency {
        self.published.as_ref().map_or(&self.arrival_gap, |published| &published.response)
    }
}

/// Messages of `wssbench serve --publish`, which have a number and two times each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishedResult {
    /// Rate at which the publisher plans messages, the sum over the connections, per second.
    pub requested_per_s: f64,
    /// Messages with such a header.
    pub messages: u64,
    /// Messages whose numbers were left out.
    pub lost: u64,
    /// Messages that arrived more than once.
    pub duplicated: u64,
    /// Messages that arrived after one with a higher number.
    pub reordered: u64,
    /// Messages without a latency, because the publisher's clock is not the clock of this machine.
    pub foreign_clock: u64,
    /// Response time: from the instant for which the publisher planned the message until the generator read it, by
    /// CLOCK_MONOTONIC of the machine that both run on.
    pub response: Latency,
    /// Service time: from the instant at which the publisher sent the message, likewise.
    pub service: Latency,
    /// Actual send minus planned send: the publisher's own delay, including the wait for a connection that does not read.
    pub publisher_lateness: Latency,
    /// What held the messages during their response times; null if the generator's engine does not report when it looks
    /// for messages (tokio-uring).
    pub breakdown: Option<ResponseBreakdown>,
}
