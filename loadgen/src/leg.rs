//! One part of one leg, of a sweep or of a comparison: a `wssbench run` as a child process, hence with a server process
//! that nobody used before.

pub(crate) mod parts;
pub(crate) mod progress;
pub(crate) mod run_options;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use wss_results::run_result::Tool;
use wss_results::store;
use wss_results::sweep_result::{Part, PartResult};
use wss_results::{Mode, RunConfig};

/// What a run may take beyond its warm-up and duration: its own deadlines, starting a server that makes RSA keys.
const SLACK: Duration = Duration::from_secs(120);
/// What starting and ending one part's processes takes, for an estimate.
const AROUND_A_PART: Duration = Duration::from_millis(350);
/// What one connection takes to be opened, once to warm up and once more, for an estimate.
const TO_OPEN: Duration = Duration::from_millis(1);
/// How long it may take to end in order when it was interrupted.
const END: Duration = Duration::from_secs(30);
/// How often its end is looked for: rarely enough not to be measured, and often enough not to add to the sweep.
const LOOK: Duration = Duration::from_millis(10);

/// Runs parts.
pub(crate) struct Runner {
    /// For results on their way from the child to here.
    folder: tempfile::TempDir,
    interrupted: Arc<AtomicBool>,
}

/// What a part has come to.
pub(crate) struct Ended {
    /// Its figures, or why there are none.
    pub(crate) result: PartResult,
    /// What ran it says of itself.
    pub(crate) tool: Option<Tool>,
}

/// This program, to run parts with.
///
/// # Errors
/// If it is not to be found again.
pub(crate) fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("finding this program, to run each leg with")
}

/// About how long a part takes, with the opening of its connections, and starting and ending its processes.
pub(crate) fn lasts(part: &Part) -> Duration {
    let of = |config: RunConfig| {
        let opening = match config.mode {
            Mode::Echo => TO_OPEN * u32::try_from(config.connections).unwrap_or(u32::MAX),
            Mode::Handshake => Duration::ZERO,
        };
        config.duration.0 + config.warmup.0 + opening
    };
    run_options::parse(&part.options).map_or(Duration::ZERO, of) + AROUND_A_PART
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
        let folder = tempfile::tempdir().context("making a folder for the results of the legs")?;
        Ok(Self { folder, interrupted })
    }

    /// Runs one part with a program, this one or another build of it; `None` if it was interrupted.
    ///
    /// # Errors
    /// If no process can be started at all. What is wrong with this part alone is told in its result.
    pub(crate) fn run(
        &self,
        program: &Path,
        part: &Part,
        configuration: &[String],
        seed: u64,
    ) -> anyhow::Result<Option<Ended>> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let arguments = parts::arguments(part, configuration);
        let times = run_options::parse(&arguments).map_or(Duration::ZERO, |config| config.duration.0 + config.warmup.0);
        let out = self.folder.path().join("part.json");
        let _ = std::fs::remove_file(&out);
        let mut child = Command::new(program)
            .arg("run")
            .args(&arguments)
            .arg(format!("--seed={seed}"))
            .arg("--out")
            .arg(&out)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // In a group of its own, so that a Ctrl-C of the terminal reaches the sweep alone, which passes it on.
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting a leg with {}", program.display()))?;
        let stderr = child.stderr.take().context("its standard error is a pipe")?;
        let said = std::thread::spawn(move || last_sentence(stderr));
        let end = self.wait(&mut child, times.saturating_add(SLACK))?;
        let said = said.join().unwrap_or_default();
        Ok(match end {
            End::Interrupted => None,
            End::TooLate => Some(Ended::failed(part, format!("it did not end within {:?} of its time", SLACK))),
            End::Itself(status) => Some(result(part, &out, status, &said)),
        })
    }

    /// Waits for its end, and passes an interruption on.
    fn wait(&self, child: &mut Child, at_most: Duration) -> anyhow::Result<End> {
        let mut deadline = Instant::now() + at_most;
        let mut told = false;
        loop {
            if let Some(status) = child.try_wait().context("waiting for a leg")? {
                return Ok(if told { End::Interrupted } else { End::Itself(status) });
            }
            if !told && self.interrupted.load(Ordering::Relaxed) {
                told = true;
                deadline = Instant::now() + END;
                // It has not been waited for, so that its number is still its own.
                let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                pid.map(|pid| kill_process(pid, Signal::INT)).transpose().context("interrupting a leg")?;
            }
            if Instant::now() > deadline {
                child.kill().context("ending a leg that does not end by itself")?;
                child.wait().context("waiting for a leg")?;
                return Ok(if told { End::Interrupted } else { End::TooLate });
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// What the child left: its result, or the sentence that says why there is none.
fn result(part: &Part, out: &Path, status: ExitStatus, said: &str) -> Ended {
    if !out.exists() {
        let reason = if said.is_empty() { format!("it ended with {status}") } else { said.to_owned() };
        return Ended::failed(part, reason);
    }
    match store::read(out) {
        Err(error) => Ended::failed(part, error.to_string()),
        Ok(run) => Ended { result: PartResult::of(part.kind, &run), tool: Some(run.tool) },
    }
}

impl Ended {
    fn failed(part: &Part, reason: String) -> Self {
        let result = PartResult {
            kind: part.kind,
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
