//! What is shown while a run goes on: one line that changes on a terminal, plain lines elsewhere. On standard error,
//! so that standard output is the result alone.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use wss_model::run_result::SeriesPoint;

use crate::generator::plan::RunPhase;
use crate::generator::{Second, Watch};

/// Shows progress, keeps the series, and knows whether the user wants the run to end.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    interrupted: Arc<AtomicBool>,
    /// `None` before the first phase.
    phase: Option<RunPhase>,
    phase_start: Instant,
    run_start: Instant,
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

/// One line that changes; `None` where standard output or standard error is no terminal.
pub(crate) fn line() -> Option<ProgressBar> {
    let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    terminal.then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.with_style(ProgressStyle::with_template("{spinner} {msg}").expect("a constant template"))
    })
}

impl Progress {
    /// Listens for SIGINT and SIGTERM. The second one ends the process at once.
    ///
    /// # Errors
    /// If the signals cannot be registered.
    pub(crate) fn new() -> std::io::Result<Self> {
        let (interrupted, bar) = (interruption()?, line());
        let now = Instant::now();
        Ok(Self { bar, interrupted, phase: None, phase_start: now, run_start: now, errors: 0, series: Vec::new() })
    }

    /// A phase begins.
    pub(crate) fn begin(&mut self, phase: RunPhase, start: Instant) {
        (self.phase, self.phase_start) = (Some(phase), start);
        self.say(&format!("{:<9} begins", phase.name()));
    }

    /// The seconds of the measured phases; nothing is shown any more.
    pub(crate) fn end(self) -> Vec<SeriesPoint> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.series
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(line.to_owned()),
            None => eprintln!("{line}"),
        }
    }
}

impl Watch for Progress {
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
        // The last one of a phase ends with it.
        let length = (since_start.as_secs_f64() - f64::from(second.tick - 1)).clamp(0.001, 1.0);
        let shown = |value: Option<u64>| {
            value.map_or_else(|| "—".to_owned(), |ns| format!("{:.3} ms", Duration::from_nanos(ns).as_secs_f64() * 1e3))
        };
        #[allow(clippy::cast_precision_loss)]
        let rate = second.completed as f64 / length;
        self.say(&format!(
            "{:<9} {:>3.0}s {:>6} open {rate:>7.0}/s  p50 {:>9}  p99 {:>9} {:>5} errors",
            self.phase.map_or("starting", RunPhase::name),
            self.run_start.elapsed().as_secs_f64(),
            second.connections,
            shown(p50),
            shown(p99),
            self.errors,
        ));
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
