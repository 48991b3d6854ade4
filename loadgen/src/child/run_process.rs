//! `wssbench run` as a child process that reports by events ([`super::protocol`]).

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use super::protocol::{EVENTS, ParentEvent, RunEvent};

/// How long a run may take to end after SIGINT, before SIGKILL.
const END: Duration = Duration::from_secs(30);
/// Interval at which its end is checked: rarely enough not to disturb the measurement, often enough not to prolong it.
const POLL: Duration = Duration::from_millis(10);
/// Bytes of a line that are kept.
const MAX_LINE: u64 = 64 << 10;

/// A run that was started.
pub(super) struct RunProcess {
    child: Child,
    /// For [`ParentEvent`]s; `None` for a run without time slices.
    stdin: Option<ChildStdin>,
    events: Receiver<RunEvent>,
    /// The failure, if it was received before the end.
    failure: Option<RunEvent>,
    /// Gives the last line of standard error that is not empty.
    stderr: JoinHandle<String>,
    /// The time after which it is ended.
    limit: Duration,
}

/// How a run ended.
pub(super) enum RunEnd {
    Exited {
        status: ExitStatus,
        /// Its `failed` event.
        failure: Option<RunEvent>,
        /// The last line of standard error: all that is known about a program that sends no events.
        last_line: String,
    },
    Interrupted,
    /// It took longer than its limit.
    TimedOut,
}

impl RunProcess {
    /// Starts `program` with `arguments`; it may take `limit`. With `has_slices` it waits for [`Self::begin`].
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(super) fn start(
        program: &Path,
        arguments: &[String],
        has_slices: bool,
        limit: Duration,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env(EVENTS, "1")
            .stdin(if has_slices { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // In its own group, so that Ctrl-C of the terminal reaches only this process, which passes it on.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start a trial with {}", program.display()))?;
        let (stdout, stderr) = child.stdout.take().zip(child.stderr.take()).context("opening pipes")?;
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            for_each_line(stdout, |line| {
                if let Some(event) = RunEvent::parse(line) {
                    let _ = sender.send(event);
                }
            });
        });
        let stderr = std::thread::spawn(move || {
            let mut last = String::new();
            for_each_line(stderr, |line| {
                if !line.is_empty() {
                    line.clone_into(&mut last);
                }
            });
            last
        });
        Ok(Self { stdin: child.stdin.take(), child, events, failure: None, stderr, limit })
    }

    /// Waits until the run is ready for its first slice; `false` if it ended before, at the deadline, or if interrupted.
    pub(super) fn wait_until_ready(&mut self, deadline: Instant, interrupted: &AtomicBool) -> bool {
        loop {
            match self.events.recv_timeout(POLL) {
                Ok(RunEvent::Ready) => return true,
                Ok(failed @ RunEvent::Failed { .. }) => {
                    // For `wait`.
                    self.failure = Some(failed);
                    return false;
                }
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if interrupted.load(Ordering::Relaxed) || Instant::now() > deadline {
                return false;
            }
        }
    }

    /// Passes on when the slices begin. An error is that of a run that has ended, which [`Self::wait`] reports.
    pub(super) fn begin(&mut self, begin: ParentEvent) {
        if let Some(stdin) = &mut self.stdin {
            let _ = begin.send(stdin);
        }
    }

    /// Closes the standard input of a run that waits for its slices: it fails.
    pub(super) fn cancel(&mut self) {
        self.stdin = None;
    }

    /// Waits for the end of the run, and passes an interruption on.
    ///
    /// # Errors
    /// If the process cannot be waited for or signalled.
    pub(super) fn wait(mut self, interrupted: &AtomicBool) -> anyhow::Result<RunEnd> {
        let deadline = Instant::now() + self.limit;
        loop {
            if let Some(status) = self.child.try_wait().context("waiting for a trial")? {
                let mut later = self.events.iter().filter(|event| matches!(event, RunEvent::Failed { .. }));
                let failure = self.failure.take().or_else(|| later.next());
                let last_line = self.stderr.join().unwrap_or_default();
                return Ok(RunEnd::Exited { status, failure, last_line });
            }
            let is_late = Instant::now() > deadline;
            if is_late || interrupted.load(Ordering::Relaxed) {
                self.end()?;
                return Ok(if is_late { RunEnd::TimedOut } else { RunEnd::Interrupted });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Ends the run in order, so that it also ends its server.
    fn end(&mut self) -> anyhow::Result<()> {
        // The process has not been reaped, so that its ID is still its own.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.map(|pid| kill_process(pid, Signal::INT)).transpose().context("interrupting a trial")?;
        let deadline = Instant::now() + END;
        while self.child.try_wait().context("waiting for a trial")?.is_none() {
            if Instant::now() > deadline {
                self.child.kill().context("killing a trial that does not end")?;
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

/// Reads a pipe to its end, line by line.
fn for_each_line(pipe: impl Read, mut each: impl FnMut(&str)) {
    let (mut pipe, mut bytes) = (BufReader::new(pipe), Vec::new());
    while matches!(pipe.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes), Ok(1..)) {
        each(String::from_utf8_lossy(&bytes).trim_end());
        bytes.clear();
    }
}
