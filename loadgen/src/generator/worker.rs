//! A thread of the generator: one engine, its share of the connections. It does what it is told, phase after phase,
//! and reports once a second and at the end of each.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc as thread_mpsc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{Notify, mpsc};
use wss_model::config::LimitOptions;
use wss_model::ring_counters::RingCounters;
use wss_wire::engine::{Engine, EngineError};
use wss_wire::tls::{Asked, CertificateKinds, ClientConfigs, timed};

use super::handshake::Destination;
use super::handshake_phase as opening;
use super::payload::Payloads;
use super::plan::{EchoOrder, EchoPlan, HandshakePlan, Order};
use super::record::{EchoRecord, Failure, Failures, HandshakeRecord, Interval};
use super::schedule::Schedule;

/// How often a thread reports while a phase runs.
const TICK: Duration = Duration::from_secs(1);
/// Phases of one kind that a run has at most: sessions, warm-up and measurement.
const PHASES: usize = 3;
/// Scratch buffers that are kept for later messages.
const SCRATCH_KEPT: usize = 64;

/// What a thread is told. One command at a time, but `Stop`, which may come at any time.
pub(crate) enum Command {
    Handshakes(HandshakePlan),
    Echo(EchoPlan),
    /// Close all connections.
    Close,
    /// Plan nothing more: the run was interrupted.
    Stop,
}

/// What a thread says.
pub(crate) enum Report {
    /// It is ready.
    Ready,
    /// A second has passed.
    Tick {
        thread: usize,
        tick: u32,
        interval: Interval,
        connections: u64,
    },
    /// The end of a command.
    Handshakes(Box<HandshakeRecord>),
    Echo(Box<EchoRecord>),
    Closed(Failures),
    /// It cannot go on.
    Failed(String),
}

/// What a thread is started with.
pub(crate) struct Setup {
    pub(crate) number: usize,
    pub(crate) threads: usize,
    pub(crate) cpu: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) size: usize,
    pub(crate) destination: Destination,
    pub(crate) limits: LimitOptions,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) reports: thread_mpsc::Sender<Report>,
    /// Intervals that were told and come back empty.
    pub(crate) spares: thread_mpsc::Receiver<Interval>,
}

/// What the tasks of one thread share.
pub(crate) struct Context {
    pub(crate) number: usize,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) destination: Destination,
    pub(crate) limits: LimitOptions,
    pub(crate) payloads: Payloads,
    pub(crate) certificate_kinds: RefCell<CertificateKinds>,
    pub(crate) tls: Option<ClientConfigs>,
    /// What its handshakes have to be.
    pub(crate) asked: Asked,
    /// Handshakes that were begun of those of which a share is to resume.
    mixed: Cell<u64>,
    pub(crate) handshakes: RefCell<HandshakeRecord>,
    pub(crate) echo: RefCell<EchoRecord>,
    /// Empty records for the phases to come.
    empty_handshakes: RefCell<Vec<HandshakeRecord>>,
    empty_echo: RefCell<Vec<EchoRecord>>,
    closing: RefCell<Failures>,
    interval: RefCell<Interval>,
    spares: thread_mpsc::Receiver<Interval>,
    orders: RefCell<Vec<mpsc::UnboundedSender<Order>>>,
    connections: Cell<u64>,
    /// Orders given and not done yet.
    pending: Cell<usize>,
    progress: Notify,
    stop: Cell<bool>,
    stopping: Notify,
    random: RefCell<SmallRng>,
    message: Cell<u64>,
    scratch: RefCell<Vec<Vec<u8>>>,
}

impl Context {
    pub(crate) fn stopped(&self) -> bool {
        self.stop.get()
    }

    /// Waits until the run is interrupted.
    pub(crate) async fn stopping(&self) {
        while !self.stop.get() {
            self.stopping.notified().await;
        }
    }

    /// The numbers of the next messages.
    pub(crate) fn next_number(&self, count: u64) -> u64 {
        self.message.replace(self.message.get() + count)
    }

    /// Whether the next handshake is to resume a session: so that of any number of them the share is as asked, to
    /// one.
    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
    pub(crate) fn resumes_next(&self) -> bool {
        let share = self.destination.tls.as_ref().map_or(0.0, |tls| tls.options.resume_share());
        let number = self.mixed.replace(self.mixed.get() + 1) as f64;
        ((number + 1.0) * share).floor() > (number * share).floor()
    }

    pub(crate) fn websocket_key(&self) -> [u8; 16] {
        self.random.borrow_mut().random()
    }

    pub(crate) fn take_scratch(&self) -> Vec<u8> {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_scratch(&self, scratch: Vec<u8>) {
        let mut kept = self.scratch.borrow_mut();
        if kept.len() < SCRATCH_KEPT {
            kept.push(scratch);
        }
    }

    /// A connection is open and takes orders.
    pub(crate) fn connection_opened(&self) -> mpsc::UnboundedReceiver<Order> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.orders.borrow_mut().push(sender);
        self.connections.set(self.connections.get() + 1);
        receiver
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.set(self.connections.get() - 1);
    }

    pub(crate) fn order_done(&self) {
        self.pending.set(self.pending.get() - 1);
        self.progress.notify_one();
    }

    /// A message is about to be sent.
    pub(crate) fn send_begins(&self, now: Instant, lateness: Option<Duration>, waited: bool) {
        let mut echo = self.echo.borrow_mut();
        echo.planned += 1;
        echo.in_flight_waits += u64::from(waited);
        echo.last.begun = Some(now);
        if let Some(lateness) = lateness {
            echo.lateness.record(lateness);
        }
    }

    pub(crate) fn send_done(&self) {
        self.echo.borrow_mut().sent += 1;
    }

    pub(crate) fn receive_echo(&self, now: Instant, planned: Instant, sent: Instant) {
        let response = now.saturating_duration_since(planned);
        let mut echo = self.echo.borrow_mut();
        echo.receive(response, now.saturating_duration_since(sent));
        echo.last.done = Some(now);
        self.interval.borrow_mut().complete(response);
    }

    pub(crate) fn complete_handshake(&self, now: Instant, timing: super::record::Timing) {
        self.interval.borrow_mut().complete(timing.ready);
        let mut handshakes = self.handshakes.borrow_mut();
        handshakes.complete(timing);
        handshakes.last.done = Some(now);
    }

    pub(crate) fn fail_handshake(&self, failure: Failure) {
        self.interval.borrow_mut().errors += 1;
        self.handshakes.borrow_mut().failures.add(failure);
    }

    pub(crate) fn fail_echo(&self, failure: Failure) {
        self.fail_echo_many(failure, 1);
    }

    pub(crate) fn fail_echo_many(&self, failure: Failure, count: u64) {
        self.interval.borrow_mut().errors += count;
        self.echo.borrow_mut().failures.add_many(failure, count);
    }

    pub(crate) fn fail_close(&self, failure: Failure) {
        self.interval.borrow_mut().errors += 1;
        self.closing.borrow_mut().add(failure);
    }

    /// What a phase recorded. An empty record takes its place, made before the first phase: making one touches 1.5 MB,
    /// which would be told as CPU of the handshakes.
    fn take_handshakes(&self) -> HandshakeRecord {
        self.handshakes.replace(self.empty_handshakes.borrow_mut().pop().unwrap_or_default())
    }

    /// [`take_handshakes`](Self::take_handshakes), of messages.
    fn take_echo(&self) -> EchoRecord {
        self.echo.replace(self.empty_echo.borrow_mut().pop().unwrap_or_default())
    }

    /// Gives each connection an order and waits until all are done.
    async fn order_all(&self, order: impl Fn(usize) -> Order) {
        let orders = self.orders.borrow().clone();
        for (number, connection) in orders.iter().enumerate() {
            self.pending.set(self.pending.get() + 1);
            if connection.send(order(number)).is_err() {
                // Its task lives until it is told to close: this cannot be, and if it were, it would be done.
                self.pending.set(self.pending.get() - 1);
            }
        }
        while self.pending.get() > 0 {
            self.progress.notified().await;
        }
    }
}

/// Runs a thread of the generator until its commands end.
pub(crate) fn run<E: Engine>(setup: Setup) {
    let reports = setup.reports.clone();
    let pinned = setup.cpu.map_or(Ok(()), |cpu| wss_wire::machine::pin_thread(&BTreeSet::from([cpu])));
    let ended: Result<(), EngineError> = match pinned {
        Ok(()) => E::run(|| work::<E>(setup)),
        Err(source) => Err(EngineError::Setup { engine: E::KIND, source }),
    };
    if let Err(error) = ended {
        let _ = reports.send(Report::Failed(error.to_string()));
    }
}

async fn work<E: Engine>(setup: Setup) {
    let Setup { mut commands, reports, .. } = setup;
    // Streams of different threads must not repeat each other.
    let seed = setup.seed.wrapping_add((setup.number as u64) << 32);
    let tls = setup.destination.tls.as_ref();
    let context = Rc::new(Context {
        tls: tls.map(|tls| ClientConfigs::new(&tls.config, &tls.options, tls.sessions)),
        asked: tls.map_or_else(Asked::default, |tls| Asked::new(&tls.options)),
        mixed: Cell::new(0),
        number: setup.number,
        threads: setup.threads,
        seed: setup.seed,
        destination: setup.destination,
        limits: setup.limits,
        payloads: Payloads::new(setup.size, seed),
        certificate_kinds: RefCell::default(),
        handshakes: RefCell::default(),
        echo: RefCell::default(),
        empty_handshakes: RefCell::new((0..PHASES).map(|_| HandshakeRecord::default()).collect()),
        empty_echo: RefCell::new((0..PHASES).map(|_| EchoRecord::default()).collect()),
        closing: RefCell::default(),
        interval: RefCell::default(),
        spares: setup.spares,
        orders: RefCell::default(),
        connections: Cell::new(0),
        pending: Cell::new(0),
        progress: Notify::new(),
        stop: Cell::new(false),
        stopping: Notify::new(),
        random: RefCell::new(SmallRng::seed_from_u64(seed)),
        message: Cell::new(0),
        scratch: RefCell::default(),
    });
    if let Some(tls) = &context.tls {
        wss_wire::tls::warm_up(tls.full.crypto_provider());
    }
    if reports.send(Report::Ready).is_err() {
        return;
    }
    while let Some(command) = commands.recv().await {
        let report = match command {
            Command::Stop => {
                stop(&context);
                continue;
            }
            Command::Handshakes(plan) => {
                let (start, before) = (plan.clock.start(), E::io());
                let phase = opening::open_planned::<E>(&context, plan);
                attend::<E>(&context, start, &mut commands, &reports, phase).await;
                let mut record = context.take_handshakes();
                record.rings = io_since::<E>(before.as_ref());
                Report::Handshakes(Box::new(record))
            }
            Command::Echo(plan) => {
                let (before, io_before) = (timed::spent(), E::io());
                let phase = context.order_all(|number| Order::Echo(echo_order(&context, &plan, number)));
                attend::<E>(&context, plan.clock.start(), &mut commands, &reports, phase).await;
                let mut record = context.take_echo();
                record.aead_ns = timed::spent().since(&before).aead_ns;
                record.rings = io_since::<E>(io_before.as_ref());
                Report::Echo(Box::new(record))
            }
            Command::Close => {
                let phase = context.order_all(|_| Order::Close);
                attend::<E>(&context, Instant::now(), &mut commands, &reports, phase).await;
                context.orders.borrow_mut().clear();
                let mut failures = context.closing.take();
                // A connection that failed between two phases has no other record to stand in.
                failures.merge(context.echo.take().failures);
                Report::Closed(failures)
            }
        };
        if reports.send(report).is_err() {
            return;
        }
    }
}

/// What the ring of this thread did since an earlier look, if the engine has one that it counts.
fn io_since<E: Engine>(before: Option<&RingCounters>) -> Option<RingCounters> {
    Some(E::io()?.since(before?))
}

fn stop(context: &Context) {
    context.stop.set(true);
    context.stopping.notify_waiters();
}

/// The share that connection `number` of this thread has in a phase of messages.
fn echo_order(context: &Context, plan: &EchoPlan, number: usize) -> EchoOrder {
    // Connections of different threads take turns, so that the threads' planned instants interleave.
    let stream = (number * context.threads + context.number).min(plan.connections.saturating_sub(1));
    let schedule = plan
        .rate
        .map(|rate| Schedule::new(plan.clock.clone(), rate, stream, plan.connections, plan.arrivals, context.seed));
    EchoOrder {
        schedule,
        clock: plan.clock.clone(),
        end: plan.end,
        grace_end: plan.clock.grace_end(plan.end, context.limits.overdue_timeout.0),
        in_flight: plan.in_flight,
    }
}

/// Runs a phase to its end; meanwhile reports once a second and listens for `Stop`.
async fn attend<E: Engine>(
    context: &Context,
    start: Instant,
    commands: &mut mpsc::UnboundedReceiver<Command>,
    reports: &thread_mpsc::Sender<Report>,
    phase: impl Future<Output = ()>,
) {
    let mut phase = pin!(phase);
    let mut tick = 0;
    loop {
        let next = start + TICK * (tick + 1);
        tokio::select! {
            biased;
            () = &mut phase => break,
            () = E::sleep_until(next) => {}
            command = commands.recv(), if !context.stopped() => {
                // The end of the commands is an interruption as well.
                debug_assert!(matches!(command, None | Some(Command::Stop)), "one command at a time");
                stop(context);
                continue;
            }
        }
        tick += 1;
        report_tick(context, reports, tick);
    }
    report_tick(context, reports, tick + 1);
}

fn report_tick(context: &Context, reports: &thread_mpsc::Sender<Report>, tick: u32) {
    // A spare one, not a new one: the pages of a new one would be touched for the first time here, which on a
    // virtual machine took this thread 18 ms.
    let empty = context.spares.try_recv().unwrap_or_default();
    let interval = context.interval.replace(empty);
    let connections = context.connections.get();
    let _ = reports.send(Report::Tick { thread: context.number, tick, interval, connections });
}
