//! A run with `--time-slice`: it waits for the other runs of its block, and its phases pass in its own slices only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use wss_model::config::TimeSlice;
use wss_wire::machine;

use crate::child::protocol::{NoSlices, ParentEvent, RunEvent};
use crate::generator::Generator;
use crate::generator::phase_clock::{PhaseClock, TimeSlices};

/// Pause between two phases. All runs have finished their accounting by then, so that the next phase begins in the same
/// cycle for all of them.
const BETWEEN_PHASES: Duration = Duration::from_millis(250);

/// The slices of this run, and where its next phase may begin.
pub(super) struct InterleavedSlices {
    slices: Arc<TimeSlices>,
    /// No phase begins before this instant.
    earliest: Instant,
}

impl InterleavedSlices {
    /// Reports that this run is ready and waits until all runs of the block are.
    ///
    /// # Errors
    /// [`NoSlices`] if standard input ends first; also if standard input or output fails.
    pub(super) fn wait_for_peers(slice: TimeSlice) -> anyhow::Result<Self> {
        RunEvent::Ready.send().context("reporting that this run is ready")?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).context("waiting for the other runs of this block")?;
        let ParentEvent::Begin { at_ns, seed } = ParentEvent::parse(&line).ok_or(NoSlices)?;
        // `Instant` reads the same clock, but its value cannot be passed between processes.
        let origin = Instant::now() + Duration::from_nanos(at_ns) - machine::monotonic();
        Ok(Self { slices: Arc::new(TimeSlices::new(slice, origin, seed)), earliest: origin })
    }

    /// The clock of the next phase, which has `length` of this run's own time.
    pub(super) fn next_phase(&mut self, length: Duration) -> PhaseClock {
        let earliest = self.earliest.max(Generator::next_start());
        self.earliest = earliest + self.slices.wall_time(length) + BETWEEN_PHASES;
        self.slices.phase(earliest)
    }

    /// See [`TimeSlices::active_share`].
    pub(super) fn active_share(&self) -> f64 {
        self.slices.active_share()
    }
}
