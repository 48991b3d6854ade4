//! The result of a run, built from the records of its phases and what both ends used in them.

mod subscription;

use std::time::Duration;

use wss_analysis::validity;
use wss_model::RunConfig;
use wss_model::config::tls::{ResumeBy, Verify};
use wss_model::ring_counters::{EndRings, PhaseRings, RingCounters};
use wss_model::run_result::{
    Compression, EchoResult, Ending, EndingCount, Environment, Flights, HandshakeResult, KernelClock, NegotiatedCount,
    ResponseBreakdown, Resumption, ResumptionMechanism, RunResult, SeriesPoint, SubscribeResult, Warmup,
};
use wss_model::store::Stored as _;

use super::cost::CostSplitter;
use super::cpu_accounting::PhaseUsage;
use super::ends::Ends;
use super::setup::SetupOutcome;
use crate::generator::failure::Failures;
use crate::generator::record::{EchoRecord, HandshakeRecord};
use crate::generator::response_record::ResponseRecord;
use crate::generator::thread_usage::ThreadUsage;
use crate::setup::environment;

pub(super) use self::subscription::subscribe_result;

/// The name and place of a run.
pub(super) struct Origin {
    pub(super) id: String,
    /// RFC 3339, UTC.
    pub(super) started_at: String,
    pub(super) environment: Environment,
}

/// What the phases of a run found.
pub(super) struct Measurement {
    pub(super) handshakes: HandshakeMeasurement,
    /// In `--mode echo`.
    pub(super) echo: Option<EchoResult>,
    /// In `--mode subscribe`.
    pub(super) subscribe: Option<SubscribeResult>,
    pub(super) warmup: Warmup,
    pub(super) ends: Ends,
}

/// What a phase of handshakes found.
#[derive(Default)]
pub(super) struct HandshakeMeasurement {
    pub(super) result: HandshakeResult,
    negotiated: Vec<NegotiatedCount>,
    server_negotiated: Option<Vec<NegotiatedCount>>,
    /// Handshakes that resumed a session.
    resumed: u64,
    /// Handshakes whose early data the server accepted.
    early_data: u64,
}

/// What was observed over all phases.
pub(super) struct Observations {
    pub(super) failures: Failures,
    pub(super) warmup_failures: Failures,
    pub(super) endings: Vec<EndingCount>,
    pub(super) compression: Option<Compression>,
    pub(super) series: Vec<SeriesPoint>,
    pub(super) interrupted: bool,
}

/// The complete result, judged.
pub(super) fn run_result(
    origin: Origin,
    finished: SetupOutcome,
    measurement: Measurement,
    observations: &Observations,
) -> RunResult {
    let SetupOutcome { mut config, target, verify, mut notes, .. } = finished;
    config.request = config.request.redacted();
    let Measurement { handshakes, echo, subscribe, warmup, ends } = measurement;
    let clocks = [&handshakes.result.kernel_clock, echo.as_ref().map_or(&None, |echo| &echo.kernel_clock)];
    notes.extend(kernel_clock_note(clocks.into_iter().flatten()));
    notes.extend(subscribe.as_ref().and_then(subscription::note));
    notes.extend(ending_notes(&observations.endings));
    let mut result = RunResult {
        schema: RunResult::SCHEMA.to_owned(),
        id: origin.id,
        started_at: origin.started_at,
        tool: environment::tool(),
        environment: origin.environment,
        resumption: resumption(&config, &handshakes),
        config,
        target,
        negotiated: handshakes.negotiated,
        server_negotiated: handshakes.server_negotiated,
        verify: verify.map(|verify| verify.to_string()),
        verify_skips: verify.and_then(Verify::skips).map(str::to_owned),
        handshake: handshakes.result,
        echo,
        subscribe,
        warmup: Warmup { errors: observations.warmup_failures.counts(), ..warmup },
        server: ends.server,
        client: ends.client,
        series: observations.series.clone(),
        errors: observations.failures.counts(),
        endings: observations.endings.clone(),
        compression: observations.compression.clone(),
        valid: true,
        invalid_because: Vec::new(),
        notes,
        interrupted: observations.interrupted,
    };
    result.invalid_because = validity::judge(&result);
    result.valid = result.invalid_because.is_empty();
    result
}

/// What the kernel's clock did not see, if anything.
fn kernel_clock_note<'a>(clocks: impl Iterator<Item = &'a KernelClock> + Clone) -> Option<String> {
    if let Some(problem) = clocks.clone().find_map(|clock| clock.problem) {
        return Some(format!(
            "no kernel clock ({problem}): latencies include an unknown part of the generator's own time"
        ));
    }
    let (mut lacking, mut complete) = (0, 0);
    for clock in clocks {
        lacking += clock.unrecorded + clock.contradictory;
        complete += clock.phases().map(|(_, clocks)| clocks.tool.count).sum::<u64>();
    }
    (lacking > 0).then(|| format!("the kernel did not record {lacking} of {} measurements", lacking + complete))
}

/// What servers did that deviates from the specifications, once the last echo had arrived.
fn ending_notes(endings: &[EndingCount]) -> Vec<String> {
    let total: u64 = endings.iter().map(|ending| ending.count).sum();
    let deviations = endings.iter().filter(|ending| ending.ending != Ending::Clean);
    deviations
        .map(|EndingCount { ending, count }| {
            format!("after the last echo, the server {} on {count} of {total} connections", ending.describe())
        })
        .collect()
}

/// The mix of full and resumed handshakes, if one was requested.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn resumption(config: &RunConfig, handshakes: &HandshakeMeasurement) -> Option<Resumption> {
    let tls = &config.tls;
    if !tls.resumes() || handshakes.negotiated.is_empty() {
        return None;
    }
    let percent = |count: u64| 100.0 * count as f64 / handshakes.result.completed.max(1) as f64;
    Some(Resumption {
        mechanism: mechanism(config, handshakes),
        requested_percent: 100.0 * tls.resume_share(),
        achieved_percent: percent(handshakes.resumed),
        early_data_percent: percent(handshakes.early_data),
    })
}

/// How sessions were resumed: observed, or known because this run configured the server.
fn mechanism(config: &RunConfig, handshakes: &HandshakeMeasurement) -> ResumptionMechanism {
    if handshakes.resumed == 0 {
        return ResumptionMechanism::None;
    }
    if config.is_embedded() {
        return match config.tls.resume_by() {
            ResumeBy::Ticket => ResumptionMechanism::Ticket,
            ResumeBy::Stateful => ResumptionMechanism::Stateful,
            ResumeBy::SessionId => ResumptionMechanism::SessionId,
        };
    }
    let is_tls13 = handshakes.negotiated.iter().any(|kind| kind.negotiated.version == "TLSv1.3");
    if is_tls13 { ResumptionMechanism::Psk } else { ResumptionMechanism::Tls12Session }
}

impl HandshakeMeasurement {
    /// From the record of a phase, the time that its rate is taken over, and what both ends used.
    pub(super) fn new(record: &HandshakeRecord, elapsed: Duration, usage: &PhaseUsage, splitter: CostSplitter) -> Self {
        Self {
            result: handshake_result(record, elapsed, usage, splitter),
            negotiated: record.labels.describe(),
            server_negotiated: usage.server.as_ref().and_then(|server| server.negotiated.clone()),
            resumed: record.resumed,
            early_data: record.early_data,
        }
    }
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn handshake_result(
    record: &HandshakeRecord,
    elapsed: Duration,
    usage: &PhaseUsage,
    splitter: CostSplitter,
) -> HandshakeResult {
    let completed = record.completed;
    let server = usage.server.as_ref();
    let mean = |total: u64| (completed > 0).then(|| total as f64 / completed as f64);
    HandshakeResult {
        planned: record.planned,
        started: record.started,
        skipped_messages: record.skipped,
        unsolicited_messages: record.unsolicited,
        completed,
        failed: record.planned - completed,
        rate_per_s: completed as f64 / elapsed.as_secs_f64().max(1e-9),
        connect: record.connect.summary(),
        tls: record.tls.summary(),
        upgrade: record.upgrade.summary(),
        first_echo: record.first_echo.summary(),
        ready: record.ready.summary(),
        lateness: record.lateness.summary(),
        client_busy: record.busy.summary(),
        server_busy: server.filter(|server| server.busy.count() > 0).map(|server| server.busy.summary()),
        bytes_sent_mean: mean(record.sent),
        bytes_received_mean: mean(record.received),
        client_cpu_ns: per_op(usage.client.total, completed),
        server_cpu_ns: server.and_then(|server| per_op(server.cpu, completed)),
        client_cost: splitter.cost(&record.totals, Some(usage.client)),
        server_cost: server.and_then(|server| splitter.cost(&server.handshakes, usage.server_cpu())),
        flights: flights(record, usage),
        kernel_clock: record.kernel_clock.as_ref().map(|record| record.summary()),
        server_activity: server.and_then(|server| server.activity?.of_handshakes(record.started)),
        disturbance: Some(usage.disturbance.clone()),
        rings: PhaseRings {
            client: record.usage.rings.clone().map(|rings| EndRings::of_handshakes(rings, completed)),
            server: server.and_then(|server| Some(EndRings::of_handshakes(server.rings.clone()?, completed))),
        },
    }
}

#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn flights(record: &HandshakeRecord, usage: &PhaseUsage) -> Option<Flights> {
    let flights = record.flights?;
    let mean = |total: u64| total as f64 / record.completed.max(1) as f64;
    // With TLS 1.3 tickets are encrypted, so only the server can count their bytes.
    let server = usage.server.as_ref().map(|server| &server.handshakes).filter(|handshakes| handshakes.count > 0);
    let ticket_bytes = match server {
        Some(handshakes) => Some(handshakes.ticket_bytes as f64 / handshakes.count as f64),
        None => (flights.tls.plain_ticket_bytes > 0).then(|| mean(flights.tls.plain_ticket_bytes)),
    };
    Some(Flights {
        tls_records_sent: mean(flights.tls.records_sent),
        tls_records_received: mean(flights.tls.records_received),
        tls_bytes_sent: mean(flights.tls_sent),
        tls_bytes_received: mean(flights.tls_received),
        tls_round_trips: mean(flights.tls.round_trips),
        round_trips: mean(flights.round_trips),
        ticket_bytes,
    })
}

/// From the record of a phase of messages of `size` bytes, the time that its rate is taken over, and what both ends
/// used.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
pub(super) fn echo_result(record: &EchoRecord, elapsed: Duration, usage: &PhaseUsage, size: u64) -> EchoResult {
    let received = record.received;
    let seconds = elapsed.as_secs_f64().max(1e-9);
    let cost = MessageCost::new(&record.usage, usage, received);
    EchoResult {
        planned: record.planned,
        sent: record.sent,
        received,
        failed: record.planned - received,
        unsolicited_messages: record.unsolicited,
        repeated_replies: record.repeated,
        rate_per_s: received as f64 / seconds,
        response: record.responses.response.summary(),
        service: record.responses.service().summary(),
        lateness: record.lateness.summary(),
        breakdown: response_breakdown(&record.responses, received),
        kernel_clock: record.kernel_clock.as_ref().map(|record| record.summary()),
        in_flight_waits: record.in_flight_waits,
        client_cpu_ns: cost.client_cpu_ns,
        server_cpu_ns: cost.server_cpu_ns,
        bytes_per_s: received as f64 * size as f64 / seconds,
        client_aead_ns: cost.client_aead_ns,
        server_aead_ns: cost.server_aead_ns,
        server_activity: usage.server.as_ref().and_then(|server| server.activity?.of_messages(record.sent)),
        disturbance: Some(usage.disturbance.clone()),
        rings: cost.rings,
    }
}

/// What both ends used per message.
struct MessageCost {
    client_cpu_ns: Option<f64>,
    server_cpu_ns: Option<f64>,
    client_aead_ns: Option<f64>,
    server_aead_ns: Option<f64>,
    rings: PhaseRings,
}

impl MessageCost {
    fn new(threads: &ThreadUsage, usage: &PhaseUsage, messages: u64) -> Self {
        let server = usage.server.as_ref();
        // Zero: it was not timed.
        let aead = |ns: u64| per_op(Duration::from_nanos(ns), messages).filter(|ns| *ns > 0.0);
        let rings = |rings: &Option<RingCounters>| Some(EndRings::of_messages(rings.clone()?, messages));
        Self {
            client_cpu_ns: per_op(usage.client.total, messages),
            server_cpu_ns: server.and_then(|server| per_op(server.cpu, messages)),
            client_aead_ns: aead(threads.aead_ns),
            server_aead_ns: server.and_then(|server| aead(server.crypto.aead_ns)),
            rings: PhaseRings { client: rings(&threads.rings), server: server.and_then(|server| rings(&server.rings)) },
        }
    }
}

/// `None` if the engine does not say when it looks for messages.
#[allow(clippy::cast_precision_loss)] // sums stay far below 2^52
fn response_breakdown(record: &ResponseRecord, messages: u64) -> Option<ResponseBreakdown> {
    let sums = record.breakdown.as_ref()?;
    let mean = |sum: u64| sum as f64 / messages.max(1) as f64;
    Some(ResponseBreakdown {
        server_ns: mean(sums.server),
        connection_ns: mean(sums.connection),
        generator_ns: mean(sums.generator),
        unknown_ns: mean(sums.unknown),
        without_generator: record.without_generator.summary(),
    })
}

/// Nanoseconds per operation.
#[allow(clippy::cast_precision_loss)] // sums stay far below 2^52
fn per_op(total: Duration, count: u64) -> Option<f64> {
    (count > 0).then(|| total.as_nanos() as f64 / count as f64)
}
