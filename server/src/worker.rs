//! A worker: one thread, one engine, one listener. It accepts connections, spawns a task per connection, reports its
//! counters on request and drains at the end.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use wss_model::server_stats::{PhaseOutcome, ServerPhase};
use wss_wire::engine::{Engine, EngineError, before};

use crate::connection;
use crate::context::{ConnectionGuard, ConnectionSettings, WorkerContext};
use crate::counters::Snapshot;
use crate::outcome;

/// Pause after a failed accept such as EMFILE. Without it the same error would recur 100,000 times a second.
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(20);

/// What a worker thread starts with.
pub(crate) struct WorkerSetup {
    pub(crate) listener: TcpListener,
    /// CPUs to pin the thread to.
    pub(crate) cpus: BTreeSet<usize>,
    pub(crate) settings: ConnectionSettings,
    pub(crate) commands: mpsc::UnboundedReceiver<WorkerCommand>,
    /// Receives one message: that the worker accepts connections, or why it cannot.
    pub(crate) started: std::sync::mpsc::Sender<Result<(), String>>,
}

/// A request to a worker.
pub(crate) enum WorkerCommand {
    /// Send the counters.
    Snapshot(oneshot::Sender<Snapshot>),
    /// Stop accepting, close the open connections (1001), and end.
    Drain,
}

/// Runs a worker on this thread until it has drained.
///
/// # Errors
/// If the engine does not start.
pub(crate) fn run<E: Engine>(setup: WorkerSetup) -> Result<(), EngineError> {
    if let Err(error) = wss_wire::machine::pin_thread(&setup.cpus) {
        let _ = setup.started.send(Err(format!("cannot pin a worker to the CPUs {:?}: {error}", setup.cpus)));
        return Ok(());
    }
    let started = setup.started.clone();
    let result = E::run(|| work::<E>(setup));
    if let Err(error) = &result {
        let _ = started.send(Err(error.to_string()));
    }
    result
}

async fn work<E: Engine>(setup: WorkerSetup) {
    let WorkerSetup { listener, settings, mut commands, started, .. } = setup;
    let context = Rc::new(WorkerContext::new(settings));
    let mut listener = match E::listen(listener) {
        Ok(listener) => listener,
        Err(error) => {
            let _ = started.send(Err(format!("cannot accept connections on the listening socket: {error}")));
            return;
        }
    };
    if let Some(tls) = &context.settings.tls {
        wss_wire::tls::warm_up(tls.acceptor.config().crypto_provider());
    }
    let _ = started.send(Ok(()));
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(WorkerCommand::Snapshot(reply)) => drop(reply.send(context.counters.snapshot(E::ring_counters()))),
                Some(WorkerCommand::Drain) | None => break,
            },
            accepted = E::accept(&mut listener) => match accepted {
                Ok(stream) => spawn_connection::<E>(&context, stream),
                Err(error) => {
                    context.counters.count(ServerPhase::Accept, outcome::of_accept(&error));
                    E::sleep_until(Instant::now() + ACCEPT_ERROR_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    drain::<E>(&context, commands).await;
}

/// Serves a connection in a task of its own, unless too many are open.
fn spawn_connection<E: Engine>(context: &Rc<WorkerContext>, stream: E::Stream) {
    let Some(guard) = ConnectionGuard::new(context) else {
        context.counters.count(ServerPhase::Accept, PhaseOutcome::OverLimit);
        return;
    };
    context.counters.count(ServerPhase::Accept, PhaseOutcome::Completed);
    E::spawn(async move {
        connection::serve::<E>(stream, guard.context()).await;
        drop(guard);
    });
}

/// Waits until all connections have closed, at most the drain timeout; still answers requests for the counters.
async fn drain<E: Engine>(context: &Rc<WorkerContext>, mut commands: mpsc::UnboundedReceiver<WorkerCommand>) {
    context.start_draining();
    let snapshots = async {
        while let Some(command) = commands.recv().await {
            if let WorkerCommand::Snapshot(reply) = command {
                let _ = reply.send(context.counters.snapshot(E::ring_counters()));
            }
        }
        std::future::pending::<()>().await;
    };
    let drained = async {
        tokio::select! {
            biased;
            () = context.all_closed() => {}
            () = snapshots => {}
        }
    };
    // Connections that are still open are dropped with the engine, which closes their sockets.
    let _ = before::<E, _>(Instant::now() + context.settings.limits.drain_timeout.0, drained).await;
}
