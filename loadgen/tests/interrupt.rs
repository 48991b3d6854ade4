//! A run that is cut short, politely or not: what was measured is kept and marked, and no server is left behind.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::{ENGINES, Ended, Running, assert_adds_up, peer, start};

/// How long after a signal a run may go on. Its own longest wait here is a close timeout of 5 s.
const SOON: Duration = Duration::from_secs(15);

/// Starts a run; `child` is its embedded server, once there is one.
fn start_embedded(arguments: &[&str]) -> (Running, u32) {
    let mut running = start(&[&["run", "--json"], arguments].concat());
    let deadline = Instant::now() + common::BOUND;
    loop {
        if let Some(child) = children(running.pid()).into_iter().find(|&child| serves(child)) {
            return (running, child);
        }
        assert!(!running.has_ended() && Instant::now() < deadline, "no embedded server");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The processes that a process has started.
fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()).collect()
}

/// Whether a process is a server of this program, and not yet or no more what it was forked from.
fn serves(pid: u32) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let arguments = String::from_utf8_lossy(&arguments);
    arguments.contains("wssbench\0serve\0") && arguments.contains("--until-stdin-closes")
}

/// Waits until a server is gone. Its number may be another's by then, which is no server of ours.
fn assert_gone(server: u32) {
    let deadline = Instant::now() + SOON;
    while Path::new(&format!("/proc/{server}")).exists() && serves(server) {
        assert!(Instant::now() < deadline, "the embedded server {server} is still there");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Lets a run come to a phase: the tests of a signal are about where it comes, not about when.
fn wait_for_phase(running: &mut Running, phase: &str) {
    let deadline = Instant::now() + common::BOUND;
    while !running.said(&format!("{phase:<9} begins")) {
        assert!(!running.has_ended() && Instant::now() < deadline, "it never came to {phase}");
        thread::sleep(Duration::from_millis(5));
    }
    // A part of the phase, so that there is something to keep.
    thread::sleep(Duration::from_millis(400));
}

/// A run that gets a signal in a phase, up to its end.
fn interrupted_in(phase: &str, signal: &str, arguments: &[&str]) -> Ended {
    let (mut running, server) = start_embedded(arguments);
    wait_for_phase(&mut running, phase);
    running.signal(signal);
    let ended = running.end_within(SOON);
    assert_gone(server);
    ended
}

/// That the result says that it is partial, adds up, and is the one in the file.
fn assert_partial(ended: &Ended) -> wss_model::RunResult {
    let result = ended.result();
    assert_adds_up(&result);
    assert!(result.interrupted && !result.valid);
    assert!(result.invalid_because[0].text.contains("interrupted"), "{:?}", result.invalid_because);
    assert!(result.errors.is_empty(), "an interruption is no error: {:?}", result.errors);
    let path = ended.folder.path().join(wss_model::store::default_path(&result.id));
    assert_eq!(wss_model::store::read(&path).unwrap(), result);
    result
}

#[test]
fn a_signal_while_messages_are_exchanged_keeps_those_that_were() {
    for (signal, engine) in [("-INT", "uring"), ("-TERM", "uring"), ("-INT", "tokio-uring"), ("-TERM", "epoll")] {
        let arguments =
            ["--connections", "4", "--warmup", "0s", "--duration", "60s", "--rate", "1k/s", "--engine", engine];
        let result = assert_partial(&interrupted_in("echo", signal, &arguments));
        let echo = result.echo.unwrap();
        assert_eq!(result.handshake.completed, 4);
        assert!(echo.received > 0 && echo.received < 60_000 && echo.failed == 0, "{echo:?}");
        // The rate is taken over what was measured, not over what was planned: half of it would be a minute's.
        assert!(echo.rate_per_s > 500.0, "{}/s", echo.rate_per_s);
    }
}

#[test]
fn a_signal_in_a_closed_loop_ends_it_as_well() {
    let arguments = ["--connections", "4", "--warmup", "0s", "--duration", "60s", "--rate", "max", "--in-flight", "4"];
    let result = assert_partial(&interrupted_in("echo", "-INT", &arguments));
    assert!(result.echo.unwrap().received > 0);
}

#[test]
fn a_signal_between_messages_that_are_far_apart_is_not_slept_over() {
    let arguments = ["--connections", "2", "--warmup", "0s", "--duration", "10m", "--rate", "0.01/s"];
    let result = assert_partial(&interrupted_in("echo", "-INT", &arguments));
    // Both connections are due within 100 s; what was not due was not planned.
    assert_eq!(result.echo.unwrap().planned, 1);
}

#[test]
fn a_signal_in_the_warm_up_keeps_the_handshakes() {
    let arguments = ["--connections", "4", "--connect-rate", "max", "--warmup", "60s", "--rate", "1k/s"];
    let (mut running, server) = start_embedded(&arguments);
    wait_for_phase(&mut running, "handshake");
    running.signal("-INT");
    let ended = running.end_within(SOON);
    assert_gone(server);
    let result = assert_partial(&ended);
    assert_eq!(result.handshake.completed, 4);
    assert_eq!(result.echo.map_or(0, |echo| echo.planned), 0);
    assert!(result.warmup.echo.is_none_or(|warmup| warmup.failed == 0));
}

#[test]
fn a_signal_while_connections_are_opened_keeps_those_that_were() {
    let arguments = ["--connections", "1000", "--connect-rate", "20/s", "--warmup", "0s"];
    let result = assert_partial(&interrupted_in("handshake", "-TERM", &arguments));
    assert!((1..1000).contains(&result.handshake.completed), "{}", result.handshake.completed);
    assert_eq!(result.handshake.failed, 0);
}

#[test]
fn a_signal_in_handshake_mode_keeps_those_that_were_completed() {
    for engine in ENGINES {
        let arguments = ["--mode", "handshake", "--connect-rate", "100/s", "--warmup", "0s", "--duration", "60s"];
        let arguments = [&arguments[..], &["--engine", engine]].concat();
        let result = assert_partial(&interrupted_in("handshake", "-INT", &arguments));
        assert!(result.handshake.completed > 0 && result.handshake.failed == 0);
        assert!(result.echo.is_none());
    }
}

#[test]
fn a_signal_before_anything_was_completed_says_so() {
    let silent = peer::tcp(peer::stay_silent);
    let url = format!("ws://{silent}/");
    let mut running =
        start(&["run", "--json", &url, "--connections", "2", "--handshake-timeout", "2s", "--warmup", "0s"]);
    wait_for_phase(&mut running, "handshake");
    running.signal("-INT");
    let sentence = running.end_within(SOON).refusal();
    assert!(sentence.contains("no connection succeeded"), "{sentence}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    // A close that never comes holds up the orderly end.
    let silent = peer::websocket(|mut socket| {
        while matches!(socket.read(), Ok(message) if message.is_binary()) {}
        thread::sleep(Duration::from_secs(20));
    });
    let url = format!("ws://{silent}/");
    let mut running = start(&[
        "run",
        "--json",
        &url,
        "--connections",
        "1",
        "--rate",
        "1/s",
        "--warmup",
        "0s",
        "--echo-timeout",
        "10m",
    ]);
    wait_for_phase(&mut running, "echo");
    running.signal("-INT");
    thread::sleep(Duration::from_millis(300));
    assert!(!running.has_ended(), "it waits for the echo");
    running.signal("-INT");
    let ended = running.end_within(Duration::from_secs(5));
    assert_eq!(ended.code(), Some(1), "{ended}");
}

#[test]
fn a_killed_generator_takes_its_server_with_it() {
    let arguments = ["--connections", "4", "--warmup", "0s", "--duration", "60s", "--rate", "1k/s"];
    let (mut running, server) = start_embedded(&arguments);
    wait_for_phase(&mut running, "echo");
    running.signal("-KILL");
    assert_gone(server);
}

#[test]
fn a_server_does_not_outlive_a_run_that_ends_by_itself() {
    let (running, server) = start_embedded(&["--connections", "2", "--warmup", "0s", "--duration", "300ms"]);
    let ended = running.end_within(common::BOUND);
    assert_gone(server);
    common::assert_no_errors(&ended.result());
}

#[test]
fn a_server_that_dies_in_mid_run_costs_its_side_of_the_result_and_not_the_result() {
    let arguments = ["--connections", "4", "--warmup", "0s", "--duration", "3s", "--rate", "200/s"];
    let (mut running, server) = start_embedded(&arguments);
    wait_for_phase(&mut running, "echo");
    assert!(std::process::Command::new("kill").args(["-KILL", &server.to_string()]).status().unwrap().success());
    let ended = running.end_within(common::BOUND);
    assert_eq!(ended.code(), Some(3), "{ended}");
    let result = ended.result();
    assert_adds_up(&result);
    let told = |kind| result.errors.iter().any(|error| (error.phase.name(), error.kind.name()) == ("server", kind));
    assert!(told("lost") && told("ended"), "{:?}", result.errors);
    let echo = result.echo.as_ref().unwrap();
    assert!(echo.received > 0 && echo.failed > 0 && result.server.is_none(), "{echo:?}");
}
