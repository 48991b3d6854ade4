//! One connection as server and generator make it, between two pipes in memory: TLS through tokio-rustls, the upgrade, and
//! messages through `wss_wire::websocket`, with each end's work measured separately.
//!
//! It leaves out sockets, engines, deadlines, and the counters and histograms of server and generator.

use anyhow::{bail, ensure};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wss_wire::flights::FlightStats;
use wss_wire::transport::{CountedStream, Transport};
use wss_wire::upgrade::{self, ClientUpgrade, PrefixedStream, ServerUpgrade};
use wss_wire::websocket::{self, Message, OpCode, Payload, Reader, Role, SharedStream, Writer};

use crate::end::Meter;
use crate::in_memory::Peers;
use crate::pipe::{Duplex, alternate};

/// Maximum message size, in bytes.
pub const LIMIT: usize = 1 << 20;

/// The request that opens a WebSocket, with the limits of a run.
pub fn request() -> ClientUpgrade {
    // A real client draws a new key per connection, of the same length: the counts are the same.
    ClientUpgrade {
        host: "127.0.0.1:8443".to_owned(),
        path: "/".to_owned(),
        subprotocol: None,
        deflate: None,
        fields: "".into(),
        run: None,
        key: [7; 16],
        max_head_size: 16 * 1024,
    }
}

/// A payload of varying bytes.
pub fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + 7) as u8).collect()
}

/// The stream below WebSocket.
type Stream = SharedStream<PrefixedStream<Transport<Duplex>>>;

/// One end of an open connection.
struct Endpoint {
    stream: Stream,
    reader: Reader<Stream>,
    writer: Writer<Stream>,
}

impl Endpoint {
    fn new(stream: Transport<Duplex>, leftover: Vec<u8>, role: Role) -> Self {
        let stream = SharedStream::new(PrefixedStream::new(stream, leftover));
        let (reader, writer) = websocket::after_handshake(stream.clone(), stream.clone(), role, LIMIT);
        Self { stream, reader, writer }
    }

    async fn next(&mut self) -> anyhow::Result<Payload<'static>> {
        match self.reader.next().await? {
            Message::Binary(payload) => Ok(payload),
            other => bail!("expected a binary message, received {other:?}"),
        }
    }
}

/// Both ends of an open WebSocket connection.
pub struct Connection {
    client: Endpoint,
    server: Endpoint,
    /// The client masks its message in place, so it is copied here each time.
    scratch: Vec<u8>,
}

/// Bytes and TLS records exchanged so far, as counted by the client's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from the client.
    pub bytes_sent: u64,
    /// Bytes from the server.
    pub bytes_received: u64,
    /// TLS records from the client, while the connection is watched.
    pub records_sent: u64,
    /// TLS records from the server, while the connection is watched.
    pub records_received: u64,
}

impl Connection {
    /// TLS and upgrade. With `watch` the records are counted for the whole connection, which costs allocations that a run
    /// does not have.
    ///
    /// # Errors
    /// If the handshake fails.
    pub fn open(peers: &Peers, watch: bool, meter: &mut impl Meter) -> anyhow::Result<Self> {
        let (client_pipe, server_pipe) = Duplex::pair();
        let (config, name) = peers.client();
        let client = async {
            let tls =
                TlsConnector::from(config).connect(name, CountedStream::observing_flights(client_pipe, false)).await?;
            let mut stream = Transport::Tls(Box::new(tls.into()));
            let upgraded = upgrade::connect(&mut stream, &request()).await?;
            if !watch {
                stream.stop_observing();
            }
            anyhow::Ok(Endpoint::new(stream, upgraded.leftover, Role::Client))
        };
        let acceptor = TlsAcceptor::from(peers.server());
        let server = async {
            let tls = acceptor.accept(CountedStream::observing_flights(server_pipe, false)).await?;
            let mut stream = Transport::Tls(Box::new(tls.into()));
            let accepted = upgrade::accept(&mut stream, &ServerUpgrade::default()).await?;
            stream.stop_observing();
            anyhow::Ok(Endpoint::new(stream, accepted.leftover, Role::Server))
        };
        let (client, server) = alternate(meter, client, server)?;
        let connection = Self { client: client?, server: server?, scratch: Vec::new() };
        connection.check(peers)?;
        Ok(connection)
    }

    /// Checks that both ends negotiated what the handshakes of `peers` negotiate.
    fn check(&self, peers: &Peers) -> anyhow::Result<()> {
        for end in [&self.client, &self.server] {
            end.stream.with(|stream| {
                let Transport::Tls(tls) = stream.get_ref() else { bail!("the connection has no TLS") };
                let (_, common) = tls.get_ref();
                let suite = common.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
                let group = common.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
                let expected = peers.negotiated();
                let got = (common.handshake_kind(), suite.as_deref(), group.as_deref());
                let intended = (Some(rustls::HandshakeKind::Full), Some(&*expected.suite), Some(&*expected.group));
                ensure!(got == intended, "expected {intended:?}, negotiated {got:?}");
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Echoes one message and compares the reply byte by byte, as the generator does.
    ///
    /// # Errors
    /// If the reply differs from the message.
    pub fn echo(&mut self, message: &[u8], meter: &mut impl Meter) -> anyhow::Result<()> {
        let Self { client, server, scratch } = self;
        let request = async {
            scratch.clear();
            scratch.extend_from_slice(message);
            client.writer.send(OpCode::Binary, Payload::BorrowedMut(scratch)).await?;
            let echo = client.next().await?;
            ensure!(*echo == *message, "the echo differs");
            Ok(())
        };
        let reply = async {
            let message = server.next().await?;
            server.writer.send(OpCode::Binary, message).await?;
            anyhow::Ok(())
        };
        let (requested, replied) = alternate(meter, request, reply)?;
        replied?;
        requested
    }

    /// Bytes and records exchanged so far.
    pub fn traffic(&self) -> Traffic {
        self.client.stream.with(|stream| {
            let transport = stream.get_ref();
            let (bytes_sent, bytes_received) = transport.bytes();
            let FlightStats { records_sent, records_received, .. } = transport.flights();
            Traffic { bytes_sent, bytes_received, records_sent, records_received }
        })
    }
}
