//! The embedded server: a child process of its own on CPUs of its own, which ends with the generator however the
//! generator ends.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use wss_model::config::CpuList;
use wss_model::{EngineKind, Layer, RunConfig};
use wss_server::Ready;

/// How long it may take to be ready.
const START: Duration = Duration::from_secs(20);
/// How long it may take to end beyond its own drain timeout of 5 s.
const END: Duration = Duration::from_secs(20);

/// The running server. Dropping it ends it.
pub(crate) struct Embedded {
    child: Child,
    pub(crate) ready: Ready,
}

/// What the server of a run is started with.
pub(crate) struct Options<'a> {
    pub(crate) config: &'a RunConfig,
    pub(crate) layer: Layer,
    pub(crate) engine: EngineKind,
    pub(crate) threads: usize,
    pub(crate) cpus: &'a CpuList,
    /// Connections that the run may have open at a time.
    pub(crate) connections: usize,
    /// Sessions that it has to remember.
    pub(crate) sessions: usize,
    /// With `--mtls`: the CA of the generator's certificate, PEM.
    pub(crate) client_ca: Option<&'a str>,
}

/// A file without a name that a child process inherits.
fn in_memory(text: &str) -> std::io::Result<std::fs::File> {
    let mut file = std::fs::File::from(rustix::fs::memfd_create("wssbench-ca", rustix::fs::MemfdFlags::empty())?);
    file.write_all(text.as_bytes())?;
    Ok(file)
}

impl Embedded {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start: what it said.
    pub(crate) fn start(options: &Options<'_>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program, to start the embedded server with")?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--until-stdin-closes"])
            .args(["--layer", options.layer.name(), "--engine", options.engine.name()])
            .args(["--threads", &options.threads.to_string(), "--cpus", &options.cpus.to_string()])
            .args(["--max-connections", &options.connections.to_string()])
            .args(["--max-message-size", &options.config.size.0.max(1 << 20).to_string()])
            // Idle connections of a run that opens many slowly are no fault.
            .args(["--idle-timeout", "1h"]);
        if options.layer.has_tls() {
            command.args(options.config.server_tls().arguments());
            // The name that the client asks for has to be in the certificate that is made.
            if let Some(name) = options.config.trust.server_name.as_ref().filter(|_| options.config.tls.key.is_none()) {
                command.arg(format!("--name={name}"));
            }
            command.args(["--max-sessions", &options.sessions.to_string()]);
        }
        // In memory, and read by the child through its own table of open files: nothing is left behind.
        let client_ca =
            options.client_ca.map(in_memory).transpose().context("handing the client's CA to the server")?;
        if let Some(file) = &client_ca {
            command.arg(format!("--client-ca=/proc/self/fd/{}", file.as_raw_fd()));
        }
        if let Some(burn) = options.config.burn_cpu {
            command.arg(format!("--burn-cpu={burn}"));
        }
        if let Some(subprotocol) = &options.config.subprotocol {
            command.args(["--subprotocol", subprotocol]);
        }
        // Its standard input is a pipe from here: it reads its end when this process is gone, killed or not. In a
        // group of its own, so that a Ctrl-C of the terminal reaches this process alone, which then ends it in order.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().context("starting the embedded server")?;
        match wait_until_ready(&mut child) {
            Ok(ready) => Ok(Self { child, ready }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The CA of its certificate, PEM, if that was made at start.
    pub(crate) fn ca_pem(&self) -> Option<&str> {
        self.ready.ca_pem.as_deref()
    }

    /// Lets it drain and waits for its end.
    ///
    /// # Errors
    /// If it does not end in time, or not well.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + END;
        loop {
            match self.child.try_wait().context("waiting for the embedded server")? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the embedded server ended with {status}"),
                None if Instant::now() > deadline => bail!("the embedded server did not end within {END:?}"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Reads the ready line. What the server says on standard error is passed on once it is ready; before, it is why it
/// does not start.
fn wait_until_ready(child: &mut Child) -> anyhow::Result<Ready> {
    let (lines, first_line) = mpsc::channel();
    let (stdout, stderr) = child.stdout.take().zip(child.stderr.take()).context("its output is a pipe")?;
    std::thread::spawn(move || {
        let mut line = String::new();
        if BufReader::new(stdout).read_line(&mut line).is_ok() {
            let _ = lines.send(line);
        }
    });
    let started = Arc::new(AtomicBool::new(false));
    let is_started = Arc::clone(&started);
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if !is_started.load(Ordering::Relaxed) {
                said.push(line.trim_start_matches("wssbench: ").to_owned());
            } else if !line.ends_with("draining") {
                // That it drains at the end of its input is what it was asked for.
                eprintln!("{line}");
            }
        }
        said
    });
    match first_line.recv_timeout(START) {
        Ok(line) if !line.is_empty() => {
            started.store(true, Ordering::Relaxed);
            serde_json::from_str(&line).with_context(|| format!("reading the server's ready line: {line}"))
        }
        Ok(_) => {
            let said = said.join().unwrap_or_default().join("; ");
            bail!("the embedded server did not start: {said}")
        }
        Err(_) => bail!("the embedded server was not ready within {START:?}"),
    }
}
