//! One part of one leg: a `wssbench run` as a child process, hence with a server process that nobody used before.

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
use wss_results::store;
use wss_results::sweep_result::{Part, PartResult, measure};
use wss_results::validity::is_only_disturbed;

use super::{axes, parts};

/// What a run may take beyond its warm-up and duration: its own deadlines, starting a server that makes RSA keys.
const SLACK: Duration = Duration::from_secs(120);
/// How long it may take to end in order when it was interrupted.
const END: Duration = Duration::from_secs(30);
/// How often its end is looked for: rarely enough not to be measured, and often enough not to add to the sweep.
const LOOK: Duration = Duration::from_millis(10);

/// Runs parts.
pub(super) struct Runner {
    program: PathBuf,
    /// For results on their way from the child to here.
    folder: tempfile::TempDir,
    interrupted: Arc<AtomicBool>,
}

/// How a child ended.
enum End {
    Itself(ExitStatus),
    Interrupted,
    TooLate,
}

impl Runner {
    /// # Errors
    /// If this program is not to be found again, or there is no place for temporary files.
    pub(super) fn new(interrupted: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program, to run each leg with")?;
        let folder = tempfile::tempdir().context("making a folder for the results of the legs")?;
        Ok(Self { program, folder, interrupted })
    }

    /// Runs one part; `None` if it was interrupted.
    ///
    /// # Errors
    /// If no process can be started at all. What is wrong with this part alone is told in its result.
    pub(super) fn run(&self, part: &Part, configuration: &[String], seed: u64) -> anyhow::Result<Option<PartResult>> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let arguments = parts::arguments(part, configuration);
        let times = axes::parse(&arguments).map_or(Duration::ZERO, |config| config.duration.0 + config.warmup.0);
        let out = self.folder.path().join("part.json");
        let _ = std::fs::remove_file(&out);
        let mut child = Command::new(&self.program)
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
            .context("starting a leg")?;
        let stderr = child.stderr.take().context("its standard error is a pipe")?;
        let said = std::thread::spawn(move || last_sentence(stderr));
        let end = self.wait(&mut child, times.saturating_add(SLACK))?;
        let said = said.join().unwrap_or_default();
        Ok(match end {
            End::Interrupted => None,
            End::TooLate => Some(failed(part, format!("it did not end within {:?} of its time", SLACK))),
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
fn result(part: &Part, out: &Path, status: ExitStatus, said: &str) -> PartResult {
    if !out.exists() {
        let reason = if said.is_empty() { format!("it ended with {status}") } else { said.to_owned() };
        return failed(part, reason);
    }
    match store::read(out) {
        Err(error) => failed(part, error.to_string()),
        Ok(run) => PartResult {
            kind: part.kind,
            valid: run.valid,
            invalid_because: run.invalid_because.clone(),
            failed: false,
            disturbed: is_only_disturbed(&run),
            negotiated: run.negotiated.clone(),
            metrics: measure(part.kind, &run),
        },
    }
}

fn failed(part: &Part, reason: String) -> PartResult {
    PartResult {
        kind: part.kind,
        valid: false,
        invalid_because: vec![reason],
        failed: true,
        disturbed: false,
        negotiated: Vec::new(),
        metrics: BTreeMap::new(),
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
