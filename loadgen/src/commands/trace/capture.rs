//! What went over the socket, as it was, with the instant of each thing. Nothing is interpreted while the connection
//! lasts, so that reading a record does not delay the next one: [`super::observer`] does that afterwards.

use std::time::Instant;

use wss_model::trace_result::{Direction, TracePhase};

/// A thing that happened.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) at_ns: u64,
    pub(super) phase: TracePhase,
    pub(super) direction: Direction,
    pub(super) cost_ns: Option<u64>,
    pub(super) raw: Raw,
}

/// What it was.
#[derive(Debug)]
pub(super) enum Raw {
    Syn(String),
    SynAck(String),
    /// A whole record.
    Record([u8; 5], Vec<u8>),
    /// A record of which the end is missing: its header, and how much of its body came.
    CutRecord([u8; 5], usize),
    /// Bytes where a record had to be.
    NotTls(Vec<u8>),
    /// Bytes of a connection without TLS.
    Segment(Vec<u8>),
    Fin,
    Reset,
}

/// The recording.
#[derive(Debug)]
pub(super) struct Capture {
    start: Instant,
    /// The phase that is under way.
    pub(super) phase: TracePhase,
    pub(super) taped: Vec<Captured>,
}

impl Capture {
    /// Begins now.
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), phase: TracePhase::Connect, taped: Vec::new() }
    }

    /// Adds what the start is.
    pub(super) fn add_first(&mut self, raw: Raw) {
        self.add(self.start, Direction::Sent, None, raw);
    }

    /// Adds what happened at `at`.
    pub(super) fn add(&mut self, at: Instant, direction: Direction, cost_ns: Option<u64>, raw: Raw) {
        let at_ns = nanoseconds(at.saturating_duration_since(self.start));
        self.taped.push(Captured { at_ns, phase: self.phase, direction, cost_ns, raw });
    }
}

/// A length of time; 584 years are enough.
pub(super) fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
