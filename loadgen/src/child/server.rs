//! The server under test as a child process: started, known to listen, ended. [`Server::start_command`] takes any program
//! (`--server COMMAND`), [`Server::start_embedded`] our own.
//!
//! A server ends with this process: its standard input is a pipe from here, which closes however this process ends.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, set_parent_process_death_signal, waitid,
};
use wss_model::config::CpuList;
use wss_wire::machine;
use wss_wire::target::Target;

use super::announcement::{Announcement, ServerLine};
use super::protocol::EVENTS;
use crate::output::note;

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(20);
/// How long the embedded server may take to end, beyond its drain timeout of 5 s.
const DRAIN: Duration = Duration::from_secs(20);
/// How long any other server may take to end after SIGTERM, before SIGKILL.
const TERMINATE: Duration = Duration::from_secs(5);
/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_millis(500);
/// Interval at which the end of a process, or the start of its listening, is checked.
const POLL: Duration = Duration::from_millis(5);
/// Bytes of one line of output; a longer line is read in pieces.
const MAX_LINE: u64 = 64 << 10;

/// A running server. Dropping it kills it and its children.
pub(crate) struct Server {
    child: Child,
    announcement: Announcement,
    /// What the user calls it: the embedded server, or the server and its command.
    name: String,
    is_embedded: bool,
}

/// Whether any of these addresses accepts a connection.
fn listens(addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| TcpStream::connect_timeout(address, CONNECT).is_ok())
}

impl Server {
    /// Starts the embedded server; it announces itself in JSON.
    ///
    /// # Errors
    /// If it does not start, with the reason that it gave.
    pub(crate) fn start_embedded(command: Command) -> anyhow::Result<Self> {
        Self::start(command, "the embedded server".to_owned(), true, None)
    }

    /// Starts `command` on `cpus`, and waits until it prints where it listens, or until it listens at `url`.
    ///
    /// # Errors
    /// If it cannot be started, ends before it listens, or does not listen within 20 s.
    pub(crate) fn start_command(command: &str, url: Option<&str>, cpus: &CpuList) -> anyhow::Result<Self> {
        let words = shlex::split(command)
            .with_context(|| format!("--server `{command}` has an unclosed quotation mark; close it"))?;
        let (program, arguments) = words.split_first().context("--server is empty; give a command")?;
        let target = url.map(Target::parse).transpose()?;
        if let Some(target) = &target {
            let is_taken = listens(&target.addresses()?);
            ensure!(!is_taken, "a process is already listening at {}; stop it, or choose another port", target.url());
        }
        let mut to_start = Command::new(program);
        to_start.args(arguments);
        end_with_this_process(&mut to_start);
        // A process inherits the CPUs of the thread that starts it.
        let allowed = machine::allowed_cpus().context("reading the CPUs of this thread")?;
        machine::pin_thread(&cpus.0).with_context(|| format!("pinning the server to the CPUs {cpus}"))?;
        let started = Self::start(to_start, format!("the server `{command}`"), false, target.as_ref());
        machine::pin_thread(&allowed).context("restoring the CPUs of this thread")?;
        let server = started?;
        let addresses = Target::parse(server.url())?.addresses()?;
        if let Some(address) = addresses.iter().find(|address| !address.ip().is_loopback()) {
            note(&format!("note: {} listens at {address}, which is not a loopback address", server.name));
        }
        Ok(server)
    }

    fn start(mut command: Command, name: String, is_embedded: bool, at: Option<&Target>) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove(EVENTS);
        // In its own group, so that Ctrl-C of the terminal reaches only this process, which then ends the server.
        let child = command.process_group(0).spawn();
        let mut child = child.with_context(|| format!("cannot start {name}; check the path of the program"))?;
        let is_started = Arc::new(AtomicBool::new(false));
        let (stdout, stderr) = child.stdout.take().zip(child.stderr.take()).context("opening pipes")?;
        let (sender, lines) = mpsc::channel();
        read_lines(stdout, false, sender.clone(), Arc::clone(&is_started));
        read_lines(stderr, true, sender, Arc::clone(&is_started));
        let announcement = at.map(|target| Announcement { url: target.url(), ..Announcement::default() });
        let mut server = Self { child, announcement: announcement.unwrap_or_default(), name, is_embedded };
        let mut output = StartOutput { lines, reason: None, last: String::new() };
        let deadline = Instant::now() + START;
        if at.is_none() {
            server.announcement = server.wait_for_announcement(&mut output, deadline)?;
        }
        if !server.announcement.is_event {
            server.wait_for_listener(&mut output, deadline)?;
        }
        is_started.store(true, Ordering::Relaxed);
        Ok(server)
    }

    /// Where to connect.
    pub(crate) fn url(&self) -> &str {
        &self.announcement.url
    }

    /// The CA of its certificate, PEM, if it announced one.
    pub(crate) fn ca_pem(&self) -> Option<&str> {
        self.announcement.ca_pem.as_deref()
    }

    /// The base URL of its admin endpoint, if it has one.
    pub(crate) fn admin(&self) -> Option<&str> {
        self.announcement.admin.as_deref()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_for_announcement(&mut self, output: &mut StartOutput, deadline: Instant) -> anyhow::Result<Announcement> {
        loop {
            match output.next(POLL) {
                Ok(Some(announcement)) => return Ok(announcement),
                Ok(None) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.exited_early(output)),
                Err(RecvTimeoutError::Timeout) if self.has_exited()? => return Err(self.exited_early(output)),
                Err(RecvTimeoutError::Timeout) => ensure!(
                    Instant::now() < deadline,
                    "{} printed no URL within {START:?}; have it print the URL where it listens, or give --at URL",
                    self.name
                ),
            }
        }
    }

    fn wait_for_listener(&mut self, output: &mut StartOutput, deadline: Instant) -> anyhow::Result<()> {
        let addresses = Target::parse(self.url())?.addresses()?;
        while !listens(&addresses) {
            if self.has_exited()? {
                return Err(self.exited_early(output));
            }
            ensure!(
                Instant::now() < deadline,
                "{} was not listening at {} after {START:?}; check the URL",
                self.name,
                self.url()
            );
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("waiting for {}", self.name))
    }

    fn has_exited(&mut self) -> anyhow::Result<bool> {
        Ok(self.status()?.is_some())
    }

    /// The error of a server that exited before it listened: its reason, or the last line that it printed.
    fn exited_early(&mut self, output: &mut StartOutput) -> anyhow::Error {
        let deadline = Instant::now() + TERMINATE;
        let status = match self.wait_until(deadline) {
            Ok(Some(status)) => describe(status),
            _ => "closed its output".to_owned(),
        };
        // Its last lines may still be on their way.
        while Instant::now() < deadline && !matches!(output.next(POLL), Err(RecvTimeoutError::Disconnected)) {}
        let StartOutput { reason, last, .. } = output;
        match reason.as_deref().unwrap_or(last) {
            "" => anyhow!("{} {status} before it listened", self.name),
            reason => anyhow!("{} {status} before it listened: {reason}", self.name),
        }
    }

    /// Ends it in order: the embedded server drains when its standard input closes, any other one gets SIGTERM.
    ///
    /// # Errors
    /// If it had ended before, or if the embedded server does not end in time and with success.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.status()? {
            bail!("{} {} during the run", self.name, describe(status));
        }
        drop(self.child.stdin.take());
        if !self.is_embedded {
            return self.terminate();
        }
        match self.wait_until(Instant::now() + DRAIN)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("{} {}", self.name, describe(status)),
            None => bail!("{} did not end within {DRAIN:?}", self.name),
        }
    }

    /// SIGTERM to all of its processes; SIGKILL to those that are left when it has ended or its time is up.
    fn terminate(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + TERMINATE;
        // It is reaped last, because its number is also that of its group.
        while !self.is_zombie() {
            if Instant::now() > deadline {
                note(&format!("note: {} did not end within {TERMINATE:?} after SIGTERM and was killed", self.name));
                break;
            }
            std::thread::sleep(POLL);
        }
        self.signal(Signal::KILL);
        self.child.wait().with_context(|| format!("waiting for {}", self.name))?;
        Ok(())
    }

    /// Whether it has ended and was not reaped yet.
    fn is_zombie(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.group().is_some_and(|pid| matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_))))
    }

    fn wait_until(&mut self, deadline: Instant) -> anyhow::Result<Option<ExitStatus>> {
        loop {
            match self.status()? {
                None if Instant::now() < deadline => std::thread::sleep(POLL),
                status => return Ok(status),
            }
        }
    }

    fn group(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Signals all processes of its group; it must not have been reaped.
    fn signal(&self, signal: Signal) {
        self.group().map(|group| kill_process_group(group, signal));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// `exited with code 1`, `was ended by signal 9`.
fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        _ => "ended".to_owned(),
    }
}

/// The output of a server that is starting.
struct StartOutput {
    lines: Receiver<Line>,
    /// The text of its `failed` event.
    reason: Option<String>,
    /// The last line of standard error that is not empty.
    last: String,
}

struct Line {
    is_stderr: bool,
    text: String,
}

impl StartOutput {
    /// Waits for one line: where the server listens, or `None` if the line says something else.
    fn next(&mut self, timeout: Duration) -> Result<Option<Announcement>, RecvTimeoutError> {
        let Line { is_stderr, text } = self.lines.recv_timeout(timeout)?;
        let parsed = ServerLine::parse(&text);
        if is_stderr && !text.trim().is_empty() {
            self.last = text;
        }
        match parsed {
            ServerLine::Ready(announcement) => return Ok(Some(announcement)),
            ServerLine::Failed(reason) => self.reason = Some(reason),
            ServerLine::Other => {}
        }
        Ok(None)
    }
}

/// Reads a pipe to its end, since a server would stop at a full one. Lines go to `lines` until it is started; after
/// that, those of standard error are passed on.
fn read_lines(pipe: impl Read + Send + 'static, is_stderr: bool, lines: Sender<Line>, is_started: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let (mut pipe, mut bytes) = (BufReader::new(pipe), Vec::new());
        while matches!(pipe.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes), Ok(1..)) {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if !is_started.load(Ordering::Relaxed) {
                let _ = lines.send(Line { is_stderr, text });
            } else if is_stderr {
                note(&text);
            }
            bytes.clear();
        }
    });
}

/// Has the kernel send SIGTERM to the process if this one ends without ending it.
#[allow(unsafe_code)]
fn end_with_this_process(command: &mut Command) {
    let request = || Ok(set_parent_process_death_signal(Some(Signal::TERM))?);
    // SAFETY: the closure runs between fork and exec. It makes one system call, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(request) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(command: &str, url: Option<&str>) -> anyhow::Result<Server> {
        Server::start_command(command, url, &CpuList(machine::allowed_cpus().unwrap()))
    }

    fn error(command: &str) -> String {
        format!("{:#}", start(command, None).err().unwrap())
    }

    #[test]
    fn reports_a_command_that_cannot_be_started() {
        assert!(error("/nowhere/server --x").contains("cannot start the server `/nowhere/server --x`"));
        assert!(error("/nowhere/server").contains("No such file"));
        assert!(error("").contains("--server is empty"));
        assert!(error("'sh").contains("unclosed quotation mark"));
    }

    #[test]
    fn reports_the_last_words_of_a_server_that_exits_early() {
        let start = Instant::now();
        let error = error("sh -c 'echo starting; echo the port is taken >&2; exit 7'");
        assert!(error.ends_with("exited with code 7 before it listened: the port is taken"), "{error}");
        assert!(start.elapsed() < START / 2);
    }

    #[test]
    fn ends_a_server_and_its_children() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = start(&format!("sh -c 'sleep 60 & echo on {url}; wait'"), None).unwrap();
        assert_eq!((server.url(), server.ca_pem(), server.admin()), (url.as_str(), None, None));
        let group = server.pid();
        server.end().unwrap();
        let deadline = Instant::now() + TERMINATE;
        while kill_process_group(Pid::from_raw(group as i32).unwrap(), Signal::CONT).is_ok() {
            assert!(Instant::now() < deadline, "a process of group {group} is still there");
            std::thread::sleep(POLL);
        }
        let refused = format!("{:#}", start("sleep 60", Some(&url)).err().unwrap());
        assert!(refused.contains("already listening"), "{refused}");
    }
}
