//! TLS: the configurations of server and client, made from the same options, and the labels of handshakes.
//!
//! Handshakes are full unless the options request resumption: by default the server sends no tickets and the client stores
//! none, so that no session is resumed by accident.

mod certificate_problem;
mod certificates;
mod client_auth;
mod dry_run;
mod failure;
mod key_log;
mod labels;
mod pin;
mod provider;
mod sessions;
pub mod timed;
mod trust;
mod verifier;

use std::sync::Arc;

use anyhow::Context;
use rustls::client::{Resumption, Tls12Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use wss_model::config::ConfigError;
use wss_model::config::tls::ResumeBy;
use wss_model::{RunConfig, TlsOptions, TlsVersion};

pub use self::certificate_problem::CertificateProblem;
pub use self::certificates::{Identity, Role, read_certificates};
pub use self::client_auth::ClientAuthFuture;
pub use self::dry_run::try_handshake;
pub use self::failure::TlsFailure;
use self::labels::alpn;
pub use self::labels::{CertificateKinds, HandshakeLabel, LabelCounts, RequestedTls, certificate_kind};
pub use self::pin::{Pin, PinMismatch};
pub use self::provider::Provider;
pub use self::sessions::Sessions;
pub use self::trust::Trust;

/// Limit on early data in bytes: enough for an upgrade request.
const EARLY_DATA_MAX: u32 = 16 * 1024;

static ONLY_1_2: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
static ONLY_1_3: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// The versions that the options allow.
fn versions(options: &TlsOptions) -> &'static [&'static SupportedProtocolVersion] {
    match options.version() {
        Some(TlsVersion::V1_2) => &ONLY_1_2,
        Some(TlsVersion::V1_3) => &ONLY_1_3,
        None => rustls::ALL_VERSIONS,
    }
}

/// Checks that the providers of a run support its options, before anything is started.
///
/// # Errors
/// The first unsupported option, with the supported values.
pub fn check(config: &RunConfig) -> Result<(), ConfigError> {
    Provider::new(&config.client_tls(), Role::Client)?;
    if config.url.is_none() {
        Provider::new(&config.server_tls(), Role::Server)?;
    }
    Ok(())
}

fn timed_crypto(options: &TlsOptions, crypto: CryptoProvider) -> Arc<CryptoProvider> {
    Arc::new(timed::provider(crypto, options.cost_split()))
}

/// What the configuration of a server needs besides the options and its identity.
#[derive(Debug, Clone, Default)]
pub struct ServerExtras {
    /// With `--mtls`: the CAs that client certificates must be signed by.
    pub client_ca: Vec<CertificateDer<'static>>,
    /// Capacity of the session cache.
    pub sessions: usize,
}

/// The configuration of the server.
///
/// # Errors
/// If the provider does not support the options, the key does not belong to the certificate, or the options leave nothing
/// to negotiate.
pub fn server_config(options: &TlsOptions, identity: &Identity, extras: &ServerExtras) -> anyhow::Result<ServerConfig> {
    let Provider { crypto, ticketer } = Provider::new(options, Role::Server)?;
    let crypto = timed_crypto(options, crypto);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&crypto)).with_protocol_versions(versions(options))?;
    let builder = if options.mtls {
        let mut roots = RootCertStore::empty();
        for certificate in &extras.client_ca {
            roots.add(certificate.clone()).context("cannot use a certificate of --client-ca as a CA")?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto).build();
        builder.with_client_cert_verifier(verifier.context("cannot verify client certificates; check --client-ca")?)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(|error| identity.rejected(&error))?;
    if let Some(suite) = options.suite {
        identity.check_suite(suite)?;
    }
    config.alpn_protocols = alpn(options);
    config.send_tls13_tickets = usize::from(options.tickets());
    // Tickets that no client resumes have a cost too.
    if options.resumes() || options.tickets() > 0 {
        match options.resume_by() {
            ResumeBy::Ticket => {
                config.ticketer = ticketer().context("cannot create the key for session tickets")?;
                config.session_storage = Arc::new(NoServerSessionStorage {});
            }
            ResumeBy::Stateful | ResumeBy::SessionId => {
                config.session_storage = ServerSessionMemoryCache::new(extras.sessions.max(1));
            }
        }
        config.max_early_data_size = if options.early_data { EARLY_DATA_MAX } else { 0 };
    } else {
        // TLS 1.2 uses session identifiers by default; a full handshake must not include the cost of a cache entry.
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    if let Some(path) = &options.key_log {
        config.key_log = Arc::new(key_log::KeyLogFile::open(path)?);
    }
    Ok(config)
}

/// Does the one-time work of this thread's first handshake: aws-lc takes about 20 ms to seed its random number generator,
/// which would be counted in the first handshake.
pub fn warm_up(crypto: &CryptoProvider) {
    let mut random = [0; 32];
    // A failure recurs in the first handshake, where it is counted.
    let _ = crypto.secure_random.fill(&mut random);
    for group in &crypto.kx_groups {
        let _ = group.start();
    }
}

/// The configuration of the client, without a session store: see [`ClientConfigs`].
///
/// # Errors
/// If the provider does not support the options, no trusted certificate can be read, the key does not belong to the
/// client's certificate, or the options leave nothing to negotiate.
pub fn client_config(options: &TlsOptions, trust: &Trust, identity: Option<&Identity>) -> anyhow::Result<ClientConfig> {
    let Provider { crypto, .. } = Provider::new(options, Role::Client)?;
    let crypto = timed_crypto(options, crypto);
    let verifier = trust.verifier(&crypto)?;
    let builder = ClientConfig::builder_with_provider(crypto)
        .with_protocol_versions(versions(options))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity.filter(|_| options.mtls) {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(|error| identity.rejected(&error))?,
    };
    if config.client_auth_cert_resolver.has_certs() {
        config.client_auth_cert_resolver = Arc::new(client_auth::ClientAuthObserver(config.client_auth_cert_resolver));
    }
    config.alpn_protocols = alpn(options);
    config.resumption = Resumption::disabled();
    if let Some(path) = &options.key_log {
        config.key_log = Arc::new(key_log::KeyLogFile::open(path)?);
    }
    Ok(config)
}

/// The configurations of one thread of the generator: for full handshakes, and for resumed ones.
#[derive(Debug, Clone)]
pub struct ClientConfigs {
    /// For full handshakes; it stores their sessions for resumption.
    pub full: Arc<ClientConfig>,
    /// For resumed handshakes, with the stored sessions; `None` if the options request none.
    pub resuming: Option<(Arc<ClientConfig>, Arc<Sessions>)>,
}

impl ClientConfigs {
    /// Derives both from the result of [`client_config`]. `sessions` is the capacity of the session store.
    pub fn new(config: &ClientConfig, options: &TlsOptions, sessions: usize) -> Self {
        if !options.resumes() {
            return Self { full: Arc::new(config.clone()), resuming: None };
        }
        let tls12 = match options.resume_by() {
            ResumeBy::Ticket => Tls12Resumption::SessionIdOrTickets,
            ResumeBy::Stateful | ResumeBy::SessionId => Tls12Resumption::SessionIdOnly,
        };
        let sessions = Sessions::new(sessions.max(1));
        let mut full = config.clone();
        full.resumption =
            Resumption::store(Arc::new(sessions::InsertOnlyStore(Arc::clone(&sessions)))).tls12_resumption(tls12);
        let mut resuming = config.clone();
        resuming.resumption = Resumption::store(Arc::clone(&sessions) as _).tls12_resumption(tls12);
        resuming.enable_early_data = options.early_data;
        Self { full: Arc::new(full), resuming: Some((Arc::new(resuming), sessions)) }
    }
}

#[cfg(test)]
mod tests;
