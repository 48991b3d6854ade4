//! The generator: threads that open connections and exchange messages, and what directs them.
//!
//! The way of a sample: [`schedule`] (when it is due, of a [`phase_clock`]) → [`opening`] and [`open`] (a handshake) or [`exchange`] (a
//! message) → [`record`] (histograms of the thread) → merged here, once, at the end of the phase.

mod channel;
mod close;
mod connection;
pub(crate) mod handshake;
mod handshake_phase;
mod payload;
pub(crate) mod phase_clock;
pub(crate) mod plan;
pub(crate) mod record;
mod schedule;
mod worker;

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use wss_model::config::LimitOptions;
use wss_model::{EngineKind, LatencyHistogram};
use wss_wire::with_engine;

use self::handshake::Destination;
use self::plan::{EchoPlan, HandshakePlan};
use self::record::{EchoRecord, Failures, HandshakeRecord, Interval};
use self::worker::{Command, Report, Setup};

/// How long after the command a phase starts, so that all threads are there.
const LEAD: Duration = Duration::from_millis(20);
/// How often the directing thread looks up while it waits.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Intervals that each thread has in reserve, for when this thread is slow to give one back.
const SPARES: usize = 2;

/// How the generator is set up.
pub(crate) struct Options {
    pub(crate) engine: EngineKind,
    pub(crate) threads: usize,
    pub(crate) cpus: Vec<usize>,
    pub(crate) seed: u64,
    pub(crate) size: usize,
    pub(crate) destination: Destination,
    pub(crate) limits: LimitOptions,
}

/// One second of a phase, all threads together.
#[derive(Debug)]
pub(crate) struct Second {
    pub(crate) tick: u32,
    pub(crate) completed: u64,
    pub(crate) errors: u64,
    pub(crate) connections: u64,
    pub(crate) latency: LatencyHistogram,
}

/// What watches a phase while it runs.
pub(crate) trait Watch {
    /// Whether the user wants it to end.
    fn interrupted(&self) -> bool;
    /// A second is complete.
    fn second(&mut self, second: &Second);
    /// Nothing new; called ten times a second.
    fn idle(&mut self) {}
}

/// The threads, and the way to them.
pub(crate) struct Generator {
    commands: Vec<tokio::sync::mpsc::UnboundedSender<Command>>,
    reports: mpsc::Receiver<Report>,
    /// To each thread: intervals to use again.
    spares: Vec<mpsc::Sender<Interval>>,
    /// Histograms for the seconds that are put together.
    empty: Vec<LatencyHistogram>,
    threads: Vec<JoinHandle<()>>,
    stopped: bool,
}

impl Generator {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the engine does not start, or a CPU cannot be used.
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let (sender, reports) = mpsc::channel();
        let mut generator = Self {
            commands: Vec::new(),
            reports,
            spares: Vec::new(),
            empty: vec![LatencyHistogram::new(); SPARES],
            threads: Vec::new(),
            stopped: false,
        };
        for number in 0..options.threads {
            let (commands, receiver) = tokio::sync::mpsc::unbounded_channel();
            let (spare, spares) = mpsc::channel();
            for _ in 0..SPARES {
                spare.send(Interval::default()).ok().context("the receiver is at hand")?;
            }
            generator.spares.push(spare);
            let setup = Setup {
                number,
                threads: options.threads,
                cpu: options.cpus.get(number % options.cpus.len().max(1)).copied(),
                seed: options.seed,
                size: options.size,
                destination: options.destination.clone(),
                limits: options.limits.clone(),
                commands: receiver,
                reports: sender.clone(),
                spares,
            };
            let engine = options.engine;
            let thread = thread::Builder::new()
                .name(format!("generator-{number}"))
                .spawn(move || with_engine!(engine, E => worker::run::<E>(setup)))
                .context("starting a thread of the generator")?;
            generator.commands.push(commands);
            generator.threads.push(thread);
        }
        for _ in 0..options.threads {
            match generator.reports.recv().context("waiting for the generator to start")? {
                Report::Failed(why) => bail!(why),
                _ => continue,
            }
        }
        Ok(generator)
    }

    /// When a phase that is begun now should start.
    pub(crate) fn next_start() -> Instant {
        Instant::now() + LEAD
    }

    /// Runs a phase of handshakes.
    pub(crate) fn handshakes(
        &mut self,
        plan: &HandshakePlan,
        watch: &mut dyn Watch,
    ) -> anyhow::Result<HandshakeRecord> {
        let mut record = HandshakeRecord::default();
        self.phase(
            || Command::Handshakes(plan.clone()),
            watch,
            |report| match report {
                Report::Handshakes(theirs) => {
                    record.merge(*theirs);
                    true
                }
                _ => false,
            },
        )?;
        Ok(record)
    }

    /// Runs a phase of messages.
    pub(crate) fn echo(&mut self, plan: &EchoPlan, watch: &mut dyn Watch) -> anyhow::Result<EchoRecord> {
        let mut record = EchoRecord::default();
        self.phase(
            || Command::Echo(plan.clone()),
            watch,
            |report| match report {
                Report::Echo(theirs) => {
                    record.merge(*theirs);
                    true
                }
                _ => false,
            },
        )?;
        Ok(record)
    }

    /// Closes all connections; what went wrong with it.
    pub(crate) fn close(&mut self, watch: &mut dyn Watch) -> anyhow::Result<Failures> {
        let mut failures = Failures::default();
        self.phase(
            || Command::Close,
            watch,
            |report| match report {
                Report::Closed(theirs) => {
                    failures.merge(theirs);
                    true
                }
                _ => false,
            },
        )?;
        Ok(failures)
    }

    /// Gives all threads a command and waits until each has reported its end.
    fn phase(
        &mut self,
        command: impl Fn() -> Command,
        watch: &mut dyn Watch,
        mut end: impl FnMut(Report) -> bool,
    ) -> anyhow::Result<()> {
        for commands in &self.commands {
            commands.send(command()).ok().context("a thread of the generator has ended by itself")?;
        }
        let mut running = self.commands.len();
        let mut seconds = Seconds { threads: self.commands.len(), open: BTreeMap::new(), spares: &mut self.empty };
        while running > 0 {
            if watch.interrupted() && !self.stopped {
                self.stopped = true;
                for commands in &self.commands {
                    let _ = commands.send(Command::Stop);
                }
            }
            match self.reports.recv_timeout(LOOK_UP) {
                Ok(Report::Tick { thread, tick, mut interval, connections }) => {
                    if let Some(second) = seconds.add(tick, &interval, connections) {
                        watch.second(&second);
                        seconds.give_back(second);
                    }
                    interval.clear();
                    let _ = self.spares[thread].send(interval);
                }
                Ok(Report::Failed(why)) => bail!(why),
                Ok(report) => running -= usize::from(end(report)),
                Err(RecvTimeoutError::Timeout) => {
                    watch.idle();
                    if self.threads.iter().any(JoinHandle::is_finished) {
                        bail!("a thread of the generator has ended by itself");
                    }
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the threads of the generator have ended by themselves"),
            }
        }
        for second in seconds.rest() {
            watch.second(&second);
        }
        Ok(())
    }

    /// Ends the threads.
    pub(crate) fn end(self) {
        drop(self.commands);
        for thread in self.threads {
            // A panic has been told on standard error by the thread itself.
            let _ = thread.join();
        }
    }
}

/// Puts the threads' ticks together.
struct Seconds<'a> {
    threads: usize,
    open: BTreeMap<u32, (usize, Second)>,
    /// Histograms to use again: this thread shares its CPU with one that measures, and where the first touch of a page
    /// stops a virtual CPU, a new histogram a second would stop that one.
    spares: &'a mut Vec<LatencyHistogram>,
}

impl Seconds<'_> {
    /// Adds one; gives the second back when all threads have told of it.
    fn add(&mut self, tick: u32, interval: &Interval, connections: u64) -> Option<Second> {
        let empty = || {
            let second = Second { tick, completed: 0, errors: 0, connections: 0, latency: LatencyHistogram::default() };
            (0, second)
        };
        let (threads, second) = self.open.entry(tick).or_insert_with(empty);
        *threads += 1;
        second.completed += interval.completed;
        second.errors += interval.errors;
        second.connections += connections;
        second.latency.merge(&interval.latency);
        if *threads < self.threads {
            return None;
        }
        self.open.remove(&tick).map(|(_, second)| second)
    }

    fn give_back(&mut self, second: Second) {
        let mut latency = second.latency;
        latency.clear();
        self.spares.push(latency);
    }

    /// What some threads alone have told of: they ended later than the others.
    fn rest(self) -> impl Iterator<Item = Second> {
        self.open.into_values().map(|(_, second)| second).filter(|second| second.completed + second.errors > 0)
    }
}
