//! `--server-pid`: CPU time and memory of a running server that wssbench knows nothing else about.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::common;
use common::{CLOSED, SHORT, run, start};
use wss_model::ErrorKind;

/// A TCP echo server. A child process that it forks does the work. Prints its port, and ends when its input closes. The
/// child ends after it (PR_SET_PDEATHSIG), so that no connection ends before the process that is watched.
const FORKING_SERVER: &str = r#"
import ctypes, os, socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
child = os.fork()
if child == 0:
    ctypes.CDLL(None).prctl(1, 9)
    def echo(connection):
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.close()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"#;

struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new("python3");
        let mut process =
            command.args(["-c", FORKING_SERVER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        Self { process, url: format!("tcp://127.0.0.1:{}/", port.trim()) }
    }

    fn pid(&self) -> String {
        self.process.id().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

#[test]
fn cpu_time_and_memory_include_the_children() {
    let server = Server::start();
    let pid = server.pid();
    let options = ["--warmup", "100ms", "--duration", "1s", "--connections", "100", &server.url, "--server-pid", &pid];
    let result = run(&[&CLOSED[..], &options].concat()).result();
    common::assert_no_errors(&result);
    let (end, echo) = (result.server.unwrap(), result.echo.unwrap());
    // Threads of both processes.
    assert!(end.threads >= 2, "{end:?}");
    assert!(end.anon_bytes_per_connection.is_some() && end.anon_bytes_idle.unwrap() > 1 << 20, "{end:?}");
    assert!(echo.server_cpu_ns.unwrap() > 1_000.0, "{:?}", echo.server_cpu_ns);
    assert!(echo.disturbance.unwrap().server_run_queue_ns.is_some());
    assert_eq!(result.server_negotiated, None);
}

#[test]
fn process_that_is_not_there_is_refused() {
    let server = Server::start();
    let refused = run(&[&SHORT[..], &[&server.url, "--server-pid", "999999999"]].concat()).refusal();
    assert!(
        refused.contains("--server-pid 999999999 cannot be read") && refused.contains("server's process"),
        "{refused}"
    );
    let refused = run(&[&SHORT[..], &["--server-pid", "1"]].concat()).refusal();
    assert!(refused.contains("--server-pid applies only to a server that wssbench does not start"), "{refused}");
}

#[test]
fn server_that_ends_during_the_run_is_an_error() {
    let server = Server::start();
    let pid = server.pid();
    let options = ["--warmup", "0s", "--duration", "2s", "--connections", "1", "--rate", "100/s"];
    let mut running = start(&[&["run", "--json"], &options[..], &[&server.url, "--server-pid", &pid]].concat());
    common::process::wait_for_phase(&mut running, "echo");
    drop(server);
    let result = running.end_within(common::BOUND).result();
    assert!(result.errors.iter().any(|error| error.kind == ErrorKind::ServerLost), "{:?}", result.errors);
    assert!(!result.valid && result.server.is_none());
}
