//! The server as a whole: check, listen, start the workers, say that it is ready, wait for the end, drain.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio_rustls::TlsAcceptor;
use wss_model::config::tls::{CertificateChoice, CertificateKind, CostSplit};
use wss_model::{EngineKind, Layer};
use wss_wire::engine::{self, EngineError};
use wss_wire::machine;
use wss_wire::tls::{Identity, Role, ServerExtras, certificate_kind, read_certificates, server_config};
use wss_wire::upgrade::ServerUpgrade;
use wss_wire::with_engine;

use crate::admin::{self, About};
use crate::listener;
use crate::options::ServeOptions;
use crate::worker::{self, Command, Setup, TlsSide};

/// What a worker may need beyond the drain timeout to end: its engine waits for the kernel.
const DRAIN_SLACK: Duration = Duration::from_secs(10);

/// The one line on standard output that says that the server is ready, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// Where to connect.
    pub url: String,
    /// Where `GET /stats` and `GET /metrics` are.
    pub admin: String,
    /// Process.
    pub pid: u32,
    /// Engine.
    pub engine: EngineKind,
    /// Stack.
    pub layer: Layer,
    /// Worker threads.
    pub workers: usize,
    /// Open files at most, after the limit was raised.
    pub file_limit: Option<u64>,
    /// The CA that was made at start, PEM.
    pub ca_pem: Option<String>,
    /// What a peer may take.
    pub limits: serde_json::Value,
}

/// Why the server ends.
enum End {
    Signal(i32),
    StdinClosed,
    /// A worker's thread ended by itself.
    Worker(String),
}

struct Workers {
    commands: Vec<tokio::sync::mpsc::UnboundedSender<Command>>,
    threads: Vec<JoinHandle<()>>,
}

/// Serves until SIGTERM, SIGINT or, if asked for, the end of standard input; then drains.
///
/// # Errors
/// If it cannot start, or a worker fails: one sentence that says what to do.
pub fn serve(options: &ServeOptions) -> anyhow::Result<()> {
    options.check()?;
    let file_limit = machine::raise_file_limit().context("raising the limit of open files")?;
    let (identity, certificate) = identity(options)?;
    let acceptor = match &identity {
        Some(identity) => {
            let client_ca = options.client_ca.as_deref().map(read_certificates).transpose()?.unwrap_or_default();
            let extras = ServerExtras { client_ca, sessions: options.limits.max_sessions };
            Some(TlsSide {
                acceptor: TlsAcceptor::from(Arc::new(server_config(&options.tls, identity, &extras)?)),
                certificate,
                timed: options.tls.cost_split() != CostSplit::Off,
            })
        }
        None => None,
    };
    let (events, ended) = mpsc::channel();
    watch_signals(events.clone())?;
    let (workers, address) = start_workers(options, acceptor, &events)?;
    let about = About {
        engine: options.engine,
        engine_features: engine::engine_features(options.engine),
        layer: options.layer,
        workers: workers.commands.clone(),
        start: Instant::now(),
    };
    let admin = admin::start(options.admin, about)?;
    let ca_pem = identity.and_then(|identity| identity.ca_pem);
    if let (Some(path), Some(pem)) = (&options.ca_out, &ca_pem) {
        std::fs::write(path, pem).with_context(|| format!("writing the CA to {}", path.display()))?;
    }
    say_ready(&Ready {
        ready: true,
        url: format!("{}://{address}{}", options.layer, if options.layer.has_websocket() { &options.path } else { "" }),
        admin: format!("http://{admin}"),
        pid: std::process::id(),
        engine: options.engine,
        layer: options.layer,
        workers: workers.commands.len(),
        file_limit,
        ca_pem,
        limits: serde_json::to_value(&options.limits)?,
    })?;
    if options.until_stdin_closes {
        watch_stdin(events);
    }
    match ended.recv().context("waiting for the end")? {
        End::Worker(why) => bail!("a worker ended by itself: {why}"),
        End::Signal(signal) => eprintln!("wss-server: signal {signal}: draining"),
        End::StdinClosed => eprintln!("wss-server: standard input ended: draining"),
    }
    drain(workers, options.limits.drain_timeout.0 + DRAIN_SLACK, &ended)
}

/// The certificate with its key, if the layer has TLS, and the kind of the certificate.
fn identity(options: &ServeOptions) -> anyhow::Result<(Option<Identity>, Arc<str>)> {
    if !options.layer.has_tls() {
        return Ok((None, "none".into()));
    }
    let identity = match (&options.tls.cert, &options.tls.key) {
        (Some(CertificateChoice::File(certificate)), Some(key)) => Identity::read(certificate, key)?,
        _ => {
            let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
            let address = Some(options.listen.ip()).filter(|address| !address.is_unspecified());
            for name in address.map(|address| address.to_string()).into_iter().chain(options.names.iter().cloned()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            let kind = options.tls.certificate_kind().unwrap_or(CertificateKind::EcdsaP256);
            Identity::generate(Role::Server, &names, kind, options.tls.chain.unwrap_or(1))?
        }
    };
    let leaf: &CertificateDer<'_> = &identity.chain[0];
    let kind = certificate_kind(leaf).into();
    Ok((Some(identity), kind))
}

fn start_workers(
    options: &ServeOptions,
    acceptor: Option<TlsSide>,
    events: &mpsc::Sender<End>,
) -> anyhow::Result<(Workers, SocketAddr)> {
    let cpus: Vec<usize> = match &options.cpus {
        Some(list) => list.0.iter().copied().collect(),
        None => machine::allowed_cpus().context("asking for the CPUs of this process")?.into_iter().collect(),
    };
    let count = options.threads.unwrap_or(cpus.len()).max(1);
    let listeners = listener::listen(options.listen, count)?;
    let address = listeners[0].local_addr().context("asking for the address")?;
    let open = Arc::new(AtomicUsize::new(0));
    let (started, starting) = mpsc::channel();
    let mut workers = Workers { commands: Vec::new(), threads: Vec::new() };
    for (number, listener) in listeners.into_iter().enumerate() {
        let (sender, commands) = tokio::sync::mpsc::unbounded_channel();
        workers.commands.push(sender);
        let setup = Setup {
            listener,
            cpus: Some(std::iter::once(cpus[number % cpus.len()]).collect()),
            tls: acceptor.clone(),
            upgrade: options.layer.has_websocket().then(|| ServerUpgrade {
                path: options.path.clone(),
                subprotocols: options.subprotocols.clone(),
                max_head_size: options.limits.max_head_size.bytes(),
            }),
            limits: options.limits.clone(),
            burn_cpu: options.burn_cpu.0,
            open: Arc::clone(&open),
            commands,
            started: started.clone(),
        };
        workers.threads.push(start_worker(options.engine, number, setup, events.clone())?);
    }
    for _ in 0..count {
        starting.recv().context("starting the workers")?.map_err(anyhow::Error::msg)?;
    }
    Ok((workers, address))
}

fn start_worker(
    engine: EngineKind,
    number: usize,
    setup: Setup,
    events: mpsc::Sender<End>,
) -> anyhow::Result<JoinHandle<()>> {
    thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            // A panic has been told on standard error; the others must not go on without this one in silence.
            let ended: thread::Result<Result<(), EngineError>> =
                catch_unwind(AssertUnwindSafe(|| with_engine!(engine, E => worker::run::<E>(setup))));
            let why = match ended {
                Ok(Ok(())) => "it was done".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it panicked".to_owned(),
            };
            let _ = events.send(End::Worker(why));
        })
        .context("starting a worker's thread")
}

fn watch_signals(events: mpsc::Sender<End>) -> anyhow::Result<()> {
    let mut signals =
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT]).context("registering for SIGTERM and SIGINT")?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if events.send(End::Signal(signal)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

fn watch_stdin(events: mpsc::Sender<End>) {
    thread::spawn(move || {
        let mut waste = [0; 64];
        // An error is an end as well: there is no parent to hear from any more.
        while matches!(std::io::stdin().lock().read(&mut waste), Ok(length) if length > 0) {}
        let _ = events.send(End::StdinClosed);
    });
}

fn say_ready(ready: &Ready) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(ready)?;
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).context("writing the ready line")
}

/// Tells the workers to drain and waits for them, at most `bound`; a second signal ends it at once.
fn drain(workers: Workers, bound: Duration, ended: &mpsc::Receiver<End>) -> anyhow::Result<()> {
    let deadline = Instant::now() + bound;
    for commands in &workers.commands {
        let _ = commands.send(Command::Drain);
    }
    let mut left = workers.threads.len();
    while left > 0 {
        match ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(End::Worker(_)) => left -= 1,
            Ok(End::StdinClosed) => {}
            Ok(End::Signal(signal)) => bail!("signal {signal} while draining: ended at once"),
            Err(_) => bail!("{left} of {} workers did not end within {bound:?}", workers.threads.len()),
        }
    }
    Ok(())
}
