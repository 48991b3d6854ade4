//! Runs `wssbench` as a user does: with arguments, in a folder of its own, and in bounded time.

// Each test file is a program of its own and uses only some of this.
#![allow(dead_code)]

pub(crate) mod comparison;
pub(crate) mod openssl;
pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod tls;

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wss_model::run_result::ErrorCount;
use wss_model::validity::Reason;
use wss_model::{Latency, ReasonCode, RunResult};

/// Options with which a run takes little more than a second.
pub(crate) const SHORT: [&str; 4] = ["--warmup", "0s", "--duration", "1s"];
/// A closed loop.
pub(crate) const CLOSED: [&str; 4] = ["--rate", "max", "--connect-rate", "max"];
/// Every engine, by its name for `--engine`.
pub(crate) const ENGINES: [&str; 3] = ["uring", "epoll", "tokio-uring"];
/// How long a short run may take: far more than it does, to detect a hang.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// A running command.
pub(crate) struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    /// Standard error so far.
    heard: Arc<Mutex<Vec<u8>>>,
    arguments: String,
    start: Instant,
    pub(crate) folder: TempDir,
}

/// A command that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    pub(crate) folder: TempDir,
    arguments: String,
}

/// `wssbench` with these arguments, in an empty folder: its results go to `results/runs/` there.
pub(crate) fn start(arguments: &[&str]) -> Running {
    start_in(tempfile::tempdir().unwrap(), arguments)
}

/// [`start`] in a given folder.
pub(crate) fn start_in(folder: TempDir, arguments: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wssbench"));
    command.args(arguments);
    // Tests run side by side: a generator that spins would take the CPU of the others.
    command.env("WSSBENCH_IDLE", "sleep");
    start_command(command, folder)
}

/// Starts a command that is, or becomes, `wssbench`.
pub(crate) fn start_command(mut command: Command, folder: TempDir) -> Running {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    command.current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let heard = Arc::default();
    let stdout = collect(child.stdout.take().unwrap(), Arc::default());
    let stderr = collect(child.stderr.take().unwrap(), Arc::clone(&heard));
    let arguments = arguments.join(" ");
    Running { child, stdout: Some(stdout), stderr: Some(stderr), heard, arguments, start: Instant::now(), folder }
}

/// Reads to the end in a thread: a full pipe would stop the command.
fn collect(mut pipe: impl Read + Send + 'static, into: Arc<Mutex<Vec<u8>>>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut part = [0; 8192];
        while let Ok(length @ 1..) = pipe.read(&mut part) {
            into.lock().unwrap().extend(&part[..length]);
        }
        String::from_utf8_lossy(&into.lock().unwrap()).into_owned()
    })
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `-INT`.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success(), "kill {signal} {}", self.pid());
    }

    /// Whether its standard error contains `words`.
    pub(crate) fn said(&self, words: &str) -> bool {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).contains(words)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end. The test fails if that takes longer than `bound`.
    pub(crate) fn end_within(mut self, bound: Duration) -> Ended {
        let deadline = Instant::now() + bound;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() > deadline {
                break None;
            }
            thread::sleep(Duration::from_millis(5));
        };
        let took = self.start.elapsed();
        if status.is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        let stdout = self.stdout.take().unwrap().join().unwrap();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        let arguments = &self.arguments;
        let Some(status) = status else { panic!("no end within {bound:?}: wssbench {arguments}\n{stderr}\n{stdout}") };
        assert!(!stderr.contains("panicked"), "wssbench {arguments}\n{stderr}");
        let arguments = std::mem::take(&mut self.arguments);
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Ended { status, stdout, stderr, took, folder, arguments }
    }
}

impl Drop for Running {
    /// A failing test leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end within [`BOUND`].
pub(crate) fn wssbench(arguments: &[&str]) -> Ended {
    start(arguments).end_within(BOUND)
}

/// `wssbench run --json` with these arguments within [`BOUND`].
pub(crate) fn run(arguments: &[&str]) -> Ended {
    wssbench(&[&["run", "--json"], arguments].concat())
}

impl Ended {
    /// The exit code. The test fails if a signal killed the command.
    pub(crate) fn code(&self) -> Option<i32> {
        assert!(self.status.signal().is_none(), "{self}");
        self.status.code()
    }

    /// The result that it printed. Asserts that the exit code matches its validity.
    pub(crate) fn result(&self) -> RunResult {
        let result: RunResult =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no result: {error}\n{self}"));
        assert_eq!(self.code(), Some(if result.valid { 0 } else { 3 }), "{self}");
        assert_eq!(result.valid, result.invalid_because.is_empty(), "{self}");
        result
    }

    /// Asserts that it failed with exit code 1, no result and one error line; returns that line.
    pub(crate) fn refusal(&self) -> String {
        assert_eq!(self.code(), Some(1), "{self}");
        assert!(
            !self.folder.path().join("results/runs").exists() || files(&self.folder.path().join("results/runs")) == 0
        );
        let said: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("wssbench: ")).collect();
        assert_eq!(said.len(), 1, "not exactly one error\n{self}");
        assert_eq!(self.stderr.lines().last(), Some(said[0]), "output after the error\n{self}");
        if self.arguments.starts_with("serve") {
            // The server reports the same error as an event, for the process that started it.
            let event: serde_json::Value = serde_json::from_str(&self.stdout).unwrap();
            assert_eq!(
                (event["event"].as_str(), event["text"].as_str()),
                (Some("failed"), said[0].strip_prefix("wssbench: "))
            );
        } else {
            assert_eq!(self.stdout, "", "{self}");
        }
        said[0].to_owned()
    }
}

/// The number of files in a folder.
fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { arguments, status, stdout, stderr, .. } = self;
        let stdout: String = stdout.chars().take(2_000).collect();
        write!(f, "wssbench {arguments}\n{status}\n--- standard error\n{stderr}\n--- standard output\n{stdout}")
    }
}

/// Asserts what holds for every result, whatever the server did: nothing is lost or counted twice.
pub(crate) fn assert_adds_up(result: &RunResult) {
    let handshake = &result.handshake;
    assert_eq!(handshake.planned, handshake.completed + handshake.failed);
    assert!(handshake.started <= handshake.planned);
    let mut latencies = vec![&handshake.connect, &handshake.ready, &handshake.lateness];
    let layer = result.target.url.split(':').next().unwrap();
    if matches!(layer, "wss" | "tls") {
        latencies.push(&handshake.tls);
    }
    if matches!(layer, "wss" | "ws") {
        latencies.push(&handshake.upgrade);
    }
    for latency in latencies {
        assert_eq!(samples(latency), handshake.completed);
    }
    let tls: u64 = result.negotiated.iter().map(|entry| entry.count).sum();
    assert_eq!(tls, if matches!(layer, "wss" | "tls") { handshake.completed } else { 0 });
    if let Some(echo) = &result.echo {
        assert_eq!(echo.planned, echo.received + echo.failed);
        assert!(echo.received <= echo.sent && echo.sent <= echo.planned, "{echo:?}");
        assert_eq!((samples(&echo.response), samples(&echo.service)), (echo.received, echo.received));
    }
}

/// The number of samples in the histogram of a latency.
pub(crate) fn samples(latency: &Latency) -> u64 {
    latency.samples().unwrap().count()
}

/// Asserts that a run completed everything it planned. It may be invalid only because this machine is busy.
pub(crate) fn assert_no_errors(result: &RunResult) {
    assert_adds_up(result);
    assert_eq!(result.errors, Vec::<ErrorCount>::new());
    assert_eq!(result.handshake.failed, 0);
    assert!(result.handshake.completed > 0);
    if let Some(echo) = &result.echo {
        assert_eq!(echo.failed, 0);
        assert!(echo.received > 0);
    }
    assert_only_disturbed(&result.invalid_because);
}

/// Codes of what a busy machine does to a run.
const MACHINE: [ReasonCode; 10] = [
    ReasonCode::GeneratorLate,
    ReasonCode::GeneratorCpu,
    ReasonCode::GeneratorShare,
    ReasonCode::GeneratorStalled,
    ReasonCode::GeneratorDescheduled,
    ReasonCode::ServerDescheduled,
    ReasonCode::RateNotAchieved,
    // Closed loops of a fixed duration complete less.
    ReasonCode::TooFewSamples,
    ReasonCode::CgroupThrottled,
    ReasonCode::Steal,
];

/// Asserts that there are no reasons but those of a busy machine: tests run side by side.
pub(crate) fn assert_only_disturbed(reasons: &[Reason]) {
    assert!(reasons.iter().all(|reason| MACHINE.contains(&reason.code)), "{reasons:?}");
}

/// The errors as phase, kind and count.
pub(crate) fn errors(result: &RunResult) -> Vec<(&str, &str, u64)> {
    result.errors.iter().map(|error| (error.phase.name(), error.kind.name(), error.count)).collect()
}

/// Skips a test that lacks a prerequisite; fails it if all prerequisites are expected (`.ci/run`).
pub(crate) fn left_out(why: &str) {
    assert!(std::env::var_os("WSSBENCH_TEST_ALL").is_none(), "{why}");
    eprintln!("left out: {why}");
}
