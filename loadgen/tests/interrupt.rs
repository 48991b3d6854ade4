//! Interrupted runs: the partial result is kept and marked, and no server is left running.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use common::process::{embedded_server, serves, wait_for_phase};
use common::{ENGINES, Ended, Running, assert_adds_up, peer, start};
use wss_model::{ErrorKind, ErrorPhase};

/// How long a run may continue after a signal. Its longest timeout here is --close-timeout with 5 s.
const END_BOUND: Duration = Duration::from_secs(15);

/// Starts a run and waits for its embedded server; returns both.
fn start_embedded(arguments: &[&str]) -> (Running, u32) {
    let mut running = start(&[&["run", "--json"], arguments].concat());
    let server = embedded_server(&mut running);
    (running, server)
}

/// Waits until a server is gone. Its PID may be reused by then, but not by an embedded server.
fn assert_gone(server: u32) {
    let deadline = Instant::now() + END_BOUND;
    while Path::new(&format!("/proc/{server}")).exists() && serves(server) {
        assert!(Instant::now() < deadline, "the embedded server {server} is still running");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A run that gets a signal in a phase, after its end.
fn interrupted_in(phase: &str, signal: &str, arguments: &[&str]) -> Ended {
    let (mut running, server) = start_embedded(arguments);
    wait_for_phase(&mut running, phase);
    running.signal(signal);
    let ended = running.end_within(END_BOUND);
    assert_gone(server);
    ended
}

/// Asserts that the result is marked as partial, adds up, and equals the file.
fn assert_partial(ended: &Ended) -> wss_model::RunResult {
    let result = ended.result();
    assert_adds_up(&result);
    assert!(result.interrupted && !result.valid);
    assert!(result.invalid_because[0].text.contains("interrupted"), "{:?}", result.invalid_because);
    assert!(result.errors.is_empty(), "an interruption is not an error: {:?}", result.errors);
    let path = ended.folder.path().join(wss_model::store::default_path::<wss_model::RunResult>(&result.id));
    assert_eq!(wss_model::store::read::<wss_model::RunResult>(&path).unwrap(), result);
    result
}

#[test]
fn signal_during_echo_keeps_the_messages() {
    for (signal, engine) in [("-INT", "uring"), ("-TERM", "uring"), ("-INT", "tokio-uring"), ("-TERM", "epoll")] {
        let arguments =
            ["--connections", "4", "--warmup", "0s", "--duration", "60s", "--rate", "1k/s", "--engine", engine];
        let result = assert_partial(&interrupted_in("echo", signal, &arguments));
        let echo = result.echo.unwrap();
        assert_eq!(result.handshake.completed, 4);
        assert!(echo.received > 0 && echo.received < 60_000 && echo.failed == 0, "{echo:?}");
        // The rate is over the time measured, not the time planned.
        assert!(echo.rate_per_s > 500.0, "{}/s", echo.rate_per_s);
    }
}

#[test]
fn signal_ends_a_closed_loop() {
    let arguments = ["--connections", "4", "--warmup", "0s", "--duration", "60s", "--rate", "max", "--in-flight", "4"];
    let result = assert_partial(&interrupted_in("echo", "-INT", &arguments));
    assert!(result.echo.unwrap().received > 0);
}

#[test]
fn signal_is_noticed_between_rare_messages() {
    let arguments = ["--connections", "2", "--warmup", "0s", "--duration", "10m", "--rate", "0.01/s"];
    let result = assert_partial(&interrupted_in("echo", "-INT", &arguments));
    // Both connections have a message within 100 s. Only the first was due.
    assert_eq!(result.echo.unwrap().planned, 1);
}

#[test]
fn signal_during_warm_up_keeps_the_handshakes() {
    let arguments = ["--connections", "4", "--connect-rate", "max", "--warmup", "60s", "--rate", "1k/s"];
    let (mut running, server) = start_embedded(&arguments);
    wait_for_phase(&mut running, "handshake");
    running.signal("-INT");
    let ended = running.end_within(END_BOUND);
    assert_gone(server);
    let result = assert_partial(&ended);
    assert_eq!(result.handshake.completed, 4);
    assert_eq!(result.echo.map_or(0, |echo| echo.planned), 0);
    assert!(result.warmup.echo.is_none_or(|warmup| warmup.failed == 0));
}

#[test]
fn signal_during_handshakes_keeps_the_connections() {
    let arguments = ["--connections", "1000", "--connect-rate", "20/s", "--warmup", "0s"];
    let result = assert_partial(&interrupted_in("handshake", "-TERM", &arguments));
    assert!((1..1000).contains(&result.handshake.completed), "{}", result.handshake.completed);
    assert_eq!(result.handshake.failed, 0);
}

#[test]
fn signal_in_handshake_mode_keeps_the_handshakes() {
    for engine in ENGINES {
        let arguments = ["--mode", "handshake", "--connect-rate", "100/s", "--warmup", "0s", "--duration", "60s"];
        let arguments = [&arguments[..], &["--engine", engine]].concat();
        let result = assert_partial(&interrupted_in("handshake", "-INT", &arguments));
        assert!(result.handshake.completed > 0 && result.handshake.failed == 0);
        assert!(result.echo.is_none());
    }
}

#[test]
fn signal_before_any_handshake_is_an_error() {
    let silent = peer::tcp(peer::stay_silent);
    let url = format!("ws://{silent}/");
    let mut running =
        start(&["run", "--json", &url, "--connections", "2", "--handshake-timeout", "2s", "--warmup", "0s"]);
    wait_for_phase(&mut running, "handshake");
    running.signal("-INT");
    let error = running.end_within(END_BOUND).refusal();
    assert!(error.contains("no connection succeeded"), "{error}");
}

#[test]
fn second_signal_ends_the_run_at_once() {
    // The server never echoes, which delays the orderly end.
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
    assert!(!running.has_ended(), "it still waits for the echo");
    running.signal("-INT");
    let ended = running.end_within(Duration::from_secs(5));
    assert_eq!(ended.code(), Some(1), "{ended}");
}

#[test]
fn killing_the_generator_ends_the_server() {
    let arguments = ["--connections", "4", "--warmup", "0s", "--duration", "60s", "--rate", "1k/s"];
    let (mut running, server) = start_embedded(&arguments);
    wait_for_phase(&mut running, "echo");
    running.signal("-KILL");
    assert_gone(server);
}

#[test]
fn server_ends_with_the_run() {
    let (running, server) = start_embedded(&["--connections", "2", "--warmup", "0s", "--duration", "300ms"]);
    let ended = running.end_within(common::BOUND);
    assert_gone(server);
    common::assert_no_errors(&ended.result());
}

#[test]
fn result_survives_the_death_of_the_server() {
    let arguments = ["--connections", "4", "--warmup", "0s", "--duration", "3s", "--rate", "200/s"];
    let (mut running, server) = start_embedded(&arguments);
    wait_for_phase(&mut running, "echo");
    assert!(std::process::Command::new("kill").args(["-KILL", &server.to_string()]).status().unwrap().success());
    let ended = running.end_within(common::BOUND);
    assert_eq!(ended.code(), Some(3), "{ended}");
    let result = ended.result();
    assert_adds_up(&result);
    let has = |kind| result.errors.iter().any(|error| (error.phase, error.kind) == (ErrorPhase::Server, kind));
    assert!(has(ErrorKind::ServerLost) && has(ErrorKind::ServerExited), "{:?}", result.errors);
    let echo = result.echo.as_ref().unwrap();
    assert!(echo.received > 0 && echo.failed > 0 && result.server.is_none(), "{echo:?}");
}
