//! What a phase of pushed messages found.

use std::time::Duration;

use wss_model::run_result::{PublishedResult, SubscribeResult};
use wss_model::text::quantity::count;

use super::super::cpu_accounting::PhaseUsage;
use super::{MessageCost, response_breakdown};
use crate::generator::subscribe_record::{PublishedRecord, SubscribeRecord};

/// From the record of a phase, its length, and what both ends used.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
pub(in crate::commands::run) fn subscribe_result(
    record: &SubscribeRecord,
    elapsed: Duration,
    usage: &PhaseUsage,
) -> SubscribeResult {
    let received = record.received;
    let seconds = elapsed.as_secs_f64().max(1e-9);
    let cost = MessageCost::new(&record.usage, usage, received);
    SubscribeResult {
        connections: record.connections,
        silent_connections: record.silent,
        received,
        skipped_messages: record.skipped,
        received_bytes: record.received_bytes,
        rate_per_s: received as f64 / seconds,
        bytes_per_s: record.received_bytes as f64 / seconds,
        arrival_gap: record.gap.summary(),
        published: published(&record.published),
        client_cpu_ns: cost.client_cpu_ns,
        server_cpu_ns: cost.server_cpu_ns,
        client_aead_ns: cost.client_aead_ns,
        server_aead_ns: cost.server_aead_ns,
        disturbance: Some(usage.disturbance.clone()),
        rings: cost.rings,
    }
}

/// `None` if the publisher is not wssbench.
fn published(record: &PublishedRecord) -> Option<PublishedResult> {
    let timed = record.messages - record.foreign_clock;
    (record.messages > 0 || record.requested_per_s > 0.0).then(|| PublishedResult {
        requested_per_s: record.requested_per_s,
        messages: record.messages,
        lost: record.lost,
        duplicated: record.duplicated,
        reordered: record.reordered,
        foreign_clock: record.foreign_clock,
        response: record.responses.response.summary(),
        service: record.responses.service().summary(),
        publisher_lateness: record.lateness.summary(),
        breakdown: response_breakdown(&record.responses, timed),
    })
}

/// The note about published messages whose latency is not known.
pub(super) fn note(result: &SubscribeResult) -> Option<String> {
    let published = result.published.as_ref().filter(|published| published.foreign_clock > 0)?;
    Some(format!(
        "{} published messages have no latency: the publisher's clock is that of another machine or time namespace",
        count(published.foreign_clock)
    ))
}
