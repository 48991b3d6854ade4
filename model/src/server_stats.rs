//! The JSON of the server's admin endpoint, `GET /stats`: written by wss-server, read by the generator.
//!
//! Everything counts from the start of the server. A phase is the difference of two readings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{EngineKind, Layer};
use crate::latency::{HistogramError, LatencyHistogram};
use crate::named_choice;
use crate::ring_counters::RingCounters;
use crate::run_result::NegotiatedCount;

/// Schema of [`ServerStats`].
pub const SCHEMA: &str = "wssbench.server-stats/2";

/// One answer of `GET /stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerStats {
    /// `wssbench.server-stats/2`.
    pub schema: String,
    /// Process id.
    pub pid: u32,
    /// Engine of every worker.
    pub engine: EngineKind,
    /// What the engine uses of the kernel, in one line; null from older servers.
    #[serde(default)]
    pub engine_features: Option<String>,
    /// The protocol stack that it serves.
    pub layer: Layer,
    /// Worker threads.
    pub workers: usize,
    /// Time since its start, nanoseconds.
    pub uptime_ns: u64,
    /// CPU time of the process without the threads for the admin endpoint and for signals, nanoseconds: the workers, and
    /// the kernel threads of their rings.
    pub cpu_ns: u64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// Peak resident memory, bytes.
    pub rss_bytes_peak: u64,
    /// The anonymous part of the resident memory, bytes.
    #[serde(default)]
    pub rss_anon_bytes: u64,
    /// What the connections of load generators did that name their run in the upgrade request: of the 16 latest runs per
    /// worker.
    #[serde(default)]
    pub runs: Vec<RunActivity>,
    /// Open connections.
    pub connections_open: u64,
    /// WebSocket messages echoed; with `tls://` and `tcp://`, reads that were written back.
    pub messages_echoed: u64,
    /// Payload bytes echoed.
    pub bytes_echoed: u64,
    /// What `--publish` sent; null without it.
    #[serde(default)]
    pub published: Option<PublishStats>,
    /// How the phases of connections ended.
    pub outcomes: Vec<OutcomeCount>,
    /// Completed TLS handshakes by kind.
    pub negotiated: Vec<NegotiatedCount>,
    /// Time spent polling TLS and upgrade, of completed handshakes.
    pub handshake_busy: EncodedHistogram,
    /// Total cost of those handshakes, and what they put on the wire.
    pub handshakes: HandshakeTotals,
    /// Time that the workers spent in cryptography.
    pub crypto: CryptoTime,
    /// The part of `cpu_ns` in the kernel.
    pub system_ns: u64,
    /// Counters of the workers' rings; null if the engine has none.
    #[serde(default)]
    pub rings: Option<RingCounters>,
}

/// Time spent in cryptography by purpose, nanoseconds, and the number of timed calls. All zero if nothing is timed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CryptoTime {
    /// Generating key shares.
    pub key_exchange_start_ns: u64,
    /// From the peer's key share to the shared secret.
    pub key_exchange_complete_ns: u64,
    /// Signing.
    pub sign_ns: u64,
    /// Verifying signatures.
    pub verify_ns: u64,
    /// Encrypting and decrypting records.
    pub aead_ns: u64,
    /// Hashes, HMAC and key derivation.
    pub hash_ns: u64,
    /// Calls that read and write the socket, during handshakes.
    pub socket_ns: u64,
    /// Timed calls.
    pub calls: u64,
}

/// Sums over completed handshakes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeTotals {
    /// Number of handshakes.
    pub count: u64,
    /// Time spent polling them, nanoseconds.
    pub busy_ns: u64,
    /// The part of it in cryptography and in socket calls.
    pub crypto: CryptoTime,
    /// Bytes of session tickets including their records.
    pub ticket_bytes: u64,
}

macro_rules! field_by_field {
    ($name:ident { $($field:ident),* }) => {
        impl $name {
            /// Adds the counts of `other`.
            pub fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }

            /// The difference to an earlier reading.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field)),* }
            }
        }
    };
}

field_by_field!(CryptoTime {
    key_exchange_start_ns,
    key_exchange_complete_ns,
    sign_ns,
    verify_ns,
    aead_ns,
    hash_ns,
    socket_ns,
    calls
});

impl CryptoTime {
    /// The sum without the socket calls.
    pub fn primitives_ns(&self) -> u64 {
        self.key_exchange_start_ns
            + self.key_exchange_complete_ns
            + self.sign_ns
            + self.verify_ns
            + self.aead_ns
            + self.hash_ns
    }
}

impl HandshakeTotals {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.busy_ns += other.busy_ns;
        self.crypto.add(&other.crypto);
        self.ticket_bytes += other.ticket_bytes;
    }

    /// The difference to an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            count: self.count.saturating_sub(earlier.count),
            busy_ns: self.busy_ns.saturating_sub(earlier.busy_ns),
            crypto: self.crypto.since(&earlier.crypto),
            ticket_bytes: self.ticket_bytes.saturating_sub(earlier.ticket_bytes),
        }
    }
}

named_choice! {
    /// A phase of a connection on the server.
    ServerPhase {
        /// TCP accept.
        Accept = "accept",
        /// The TLS handshake.
        Tls = "tls",
        /// The opening handshake of RFC 6455.
        Upgrade = "upgrade",
        /// Messages on an open connection.
        Echo = "echo",
        /// The end of the connection: close_notify, FIN, and the wait for the end of the peer.
        Close = "close",
    }
}

named_choice! {
    /// How a phase of a connection on the server ended. One outcome can occur in several phases.
    PhaseOutcome {
        /// As it should.
        Completed = "completed",
        /// A timeout expired.
        Timeout = "timeout",
        /// `--max-connections` connections were open.
        OverLimit = "over_limit",
        /// The peer ended the connection before it was accepted.
        ConnectionAborted = "connection_aborted",
        /// No file descriptor was free.
        NoDescriptors = "no_descriptors",
        /// The kernel was out of memory.
        OutOfMemory = "out_of_memory",
        /// Another error of the operating system.
        Failed = "failed",
        /// The client's certificate was not accepted.
        Certificate = "certificate",
        /// The certificate is valid for another name.
        CertificateName = "certificate_name",
        /// The peer sent a TLS alert.
        Alert = "alert",
        /// The peer does not speak TLS.
        NotTls = "not_tls",
        /// The ends share no TLS version, suite or group, or the peer violated the TLS protocol.
        Protocol = "protocol",
        /// The connection ended without close_notify, or in the middle of a frame.
        Truncated = "truncated",
        /// The connection was reset.
        Reset = "reset",
        /// The request was a health check, which was answered with 200 OK.
        HealthCheck = "health_check",
        /// The connection did not start with a PROXY protocol header of version 2.
        ProxyHeader = "proxy_header",
        /// The upgrade request was answered with 400 Bad Request.
        BadRequest = "400",
        /// The upgrade request was answered with 404 Not Found.
        NotFound = "404",
        /// The upgrade request was answered with 405 Method Not Allowed.
        MethodNotAllowed = "405",
        /// The upgrade request was answered with 426 Upgrade Required.
        UpgradeRequired = "426",
        /// The upgrade request was answered with 431 Request Header Fields Too Large.
        HeadTooLarge = "431",
        /// The connection ended inside the upgrade request or the PROXY protocol header.
        Eof = "eof",
        /// The peer broke RFC 6455; the connection was closed with code 1002.
        ProtocolError = "violation_1002",
        /// The peer sent text that is not UTF-8; the connection was closed with code 1007.
        InvalidPayload = "violation_1007",
        /// The peer sent a message over `--max-message-size`; the connection was closed with code 1009.
        MessageTooBig = "violation_1009",
        /// The unfinished messages of all connections exceeded `--max-buffered`; the connection was closed with code 1013.
        OverBudget = "over_budget",
        /// The stream ended without a Close frame.
        Closed = "closed",
        /// This end had sent its Close frame before.
        ClosedHere = "closed_here",
        /// The server stopped and closed the connection.
        Drained = "drained",
        /// No whole message came within `--idle-timeout`.
        IdleTimeout = "idle_timeout",
        /// The peer did not read an echo within `--idle-timeout`.
        PeerDoesNotRead = "peer_does_not_read",
        /// The peer sent more than 1 MiB after the server had ended its direction.
        PeerDoesNotEnd = "peer_does_not_end",
    }
}

/// How often a phase ended with an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeCount {
    /// Phase.
    pub phase: ServerPhase,
    /// Outcome.
    pub outcome: PhaseOutcome,
    /// Number of connections.
    pub count: u64,
}

/// A histogram in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EncodedHistogram {
    /// Number of samples above 60 s.
    pub out_of_range: u64,
    /// Base64 of HdrHistogram's V2 compressed form, nanoseconds.
    pub histogram: String,
}

impl From<&LatencyHistogram> for EncodedHistogram {
    fn from(histogram: &LatencyHistogram) -> Self {
        Self { out_of_range: histogram.out_of_range(), histogram: histogram.encode() }
    }
}

impl EncodedHistogram {
    /// The decoded histogram.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub fn decode(&self) -> Result<LatencyHistogram, HistogramError> {
        LatencyHistogram::decode(&self.histogram, self.out_of_range)
    }
}

/// The messages of `--publish`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PublishStats {
    /// Messages published.
    pub messages: u64,
    /// Payload bytes published.
    pub bytes: u64,
    /// Messages that were due on connections that ended before they were sent.
    pub unsent: u64,
    /// Messages of subscribers after their first one, which were discarded.
    pub discarded: u64,
    /// Actual send minus planned send of every message: the server's own delay, and the wait for subscribers that do not read.
    pub lateness: EncodedHistogram,
}

/// What the connections of one run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunActivity {
    /// The nonce of the run: 16 hexadecimal digits.
    pub run: String,
    /// Completed handshakes.
    pub handshakes: u64,
    /// Messages echoed.
    pub messages: u64,
}
