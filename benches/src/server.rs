//! A server as a child process: started, known to be ready, asked for its CPU time, ended. [`Ready`] is the line that
//! it says on standard output.
//!
//! The server ends with this process however this process ends: its standard input is a pipe from here, and it drains
//! when that closes. Dropping [`Server`] kills what is still there, by its own number and nothing else.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::threads::ThreadTimes;

/// How long a server may take to be ready.
const START: Duration = Duration::from_secs(20);
/// How long it may take to end: wss-server drains for up to 5 s.
const END: Duration = Duration::from_secs(20);

/// The one line that says that a server is ready, and where: what the baseline's and wss-server's have in common.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Always true.
    #[serde(default)]
    pub ready: bool,
    /// Where to connect.
    pub url: String,
    /// The CA that was made at start, PEM.
    pub ca_pem: String,
    /// Process.
    pub pid: u32,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    name: String,
    /// What it said.
    pub ready: Ready,
}

impl Server {
    /// Starts `program` and waits until it is ready; `name` is for sentences.
    ///
    /// # Errors
    /// If it does not start, or is not ready within 20 s.
    pub fn start(name: &str, program: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        match wait_until_ready(&mut child) {
            Ok(ready) => Ok(Self { child, name: name.to_owned(), ready }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error.context(format!("waiting for {name} to be ready")))
            }
        }
    }

    /// What its threads have run until now.
    ///
    /// # Errors
    /// If it has ended.
    pub fn threads(&mut self) -> anyhow::Result<ThreadTimes> {
        if let Some(status) = self.child.try_wait().with_context(|| format!("looking after {}", self.name))? {
            bail!("{} ended by itself with {status}", self.name);
        }
        ThreadTimes::of(self.child.id())
    }

    /// Lets it drain and waits for its end.
    ///
    /// # Errors
    /// If it does not end within 20 s (it is killed then), or not well.
    pub fn end(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + END;
        loop {
            match self.child.try_wait().with_context(|| format!("waiting for {}", self.name))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{} ended with {status}", self.name),
                None if Instant::now() > deadline => bail!("{} did not end within {END:?}", self.name),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Reads the ready line; passes on what the server says on standard error.
fn wait_until_ready(child: &mut Child) -> anyhow::Result<Ready> {
    let (stdout, stderr) = child.stdout.take().zip(child.stderr.take()).context("its output is a pipe")?;
    let (lines, first_line) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        if BufReader::new(stdout).read_line(&mut line).is_ok() {
            let _ = lines.send(line);
        }
    });
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // That it drains at the end of its input is what it was asked for.
            if !line.ends_with("draining") {
                eprintln!("{line}");
            }
        }
    });
    let Ok(line) = first_line.recv_timeout(START) else { bail!("it said nothing within {START:?}") };
    ensure!(!line.is_empty(), "it ended before it was ready");
    serde_json::from_str(&line).with_context(|| format!("reading its ready line: {line}"))
}

/// The program `name` in the folder of this one: cargo puts all of a profile's programs into the same.
///
/// # Errors
/// If it is not there: how to build it.
pub fn beside_this(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("finding this program, to find the others beside it")?;
    let path = this.with_file_name(name);
    let release = if cfg!(debug_assertions) { "" } else { "--release " };
    ensure!(
        path.is_file(),
        "there is no {name} beside this program: build all of them with \
         `cargo build {release}-p wssbench -p wss-server -p wss-benches`"
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_of_wss_server_has_what_is_needed_and_more() {
        let line =
            r#"{"event":"ready","url":"wss://127.0.0.1:1/","admin":"http://127.0.0.1:2","pid":3,"ca_pem":"PEM"}"#;
        let ready: Ready = serde_json::from_str(line).unwrap();
        assert_eq!((ready.url.as_str(), ready.pid, ready.ca_pem.as_str()), ("wss://127.0.0.1:1/", 3, "PEM"));
    }

    #[test]
    fn a_program_that_is_missing_is_told_with_the_command_that_builds_it() {
        let sentence = beside_this("no-such-program").unwrap_err().to_string();
        assert!(sentence.contains("cargo build") && sentence.contains("-p wssbench"), "{sentence}");
    }

    #[test]
    fn a_server_that_ends_before_it_is_ready_is_an_error_at_once() {
        let start = Instant::now();
        let error = Server::start("true", Path::new("/bin/true"), &[]).unwrap_err();
        assert!(format!("{error:#}").contains("ended before it was ready"), "{error:#}");
        assert!(start.elapsed() < START / 2);
    }
}
