//! What a thread of the generator writes down. One of each a thread and phase, merged once at its end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wss_model::ring_counters::{EndRings, PhaseRings, RingCounters};
use wss_model::run_result::{EchoResult, ErrorCount, Flights, HandshakeResult};
use wss_model::server_stats::HandshakeTotals;
use wss_model::{ErrorKind, ErrorPhase, LatencyHistogram};
use wss_wire::flights::Seen;
use wss_wire::poll_time::Spent;
use wss_wire::tls::{Label, LabelCounts};

/// Something that went wrong: where, of which kind, and in words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{sentence}")]
pub(crate) struct Failure {
    pub(crate) phase: ErrorPhase,
    pub(crate) kind: ErrorKind,
    pub(crate) sentence: String,
}

impl Failure {
    pub(crate) fn new(phase: ErrorPhase, kind: ErrorKind, sentence: impl Into<String>) -> Self {
        Self { phase, kind, sentence: sentence.into() }
    }
}

/// Failures by phase and kind, each with its first example.
#[derive(Debug, Default)]
pub(crate) struct Failures(BTreeMap<(ErrorPhase, ErrorKind), (u64, String)>);

impl Failures {
    pub(crate) fn add(&mut self, failure: Failure) {
        self.add_many(failure, 1);
    }

    pub(crate) fn add_many(&mut self, failure: Failure, count: u64) {
        self.0.entry((failure.phase, failure.kind)).or_insert((0, failure.sentence)).0 += count;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for ((phase, kind), (count, sentence)) in other.0 {
            self.add_many(Failure { phase, kind, sentence }, count);
        }
    }

    /// All together.
    pub(crate) fn count(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    /// The most frequent first.
    pub(crate) fn describe(&self) -> Vec<ErrorCount> {
        let mut counts: Vec<_> = self
            .0
            .iter()
            .map(|((phase, kind), (count, example))| ErrorCount {
                phase: *phase,
                kind: *kind,
                count: *count,
                example: example.clone(),
            })
            .collect();
        counts.sort_by_key(|error| std::cmp::Reverse(error.count));
        counts
    }
}

/// The clocks of one handshake that passed every phase.
#[derive(Debug)]
pub(crate) struct Timing {
    pub(crate) lateness: Duration,
    pub(crate) connect: Duration,
    pub(crate) tls: Option<Duration>,
    pub(crate) upgrade: Option<Duration>,
    pub(crate) ready: Duration,
    pub(crate) first_echo: Option<Duration>,
    /// Inside polling TLS and upgrade.
    pub(crate) spent: Spent,
    /// Bytes of TCP payload until the end of the upgrade.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// With TLS.
    pub(crate) flights: Option<FlightCounts>,
    pub(crate) label: Option<Label>,
}

/// What one handshake, or the sum of several, put on the wire.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FlightCounts {
    tls: Seen,
    tls_sent: u64,
    tls_received: u64,
    round_trips: u64,
}

impl FlightCounts {
    /// What was seen, and the bytes sent and received, at the end of TLS; what was seen at the end of the upgrade.
    pub(crate) fn new((tls, (tls_sent, tls_received)): (Seen, (u64, u64)), ready: Seen) -> Self {
        Self { tls, tls_sent, tls_received, round_trips: ready.round_trips }
    }

    fn add(&mut self, other: &Self) {
        self.tls.records_sent += other.tls.records_sent;
        self.tls.records_received += other.tls.records_received;
        self.tls.round_trips += other.tls.round_trips;
        self.tls.plain_ticket_bytes += other.tls.plain_ticket_bytes;
        self.tls_sent += other.tls_sent;
        self.tls_received += other.tls_received;
        self.round_trips += other.round_trips;
    }
}

/// The last events of a phase: what its rate is taken over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Last {
    /// The last start of a handshake or sending of a message.
    pub(crate) begun: Option<Instant>,
    /// The last completion.
    pub(crate) done: Option<Instant>,
}

impl Last {
    fn merge(&mut self, other: Self) {
        self.begun = self.begun.max(other.begun);
        self.done = self.done.max(other.done);
    }
}

/// The handshakes of one phase.
#[derive(Debug, Default)]
pub(crate) struct HandshakeRecord {
    pub(crate) planned: u64,
    pub(crate) started: u64,
    pub(crate) completed: u64,
    connect: LatencyHistogram,
    tls: LatencyHistogram,
    upgrade: LatencyHistogram,
    first_echo: LatencyHistogram,
    ready: LatencyHistogram,
    lateness: LatencyHistogram,
    busy: LatencyHistogram,
    sent: u64,
    received: u64,
    pub(crate) totals: HandshakeTotals,
    flights: Option<FlightCounts>,
    /// Those that resumed a session, and those of which the server took early data.
    pub(crate) resumed: u64,
    pub(crate) early_data: u64,
    pub(crate) last: Last,
    pub(crate) labels: LabelCounts,
    /// What the thread's ring did, if the engine has one that it counts.
    pub(crate) rings: Option<RingCounters>,
    pub(crate) failures: Failures,
}

impl HandshakeRecord {
    pub(crate) fn complete(&mut self, timing: Timing) {
        self.completed += 1;
        self.connect.record(timing.connect);
        self.ready.record(timing.ready);
        self.lateness.record(timing.lateness);
        for (histogram, time) in [
            (&mut self.tls, timing.tls),
            (&mut self.upgrade, timing.upgrade),
            (&mut self.first_echo, timing.first_echo),
        ] {
            if let Some(time) = time {
                histogram.record(time);
            }
        }
        if timing.tls.is_some() || timing.upgrade.is_some() {
            self.busy.record(timing.spent.busy);
        }
        self.sent += timing.sent;
        self.received += timing.received;
        self.totals.count += 1;
        self.totals.busy_ns += u64::try_from(timing.spent.busy.as_nanos()).unwrap_or(u64::MAX);
        self.totals.crypto.add(&timing.spent.timed);
        if let Some(flights) = &timing.flights {
            self.flights.get_or_insert_default().add(flights);
        }
        if let Some(label) = timing.label {
            self.resumed += u64::from(label.is_resumed());
            self.early_data += u64::from(label.has_early_data());
            self.labels.add(label);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.planned += other.planned;
        self.started += other.started;
        self.completed += other.completed;
        for (mine, theirs) in [
            (&mut self.connect, &other.connect),
            (&mut self.tls, &other.tls),
            (&mut self.upgrade, &other.upgrade),
            (&mut self.first_echo, &other.first_echo),
            (&mut self.ready, &other.ready),
            (&mut self.lateness, &other.lateness),
            (&mut self.busy, &other.busy),
        ] {
            mine.merge(theirs);
        }
        self.sent += other.sent;
        self.received += other.received;
        self.totals.add(&other.totals);
        if let Some(flights) = &other.flights {
            self.flights.get_or_insert_default().add(flights);
        }
        self.resumed += other.resumed;
        self.early_data += other.early_data;
        self.last.merge(other.last);
        self.labels.merge(&other.labels);
        add_io(&mut self.rings, other.rings.as_ref());
        self.failures.merge(other.failures);
    }

    /// As the result has it, without the server's side and the CPU.
    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
    pub(crate) fn result(&self, elapsed: Duration) -> HandshakeResult {
        let mean = |total: u64| (self.completed > 0).then(|| total as f64 / self.completed as f64);
        HandshakeResult {
            planned: self.planned,
            started: self.started,
            completed: self.completed,
            failed: self.planned - self.completed,
            rate_per_s: self.completed as f64 / elapsed.as_secs_f64().max(1e-9),
            connect: self.connect.summary(),
            tls: self.tls.summary(),
            upgrade: self.upgrade.summary(),
            first_echo: self.first_echo.summary(),
            ready: self.ready.summary(),
            lateness: self.lateness.summary(),
            client_busy: self.busy.summary(),
            server_busy: None,
            bytes_sent_mean: mean(self.sent),
            bytes_received_mean: mean(self.received),
            client_cpu_ns: None,
            server_cpu_ns: None,
            client_cost: None,
            server_cost: None,
            flights: self.flights.map(|flights| self.flights_mean(&flights)),
            rings: PhaseRings {
                client: self.rings.clone().map(|io| EndRings::of_handshakes(io, self.completed)),
                server: None,
            },
        }
    }

    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
    fn flights_mean(&self, flights: &FlightCounts) -> Flights {
        let mean = |total: u64| total as f64 / self.completed.max(1) as f64;
        Flights {
            tls_records_sent: mean(flights.tls.records_sent),
            tls_records_received: mean(flights.tls.records_received),
            tls_bytes_sent: mean(flights.tls_sent),
            tls_bytes_received: mean(flights.tls_received),
            tls_round_trips: mean(flights.tls.round_trips),
            round_trips: mean(flights.round_trips),
            // TLS 1.3 encrypts them: only the server can tell.
            ticket_bytes: (flights.tls.plain_ticket_bytes > 0).then(|| mean(flights.tls.plain_ticket_bytes)),
        }
    }
}

/// The messages of one phase.
#[derive(Debug, Default)]
pub(crate) struct EchoRecord {
    pub(crate) planned: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) in_flight_waits: u64,
    pub(crate) last: Last,
    response: LatencyHistogram,
    service: LatencyHistogram,
    pub(crate) lateness: LatencyHistogram,
    /// Time of the thread in the records' AEAD, if that is timed.
    pub(crate) aead_ns: u64,
    /// What the thread's ring did, if the engine has one that it counts.
    pub(crate) rings: Option<RingCounters>,
    pub(crate) failures: Failures,
}

impl EchoRecord {
    pub(crate) fn receive(&mut self, response: Duration, service: Duration) {
        self.received += 1;
        self.response.record(response);
        self.service.record(service);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.received += other.received;
        self.in_flight_waits += other.in_flight_waits;
        self.last.merge(other.last);
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lateness.merge(&other.lateness);
        self.aead_ns += other.aead_ns;
        add_io(&mut self.rings, other.rings.as_ref());
        self.failures.merge(other.failures);
    }

    /// As the result has it, without the CPU.
    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
    pub(crate) fn result(&self, elapsed: Duration, size: u64) -> EchoResult {
        EchoResult {
            planned: self.planned,
            sent: self.sent,
            received: self.received,
            failed: self.planned - self.received,
            rate_per_s: self.received as f64 / elapsed.as_secs_f64().max(1e-9),
            response: self.response.summary(),
            service: self.service.summary(),
            lateness: self.lateness.summary(),
            in_flight_waits: self.in_flight_waits,
            client_cpu_ns: None,
            server_cpu_ns: None,
            bytes_per_s: self.received as f64 * size as f64 / elapsed.as_secs_f64().max(1e-9),
            client_aead_ns: (self.aead_ns > 0 && self.received > 0).then(|| self.aead_ns as f64 / self.received as f64),
            server_aead_ns: None,
            rings: PhaseRings {
                client: self.rings.clone().map(|io| EndRings::of_messages(io, self.received)),
                server: None,
            },
        }
    }
}

/// Adds another thread's, if it counts.
fn add_io(sum: &mut Option<RingCounters>, other: Option<&RingCounters>) {
    if let Some(other) = other {
        sum.get_or_insert_default().add(other);
    }
}

/// What happened since the last look: for the progress line and the series.
#[derive(Debug, Default)]
pub(crate) struct Interval {
    pub(crate) completed: u64,
    pub(crate) errors: u64,
    pub(crate) latency: LatencyHistogram,
}

impl Interval {
    pub(crate) fn complete(&mut self, latency: Duration) {
        self.completed += 1;
        self.latency.record(latency);
    }

    /// Forgets what happened and keeps the memory.
    pub(crate) fn clear(&mut self) {
        (self.completed, self.errors) = (0, 0);
        self.latency.clear();
    }
}
