//! What the server's admin endpoint says: `GET /stats`. Written by wss-server, read by the generator.
//!
//! Everything counts from the server's start, so that a phase is the difference of two answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{EngineKind, Layer};
use crate::latency::{HistogramError, LatencyHistogram};
use crate::ring_counters::RingCounters;
use crate::run_result::NegotiatedCount;

/// Schema of [`ServerStats`].
pub const SCHEMA: &str = "wssbench.server-stats/2";

/// One answer of `GET /stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerStats {
    /// [`SCHEMA`].
    pub schema: String,
    /// Process.
    pub pid: u32,
    /// Engine of every worker.
    pub engine: EngineKind,
    /// The form that it took; null of older servers.
    #[serde(default)]
    pub engine_features: Option<String>,
    /// The stack it serves.
    pub layer: Layer,
    /// Worker threads.
    pub workers: usize,
    /// Nanoseconds since its start.
    pub uptime_ns: u64,
    /// CPU time of the process without the threads of the admin endpoint and of signals, in nanoseconds: the
    /// workers, and what the kernel does for their rings in threads of its own.
    pub cpu_ns: u64,
    /// Resident memory now.
    pub rss_bytes: u64,
    /// Resident memory at its highest.
    pub rss_bytes_peak: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Messages echoed: WebSocket messages; over `tls://` and `tcp://` reads that were written back.
    pub messages_echoed: u64,
    /// Payload bytes echoed.
    pub bytes_echoed: u64,
    /// What became of it, by phase: `accept`, `tls`, `upgrade`, `echo`, `close`.
    pub outcomes: Vec<Outcome>,
    /// TLS handshakes completed, by what was negotiated.
    pub negotiated: Vec<NegotiatedCount>,
    /// Time inside polling the TLS handshake and the upgrade, of those that completed.
    pub handshake_busy: EncodedHistogram,
    /// What those handshakes cost and put on the wire, in sum.
    pub handshakes: HandshakeTotals,
    /// Time in cryptography of the workers, everything since the start.
    pub crypto: CryptoTime,
    /// WorkloadSpec of `cpu_ns` in the kernel.
    pub system_ns: u64,
    /// What the workers' rings did; null where the engine does not count it.
    #[serde(default)]
    pub rings: Option<RingCounters>,
}

/// Time in cryptography by what it was for, and how often the clock was read for it. All zero where nothing is timed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CryptoTime {
    /// Making key shares, nanoseconds.
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
    /// Inside the calls that read and write the socket, during handshakes.
    pub socket_ns: u64,
    /// Calls that were timed.
    pub calls: u64,
}

/// Sums over completed handshakes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeTotals {
    /// Handshakes.
    pub count: u64,
    /// Time inside polling them.
    pub busy_ns: u64,
    /// The part of it in cryptography and in the socket.
    pub crypto: CryptoTime,
    /// Bytes of session tickets with their records.
    pub ticket_bytes: u64,
}

macro_rules! field_by_field {
    ($name:ident { $($field:ident),* }) => {
        impl $name {
            /// Adds another one.
            pub fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }

            /// What came after `earlier`.
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
    /// Everything but the socket.
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
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.busy_ns += other.busy_ns;
        self.crypto.add(&other.crypto);
        self.ticket_bytes += other.ticket_bytes;
    }

    /// What came after `earlier`.
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

/// How often a phase ended in one way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// `accept`, `tls`, `upgrade`, `echo` or `close`.
    pub phase: String,
    /// `completed`, or the kind of failure.
    pub outcome: String,
    /// How often.
    pub count: u64,
}

/// A histogram on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EncodedHistogram {
    /// Samples beyond 60 s.
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
    /// The samples.
    ///
    /// # Errors
    /// If it does not decode.
    pub fn decode(&self) -> Result<LatencyHistogram, HistogramError> {
        LatencyHistogram::decode(&self.histogram, self.out_of_range)
    }
}
