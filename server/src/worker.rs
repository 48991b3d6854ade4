//! A worker: one thread, one engine, one listener. It accepts, hands each connection to a task of its own, answers
//! for its counters and drains at the end.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::net::TcpListener;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_rustls::TlsAcceptor;
use wss_wire::engine::{Engine, EngineError, before};
use wss_wire::upgrade::ServerUpgrade;

use crate::connection;
use crate::counters::{COMPLETED, Counters, Phase, Snapshot};
use crate::options::ServeLimits;

/// How long accepting rests after an error such as EMFILE. Without a rest the same error would come back a hundred
/// thousand times a second.
const REST_AFTER_ERROR: Duration = Duration::from_millis(20);

/// How connections are secured.
#[derive(Clone)]
pub(crate) struct TlsSide {
    pub(crate) acceptor: TlsAcceptor,
    /// Kind of the server's certificate.
    pub(crate) certificate: Arc<str>,
    /// Whether reading and writing the socket is timed.
    pub(crate) timed: bool,
}

/// What the thread of a worker is started with.
pub(crate) struct Setup {
    pub(crate) listener: TcpListener,
    pub(crate) cpus: Option<BTreeSet<usize>>,
    pub(crate) tls: Option<TlsSide>,
    pub(crate) upgrade: Option<ServerUpgrade>,
    pub(crate) limits: ServeLimits,
    /// CPU time to waste on every handshake.
    pub(crate) burn_cpu: Duration,
    /// Connections that are open over all workers. The one thing that they share, touched once a connection.
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    /// Told when it accepts, or why it cannot.
    pub(crate) started: std::sync::mpsc::Sender<Result<(), String>>,
}

/// What a worker is asked.
pub(crate) enum Command {
    /// For its counters.
    Snapshot(oneshot::Sender<Snapshot>),
    /// To stop accepting, close what is open (1001), and end.
    Drain,
}

/// What the connections of one worker share.
pub(crate) struct Shared {
    pub(crate) tls: Option<TlsSide>,
    pub(crate) upgrade: Option<ServerUpgrade>,
    pub(crate) limits: ServeLimits,
    /// CPU time to waste on every handshake.
    pub(crate) burn_cpu: Duration,
    pub(crate) counters: Counters,
    draining: Cell<bool>,
    drain: Notify,
    open_everywhere: Arc<AtomicUsize>,
    closed: Notify,
}

impl Shared {
    /// Whether the server drains.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Waits until the server drains. Polled with every message, so it asks to be woken once and then looks at a
    /// flag; that holds as long as one task polls it, as its waker stays the same.
    pub(crate) async fn draining(&self) {
        let mut told = pin!(self.drain.notified());
        let mut asked = false;
        poll_fn(|cx| {
            if !asked {
                asked = true;
                let _ = told.as_mut().poll(cx);
            }
            if self.draining.get() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Counts a connection while it lives.
struct Open(Rc<Shared>);

impl Open {
    /// `None` if there are as many as may be.
    fn new(shared: &Rc<Shared>) -> Option<Self> {
        if shared.open_everywhere.fetch_add(1, Ordering::Relaxed) >= shared.limits.max_connections {
            shared.open_everywhere.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        shared.counters.open.set(shared.counters.open.get() + 1);
        Some(Self(Rc::clone(shared)))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Self(shared) = self;
        shared.counters.open.set(shared.counters.open.get() - 1);
        shared.open_everywhere.fetch_sub(1, Ordering::Relaxed);
        shared.closed.notify_waiters();
    }
}

/// Runs a worker on this thread until it is told to drain.
///
/// # Errors
/// If the engine does not start.
pub(crate) fn run<E: Engine>(setup: Setup) -> Result<(), EngineError> {
    if let Some(cpus) = &setup.cpus
        && let Err(error) = wss_wire::machine::pin_thread(cpus)
    {
        let _ = setup.started.send(Err(format!("pinning to the CPUs {cpus:?}: {error}")));
        return Ok(());
    }
    let started = setup.started.clone();
    let ended = E::run(|| work::<E>(setup));
    if let Err(error) = &ended {
        let _ = started.send(Err(error.to_string()));
    }
    ended
}

async fn work<E: Engine>(setup: Setup) {
    let Setup { listener, tls, upgrade, limits, burn_cpu, open, mut commands, started, .. } = setup;
    let shared = Rc::new(Shared {
        tls,
        upgrade,
        limits,
        burn_cpu,
        counters: Counters::default(),
        draining: Cell::new(false),
        drain: Notify::new(),
        open_everywhere: open,
        closed: Notify::new(),
    });
    let mut listener = match E::listen(listener) {
        Ok(listener) => listener,
        Err(error) => {
            let _ = started.send(Err(format!("listening: {error}")));
            return;
        }
    };
    if let Some(tls) = &shared.tls {
        wss_wire::tls::warm_up(tls.acceptor.config().crypto_provider());
    }
    let _ = started.send(Ok(()));
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::Snapshot(answer)) => drop(answer.send(shared.counters.snapshot(E::ring_counters()))),
                Some(Command::Drain) | None => break,
            },
            accepted = E::accept(&mut listener) => match accepted {
                Ok(stream) => begin::<E>(&shared, stream),
                Err(error) => {
                    shared.counters.count(Phase::Accept, &error.kind().to_string().replace(' ', "_"));
                    E::sleep_until(Instant::now() + REST_AFTER_ERROR).await;
                }
            },
        }
    }
    drop(listener);
    drain::<E>(&shared, commands).await;
}

/// Hands a connection to a task of its own.
fn begin<E: Engine>(shared: &Rc<Shared>, stream: E::Stream) {
    let Some(open) = Open::new(shared) else {
        shared.counters.count(Phase::Accept, "over_limit");
        return;
    };
    shared.counters.count(Phase::Accept, COMPLETED);
    E::spawn(async move {
        connection::serve::<E>(stream, &open.0).await;
        drop(open);
    });
}

/// Waits until all connections have closed, at most the drain timeout; goes on answering for the counters.
async fn drain<E: Engine>(shared: &Rc<Shared>, mut commands: mpsc::UnboundedReceiver<Command>) {
    shared.draining.set(true);
    shared.drain.notify_waiters();
    let all_closed = async {
        while shared.counters.open.get() > 0 {
            shared.closed.notified().await;
        }
    };
    let answering = async {
        while let Some(command) = commands.recv().await {
            if let Command::Snapshot(answer) = command {
                let _ = answer.send(shared.counters.snapshot(E::ring_counters()));
            }
        }
        std::future::pending::<()>().await;
    };
    let drained = async {
        tokio::select! {
            biased;
            () = all_closed => {}
            () = answering => {}
        }
    };
    // What is still open afterwards is dropped with the engine: its sockets close.
    let _ = before::<E, _>(Instant::now() + shared.limits.drain_timeout.0, drained).await;
}
