//! What a trace needs before the connection: the embedded server, and TLS with the requested options.

use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use wss_model::config::tls::{CostSplit, Verify};
use wss_model::config::{CpuList, HttpVersion};
use wss_model::{Layer, RunConfig, TlsOptions};
use wss_wire::engine::choose;
use wss_wire::machine;
use wss_wire::target::Target;
use wss_wire::tls::{ClientConfigs, Identity, Trust, client_config};

use super::TraceCommand;
use super::observer::KeyMaterial;
use super::secrets::Secrets;
use crate::child::embedded::EmbeddedOptions;
use crate::child::server::Server;
use crate::setup::client_tls as client_side;

/// Size of the session cache: a server may send several tickets.
const SESSIONS: usize = 16;

/// TLS of the client.
pub(super) struct Tls {
    /// For the traced connection.
    pub(super) config: Arc<ClientConfig>,
    /// For an earlier connection, whose session the traced one resumes.
    pub(super) before: Option<Arc<ClientConfig>>,
    pub(super) name: ServerName<'static>,
    /// How the server's certificate is verified.
    pub(super) verify: Verify,
    pub(super) keys: KeyMaterial,
}

/// The run with the same options: it starts the embedded server and rejects impossible combinations.
pub(super) fn as_run(command: &TraceCommand) -> RunConfig {
    RunConfig {
        url: command.url.clone(),
        layer: command.layer,
        server_engine: command.server_engine,
        tls: command.tls.clone(),
        trust: command.trust.clone(),
        subprotocol: command.subprotocol.clone(),
        route: command.route.clone(),
        request: command.request.clone(),
        ..RunConfig::default()
    }
}

/// Starts the server that a trace without URL goes to.
///
/// # Errors
/// If it does not start.
pub(super) fn embedded(config: &RunConfig, identity: Option<&Identity>) -> anyhow::Result<Server> {
    let cpus = CpuList(machine::allowed_cpus().context("cannot determine the CPUs of this process")?);
    let options = EmbeddedOptions {
        config,
        layer: config.layer.unwrap_or(Layer::Wss),
        engine: config.server_engine.unwrap_or_else(|| choose(config.engine).0),
        threads: 1,
        cpus: &cpus,
        connections: 16,
        sessions: SESSIONS,
        client_ca: identity.and_then(|identity| identity.ca_pem.as_deref()),
    };
    options.start()
}

/// TLS of the client, with every secret logged.
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
    // Both share a session cache, so the traced connection finds the session of the earlier one.
    let (config, before) = match resuming {
        Some((resuming, _)) => (resuming, Some(full)),
        None => (full, None),
    };
    // Only the first handshake of a process would include the initialization of the library.
    wss_wire::tls::warm_up(config.crypto_provider());
    let suites = config.crypto_provider().cipher_suites.clone();
    Ok(Tls {
        config,
        before,
        name: client_side::server_name(&command.trust, &target.host)?,
        verify,
        keys: KeyMaterial { secrets, suites },
    })
}

/// TLS of the client as in a run, except that secrets are logged and cryptographic operations are not timed one by one: a
/// trace has one time per record, which must not include timer overhead.
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

/// Rejects impossible options.
///
/// # Errors
/// The first impossible option.
pub(super) fn check(command: &TraceCommand, layer: Layer) -> anyhow::Result<()> {
    ensure!(!command.timeout.0.is_zero(), "--timeout is 0; use a duration such as 10s");
    ensure!(
        command.timeout.0 <= super::MAX_TIMEOUT,
        "--timeout is longer than {:?}; use a shorter one",
        super::MAX_TIMEOUT
    );
    ensure!(!command.message.is_empty(), "--message is empty; use at least one character");
    ensure!(
        command.message.len() <= super::MAX_MESSAGE,
        "--message is longer than {} bytes; use a shorter one",
        super::MAX_MESSAGE
    );
    ensure!(
        layer.has_websocket() || command.subprotocol.is_none(),
        "--subprotocol requires WebSocket, but the layer is {layer}; remove it"
    );
    ensure!(
        command.request.http == HttpVersion::Http1 && command.request.follow == 0,
        "trace shows one connection of HTTP/1.1 and supports neither --http 2 nor --follow; remove them"
    );
    as_run(command).check()?;
    Ok(())
}
