//! A run that takes turns with others (`--time-slice`): it says that it is ready, and is told when the first turn begins.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use wss_model::config::TimeSlice;
use wss_wire::machine;

use crate::generator::Generator;
use crate::generator::phase_clock::{PhaseClock, TimeSlices};

/// What it says when it is ready, in a line of its own on standard output.
pub(crate) const READY: &str = "ready";

/// What it says if they never begin.
pub(crate) const NOT_BEGUN: &str =
    "the runs that it takes turns with did not begin (--time-slice is what ab --interleave gives)";

/// Between two phases: what all of the runs have done by then, so that the next phase of all begins in the same cycle.
const BETWEEN: Duration = Duration::from_millis(250);

/// When all runs have their turns, in words that one process writes and another reads.
pub(crate) struct Begin {
    /// When the first turn begins, by [`machine::monotonic`].
    pub(crate) at: Duration,
    /// Seed of the order.
    pub(crate) seed: u64,
}

impl Begin {
    /// A line without its end.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.at.as_nanos(), self.seed)
    }

    fn parse(line: &str) -> Option<Self> {
        let (at, seed) = line.trim().split_once(' ')?;
        Some(Self { at: Duration::from_nanos(at.parse().ok()?), seed: seed.parse().ok()? })
    }
}

/// The turns of the phases of a run.
pub(super) struct InterleavedSlices {
    slices: Arc<TimeSlices>,
    /// Before which no phase begins.
    earliest: Instant,
}

impl InterleavedSlices {
    /// Says that this run is ready and waits until all are.
    ///
    /// # Errors
    /// If nobody says when they begin.
    pub(super) fn when_all_are_ready(turn: TimeSlice) -> anyhow::Result<Self> {
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{READY}").and_then(|()| stdout.flush()).context("saying that this run is ready")?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).context("waiting for the runs that it takes turns with")?;
        let Some(begin) = Begin::parse(&line) else {
            bail!(NOT_BEGUN);
        };
        // The same clock in both forms: only one of them is another process's too.
        let origin = Instant::now() + begin.at - machine::monotonic();
        Ok(Self { slices: Arc::new(TimeSlices::new(turn, origin, begin.seed)), earliest: origin })
    }

    /// The time of the next phase, which lasts so long.
    pub(super) fn phase(&mut self, length: Duration) -> PhaseClock {
        let earliest = self.earliest.max(Generator::next_start());
        self.earliest = earliest + self.slices.lasts(length) + BETWEEN;
        self.slices.phase(earliest)
    }

    /// See [`TimeSlices::share`].
    pub(super) fn share(&self) -> f64 {
        self.slices.share()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_the_turns_begin_is_read_as_it_was_written_and_nothing_else_is_taken_for_it() {
        let begin = Begin { at: Duration::from_nanos(123_456_789_012), seed: 7 };
        let read = Begin::parse(&begin.line()).unwrap();
        assert_eq!((read.at, read.seed), (begin.at, begin.seed));
        assert!(["", "1", "x 1", "1 x"].iter().all(|line| Begin::parse(line).is_none()));
    }
}
