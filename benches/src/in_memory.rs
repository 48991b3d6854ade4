//! The TLS handshake in memory, configured from the same options as a run, with the time of each end taken separately.
//!
//! The time of an end is the time inside its calls to rustls: creating the connection, reading, processing, writing. It
//! leaves out sockets, the kernel, the adapter between rustls and tokio, and dropping the connection. Both ends run on one
//! thread with warm caches, so the sum is a lower bound of what `wssbench run --mode handshake` measures.
//!
//! Every handshake asserts its kind on both ends (`handshake_kind()`, as rustls' own benches do): otherwise a resumption
//! that falls back to a full handshake would be timed as a resumption. Version, suite, group and certificate are compared
//! with the options once, in [`Peers::new`].

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, HandshakeKind, ServerConfig, ServerConnection};
use wss_model::TlsOptions;
use wss_model::config::tls::{CertificateKind, CostSplit};
use wss_model::run_result::Negotiated;
use wss_wire::tls::{
    CertificateKinds, ClientConfigs, HandshakeLabel, Identity, RequestedTls, Role, ServerExtras, Trust, client_config,
    server_config, warm_up,
};

pub use crate::end::EndTimes;
use crate::end::{End, Meter};

/// Round trips after which a handshake has failed: TLS 1.3 needs two, one more with tickets, one more with a retry.
const ROUND_TRIPS_MAX: usize = 10;

/// Sessions that either end keeps: rustls' default.
const SESSIONS: usize = 256;

/// Server and client configured from one set of options. With `--resume` every handshake resumes the previous one.
pub struct Peers {
    configs: Configs,
    resumes: bool,
    negotiated: Negotiated,
}

struct Configs {
    server: Arc<ServerConfig>,
    client: ClientConfigs,
    name: ServerName<'static>,
    /// The kind of a handshake that does not resume.
    full: HandshakeKind,
}

/// Both ends of a connection whose handshake is complete.
pub struct Connected {
    /// The client's end.
    pub client: ClientConnection,
    /// The server's end.
    pub server: ServerConnection,
}

impl Peers {
    /// Creates the certificate and both configurations, and does the first handshake, which yields the first session.
    ///
    /// # Errors
    /// If the options cannot be combined, or the first handshake fails.
    pub fn new(options: &TlsOptions) -> anyhow::Result<Self> {
        let options = &TlsOptions { cost_split: Some(CostSplit::Off), ..options.clone() };
        options.check()?;
        let kind = options.certificate_kind().unwrap_or(CertificateKind::EcdsaP256);
        let identity = Identity::generate(Role::Server, &["localhost".to_owned()], kind, options.chain.unwrap_or(1))?;
        let pem = identity.ca_pem.as_deref().context("the generated certificate has no CA")?;
        let trust = Trust::only(vec![CertificateDer::from_pem_slice(pem.as_bytes())?]);
        let extras = ServerExtras { sessions: SESSIONS, ..ServerExtras::default() };
        let server = Arc::new(server_config(options, &identity, &extras)?);
        let client = ClientConfigs::new(&client_config(options, &trust, None)?, options, SESSIONS);
        // Seeding the random number generator takes about 20 ms, once per thread.
        warm_up(server.crypto_provider());
        warm_up(client.full.crypto_provider());
        let full = if options.force_retry { HandshakeKind::FullWithHelloRetryRequest } else { HandshakeKind::Full };
        let configs = Configs { server, client, name: ServerName::try_from("localhost")?, full };
        let requested = RequestedTls::new(options);
        let mut negotiated = check_negotiated(&configs.handshake(false, &mut EndTimes::default())?, &requested, false)?;
        if options.resumes() {
            negotiated = check_negotiated(&configs.handshake(true, &mut EndTimes::default())?, &requested, true)?;
        }
        Ok(Self { configs, resumes: options.resumes(), negotiated })
    }

    /// What every handshake negotiates, on both ends.
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// The server's configuration.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.configs.server)
    }

    /// The client's configuration for full handshakes, and the server name it sends.
    pub fn client(&self) -> (Arc<rustls::ClientConfig>, ServerName<'static>) {
        (Arc::clone(&self.configs.client.full), self.configs.name.clone())
    }

    /// One handshake through two buffers, until neither end has anything more to send; the time of each end.
    ///
    /// # Errors
    /// If it fails, or is not of the intended kind.
    pub fn handshake(&self) -> anyhow::Result<EndTimes> {
        let mut times = EndTimes::default();
        black_box(self.connect(&mut times)?);
        Ok(times)
    }

    /// One handshake, with each end's work measured by `meter`.
    ///
    /// # Errors
    /// If it fails, or is not of the intended kind.
    pub fn connect(&self, meter: &mut impl Meter) -> anyhow::Result<Connected> {
        self.configs.handshake(self.resumes, meter)
    }
}

impl Configs {
    fn handshake(&self, resume: bool, meter: &mut impl Meter) -> anyhow::Result<Connected> {
        let config = match &self.client.resuming {
            Some((config, _)) if resume => config,
            _ => &self.client.full,
        };
        let mut client = meter.measure(End::Client, || ClientConnection::new(Arc::clone(config), self.name.clone()))?;
        let mut server = meter.measure(End::Server, || ServerConnection::new(Arc::clone(&self.server)))?;
        let mut flight = Vec::with_capacity(16 * 1024);
        for _ in 0..ROUND_TRIPS_MAX {
            flight.clear();
            meter.measure(End::Client, || write(&mut client, &mut flight))?;
            let from_client = flight.len();
            meter.measure(End::Server, || read(&mut server, &flight))?;
            flight.clear();
            meter.measure(End::Server, || write(&mut server, &mut flight))?;
            meter.measure(End::Client, || read(&mut client, &flight))?;
            if from_client == 0 && flight.is_empty() {
                break;
            }
        }
        ensure!(!client.is_handshaking() && !server.is_handshaking(), "the handshake did not complete");
        let intended = if resume { HandshakeKind::Resumed } else { self.full };
        let kinds = (client.handshake_kind(), server.handshake_kind());
        ensure!(kinds == (Some(intended), Some(intended)), "expected a handshake of kind {intended:?}, got {kinds:?}");
        Ok(Connected { client, server })
    }
}

/// What was negotiated, if both ends agree on it and it is what the options ask for.
fn check_negotiated(connected: &Connected, requested: &RequestedTls, resumed: bool) -> anyhow::Result<Negotiated> {
    let certificate = CertificateKinds::default().of(connected.client.peer_certificates());
    let client = HandshakeLabel::of(&connected.client, Arc::clone(&certificate), false);
    let server = HandshakeLabel::of(&connected.server, certificate, false);
    ensure!(client == server, "the client negotiated {client:?} and the server {server:?}");
    match requested.check(&client, connected.client.alpn_protocol(), resumed) {
        Ok(()) => Ok(client.negotiated()),
        Err((_, text)) => bail!("{text}"),
    }
}

/// Appends to `flight` everything that the connection has to send.
///
/// # Errors
/// As rustls' `write_tls`.
pub fn write<Data>(connection: &mut rustls::ConnectionCommon<Data>, flight: &mut Vec<u8>) -> anyhow::Result<()> {
    while connection.wants_write() {
        connection.write_tls(flight)?;
    }
    Ok(())
}

/// Reads and processes all of `flight`.
///
/// # Errors
/// If the peer broke the protocol.
pub fn read<Data>(connection: &mut rustls::ConnectionCommon<Data>, mut flight: &[u8]) -> anyhow::Result<()>
where
    Data: rustls::SideData,
{
    while !flight.is_empty() {
        connection.read_tls(&mut flight)?;
        connection.process_new_packets()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configurations::parse;

    fn negotiated(options: &str) -> String {
        let peers = Peers::new(&parse(options).unwrap()).unwrap();
        let times = peers.handshake().unwrap();
        assert!(!times.server.is_zero() && !times.client.is_zero());
        let Negotiated { version, suite, group, certificate, kind } = peers.negotiated();
        format!("{version} {suite} {group} {certificate} {kind}")
    }

    #[test]
    fn both_ends_negotiate_what_the_options_ask_for() {
        let options = "--suite chacha20 --group P-256 --cert ed25519 --provider ring";
        assert_eq!(negotiated(options), "TLSv1.3 TLS13_CHACHA20_POLY1305_SHA256 secp256r1 ed25519 full");
        let retried = "TLSv1.3 TLS13_AES_256_GCM_SHA384 X25519 ecdsa-p256 full-after-retry";
        assert_eq!(negotiated("--force-retry --group X25519"), retried);
        let resumed = "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 none ecdsa-p256 resumed";
        assert_eq!(negotiated("--tls 1.2 --resume 100%"), resumed);
    }
}
