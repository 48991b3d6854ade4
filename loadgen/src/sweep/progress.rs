//! What is shown while a sweep goes on: which leg it is and how long the rest will take. On standard error, as a
//! run's.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use wss_results::sweep_result::{Leg, SweepResult};

use super::plan;
use crate::progress;

/// Shows progress, and knows whether the user wants the sweep to end.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    interrupted: Arc<AtomicBool>,
    /// Legs of the whole sweep, and those of them that are run now.
    legs: usize,
    to_run: usize,
    done: usize,
    doubtful: usize,
    estimate: Duration,
    start: Instant,
}

impl Progress {
    /// Listens for SIGINT and SIGTERM. The second one ends the process at once.
    ///
    /// # Errors
    /// If the signals cannot be registered.
    pub(super) fn new(sweep: &SweepResult) -> std::io::Result<Self> {
        let legs = sweep.blocks_planned * sweep.configurations.len();
        let to_run = legs.saturating_sub(sweep.blocks.len() * sweep.configurations.len());
        let bar = progress::line();
        if let Some(bar) = &bar {
            // A leg says nothing for seconds: the line shows that it goes on.
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Ok(Self {
            bar,
            interrupted: progress::interruption()?,
            legs,
            to_run,
            done: 0,
            doubtful: 0,
            estimate: plan::estimate(sweep, to_run),
            start: Instant::now(),
        })
    }

    /// Set by the first signal.
    pub(super) fn interrupted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    pub(super) fn begin_leg(&self, sweep: &SweepResult, block: usize, number: usize) {
        let label = sweep.configuration(number).map_or("", |configuration| configuration.label.as_str());
        let again = sweep.configuration(number).is_some_and(|configuration| configuration.repeats.is_some());
        let doubtful = match self.doubtful {
            0 => String::new(),
            doubtful => format!(", {doubtful} not valid"),
        };
        let line = format!(
            "leg {} of {}, block {block} of {}{doubtful}, about {} left: #{number} {label}{}",
            self.legs - self.to_run + self.done + 1,
            self.legs,
            sweep.blocks_planned,
            self.left(),
            if again { " (again)" } else { "" },
        );
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => eprintln!("{line}"),
        }
    }

    pub(super) fn end_leg(&mut self, leg: &Leg) {
        self.done += 1;
        if let Some(reason) = leg.first_reason() {
            self.doubtful += 1;
            let line = format!("#{}: {}", leg.configuration, reason.replace('\n', " "));
            match &self.bar {
                Some(bar) => bar.println(line),
                None => eprintln!("{line}"),
            }
        }
    }

    /// From how long it took so far, and before the first leg from what it was told to take.
    fn left(&self) -> humantime::FormattedDuration {
        let missing = self.to_run.saturating_sub(self.done);
        let left = match u32::try_from(self.done) {
            Ok(done @ 1..) => self.start.elapsed() / done * u32::try_from(missing).unwrap_or(u32::MAX),
            _ => self.estimate,
        };
        humantime::format_duration(Duration::from_secs(left.as_secs().max(1)))
    }

    /// Nothing is shown any more.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
