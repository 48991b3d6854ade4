//! Runs the scenarios of `loadgen/tests/scenarios.toml` and checks their expected outcomes.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::tls::words;
use common::{BOUND, Ended, assert_adds_up, assert_no_errors, start_in};
use serde::Deserialize;
use tempfile::TempDir;
use wss_model::run_result::NegotiatedCount;
use wss_model::{Mode, RunResult};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenarios {
    always: String,
    scenario: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    serve: Option<String>,
    run: String,
    expect: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    exit: i32,
    negotiated: Option<String>,
    handshakes: Option<u64>,
    messages: Option<u64>,
    #[serde(default)]
    errors: Vec<String>,
    text: Option<String>,
    engines: Option<[String; 2]>,
}

/// A `wssbench serve` process. It drains and ends when its standard input closes.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts it in `folder`, where it writes its CA.
    fn start(folder: &Path, options: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wssbench"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--until-stdin-closes", "--ca-out", "ca.pem"]);
        command.args(options.split_whitespace()).current_dir(folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { url: ready["url"].as_str().unwrap().to_owned(), child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn scenarios() -> Scenarios {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl Scenario {
    fn run(&self, always: &str) -> Ended {
        let folder: TempDir = tempfile::tempdir().unwrap();
        let server = self.serve.as_ref().map(|options| Server::start(folder.path(), options));
        let url = server.as_ref().map(|server| server.url.as_str());
        let arguments = ["run"].into_iter().chain(always.split_whitespace()).chain(self.run.split_whitespace());
        let arguments: Vec<&str> = arguments.chain(url).collect();
        start_in(folder, &arguments).end_within(BOUND)
    }

    fn assert_outcome(&self, ended: &Ended) {
        if self.expect.exit == 1 {
            assert!(!ended.stderr.is_empty() && ended.stdout.is_empty(), "{ended}");
            assert_eq!(ended.code(), Some(1), "{ended}");
            let text = self.expect.text.as_deref().expect("an expected error text");
            assert!(ended.stderr.contains(text), "`{text}` is not in: {ended}");
            return;
        }
        // Also asserts that the exit code matches the validity of the result.
        let result = ended.result();
        if self.expect.exit == 0 {
            assert_no_errors(&result);
        } else {
            assert!(!result.valid, "{ended}");
        }
        if let Some(text) = &self.expect.text {
            assert!(
                result.invalid_because.iter().any(|reason| reason.text.contains(text)),
                "{:?}",
                result.invalid_because
            );
        }
        self.assert_counts(&result);
        self.assert_negotiated(&result);
        let [client, server] = self.expect.engines.clone().unwrap_or_else(|| ["uring", "uring"].map(str::to_owned));
        assert_eq!(result.client.engine_name(), client);
        if let Some(end) = result.server.as_ref().filter(|_| self.serve.is_none()) {
            assert_eq!(end.engine_name(), server);
        }
    }

    fn assert_counts(&self, result: &RunResult) {
        assert_adds_up(result);
        let errors = result.errors.iter().map(|error| format!("{} {} {}", error.phase, error.kind, error.count));
        assert_eq!(errors.collect::<Vec<_>>(), self.expect.errors);
        let handshakes = result.handshake.completed;
        assert!(self.expect.handshakes.map_or(handshakes > 0, |count| count == handshakes), "{handshakes} handshakes");
        match (&result.echo, result.config.mode) {
            (Some(echo), Mode::Echo) => {
                assert!(self.expect.messages.map_or(echo.received > 0, |count| count == echo.received), "{echo:?}");
            }
            (None, Mode::Handshake) => assert_eq!(self.expect.messages, None),
            (echo, mode) => panic!("{mode}: {echo:?}"),
        }
    }

    fn assert_negotiated(&self, result: &RunResult) {
        let labels = |counts: &[NegotiatedCount]| counts.iter().map(|one| words(&one.negotiated)).collect::<Vec<_>>();
        let expected: Vec<String> = self.expect.negotiated.iter().cloned().collect();
        assert_eq!(labels(&result.negotiated), expected);
        match &result.server_negotiated {
            Some(server) => assert_eq!(*server, result.negotiated, "both ends"),
            None => assert!(self.serve.is_some(), "the embedded server has an admin endpoint"),
        }
    }
}

#[test]
fn every_scenario_has_its_expected_outcome() {
    let Scenarios { always, scenario: scenarios } = scenarios();
    // Runs all of them even if one fails. Failures are printed above and named here.
    let failed = scenarios.iter().filter(|scenario| {
        println!("scenario {}", scenario.name);
        catch_unwind(|| scenario.assert_outcome(&scenario.run(&always))).is_err()
    });
    assert_eq!(failed.map(|scenario| &scenario.name).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn scenarios_cover_the_main_options() {
    let scenarios = scenarios().scenario;
    let names: HashSet<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names.len(), scenarios.len(), "two scenarios have the same name");
    let assert_covered = |option: &str| {
        let has = |scenario: &Scenario| scenario.run.contains(option) && scenario.expect.exit == 0;
        assert!(scenarios.iter().any(has), "no scenario has {option}");
    };
    for option in ["--layer ws ", "--layer tls", "--layer tcp", "--tls 1.2", "--mtls", "--resume", "--size 1MiB"] {
        assert_covered(option);
    }
    for option in ["--rate max", "--rate 1k/s", "--mode handshake", "--engine epoll", "--engine tokio-uring"] {
        assert_covered(option);
    }
    assert!(scenarios.iter().any(|scenario| scenario.expect.exit == 1), "no scenario is expected to fail");
}
