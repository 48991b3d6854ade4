//! `wssbench serve` under strace, as a child process: started, ready, stopped.
//!
//! The server stops when its standard input closes, and so does not outlive this process, however that ends. Dropping a
//! [`TracedServer`] kills the child if it is still running.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::strace;

/// How long the server may take to become ready.
const START_MAX: Duration = Duration::from_secs(20);
/// How long it may take to stop: it drains for up to 5 s.
const STOP_MAX: Duration = Duration::from_secs(20);

/// The line on standard output that says where the server listens.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Where to connect.
    pub url: String,
    /// The generated CA, PEM.
    pub ca_pem: String,
}

/// A running server.
#[derive(Debug)]
pub struct TracedServer {
    child: Child,
    /// What the server prints on standard error goes to this file, and is shown only if it fails.
    log: PathBuf,
    /// Where it listens.
    pub ready: Ready,
}

impl TracedServer {
    /// Starts `program` with `arguments` under strace, which writes its table to `table`, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start, or is not ready within 20 s.
    pub fn start(table: &Path, program: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new("strace");
        command.args(strace::arguments(table, program)).args(arguments);
        Self::spawn(&mut command, table.with_extension("log"))
    }

    fn spawn(command: &mut Command, log: PathBuf) -> anyhow::Result<Self> {
        let stderr = File::create(&log).context("creating the server's log")?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().context("starting the server")?;
        match wait_until_ready(&mut child) {
            Ok(ready) => Ok(Self { child, log, ready }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.context(format!("the server is not ready: {}", read_log(&log))))
            }
        }
    }

    /// Lets the server drain, and waits for its end.
    ///
    /// # Errors
    /// If it does not stop within 20 s (it is then killed), or exits with an error.
    pub fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + STOP_MAX;
        loop {
            match self.child.try_wait().context("waiting for the server")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the server failed with {status}: {}", read_log(&self.log)),
                None if Instant::now() > deadline => bail!("the server did not stop within {STOP_MAX:?}"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for TracedServer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn read_log(log: &Path) -> String {
    fs::read_to_string(log).unwrap_or_default().trim().to_owned()
}

fn wait_until_ready(child: &mut Child) -> anyhow::Result<Ready> {
    let stdout = child.stdout.take().context("standard output is not a pipe")?;
    let (sender, first_line) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut line, mut stdout) = (String::new(), BufReader::new(stdout));
        if stdout.read_line(&mut line).is_ok() {
            let _ = sender.send(line);
        }
        // Further events are ignored, but the pipe stays open for them.
        let _ = io::copy(&mut stdout, &mut io::sink());
    });
    let Ok(line) = first_line.recv_timeout(START_MAX) else { bail!("it printed nothing within {START_MAX:?}") };
    ensure!(!line.is_empty(), "it ended before it was ready");
    serde_json::from_str(&line).with_context(|| format!("parsing its ready line: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_url_and_ca_from_the_ready_line() {
        let line =
            r#"{"event":"ready","url":"wss://127.0.0.1:1/","admin":"http://127.0.0.1:2","pid":3,"ca_pem":"PEM"}"#;
        let ready: Ready = serde_json::from_str(line).unwrap();
        assert_eq!((ready.url.as_str(), ready.ca_pem.as_str()), ("wss://127.0.0.1:1/", "PEM"));
    }

    #[test]
    fn reports_at_once_a_server_that_ends_before_it_is_ready() {
        let (start, folder) = (Instant::now(), tempfile::tempdir().unwrap());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo no port >&2"]);
        let error = TracedServer::spawn(&mut command, folder.path().join("log")).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("ended before it was ready") && text.contains("no port"), "{text}");
        assert!(start.elapsed() < START_MAX / 2);
    }
}
