//! The raw events of a connection with their timestamps. [`super::observer`] interprets them after the connection has
//! ended, so that interpreting one record does not delay the next.

use std::time::Instant;

use wss_model::trace_result::{Direction, TracePhase};

/// One raw event.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) at_ns: u64,
    pub(super) phase: TracePhase,
    pub(super) direction: Direction,
    pub(super) cost_ns: Option<u64>,
    pub(super) raw: Raw,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Raw {
    Syn(String),
    SynAck(String),
    /// A whole record.
    Record([u8; 5], Vec<u8>),
    /// A truncated record: its header, and how much of its body was received.
    CutRecord([u8; 5], usize),
    /// Bytes that are not a record where one was expected.
    NotTls(Vec<u8>),
    /// Bytes on a connection without TLS.
    Segment(Vec<u8>),
    Fin,
    Reset,
}

/// The events so far.
#[derive(Debug)]
pub(super) struct Capture {
    start: Instant,
    /// The current phase.
    pub(super) phase: TracePhase,
    pub(super) events: Vec<Captured>,
}

impl Capture {
    /// Starts the clock.
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), phase: TracePhase::Connect, events: Vec::new() }
    }

    /// Adds the event at the start.
    pub(super) fn add_first(&mut self, raw: Raw) {
        self.add(self.start, Direction::Sent, None, raw);
    }

    /// Adds an event at `at`.
    pub(super) fn add(&mut self, at: Instant, direction: Direction, cost_ns: Option<u64>, raw: Raw) {
        let at_ns = nanoseconds(at.saturating_duration_since(self.start));
        self.events.push(Captured { at_ns, phase: self.phase, direction, cost_ns, raw });
    }
}

/// Nanoseconds, saturating after 584 years.
pub(super) fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
