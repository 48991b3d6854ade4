//! One connection as the product makes it, between two pipes in memory: TLS through tokio-rustls, the upgrade, and
//! messages through `wss_wire::websocket`, each end's work counted apart.
//!
//! It leaves out sockets, engines, deadlines, and the counters and histograms of server and generator.

use anyhow::{bail, ensure};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wss_wire::flights::FlightStats;
use wss_wire::transport::{CountedStream, Transport};
use wss_wire::upgrade::{self, ClientUpgrade, PrefixedStream, ServerUpgrade};
use wss_wire::websocket::{self, Message, OpCode, Payload, Reader, Role, SharedStream, Writer};

use crate::in_memory::Ends;
use crate::memory::{Duplex, alternate};
use crate::side::Meter;

/// Bytes of a message at most.
pub const LIMIT: usize = 1 << 20;

/// The request that opens a WebSocket, with the product's limits.
pub fn request() -> ClientUpgrade {
    // A key of its own for each connection is what a real client has; its length, and so all that is pluralize, is that of
    // this one.
    ClientUpgrade {
        host: "127.0.0.1:8443".to_owned(),
        path: "/".to_owned(),
        subprotocol: None,
        key: [7; 16],
        max_head_size: 16 * 1024,
    }
}

/// A payload whose bytes differ from each other.
pub fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + 7) as u8).collect()
}

/// The stream below WebSocket.
type Stream = SharedStream<PrefixedStream<Transport<Duplex>>>;

/// One end of an open connection.
struct End {
    stream: Stream,
    reader: Reader<Stream>,
    writer: Writer<Stream>,
}

impl End {
    fn new(stream: Transport<Duplex>, leftover: Vec<u8>, role: Role) -> Self {
        let stream = SharedStream::new(PrefixedStream::new(stream, leftover));
        let (reader, writer) = websocket::after_handshake(stream.clone(), stream.clone(), role, LIMIT);
        Self { stream, reader, writer }
    }

    async fn next(&mut self) -> anyhow::Result<Payload<'static>> {
        match self.reader.next().await? {
            Message::Binary(payload) => Ok(payload),
            other => bail!("a binary message was sent, not {other:?}"),
        }
    }
}

/// Both ends of a connection that is open for messages.
pub struct Connection {
    client: End,
    server: End,
    /// What the client sends: masked in place, so made anew each time.
    scratch: Vec<u8>,
}

/// What went over the wire until now, as the client's end counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnTheWire {
    /// Bytes from the client.
    pub bytes_sent: u64,
    /// Bytes from the server.
    pub bytes_received: u64,
    /// TLS records from the client; 0 once they are not watched any more.
    pub records_sent: u64,
    /// TLS records from the server; the same.
    pub records_received: u64,
}

impl Connection {
    /// TLS and upgrade. With `watch` the records stay watched for the whole connection, which costs allocations that the
    /// product does not have.
    ///
    /// # Errors
    /// If the handshake fails.
    pub fn open(ends: &Ends, watch: bool, meter: &mut impl Meter) -> anyhow::Result<Self> {
        let (here, there) = Duplex::pair();
        let (config, name) = ends.client();
        let client = async {
            let tls = TlsConnector::from(config).connect(name, CountedStream::observing_flights(here, false)).await?;
            let mut stream = Transport::Tls(Box::new(tls.into()));
            let upgraded = upgrade::connect(&mut stream, &request()).await?;
            if !watch {
                stream.stop_observing();
            }
            anyhow::Ok(End::new(stream, upgraded.leftover, Role::Client))
        };
        let acceptor = TlsAcceptor::from(ends.server());
        let server = async {
            let tls = acceptor.accept(CountedStream::observing_flights(there, false)).await?;
            let mut stream = Transport::Tls(Box::new(tls.into()));
            let accepted = upgrade::accept(&mut stream, &ServerUpgrade::default()).await?;
            stream.stop_observing();
            anyhow::Ok(End::new(stream, accepted.leftover, Role::Server))
        };
        let (client, server) = alternate(meter, client, server)?;
        let connection = Self { client: client?, server: server?, scratch: Vec::new() };
        connection.check(ends)?;
        Ok(connection)
    }

    /// Both ends negotiated what the handshakes of `ends` negotiate.
    fn check(&self, ends: &Ends) -> anyhow::Result<()> {
        for end in [&self.client, &self.server] {
            end.stream.with(|stream| {
                let Transport::Tls(tls) = stream.get_ref() else { bail!("there is no TLS") };
                let (_, common) = tls.get_ref();
                let suite = common.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
                let group = common.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
                let meant = ends.negotiated();
                let got = (common.handshake_kind(), suite.as_deref(), group.as_deref());
                let intended = (Some(rustls::HandshakeKind::Full), Some(&*meant.suite), Some(&*meant.group));
                ensure!(got == intended, "{got:?} where {intended:?} was meant");
                Ok(())
            })?;
        }
        Ok(())
    }

    /// One message there and back, compared byte by byte as the generator does.
    ///
    /// # Errors
    /// If it does not come back as it was sent.
    pub fn echo(&mut self, message: &[u8], meter: &mut impl Meter) -> anyhow::Result<()> {
        let Self { client, server, scratch } = self;
        let asks = async {
            scratch.clear();
            scratch.extend_from_slice(message);
            client.writer.send(OpCode::Binary, Payload::BorrowedMut(scratch)).await?;
            let echo = client.next().await?;
            ensure!(*echo == *message, "the echo differs");
            Ok(())
        };
        let answers = async {
            let message = server.next().await?;
            server.writer.send(OpCode::Binary, message).await?;
            anyhow::Ok(())
        };
        let (asked, answered) = alternate(meter, asks, answers)?;
        answered?;
        asked
    }

    /// What went over the wire until now.
    pub fn on_the_wire(&self) -> OnTheWire {
        self.client.stream.with(|stream| {
            let transport = stream.get_ref();
            let (bytes_sent, bytes_received) = transport.bytes();
            let FlightStats { records_sent, records_received, .. } = transport.flights();
            OnTheWire { bytes_sent, bytes_received, records_sent, records_received }
        })
    }
}
