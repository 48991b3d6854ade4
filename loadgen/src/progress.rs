//! Progress of a run on standard error: one line that is redrawn on a terminal, plain lines elsewhere. Standard output has
//! the result alone.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use wss_model::run_result::SeriesPoint;
use wss_model::text::quantity::{count, time_or_dash};
use wss_model::{Mode, Rate, RunConfig};

use crate::generator::plan::RunPhase;
use crate::generator::seconds::{PhaseObserver, Second};
use crate::output;

/// Prints progress, keeps the series, and knows whether the run was interrupted.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    interrupted: Arc<AtomicBool>,
    /// `None` before the first phase.
    phase: Option<RunPhase>,
    phase_start: Instant,
    run_start: Instant,
    /// How long the whole run takes.
    expected: Duration,
    errors: u64,
    series: Vec<SeriesPoint>,
}

/// A flag that SIGINT and SIGTERM set; the second one ends the process at once.
///
/// # Errors
/// If the signals cannot be registered.
pub(crate) fn interruption() -> std::io::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set.
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&interrupted))?;
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    Ok(interrupted)
}

/// One line that is redrawn and cut at the width of the terminal; `None` if standard error is not a terminal.
pub(crate) fn line() -> Option<ProgressBar> {
    std::io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.with_style(ProgressStyle::with_template("{spinner} {wide_msg}").expect("a constant template"))
    })
}

/// How long a run takes by its options. A closed loop opens its connections as fast as it can, which is not counted.
fn expected(config: &RunConfig) -> Duration {
    let opening = match (config.mode, config.connect_rate) {
        (Mode::Echo | Mode::Subscribe, Rate::PerSecond(rate)) => {
            // The warm-up opens them as well.
            let times = if config.warmup.0.is_zero() { 1.0 } else { 2.0 };
            Duration::try_from_secs_f64(times * config.connections as f64 / rate)
        }
        _ => Ok(Duration::ZERO),
    };
    opening.unwrap_or(Duration::MAX).saturating_add(config.warmup.0).saturating_add(config.duration.0)
}

impl Progress {
    /// Listens for SIGINT and SIGTERM. The second one ends the process at once.
    ///
    /// # Errors
    /// If the signals cannot be registered.
    pub(crate) fn new(config: &RunConfig) -> std::io::Result<Self> {
        let (interrupted, bar) = (interruption()?, line());
        let now = Instant::now();
        let expected = expected(config);
        let series = Vec::new();
        Ok(Self { bar, interrupted, phase: None, phase_start: now, run_start: now, expected, errors: 0, series })
    }

    /// Begins a phase.
    pub(crate) fn begin(&mut self, phase: RunPhase, start: Instant) {
        (self.phase, self.phase_start) = (Some(phase), start);
        self.print(format!("{:<9} begins", phase.name()));
    }

    /// Clears the line and returns the series of the measured phases.
    pub(crate) fn end(self) -> Vec<SeriesPoint> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.series
    }

    fn print(&self, line: String) {
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => output::note(&line),
        }
    }
}

impl PhaseObserver for Progress {
    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn second(&mut self, second: &Second) {
        self.errors += second.errors;
        let measured = self.phase.and_then(RunPhase::measured);
        if second.completed + second.errors == 0 && measured.is_none() {
            return;
        }
        // Not a summary: that would compress the histogram, milliseconds on the generator's CPU.
        let percentile = |quantile| second.latency.percentile(quantile);
        let (p50, p99) = (percentile(0.5), percentile(0.99));
        let since_start = self.phase_start.elapsed();
        // The last second of a phase ends with the phase.
        let length = (since_start.as_secs_f64() - f64::from(second.tick - 1)).clamp(0.001, 1.0);
        #[allow(clippy::cast_precision_loss)]
        let rate = second.completed as f64 / length;
        let elapsed = self.run_start.elapsed();
        let errors = match self.errors {
            0 => String::new(),
            errors => format!("  {} errors", count(errors)),
        };
        // One allocation for the line: this thread shares its CPU with one that measures.
        let mut line = String::with_capacity(128);
        let _ = write!(
            line,
            "{:<9} {}/{} s, {} s left  {} open  {rate:.0}/s  p50 {}  p99 {}{errors}",
            self.phase.map_or("starting", RunPhase::name),
            elapsed.as_secs(),
            self.expected.max(elapsed).as_secs(),
            self.expected.saturating_sub(elapsed).as_secs(),
            count(second.connections),
            time_or_dash(p50),
            time_or_dash(p99),
        );
        self.print(line);
        if let Some(phase) = measured {
            self.series.push(SeriesPoint {
                phase,
                second: f64::from(second.tick - 1) + length,
                connections: second.connections,
                completed: second.completed,
                errors: second.errors,
                p50,
                p99,
            });
        }
    }

    fn idle(&mut self) {
        if let Some(bar) = &self.bar {
            bar.tick();
        }
    }
}
