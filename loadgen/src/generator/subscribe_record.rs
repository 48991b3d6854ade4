//! What a thread records of a phase of pushed messages: [`SubscribeRecord`], merged once at the end of the phase.

use std::time::Duration;

use wss_model::LatencyHistogram;
use wss_model::disturbance::ThreadDisturbance;
use wss_model::ring_counters::RingCounters;

use super::breakdown::Breakdown;
use super::failure::Failures;
use super::record::add_rings;

/// The pushed messages of one phase.
#[derive(Debug, Default)]
pub(crate) struct SubscribeRecord {
    /// Connections that took part.
    pub(crate) connections: u64,
    /// Those on which nothing arrived.
    pub(crate) silent: u64,
    pub(crate) received: u64,
    /// Messages that were discarded.
    pub(crate) skipped: u64,
    /// Bytes of payload.
    pub(crate) received_bytes: u64,
    /// Between two arrivals of one connection.
    pub(crate) gap: LatencyHistogram,
    pub(crate) published: PublishedRecord,
    /// Time in the AEAD of the records, if it is timed.
    pub(crate) aead_ns: u64,
    /// With an engine that counts what its ring does.
    pub(crate) rings: Option<RingCounters>,
    /// Of each thread.
    pub(crate) disturbance: Vec<ThreadDisturbance>,
    pub(crate) failures: Failures,
}

/// The messages of `wssbench serve --publish`.
#[derive(Debug, Default)]
pub(crate) struct PublishedRecord {
    /// Messages with a header.
    pub(crate) messages: u64,
    /// Sum over the connections.
    pub(crate) requested_per_s: f64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    /// Messages with times of another machine.
    pub(crate) foreign_clock: u64,
    pub(crate) response: LatencyHistogram,
    pub(crate) service: LatencyHistogram,
    pub(crate) lateness: LatencyHistogram,
    /// The parts of all response times, with an engine that says when it looks for messages.
    pub(crate) breakdown: Option<Breakdown>,
    /// Response times without the parts that the generator caused or may have caused.
    pub(crate) without_generator: LatencyHistogram,
}

/// The latencies of one published message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PublishedTimes {
    pub(crate) response: Duration,
    pub(crate) service: Duration,
    pub(crate) lateness: Duration,
    /// `None` if the engine does not say when it looks for messages.
    pub(crate) breakdown: Option<Breakdown>,
}

impl PublishedRecord {
    /// A message with times of this machine.
    pub(crate) fn add(&mut self, times: &PublishedTimes) {
        self.response.record(times.response);
        self.service.record(times.service);
        self.lateness.record(times.lateness);
        if let Some(breakdown) = &times.breakdown {
            self.without_generator.record(times.response.saturating_sub(breakdown.own()));
            self.breakdown.get_or_insert_default().add(breakdown);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.messages += other.messages;
        self.requested_per_s += other.requested_per_s;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.foreign_clock += other.foreign_clock;
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lateness.merge(&other.lateness);
        if let Some(breakdown) = &other.breakdown {
            self.breakdown.get_or_insert_default().add(breakdown);
        }
        self.without_generator.merge(&other.without_generator);
    }
}

impl SubscribeRecord {
    pub(crate) fn merge(&mut self, other: Self) {
        self.connections += other.connections;
        self.silent += other.silent;
        self.received += other.received;
        self.skipped += other.skipped;
        self.received_bytes += other.received_bytes;
        self.gap.merge(&other.gap);
        self.published.merge(&other.published);
        self.aead_ns += other.aead_ns;
        add_rings(&mut self.rings, other.rings.as_ref());
        self.disturbance.extend(other.disturbance);
        self.failures.merge(other.failures);
    }
}
