//! What the server's admin endpoint says: `GET /stats`. Written by wss-server, read by the generator.
//!
//! Everything counts from the server's start, so that a phase is the difference of two answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{EngineKind, Layer};
use crate::latency::{HistogramError, LatencyHistogram};
use crate::run_result::NegotiatedCount;

/// Schema of [`ServerStats`].
pub const SCHEMA: &str = "wssbench.server-stats/1";

/// One answer of `GET /stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerStats {
    /// [`SCHEMA`].
    pub schema: String,
    /// Process.
    pub pid: u32,
    /// Engine of every worker.
    pub engine: EngineKind,
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
