//! One trial: one server driven once by `wssbench run`, and what came of it.
//!
//! The server's CPU time is that of its whole process from before the generator starts until after it has ended, over
//! every message of the trial, warm-up included. It therefore holds the opening and closing of the connections (twice:
//! the warm-up opens them once), the same number for every server: the ratios are drawn a little towards 1 by it, the
//! more the fewer messages a trial has. [`Figures::handshakes`] says how many there were.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use wss_model::run_result::{Environment, RunResult, Tool};
use wss_model::{EngineKind, HumanDuration, Latency, store};

use crate::comparison::Load;
use crate::server::Server;

/// The CPU of every server; one thread each.
pub const SERVER_CPU: &str = "0";
/// The CPU of the generator.
pub const CLIENT_CPU: &str = "1";
/// The generator's engine, whatever that of the server: the one that needs the least CPU.
pub const CLIENT_ENGINE: EngineKind = EngineKind::Uring;
/// What a trial may take beyond its warm-up and duration: opening, closing, and the generator's own deadlines of 10 s.
const SLACK: Duration = Duration::from_secs(60);
/// How long a server may take to have closed what the generator has seen the end of.
const SETTLE: Duration = Duration::from_millis(50);
/// `wssbench run`: it ran, but its result is not valid.
const EXIT_INVALID: i32 = 3;

/// What all trials have in common.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LegOptions {
    /// How long a trial measures.
    pub duration: HumanDuration,
    /// How long it warms up before.
    pub warmup: HumanDuration,
}

impl LegOptions {
    /// The command line of the generator; paths are relative to its folder, so that it can be published.
    pub fn command_line(&self, url: &str, ca: &str, load: &Load, out: &str) -> Vec<String> {
        let with_values = [
            ("--ca", ca.to_owned()),
            ("--client-cpus", CLIENT_CPU.to_owned()),
            ("--threads", "1".to_owned()),
            ("--client-engine", CLIENT_ENGINE.name().to_owned()),
            ("--connections", load.connections.to_string()),
            ("--size", load.size.to_string()),
            ("--connect-rate", "max".to_owned()),
            ("--rate", load.rate.to_string()),
            ("--duration", self.duration.to_string()),
            ("--warmup", self.warmup.to_string()),
            ("--out", out.to_owned()),
        ];
        let mut line = vec!["run".to_owned(), url.to_owned(), "--json".to_owned()];
        line.extend(with_values.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        line
    }
}

/// One trial as it is kept: valid, not valid (with figures and reasons), or failed (with a reason alone).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    /// Round, from 0.
    pub round: usize,
    /// Which load, by its name.
    pub load: String,
    /// Which server.
    pub server: String,
    /// Whether its figures count.
    pub valid: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// What it found; absent if it failed.
    pub figures: Option<Figures>,
}

/// What a trial found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Echoes a second in the measured phase.
    pub messages_per_s: f64,
    /// CPU time of the server's process a message, µs, over the whole trial: see the module.
    pub server_cpu_us: f64,
    /// CPU time of the generator's worker a message of the measured phase, µs.
    pub client_cpu_us: f64,
    /// CPU time of the generator's worker over elapsed time in the measured phase, 0 to 1: near 1 at a saturated load
    /// it is the generator that limits the messages a second.
    pub client_cpu_share: f64,
    /// Median of the response time (from the planned instant; in a closed loop from the sending), µs.
    pub response_us_p50: Option<f64>,
    /// 99th percentile of it, µs.
    pub response_us_p99: Option<f64>,
    /// Echoes of the measured phase.
    pub received: u64,
    /// Echoes of the warm-up.
    pub warmup_received: u64,
    /// Connections opened, warm-up included.
    pub handshakes: u64,
    /// CPU time of the server's process in the trial, nanoseconds.
    pub server_cpu_ns: u64,
    /// Threads of the server that ended during the trial, whose time is in part missing above: 0.
    pub server_threads_ended: usize,
    /// Share of the CPU time that the hypervisor kept for others, percent.
    pub steal_percent: f64,
}

/// Where and with what the trials were measured, as the generator tells it.
pub type Setting = (Environment, Tool);

/// Drives `server` once. `folder` has its CA as the file `ca`, and gets the generator's result.
///
/// # Errors
/// If the server has ended, or the generator cannot be started: then no further trial makes sense. A generator that
/// fails is a trial that failed.
pub fn drive(
    generator: &Path,
    folder: &Path,
    server: &mut Server,
    ca: &str,
    load: &Load,
    options: &LegOptions,
) -> anyhow::Result<Driven> {
    let out = folder.join("trial.json");
    // Of an earlier trial: it must not be read again if this one writes none.
    let _ = std::fs::remove_file(&out);
    let before = server.threads()?;
    let arguments = options.command_line(&server.ready.url, ca, load, "trial.json");
    let bound = options.warmup.0 + options.duration.0 + SLACK;
    if let Err(error) = run_generator(generator, folder, &arguments, bound)? {
        return Ok(Driven { reasons: vec![error], figures: None, setting: None });
    }
    std::thread::sleep(SETTLE);
    let ran = server.threads()?.since(&before);
    let result = store::read::<RunResult>(&out).context("reading the generator's result")?;
    let mut reasons = result.invalid_because.iter().map(ToString::to_string).collect::<Vec<_>>();
    let figures = figures(&result, ran.ns, ran.ended);
    match &figures {
        None => reasons.push("it has no echoes".to_owned()),
        Some(_) if ran.ended > 0 => {
            reasons.push(format!("{} of the server's threads ended, with their CPU time", ran.ended));
        }
        Some(_) => {}
    }
    Ok(Driven { reasons, figures, setting: Some((result.environment, result.tool)) })
}

/// What became of one drive; no reasons means that it is valid.
#[derive(Debug)]
pub struct Driven {
    /// Why it is not valid, or failed.
    pub reasons: Vec<String>,
    /// What it found; absent if it failed.
    pub figures: Option<Figures>,
    /// The machine and the generator.
    pub setting: Option<Setting>,
}

fn figures(result: &RunResult, server_cpu_ns: u64, server_threads_ended: usize) -> Option<Figures> {
    let echo = result.echo.as_ref()?;
    let warmup_received = result.warmup.echo.as_ref().map_or(0, |warmup| warmup.received);
    let warmup_handshakes = result.warmup.handshake.as_ref().map_or(0, |warmup| warmup.completed);
    let messages = echo.received + warmup_received;
    let us = |percentile: fn(&Latency) -> Option<u64>| percentile(&echo.response).map(|ns| ns as f64 / 1e3);
    (messages > 0).then_some(())?;
    Some(Figures {
        messages_per_s: echo.rate_per_s,
        server_cpu_us: server_cpu_ns as f64 / messages as f64 / 1e3,
        client_cpu_us: echo.client_cpu_ns? / 1e3,
        client_cpu_share: result.client.cpu_utilization,
        response_us_p50: us(|latency| latency.p50),
        response_us_p99: us(|latency| latency.p99),
        received: echo.received,
        warmup_received,
        handshakes: result.handshake.completed + warmup_handshakes,
        server_cpu_ns,
        server_threads_ended,
        steal_percent: result.environment.steal_percent,
    })
}

/// Kills the generator if this process gives up on it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Runs the generator; the inner error is what it said when it could not run, or did not end within `bound`.
fn run_generator(
    program: &Path,
    folder: &Path,
    arguments: &[String],
    bound: Duration,
) -> anyhow::Result<Result<(), String>> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = Killed(child.context("starting wssbench")?);
    let mut stderr = child.0.stderr.take().context("its output is a pipe")?;
    let (end, ended) = mpsc::channel();
    // The end of its standard error is the end of the process: waiting for that wakes nobody on the measured CPUs,
    // as asking again and again whether it is done would.
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stderr.read_to_end(&mut said);
        let _ = end.send(String::from_utf8_lossy(&said).into_owned());
    });
    let Ok(said) = ended.recv_timeout(bound) else {
        return Ok(Err(format!("wssbench did not end within {bound:?}")));
    };
    let status = child.0.wait().context("waiting for wssbench")?;
    match status.code() {
        Some(0 | EXIT_INVALID) => Ok(Ok(())),
        _ => {
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            Ok(Err(format!("wssbench ended with {status}: {last}")))
        }
    }
}

/// Refuses what no comparison could do.
///
/// # Errors
/// The first thing that cannot be, with what to do about it.
pub fn check(options: &LegOptions) -> anyhow::Result<()> {
    ensure!(!options.duration.0.is_zero(), "--duration is 0: give a length of time such as 3s");
    let cpus = wss_wire::machine::allowed_cpus().context("asking for the CPUs of this process")?;
    for cpu in [SERVER_CPU, CLIENT_CPU] {
        if !cpu.parse().is_ok_and(|cpu: usize| cpus.contains(&cpu)) {
            bail!(
                "CPU {cpu} is not one that this process may use: the servers run on {SERVER_CPU}, the generator on {CLIENT_CPU}"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> LegOptions {
        LegOptions { duration: HumanDuration::from_secs(3), warmup: HumanDuration::from_secs(1) }
    }

    #[test]
    fn the_generator_is_asked_for_one_thread_on_a_cpu_of_its_own() {
        let line = options().command_line("URL", "ca.pem", &crate::comparison::loads()[2], "trial.json").join(" ");
        assert_eq!(
            line,
            "run URL --json --ca ca.pem --client-cpus 1 --threads 1 --client-engine uring --connections 200 --size 64B \
             --connect-rate max --rate 20000/s --duration 3s --warmup 1s --out trial.json"
        );
    }

    #[test]
    fn a_generator_that_could_not_run_is_told_in_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let run = |script: &str, bound| {
            let arguments = ["-c".to_owned(), script.to_owned()];
            run_generator(Path::new("/bin/sh"), folder.path(), &arguments, bound).unwrap()
        };
        let second = Duration::from_secs(20);
        assert_eq!(run("exit 3", second), Ok(()));
        let sentence = run("echo wssbench: no CPU >&2; exit 1", second).unwrap_err();
        assert!(sentence.ends_with("wssbench: no CPU") && sentence.contains("exit status: 1"), "{sentence}");
        let sentence = run("exec sleep 30", Duration::from_millis(50)).unwrap_err();
        assert!(sentence.contains("did not end within 50ms"), "{sentence}");
    }
}
