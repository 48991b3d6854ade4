//! One workload of a trial: a `wssbench run` as a child process, and therefore with a fresh server process. Several trials
//! can run the same workload at the same time, in alternating slices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use wss_analysis::trial::WorkloadResult;
use wss_analysis::workload::WorkloadSpec;
use wss_model::config::TimeSlice;
use wss_model::run_result::Tool;
use wss_model::{HumanDuration, Mode, Reason, ReasonCode, RunConfig, RunResult, store};
use wss_wire::machine;

use super::protocol::{ParentEvent, RunEvent};
use super::run_process::{RunEnd, RunProcess};

/// What a run may take beyond its warm-up and duration: its own deadlines, and the start of a server that makes RSA keys.
const SLACK: Duration = Duration::from_secs(120);
/// Estimate of the time to start and end the processes of one workload.
const PROCESS_OVERHEAD: Duration = Duration::from_millis(350);
/// Estimate of the time to open one connection: once for the warm-up, and once more.
const CONNECTION_OVERHEAD: Duration = Duration::from_millis(1);
/// From the `begin` event to the first slice.
const BEFORE_SLICES: Duration = Duration::from_millis(100);

/// Starts runs and collects their results.
pub(crate) struct RunLauncher {
    /// For the result files of the children.
    folder: tempfile::TempDir,
    interrupted: Arc<AtomicBool>,
}

/// A program with the options of one configuration.
pub(crate) struct Invocation<'a> {
    pub(crate) program: &'a Path,
    pub(crate) options: &'a [String],
}

/// The outcome of one workload of a trial.
pub(crate) struct WorkloadOutcome {
    /// Its figures, or why there are none.
    pub(crate) result: WorkloadResult,
    /// The build that ran it, if there is a result.
    pub(crate) tool: Option<Tool>,
}

/// A run that was started, and where its result will be.
struct StartedRun {
    process: RunProcess,
    out: PathBuf,
}

/// The path of this program.
///
/// # Errors
/// If the kernel does not know it.
pub(crate) fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("finding the path of this program")
}

/// Estimate of the duration of a workload, including its connections and processes.
pub(crate) fn estimate(workload: &WorkloadSpec) -> Duration {
    let measured = |config: RunConfig| {
        let opening = match config.mode {
            Mode::Echo | Mode::Subscribe => CONNECTION_OVERHEAD * u32::try_from(config.connections).unwrap_or(u32::MAX),
            Mode::Handshake => Duration::ZERO,
        };
        config.duration.0 + config.warmup.0 + opening
    };
    super::run_options::parse(&workload.options).map_or(Duration::ZERO, measured) + PROCESS_OVERHEAD
}

/// Estimate of the duration of trials one after the other.
pub(crate) fn estimate_trials(workloads: &[WorkloadSpec], trials: usize) -> Duration {
    workloads.iter().map(estimate).sum::<Duration>() * u32::try_from(trials).unwrap_or(u32::MAX)
}

impl RunLauncher {
    /// # Errors
    /// If no temporary folder can be made.
    pub(crate) fn new(interrupted: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for the results of the trials")?;
        Ok(Self { folder, interrupted })
    }

    /// Runs one workload; `None` if it was interrupted.
    ///
    /// # Errors
    /// If the process cannot be started. A run that fails is an outcome.
    pub(crate) fn run(
        &self,
        invocation: &Invocation<'_>,
        workload: &WorkloadSpec,
        seed: u64,
    ) -> anyhow::Result<Option<WorkloadOutcome>> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let run = self.start(invocation, workload, seed, None)?;
        self.finish(workload, run)
    }

    /// Runs the same workload of several trials at the same time in slices of `length`; `None` if it was interrupted. The
    /// order of the slices is random in every cycle and differs between blocks.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) fn run_interleaved(
        &self,
        invocations: &[Invocation<'_>],
        workload: &WorkloadSpec,
        seed: u64,
        length: HumanDuration,
        block: usize,
    ) -> anyhow::Result<Option<Vec<WorkloadOutcome>>> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let runs = u32::try_from(invocations.len()).unwrap_or(u32::MAX);
        let start =
            |(number, invocation)| self.start(invocation, workload, seed, Some(TimeSlice { number, runs, length }));
        let mut started = (1..).zip(invocations).map(start).collect::<anyhow::Result<Vec<StartedRun>>>()?;
        // The slices of a run that failed stay empty: the others do not depend on it.
        let deadline = Instant::now() + SLACK;
        let ready: Vec<bool> =
            started.iter_mut().map(|run| run.process.wait_until_ready(deadline, &self.interrupted)).collect();
        let begin = ParentEvent::begin(machine::monotonic() + BEFORE_SLICES, seed.wrapping_add(block as u64));
        for (run, is_ready) in started.iter_mut().zip(ready) {
            if is_ready {
                run.process.begin(begin);
            } else {
                run.process.cancel();
            }
        }
        // Every run is waited for, also after one that failed.
        let outcomes: Vec<_> = started.into_iter().map(|run| self.finish(workload, run)).collect();
        outcomes.into_iter().collect()
    }

    fn start(
        &self,
        invocation: &Invocation<'_>,
        workload: &WorkloadSpec,
        seed: u64,
        slice: Option<TimeSlice>,
    ) -> anyhow::Result<StartedRun> {
        let options = super::workloads::arguments(workload, invocation.options);
        let times = |config: RunConfig| config.duration.0 + config.warmup.0;
        let times = super::run_options::parse(&options).map_or(Duration::ZERO, times);
        let (number, runs) = slice.map_or((1, 1), |slice| (slice.number, slice.runs));
        let out = self.folder.path().join(format!("workload-{number}.json"));
        // The result of an earlier run.
        let _ = std::fs::remove_file(&out);
        let mut arguments = vec!["run".to_owned()];
        arguments.extend(options);
        arguments.push(format!("--seed={seed}"));
        arguments.extend(slice.map(|slice| format!("--time-slice={slice}")));
        arguments.push(format!("--out={}", out.display()));
        let limit = times.saturating_mul(runs).saturating_add(SLACK);
        let process = RunProcess::start(invocation.program, &arguments, slice.is_some(), limit)?;
        Ok(StartedRun { process, out })
    }

    /// The outcome of a run; `None` if it was interrupted.
    fn finish(&self, workload: &WorkloadSpec, run: StartedRun) -> anyhow::Result<Option<WorkloadOutcome>> {
        let end = run.process.wait(&self.interrupted)?;
        Ok(match end {
            RunEnd::Interrupted => None,
            RunEnd::TimedOut => {
                let text = format!("it did not end within {SLACK:?} after its planned end");
                Some(WorkloadOutcome::failed(workload, Reason::new(ReasonCode::NoResult, text)))
            }
            RunEnd::Exited { .. } if run.out.exists() => Some(match store::read::<RunResult>(&run.out) {
                Ok(result) => WorkloadOutcome {
                    result: WorkloadResult::from_run(workload.kind, workload.metrics, &result),
                    tool: Some(result.tool),
                },
                Err(error) => WorkloadOutcome::failed(
                    workload,
                    Reason::new(ReasonCode::NoResult, format!("{:#}", anyhow::Error::from(error))),
                ),
            }),
            RunEnd::Exited { .. } if self.interrupted.load(Ordering::Relaxed) => None,
            RunEnd::Exited { failure: Some(RunEvent::Failed { code, text }), .. } => {
                Some(WorkloadOutcome::failed(workload, Reason::new(code, text)))
            }
            RunEnd::Exited { status, last_line, .. } => {
                let text = if last_line.is_empty() { format!("no result ({status})") } else { last_line };
                Some(WorkloadOutcome::failed(workload, Reason::new(ReasonCode::NoResult, text)))
            }
        })
    }
}

impl WorkloadOutcome {
    fn failed(workload: &WorkloadSpec, reason: Reason) -> Self {
        let result = WorkloadResult {
            kind: workload.kind,
            valid: false,
            invalid_because: vec![reason],
            failed: true,
            disturbed: false,
            negotiated: Vec::new(),
            metrics: BTreeMap::new(),
        };
        Self { result, tool: None }
    }
}
