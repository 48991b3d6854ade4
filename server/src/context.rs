//! What the connections of one worker share: TLS and upgrade settings, limits, counters, and whether the server drains.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use wss_wire::upgrade::ServerUpgrade;
use wss_wire::websocket::BufferBudget;

use crate::counters::Counters;
use crate::options::ServeLimits;
use crate::publishing::{PublishSettings, Publisher};

/// The TLS settings of a server.
#[derive(Clone)]
pub(crate) struct ServerTls {
    pub(crate) acceptor: TlsAcceptor,
    /// Kind of the server's certificate, such as `ecdsa-p256`.
    pub(crate) certificate: Arc<str>,
    /// Whether socket reads and writes are timed during the handshake.
    pub(crate) timed: bool,
}

/// What every connection of the server needs; each worker gets a copy.
#[derive(Clone)]
pub(crate) struct ConnectionSettings {
    /// `None`: the layer has no TLS.
    pub(crate) tls: Option<ServerTls>,
    /// `None`: the layer has no WebSocket.
    pub(crate) upgrade: Option<ServerUpgrade>,
    /// Of compressed messages.
    pub(crate) deflate_level: u8,
    pub(crate) limits: ServeLimits,
    /// `None`: the server echoes.
    pub(crate) publish: Option<PublishSettings>,
    /// Whether connections start with a PROXY protocol header.
    pub(crate) proxy_protocol: bool,
    /// The limit on unfinished messages over all workers.
    pub(crate) buffers: Arc<BufferBudget>,
    /// CPU time to burn per handshake.
    pub(crate) burn_cpu: Duration,
    /// Open connections over all workers: the only state they share, touched once per connection.
    pub(crate) open: Arc<AtomicUsize>,
}

/// The state of one worker, shared by its connections.
pub(crate) struct WorkerContext {
    pub(crate) settings: ConnectionSettings,
    pub(crate) counters: Counters,
    pub(crate) publisher: Publisher,
    draining: Cell<bool>,
    drain: Notify,
    closed: Notify,
}

impl WorkerContext {
    pub(crate) fn new(settings: ConnectionSettings) -> Self {
        Self {
            counters: Counters::new(settings.publish.is_some()),
            settings,
            publisher: Publisher::default(),
            draining: Cell::new(false),
            drain: Notify::new(),
            closed: Notify::new(),
        }
    }

    /// Asks all connections to close.
    pub(crate) fn start_draining(&self) {
        self.draining.set(true);
        self.drain.notify_waiters();
    }

    /// Whether the server drains.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Waits until the server drains. It is polled with every message, so it registers its waker once and checks a flag
    /// afterwards. This is correct as long as a single task polls it, because the waker of a task does not change.
    pub(crate) async fn draining(&self) {
        let mut notified = pin!(self.drain.notified());
        let mut registered = false;
        poll_fn(|cx| {
            if !registered {
                registered = true;
                let _ = notified.as_mut().poll(cx);
            }
            if self.draining.get() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Waits until this worker has no open connection.
    pub(crate) async fn all_closed(&self) {
        while self.counters.open.get() > 0 {
            self.closed.notified().await;
        }
    }

    /// Spins for the time of `--burn-cpu`.
    pub(crate) fn burn_cpu(&self) {
        let time = self.settings.burn_cpu;
        if !time.is_zero() {
            let start = Instant::now();
            while start.elapsed() < time {
                std::hint::spin_loop();
            }
        }
    }
}

/// Counts a connection as open until it is dropped.
pub(crate) struct ConnectionGuard(Rc<WorkerContext>);

impl ConnectionGuard {
    /// `None` if `--max-connections` connections are open.
    pub(crate) fn new(context: &Rc<WorkerContext>) -> Option<Self> {
        let ConnectionSettings { open, limits, .. } = &context.settings;
        if open.fetch_add(1, Ordering::Relaxed) >= limits.max_connections {
            open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        context.counters.open.set(context.counters.open.get() + 1);
        Some(Self(Rc::clone(context)))
    }

    /// The context of the worker that accepted the connection.
    pub(crate) fn context(&self) -> &Rc<WorkerContext> {
        &self.0
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let Self(context) = self;
        context.counters.open.set(context.counters.open.get() - 1);
        context.settings.open.fetch_sub(1, Ordering::Relaxed);
        context.closed.notify_waiters();
    }
}
