//! Before the first phase: every default filled in, the run checked, the server and the generator started.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use wss_model::config::CpuList;
use wss_model::config::tls::{CertificateChoice, CostSplit, Verify};
use wss_model::run_result::{Environment, Target as TargetResult};
use wss_model::{EngineKind, Layer, Mode, Rate, RunConfig, TlsOptions, TlsVersion};
use wss_wire::machine;
use wss_wire::target::Target;
use wss_wire::tls::{self, Identity, ServerExtras, Trust, client_config, server_config};

use super::target_result;
use crate::child::embedded::EmbeddedOptions;
use crate::child::probe::ServerProbe;
use crate::child::server::Server;
use crate::generator::handshake::{Destination, TlsDestination};
use crate::generator::{self, Generator};
use crate::setup::admin::Admin;
use crate::setup::client_tls::{self as client_side, server_name, trust};
use crate::setup::preflight;

/// All that a run needs, running.
pub(super) struct Setup {
    /// With every default filled in.
    pub(super) config: RunConfig,
    /// The server that this run started.
    pub(super) server: Option<Server>,
    pub(super) probe: Option<ServerProbe>,
    pub(super) generator: Generator,
    pub(super) threads: usize,
    pub(super) client_engine: EngineKind,
    pub(super) client_cpus: CpuList,
    pub(super) server_cpus: CpuList,
    target: TargetResult,
    verify: Option<Verify>,
    notes: Vec<String>,
    /// Sessions that all threads together have to keep.
    sessions: usize,
    /// What one timed call costs, nanoseconds.
    pub(super) timing_ns: f64,
    /// Taken before this thread was pinned, so that it tells all CPUs.
    pub(super) environment: Environment,
}

/// What is left of a [`Setup`].
pub(super) struct Finished {
    pub(super) config: RunConfig,
    pub(super) target: TargetResult,
    pub(super) verify: Option<Verify>,
    pub(super) notes: Vec<String>,
    pub(super) server_ended: anyhow::Result<()>,
}

impl Setup {
    /// Checks and starts.
    ///
    /// # Errors
    /// If the run cannot be, or something does not start.
    pub(super) fn new(asked: &RunConfig) -> anyhow::Result<Self> {
        let mut config = asked.clone();
        config.check()?;
        preflight::check_times(&config)?;
        let notes = fill_in(&mut config)?;
        let environment = crate::setup::environment::environment();
        let server_cpus = config.server_cpus.clone().unwrap_or_else(|| CpuList(BTreeSet::new()));
        let client_cpus = config.client_cpus.clone().context("filled in above")?;
        let command = config.server.clone().map(|command| start_command(&command, &mut config)).transpose()?;
        let url = command.as_ref().map(Server::url).or(asked.target_url());
        let target = url.map(Target::parse).transpose()?;
        let layer = target.as_ref().map_or(config.layer.unwrap_or(Layer::Wss), |target| target.layer);
        ensure!(
            !(config.server_closes && layer == Layer::Tcp),
            "--server-closes needs a Close frame or a close_notify to ask the server with, and tcp:// has neither"
        );
        ensure!(
            layer.has_websocket() || config.subprotocol.is_none(),
            "--subprotocol is WebSocket's, and {layer}:// has no WebSocket"
        );
        if layer.has_tls() {
            tls::check(&config)?;
        }
        ensure!(
            layer.has_websocket() || !config.tls.early_data,
            "--early-data carries the HTTP upgrade request, and {layer}:// has none"
        );
        let connections = preflight::connections_at_a_time(&config);
        let sessions = sessions(&config, connections);
        let address = target.as_ref().map(Target::resolve).transpose()?;
        let loopback = address.is_none_or(|address| address.ip().is_loopback());
        preflight::check(&config, connections, loopback, target.is_none())?;

        let client_identity = if layer.has_tls() { client_side::identity(&config)? } else { None };
        if layer.has_tls() {
            server_name(&config.trust, "localhost")?;
            try_certificate(&config, client_identity.as_ref())?;
        }

        // This thread too: what it shows and asks must not disturb the server.
        machine::pin_thread(&client_cpus.0)
            .with_context(|| format!("pinning the generator to the CPUs {client_cpus}"))?;
        let server = match &target {
            Some(_) => command,
            None => {
                let options = EmbeddedOptions {
                    config: &config,
                    layer,
                    engine: config.server_engine.unwrap_or(config.engine),
                    threads: config.server_threads.unwrap_or(1),
                    cpus: &server_cpus,
                    // Connections that are closing count as well.
                    connections: connections.saturating_mul(2).saturating_add(64),
                    sessions: sessions_of_server(&config, sessions),
                    client_ca: client_identity.as_ref().and_then(|identity| identity.ca_pem.as_deref()),
                };
                Some(options.start()?)
            }
        };
        let target = match (target, &server) {
            (Some(target), _) => target,
            (None, Some(server)) => Target::parse(server.url())?,
            (None, None) => unreachable!("the embedded server is started if there is no target"),
        };
        let address = address.map_or_else(|| target.resolve(), Ok)?;
        let admin = config.server_stats.as_deref().or(server.as_ref().and_then(Server::admin)).map(Admin::new);
        let process = server.as_ref().map(Server::pid);
        let probe = admin.map(ServerProbe::Admin).or(process.map(ServerProbe::Process));
        let trust =
            layer.has_tls().then(|| trust(&config.trust, server.as_ref().and_then(Server::ca_pem))).transpose()?;
        let threads = config.threads.unwrap_or(1);
        let identity = client_identity.as_ref();
        let destination = destination(&config, &target, address, trust.as_ref(), identity, sessions.div_ceil(threads))?;
        let client_engine = config.client_engine.unwrap_or(config.engine);
        let generator = Generator::start(&generator::Options {
            engine: client_engine,
            threads,
            cpus: client_cpus.0.iter().copied().collect(),
            seed: config.seed,
            size: config.size.bytes(),
            destination,
            limits: config.limits.clone(),
        })?;
        machine::stand_back().context("lowering the priority of the directing thread")?;
        let setup = Self {
            target: target_result(asked, &target.url(), address),
            probe,
            verify: trust.map(|trust| trust.verify()),
            sessions,
            timing_ns: tls::timed::cost_of_timing(),
            config,
            server,
            generator,
            threads,
            client_engine,
            client_cpus,
            server_cpus,
            notes,
            environment,
        };
        if let Some(probe) = &setup.probe {
            // Read once before the first phase, so that a wrong address is reported before anything is measured.
            probe.sample()?;
        }
        Ok(setup)
    }

    /// Full handshakes that it takes to have a session for each that is to resume one.
    pub(super) fn full_handshakes_for_sessions(&self) -> usize {
        match (self.sessions, self.config.tls.version()) {
            (0, _) => 0,
            // One session of TLS 1.2 is resumed again and again.
            (_, Some(TlsVersion::V1_2)) => self.threads,
            // So that each thread's share is enough for it.
            (sessions, _) => sessions.div_ceil(usize::from(self.config.tls.tickets()).max(1)) + self.threads,
        }
    }

    /// Ends the generator and the embedded server; what is left for the result, and whether the server ended well.
    pub(super) fn finish(self) -> Finished {
        self.generator.end();
        let Self { config, target, verify, notes, .. } = self;
        Finished { config, target, verify, notes, server_ended: self.server.map_or(Ok(()), Server::end) }
    }
}

/// Starts `--server COMMAND`. The scheme of the URL that it prints becomes the layer.
fn start_command(command: &str, config: &mut RunConfig) -> anyhow::Result<Server> {
    // The server inherits the limit.
    machine::raise_file_limit().context("raising the limit of open files")?;
    let cpus = config.server_cpus.as_ref().context("filled in above")?;
    let server = Server::start_command(command, config.target_url(), cpus)?;
    let layer = Target::parse(server.url())?.layer;
    ensure!(
        config.layer.is_none_or(|given| given == layer),
        "the server listens at {}, but --layer is {}; leave --layer out",
        server.url(),
        config.layer.unwrap_or(layer)
    );
    if config.target_url().is_none() {
        config.layer = Some(layer);
    }
    config.check()?;
    Ok(server)
}

/// Fills in what depends on the machine: engines, threads, CPUs. Says what a reader should know of it.
fn fill_in(config: &mut RunConfig) -> anyhow::Result<Vec<String>> {
    let allowed = machine::allowed_cpus().context("asking for the CPUs of this process")?;
    let mut notes = Vec::new();
    let starts_server = config.starts_server();
    config.client_engine.get_or_insert(config.engine);
    // Who gives the client a certificate wants it shown.
    config.tls.mtls |= config.trust.client_cert.is_some();
    if config.is_embedded() {
        config.layer.get_or_insert(Layer::Wss);
        config.server_engine.get_or_insert(config.engine);
    }
    if starts_server {
        let all: Vec<usize> = allowed.iter().copied().collect();
        let half = (all.len() / 2).max(1);
        let free = |taken: &Option<CpuList>| {
            let free: BTreeSet<usize> = allowed
                .iter()
                .copied()
                .filter(|cpu| !taken.as_ref().is_some_and(|taken| taken.0.contains(cpu)))
                .collect();
            if free.is_empty() { CpuList(allowed.clone()) } else { CpuList(free) }
        };
        if config.server_cpus.is_none() {
            let server = match &config.client_cpus {
                None => CpuList(all[..half].iter().copied().collect()),
                taken => free(taken),
            };
            config.server_cpus = Some(server);
        }
        if config.client_cpus.is_none() {
            config.client_cpus = Some(free(&config.server_cpus));
        }
        let server = config.server_cpus.clone().context("filled in above")?.0;
        if config.is_embedded() {
            config.server_threads.get_or_insert(server.len());
        }
        if config.client_cpus.as_ref().is_some_and(|client| client.0.iter().any(|cpu| server.contains(cpu))) {
            notes.push(
                "server and generator share CPUs: each is slower for the other, and latencies hold both".to_owned(),
            );
        }
    } else if config.client_cpus.is_none() {
        config.client_cpus = Some(CpuList(allowed.clone()));
    }
    let client = config.client_cpus.clone().context("filled in above")?.0;
    for cpus in [&client, &config.server_cpus.clone().map(|list| list.0).unwrap_or_default()] {
        if let Some(cpu) = cpus.iter().find(|cpu| !allowed.contains(cpu)) {
            anyhow::bail!("CPU {cpu} is none of those that this process may use: {}", CpuList(allowed));
        }
    }
    let threads = if starts_server { client.len() } else { allowed.len().div_ceil(2) };
    config.threads.get_or_insert(threads);
    if config.mode == Mode::Handshake && config.no_first_echo && config.layer == Some(Layer::Tcp) {
        notes.push("over tcp:// without a first echo a handshake is a connect and a close".to_owned());
    }
    if let Some(burn) = config.burn_cpu {
        notes.push(format!("the server wastes {burn} of CPU time on every handshake (--burn-cpu)"));
    }
    Ok(notes)
}

/// Tries a certificate of the user's that the embedded server is to show, with a handshake in memory: one sentence now
/// instead of a thousand errors later.
fn try_certificate(config: &RunConfig, client: Option<&Identity>) -> anyhow::Result<()> {
    let (Some(CertificateChoice::File(certificate)), Some(key), true) =
        (&config.tls.cert, &config.tls.key, config.is_embedded())
    else {
        return Ok(());
    };
    // A trial is in no key log and in no figure.
    let quiet = |options: TlsOptions| TlsOptions { key_log: None, cost_split: Some(CostSplit::Off), ..options };
    let identity = Identity::read(certificate, key)?;
    let client_ca =
        client.and_then(|client| client.ca_pem.as_deref()).map(client_side::certificate_of_pem).transpose()?;
    let extras = ServerExtras { client_ca: client_ca.into_iter().collect(), sessions: 1 };
    let server = server_config(&quiet(config.server_tls()), &identity, &extras)?;
    let client = client_config(&quiet(config.client_tls()), &trust(&config.trust, None)?, client)?;
    tls::try_handshake(server, client, server_name(&config.trust, "127.0.0.1")?)
        .with_context(|| format!("trying a handshake with {}", certificate.display()))
}

/// Sessions that the generator has to keep: one for each handshake that may be under way, and as many again, as a
/// ticket comes only when its handshake is over.
fn sessions(config: &RunConfig, connections: usize) -> usize {
    if !config.tls.resumes() {
        return 0;
    }
    let under_way = match config.connect_rate {
        Rate::Max => config.connect_concurrency,
        // Not more than may be under way, however many of the sessions are made at a time.
        Rate::PerSecond(_) => connections.min(config.limits.max_connecting).max(config.connect_concurrency),
    };
    under_way * 2
}

/// Sessions that the server has to remember: those that the generator keeps, and all that were made after the oldest
/// of them.
fn sessions_of_server(config: &RunConfig, sessions: usize) -> usize {
    const MOST: f64 = 1_000_000.0;
    let tls = &config.tls;
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let made =
        (sessions as f64 / tls.resume_share().max(1e-6) * f64::from(tls.tickets().max(1)) * 2.0).min(MOST) as usize;
    made.max(1_000)
}

fn destination(
    config: &RunConfig,
    target: &Target,
    address: std::net::SocketAddr,
    trust: Option<&Trust>,
    identity: Option<&Identity>,
    sessions: usize,
) -> anyhow::Result<Destination> {
    let tls = match trust {
        None => None,
        Some(trust) => {
            let options = config.client_tls();
            Some(TlsDestination {
                config: client_config(&options, trust, identity)?,
                name: server_name(&config.trust, &target.host)?,
                timed: options.cost_split() != CostSplit::Off,
                options,
                sessions,
            })
        }
    };
    Ok(Destination {
        target: target.clone(),
        address,
        tls,
        subprotocol: config.subprotocol.clone(),
        max_head_size: config.limits.max_head_size.bytes(),
    })
}
