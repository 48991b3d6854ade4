//! The server as its users start it: a process with options, a ready line and an end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use wss_model::ServerStats;
use wss_server::Ready;

use super::{BINARY, PATIENCE, Tls, WebSocket, tls_over, wait_for};

/// A running server; it is killed by its own pid when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) ready: Ready,
    /// Collects what it says, so that a panic in it does not go unseen and its pipe never fills.
    said: Option<JoinHandle<String>>,
}

/// A command for the server: one worker on a free port of loopback, unless the options say otherwise.
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

    /// The same with a limit of open files that it cannot raise.
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
        let said = thread::spawn(move || {
            let mut said = String::new();
            let _ = stderr.read_to_string(&mut said);
            said
        });
        let stdout = child.stdout.take().expect("piped above");
        let (sender, line) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = line.recv_timeout(PATIENCE).unwrap_or_default();
        match serde_json::from_str(&line) {
            Ok(ready) => Self { child, ready, said: Some(said) },
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{command:?} is not ready ({error}): {line:?}, {:?}", said.join());
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
        self.ready.ca_pem.as_deref().expect("a server that made its certificate tells its CA")
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

    /// Shows that nothing is wrong: a fresh wss connection echoes and closes as it should.
    pub(crate) fn assert_echoes(&self) {
        let mut fresh = self.websocket();
        fresh.assert_echo(BINARY, b"is anybody there?");
        fresh.close();
    }

    /// The answer of the admin endpoint to a GET: its head and its body.
    pub(crate) fn get(&self, path: &str) -> (String, String) {
        let address = self.ready.admin.strip_prefix("http://").expect("the admin endpoint is plain HTTP");
        let mut stream = connect(address.parse().expect("the admin endpoint is at an address"));
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("asking");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer of the admin endpoint");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        (head.to_owned(), body.to_owned())
    }

    /// Its counters, if it can tell them now.
    pub(crate) fn try_stats(&self) -> Option<ServerStats> {
        let (head, body) = self.get("/stats");
        head.starts_with("HTTP/1.1 200 ").then(|| serde_json::from_str(&body).expect("ServerStats"))
    }

    /// Its counters.
    pub(crate) fn stats(&self) -> ServerStats {
        let (head, body) = self.get("/stats");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}\n{body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("/stats is no ServerStats ({error}): {body}"))
    }

    /// How often a phase ended this way.
    pub(crate) fn count(&self, phase: &str, outcome: &str) -> u64 {
        count(&self.stats(), phase, outcome)
    }

    /// Waits until a phase has ended this way `times` times, which is when the server has noticed the fault.
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
        wait_for("the end of all connections", || (self.stats().connections_open == 0).then_some(()));
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

    /// Waits until it has ended by itself; its exit status and what it said.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let status = wait_for("the server's end", || self.child.try_wait().expect("a child of our own"));
        let said = self.said.take().expect("it ends once").join().expect("reading text");
        (status, said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(Ok(said)) = self.said.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            assert!(!said.contains("panicked"), "the server panicked: {said}");
        }
    }
}

fn count(stats: &ServerStats, phase: &str, outcome: &str) -> u64 {
    let same = |known: &&wss_model::server_stats::Outcome| known.phase == phase && known.outcome == outcome;
    stats.outcomes.iter().find(same).map_or(0, |known| known.count)
}

/// A connection on which nothing waits longer than [`PATIENCE`].
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("connecting");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// How a server ended that could not start.
pub(crate) struct Refused {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

/// Starts a server that shall not start; it has ended when this returns.
pub(crate) fn refused(engine: &str, options: &[&str]) -> Refused {
    let mut child = command(engine, options)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
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
    let mut said = String::new();
    child.stderr.take().expect("piped above").read_to_string(&mut said).expect("text");
    Refused { code: status.code(), said }
}

impl Refused {
    /// Exit code 1 and one line that has all of `words`.
    pub(crate) fn assert_one_sentence(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.said);
        assert_eq!(self.said.trim_end().lines().count(), 1, "one sentence, not {:?}", self.said);
        for word in words {
            assert!(self.said.contains(word), "`{word}` is missing in {:?}", self.said);
        }
    }
}
