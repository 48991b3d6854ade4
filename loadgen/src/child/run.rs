//! One workload of one trial, of a sweep or of a comparison: a `wssbench run` as a child process, hence with a server process
//! that nobody used before. Those of several trials can go on at the same time, in turns.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use wss_analysis::trial::WorkloadResult;
use wss_analysis::workload::WorkloadSpec;
use wss_model::config::{TimeSlice, time_slice_length};
use wss_model::run_result::Tool;
use wss_model::store;
use wss_model::{HumanDuration, Mode, RunConfig};
use wss_model::{Reason, ReasonCode};
use wss_wire::machine;

use super::protocol::{ParentEvent, PeerFailed, RunEvent};

/// What a run may take beyond its warm-up and duration: its own deadlines, starting a server that makes RSA keys.
const SLACK: Duration = Duration::from_secs(120);
/// What starting and ending one workload's processes takes, for an estimate.
const AROUND_A_WORKLOAD: Duration = Duration::from_millis(350);
/// What one connection takes to be opened, once to warm up and once more, for an estimate.
const TO_OPEN: Duration = Duration::from_millis(1);
/// How long it may take to end in order when it was interrupted.
const END: Duration = Duration::from_secs(30);
/// How often its end is looked for: rarely enough not to be measured, and often enough not to add to the sweep.
const LOOK: Duration = Duration::from_millis(10);

/// How long before the first turn all are told of it.
const BEFORE_TURNS: Duration = Duration::from_millis(100);

/// Runs workloads.
pub(crate) struct Runner {
    /// For results on their way from the child to here.
    folder: tempfile::TempDir,
    interrupted: Arc<AtomicBool>,
}

/// What a workload has come to.
pub(crate) struct Ended {
    /// Its figures, or why there are none.
    pub(crate) result: WorkloadResult,
    /// What ran it says of itself.
    pub(crate) tool: Option<Tool>,
    /// There is no result because another run, with which it was to take turns, did not come: the reason is that one's.
    pub(crate) waited_in_vain: bool,
}

/// This program, to run workloads with.
///
/// # Errors
/// If it is not to be found again.
pub(crate) fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("finding this program, to run each trial with")
}

/// About how long a workload takes, with the opening of its connections, and starting and ending its processes.
pub(crate) fn lasts(workload: &WorkloadSpec) -> Duration {
    let of = |config: RunConfig| {
        let opening = match config.mode {
            Mode::Echo => TO_OPEN * u32::try_from(config.connections).unwrap_or(u32::MAX),
            Mode::Handshake => Duration::ZERO,
        };
        config.duration.0 + config.warmup.0 + opening
    };
    super::run_options::parse(&workload.options).map_or(Duration::ZERO, of) + AROUND_A_WORKLOAD
}

/// What one of several runs is, of which each has its turns.
pub(crate) struct OneOf<'a> {
    pub(crate) program: &'a Path,
    pub(crate) configuration: &'a [String],
}

/// A workload that runs.
struct Running {
    child: Child,
    out: PathBuf,
    /// What it says last on standard error.
    said: JoinHandle<String>,
    at_most: Duration,
}

/// `--interleave`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct InterleaveOption {
    /// Run the trials of a block at the same time, each so long before it waits for the others: what the machine does
    /// besides then meets all alike. It shows differences of CPU time a message that trials one after the other do not; a
    /// rate in a closed loop is lower for the pauses
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "20ms",
        value_parser = time_slice_length
    )]
    pub(crate) interleave: Option<HumanDuration>,
}

/// Refuses turns that a workload would not even fill one of.
///
/// # Errors
/// With the workload that is too short.
pub(crate) fn check_interleave(turns: Option<HumanDuration>, workloads: &[WorkloadSpec]) -> anyhow::Result<()> {
    let Some(turns) = turns else { return Ok(()) };
    for workload in workloads {
        let duration = super::run_options::parse(&workload.options)?.duration;
        ensure!(
            turns <= duration,
            "--interleave {turns} is longer than the workload {} is to last, {duration}: give a shorter turn or a longer --trial",
            workload.kind
        );
    }
    Ok(())
}

/// How a child ended.
enum End {
    Itself(ExitStatus),
    Interrupted,
    TooLate,
}

impl Runner {
    /// # Errors
    /// If there is no place for temporary files.
    pub(crate) fn new(interrupted: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for the results of the trials")?;
        Ok(Self { folder, interrupted })
    }

    /// Runs one workload with a program, this one or another build of it; `None` if it was interrupted.
    ///
    /// # Errors
    /// If no process can be started at all. What is wrong with this workload alone is told in its result.
    pub(crate) fn run(
        &self,
        program: &Path,
        workload: &WorkloadSpec,
        configuration: &[String],
        seed: u64,
    ) -> anyhow::Result<Option<Ended>> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let running = self.begin(&OneOf { program, configuration }, workload, seed, None)?;
        self.end(workload, running)
    }

    /// Runs the same workload of several trials at the same time, each `length` long before it waits for the others, in an order
    /// that is drawn anew each time, and other ones in each block; `None` if they were interrupted.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) fn run_in_turns(
        &self,
        trials: &[OneOf<'_>],
        workload: &WorkloadSpec,
        seed: u64,
        length: HumanDuration,
        block: usize,
    ) -> anyhow::Result<Option<Vec<Ended>>> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let runs = u32::try_from(trials.len()).unwrap_or(u32::MAX);
        let turn = |number| TimeSlice { number, runs, length };
        let begin = |(number, trial)| self.begin(trial, workload, seed, Some(turn(number)));
        let mut running = (1..).zip(trials).map(begin).collect::<anyhow::Result<Vec<_>>>()?;
        let doors: Vec<_> = running.iter_mut().filter_map(|one| Door::of(&mut one.child)).collect();
        if doors.iter().all(|door| self.is_ready(door)) {
            let begin = ParentEvent::begin(machine::monotonic() + BEFORE_TURNS, seed.wrapping_add(block as u64));
            // One that has ended since says so itself.
            doors.into_iter().for_each(|mut door| drop(begin.send(&mut door.stdin)));
        } else {
            // Those that are ready read the end of their standard input.
            drop(doors);
        }
        // All of them, before anything is made of the first.
        let ended: Vec<_> = running.into_iter().map(|one| self.end(workload, one)).collect();
        let mut ended = ended.into_iter().collect::<anyhow::Result<Option<Vec<_>>>>()?;
        ended.iter_mut().for_each(|ended| blame_whoever_was_not_ready(ended));
        Ok(ended)
    }

    /// Whether a run has come to its turns.
    fn is_ready(&self, door: &Door) -> bool {
        let deadline = Instant::now() + SLACK;
        loop {
            match door.ready.recv_timeout(LOOK) {
                Ok(()) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.interrupted.load(Ordering::Relaxed) || Instant::now() > deadline {
                return false;
            }
        }
    }

    fn begin(
        &self,
        trial: &OneOf<'_>,
        workload: &WorkloadSpec,
        seed: u64,
        turn: Option<TimeSlice>,
    ) -> anyhow::Result<Running> {
        let arguments = super::workloads::arguments(workload, trial.configuration);
        let times =
            super::run_options::parse(&arguments).map_or(Duration::ZERO, |config| config.duration.0 + config.warmup.0);
        let (number, runs) = turn.map_or((1, 1), |turn| (turn.number, turn.runs));
        let out = self.folder.path().join(format!("workload-{number}.json"));
        let _ = std::fs::remove_file(&out);
        let pipe = || if turn.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = Command::new(trial.program)
            .arg("run")
            .args(&arguments)
            .arg(format!("--seed={seed}"))
            .args(turn.map(|turn| format!("--time-slice={turn}")))
            .arg("--out")
            .arg(&out)
            .stdin(pipe())
            .stdout(pipe())
            .stderr(Stdio::piped())
            // In a group of its own, so that a Ctrl-C of the terminal reaches the sweep alone, which passes it on.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting a trial with {}", trial.program.display()))?;
        let stderr = child.stderr.take().context("its standard error is a pipe")?;
        let said = std::thread::spawn(move || last_sentence(stderr));
        Ok(Running { child, out, said, at_most: times.saturating_mul(runs).saturating_add(SLACK) })
    }

    /// What a workload that was begun has come to; `None` if it was interrupted.
    fn end(&self, workload: &WorkloadSpec, mut running: Running) -> anyhow::Result<Option<Ended>> {
        let end = self.wait(&mut running.child, running.at_most)?;
        let said = running.said.join().unwrap_or_default();
        Ok(match end {
            End::Interrupted => None,
            End::TooLate => Some(Ended::failed(workload, format!("it did not end within {SLACK:?} of its time"))),
            End::Itself(status) => Some(result(workload, &running.out, status, &said)),
        })
    }

    /// Waits for its end, and passes an interruption on.
    fn wait(&self, child: &mut Child, at_most: Duration) -> anyhow::Result<End> {
        let mut deadline = Instant::now() + at_most;
        let mut told = false;
        loop {
            if let Some(status) = child.try_wait().context("waiting for a trial")? {
                return Ok(if told { End::Interrupted } else { End::Itself(status) });
            }
            if !told && self.interrupted.load(Ordering::Relaxed) {
                told = true;
                deadline = Instant::now() + END;
                // It has not been waited for, so that its number is still its own.
                let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                pid.map(|pid| kill_process(pid, Signal::INT)).transpose().context("interrupting a trial")?;
            }
            if Instant::now() > deadline {
                child.kill().context("ending a trial that does not end by itself")?;
                child.wait().context("waiting for a trial")?;
                return Ok(if told { End::Interrupted } else { End::TooLate });
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// The way to a run that waits for its turns.
struct Door {
    stdin: ChildStdin,
    /// Says when it is ready; ends with it.
    ready: Receiver<()>,
}

impl Door {
    fn of(child: &mut Child) -> Option<Self> {
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take())?;
        let (tell, ready) = mpsc::channel();
        // Until its end, since it says more than that.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if RunEvent::parse(&line) == Some(RunEvent::Ready) {
                    let _ = tell.send(());
                }
            }
        });
        Some(Self { stdin, ready })
    }
}

/// What the child left: its result, or the sentence that says why there is none.
fn result(workload: &WorkloadSpec, out: &Path, status: ExitStatus, said: &str) -> Ended {
    if !out.exists() {
        let reason = if said.is_empty() { format!("it ended with {status}") } else { said.to_owned() };
        return Ended::failed(workload, reason);
    }
    match store::read(out) {
        Err(error) => Ended::failed(workload, format!("{:#}", anyhow::Error::from(error))),
        Ok(run) => {
            Ended { result: WorkloadResult::from_run(workload.kind, &run), tool: Some(run.tool), waited_in_vain: false }
        }
    }
}

/// Runs that waited in vain say so: with the reason of one that did not come to its turns.
fn blame_whoever_was_not_ready(ended: &mut [Ended]) {
    let waited =
        |one: &Ended| one.result.invalid_because.iter().any(|reason| reason.text.contains(&PeerFailed.to_string()));
    let reasons = ended.iter().find(|one| one.result.failed && !waited(one));
    let Some(reasons) = reasons.map(|one| one.result.invalid_because.clone()) else { return };
    for one in ended.iter_mut().filter(|one| waited(one)) {
        (one.waited_in_vain, one.result.invalid_because) = (true, reasons.clone());
    }
}

impl Ended {
    fn failed(workload: &WorkloadSpec, reason: String) -> Self {
        let result = WorkloadResult {
            kind: workload.kind,
            valid: false,
            invalid_because: vec![Reason::new(ReasonCode::NoResult, reason)],
            failed: true,
            disturbed: false,
            negotiated: Vec::new(),
            metrics: BTreeMap::new(),
        };
        Self { result, tool: None, waited_in_vain: false }
    }
}

/// The last of what it said that is a sentence of the program; what it shows of its progress is none.
fn last_sentence(stderr: impl Read) -> String {
    let mut last = String::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        match line.strip_prefix("wssbench: ") {
            Some(sentence) => last = sentence.to_owned(),
            None if line.contains("panicked at") => last = line,
            None => {}
        }
    }
    last
}
