//! Counters of the io_uring engine: one set per thread, summed over the threads of an end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counters of a ring since the start of its engine. A phase is the difference of two readings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RingCounters {
    /// Calls of io_uring_enter(2); one call submits and waits.
    pub enters: u64,
    /// Operations submitted.
    pub submissions: u64,
    /// Completions reaped. A multishot operation has many; a send that completes inline has none.
    pub completions: u64,
    /// Provided receive buffers of all threads, which grow on demand; 0 if every receive has a buffer of its own.
    pub buffers: u64,
    /// The lowest number of free buffers of any thread so far.
    pub buffers_low_water: u64,
    /// Receives that found no free buffer (ENOBUFS) and were armed again.
    pub no_buffers: u64,
    /// Sends that the socket accepted only in part or not at all; the rest waited for space.
    pub partial_sends: u64,
    /// Large sends made by a direct sendmsg(2) without copying; in no other counter.
    #[serde(default)]
    pub direct_sends: u64,
    /// Overflows of the completion queue, in which the kernel holds completions back.
    pub overflows: u64,
}

impl RingCounters {
    /// Adds the counters of another thread.
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

    /// The difference to an earlier reading. The low-water mark remains that of the whole time.
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

/// The ring counters of both ends in a phase. Null for an end whose engine has no such counters (epoll, tokio-uring), or
/// that is unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseRings {
    /// All threads of the generator.
    pub client: Option<EndRings>,
    /// All workers of the server.
    pub server: Option<EndRings>,
}

/// The ring counters of one end in a phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndRings {
    /// The counters. The low-water mark is that of the whole time until the end of the phase.
    #[serde(flatten)]
    pub totals: RingCounters,
    /// Completions per io_uring_enter call, the mean batch size; null without a call.
    pub completions_per_enter: Option<f64>,
    /// io_uring_enter calls per completed handshake, including connect, accept and close; null in the echo phase.
    pub enters_per_handshake: Option<f64>,
    /// io_uring_enter calls per echo received; null in a phase of handshakes.
    pub enters_per_message: Option<f64>,
}

impl EndRings {
    /// For a phase that completed `completed` handshakes.
    #[must_use]
    pub fn of_handshakes(totals: RingCounters, completed: u64) -> Self {
        let enters_per_handshake = per_op(totals.enters, completed);
        Self { enters_per_handshake, ..Self::of(totals) }
    }

    /// For a phase that received `received` echoes.
    #[must_use]
    pub fn of_messages(totals: RingCounters, received: u64) -> Self {
        let enters_per_message = per_op(totals.enters, received);
        Self { enters_per_message, ..Self::of(totals) }
    }

    fn of(totals: RingCounters) -> Self {
        let completions_per_enter = per_op(totals.completions, totals.enters);
        Self { totals, completions_per_enter, enters_per_handshake: None, enters_per_message: None }
    }
}

/// `total` ÷ `count`; `None` if `count` is 0.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn per_op(total: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| total as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_threads_and_keeps_the_lowest_low_water_mark() {
        let thread =
            |buffers, low| RingCounters { enters: 2, buffers, buffers_low_water: low, ..RingCounters::default() };
        let mut sum = RingCounters::default();
        for (buffers, low) in [(256, 200), (0, 0), (256, 190), (256, 255)] {
            sum.add(&thread(buffers, low));
        }
        assert_eq!((sum.enters, sum.buffers, sum.buffers_low_water), (8, 768, 190));
    }

    #[test]
    fn a_phase_is_the_difference_of_two_readings() {
        let reading = |factor: u64| RingCounters {
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
        let phase = reading(5).since(&reading(2));
        assert_eq!(phase, RingCounters { buffers_low_water: 50, ..reading(3) });
    }

    #[test]
    fn a_quotient_without_a_divisor_is_null() {
        let totals = RingCounters { enters: 30, completions: 75, ..RingCounters::default() };
        let end = EndRings::of_messages(totals.clone(), 60);
        assert_eq!((end.completions_per_enter, end.enters_per_message), (Some(2.5), Some(0.5)));
        assert_eq!(end.enters_per_handshake, None);
        assert_eq!(EndRings::of_handshakes(totals, 0).enters_per_handshake, None);
        assert_eq!(EndRings::of_handshakes(RingCounters::default(), 3).completions_per_enter, None);
    }
}
