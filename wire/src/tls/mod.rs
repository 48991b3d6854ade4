//! TLS: options made into a server's and a client's configuration, side by side from the same set, and the labels
//! of what they negotiate.
//!
//! Handshakes are full unless a run asks for something else: the server then sends no tickets and the client keeps
//! none, so that nothing is resumed by accident.

mod certificates;
mod client_auth;
mod dry_run;
mod failure;
mod key_log;
mod labels;
mod provider;
mod sessions;
pub mod timed;
mod trust;

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

pub use self::certificates::{Identity, Role, read_certificates};
pub use self::client_auth::AskedForCertificate;
pub use self::dry_run::try_handshake;
pub use self::failure::TlsFailure;
pub use self::labels::{Asked, CertificateKinds, Label, LabelCounts, certificate_kind};
pub use self::provider::{Provider, Side};
pub use self::sessions::Sessions;
pub use self::trust::Trust;

/// Bytes of early data that a server takes: an upgrade request.
const EARLY_DATA_MAX: u32 = 16 * 1024;

static ONLY_1_2: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
static ONLY_1_3: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// The versions that the options leave.
fn versions(options: &TlsOptions) -> &'static [&'static SupportedProtocolVersion] {
    match options.version() {
        Some(TlsVersion::V1_2) => &ONLY_1_2,
        Some(TlsVersion::V1_3) => &ONLY_1_3,
        None => rustls::ALL_VERSIONS,
    }
}

/// Refuses what the providers of a run have not: before anything is started.
///
/// # Errors
/// The first thing that is missing, with what there is.
pub fn check(config: &RunConfig) -> Result<(), ConfigError> {
    Provider::new(&config.client_tls(), Side::Client)?;
    if config.url.is_none() {
        Provider::new(&config.server_tls(), Side::Server)?;
    }
    Ok(())
}

fn timed_crypto(options: &TlsOptions, crypto: CryptoProvider) -> Arc<CryptoProvider> {
    Arc::new(timed::provider(crypto, options.cost_split()))
}

fn alpn(options: &TlsOptions) -> Vec<Vec<u8>> {
    options.alpn.iter().map(|name| name.clone().into_bytes()).collect()
}

/// What a server's configuration needs besides the options and its identity.
#[derive(Debug, Clone, Default)]
pub struct ServerExtras {
    /// With `--mtls`: who may have signed the clients' certificates.
    pub client_ca: Vec<CertificateDer<'static>>,
    /// Sessions that it remembers at most.
    pub sessions: usize,
}

/// The server's side.
///
/// # Errors
/// If the provider has not what is asked for, the key does not fit the certificate, or the options leave nothing to
/// negotiate.
pub fn server_config(options: &TlsOptions, identity: &Identity, extras: &ServerExtras) -> anyhow::Result<ServerConfig> {
    let Provider { crypto, ticketer } = Provider::new(options, Side::Server)?;
    let crypto = timed_crypto(options, crypto);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&crypto)).with_protocol_versions(versions(options))?;
    let builder = if options.mtls {
        let mut roots = RootCertStore::empty();
        for certificate in &extras.client_ca {
            roots.add(certificate.clone()).context("using a CA certificate for clients")?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto).build();
        builder.with_client_cert_verifier(verifier.context("verifying clients' certificates")?)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(|error| identity.refused(&error))?;
    if let Some(suite) = options.suite {
        identity.check_suite(suite)?;
    }
    config.alpn_protocols = alpn(options);
    config.send_tls13_tickets = usize::from(options.tickets());
    // Tickets that nobody takes up have their cost all the same.
    if options.resumes() || options.tickets() > 0 {
        match options.resume_by() {
            ResumeBy::Ticket => {
                config.ticketer = ticketer().context("making the key for tickets")?;
                config.session_storage = Arc::new(NoServerSessionStorage {});
            }
            ResumeBy::Stateful | ResumeBy::SessionId => {
                config.session_storage = ServerSessionMemoryCache::new(extras.sessions.max(1));
            }
        }
        config.max_early_data_size = if options.early_data { EARLY_DATA_MAX } else { 0 };
    } else {
        // TLS 1.2 has session identifiers by default: a full handshake shall not cost the server a cache entry.
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    if let Some(path) = &options.key_log {
        config.key_log = Arc::new(key_log::KeyLogFile::open(path)?);
    }
    Ok(config)
}

/// Does on this thread what the first handshake would do for all later ones: seeding the generator of random numbers
/// takes aws-lc some 20 ms, which are no part of any handshake's cost but the first one's.
pub fn warm_up(crypto: &CryptoProvider) {
    let mut random = [0; 32];
    // A failure shows in the first handshake, where it is counted.
    let _ = crypto.secure_random.fill(&mut random);
    for group in &crypto.kx_groups {
        let _ = group.start();
    }
}

/// The client's side. It keeps no session: [`ClientConfigs`] is the one that does.
///
/// # Errors
/// If the provider has not what is asked for, no trusted certificate can be read, the key does not fit the client's
/// certificate, or the options leave nothing to negotiate.
pub fn client_config(options: &TlsOptions, trust: &Trust, identity: Option<&Identity>) -> anyhow::Result<ClientConfig> {
    let Provider { crypto, .. } = Provider::new(options, Side::Client)?;
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
            .map_err(|error| identity.refused(&error))?,
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

/// The configurations of one thread of the generator: for handshakes that are full and for those that resume.
#[derive(Debug, Clone)]
pub struct ClientConfigs {
    /// Full handshakes; their sessions are kept for others.
    pub full: Arc<ClientConfig>,
    /// Handshakes that resume, with what they resume; `None` if none is to.
    pub resuming: Option<(Arc<ClientConfig>, Arc<Sessions>)>,
}

impl ClientConfigs {
    /// Both from the one of [`client_config`]; `sessions` is how many to keep at most.
    pub fn new(config: &ClientConfig, options: &TlsOptions, sessions: usize) -> Self {
        if !options.resumes() {
            return Self { full: Arc::new(config.clone()), resuming: None };
        }
        let way = match options.resume_by() {
            ResumeBy::Ticket => Tls12Resumption::SessionIdOrTickets,
            ResumeBy::Stateful | ResumeBy::SessionId => Tls12Resumption::SessionIdOnly,
        };
        let sessions = Sessions::new(sessions.max(1));
        let mut full = config.clone();
        full.resumption =
            Resumption::store(Arc::new(sessions::InsertOnly(Arc::clone(&sessions)))).tls12_resumption(way);
        let mut resuming = config.clone();
        resuming.resumption = Resumption::store(Arc::clone(&sessions) as _).tls12_resumption(way);
        resuming.enable_early_data = options.early_data;
        Self { full: Arc::new(full), resuming: Some((Arc::new(resuming), sessions)) }
    }
}

#[cfg(test)]
mod tests;
