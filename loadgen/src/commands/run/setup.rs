//! Before the first phase: fills in the options, checks the run, and starts the server and the generator.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use wss_model::config::tls::{CertificateChoice, CostSplit, Verify};
use wss_model::config::{CpuList, IdlePolicy, KernelClockSample};
use wss_model::run_result::{Environment, Target as TargetResult};
use wss_model::{EngineKind, Layer, Mode, RunConfig, Size, TlsOptions};
use wss_wire::engine::KeepAwake;
use wss_wire::machine;
use wss_wire::target::Target;
use wss_wire::tls::{self, Identity, ServerExtras, Trust, client_config, server_config};
use wss_wire::upgrade::RunNonce;

use super::{awake, defaults, sessions};
use crate::child::embedded::EmbeddedOptions;
use crate::child::probe::ServerProbe;
use crate::child::server::Server;
use crate::child::threads::ProcessUsage;
use crate::disturbance::MachineWatch;
use crate::generator::Generator;
use crate::generator::command::GeneratorOptions;
use crate::generator::destination::Destination;
use crate::setup::admin::Admin;
use crate::setup::client_tls::{self, server_name, trust};
use crate::setup::destination::{self, destination};
use crate::setup::environment;
use crate::setup::preflight::{self, PreflightError};
use crate::setup::redirect::{self, Reached};
use crate::setup::{message, request, route};

/// What subscribes to the embedded server, unless the user gives a message.
const SUBSCRIPTION: &[u8] = b"subscribe";

/// Everything that a run needs, running.
pub(super) struct Setup {
    /// With every default filled in.
    pub(super) config: RunConfig,
    /// The server that this run started.
    pub(super) server: Option<Server>,
    pub(super) probe: Option<ServerProbe>,
    pub(super) generator: Generator,
    /// Where the connections go, after redirections.
    pub(super) layer: Layer,
    pub(super) threads: usize,
    pub(super) client_engine: EngineKind,
    pub(super) client_cpus: CpuList,
    pub(super) server_cpus: CpuList,
    target: TargetResult,
    trust: Option<Trust>,
    notes: Vec<String>,
    /// Sessions that all threads of the generator keep.
    sessions: usize,
    /// When setup last connected to the server, to learn whether it listens; `None` if it did not.
    pub(super) contacted: Option<Instant>,
    /// Cost of one timed call, in nanoseconds.
    pub(super) timer_ns: f64,
    /// Read before this thread was pinned, so that it includes all CPUs.
    pub(super) environment: Environment,
    /// Keeps CPUs from sleeping until the end of the run.
    _awake: Vec<KeepAwake>,
}

/// What a [`Setup`] leaves for the result.
pub(super) struct SetupOutcome {
    pub(super) config: RunConfig,
    pub(super) target: TargetResult,
    pub(super) verify: Option<Verify>,
    pub(super) notes: Vec<String>,
    /// Whether the server ended without an error.
    pub(super) server_ended: anyhow::Result<()>,
}

impl Setup {
    /// Checks the options and starts both ends.
    ///
    /// # Errors
    /// If the options do not fit together or do not fit the machine, or if something does not start.
    pub(super) fn new(requested: &RunConfig) -> anyhow::Result<Self> {
        let mut config = requested.clone();
        config.check()?;
        preflight::check_times(&config)?;
        let mut message = message::content(&config.messages)?;
        if config.publish_rate().is_some() {
            // So that it publishes once all connections are open.
            message.get_or_insert_with(|| Arc::from(SUBSCRIPTION));
        }
        if let Some(message) = message.as_ref().filter(|_| config.mode != Mode::Subscribe) {
            config.size = Size(message::size(&config.messages, message) as u64);
        }
        let notes = defaults::fill_in(&mut config)?;
        let environment = environment::environment();
        let server_cpus = config.server_cpus.clone().unwrap_or_else(|| CpuList(BTreeSet::new()));
        let client_cpus = config.client_cpus.clone().context("internal error: the CPUs are not determined")?;
        let command = config.server.clone().map(|command| start_command(&command, &mut config)).transpose()?;
        // A connection has shown that it listens.
        let listened = command.as_ref().map(|_| Instant::now());
        let url = command.as_ref().map(Server::url).or(requested.target_url());
        let target = url.map(Target::parse).transpose()?;
        let fields = request::fields(&config.request)?;
        let ca = command.as_ref().and_then(Server::ca_pem);
        let reached = target.map(|target| redirect::follow(&config, target, &fields, ca)).transpose()?;
        let followed = (config.request.follow > 0).then(Instant::now);
        let target = reached.as_ref().map(|reached| reached.target.clone());
        let layer = target.as_ref().map_or(config.layer.unwrap_or(Layer::Wss), |target| target.layer);
        if layer.has_tls() {
            tls::check(&config)?;
        }
        let connections = preflight::peak_connections(&config);
        let sessions = sessions::client_sessions(&config, connections);
        let route = target.as_ref().map(|target| route::find(target, &config.route)).transpose()?;
        let addresses = route.as_ref().map_or(&[][..], |route| &route.addresses);
        preflight::check_resources(&config, connections, addresses, target.is_none())?;
        let identity = if layer.has_tls() { client_tls::identity(&config)? } else { None };
        if layer.has_tls() {
            server_name(&config.trust, "localhost")?;
            try_certificate(&config, identity.as_ref())?;
        }

        // The coordinator too: its output and its requests must not disturb the server.
        machine::pin_thread(&client_cpus.0)
            .with_context(|| format!("cannot pin the generator to the CPUs {client_cpus}"))?;
        let server = match target {
            Some(_) => command,
            None => Some(start_embedded(&config, &server_cpus, connections, sessions, identity.as_ref())?),
        };
        let target = match (target, &server) {
            (Some(target), _) => target,
            (None, Some(server)) => Target::parse(server.url())?,
            (None, None) => unreachable!("the embedded server is started if there is no target"),
        };
        let route = route.map_or_else(|| route::find(&target, &config.route), Ok)?;
        let probed = route.probed;
        let trust =
            layer.has_tls().then(|| trust(&config.trust, server.as_ref().and_then(Server::ca_pem))).transpose()?;
        let threads = config.threads.unwrap_or(1);
        // Only to a server that is asked for it: the request is otherwise that of any client.
        let names_run = config.server_stats.is_some() && target.layer.has_websocket();
        let run = names_run.then(|| RunNonce::new(RandomState::new().hash_one(std::process::id())));
        let destination = destination(
            &config,
            destination::Server {
                target: &target,
                is_requested: reached.as_ref().is_none_or(|reached| reached.is_requested),
                route,
                trust: trust.as_ref(),
                identity: identity.as_ref(),
            },
            &fields,
            sessions.div_ceil(threads),
            run,
        )?;
        let target = target_result(requested, &destination, reached.as_ref());
        let options = generator_options(&config, &client_cpus, destination, message);
        let generator = Generator::start(&options)?;
        let awake = awake::prepare(&config, options.engine, &client_cpus, &server_cpus)?;
        Ok(Self {
            target,
            probe: probe(&config, server.as_ref(), run)?,
            trust,
            sessions,
            contacted: probed.max(listened).max(followed),
            timer_ns: tls::timed::cost_of_timing(),
            config,
            server,
            generator,
            layer,
            threads,
            client_engine: options.engine,
            client_cpus,
            server_cpus,
            notes,
            environment,
            _awake: awake,
        })
    }

    /// What is watched for disturbances. The process of a server that this run did not start is known only by --server-pid.
    pub(super) fn machine_watch(&self) -> MachineWatch {
        let server = self.server.as_ref().map(Server::pid).or(self.config.server_pid);
        MachineWatch::new(self.client_cpus.0.clone(), self.server_cpus.0.clone(), server)
    }

    /// Full handshakes that make the sessions; 0 if no handshake resumes one.
    pub(super) fn full_handshakes_for_sessions(&self) -> usize {
        sessions::full_handshakes(&self.config, self.sessions, self.threads)
    }

    /// Ends the generator and the server.
    pub(super) fn finish(self) -> SetupOutcome {
        self.generator.end();
        let Self { config, target, trust, mut notes, .. } = self;
        if trust.as_ref().is_some_and(Trust::has_used_named_certificate) {
            notes.push(
                "the server's certificate is itself in --ca: its dates and name were verified, not its chain"
                    .to_owned(),
            );
        }
        let verify = trust.map(|trust| trust.verify());
        SetupOutcome { config, target, verify, notes, server_ended: self.server.map_or(Ok(()), Server::end) }
    }
}

/// Starts the embedded server for `connections` at a time and `sessions` of the generator.
fn start_embedded(
    config: &RunConfig,
    cpus: &CpuList,
    connections: usize,
    sessions: usize,
    identity: Option<&Identity>,
) -> anyhow::Result<Server> {
    let options = EmbeddedOptions {
        config,
        layer: config.layer.unwrap_or(Layer::Wss),
        engine: config.server_engine.context("internal error: the engine is not determined")?,
        threads: config.server_threads.unwrap_or(1),
        cpus,
        // Connections that are closing count as well.
        connections: connections.saturating_mul(2).saturating_add(64),
        sessions: sessions::server_sessions(config, sessions),
        client_ca: identity.and_then(|identity| identity.ca_pem.as_deref()),
    };
    options.start()
}

/// Starts `--server COMMAND`. The scheme of the URL that it prints becomes the layer.
fn start_command(command: &str, config: &mut RunConfig) -> anyhow::Result<Server> {
    // The server inherits the limit.
    machine::raise_file_limit().context("cannot raise the limit of open files")?;
    let cpus = config.server_cpus.as_ref().context("internal error: the CPUs are not determined")?;
    let server = Server::start_command(command, config.target_url(), cpus)?;
    let layer = Target::parse(server.url())?.layer;
    ensure!(
        config.layer.is_none_or(|requested| requested == layer),
        "the server listens at {}, but --layer is {}; remove --layer",
        server.url(),
        config.layer.unwrap_or(layer)
    );
    if config.target_url().is_none() {
        config.layer = Some(layer);
    }
    config.check()?;
    Ok(server)
}

/// Performs a handshake in memory with the user's certificate for the embedded server: one error now instead of one per
/// connection later.
fn try_certificate(config: &RunConfig, client: Option<&Identity>) -> anyhow::Result<()> {
    let (Some(CertificateChoice::File(certificate)), Some(key), true) =
        (&config.tls.cert, &config.tls.key, config.is_embedded())
    else {
        return Ok(());
    };
    // This handshake is neither logged nor timed.
    let quiet = |options: TlsOptions| TlsOptions { key_log: None, cost_split: Some(CostSplit::Off), ..options };
    let identity = Identity::read(certificate, key)?;
    let client_ca =
        client.and_then(|client| client.ca_pem.as_deref()).map(client_tls::certificate_of_pem).transpose()?;
    let extras = ServerExtras { client_ca: client_ca.into_iter().collect(), sessions: 1 };
    let server = server_config(&quiet(config.server_tls()), &identity, &extras)?;
    let client = client_config(&quiet(config.client_tls()), &trust(&config.trust, None)?, client)?;
    tls::try_handshake(server, client, server_name(&config.trust, "127.0.0.1")?)
        .with_context(|| format!("a handshake with the certificate {} fails", certificate.display()))
}

fn generator_options(
    config: &RunConfig,
    cpus: &CpuList,
    destination: Destination,
    message: Option<Arc<[u8]>>,
) -> GeneratorOptions {
    GeneratorOptions {
        engine: config.client_engine.unwrap_or(EngineKind::Epoll),
        threads: config.threads.unwrap_or(1),
        cpus: cpus.0.iter().copied().collect(),
        idle: config.idle.unwrap_or(IdlePolicy::Sleep),
        kernel_clock: config.kernel_clock.unwrap_or(KernelClockSample::Off),
        seed: config.seed,
        subscribes: config.mode == Mode::Subscribe,
        size: config.size.bytes(),
        messages: config.messages.clone(),
        compression: config.compression.clone(),
        message,
        destination,
        limits: config.limits.clone(),
    }
}

/// The way to the server's figures: its admin endpoint, or its process if this run started it or `--server-pid` names it.
///
/// # Errors
/// If they cannot be read. That is checked once here, so that a wrong address is reported before the first phase.
fn probe(config: &RunConfig, server: Option<&Server>, run: Option<RunNonce>) -> anyhow::Result<Option<ServerProbe>> {
    let admin = config.server_stats.as_deref().or(server.and_then(Server::admin)).map(Admin::new);
    if let Some(pid) = config.server_pid {
        check_server_pid(pid)?;
    }
    let process = server.map(Server::pid).or(config.server_pid);
    let probe = admin.map(|admin| ServerProbe::Admin(admin, run)).or(process.map(ServerProbe::Process));
    if let Some(probe) = &probe {
        probe.sample()?;
    }
    Ok(probe)
}

/// # Errors
/// If `--server-pid` names a process that cannot be read, or this one.
fn check_server_pid(pid: u32) -> Result<(), PreflightError> {
    let fail = |cause: String| Err(PreflightError::ServerPid { pid, cause });
    if pid == std::process::id() {
        return fail("it is the generator".to_owned());
    }
    ProcessUsage::of(pid).map(drop).or_else(|error| fail(error.to_string()))
}

/// The target for the result.
fn target_result(config: &RunConfig, destination: &Destination, reached: Option<&Reached>) -> TargetResult {
    let addresses: Vec<String> = destination.addresses.iter().map(SocketAddr::to_string).collect();
    TargetResult {
        url: reached.map_or_else(|| destination.target.url(), Reached::url),
        address: addresses.join(", "),
        embedded: config.is_embedded(),
        command: config.server.clone(),
        http: destination.target.layer.has_websocket().then_some(destination.http),
        redirected_from: reached.and_then(|reached| reached.from.clone()),
    }
}
