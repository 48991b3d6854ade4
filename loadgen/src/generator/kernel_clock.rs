//! The second clock: what the kernel recorded of a sample of connections, beside what the tool measures.
//!
//! Every n-th connection of a thread is observed. At the end of each phase of it, and at each echo, the tool's time and the
//! kernel's go into histograms of the same samples.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use wss_model::LatencyHistogram;
use wss_model::config::KernelClockSample;
use wss_model::run_result::{KernelClock, KernelClockProblem, PhaseClocks};
use wss_wire::engine::{Engine, KernelRecording, KernelTimes};

/// How precisely the clocks are converted into one another. More than this is a contradiction.
const PRECISION: Duration = Duration::from_micros(1);

/// Which connections of a thread are observed.
#[derive(Debug)]
pub(crate) struct Sampling {
    /// `None`: none.
    every: Option<u64>,
    connections: Cell<u64>,
    /// If the kernel refuses it, it refuses the times of connections as well, which are counted.
    _recording: Option<KernelRecording>,
}

impl Sampling {
    pub(crate) fn new(sample: KernelClockSample) -> Self {
        let every = match sample {
            KernelClockSample::Off => None,
            KernelClockSample::Sixteenth => Some(16),
            KernelClockSample::All => Some(1),
        };
        let recording = every.and_then(|_| KernelRecording::start().ok());
        Self { every, connections: Cell::new(0), _recording: recording }
    }

    /// The record of a phase, if connections are observed.
    pub(crate) fn record(&self) -> Option<Box<KernelClockRecord>> {
        self.every.map(|_| Box::default())
    }

    /// Observes a connection that was just opened, if it is its turn.
    pub(crate) fn observe<E: Engine>(&self, stream: &mut E::Stream) -> Observed {
        let number = self.connections.replace(self.connections.get() + 1);
        match self.every {
            Some(every) if number.is_multiple_of(every) => match E::observe_kernel_times(stream) {
                Ok(times) => Observed::Times(times),
                Err(_) => Observed::Refused,
            },
            _ => Observed::No,
        }
    }
}

/// Whether a connection is observed.
#[derive(Debug)]
pub(crate) enum Observed {
    No,
    Times(Rc<KernelTimes>),
    /// It was to be observed, but the kernel refused.
    Refused,
}

impl Observed {
    pub(crate) fn times(&self) -> Option<&Rc<KernelTimes>> {
        match self {
            Self::Times(times) => Some(times),
            Self::No | Self::Refused => None,
        }
    }

    /// The number of the next byte to be sent; 0 if the connection is not observed.
    pub(crate) fn next_byte(&self) -> u64 {
        self.times().map_or(0, |times| times.written())
    }

    /// A phase from `start` to `end` that sent `first_byte` first; `None` if the connection is not observed.
    pub(crate) fn measure(&self, first_byte: u64, start: Instant, end: Instant) -> Option<Measured> {
        Some(measure(self.times()?, first_byte, start, end))
    }
}

/// One phase by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    Both {
        tool: Duration,
        wire: Duration,
    },
    /// The kernel did not record all of it.
    Unrecorded,
    /// The kernel's times are not within the tool's.
    Contradictory,
}

/// What both clocks say of something that began at `start` with the write of `first_byte`, and whose last byte was read by
/// `end`.
pub(crate) fn measure(times: &KernelTimes, first_byte: u64, start: Instant, end: Instant) -> Measured {
    let (Some(transmitted), Some(received)) = (times.transmitted(first_byte), times.received()) else {
        return Measured::Unrecorded;
    };
    between(transmitted, received, start, end)
}

fn between(transmitted: Instant, received: Instant, start: Instant, end: Instant) -> Measured {
    if transmitted + PRECISION < start || received + PRECISION < transmitted || end + PRECISION < received {
        return Measured::Contradictory;
    }
    let (first, last) = (transmitted.clamp(start, end), received.clamp(start, end));
    Measured::Both { tool: end - start, wire: last.saturating_duration_since(first) }
}

/// Connect by both clocks.
pub(crate) fn measure_connect(times: &KernelTimes, tool: Duration) -> Measured {
    match times.connect() {
        None => Measured::Unrecorded,
        // The kernel's time has a resolution of 1 µs.
        Some(wire) if wire > tool + PRECISION => Measured::Contradictory,
        Some(wire) => Measured::Both { tool, wire: wire.min(tool) },
    }
}

/// The phases of one handshake.
#[derive(Debug, Default)]
pub(crate) struct HandshakeClocks {
    pub(crate) connect: Option<Measured>,
    pub(crate) tls: Option<Measured>,
    pub(crate) upgrade: Option<Measured>,
    pub(crate) first_echo: Option<Measured>,
}

#[derive(Debug, Default)]
struct Histograms {
    tool: LatencyHistogram,
    wire: LatencyHistogram,
    generator: LatencyHistogram,
}

impl Histograms {
    fn merge(&mut self, other: &Self) {
        self.tool.merge(&other.tool);
        self.wire.merge(&other.wire);
        self.generator.merge(&other.generator);
    }

    fn clocks(&self) -> Option<PhaseClocks> {
        PhaseClocks::new(self.tool.summary(), self.wire.summary(), self.generator.summary())
    }
}

/// The samples of one phase of the run.
#[derive(Debug, Default)]
pub(crate) struct KernelClockRecord {
    connections: u64,
    refused: u64,
    unrecorded: u64,
    contradictory: u64,
    connect: Histograms,
    tls: Histograms,
    upgrade: Histograms,
    first_echo: Histograms,
    service: Histograms,
}

impl KernelClockRecord {
    /// A handshake on a connection that was to be observed.
    pub(crate) fn add_handshake(&mut self, observed: &Observed, clocks: &HandshakeClocks) {
        match observed {
            Observed::No => {}
            Observed::Refused => self.refused += 1,
            Observed::Times(_) => self.connections += 1,
        }
        for (name, measured) in [
            (ClockedPhase::Connect, clocks.connect),
            (ClockedPhase::Tls, clocks.tls),
            (ClockedPhase::Upgrade, clocks.upgrade),
            (ClockedPhase::FirstEcho, clocks.first_echo),
        ] {
            if let Some(measured) = measured {
                self.add(name, measured);
            }
        }
    }

    /// A connection exchanges messages in this phase.
    pub(crate) fn add_connection(&mut self) {
        self.connections += 1;
    }

    /// An echo was received.
    pub(crate) fn add_service(&mut self, measured: Measured) {
        self.add(ClockedPhase::Service, measured);
    }

    fn add(&mut self, phase: ClockedPhase, measured: Measured) {
        let histograms = match phase {
            ClockedPhase::Connect => &mut self.connect,
            ClockedPhase::Tls => &mut self.tls,
            ClockedPhase::Upgrade => &mut self.upgrade,
            ClockedPhase::FirstEcho => &mut self.first_echo,
            ClockedPhase::Service => &mut self.service,
        };
        match measured {
            Measured::Both { tool, wire } => {
                histograms.tool.record(tool);
                histograms.wire.record(wire);
                histograms.generator.record(tool - wire);
            }
            Measured::Unrecorded => self.unrecorded += 1,
            Measured::Contradictory => self.contradictory += 1,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.refused += other.refused;
        self.unrecorded += other.unrecorded;
        self.contradictory += other.contradictory;
        self.connect.merge(&other.connect);
        self.tls.merge(&other.tls);
        self.upgrade.merge(&other.upgrade);
        self.first_echo.merge(&other.first_echo);
        self.service.merge(&other.service);
    }

    /// For the result.
    pub(crate) fn summary(&self) -> KernelClock {
        let mut clock = KernelClock {
            connections: self.connections,
            problem: None,
            unrecorded: self.unrecorded,
            contradictory: self.contradictory,
            connect: self.connect.clocks(),
            tls: self.tls.clocks(),
            upgrade: self.upgrade.clocks(),
            first_echo: self.first_echo.clocks(),
            service: self.service.clocks(),
        };
        // The round trip of the SYN needs no times.
        let has_times = clock.phases().any(|(name, _)| name != "connect");
        clock.problem = match has_times {
            true => None,
            false if self.connections == 0 && self.refused > 0 => Some(KernelClockProblem::Refused),
            false if self.unrecorded > 0 => Some(KernelClockProblem::NoTimes),
            false => None,
        };
        clock
    }
}

/// What is measured by both clocks.
#[derive(Debug, Clone, Copy)]
enum ClockedPhase {
    Connect,
    Tls,
    Upgrade,
    FirstEcho,
    Service,
}

/// Adds the record of another thread.
pub(crate) fn merge(sum: &mut Option<Box<KernelClockRecord>>, other: Option<&KernelClockRecord>) {
    if let Some(other) = other {
        sum.get_or_insert_default().merge(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn times_outside_the_tools_are_contradictory() {
        let start = Instant::now();
        let at = |us: u32| start + US * us;
        let measured = |transmitted, received| between(at(transmitted), at(received), at(10), at(110));
        assert_eq!(measured(20, 100), Measured::Both { tool: US * 100, wire: US * 80 });
        // Within the precision: never more than the tool's time.
        assert_eq!(measured(9, 111), Measured::Both { tool: US * 100, wire: US * 100 });
        // The time was set by several microseconds or more.
        assert_eq!(measured(5, 100), Measured::Contradictory);
        assert_eq!(measured(20, 115), Measured::Contradictory);
        assert_eq!(measured(60, 30), Measured::Contradictory);
    }

    #[test]
    fn record_says_why_it_has_no_times() {
        let mut record = KernelClockRecord::default();
        assert_eq!(record.summary().problem, None);
        record.add_handshake(&Observed::Refused, &HandshakeClocks::default());
        assert_eq!(record.summary().problem, Some(KernelClockProblem::Refused));
        record.add_connection();
        record.add_service(Measured::Unrecorded);
        assert_eq!(record.summary().problem, Some(KernelClockProblem::NoTimes));
        record.add_service(Measured::Both { tool: US * 10, wire: US * 6 });
        let clock = record.summary();
        assert_eq!((clock.problem, clock.unrecorded), (None, 1));
        let service = clock.service.unwrap();
        assert!((service.generator_share - 0.4).abs() < 0.001, "{service:?}");
        assert_eq!((service.tool.count, service.wire.count, service.generator.count), (1, 1, 1));
    }
}
