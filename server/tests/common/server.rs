//! The server as a process: its options, its events and its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use wss_model::ServerStats;
use wss_model::server_stats::OutcomeCount;
use wss_server::event::FailureCode;
use wss_server::{Event, Ready};

use super::{BINARY, PATIENCE, Tls, WebSocket, tls_over, wait_for};

/// A running server, killed on drop.
pub(crate) struct Server {
    child: Child,
    pub(crate) ready: Ready,
    /// Collects its standard error, so that a panic is noticed and the pipe never fills.
    stderr: Option<JoinHandle<String>>,
    /// The lines of its standard output after the first.
    events: mpsc::Receiver<String>,
}

/// The command of a server: one worker on a free loopback port, unless the options say otherwise.
fn command(engine: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wss-server"));
    command.args(arguments(engine, options));
    command
}

fn arguments<'a>(engine: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["--engine", engine, "--until-stdin-closes"];
    for (name, value) in [("--listen", "127.0.0.1:0"), ("--threads", "1")] {
        if !options.contains(&name) {
            arguments.extend([name, value]);
        }
    }
    arguments.extend(options);
    arguments
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub(crate) fn start(engine: &str, options: &[&str]) -> Self {
        Self::spawn(command(engine, options))
    }

    /// The same with a hard limit on open files.
    pub(crate) fn start_with_files(engine: &str, files: usize, options: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_wss-server")]);
        shell.args(arguments(engine, options));
        Self::spawn(shell)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's binary can be started");
        let mut stderr = child.stderr.take().expect("piped above");
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let stdout = child.stdout.take().expect("piped above");
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line = events.recv_timeout(PATIENCE).unwrap_or_default();
        match serde_json::from_str(&line) {
            Ok(Event::Ready(ready)) => Self { child, ready: *ready, stderr: Some(stderr), events },
            other => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{command:?} is not ready ({other:?}): {line:?}, {:?}", stderr.join());
            }
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let (_, rest) = self.ready.url.split_once("://").expect("a URL has a scheme");
        rest.split('/').next().and_then(|address| address.parse().ok()).expect("the ready line has the address")
    }

    /// The CA to trust.
    pub(crate) fn ca_pem(&self) -> &str {
        self.ready.ca_pem.as_deref().expect("a server with a generated certificate reports its CA")
    }

    /// A plain connection.
    pub(crate) fn tcp(&self) -> TcpStream {
        connect(self.address())
    }

    /// A connection whose TLS handshake is done.
    pub(crate) fn tls(&self) -> Tls {
        tls_over(self.tcp(), self.ca_pem())
    }

    /// An open WebSocket over TLS.
    pub(crate) fn websocket(&self) -> WebSocket<Tls> {
        WebSocket::open(self.tls())
    }

    /// Asserts that the server works: a new wss connection echoes and closes cleanly.
    pub(crate) fn assert_echoes(&self) {
        let mut fresh = self.websocket();
        fresh.assert_echo(BINARY, b"is anybody there?");
        fresh.close();
    }

    /// A GET request to the admin endpoint. Returns the head and the body of the response.
    pub(crate) fn get(&self, path: &str) -> (String, String) {
        let address = self.ready.admin.strip_prefix("http://").expect("the admin endpoint is plain HTTP");
        let mut stream = connect(address.parse().expect("the admin endpoint is at an address"));
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("asking");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer of the admin endpoint");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        (head.to_owned(), body.to_owned())
    }

    /// Its counters; `None` if the response is not 200.
    pub(crate) fn try_stats(&self) -> Option<ServerStats> {
        let (head, body) = self.get("/stats");
        head.starts_with("HTTP/1.1 200 ").then(|| serde_json::from_str(&body).expect("ServerStats"))
    }

    /// Its counters.
    pub(crate) fn stats(&self) -> ServerStats {
        let (head, body) = self.get("/stats");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}\n{body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("/stats is not a ServerStats ({error}): {body}"))
    }

    /// How often a phase ended this way.
    pub(crate) fn count(&self, phase: &str, outcome: &str) -> u64 {
        count(&self.stats(), phase, outcome)
    }

    /// Waits until a phase has ended this way `times` times.
    pub(crate) fn await_count(&self, phase: &str, outcome: &str, times: u64) {
        let start = std::time::Instant::now();
        loop {
            let stats = self.stats();
            if count(&stats, phase, outcome) == times {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no {phase}/{outcome} {times} times: {:?}", stats.outcomes);
            thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Waits until no connection is open.
    pub(crate) fn await_all_closed(&self) {
        wait_for("end of all connections", || (self.stats().connections_open == 0).then_some(()));
    }

    /// A line of `/proc/PID/status` in KiB, such as `VmData`.
    pub(crate) fn memory_kib(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a running process");
        let value = status.lines().find_map(|known| known.strip_prefix(line)?.strip_prefix(':'));
        value.and_then(|value| value.trim().trim_end_matches(" kB").parse().ok()).expect("a line of that name")
    }

    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("a running process").count()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a process of our own takes a signal");
    }

    /// Ends its standard input.
    pub(crate) fn end_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for the next event.
    pub(crate) fn next_event(&self) -> Event {
        let line = self.events.recv_timeout(PATIENCE).expect("another event");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("not an event ({error}): {line}"))
    }

    /// Waits until it has exited; returns its exit status and its standard error.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let status = wait_for("exit of the server", || self.child.try_wait().expect("a child of our own"));
        let stderr = self.stderr.take().expect("it ends once").join().expect("reading text");
        (status, stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(Ok(stderr)) = self.stderr.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            assert!(!stderr.contains("panicked"), "the server panicked: {stderr}");
        }
    }
}

fn count(stats: &ServerStats, phase: &str, outcome: &str) -> u64 {
    let same = |known: &&OutcomeCount| known.phase.name() == phase && known.outcome.name() == outcome;
    stats.outcomes.iter().find(same).map_or(0, |known| known.count)
}

/// A connection with a timeout of [`PATIENCE`] on every call.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("connecting");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// The end of a server that could not start.
pub(crate) struct Refused {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
    /// The events on standard output.
    pub(crate) events: Vec<Event>,
}

/// Starts a server that must fail to start, and waits for its end.
pub(crate) fn refused(engine: &str, options: &[&str]) -> Refused {
    let mut child = command(engine, options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server's binary can be started");
    let start = std::time::Instant::now();
    let status = loop {
        match child.try_wait().expect("a child of our own") {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("a server with {options:?} runs, and should not");
            }
            None => thread::sleep(std::time::Duration::from_millis(10)),
        }
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().expect("piped above").read_to_string(&mut stdout).expect("text");
    child.stderr.take().expect("piped above").read_to_string(&mut stderr).expect("text");
    let events = stdout.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    Refused { code: status.code(), stderr, events }
}

impl Refused {
    /// Exit code 1, one line on standard error that contains all of `words`, and the same text as an event.
    pub(crate) fn assert_failure(&self, code: FailureCode, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.stderr);
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "one sentence, not {:?}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing in {:?}", self.stderr);
        }
        match self.events.as_slice() {
            [Event::Failed { code: found, text }] => {
                assert_eq!(*found, code, "{text}");
                assert_eq!(self.stderr.trim_end(), format!("wss-server: {text}"));
            }
            other => panic!("one failure, not {other:?}"),
        }
    }
}
