//! The TLS handshake in memory, server's and client's side timed apart: TLS 1.3, aws-lc-rs, a P-256 certificate, the
//! product's own configurations. Full, and resumed in both ways that a server can remember a session.
//!
//! Counted is the time inside every call to rustls of the one side: making the connection, reading, processing,
//! writing. Left out are sockets, the kernel, the adapter between rustls and tokio, the other side's work, and dropping
//! the connection. Both run on one thread with warm caches, so that the sum is a lower bound of what
//! `wssbench run --mode handshake` can find.
//!
//! Each handshake asserts what it was on both ends (`handshake_kind()`, as rustls' own bench does, and the version): a
//! resumption that silently fell back to a full handshake would otherwise be the fastest way to a wrong figure.

// A bench that cannot go on has no other way to say so.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ServerSessionMemoryCache;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection};
use wss_results::{TlsOptions, TlsVersion};
use wss_wire::tls::{Identity, Trust, client_config, server_config, warm_up};

/// Flights after which a handshake has failed: TLS 1.3 has three, and one more with the tickets.
const FLIGHTS_MAX: usize = 8;

/// How a session goes on, if it does.
#[derive(Clone, Copy)]
enum Session {
    /// It does not: the configurations as the product has them.
    Full,
    /// The server remembers it in a cache of rustls' usual 256 entries; a ticket is the number of an entry.
    Cache,
    /// The server remembers nothing: the ticket holds the session, encrypted.
    Ticket,
}

impl Session {
    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Cache => "resumed-cache",
            Self::Ticket => "resumed-ticket",
        }
    }

    const fn kind(self) -> HandshakeKind {
        match self {
            Self::Full => HandshakeKind::Full,
            Self::Cache | Self::Ticket => HandshakeKind::Resumed,
        }
    }
}

/// Both ends, made side by side from one set of options.
struct Ends {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
    session: Session,
}

/// What each side took.
#[derive(Default, Clone, Copy)]
struct Took {
    server: Duration,
    client: Duration,
}

impl Ends {
    fn new(session: Session) -> Self {
        let options = TlsOptions { tls_version: Some(TlsVersion::V1_3) };
        let identity = Identity::generate(&["localhost".to_owned()]).unwrap();
        let ca = CertificateDer::from_pem_slice(identity.ca_pem.as_deref().unwrap().as_bytes()).unwrap();
        let mut server = server_config(&options, &identity).unwrap();
        let mut client = client_config(&options, &Trust::Only(vec![ca])).unwrap();
        if !matches!(session, Session::Full) {
            // The product never resumes as yet: no tickets from the server, none kept by the client. So it is set here.
            // One ticket a handshake is what keeps a chain of resumptions going, as each ticket is used once.
            server.send_tls13_tickets = 1;
            client.resumption = Resumption::in_memory_sessions(16);
        }
        match session {
            Session::Full => {}
            Session::Cache => server.session_storage = ServerSessionMemoryCache::new(256),
            Session::Ticket => server.ticketer = Ticketer::new().unwrap(),
        }
        let name = ServerName::try_from("localhost").unwrap();
        let ends = Self { server: Arc::new(server), client: Arc::new(client), name, session };
        // The first handshake has nothing to resume; it brings the first ticket.
        ends.handshake(HandshakeKind::Full);
        ends
    }

    /// One handshake through two buffers, to the last byte that either side wants to send.
    fn handshake(&self, intended: HandshakeKind) -> Took {
        let mut took = Took::default();
        let mut client =
            timed(&mut took.client, || ClientConnection::new(Arc::clone(&self.client), self.name.clone()).unwrap());
        let mut server = timed(&mut took.server, || ServerConnection::new(Arc::clone(&self.server)).unwrap());
        let mut flight = Vec::with_capacity(16 * 1024);
        for _ in 0..FLIGHTS_MAX {
            flight.clear();
            timed(&mut took.client, || {
                while client.wants_write() {
                    client.write_tls(&mut flight).unwrap();
                }
            });
            let from_client = flight.len();
            timed(&mut took.server, || {
                let mut bytes = flight.as_slice();
                while !bytes.is_empty() {
                    server.read_tls(&mut bytes).unwrap();
                    server.process_new_packets().unwrap();
                }
            });
            flight.clear();
            timed(&mut took.server, || {
                while server.wants_write() {
                    server.write_tls(&mut flight).unwrap();
                }
            });
            timed(&mut took.client, || {
                let mut bytes = flight.as_slice();
                while !bytes.is_empty() {
                    client.read_tls(&mut bytes).unwrap();
                    client.process_new_packets().unwrap();
                }
            });
            if from_client == 0 && flight.is_empty() {
                break;
            }
        }
        assert!(!client.is_handshaking() && !server.is_handshaking(), "the handshake did not end");
        assert_eq!((client.handshake_kind(), server.handshake_kind()), (Some(intended), Some(intended)));
        assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        black_box((client, server));
        took
    }
}

/// A side by name, and its part of what a handshake took.
type Side = (&'static str, fn(Took) -> Duration);

const SIDES: [Side; 2] = [("server", |took| took.server), ("client", |took| took.client)];

/// Adds what `work` takes.
fn timed<T>(took: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    *took += start.elapsed();
    done
}

fn handshakes(criterion: &mut Criterion) {
    // Seeding the generator of random numbers takes some 20 ms, once in a thread.
    warm_up();
    let mut group = criterion.benchmark_group("handshake");
    for session in [Session::Full, Session::Cache, Session::Ticket] {
        let ends = Ends::new(session);
        for (side, of) in SIDES {
            group.bench_function(BenchmarkId::new(session.name(), side), |bencher| {
                bencher.iter_custom(|count| (0..count).map(|_| of(ends.handshake(ends.session.kind()))).sum());
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    // Measurement time counts the one side alone: what passes on the clock is two to three times that.
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = handshakes
}
criterion_main!(benches);
