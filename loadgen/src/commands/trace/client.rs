//! Before the connection: where it goes, whom it trusts, and TLS as it was asked for.

use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use wss_model::config::CpuList;
use wss_model::config::tls::{CostSplit, Verify};
use wss_model::{Layer, RunConfig, TlsOptions};
use wss_wire::machine;
use wss_wire::target::Target;
use wss_wire::tls::{ClientConfigs, Identity, Trust, client_config};

use super::TraceCommand;
use super::observer::Means;
use super::secrets::Secrets;
use crate::child::embedded::EmbeddedOptions;
use crate::child::server::Server;
use crate::setup::client_tls as client_side;

/// Sessions that are kept to resume one: a server may send several tickets.
const SESSIONS: usize = 16;

/// TLS of the client.
pub(super) struct Tls {
    /// For the connection that is traced.
    pub(super) config: Arc<ClientConfig>,
    /// For one before it, whose session the traced one resumes.
    pub(super) before: Option<Arc<ClientConfig>>,
    pub(super) name: ServerName<'static>,
    /// What is verified of the server.
    pub(super) verify: Verify,
    pub(super) means: Means,
}

/// The run that would do the same: what the embedded server is started with, and what refuses options that cannot be.
pub(super) fn as_run(command: &TraceCommand) -> RunConfig {
    RunConfig {
        url: command.url.clone(),
        layer: command.layer,
        server_engine: command.server_engine,
        tls: command.tls.clone(),
        trust: command.trust.clone(),
        subprotocol: command.subprotocol.clone(),
        ..RunConfig::default()
    }
}

/// Starts the server that a trace without URL goes to.
///
/// # Errors
/// If it does not start.
pub(super) fn embedded(config: &RunConfig, identity: Option<&Identity>) -> anyhow::Result<Server> {
    let cpus = CpuList(machine::allowed_cpus().context("asking for the CPUs of this process")?);
    let options = EmbeddedOptions {
        config,
        layer: config.layer.unwrap_or(Layer::Wss),
        engine: config.server_engine.unwrap_or(config.engine),
        threads: 1,
        cpus: &cpus,
        connections: 16,
        sessions: SESSIONS,
        client_ca: identity.and_then(|identity| identity.ca_pem.as_deref()),
    };
    options.start()
}

/// TLS of the client, with every secret told.
///
/// # Errors
/// If a certificate cannot be read, or the options leave nothing to negotiate.
pub(super) fn tls(
    command: &TraceCommand,
    target: &Target,
    ca: Option<&str>,
    identity: Option<&Identity>,
) -> anyhow::Result<Tls> {
    let verify = command.trust.verify();
    let trust = client_side::trust(&command.trust, ca)?;
    let (ClientConfigs { full, resuming }, secrets) = configure(&command.tls, &trust, identity)?;
    // The session of the connection before is kept where the traced one looks for it.
    let (config, before) = match resuming {
        Some((resuming, _)) => (resuming, Some(full)),
        None => (full, None),
    };
    // What the first use of a library costs is no part of any handshake but a process's first.
    wss_wire::tls::warm_up(config.crypto_provider());
    let suites = config.crypto_provider().cipher_suites.clone();
    Ok(Tls {
        config,
        before,
        name: client_side::server_name(&command.trust, &target.host)?,
        verify,
        means: Means { secrets, suites },
    })
}

/// The client's side of TLS, made as a run makes it, but that it tells its secrets and that its cryptography is not
/// timed part by part: the one reading that a trace shows is to hold nothing else.
fn configure(
    options: &TlsOptions,
    trust: &Trust,
    identity: Option<&Identity>,
) -> anyhow::Result<(ClientConfigs, Arc<Secrets>)> {
    let options = TlsOptions { cost_split: Some(CostSplit::Off), mtls: identity.is_some(), ..options.clone() };
    let mut config = client_config(&options, trust, identity)?;
    let secrets = Arc::new(Secrets::beside(Arc::clone(&config.key_log)));
    config.key_log = Arc::<Secrets>::clone(&secrets);
    Ok((ClientConfigs::new(&config, &options, SESSIONS), secrets))
}

/// Refuses what no trace could do.
///
/// # Errors
/// The first thing that cannot be, with what to do about it.
pub(super) fn check(command: &TraceCommand, layer: Layer) -> anyhow::Result<()> {
    ensure!(!command.timeout.0.is_zero(), "--timeout is 0: give a length of time such as 10s");
    ensure!(command.timeout.0 <= super::TIMEOUT_MOST, "--timeout is longer than {:?}", super::TIMEOUT_MOST);
    ensure!(!command.message.is_empty(), "--message is empty: an empty message carries nothing to see");
    ensure!(command.message.len() <= super::MESSAGE_MOST, "--message is longer than {} bytes", super::MESSAGE_MOST);
    ensure!(
        layer.has_websocket() || command.subprotocol.is_none(),
        "--subprotocol is WebSocket's, and {layer}:// has no WebSocket"
    );
    as_run(command).check()?;
    Ok(())
}
