//! What the tasks of one thread share: configuration, records, and the orders to its connections.

mod recording;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc as thread_mpsc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{Notify, mpsc};
use wss_model::config::{Expect, IdlePolicy, LimitOptions};
use wss_wire::publication::MonotonicClock;
use wss_wire::tls::{CertificateKinds, ClientConfigs, RequestedTls};

use super::channel::MAX_REPLY;
use super::close::ClosingRecord;
use super::command::GeneratorOptions;
use super::compression::ThreadCompression;
use super::destination::Destination;
use super::exchange::Exchange;
use super::kernel_clock::Sampling;
use super::payload::Payloads;
use super::plan::Order;
use super::record::{EchoRecord, HandshakeRecord, TickRecord};
use super::subscribe_record::SubscribeRecord;
use super::template::Template;

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
    /// Whether connections receive what the server pushes.
    pub(crate) subscribes: bool,
    /// Whether they ask for it with a message.
    pub(crate) sends_subscription: bool,
    /// The clock of published messages; `None` if it has no name here.
    pub(crate) clock: Option<MonotonicClock>,
    pub(crate) certificate_kinds: RefCell<CertificateKinds>,
    pub(crate) tls: Option<ClientConfigs>,
    /// What a handshake has to negotiate to count as a sample.
    pub(crate) requested: RequestedTls,
    pub(crate) kernel_clock: Sampling,
    pub(crate) handshakes: RefCell<HandshakeRecord>,
    pub(crate) echo: RefCell<EchoRecord>,
    pub(crate) subscription: RefCell<SubscribeRecord>,
    closing: RefCell<ClosingRecord>,
    tick: RefCell<TickRecord>,
    empty_handshakes: RefCell<Vec<HandshakeRecord>>,
    empty_echo: RefCell<Vec<EchoRecord>>,
    empty_subscriptions: RefCell<Vec<SubscribeRecord>>,
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
            subscribes,
            ..
        } = options;
        let kernel_clock = Sampling::new(kernel_clock);
        let handshakes: Vec<_> = (0..PHASES).map(|_| HandshakeRecord::new(kernel_clock.record())).collect();
        let echoes: Vec<_> = (0..PHASES).map(|_| EchoRecord::new(kernel_clock.record())).collect();
        // Streams of different threads must not repeat each other.
        let thread_seed = seed.wrapping_add((number as u64) << 32);
        let sends_subscription = subscribes && message.is_some();
        let payloads = match message {
            Some(message) if messages.id_pointer().is_some() => Payloads::with_ids(Template::parse(&message)),
            Some(message) => Payloads::fixed(message.as_ref().into()),
            None if subscribes => Payloads::fixed(Rc::default()),
            None if messages.text => Payloads::ascii(size, thread_seed),
            None => Payloads::new(size, thread_seed),
        };
        let any = if subscribes { Expect::Any } else { Expect::Echo };
        let expect = messages.expect.clone().unwrap_or(any);
        let exchange = Exchange::new(payloads, &messages, expect, size.max(MAX_REPLY));
        let clock = if subscribes { MonotonicClock::new().ok() } else { None };
        let subscriptions = if subscribes { PHASES } else { 0 };
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
            subscribes,
            sends_subscription,
            clock,
            certificate_kinds: RefCell::default(),
            handshakes: RefCell::new(HandshakeRecord::new(kernel_clock.record())),
            echo: RefCell::new(EchoRecord::new(kernel_clock.record())),
            kernel_clock,
            subscription: RefCell::default(),
            closing: RefCell::default(),
            tick: RefCell::default(),
            empty_handshakes: RefCell::new(handshakes),
            empty_echo: RefCell::new(echoes),
            empty_subscriptions: RefCell::new((0..subscriptions).map(|_| SubscribeRecord::default()).collect()),
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

    /// Whether the server has sent sessions, and none is left to resume.
    pub(crate) fn has_run_out_of_sessions(&self) -> bool {
        let resuming = self.tls.as_ref().and_then(|tls| tls.resuming.as_ref());
        resuming.is_some_and(|(_, sessions)| sessions.has_run_out())
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
