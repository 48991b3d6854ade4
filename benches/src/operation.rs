//! The operations that are counted in memory: the TLS handshake, the opening of a whole connection, an echo. Each is
//! prepared and warmed up first, so that only the cost of one more is counted.

use anyhow::Context;
use wss_model::config::TlsVersion;

use crate::configurations::reference;
use crate::connection::{Connection, payload};
use crate::end::{EndTimes, Meter};
use crate::in_memory::Peers;

/// Executions before counting starts: by then buffers have reached their final size.
const WARM_UP: usize = 8;

/// An operation to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A full TLS handshake, rustls alone.
    Handshake,
    /// TLS through tokio-rustls, and the upgrade.
    Opening,
    /// A message of this many bytes there and back, through WebSocket and TLS.
    Echo(usize),
}

impl Operation {
    /// All operations. The echoes are of a run's default message size, and of a full TLS record.
    pub const ALL: [Self; 4] = [Self::Handshake, Self::Opening, Self::Echo(64), Self::Echo(16 * 1024)];

    /// The name in tables and JSON.
    pub fn name(self) -> String {
        match self {
            Self::Handshake => "handshake".to_owned(),
            Self::Opening => "opening".to_owned(),
            Self::Echo(size) => format!("echo-{size}"),
        }
    }

    /// The operation with this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn by_name(name: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|operation| operation.name() == name);
        found.with_context(|| format!("unknown operation `{name}`"))
    }

    /// Executions that one repeat averages over. Handshakes differ in the length of their signatures and in their random
    /// numbers; echoes are all alike.
    pub const fn executions(self) -> usize {
        match self {
            Self::Handshake | Self::Opening => 20,
            Self::Echo(_) => 50,
        }
    }
}

/// An operation with everything it needs, warmed up.
pub struct Prepared {
    operation: Operation,
    peers: Peers,
    connection: Connection,
    message: Vec<u8>,
}

impl Prepared {
    /// Creates certificate, configurations and connection, and warms up. Both ends use the reference of TLS 1.3.
    ///
    /// # Errors
    /// If a handshake fails.
    pub fn new(operation: Operation) -> anyhow::Result<Self> {
        let peers = Peers::new(&reference(TlsVersion::V1_3))?;
        let connection = Connection::open(&peers, false, &mut EndTimes::default())?;
        let message = payload(if let Operation::Echo(size) = operation { size } else { 0 });
        let mut prepared = Self { operation, peers, connection, message };
        for _ in 0..WARM_UP {
            prepared.execute(&mut EndTimes::default())?;
        }
        Ok(prepared)
    }

    /// Executes the operation once.
    ///
    /// # Errors
    /// If it fails.
    pub fn execute(&mut self, meter: &mut impl Meter) -> anyhow::Result<()> {
        match self.operation {
            Operation::Handshake => self.peers.connect(meter).map(drop),
            Operation::Opening => Connection::open(&self.peers, false, meter).map(drop),
            Operation::Echo(_) => self.connection.echo(&self.message, meter),
        }
    }
}
