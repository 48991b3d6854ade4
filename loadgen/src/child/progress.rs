//! Progress of a sweep or comparison on standard error: the current trial, and the time in total and left.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::{output, progress};

/// Prints progress, and knows whether it was interrupted.
pub(crate) struct TrialProgress {
    bar: Option<ProgressBar>,
    interrupted: Arc<AtomicBool>,
    /// All trials, and those that a resumed sweep still has to run.
    trials: usize,
    to_run: usize,
    done: usize,
    invalid: usize,
    estimate: Duration,
    start: Instant,
}

impl TrialProgress {
    /// Listens for SIGINT and SIGTERM. The second one ends the process at once. `to_run` of `trials` are run now, which
    /// takes about as long as `estimate`.
    ///
    /// # Errors
    /// If the signals cannot be registered.
    pub(crate) fn new(trials: usize, to_run: usize, estimate: Duration) -> std::io::Result<Self> {
        let bar = progress::line();
        if let Some(bar) = &bar {
            // A trial prints nothing for seconds: the spinner shows that it is running.
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        let interrupted = progress::interruption()?;
        Ok(Self { bar, interrupted, trials, to_run, done: 0, invalid: 0, estimate, start: Instant::now() })
    }

    /// Set by the first signal.
    pub(crate) fn interrupted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    /// Begins a trial of what `label` names.
    pub(crate) fn begin_trial(&self, block: usize, blocks: usize, label: &str) {
        let invalid = match self.invalid {
            0 => String::new(),
            invalid => format!(", {invalid} invalid"),
        };
        let left = self.left();
        let line = format!(
            "trial {} of {}, block {block} of {blocks}{invalid}, about {} left of {}: {label}",
            self.trials - self.to_run + self.done + 1,
            self.trials,
            in_seconds(left),
            in_seconds(self.start.elapsed() + left),
        );
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => output::note(&line),
        }
    }

    /// Ends a trial. `invalid` has the label and the first reason of a trial that is not valid.
    pub(crate) fn end_trial(&mut self, invalid: Option<(String, String)>) {
        self.done += 1;
        if let Some((label, reason)) = invalid {
            self.invalid += 1;
            let line = format!("{label}: {}", reason.replace('\n', " "));
            match &self.bar {
                Some(bar) => bar.println(line),
                None => output::note(&line),
            }
        }
    }

    /// The remaining time: by the duration of the trials so far, or the estimate before the first has ended.
    fn left(&self) -> Duration {
        let missing = self.to_run.saturating_sub(self.done);
        match u32::try_from(self.done) {
            Ok(done @ 1..) => self.start.elapsed() / done * u32::try_from(missing).unwrap_or(u32::MAX),
            _ => self.estimate,
        }
    }

    /// Clears the line.
    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn in_seconds(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs().max(1)))
}
