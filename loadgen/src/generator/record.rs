//! What the threads of the generator record: one record per thread and phase, merged once at the end of the phase.

use std::time::{Duration, Instant};

use wss_model::LatencyHistogram;
use wss_model::server_stats::HandshakeTotals;
use wss_wire::flights::FlightStats;
use wss_wire::poll_time::PollCost;
use wss_wire::tls::{HandshakeLabel, LabelCounts};

use super::failure::Failures;
use super::kernel_clock::{self, HandshakeClocks, KernelClockRecord, Observed};
use super::response_record::ResponseRecord;
use super::thread_usage::ThreadUsage;

/// One handshake that completed every phase.
#[derive(Debug)]
pub(crate) struct HandshakeSample {
    /// Actual start minus planned start.
    pub(crate) lateness: Duration,
    pub(crate) connect: Duration,
    pub(crate) tls: Option<Duration>,
    pub(crate) upgrade: Option<Duration>,
    /// From the planned start to the end of the upgrade.
    pub(crate) ready: Duration,
    pub(crate) first_echo: Option<Duration>,
    /// Messages of the server that were discarded after the upgrade.
    pub(crate) skipped: u64,
    /// Messages without an id that were ignored before the first echo.
    pub(crate) unsolicited: u64,
    /// Time inside polling TLS and the upgrade.
    pub(crate) spent: PollCost,
    /// Bytes of TCP payload sent until the end of the upgrade.
    pub(crate) sent: u64,
    /// Bytes of TCP payload received until then.
    pub(crate) received: u64,
    /// With TLS.
    pub(crate) flights: Option<FlightCounts>,
    /// With TLS.
    pub(crate) label: Option<HandshakeLabel>,
    pub(crate) observed: Observed,
    pub(crate) clocks: HandshakeClocks,
}

/// What one handshake put on the wire, or the sum over several.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FlightCounts {
    /// At the end of TLS.
    pub(crate) tls: FlightStats,
    /// Bytes sent until the end of TLS.
    pub(crate) tls_sent: u64,
    /// Bytes received until the end of TLS.
    pub(crate) tls_received: u64,
    /// At the end of the upgrade.
    pub(crate) round_trips: u64,
}

impl FlightCounts {
    /// `tls`: what was seen at the end of TLS, with the bytes sent and received; `upgrade`: at the end of the upgrade.
    pub(crate) fn new((tls, (tls_sent, tls_received)): (FlightStats, (u64, u64)), upgrade: FlightStats) -> Self {
        Self { tls, tls_sent, tls_received, round_trips: upgrade.round_trips }
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

/// The last events of a phase, which bound the time that its rate is taken over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastEvents {
    /// The last start of a handshake, or the last message sent.
    pub(crate) started: Option<Instant>,
    pub(crate) completed: Option<Instant>,
}

impl LastEvents {
    fn merge(&mut self, other: Self) {
        self.started = self.started.max(other.started);
        self.completed = self.completed.max(other.completed);
    }
}

/// The handshakes of one phase.
#[derive(Debug, Default)]
pub(crate) struct HandshakeRecord {
    pub(crate) planned: u64,
    pub(crate) started: u64,
    pub(crate) completed: u64,
    pub(crate) connect: LatencyHistogram,
    pub(crate) tls: LatencyHistogram,
    pub(crate) upgrade: LatencyHistogram,
    pub(crate) first_echo: LatencyHistogram,
    pub(crate) ready: LatencyHistogram,
    pub(crate) lateness: LatencyHistogram,
    pub(crate) busy: LatencyHistogram,
    /// Bytes of TCP payload.
    pub(crate) sent: u64,
    /// Bytes of TCP payload.
    pub(crate) received: u64,
    pub(crate) totals: HandshakeTotals,
    pub(crate) flights: Option<FlightCounts>,
    /// Messages of the server that were discarded.
    pub(crate) skipped: u64,
    /// Messages without an id that were ignored.
    pub(crate) unsolicited: u64,
    /// Handshakes that resumed a session.
    pub(crate) resumed: u64,
    /// Handshakes whose early data the server accepted.
    pub(crate) early_data: u64,
    pub(crate) last: LastEvents,
    pub(crate) labels: LabelCounts,
    /// If connections are observed by the kernel's clock.
    pub(crate) kernel_clock: Option<Box<KernelClockRecord>>,
    pub(crate) usage: ThreadUsage,
    pub(crate) failures: Failures,
}

impl HandshakeRecord {
    /// An empty record, with one of the kernel's clock if connections are observed by that.
    pub(crate) fn new(kernel_clock: Option<Box<KernelClockRecord>>) -> Self {
        Self { kernel_clock, ..Self::default() }
    }

    pub(crate) fn complete(&mut self, sample: HandshakeSample) {
        self.completed += 1;
        self.connect.record(sample.connect);
        if let Some(record) = &mut self.kernel_clock {
            record.add_handshake(&sample.observed, &sample.clocks);
        }
        self.ready.record(sample.ready);
        self.lateness.record(sample.lateness);
        for (histogram, time) in [
            (&mut self.tls, sample.tls),
            (&mut self.upgrade, sample.upgrade),
            (&mut self.first_echo, sample.first_echo),
        ] {
            if let Some(time) = time {
                histogram.record(time);
            }
        }
        if sample.tls.is_some() || sample.upgrade.is_some() {
            self.busy.record(sample.spent.busy);
        }
        self.skipped += sample.skipped;
        self.unsolicited += sample.unsolicited;
        self.sent += sample.sent;
        self.received += sample.received;
        self.totals.count += 1;
        self.totals.busy_ns += u64::try_from(sample.spent.busy.as_nanos()).unwrap_or(u64::MAX);
        self.totals.crypto.add(&sample.spent.timed);
        if let Some(flights) = &sample.flights {
            self.flights.get_or_insert_default().add(flights);
        }
        if let Some(label) = sample.label {
            self.resumed += u64::from(label.is_resumed());
            self.early_data += u64::from(label.has_early_data());
            self.labels.add(label);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.planned += other.planned;
        self.started += other.started;
        self.completed += other.completed;
        for (histogram, other) in [
            (&mut self.connect, &other.connect),
            (&mut self.tls, &other.tls),
            (&mut self.upgrade, &other.upgrade),
            (&mut self.first_echo, &other.first_echo),
            (&mut self.ready, &other.ready),
            (&mut self.lateness, &other.lateness),
            (&mut self.busy, &other.busy),
        ] {
            histogram.merge(other);
        }
        self.sent += other.sent;
        self.received += other.received;
        self.totals.add(&other.totals);
        if let Some(flights) = &other.flights {
            self.flights.get_or_insert_default().add(flights);
        }
        self.skipped += other.skipped;
        self.unsolicited += other.unsolicited;
        self.resumed += other.resumed;
        self.early_data += other.early_data;
        self.last.merge(other.last);
        self.labels.merge(&other.labels);
        kernel_clock::merge(&mut self.kernel_clock, other.kernel_clock.as_deref());
        self.usage.merge(other.usage);
        self.failures.merge(other.failures);
    }
}

/// The messages of one phase.
#[derive(Debug, Default)]
pub(crate) struct EchoRecord {
    pub(crate) planned: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Messages without an id that were ignored.
    pub(crate) unsolicited: u64,
    /// Further replies to answered messages that were ignored.
    pub(crate) repeated: u64,
    /// Messages that were due while the maximum of outstanding messages was reached.
    pub(crate) in_flight_waits: u64,
    pub(crate) last: LastEvents,
    pub(crate) responses: ResponseRecord,
    pub(crate) lateness: LatencyHistogram,
    /// If connections are observed by the kernel's clock.
    pub(crate) kernel_clock: Option<Box<KernelClockRecord>>,
    pub(crate) usage: ThreadUsage,
    pub(crate) failures: Failures,
}

impl EchoRecord {
    /// An empty record, with one of the kernel's clock if connections are observed by that.
    pub(crate) fn new(kernel_clock: Option<Box<KernelClockRecord>>) -> Self {
        Self { kernel_clock, ..Self::default() }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.received += other.received;
        self.unsolicited += other.unsolicited;
        self.repeated += other.repeated;
        self.in_flight_waits += other.in_flight_waits;
        self.last.merge(other.last);
        self.responses.merge(&other.responses);
        self.lateness.merge(&other.lateness);
        kernel_clock::merge(&mut self.kernel_clock, other.kernel_clock.as_deref());
        self.usage.merge(other.usage);
        self.failures.merge(other.failures);
    }
}

/// What happened on a thread since its last tick.
#[derive(Debug, Default)]
pub(crate) struct TickRecord {
    pub(crate) completed: u64,
    pub(crate) errors: u64,
    pub(crate) latency: LatencyHistogram,
}

impl TickRecord {
    pub(crate) fn complete(&mut self, latency: Duration) {
        self.completed += 1;
        self.latency.record(latency);
    }

    /// Resets the counts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        (self.completed, self.errors) = (0, 0);
        self.latency.clear();
    }
}
