//! What a thread records of a phase of pushed messages: [`SubscribeRecord`], merged once at the end of the phase.

use std::time::Duration;

use wss_model::LatencyHistogram;

use super::breakdown::Breakdown;
use super::failure::Failures;
use super::response_record::ResponseRecord;
use super::thread_usage::ThreadUsage;

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
    pub(crate) usage: ThreadUsage,
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
    pub(crate) responses: ResponseRecord,
    /// Of the publisher.
    pub(crate) lateness: LatencyHistogram,
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
        self.responses.receive(times.response, Some(times.service), times.breakdown.as_ref());
        self.lateness.record(times.lateness);
    }

    fn merge(&mut self, other: &Self) {
        self.messages += other.messages;
        self.requested_per_s += other.requested_per_s;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.foreign_clock += other.foreign_clock;
        self.responses.merge(&other.responses);
        self.lateness.merge(&other.lateness);
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
        self.usage.merge(other.usage);
        self.failures.merge(other.failures);
    }
}
