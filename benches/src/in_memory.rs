//! The handshake in memory: both ends of one, made from the same options as the product's, server's and client's side
//! timed apart.
//!
//! Counted is the time inside every call to rustls of the one side: making the connection, reading, processing,
//! writing. Left out are sockets, the kernel, the adapter between rustls and tokio, the other side's work, and dropping
//! the connection. Both run on one thread with warm caches, so that the sum is a lower bound of what
//! `wssbench run --mode handshake` can find.
//!
//! Each handshake asserts what it was on both ends (`handshake_kind()`, as rustls' own bench does): a resumption that
//! silently fell back to a full handshake would otherwise be the fastest way to a wrong figure.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, HandshakeKind, ServerConfig, ServerConnection};
use wss_results::TlsOptions;
use wss_results::config::tls::{CertificateKind, CostSplit};
use wss_wire::tls::{ClientConfigs, Identity, Role, ServerExtras, Trust, client_config, server_config, warm_up};

/// Flights after which a handshake has failed: TLS 1.3 has three, one more with the tickets, two more with a retry.
const FLIGHTS_MAX: usize = 10;

/// Sessions that either end keeps: rustls' usual number.
const SESSIONS: usize = 256;

/// Both ends, made side by side from one set of options. With `--resume` every handshake resumes the one before.
pub struct Ends {
    server: Arc<ServerConfig>,
    client: ClientConfigs,
    name: ServerName<'static>,
    intended: HandshakeKind,
}

/// What each side took.
#[derive(Debug, Default, Clone, Copy)]
pub struct Took {
    /// The server.
    pub server: Duration,
    /// The client.
    pub client: Duration,
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
        let mut ends = Self { server, client, name: ServerName::try_from("localhost")?, intended: full };
        ends.once(false)?;
        if options.resumes() {
            ends.intended = HandshakeKind::Resumed;
        }
        Ok(ends)
    }

    /// One handshake through two buffers, to the last byte that either side wants to send.
    ///
    /// # Errors
    /// If it fails, or is not of the kind that was meant.
    pub fn handshake(&self) -> anyhow::Result<Took> {
        self.once(self.intended == HandshakeKind::Resumed)
    }

    fn once(&self, resume: bool) -> anyhow::Result<Took> {
        let config = match &self.client.resuming {
            Some((config, _)) if resume => config,
            _ => &self.client.full,
        };
        let mut took = Took::default();
        let mut client = timed(&mut took.client, || ClientConnection::new(Arc::clone(config), self.name.clone()))?;
        let mut server = timed(&mut took.server, || ServerConnection::new(Arc::clone(&self.server)))?;
        let mut flight = Vec::with_capacity(16 * 1024);
        for _ in 0..FLIGHTS_MAX {
            flight.clear();
            timed(&mut took.client, || write(&mut client, &mut flight))?;
            let from_client = flight.len();
            timed(&mut took.server, || read(&mut server, &flight))?;
            flight.clear();
            timed(&mut took.server, || write(&mut server, &mut flight))?;
            timed(&mut took.client, || read(&mut client, &flight))?;
            if from_client == 0 && flight.is_empty() {
                break;
            }
        }
        ensure!(!client.is_handshaking() && !server.is_handshaking(), "the handshake did not end");
        let kinds = (client.handshake_kind(), server.handshake_kind());
        ensure!(kinds == (Some(self.intended), Some(self.intended)), "{kinds:?} where {:?} was meant", self.intended);
        black_box((client, server));
        Ok(took)
    }
}

fn write<Data>(connection: &mut rustls::ConnectionCommon<Data>, flight: &mut Vec<u8>) -> anyhow::Result<()> {
    while connection.wants_write() {
        connection.write_tls(flight)?;
    }
    Ok(())
}

fn read<Data>(connection: &mut rustls::ConnectionCommon<Data>, mut flight: &[u8]) -> anyhow::Result<()>
where
    Data: rustls::SideData,
{
    while !flight.is_empty() {
        connection.read_tls(&mut flight)?;
        connection.process_new_packets()?;
    }
    Ok(())
}

/// Adds what `work` takes.
fn timed<T>(took: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    *took += start.elapsed();
    done
}
