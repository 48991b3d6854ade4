//! Tries to obtain a valid result of something other than the server: the generator is stopped, its CPU is used by others,
//! its control group is frozen. Each run must be invalid for the right reason. What is the fault of the server must not make
//! the run invalid.
//!
//! These tests disturb the machine, so they run one after the other, in a program of their own.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use common::process::{embedded_server, wait_for_phase};
use common::{BOUND, Ended, Running, left_out, start_command};
use wss_model::{ReasonCode, RunResult};

/// The kinds of load. The rate is one that a quiet machine keeps easily.
const OPEN: &str = "--mode echo --connections 100 --connect-rate max --rate 2000/s";
const CLOSED: &str = "--mode echo --connections 20 --connect-rate max --rate max";
const HANDSHAKES: &str = "--mode handshake --connect-rate max --connect-concurrency 16";
const LOADS: [(&str, &str); 3] = [(OPEN, "echo"), (CLOSED, "echo"), (HANDSHAKES, "handshake")];

/// Codes that blame the machine or the generator.
const BLAME: [ReasonCode; 9] = [
    ReasonCode::GeneratorCpu,
    ReasonCode::GeneratorLate,
    ReasonCode::GeneratorShare,
    ReasonCode::GeneratorStalled,
    ReasonCode::GeneratorDescheduled,
    ReasonCode::ServerDescheduled,
    ReasonCode::Suspended,
    ReasonCode::CgroupThrottled,
    ReasonCode::CgroupFrozen,
];

/// What the wake-up of a CPU causes as well.
const WAKE_UP: [ReasonCode; 2] = [ReasonCode::GeneratorLate, ReasonCode::GeneratorShare];

/// One test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Starts `wssbench run` with the default idle policy; `launcher` is a command that becomes `wssbench`.
fn run_by(launcher: &[&str], options: &str) -> Running {
    let program = env!("CARGO_BIN_EXE_wssbench");
    let mut words = launcher.to_vec();
    words.push(program);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["run", "--json", "--warmup", "200ms", "--duration", "1500ms"]);
    command.args(options.split_whitespace());
    start_command(command, tempfile::tempdir().unwrap())
}

fn run(options: &str) -> Running {
    run_by(&[], options)
}

fn result(running: Running) -> (Ended, RunResult) {
    let ended = running.end_within(BOUND);
    let result = ended.result();
    (ended, result)
}

fn codes(result: &RunResult) -> Vec<ReasonCode> {
    result.invalid_because.iter().map(|reason| reason.code).collect()
}

/// Asserts exit code 3 and that one of the reasons has this code.
fn assert_invalid((ended, result): &(Ended, RunResult), code: ReasonCode, what: &str) {
    assert_eq!(ended.status.code(), Some(3), "{what}: {:?}", result.invalid_because);
    assert!(codes(result).contains(&code), "{what}: {:?}", result.invalid_because);
}

/// Stops a process for some time.
fn stop(pid: u32, time: Duration) {
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    thread::sleep(time);
    signal("-CONT");
}

/// A process that uses a CPU until it is dropped.
struct Burner(Child);

impl Burner {
    fn start(cpu: usize) -> Self {
        let spin = "while :; do :; done";
        let mut burner = Command::new("taskset");
        burner.args(["-c", &cpu.to_string(), "sh", "-c", spin]).stdin(Stdio::null());
        Self(burner.spawn().unwrap())
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_stopped_generator_is_not_charged_to_the_server() {
    let _alone = alone();
    for ms in [100, 300, 1200] {
        for (load, phase) in LOADS {
            let mut running = run(&format!("{load} --duration 2s"));
            wait_for_phase(&mut running, phase);
            thread::sleep(Duration::from_millis(500));
            stop(running.pid(), Duration::from_millis(ms));
            let found = result(running);
            let what = format!("stopped for {ms} ms, {load}");
            assert_invalid(&found, ReasonCode::GeneratorStalled, &what);
            if load == OPEN {
                assert_invalid(&found, ReasonCode::GeneratorShare, &what);
                let breakdown = found.1.echo.as_ref().unwrap().breakdown.as_ref().unwrap();
                assert!(breakdown.generator_share() > 0.5, "{what}: {breakdown:?}");
            }
        }
    }
}

#[test]
fn a_stopped_server_is_blamed_and_the_run_is_valid() {
    let _alone = alone();
    for (load, phase) in LOADS {
        let stopped_server = || {
            let mut running = run(load);
            let server = embedded_server(&mut running);
            wait_for_phase(&mut running, phase);
            thread::sleep(Duration::from_millis(500));
            stop(server, Duration::from_millis(300));
            let (_, result) = result(running);
            let mut codes = codes(&result);
            if load == OPEN {
                let echo = result.echo.as_ref().unwrap();
                // A tenth of the messages was planned while the server was stopped.
                assert!(echo.response.p99.unwrap() > 100_000_000, "{:?}", echo.response);
                if echo.breakdown.as_ref().unwrap().generator_share() > 0.1 {
                    codes.push(ReasonCode::GeneratorShare);
                }
            }
            codes
        };
        assert_not_blamed(load, &BLAME, stopped_server);
    }
}

#[test]
fn an_undisturbed_run_is_valid() {
    let _alone = alone();
    for (load, _) in LOADS {
        assert_not_blamed(load, &BLAME, || codes(&result(run(load)).1));
    }
    // The other engines account for their threads in ways of their own. They do not spin, so how late they are depends on
    // how fast this machine's CPUs wake up.
    let disturbances: Vec<ReasonCode> = BLAME.into_iter().filter(|code| !WAKE_UP.contains(code)).collect();
    for load in ["epoll", "tokio-uring"].map(|engine| format!("{OPEN} --engine {engine}")) {
        assert_not_blamed(&load, &disturbances, || codes(&result(run(&load)).1));
    }
}

/// Asserts that none of the codes `blame` is found. The machine may be disturbed by others, so two of eight attempts have to
/// succeed. While its CPUs do not even run a thread that spins, a generator is late, and blaming it for that is right.
fn assert_not_blamed(load: &str, blame: &[ReasonCode], attempt: impl Fn() -> Vec<ReasonCode>) {
    let mut blamed = Vec::new();
    for attempts in 1..=8 {
        let missing = missing_share();
        let codes = attempt();
        let is_wrong = |code: &ReasonCode| blame.contains(code) && (missing < MISSING || !WAKE_UP.contains(code));
        if codes.iter().any(is_wrong) {
            blamed.push((missing, codes));
        }
        if attempts - blamed.len() == 2 {
            return;
        }
    }
    panic!("{load}: {blamed:?}");
}

/// With a larger share, 1% of the messages can be late by 100 µs, which is the limit.
const MISSING: f64 = 0.002;

/// The share of the time in which a thread that spins on a CPU of its own, the generator's, does not run for over 50 µs at a
/// time: what a hypervisor takes from it.
fn missing_share() -> f64 {
    let spinning = thread::spawn(|| {
        wss_wire::machine::pin_thread(&[cpus() - 1].into()).unwrap();
        let (start, mut last, mut missing) = (Instant::now(), Instant::now(), Duration::ZERO);
        while start.elapsed() < Duration::from_millis(300) {
            let now = Instant::now();
            if now - last > Duration::from_micros(50) {
                missing += now - last;
            }
            last = now;
        }
        missing.as_secs_f64() / start.elapsed().as_secs_f64()
    });
    spinning.join().unwrap()
}

#[test]
fn a_burner_on_the_cpu_of_the_generator_makes_every_load_invalid() {
    if cpus() < 2 {
        return left_out("a CPU for each end is required");
    }
    let _alone = alone();
    for (load, _) in LOADS {
        let running = run(&format!("{load} --client-cpus 1 --server-cpus 0"));
        let burner = Burner::start(1);
        let found = result(running);
        drop(burner);
        // With a paced load the generator may get its CPU in time, but then it is late.
        let late = [ReasonCode::GeneratorDescheduled, ReasonCode::GeneratorLate, ReasonCode::GeneratorShare];
        let code = late.into_iter().find(|code| codes(&found.1).contains(code));
        assert_invalid(&found, code.unwrap_or(ReasonCode::GeneratorDescheduled), load);
    }
}

#[test]
fn two_runs_on_the_same_cpus_are_both_invalid() {
    let _alone = alone();
    let [one, other] = [run(CLOSED), run(CLOSED)];
    for found in [result(one), result(other)] {
        assert_invalid(&found, ReasonCode::GeneratorDescheduled, "two runs");
    }
}

#[test]
fn one_cpu_for_both_ends_is_invalid_under_full_load_and_noted() {
    let _alone = alone();
    let found = result(run(&format!("{CLOSED} --client-cpus 0 --server-cpus 0")));
    assert_invalid(&found, ReasonCode::GeneratorDescheduled, "one CPU");
    let notes = found.1.notes.join(" ");
    assert!(notes.contains("share CPUs") && notes.contains("sleeps while idle"), "{notes}");
}

/// A control group that can be frozen.
struct FreezableGroup {
    folder: PathBuf,
    /// The file that freezes it, and what to write to freeze and to thaw it.
    file: &'static str,
    states: [&'static str; 2],
}

impl FreezableGroup {
    fn make(parent: &str, file: &'static str, states: [&'static str; 2]) -> Option<Self> {
        let folder = Path::new(parent).join(format!("wssbench-test-{}", std::process::id()));
        if !Path::new(parent).join("cgroup.procs").exists() {
            return None;
        }
        fs::create_dir(&folder).ok()?;
        Some(Self { folder, file, states })
    }

    fn freeze(&self, time: Duration) {
        fs::write(self.folder.join(self.file), self.states[0]).unwrap();
        thread::sleep(time);
        fs::write(self.folder.join(self.file), self.states[1]).unwrap();
    }
}

impl Drop for FreezableGroup {
    fn drop(&mut self) {
        // A group with processes cannot be removed, and a process leaves it a moment after it has ended.
        for _ in 0..200 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_frozen_control_group_makes_a_run_invalid() {
    let _alone = alone();
    let groups = [
        FreezableGroup::make("/sys/fs/cgroup/freezer", "freezer.state", ["FROZEN", "THAWED"]),
        FreezableGroup::make("/sys/fs/cgroup/unified", "cgroup.freeze", ["1", "0"])
            .or_else(|| FreezableGroup::make("/sys/fs/cgroup", "cgroup.freeze", ["1", "0"])),
    ];
    if groups.iter().all(Option::is_none) {
        return left_out("a control group that this user may create is required");
    }
    for group in groups.iter().flatten() {
        let procs = group.folder.join("cgroup.procs");
        let join = format!("echo $$ > {} && exec \"$@\"", procs.display());
        let mut running = run_by(&["sh", "-c", &join, "sh"], CLOSED);
        wait_for_phase(&mut running, "echo");
        thread::sleep(Duration::from_millis(500));
        group.freeze(Duration::from_millis(300));
        let found = result(running);
        assert_invalid(&found, ReasonCode::GeneratorStalled, group.file);
        if group.folder.join("cgroup.stat.local").exists() {
            assert_invalid(&found, ReasonCode::CgroupFrozen, group.file);
        }
    }
}
