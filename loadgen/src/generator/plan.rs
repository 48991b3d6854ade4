//! What the phases of a run do: [`PhaseSpec`], and the plans and orders that threads and connections get.

use std::time::{Duration, Instant};

use wss_model::Arrivals;
use wss_model::run_result::MeasuredPhase;

use super::phase_clock::PhaseClock;
use super::schedule::Schedule;

/// A phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunPhase {
    /// Full handshakes that fill the session caches (`--resume`).
    Sessions,
    WarmUp,
    /// The measured handshakes.
    Handshake,
    /// The measured messages.
    Echo,
    /// The measured messages that the server pushes.
    Subscribe,
    /// All open connections are closed.
    Closing,
}

impl RunPhase {
    /// The name in progress output.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::WarmUp => "warm-up",
            Self::Handshake => "handshake",
            Self::Echo => "echo",
            Self::Subscribe => "subscribe",
            Self::Closing => "closing",
        }
    }

    /// The phase of the result's series, or `None` if the phase is not measured.
    pub(crate) const fn measured(self) -> Option<MeasuredPhase> {
        match self {
            Self::Handshake => Some(MeasuredPhase::Handshake),
            Self::Echo => Some(MeasuredPhase::Echo),
            Self::Subscribe => Some(MeasuredPhase::Subscribe),
            Self::Sessions | Self::WarmUp | Self::Closing => None,
        }
    }
}

/// When handshakes are due.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Open loop: `rate` handshakes per second across all threads.
    Rate { rate: f64, arrivals: Arrivals },
    /// Closed loop: at most `concurrency` handshakes at a time across all threads.
    Closed { concurrency: usize },
}

/// When a phase of handshakes ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this many handshakes across all threads.
    Count(usize),
    /// This long after the start of the phase.
    Elapsed(Duration),
}

/// What happens to a connection after its handshake.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Afterwards {
    /// It stays open for messages.
    Keep,
    /// It is closed at once; with `server_closes` the server sends the first FIN, as it always does with WebSocket.
    Close { server_closes: bool },
}

/// A phase of handshakes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PhaseSpec {
    pub(crate) phase: RunPhase,
    pub(crate) pace: Pace,
    pub(crate) until: Until,
    pub(crate) afterwards: Afterwards,
    /// Whether the requested share of the handshakes resumes sessions. Not while the sessions are made.
    pub(crate) may_resume: bool,
}

/// A phase of handshakes with its clock, as every thread gets it.
#[derive(Debug, Clone)]
pub(crate) struct HandshakePlan {
    pub(crate) spec: PhaseSpec,
    pub(crate) clock: PhaseClock,
    /// Whether a handshake includes one message and its echo.
    pub(crate) first_echo: bool,
}

/// A phase of messages on the open connections, as every thread gets it.
#[derive(Debug, Clone)]
pub(crate) struct EchoPlan {
    pub(crate) clock: PhaseClock,
    pub(crate) end: Instant,
    /// Open loop: messages per second across all connections; `None`: closed loop.
    pub(crate) rate: Option<f64>,
    pub(crate) arrivals: Arrivals,
    /// Maximum outstanding messages per connection.
    pub(crate) in_flight: usize,
    /// Connections across all threads.
    pub(crate) connections: usize,
}

/// What the task of a connection is ordered to do.
pub(crate) enum Order {
    /// Exchange messages.
    Echo(EchoOrder),
    /// Receive what the server pushes.
    Subscribe(SubscribeOrder),
    Close,
}

/// One phase of messages on one connection.
#[derive(Clone)]
pub(crate) struct EchoOrder {
    /// Open loop: when messages are due; `None`: closed loop.
    pub(crate) schedule: Option<Schedule>,
    pub(crate) clock: PhaseClock,
    pub(crate) end: Instant,
    /// Late messages are sent until this instant.
    pub(crate) grace_end: Instant,
    pub(crate) in_flight: usize,
}

/// One phase of pushed messages, for every thread and every connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubscribeOrder {
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}
