//! What is counted in memory, by name: the TLS handshake, the opening of a whole connection, an echo. A subject is made
//! ready first, and warmed up, so that only what every further one costs is counted.

use anyhow::Context;
use wss_model::config::TlsVersion;

use crate::in_memory::Ends;
use crate::options::reference;
use crate::scripted::{Connection, payload};
use crate::side::{Meter, Took};

/// Rounds before anything is counted: buffers have grown to what they stay at.
const WARM_UP: usize = 8;

/// One of the things that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A full TLS handshake, rustls alone.
    Handshake,
    /// TLS through tokio-rustls, and the upgrade.
    Opening,
    /// A message of so many bytes there and back, through WebSocket and TLS.
    Echo(usize),
}

impl Subject {
    /// All that are counted: messages of a run's default size, and of a whole record.
    pub const ALL: [Self; 4] = [Self::Handshake, Self::Opening, Self::Echo(64), Self::Echo(16 * 1024)];

    /// The name in tables and JSON.
    pub fn name(self) -> String {
        match self {
            Self::Handshake => "handshake".to_owned(),
            Self::Opening => "opening".to_owned(),
            Self::Echo(size) => format!("echo-{size}"),
        }
    }

    /// The one of that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|subject| subject.name() == name);
        found.with_context(|| format!("`{name}` is nothing that is counted"))
    }

    /// How many are averaged over in one repeat: a handshake's signatures differ in length and its numbers in their bits;
    /// one echo is like another.
    pub const fn averaged_over(self) -> usize {
        match self {
            Self::Handshake | Self::Opening => 20,
            Self::Echo(_) => 50,
        }
    }
}

/// A subject with all that it needs.
pub struct Ready {
    subject: Subject,
    ends: Ends,
    connection: Connection,
    message: Vec<u8>,
}

impl Ready {
    /// Makes certificate, configurations and connection, and warms up. Both ends are the reference of TLS 1.3.
    ///
    /// # Errors
    /// If a handshake fails.
    pub fn new(subject: Subject) -> anyhow::Result<Self> {
        let ends = Ends::new(&reference(TlsVersion::V1_3))?;
        let connection = Connection::open(&ends, false, &mut Took::default())?;
        let message = payload(if let Subject::Echo(size) = subject { size } else { 0 });
        let mut ready = Self { subject, ends, connection, message };
        for _ in 0..WARM_UP {
            ready.once(&mut Took::default())?;
        }
        Ok(ready)
    }

    /// Once more.
    ///
    /// # Errors
    /// If it fails.
    pub fn once(&mut self, meter: &mut impl Meter) -> anyhow::Result<()> {
        match self.subject {
            Subject::Handshake => self.ends.connect(meter).map(drop),
            Subject::Opening => Connection::open(&self.ends, false, meter).map(drop),
            Subject::Echo(_) => self.connection.echo(&self.message, meter),
        }
    }
}
