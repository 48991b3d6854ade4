//! What an engine asked of the kernel and got: counted by the engine, one set a thread, added up over the threads of a
//! side.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts of a ring. They run from the engine's start, so that a phase is the difference of two looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RingCounters {
    /// Calls of io_uring_enter: submitting and waiting are one call.
    pub enters: u64,
    /// Operations submitted.
    pub submissions: u64,
    /// Completions taken from the ring. A multishot operation has many; a send that went out at once has none.
    pub completions: u64,
    /// Receive buffers in use, over all threads: more whenever there were too few; 0 where each receive brings its own.
    pub buffers: u64,
    /// The fewest of them that were left at any time, of one thread.
    pub buffers_low_water: u64,
    /// Receives that found no buffer (ENOBUFS) and were armed again.
    pub no_buffers: u64,
    /// Sends that the socket took only a part of, or nothing: the rest waited for room.
    pub partial_sends: u64,
    /// Sends of many bytes that were made by a call of their own, from where the bytes were; in no other count.
    #[serde(default)]
    pub direct_sends: u64,
    /// Times that the completion queue was full and the kernel kept completions back.
    pub overflows: u64,
}

impl RingCounters {
    /// Adds another thread's.
    pub fn add(&mut self, other: &Self) {
        self.buffers_low_water = match (self.buffers, other.buffers) {
            (_, 0) => self.buffers_low_water,
            (0, _) => other.buffers_low_water,
            _ => self.buffers_low_water.min(other.buffers_low_water),
        };
        self.enters += other.enters;
        self.submissions += other.submissions;
        self.completions += other.completions;
        self.buffers += other.buffers;
        self.no_buffers += other.no_buffers;
        self.partial_sends += other.partial_sends;
        self.direct_sends += other.direct_sends;
        self.overflows += other.overflows;
    }

    /// What happened since an earlier look; the low-water mark stays that of the whole time.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            enters: self.enters.saturating_sub(earlier.enters),
            submissions: self.submissions.saturating_sub(earlier.submissions),
            completions: self.completions.saturating_sub(earlier.completions),
            buffers: self.buffers,
            buffers_low_water: self.buffers_low_water,
            no_buffers: self.no_buffers.saturating_sub(earlier.no_buffers),
            partial_sends: self.partial_sends.saturating_sub(earlier.partial_sends),
            direct_sends: self.direct_sends.saturating_sub(earlier.direct_sends),
            overflows: self.overflows.saturating_sub(earlier.overflows),
        }
    }
}

/// What both ends' rings did in a phase. An end is null whose engine does not count (epoll, tokio-uring), or that is
/// not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseRings {
    /// All threads of the generator.
    pub client: Option<EndRings>,
    /// All workers of the server.
    pub server: Option<EndRings>,
}

/// What the rings of one end did in a phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndRings {
    /// The counts; the low-water mark is that of the whole time until the end of the phase.
    #[serde(flatten)]
    pub totals: RingCounters,
    /// Completions taken an enter, the average batch; null without an enter.
    pub completions_per_enter: Option<f64>,
    /// Enters a completed handshake, connect, accept and close included; null in a phase of messages.
    pub enters_per_handshake: Option<f64>,
    /// Enters a message whose echo came back; null in a phase of handshakes.
    pub enters_per_message: Option<f64>,
}

impl EndRings {
    /// Of a phase in which so many handshakes were completed.
    #[must_use]
    pub fn of_handshakes(totals: RingCounters, completed: u64) -> Self {
        let enters_per_handshake = each(totals.enters, completed);
        Self { enters_per_handshake, ..Self::of(totals) }
    }

    /// Of a phase in which so many messages came back.
    #[must_use]
    pub fn of_messages(totals: RingCounters, received: u64) -> Self {
        let enters_per_message = each(totals.enters, received);
        Self { enters_per_message, ..Self::of(totals) }
    }

    fn of(totals: RingCounters) -> Self {
        let completions_per_enter = each(totals.completions, totals.enters);
        Self { totals, completions_per_enter, enters_per_handshake: None, enters_per_message: None }
    }
}

/// How many of `total` each of `count` has; none if there is none to have any.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn each(total: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| total as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up_and_the_low_water_mark_is_that_of_the_lowest() {
        let thread =
            |buffers, low| RingCounters { enters: 2, buffers, buffers_low_water: low, ..RingCounters::default() };
        let mut sum = RingCounters::default();
        for (buffers, low) in [(256, 200), (0, 0), (256, 190), (256, 255)] {
            sum.add(&thread(buffers, low));
        }
        assert_eq!((sum.enters, sum.buffers, sum.buffers_low_water), (8, 768, 190));
    }

    #[test]
    fn a_phase_is_the_difference_of_two_looks() {
        let look = |factor: u64| RingCounters {
            enters: 10 * factor,
            submissions: 11 * factor,
            completions: 12 * factor,
            buffers: 256,
            buffers_low_water: 250 / factor,
            no_buffers: factor,
            partial_sends: 2 * factor,
            direct_sends: 4 * factor,
            overflows: 3 * factor,
        };
        let phase = look(5).since(&look(2));
        assert_eq!(phase, RingCounters { buffers_low_water: 50, ..look(3) });
    }

    #[test]
    fn what_cannot_be_divided_is_null() {
        let totals = RingCounters { enters: 30, completions: 75, ..RingCounters::default() };
        let side = EndRings::of_messages(totals.clone(), 60);
        assert_eq!((side.completions_per_enter, side.enters_per_message), (Some(2.5), Some(0.5)));
        assert_eq!(side.enters_per_handshake, None);
        assert_eq!(EndRings::of_handshakes(totals, 0).enters_per_handshake, None);
        assert_eq!(EndRings::of_handshakes(RingCounters::default(), 3).completions_per_enter, None);
    }
}
