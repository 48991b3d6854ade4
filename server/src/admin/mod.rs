//! The admin endpoint: `GET /stats` (JSON) and `GET /metrics` (OpenMetrics text), HTTP on loopback.
//!
//! It has a thread of its own, whose CPU time is not part of the CPU time it reports. It requests the counters of each
//! worker; a worker copies them between two polls of its tasks, so that they are consistent.

mod metrics;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::{mpsc, oneshot};
use wss_model::server_stats::{EncodedHistogram, SCHEMA, ServerStats};
use wss_model::{EngineKind, Layer};
use wss_wire::machine;

use crate::counters::{Published, Snapshot};
use crate::worker::WorkerCommand;

/// Limit on the wait for the counters of a worker.
const WORKER_TIMEOUT: Duration = Duration::from_secs(5);

/// What the endpoint reports besides counters, and how to reach the workers.
pub(crate) struct AdminState {
    pub(crate) engine: EngineKind,
    pub(crate) engine_features: Option<String>,
    pub(crate) layer: Layer,
    pub(crate) workers: Vec<mpsc::UnboundedSender<WorkerCommand>>,
    pub(crate) start: Instant,
}

/// Starts the endpoint; returns its address. `program` is the prefix of messages on standard error.
///
/// # Errors
/// If the address is in use or not local.
pub(crate) fn start(address: SocketAddr, state: AdminState, program: &'static str) -> anyhow::Result<SocketAddr> {
    let context = || format!("cannot listen on {address} for the admin endpoint; choose another address with --admin");
    let listener = TcpListener::bind(address).with_context(context)?;
    let address = listener.local_addr().with_context(context)?;
    listener.set_nonblocking(true).with_context(context)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("cannot start the admin endpoint")?;
    thread::Builder::new().name("admin".to_owned()).spawn(move || {
        let served: std::io::Result<()> = runtime.block_on(async {
            let router =
                Router::new().route("/stats", get(stats)).route("/metrics", get(metrics)).with_state(Arc::new(state));
            axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
        });
        if let Err(error) = served {
            eprintln!("{program}: the admin endpoint stopped: {error}");
        }
    })?;
    Ok(address)
}

async fn stats(State(state): State<Arc<AdminState>>) -> Response {
    match gather(&state).await {
        Ok(stats) => Json(stats).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error).into_response(),
    }
}

async fn metrics(State(state): State<Arc<AdminState>>) -> Response {
    let text = match gather(&state).await {
        Ok(stats) => metrics::render(&stats),
        Err(error) => Err(error),
    };
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error).into_response(),
    }
}

/// Requests the counters of all workers and adds them up.
async fn gather(state: &AdminState) -> Result<ServerStats, String> {
    let mut replies = Vec::new();
    for worker in &state.workers {
        let (sender, reply) = oneshot::channel();
        worker.send(WorkerCommand::Snapshot(sender)).map_err(|_| "a worker has ended".to_owned())?;
        replies.push(reply);
    }
    let mut all = Snapshot::default();
    for reply in replies {
        let snapshot = tokio::time::timeout(WORKER_TIMEOUT, reply)
            .await
            .map_err(|_| format!("a worker did not answer within {WORKER_TIMEOUT:?}"))?
            .map_err(|_| "a worker has ended".to_owned())?;
        all.merge(snapshot);
    }
    let memory = procfs::process::Process::myself()
        .and_then(|process| process.status())
        .map_err(|error| format!("cannot read /proc/self/status: {error}"))?;
    let system = machine::system_cpu_of_others().map_err(|error| format!("cannot read /proc/self/stat: {error}"))?;
    let bytes = |kib: Option<u64>| kib.unwrap_or(0) * 1024;
    Ok(ServerStats {
        schema: SCHEMA.to_owned(),
        pid: std::process::id(),
        engine: state.engine,
        engine_features: state.engine_features.clone(),
        layer: state.layer,
        workers: state.workers.len(),
        uptime_ns: u64::try_from(state.start.elapsed().as_nanos()).unwrap_or(u64::MAX),
        cpu_ns: u64::try_from(machine::process_cpu().saturating_sub(machine::thread_cpu()).as_nanos())
            .unwrap_or(u64::MAX),
        rss_bytes: bytes(memory.vmrss),
        rss_bytes_peak: bytes(memory.vmhwm),
        rss_anon_bytes: bytes(memory.rssanon),
        connections_open: all.open,
        messages_echoed: all.messages,
        bytes_echoed: all.bytes,
        published: all.published.as_ref().map(Published::stats),
        outcomes: all.outcomes(),
        negotiated: all.labels.describe(),
        handshake_busy: EncodedHistogram::from(&all.busy),
        handshakes: all.handshakes,
        crypto: all.crypto,
        system_ns: u64::try_from(system.as_nanos()).unwrap_or(u64::MAX),
        runs: all.runs(),
        rings: all.rings,
    })
}
