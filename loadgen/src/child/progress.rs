//! What is shown while trials are run: which one it is and how long the rest will take. On standard error, as a run's.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::progress;

/// Shows progress, and knows whether the user wants it to end.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    interrupted: Arc<AtomicBool>,
    /// Trials in all, and those of them that are run now.
    trials: usize,
    to_run: usize,
    done: usize,
    doubtful: usize,
    estimate: Duration,
    start: Instant,
}

impl Progress {
    /// Listens for SIGINT and SIGTERM. The second one ends the process at once. Of `trials` in all, `to_run` are run now,
    /// which is told to take as long as `estimate`.
    ///
    /// # Errors
    /// If the signals cannot be registered.
    pub(crate) fn new(trials: usize, to_run: usize, estimate: Duration) -> std::io::Result<Self> {
        let bar = progress::line();
        if let Some(bar) = &bar {
            // A trial says nothing for seconds: the line shows that it goes on.
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        let interrupted = progress::interruption()?;
        Ok(Self { bar, interrupted, trials, to_run, done: 0, doubtful: 0, estimate, start: Instant::now() })
    }

    /// Set by the first signal.
    pub(crate) fn interrupted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    /// A trial begins: in which block of how many, and whose it is.
    pub(crate) fn begin_trial(&self, block: usize, blocks: usize, whose: &str) {
        let doubtful = match self.doubtful {
            0 => String::new(),
            doubtful => format!(", {doubtful} not valid"),
        };
        let line = format!(
            "trial {} of {}, block {block} of {blocks}{doubtful}, about {} left: {whose}",
            self.trials - self.to_run + self.done + 1,
            self.trials,
            self.left(),
        );
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => eprintln!("{line}"),
        }
    }

    /// A trial has ended; of one that is not valid, whose it was and why.
    pub(crate) fn end_trial(&mut self, doubtful: Option<(String, String)>) {
        self.done += 1;
        if let Some((whose, reason)) = doubtful {
            self.doubtful += 1;
            let line = format!("{whose}: {}", reason.replace('\n', " "));
            match &self.bar {
                Some(bar) => bar.println(line),
                None => eprintln!("{line}"),
            }
        }
    }

    /// From how long it took so far, and before the first trial from what it was told to take.
    fn left(&self) -> humantime::FormattedDuration {
        let missing = self.to_run.saturating_sub(self.done);
        let left = match u32::try_from(self.done) {
            Ok(done @ 1..) => self.start.elapsed() / done * u32::try_from(missing).unwrap_or(u32::MAX),
            _ => self.estimate,
        };
        humantime::format_duration(Duration::from_secs(left.as_secs().max(1)))
    }

    /// Nothing is shown any more.
    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
