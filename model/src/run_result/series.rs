//! The seconds of the measured phases: [`SeriesPoint`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named_choice;

named_choice! {
    /// A measured phase of a run.
    MeasuredPhase {
        /// The handshakes.
        Handshake = "handshake",
        /// The messages and their echoes.
        Echo = "echo",
        /// The messages that the server pushes.
        Subscribe = "subscribe",
    }
}

/// One second of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesPoint {
    /// The phase that this second belongs to.
    pub phase: MeasuredPhase,
    /// Seconds from the start of the phase to the end of this one.
    pub second: f64,
    /// Open connections at its end.
    pub connections: u64,
    /// Handshakes or echoes completed, or messages received, in it.
    pub completed: u64,
    /// Errors in it.
    pub errors: u64,
    /// Median of `ready` or `response`, nanoseconds; null with too few samples. Of `arrival_gap`, if pushed messages have no
    /// `response`.
    pub p50: Option<u64>,
    /// 99th percentile, likewise.
    pub p99: Option<u64>,
}
