//! The server as a whole: checks the options, listens, starts the workers, reports that it is ready, waits for a reason
//! to stop, and drains.

use std::io::Read;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use signal_hook::consts::{SIGINT, SIGTERM};
use wss_model::{EngineKind, Rate};
use wss_wire::engine::{self, EngineError};
use wss_wire::machine;
use wss_wire::publication::MonotonicClock;
use wss_wire::upgrade::{DeflatePolicy, ServerUpgrade};
use wss_wire::websocket::BufferBudget;
use wss_wire::with_engine;

use crate::admin::{self, AdminState};
use crate::context::{ConnectionSettings, ServerTls};
use crate::event::{self, DrainReason, Failure, FailureCode, FailureContext, Ready};
use crate::identity;
use crate::listener;
use crate::options::ServeOptions;
use crate::publishing::PublishSettings;
use crate::worker::{self, WorkerCommand, WorkerSetup};

/// Time for a worker to end beyond the drain timeout: its engine waits for the kernel.
const DRAIN_SLACK: Duration = Duration::from_secs(10);

/// Something that ends the server.
enum Stop {
    Signal(i32),
    StdinClosed,
    /// A worker's thread ended, for this reason.
    Worker(String),
}

struct Workers {
    commands: Vec<tokio::sync::mpsc::UnboundedSender<WorkerCommand>>,
    threads: Vec<JoinHandle<()>>,
}

/// Serves until SIGTERM, SIGINT or, with `--until-stdin-closes`, the end of standard input; then drains. `program` is the
/// prefix of messages on standard error. Reports an [`Event`](crate::Event) per line on standard output; on a terminal,
/// sentences.
///
/// # Errors
/// If the server cannot start, or a worker fails. The failure has been reported as an event; the caller prints it on
/// standard error.
pub fn serve(options: &ServeOptions, program: &'static str) -> anyhow::Result<()> {
    run(options, program).map_err(|failure| {
        event::report_failure(&failure);
        failure.error
    })
}

fn run(options: &ServeOptions, program: &'static str) -> Result<(), Failure> {
    options.check().or_failure(FailureCode::InvalidOptions)?;
    let file_limit =
        machine::raise_file_limit().context("cannot raise the limit of open files").or_failure(FailureCode::System)?;
    let identity = identity::identity(options).or_failure(FailureCode::Certificate)?;
    let tls = identity.as_ref().map(|identity| identity::server_tls(options, identity)).transpose();
    let tls = tls.or_failure(FailureCode::Certificate)?;
    let (stop, stopped) = mpsc::channel();
    watch_signals(stop.clone()).or_failure(FailureCode::System)?;
    let (engine, no_uring) = engine::choose(options.engine);
    if let Some(error) = no_uring {
        let note = format!("{program}: note: the engine is epoll, because io_uring cannot be used: {error}\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), note.as_bytes());
    }
    let (workers, address) = start_workers(options, engine, tls, &stop)?;
    let state = AdminState {
        engine,
        engine_features: engine::engine_features(engine),
        layer: options.layer,
        workers: workers.commands.clone(),
        start: Instant::now(),
    };
    let admin = admin::start(options.admin, state, program).or_failure(FailureCode::Admin)?;
    let ca_pem = identity.and_then(|identity| identity.ca_pem);
    if let (Some(path), Some(pem)) = (&options.ca_out, &ca_pem) {
        identity::write_ca(path, pem).or_failure(FailureCode::CaOut)?;
    }
    let ready = Ready {
        url: event::url(options, address),
        admin: format!("http://{admin}"),
        pid: std::process::id(),
        engine,
        layer: options.layer,
        workers: workers.commands.len(),
        file_limit,
        ca_pem,
        limits: serde_json::to_value(&options.limits).or_failure(FailureCode::System)?,
    };
    event::report_ready(ready, options, address).or_failure(FailureCode::System)?;
    if options.until_stdin_closes {
        watch_stdin(stop);
    }
    match stopped.recv().context("cannot wait for a signal").or_failure(FailureCode::System)? {
        Stop::Worker(reason) => {
            Err(anyhow!("a worker ended unexpectedly: {reason}")).or_failure(FailureCode::Worker)?
        }
        Stop::Signal(_) => event::report_draining(DrainReason::Signal),
        Stop::StdinClosed => event::report_draining(DrainReason::StdinClosed),
    }
    drain(workers, options.limits.drain_timeout.0 + DRAIN_SLACK, &stopped).or_failure(FailureCode::Drain)
}

fn start_workers(
    options: &ServeOptions,
    engine: EngineKind,
    tls: Option<ServerTls>,
    stop: &mpsc::Sender<Stop>,
) -> Result<(Workers, SocketAddr), Failure> {
    let cpus: Vec<usize> = match &options.cpus {
        Some(list) => list.0.iter().copied().collect(),
        None => {
            let allowed = machine::allowed_cpus().context("cannot read the CPU affinity of this process");
            allowed.or_failure(FailureCode::System)?.into_iter().collect()
        }
    };
    let count = options.threads.unwrap_or(cpus.len()).max(1);
    let listeners = listener::listen(options.listen, count).or_failure(FailureCode::Listen)?;
    let address = listeners[0].local_addr().context("cannot read the listening address");
    let address = address.or_failure(FailureCode::Listen)?;
    let settings = ConnectionSettings {
        tls,
        upgrade: options.layer.has_websocket().then(|| ServerUpgrade {
            path: options.path.clone(),
            health_path: options.health_path.0.clone(),
            subprotocols: options.subprotocols.clone(),
            deflate: options.compression.deflate.then(|| DeflatePolicy {
                window_bits: options.compression.window_bits(),
                no_context_takeover: options.compression.deflate_no_context_takeover,
            }),
            max_head_size: options.limits.max_head_size.bytes(),
        }),
        deflate_level: options.compression.level(),
        limits: options.limits.clone(),
        publish: publish_settings(options).or_failure(FailureCode::System)?,
        proxy_protocol: options.proxy_protocol,
        buffers: BufferBudget::new(options.limits.max_buffered.bytes()),
        burn_cpu: options.burn_cpu.0,
        open: Arc::new(AtomicUsize::new(0)),
    };
    let (started, starting) = mpsc::channel();
    let mut workers = Workers { commands: Vec::new(), threads: Vec::new() };
    for (number, listener) in listeners.into_iter().enumerate() {
        let (sender, commands) = tokio::sync::mpsc::unbounded_channel();
        workers.commands.push(sender);
        let setup = WorkerSetup {
            listener,
            cpus: std::iter::once(cpus[number % cpus.len()]).collect(),
            settings: settings.clone(),
            commands,
            started: started.clone(),
        };
        let thread = start_worker(engine, number, setup, stop.clone());
        workers.threads.push(thread.or_failure(FailureCode::System)?);
    }
    for _ in 0..count {
        let result = starting.recv().context("cannot start the workers").or_failure(FailureCode::Worker)?;
        result.map_err(anyhow::Error::msg).or_failure(FailureCode::Worker)?;
    }
    Ok((workers, address))
}

/// What is published, if anything.
fn publish_settings(options: &ServeOptions) -> anyhow::Result<Option<PublishSettings>> {
    let Some(Rate::PerSecond(rate)) = options.publish else { return Ok(None) };
    let clock = MonotonicClock::new().context("cannot read the name of the clock, which published messages carry")?;
    let size = options.publish_size.bytes();
    Ok(Some(PublishSettings { rate, size, at_once: options.publish_at_once, clock }))
}

fn start_worker(
    engine: EngineKind,
    number: usize,
    setup: WorkerSetup,
    stop: mpsc::Sender<Stop>,
) -> anyhow::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            // The panic hook has printed the panic; the server must not silently continue without this worker.
            let result: thread::Result<Result<(), EngineError>> =
                catch_unwind(AssertUnwindSafe(|| with_engine!(engine, E => worker::run::<E>(setup))));
            let reason = match result {
                Ok(Ok(())) => "it stopped accepting connections".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it panicked".to_owned(),
            };
            let _ = stop.send(Stop::Worker(reason));
        })
        .context("cannot start the thread of a worker")
}

fn watch_signals(stop: mpsc::Sender<Stop>) -> anyhow::Result<()> {
    let mut signals =
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT]).context("cannot handle SIGTERM and SIGINT")?;
    let watch = move || {
        for signal in signals.forever() {
            if stop.send(Stop::Signal(signal)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch).context("cannot start the thread for signals")?;
    Ok(())
}

fn watch_stdin(stop: mpsc::Sender<Stop>) {
    thread::spawn(move || {
        let mut discard = [0; 64];
        // A read error counts as the end: the parent cannot be heard any more.
        while matches!(std::io::stdin().lock().read(&mut discard), Ok(length) if length > 0) {}
        let _ = stop.send(Stop::StdinClosed);
    });
}

/// Makes the workers drain and waits for them, at most `limit`. A second signal ends the wait.
fn drain(workers: Workers, limit: Duration, stopped: &mpsc::Receiver<Stop>) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    for commands in &workers.commands {
        let _ = commands.send(WorkerCommand::Drain);
    }
    let mut running = workers.threads.len();
    while running > 0 {
        match stopped.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Stop::Worker(_)) => running -= 1,
            Ok(Stop::StdinClosed) => {}
            Ok(Stop::Signal(signal)) => bail!("signal {signal} while draining: stopped at once"),
            Err(_) => bail!("{running} of {} workers did not end within {limit:?}", workers.threads.len()),
        }
    }
    Ok(())
}
