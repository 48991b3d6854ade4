//! The handshake in memory: both ends of one, made from the same options as the product's, server's and client's side
//! timed apart.
//!
//! Counted is the time inside every call to rustls of the one side: making the connection, reading, processing,
//! writing. Left out are sockets, the kernel, the adapter between rustls and tokio, the other side's work, and dropping
//! the connection. Both run on one thread with warm caches, so that the sum is a lower bound of what
//! `wssbench run --mode handshake` can find.
//!
//! Each handshake asserts what it was on both ends (`handshake_kind()`, as rustls' own bench does): a resumption that
//! silently fell back to a full handshake would otherwise be the fastest way to a wrong figure. Version, suite, group
//! and certificate are compared with the options once, when the ends are made.

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

pub use crate::side::Took;
use crate::side::{Meter, Side};

/// Flights after which a handshake has failed: TLS 1.3 has three, one more with the tickets, two more with a retry.
const FLIGHTS_MAX: usize = 10;

/// Sessions that either end keeps: rustls' usual number.
const SESSIONS: usize = 256;

/// Both ends, made side by side from one set of options. With `--resume` every handshake resumes the one before.
pub struct Ends {
    configs: Configs,
    resumes: bool,
    negotiated: Negotiated,
}

/// What both ends are made from.
struct Configs {
    server: Arc<ServerConfig>,
    client: ClientConfigs,
    name: ServerName<'static>,
    /// What a handshake is that resumes nothing.
    full: HandshakeKind,
}

/// Both ends of a connection whose handshake is done.
pub struct Open {
    /// Connected.
    pub client: ClientConnection,
    /// Accepted.
    pub server: ServerConnection,
}

impl Ends {
    /// Makes the certificate and both configurations, and does the first handshake, which brings the first session.
    ///
    /// # Errors
    /// If the options cannot be, or the first handshake fails.
    pub fn new(options: &TlsOptions) -> anyhow::Result<Self> {
        let options = &TlsOptions { cost_split: Some(CostSplit::Off), ..options.clone() };
        options.check()?;
        let kind = options.certificate_kind().unwrap_or(CertificateKind::EcdsaP256);
        let identity = Identity::generate(Role::Server, &["localhost".to_owned()], kind, options.chain.unwrap_or(1))?;
        let pem = identity.ca_pem.as_deref().context("a certificate made here has a CA made here")?;
        let trust = Trust::Only(vec![CertificateDer::from_pem_slice(pem.as_bytes())?]);
        let extras = ServerExtras { sessions: SESSIONS, ..ServerExtras::default() };
        let server = Arc::new(server_config(options, &identity, &extras)?);
        let client = ClientConfigs::new(&client_config(options, &trust, None)?, options, SESSIONS);
        // Seeding the generator of random numbers takes some 20 ms, once in a thread.
        warm_up(server.crypto_provider());
        warm_up(client.full.crypto_provider());
        let full = if options.force_retry { HandshakeKind::FullWithHelloRetryRequest } else { HandshakeKind::Full };
        let configs = Configs { server, client, name: ServerName::try_from("localhost")?, full };
        let asked = RequestedTls::new(options);
        let mut negotiated = agreed(&configs.handshake(false, &mut Took::default())?, &asked, false)?;
        if options.resumes() {
            negotiated = agreed(&configs.handshake(true, &mut Took::default())?, &asked, true)?;
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

    /// The client's configuration for full handshakes, and the name that it asks for.
    pub fn client(&self) -> (Arc<rustls::ClientConfig>, ServerName<'static>) {
        (Arc::clone(&self.configs.client.full), self.configs.name.clone())
    }

    /// One handshake through two buffers, to the last byte that either side wants to send: the time of each side.
    ///
    /// # Errors
    /// If it fails, or is not of the kind that was meant.
    pub fn handshake(&self) -> anyhow::Result<Took> {
        let mut took = Took::default();
        black_box(self.connect(&mut took)?);
        Ok(took)
    }

    /// One handshake, each side's work counted by `meter`; what comes of it.
    ///
    /// # Errors
    /// If it fails, or is not of the kind that was meant.
    pub fn connect(&self, meter: &mut impl Meter) -> anyhow::Result<Open> {
        self.configs.handshake(self.resumes, meter)
    }
}

impl Configs {
    fn handshake(&self, resume: bool, meter: &mut impl Meter) -> anyhow::Result<Open> {
        let config = match &self.client.resuming {
            Some((config, _)) if resume => config,
            _ => &self.client.full,
        };
        let mut client = meter.during(Side::Client, || ClientConnection::new(Arc::clone(config), self.name.clone()))?;
        let mut server = meter.during(Side::Server, || ServerConnection::new(Arc::clone(&self.server)))?;
        let mut flight = Vec::with_capacity(16 * 1024);
        for _ in 0..FLIGHTS_MAX {
            flight.clear();
            meter.during(Side::Client, || write(&mut client, &mut flight))?;
            let from_client = flight.len();
            meter.during(Side::Server, || read(&mut server, &flight))?;
            flight.clear();
            meter.during(Side::Server, || write(&mut server, &mut flight))?;
            meter.during(Side::Client, || read(&mut client, &flight))?;
            if from_client == 0 && flight.is_empty() {
                break;
            }
        }
        ensure!(!client.is_handshaking() && !server.is_handshaking(), "the handshake did not end");
        let intended = if resume { HandshakeKind::Resumed } else { self.full };
        let kinds = (client.handshake_kind(), server.handshake_kind());
        ensure!(kinds == (Some(intended), Some(intended)), "{kinds:?} where {intended:?} was meant");
        Ok(Open { client, server })
    }
}

/// What both ends say that they negotiated, if they say the same and it is what was asked for.
fn agreed(open: &Open, asked: &RequestedTls, resumed: bool) -> anyhow::Result<Negotiated> {
    let certificate = CertificateKinds::default().of(open.client.peer_certificates());
    let client = HandshakeLabel::of(&open.client, Arc::clone(&certificate), false);
    let server = HandshakeLabel::of(&open.server, certificate, false);
    ensure!(client == server, "the client negotiated {client:?} and the server {server:?}");
    match asked.check(&client, open.client.alpn_protocol(), resumed) {
        Ok(()) => Ok(client.negotiated()),
        Err((_, sentence)) => bail!("{sentence}"),
    }
}

/// What a connection has to send, behind what is in `flight`.
///
/// # Errors
/// If rustls does not give it.
pub fn write<Data>(connection: &mut rustls::ConnectionCommon<Data>, flight: &mut Vec<u8>) -> anyhow::Result<()> {
    while connection.wants_write() {
        connection.write_tls(flight)?;
    }
    Ok(())
}

/// All of `flight`, read and processed.
///
/// # Errors
/// If the other end broke the protocol.
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
    use crate::options::parse;

    fn negotiated(options: &str) -> String {
        let ends = Ends::new(&parse(options).unwrap()).unwrap();
        let took = ends.handshake().unwrap();
        assert!(!took.server.is_zero() && !took.client.is_zero());
        let Negotiated { version, suite, group, certificate, kind } = ends.negotiated();
        format!("{version} {suite} {group} {certificate} {kind}")
    }

    #[test]
    fn both_ends_negotiate_what_was_asked_for() {
        let asked = "--suite chacha20 --group P-256 --cert ed25519 --provider ring";
        assert_eq!(negotiated(asked), "TLSv1.3 TLS13_CHACHA20_POLY1305_SHA256 secp256r1 ed25519 full");
        let retried = "TLSv1.3 TLS13_AES_256_GCM_SHA384 X25519 ecdsa-p256 full-after-retry";
        assert_eq!(negotiated("--force-retry --group X25519"), retried);
        let resumed = "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 none ecdsa-p256 resumed";
        assert_eq!(negotiated("--tls 1.2 --resume 100%"), resumed);
    }
}
