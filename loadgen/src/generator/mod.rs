//! The generator: threads that open connections and exchange messages, and the coordinator of their phases.
//!
//! The way of a sample: [`schedule`] plans an instant on a [`phase_clock`]; [`handshake_phase`] and [`handshake`], or
//! [`echo_phase`] and [`connection`], perform the operation; the thread adds it to its [`record`]; [`Generator`] merges
//! the records once, at the end of the phase.

pub(crate) mod breakdown;
pub(crate) mod channel;
pub(crate) mod close;
pub(crate) mod command;
mod compression;
mod connection;
mod context;
mod correlation;
pub(crate) mod destination;
mod echo_phase;
mod exchange;
pub(crate) mod failure;
pub(crate) mod handshake;
mod handshake_phase;
mod heartbeat;
mod json_id;
pub(crate) mod kernel_clock;
mod outstanding;
mod payload;
pub(crate) mod phase_clock;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod response_record;
mod schedule;
pub(crate) mod seconds;
mod stream_numbers;
pub(crate) mod subscribe_record;
mod subscription;
pub(crate) mod template;
pub(crate) mod thread_usage;
pub(crate) mod upgrade;
mod upkeep;
mod worker;

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use wss_model::LatencyHistogram;
use wss_wire::with_engine;

use self::close::ClosingRecord;
use self::command::{Command, GeneratorOptions, Report, WorkerSetup};
use self::plan::{EchoPlan, HandshakePlan, SubscribeOrder};
use self::record::{EchoRecord, HandshakeRecord, TickRecord};
use self::seconds::{PhaseObserver, Seconds};
use self::subscribe_record::SubscribeRecord;

/// Time between a command and the start of its phase, so that all threads are ready for it.
const LEAD: Duration = Duration::from_millis(20);
/// Poll interval of the coordinator while it waits for reports.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Spare records per thread, in case the coordinator is slow to return one.
const SPARES: usize = 2;

const THREAD_ENDED: &str = "a thread of the generator ended unexpectedly";

/// The threads, and the channels to and from them.
pub(crate) struct Generator {
    commands: Vec<tokio::sync::mpsc::UnboundedSender<Command>>,
    reports: mpsc::Receiver<Report>,
    /// Per thread: cleared records.
    spares: Vec<mpsc::Sender<TickRecord>>,
    /// Cleared histograms for merged seconds.
    spare_histograms: Vec<LatencyHistogram>,
    threads: Vec<JoinHandle<()>>,
    stopped: bool,
}

impl Generator {
    /// Starts the threads and waits until they are ready.
    ///
    /// # Errors
    /// If the engine does not start or a CPU cannot be used.
    pub(crate) fn start(options: &GeneratorOptions) -> anyhow::Result<Self> {
        let (sender, reports) = mpsc::channel();
        let mut generator = Self {
            commands: Vec::new(),
            reports,
            spares: Vec::new(),
            spare_histograms: vec![LatencyHistogram::new(); SPARES],
            threads: Vec::new(),
            stopped: false,
        };
        for number in 0..options.threads {
            let (commands, receiver) = tokio::sync::mpsc::unbounded_channel();
            let (spare, spares) = mpsc::channel();
            for _ in 0..SPARES {
                spare.send(TickRecord::default()).ok().context("internal error: a receiver is missing")?;
            }
            generator.spares.push(spare);
            let setup =
                WorkerSetup { number, options: options.clone(), commands: receiver, reports: sender.clone(), spares };
            let engine = options.engine;
            let thread = thread::Builder::new()
                .name(format!("generator-{number}"))
                .spawn(move || with_engine!(engine, E => worker::run::<E>(setup)))
                .context("starting a thread of the generator")?;
            generator.commands.push(commands);
            generator.threads.push(thread);
        }
        for _ in 0..options.threads {
            match generator.reports.recv().context("waiting for the threads of the generator")? {
                Report::Failed(reason) => bail!(reason),
                _ => continue,
            }
        }
        Ok(generator)
    }

    /// The start of a phase that is commanded now.
    pub(crate) fn next_start() -> Instant {
        Instant::now() + LEAD
    }

    /// Runs a phase of handshakes.
    pub(crate) fn run_handshakes(
        &mut self,
        plan: &HandshakePlan,
        observer: &mut dyn PhaseObserver,
    ) -> anyhow::Result<HandshakeRecord> {
        let mut record = HandshakeRecord::default();
        self.run_phase(
            || Command::Handshakes(plan.clone()),
            observer,
            |report| match report {
                Report::Handshakes(other) => {
                    record.merge(*other);
                    true
                }
                _ => false,
            },
        )?;
        Ok(record)
    }

    /// Runs a phase of messages on all open connections.
    pub(crate) fn run_echo(&mut self, plan: &EchoPlan, observer: &mut dyn PhaseObserver) -> anyhow::Result<EchoRecord> {
        let mut record = EchoRecord::default();
        self.run_phase(
            || Command::Echo(plan.clone()),
            observer,
            |report| match report {
                Report::Echo(other) => {
                    record.merge(*other);
                    true
                }
                _ => false,
            },
        )?;
        Ok(record)
    }

    /// Runs a phase of pushed messages on all open connections.
    pub(crate) fn run_subscribe(
        &mut self,
        order: SubscribeOrder,
        observer: &mut dyn PhaseObserver,
    ) -> anyhow::Result<SubscribeRecord> {
        let mut record = SubscribeRecord::default();
        self.run_phase(
            || Command::Subscribe(order),
            observer,
            |report| match report {
                Report::Subscribe(other) => {
                    record.merge(*other);
                    true
                }
                _ => false,
            },
        )?;
        Ok(record)
    }

    /// Closes all connections; returns how they ended.
    pub(crate) fn close_connections(&mut self, observer: &mut dyn PhaseObserver) -> anyhow::Result<ClosingRecord> {
        let mut record = ClosingRecord::default();
        self.run_phase(
            || Command::Close,
            observer,
            |report| match report {
                Report::Closed(other) => {
                    record.merge(other);
                    true
                }
                _ => false,
            },
        )?;
        Ok(record)
    }

    /// Sends a command to all threads and waits until each has reported its end, for which `is_end` returns true.
    fn run_phase(
        &mut self,
        command: impl Fn() -> Command,
        observer: &mut dyn PhaseObserver,
        mut is_end: impl FnMut(Report) -> bool,
    ) -> anyhow::Result<()> {
        for commands in &self.commands {
            commands.send(command()).ok().context(THREAD_ENDED)?;
        }
        let mut running = self.commands.len();
        let mut seconds = Seconds::new(self.commands.len(), &mut self.spare_histograms);
        while running > 0 {
            if observer.interrupted() && !self.stopped {
                self.stopped = true;
                for commands in &self.commands {
                    let _ = commands.send(Command::Stop);
                }
            }
            match self.reports.recv_timeout(POLL_INTERVAL) {
                Ok(Report::Tick { thread, tick, mut record, connections }) => {
                    if let Some(second) = seconds.add(tick, &record, connections) {
                        observer.second(&second);
                        seconds.recycle(second);
                    }
                    record.clear();
                    let _ = self.spares[thread].send(record);
                }
                Ok(Report::Failed(reason)) => bail!(reason),
                Ok(report) => running -= usize::from(is_end(report)),
                Err(RecvTimeoutError::Timeout) => {
                    observer.idle();
                    if self.threads.iter().any(JoinHandle::is_finished) {
                        bail!(THREAD_ENDED);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => bail!(THREAD_ENDED),
            }
        }
        for second in seconds.take_incomplete() {
            if second.completed + second.errors > 0 {
                observer.second(&second);
            }
            seconds.recycle(second);
        }
        Ok(())
    }

    /// Ends the threads and waits for them.
    pub(crate) fn end(self) {
        drop(self.commands);
        for thread in self.threads {
            // A thread that panicked has printed why.
            let _ = thread.join();
        }
    }
}
