//! What the tasks of one thread share: configuration, records, and the orders to its connections.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::mpsc as thread_mpsc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{Notify, mpsc};
use wss_model::config::{IdlePolicy, LimitOptions};
use wss_model::run_result::Ending;
use wss_wire::tls::{CertificateKinds, ClientConfigs, RequestedTls};

use super::breakdown::{Breakdown, SentMessage};
use super::close::ClosingRecord;
use super::command::GeneratorOptions;
use super::compression::ThreadCompression;
use super::destination::Destination;
use super::exchange::Exchange;
use super::failure::Failure;
use super::kernel_clock::{Measured, Sampling};
use super::payload::Payloads;
use super::plan::Order;
use super::record::{EchoRecord, HandshakeRecord, HandshakeSample, TickRecord};

/// Phases of one kind that a run has at most: sessions, two of the warm-up, and measurement.
const PHASES: usize = 4;
/// Scratch buffers that are kept for later messages.
const MAX_SCRATCH: usize = 64;

/// The state of a thread.
pub(crate) struct Context {
    /// Number of the thread, from 0.
    pub(crate) number: usize,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) idle: IdlePolicy,
    pub(crate) destination: Destination,
    pub(crate) limits: LimitOptions,
    pub(crate) exchange: Exchange,
    pub(crate) compression: ThreadCompression,
    pub(crate) certificate_kinds: RefCell<CertificateKinds>,
    pub(crate) tls: Option<ClientConfigs>,
    /// What a handshake has to negotiate to count as a sample.
    pub(crate) requested: RequestedTls,
    pub(crate) kernel_clock: Sampling,
    pub(crate) handshakes: RefCell<HandshakeRecord>,
    pub(crate) echo: RefCell<EchoRecord>,
    closing: RefCell<ClosingRecord>,
    tick: RefCell<TickRecord>,
    empty_handshakes: RefCell<Vec<HandshakeRecord>>,
    empty_echo: RefCell<Vec<EchoRecord>>,
    empty_ticks: thread_mpsc::Receiver<TickRecord>,
    /// Handshakes started in phases that may resume sessions.
    resumable: Cell<u64>,
    orders: RefCell<Vec<mpsc::UnboundedSender<Order>>>,
    /// Orders given and not yet done.
    pending_orders: Cell<usize>,
    order_completed: Notify,
    connections: Cell<u64>,
    stopped: Cell<bool>,
    stop_requested: Notify,
    random: RefCell<SmallRng>,
    messages: Cell<u64>,
    /// Connections that exchanged messages.
    opened: Cell<u64>,
    /// Connection attempts.
    attempts: Cell<usize>,
    scratch: RefCell<Vec<Vec<u8>>>,
    /// The server has kept TCP open after GOAWAY.
    pub(crate) goaway_ignored: Cell<bool>,
}

impl Context {
    pub(crate) fn new(
        number: usize,
        options: GeneratorOptions,
        empty_ticks: thread_mpsc::Receiver<TickRecord>,
    ) -> Self {
        let GeneratorOptions {
            threads,
            seed,
            size,
            idle,
            kernel_clock,
            destination,
            limits,
            messages,
            message,
            compression,
            ..
        } = options;
        let kernel_clock = Sampling::new(kernel_clock);
        let handshakes: Vec<_> = (0..PHASES).map(|_| HandshakeRecord::new(kernel_clock.record())).collect();
        let echoes: Vec<_> = (0..PHASES).map(|_| EchoRecord::new(kernel_clock.record())).collect();
        // Streams of different threads must not repeat each other.
        let thread_seed = seed.wrapping_add((number as u64) << 32);
        let payloads = match message {
            Some(message) => Payloads::fixed(message.as_ref().into()),
            None if messages.text => Payloads::ascii(size, thread_seed),
            None => Payloads::new(size, thread_seed),
        };
        let exchange = Exchange {
            payloads,
            text: messages.text,
            expect: messages.expect.unwrap_or_default(),
            skip: messages.skip_messages,
        };
        let tls = destination.tls.as_ref();
        Self {
            number,
            threads,
            seed,
            idle,
            tls: tls.map(|tls| ClientConfigs::new(&tls.config, &tls.options, tls.sessions)),
            requested: tls.map_or_else(RequestedTls::default, |tls| RequestedTls::new(&tls.options)),
            destination,
            limits,
            exchange,
            compression: ThreadCompression::new(&compression),
            certificate_kinds: RefCell::default(),
            handshakes: RefCell::new(HandshakeRecord::new(kernel_clock.record())),
            echo: RefCell::new(EchoRecord::new(kernel_clock.record())),
            kernel_clock,
            closing: RefCell::default(),
            tick: RefCell::default(),
            empty_handshakes: RefCell::new(handshakes),
            empty_echo: RefCell::new(echoes),
            empty_ticks,
            resumable: Cell::new(0),
            orders: RefCell::default(),
            pending_orders: Cell::new(0),
            order_completed: Notify::new(),
            connections: Cell::new(0),
            stopped: Cell::new(false),
            stop_requested: Notify::new(),
            random: RefCell::new(SmallRng::seed_from_u64(thread_seed)),
            messages: Cell::new(0),
            opened: Cell::new(0),
            attempts: Cell::new(0),
            scratch: RefCell::default(),
            goaway_ignored: Cell::new(false),
        }
    }

    /// Starts no further operations.
    pub(crate) fn stop(&self) {
        self.stopped.set(true);
        self.stop_requested.notify_waiters();
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Waits until the run is interrupted.
    pub(crate) async fn wait_for_stop(&self) {
        while !self.stopped.get() {
            self.stop_requested.notified().await;
        }
    }

    /// This thread's share of a number across all threads.
    pub(crate) fn share(&self, total: usize) -> usize {
        total / self.threads + usize::from(self.number < total % self.threads)
    }

    /// The number of the first message of the next connection.
    pub(crate) fn first_message(&self) -> u64 {
        Payloads::first_number(self.opened.replace(self.opened.get() + 1))
    }

    /// The number of the next message that is the first echo of a handshake.
    pub(crate) fn next_message(&self) -> u64 {
        self.messages.replace(self.messages.get() + 1)
    }

    /// Whether the next handshake is to resume a session. Of any number of handshakes the requested share does, to
    /// within one.
    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
    pub(crate) fn next_resumes(&self) -> bool {
        let share = self.destination.tls.as_ref().map_or(0.0, |tls| tls.options.resume_share());
        let number = self.resumable.replace(self.resumable.get() + 1) as f64;
        ((number + 1.0) * share).floor() > (number * share).floor()
    }

    /// The address of the next connection attempt. The threads take turns, too.
    pub(crate) fn next_address(&self) -> SocketAddr {
        let addresses = &self.destination.addresses;
        let attempt = self.attempts.replace(self.attempts.get() + 1);
        addresses[(attempt * self.threads + self.number) % addresses.len()]
    }

    pub(crate) fn websocket_key(&self) -> [u8; 16] {
        self.random.borrow_mut().random()
    }

    pub(crate) fn take_scratch(&self) -> Vec<u8> {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn return_scratch(&self, scratch: Vec<u8>) {
        let mut kept = self.scratch.borrow_mut();
        if kept.len() < MAX_SCRATCH {
            kept.push(scratch);
        }
    }
}

/// Connections and their orders.
impl Context {
    /// Adds a connection; returns where it receives its orders.
    pub(crate) fn add_connection(&self) -> mpsc::UnboundedReceiver<Order> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.orders.borrow_mut().push(sender);
        self.connections.set(self.connections.get() + 1);
        receiver
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.set(self.connections.get() - 1);
    }

    /// Connections that are open now.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.get()
    }

    /// Gives each connection an order and waits until all are done.
    pub(crate) async fn order_all(&self, order: impl Fn(usize) -> Order) {
        let orders = self.orders.borrow().clone();
        for (number, connection) in orders.iter().enumerate() {
            self.pending_orders.set(self.pending_orders.get() + 1);
            if connection.send(order(number)).is_err() {
                // Cannot happen: the task lives until it is ordered to close. If it did, the order would be done.
                self.pending_orders.set(self.pending_orders.get() - 1);
            }
        }
        while self.pending_orders.get() > 0 {
            self.order_completed.notified().await;
        }
    }

    pub(crate) fn order_done(&self) {
        self.pending_orders.set(self.pending_orders.get() - 1);
        self.order_completed.notify_one();
    }

    /// Forgets the connections; all of them have been ordered to close.
    pub(crate) fn forget_connections(&self) {
        self.orders.borrow_mut().clear();
    }
}

/// Recording.
impl Context {
    pub(crate) fn handshake_started(&self, now: Instant) {
        let mut handshakes = self.handshakes.borrow_mut();
        handshakes.started += 1;
        handshakes.last.started = Some(now);
    }

    pub(crate) fn handshake_completed(&self, now: Instant, sample: HandshakeSample) {
        self.tick.borrow_mut().complete(sample.ready);
        let mut handshakes = self.handshakes.borrow_mut();
        handshakes.complete(sample);
        handshakes.last.completed = Some(now);
    }

    pub(crate) fn handshake_failed(&self, failure: Failure) {
        self.tick.borrow_mut().errors += 1;
        self.handshakes.borrow_mut().failures.add(failure);
    }

    /// A message is about to be sent. `lateness` is `None` in a closed loop; `waited`: for the maximum of outstanding
    /// messages.
    pub(crate) fn message_started(&self, now: Instant, lateness: Option<Duration>, waited: bool) {
        let mut echo = self.echo.borrow_mut();
        echo.planned += 1;
        echo.in_flight_waits += u64::from(waited);
        echo.last.started = Some(now);
        if let Some(lateness) = lateness {
            echo.lateness.record(lateness);
        }
    }

    pub(crate) fn message_sent(&self) {
        self.echo.borrow_mut().sent += 1;
    }

    /// The echo of a message was read. `breakdown` is `None` if the engine does not say when it looks for echoes.
    pub(crate) fn echo_received(
        &self,
        now: Instant,
        message: &SentMessage,
        open_loop: bool,
        breakdown: Option<Breakdown>,
    ) {
        let response = now.saturating_duration_since(message.planned);
        let service = open_loop.then(|| now.saturating_duration_since(message.sent));
        let mut echo = self.echo.borrow_mut();
        echo.receive(response, service, breakdown);
        echo.last.completed = Some(now);
        self.tick.borrow_mut().complete(response);
    }

    /// An echo on a connection that the kernel's clock observes.
    pub(crate) fn echo_measured(&self, measured: Measured) {
        if let Some(record) = &mut self.echo.borrow_mut().kernel_clock {
            record.add_service(measured);
        }
    }

    /// The kernel's clock observes a connection that exchanges messages in this phase.
    pub(crate) fn connection_observed(&self) {
        if let Some(record) = &mut self.echo.borrow_mut().kernel_clock {
            record.add_connection();
        }
    }

    pub(crate) fn echo_failed(&self, failure: Failure) {
        self.echoes_failed(failure, 1);
    }

    /// `count` messages failed in the same way.
    pub(crate) fn echoes_failed(&self, failure: Failure, count: u64) {
        self.tick.borrow_mut().errors += count;
        self.echo.borrow_mut().failures.add_many(failure, count);
    }

    pub(crate) fn close_failed(&self, failure: Failure) {
        self.tick.borrow_mut().errors += 1;
        self.closing.borrow_mut().failures.add(failure);
    }

    pub(crate) fn connection_ended(&self, ending: Ending) {
        self.closing.borrow_mut().add_ending(ending);
    }

    /// The record of a phase of handshakes. An empty record replaces it that was made before the first phase: making
    /// one touches 1.5 MB, which would count as CPU time of the handshakes.
    pub(crate) fn take_handshakes(&self) -> HandshakeRecord {
        self.handshakes.replace(self.empty_handshakes.borrow_mut().pop().unwrap_or_default())
    }

    /// The record of a phase of messages; see [`take_handshakes`](Self::take_handshakes).
    pub(crate) fn take_echo(&self) -> EchoRecord {
        self.echo.replace(self.empty_echo.borrow_mut().pop().unwrap_or_default())
    }

    /// How connections were closed, with the failures of those that failed between two phases.
    pub(crate) fn take_closing(&self) -> ClosingRecord {
        let mut record = self.closing.take();
        record.failures.merge(self.echo.take().failures);
        record.compression = self.compression.take();
        record
    }

    /// The record since the last tick. A recycled one replaces it: touching the pages of a new one took 18 ms on a
    /// virtual machine.
    pub(crate) fn take_tick(&self) -> TickRecord {
        self.tick.replace(self.empty_ticks.try_recv().unwrap_or_default())
    }
}
