//! `openssl s_server` as a target of the TLS layer. It accepts one connection at a time, and answers with its lines reversed
//! (`-rev`) or once with a page (`-www`).

use std::process::Command;

use wss_analysis::metric::Metric;
use wss_analysis::sweep::SweepResult;
use wss_model::store;

use crate::common::peer::{self, Authority};
use crate::common::tls::label;
use crate::common::{assert_no_errors, assert_only_disturbed, run};
use crate::daemon::Daemon;
use crate::subject::{assert_all_clean, assert_figures, compare};

const HANDSHAKES: [&str; 7] =
    ["--mode=handshake", "--connect-rate=max", "--connect-concurrency=1", "--duration", "200ms", "--warmup", "0s"];
const LINE: &str = "A line to reverse.\n";
const REQUEST: &str = "GET / HTTP/1.0\r\n\r\n";

struct OpensslServer {
    _daemon: Daemon,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

impl OpensslServer {
    fn start(mode: &str) -> Self {
        let (folder, authority, address) = (tempfile::tempdir().unwrap(), Authority::new("127.0.0.1"), peer::nobody());
        authority.write_files(&folder.path().join("server.pem"), &folder.path().join("server.key"));
        std::fs::copy(authority.ca(), folder.path().join("ca.pem")).unwrap();
        let mut command = Command::new("openssl");
        command.args(["s_server", mode, "-cert", "server.pem", "-key", "server.key", "-accept", &address.to_string()]);
        command.current_dir(folder.path());
        let daemon = Daemon::start(command, &[address]);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let url = format!("tls://{address}");
        let arguments = vec![url, format!("--ca={}", file("ca.pem")), format!("--server-pid={}", daemon.pid())];
        Self { _daemon: daemon, folder, arguments }
    }

    /// The target, with what its server requires.
    fn with<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        self.arguments.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }

    /// `--message` with this text from a file.
    fn message(&self, text: &str) -> String {
        let path = self.folder.path().join("message");
        std::fs::write(&path, text).unwrap();
        format!("--message=@{}", path.display())
    }
}

#[test]
fn a_server_that_reverses_lines_is_measured_in_both_modes() {
    let server = OpensslServer::start("-rev");
    let message = server.message(LINE);
    let length = format!("--expect=length:{}", LINE.len());
    let echoes = ["--connections=1", "--rate=200/s", "--duration=300ms", "--warmup=100ms"];
    for load in [
        &[&HANDSHAKES[..], &["--no-first-echo"]].concat()[..],
        &[&HANDSHAKES[..], &[&message, &length]].concat(),
        &[&HANDSHAKES[..], &[&message, "--expect=any"]].concat(),
        &[&echoes[..], &[&message, &length]].concat(),
    ] {
        for version in ["1.2", "1.3"] {
            let result = run(&server.with(&[load, &["--tls", version]].concat())).result();
            assert_no_errors(&result);
            assert_all_clean(&result);
            assert_eq!((&*label(&result).version, &*label(&result).kind), (&*format!("TLSv{version}"), "full"));
        }
    }
}

#[test]
fn its_tickets_resume_every_session() {
    let server = OpensslServer::start("-rev");
    for version in ["1.2", "1.3"] {
        let load = [&HANDSHAKES[..], &["--no-first-echo", "--resume=100%", "--tls", version]].concat();
        let result = run(&server.with(&load)).result();
        assert_no_errors(&result);
        assert_all_clean(&result);
        assert_eq!((&*label(&result).version, &*label(&result).kind), (&*format!("TLSv{version}"), "resumed"));
    }
}

#[test]
fn a_page_of_its_state_is_a_reply() {
    let server = OpensslServer::start("-www");
    let message = server.message(REQUEST);
    let load = [&HANDSHAKES[..], &[&message, "--expect=contains:200 ok"]].concat();
    let result = run(&server.with(&load)).result();
    assert_no_errors(&result);
    assert_all_clean(&result);
}

#[test]
fn a_sweep_of_its_versions_fills_its_table() {
    let server = OpensslServer::start("-rev");
    let message = server.message(LINE);
    let expect = format!("--expect=length:{}", LINE.len());
    let target = server.with(&[&message, &expect, "--connections=1", "--connect-concurrency=1"]);
    let options = ["--tls=1.2,1.3", "--workloads=handshake,echo", "--trial=400ms", "--blocks=1", "--interleave=off"];
    let ended = compare(&[&["sweep", "--out=sweep.json"], &target[..], &options].concat());
    let sweep: SweepResult = store::read(&ended.folder.path().join("sweep.json")).unwrap();
    for trial in &sweep.blocks[0].trials {
        trial.workloads.iter().for_each(|workload| assert_only_disturbed(&workload.invalid_because));
        let handshakes = [Metric::HandshakesPerS, Metric::HandshakeP50Us, Metric::ServerCpuHandshakeUs];
        assert_figures(&trial.workloads, &handshakes);
        assert_figures(&trial.workloads, &[Metric::EchoP50Us, Metric::ServerCpuMessageUs]);
    }
    assert_eq!(sweep.blocks[0].trials.len(), 3);
}
