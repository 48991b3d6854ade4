//! The admin endpoint: `GET /stats` (JSON) and `GET /metrics` (Prometheus text), HTTP on loopback.
//!
//! On a thread of its own, whose CPU time is not part of what it tells. It asks each worker for its counters; a
//! worker answers between two connections, so that its numbers belong to one instant.

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

use crate::counters::Snapshot;
use crate::worker::Command;

/// How long a worker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the endpoint tells besides counters.
pub(crate) struct About {
    pub(crate) engine: EngineKind,
    pub(crate) engine_features: Option<String>,
    pub(crate) layer: Layer,
    pub(crate) workers: Vec<mpsc::UnboundedSender<Command>>,
    pub(crate) start: Instant,
}

/// Starts the endpoint; returns where it is.
///
/// # Errors
/// If the address is in use.
pub(crate) fn start(address: SocketAddr, about: About) -> anyhow::Result<SocketAddr> {
    let context = || format!("listening on {address} for the admin endpoint (--admin takes another)");
    let listener = TcpListener::bind(address).with_context(context)?;
    let address = listener.local_addr().with_context(context)?;
    listener.set_nonblocking(true).with_context(context)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("starting the admin endpoint")?;
    thread::Builder::new().name("admin".to_owned()).spawn(move || {
        let served: std::io::Result<()> = runtime.block_on(async {
            let router =
                Router::new().route("/stats", get(stats)).route("/metrics", get(text)).with_state(Arc::new(about));
            axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
        });
        if let Err(error) = served {
            eprintln!("wss-server: the admin endpoint ended: {error}");
        }
    })?;
    Ok(address)
}

async fn stats(State(about): State<Arc<About>>) -> Response {
    match gather(&about).await {
        Ok(stats) => Json(stats).into_response(),
        Err(sentence) => (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response(),
    }
}

async fn text(State(about): State<Arc<About>>) -> Response {
    let text = match gather(&about).await {
        Ok(stats) => metrics::render(&stats),
        Err(sentence) => Err(sentence),
    };
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(sentence) => (StatusCode::SERVICE_UNAVAILABLE, sentence).into_response(),
    }
}

/// Asks all workers and adds up.
async fn gather(about: &About) -> Result<ServerStats, String> {
    let mut answers = Vec::new();
    for worker in &about.workers {
        let (answer, answered) = oneshot::channel();
        worker.send(Command::Snapshot(answer)).map_err(|_| "a worker has ended".to_owned())?;
        answers.push(answered);
    }
    let mut all = Snapshot::default();
    for answered in answers {
        let snapshot = tokio::time::timeout(PATIENCE, answered)
            .await
            .map_err(|_| format!("a worker did not answer within {PATIENCE:?}"))?
            .map_err(|_| "a worker has ended".to_owned())?;
        all.merge(snapshot);
    }
    let memory = procfs::process::Process::myself()
        .and_then(|process| process.status())
        .map_err(|error| format!("reading /proc/self/status: {error}"))?;
    let system = machine::system_cpu_of_others().map_err(|error| format!("reading /proc/self/stat: {error}"))?;
    let bytes = |kib: Option<u64>| kib.unwrap_or(0) * 1024;
    Ok(ServerStats {
        schema: SCHEMA.to_owned(),
        pid: std::process::id(),
        engine: about.engine,
        engine_features: about.engine_features.clone(),
        layer: about.layer,
        workers: about.workers.len(),
        uptime_ns: u64::try_from(about.start.elapsed().as_nanos()).unwrap_or(u64::MAX),
        cpu_ns: u64::try_from(machine::process_cpu().saturating_sub(machine::thread_cpu()).as_nanos())
            .unwrap_or(u64::MAX),
        rss_bytes: bytes(memory.vmrss),
        rss_bytes_peak: bytes(memory.vmhwm),
        connections_open: all.open,
        messages_echoed: all.messages,
        bytes_echoed: all.bytes,
        outcomes: all.outcomes(),
        negotiated: all.labels.describe(),
        handshake_busy: EncodedHistogram::from(&all.busy),
        handshakes: all.handshakes,
        crypto: all.crypto,
        system_ns: u64::try_from(system.as_nanos()).unwrap_or(u64::MAX),
        rings: all.rings,
    })
}
