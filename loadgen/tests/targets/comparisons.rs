//! `ab` of two servers that are not wssbench's: its table has every figure, and the CPU time of both servers.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use wss_analysis::comparison::Comparison;
use wss_analysis::metric::Metric;
use wss_model::store;

use crate::common::peer::{self, Authority};
use crate::common::{assert_only_disturbed, left_out};
use crate::servers::{EchoServer, bun, deno, node_ws, python_websockets};
use crate::subject::{assert_figures, compare};

/// Compares the arms in one block, and asserts that every trial has every figure.
fn assert_fills_its_table(a: &str, b: &str) {
    let options = ["ab", "--workloads=handshake,echo", "--trial=400ms", "--blocks=1", "--out=ab.json", "--a", a];
    let ended = compare(&[&options[..], &["--b", b]].concat());
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    let comparison: Comparison = store::read(&ended.folder.path().join("ab.json")).unwrap();
    let trials = &comparison.blocks[0].trials;
    assert_eq!(trials.len(), 4);
    for trial in trials {
        for workload in &trial.workloads {
            assert!(!workload.failed, "{ended}\n{:?}", workload.invalid_because);
            assert_only_disturbed(&workload.invalid_because);
        }
        let handshakes = [
            Metric::HandshakesPerS,
            Metric::HandshakeP50Us,
            Metric::ServerCpuHandshakeUs,
            Metric::ClientCpuHandshakeUs,
        ];
        let messages = [Metric::EchoesPerS, Metric::EchoP50Us, Metric::ServerCpuMessageUs, Metric::EchoServerRssBytes];
        assert_figures(&trial.workloads, &[handshakes, messages].concat());
    }
}

/// The command as the value of `--server`, which starts it without its environment.
fn command_line(command: &Command, folder: &Path, ports: [u16; 2]) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", text(name), text(value?))));
    let program = [command.get_program()].into_iter().chain(command.get_args()).map(text);
    let files = ["server.pem", "server.key"].map(|name| folder.join(name).display().to_string());
    let words = ["env".to_owned()].into_iter().chain(variables).chain(program).chain(files);
    words.chain(ports.map(|port| port.to_string())).collect::<Vec<_>>().join(" ")
}

fn text(word: &OsStr) -> String {
    word.to_str().unwrap().to_owned()
}

#[test]
fn commands_that_start_the_servers() {
    let (Some(node), Some(deno)) = (node_ws(), deno()) else { return left_out("Node or Deno is not installed") };
    let authority = Authority::new("127.0.0.1");
    let folder = authority.folder();
    authority.write_files(&folder.join("server.pem"), &folder.join("server.key"));
    let ca = authority.ca_argument();
    // One prints where it listens, and of the other it is given.
    let a = format!("--server '{}' --ca {ca}", command_line(&node, folder, [0, 0]));
    let wss = peer::nobody();
    let b = format!("--server '{}' --at wss://{wss}/ --ca {ca}", command_line(&deno, folder, [wss.port(), 0]));
    assert_fills_its_table(&a, &b);
}

#[test]
fn servers_that_are_running() {
    let (Some(bun), Some(python)) = (bun(), python_websockets()) else {
        return left_out("Bun or the Python package websockets is not installed");
    };
    let servers = [EchoServer::start(bun), EchoServer::start(python)];
    let [a, b] = servers.each_ref().map(|server| {
        let subject = &server.subject;
        format!("{} --ca {} --server-pid {}", subject.wss, subject.ca, subject.pid.unwrap())
    });
    assert_fills_its_table(&a, &b);
    for server in &servers {
        let closes = server.closes();
        assert!(closes.unclean == 0 && closes.clean > 0, "{closes:?}");
    }
}
