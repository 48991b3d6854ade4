//! `--server-stats`: the statistics have to be those of the server under test, and foreign load is told apart.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common;
use common::{CLOSED, assert_no_errors, run, start};
use wss_model::{ReasonCode, RunResult};

/// `wssbench serve`, until it is dropped.
struct Serve {
    process: Child,
    url: String,
    admin: String,
}

impl Serve {
    fn start(folder: &Path, layer: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wssbench"));
        let ca = format!("{layer}.pem");
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--threads",
            "1",
            "--layer",
            layer,
        ]);
        if matches!(layer, "wss" | "tls") {
            command.args(["--ca-out", &ca]);
        }
        command.arg("--until-stdin-closes").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| ready[name].as_str().unwrap_or_else(|| panic!("{name} in {line}")).to_owned();
        Self { process, url: text("url"), admin: text("admin") }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

/// A closed loop against `server` with the statistics at `admin`.
fn load<'a>(server: &'a Serve, admin: &'a str, ca: &'a str) -> Vec<&'a str> {
    let mut arguments = vec![server.url.as_str(), "--server-stats", admin, "--connections", "4", "--warmup", "200ms"];
    arguments.extend(CLOSED);
    if server.url.starts_with("wss") {
        arguments.extend(["--ca", ca]);
    }
    arguments
}

fn codes(result: &RunResult) -> Vec<ReasonCode> {
    result.invalid_because.iter().map(|reason| reason.code).collect()
}

#[test]
fn own_statistics_are_proven_by_the_nonce_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("wss.pem").display().to_string();
    for layer in ["ws", "wss"] {
        let server = Serve::start(folder.path(), layer);
        let result = run(&[&load(&server, &server.admin, &ca)[..], &["--duration", "500ms"]].concat()).result();
        assert_no_errors(&result);
        let activity = result.handshake.server_activity.unwrap();
        assert!(activity.proven && activity.own == 4 && activity.others == 0, "{activity:?}");
        let (echo, messages) = (result.echo.as_ref().unwrap(), result.echo.as_ref().unwrap().server_activity.unwrap());
        assert!(messages.proven && messages.own == echo.sent && messages.others == 0, "{messages:?}");
    }
}

#[test]
fn statistics_of_another_server_make_the_run_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("wss.pem").display().to_string();
    let foreign = Serve::start(folder.path(), "ws");
    for layer in ["ws", "wss"] {
        let server = Serve::start(folder.path(), layer);
        let result = run(&[&load(&server, &foreign.admin, &ca)[..], &["--duration", "300ms"]].concat()).result();
        assert!(!result.valid && codes(&result).contains(&ReasonCode::ServerUnproven), "{:?}", result.invalid_because);
    }
}

#[test]
fn load_of_others_on_the_same_server_makes_the_run_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let server = Serve::start(folder.path(), "ws");
    let others = [&["run", "--json"][..], &load(&server, &server.admin, ""), &["--duration", "20s"]].concat();
    let mut other = start(&others);
    common::process::wait_for_phase(&mut other, "echo");
    let result = run(&[&load(&server, &server.admin, "")[..], &["--duration", "500ms"]].concat()).result();
    let messages = result.echo.as_ref().unwrap().server_activity.unwrap();
    assert!(messages.proven && messages.own > 0 && messages.others > 10, "{messages:?}");
    assert!(codes(&result).contains(&ReasonCode::ServerShared), "{:?}", result.invalid_because);
    other.signal("-INT");
    let other = other.end_within(common::BOUND).result();
    let messages = other.echo.as_ref().unwrap().server_activity.unwrap();
    assert!(messages.proven && messages.others > 10, "{messages:?}");
    // How long this one ran alone depends on the machine.
    let over_limit = messages.others * 100 > messages.own;
    assert_eq!(codes(&other).contains(&ReasonCode::ServerShared), over_limit, "{:?}", other.invalid_because);
}
