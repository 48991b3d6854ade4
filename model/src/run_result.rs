//! What a run found: [`RunResult`], schema `wssbench.run/2`. Additions are free; names that stand here stay.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{EngineKind, RunConfig};
use crate::failure::{ErrorKind, ErrorPhase};
use crate::latency::Latency;
use crate::named_choice;
use crate::ring_counters::PhaseRings;
use crate::validity::Reason;

/// One run, complete: every report is made from this and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// `wssbench.run/2`.
    pub schema: String,
    /// Also the name of its file: instant of the start and process.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// What measured.
    pub tool: Tool,
    /// Where it measured.
    pub environment: Environment,
    /// What was asked for, every default filled in.
    pub config: RunConfig,
    /// Where the load went.
    pub target: Target,
    /// What was negotiated, seen from the client, with how often. Empty without TLS.
    pub negotiated: Vec<NegotiatedCount>,
    /// The same seen from the server, if its admin endpoint was at hand.
    pub server_negotiated: Option<Vec<NegotiatedCount>>,
    /// How certificates were verified: `full`, `no-chain` (`--insecure`) or `none`; absent without TLS.
    pub verify: Option<String>,
    /// What `verify` leaves unchecked, in words.
    #[serde(default)]
    pub verify_skips: Option<String>,
    /// The mix of full and resumed handshakes, if one was asked for.
    #[serde(default)]
    pub resumption: Option<Resumption>,
    /// The handshakes.
    pub handshake: HandshakeResult,
    /// The echo round trips of open connections; absent in `--mode handshake`.
    pub echo: Option<EchoResult>,
    /// What the warm-up measured, apart from the above.
    pub warmup: Warmup,
    /// The server's side; absent if it has no admin endpoint.
    pub server: Option<End>,
    /// The generator's side.
    pub client: End,
    /// One entry a second of the measured phases.
    pub series: Vec<SeriesPoint>,
    /// Whatever went wrong, by phase and kind.
    pub errors: Vec<ErrorCount>,
    /// Whether the figures can be trusted.
    pub valid: bool,
    /// Why not.
    pub invalid_because: Vec<Reason>,
    /// What a reader should know that does not make it invalid.
    pub notes: Vec<String>,
    /// Cut short by a signal: what had been measured until then.
    pub interrupted: bool,
}

/// The program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Version of wssbench.
    pub version: String,
    /// Commit it was built from, if it was built in a checkout.
    pub git_commit: Option<String>,
    /// Whether the checkout had changes that were not committed.
    pub git_dirty: Option<bool>,
    /// `rustc --version`.
    pub rustc: String,
    /// `release` or `debug`.
    pub profile: String,
    /// Versions of the crates that matter for the figures.
    pub crates: BTreeMap<String, String>,
}

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Kernel release.
    pub kernel: String,
    /// CPU model.
    pub cpu_model: String,
    /// CPUs that this process may use.
    pub cores: usize,
    /// Memory of the machine.
    pub memory_bytes: u64,
    /// Frequency governor of the first CPU, if there is one.
    pub governor: Option<String>,
    /// What the machine is virtualised by, if the CPU says that it is.
    pub hypervisor: Option<String>,
    /// Clock source of the kernel.
    pub clocksource: Option<String>,
    /// Share of the CPU time that the hypervisor kept for others during the run, in percent.
    pub steal_percent: f64,
}

impl Environment {
    /// Memory in whole GiB, as far as machines are told apart by it: what a kernel keeps for itself differs by some MiB
    /// from boot to boot.
    pub fn memory_gib(&self) -> u64 {
        self.memory_bytes.div_ceil(1 << 30)
    }
}

/// Where the load went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// URL.
    pub url: String,
    /// Address it resolved to.
    pub address: String,
    /// Whether the server was the embedded one, started by this run.
    pub embedded: bool,
    /// The command with which this run started the server (`--server`); null for the embedded server, and for one that
    /// was not started here.
    #[serde(default)]
    pub command: Option<String>,
}

/// What one handshake was, as each end sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Negotiated {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: String,
    /// Cipher suite, as rustls names it: `TLS13_AES_256_GCM_SHA384`.
    pub suite: String,
    /// Key exchange group: `X25519MLKEM768`.
    pub group: String,
    /// Kind of the server's certificate: `ecdsa-p256`, `rsa-2048`, `ed25519`.
    pub certificate: String,
    /// `full`, `full-after-retry` (HelloRetryRequest), `resumed`, or `early-data` (resumed, and the server took the
    /// upgrade request that came with the first flight).
    pub kind: String,
}

/// Full and resumed handshakes: what was asked for and what was had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resumption {
    /// `ticket`, `stateful` or `session-id`.
    pub mechanism: String,
    /// Share of the handshakes that was to resume a session, in percent.
    pub requested_percent: f64,
    /// Share of the completed ones that did.
    pub achieved_percent: f64,
    /// Of all completed ones, the share of which the server took early data, in percent.
    pub early_data_percent: f64,
}

/// How many handshakes were like this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NegotiatedCount {
    /// What they were.
    #[serde(flatten)]
    pub negotiated: Negotiated,
    /// How many.
    pub count: u64,
}

/// The handshakes. `planned = completed + failed`; every latency holds the completed ones alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeResult {
    /// Handshakes that were due.
    pub planned: u64,
    /// Those that were begun.
    pub started: u64,
    /// Those that passed every phase.
    pub completed: u64,
    /// Those that did not.
    pub failed: u64,
    /// Completed ones a second.
    pub rate_per_s: f64,
    /// TCP: from the call of connect to its success.
    pub connect: Latency,
    /// TLS: from the first poll of the handshake to the client's Finished handed to the engine. Leaves out
    /// connect, and with TLS 1.3 the server's work on the client's Finished.
    pub tls: Latency,
    /// RFC 6455 opening handshake: from the request's sending to the checked response.
    pub upgrade: Latency,
    /// The first message and its echo (`--mode handshake`).
    pub first_echo: Latency,
    /// From the planned instant to the end of the last of connect, TLS and upgrade.
    pub ready: Latency,
    /// Actual start minus planned start: the generator's fault. All zero in a closed loop.
    pub lateness: Latency,
    /// Time inside polling TLS and upgrade, client; on an idle thread its CPU time.
    pub client_busy: Latency,
    /// The same on the server, all that it completed in the phase.
    pub server_busy: Option<Latency>,
    /// Bytes that the client's TLS and upgrade sent, TCP payload.
    pub bytes_sent_mean: Option<f64>,
    /// Bytes that they received.
    pub bytes_received_mean: Option<f64>,
    /// CPU time of the generator's workers a completed handshake, kernel included, connect and close included.
    pub client_cpu_ns: Option<f64>,
    /// CPU time of the server's workers a completed handshake, the same.
    pub server_cpu_ns: Option<f64>,
    /// Where the client's time went.
    #[serde(default)]
    pub client_cost: Option<HandshakeCost>,
    /// Where the server's time went.
    #[serde(default)]
    pub server_cost: Option<HandshakeCost>,
    /// What went over the wire.
    #[serde(default)]
    pub flights: Option<Flights>,
    /// What both ends' rings did meanwhile.
    #[serde(default)]
    pub rings: PhaseRings,
}

/// Where one end's time for a handshake went: means over the completed ones, nanoseconds.
///
/// `busy = key_exchange_start + key_exchange_complete + sign + verify + aead + hash + socket + rest`, and
/// `cpu = busy - socket + system + unexplained`. What was not timed (`--cost-split`) is absent, and part of `rest`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeCost {
    /// Time inside polling TLS and upgrade.
    pub busy_ns: f64,
    /// Making key shares.
    pub key_exchange_start_ns: Option<f64>,
    /// From the peer's key share to the shared secret; where a server makes its own share in the same step, that too.
    pub key_exchange_complete_ns: Option<f64>,
    /// Signing the handshake.
    pub sign_ns: Option<f64>,
    /// Verifying signatures: those of the chain and that of the handshake.
    pub verify_ns: Option<f64>,
    /// Encrypting and decrypting records (`--cost-split all`).
    pub aead_ns: Option<f64>,
    /// Hashes, HMAC and key derivation (`--cost-split all`).
    pub hash_ns: Option<f64>,
    /// Inside the calls that read and write the socket: with epoll the system calls, with a ring what queues them.
    pub socket_ns: Option<f64>,
    /// PollTime with something else: rustls' state machine, messages, certificates' parsing; the upgrade; the adapter to
    /// the engine.
    pub rest_ns: f64,
    /// What of the above is the timing's own: calls, times what one costs here.
    pub timer_overhead_ns: f64,
    /// CPU time by the kernel's accounting, connect, accept and close included.
    pub cpu_ns: Option<f64>,
    /// Its part in the kernel: the network stack and the system calls. Sampled by the kernel at its ticks, and so
    /// absent if the phase took less than a second of CPU time.
    pub system_ns: Option<f64>,
    /// `cpu - (busy - socket) - system`: the engine and the tasks in user space, accept and close. Below 0 if what
    /// was busy was interrupted.
    pub unexplained_ns: Option<f64>,
}

/// What the handshakes put on the wire: means over the completed ones, seen from the client, TLS and upgrade.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flights {
    /// TLS records that the client sent until its handshake was done.
    pub tls_records_sent: f64,
    /// Those that it received until then.
    pub tls_records_received: f64,
    /// Bytes of TCP payload that it sent until then.
    pub tls_bytes_sent: f64,
    /// Those that it received until then.
    pub tls_bytes_received: f64,
    /// Times that it waited for an answer until then: round trips of TLS alone.
    pub tls_round_trips: f64,
    /// The same with the upgrade.
    pub round_trips: f64,
    /// Bytes of the server's session tickets with their records, counted by the server (TLS 1.3) or seen by the
    /// client (TLS 1.2); absent if neither can tell.
    pub ticket_bytes: Option<f64>,
}

/// The echo round trips. `planned = received + failed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EchoResult {
    /// Messages that were due.
    pub planned: u64,
    /// Those that were sent.
    pub sent: u64,
    /// Those whose echo came back, byte for byte.
    pub received: u64,
    /// Those whose echo did not.
    pub failed: u64,
    /// Echoes a second.
    pub rate_per_s: f64,
    /// From the planned instant to the echo. In a closed loop the same as `service`.
    pub response: Latency,
    /// From the actual sending to the echo.
    pub service: Latency,
    /// Actual sending minus the instant at which it could have been sent: the planned one or, if all messages in
    /// flight were taken, the one at which one was free again. The generator's fault alone.
    pub lateness: Latency,
    /// Messages that were due while all messages in flight of their connection were taken.
    pub in_flight_waits: u64,
    /// CPU time of the generator's workers a received message, kernel included.
    pub client_cpu_ns: Option<f64>,
    /// CPU time of the server's workers a received message, kernel included.
    pub server_cpu_ns: Option<f64>,
    /// Payload echoed, in each direction, bytes a second.
    #[serde(default)]
    pub bytes_per_s: f64,
    /// WorkloadSpec of `client_cpu_ns` in the records' AEAD (`--cost-split all`).
    #[serde(default)]
    pub client_aead_ns: Option<f64>,
    /// WorkloadSpec of `server_cpu_ns` in the records' AEAD (`--cost-split all`).
    #[serde(default)]
    pub server_aead_ns: Option<f64>,
    /// What both ends' rings did meanwhile.
    #[serde(default)]
    pub rings: PhaseRings,
}

/// The warm-up, with the same shapes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Warmup {
    /// The handshakes of `--mode handshake`; in `--mode echo` each connection opened once, in a closed loop.
    pub handshake: Option<HandshakeResult>,
    /// In `--mode echo`.
    pub echo: Option<EchoResult>,
    /// Whatever went wrong in it, by phase and kind.
    pub errors: Vec<ErrorCount>,
}

/// One end: engine, CPU, memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// Engine; null for a server that is not wss-server.
    #[serde(default)]
    pub engine: Option<EngineKind>,
    /// The form that it took, as `wssbench engines` tells it: an older kernel brings about another. Null of older results.
    #[serde(default)]
    pub engine_features: Option<String>,
    /// Worker threads.
    pub threads: usize,
    /// CPUs it was pinned to, if it was.
    pub cpus: Option<String>,
    /// CPU time of the workers over elapsed time and threads, 0 to 1, in the phase that the run is about: echo,
    /// or the handshakes of `--mode handshake`.
    pub cpu_utilization: f64,
    /// The same while the connections were opened (`--mode echo`).
    pub cpu_utilization_handshake: Option<f64>,
    /// Resident memory with all connections open and nothing sent yet.
    pub rss_bytes_idle: Option<u64>,
    /// Resident memory at its highest.
    pub rss_bytes_peak: u64,
}

impl End {
    /// The name of the engine, or `unknown engine`.
    pub fn engine_name(&self) -> &'static str {
        self.engine.map_or("unknown engine", EngineKind::name)
    }
}

named_choice! {
    /// A measured phase of a run.
    MeasuredPhase {
        /// The handshakes.
        Handshake = "handshake",
        /// The messages and their echoes.
        Echo = "echo",
    }
}

/// One second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesPoint {
    /// The phase that this second belongs to.
    pub phase: MeasuredPhase,
    /// Seconds since the phase began, at the end of this one.
    pub second: f64,
    /// Connections open at its end.
    pub connections: u64,
    /// Handshakes or echoes completed in it.
    pub completed: u64,
    /// Errors in it.
    pub errors: u64,
    /// Median of `ready` or `response`, nanoseconds.
    pub p50: Option<u64>,
    /// 99th percentile of it.
    pub p99: Option<u64>,
}

/// What went wrong, how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorCount {
    /// Where in the life of a connection.
    pub phase: ErrorPhase,
    /// What.
    pub kind: ErrorKind,
    /// How often.
    pub count: u64,
    /// The first one, in a sentence.
    pub example: String,
}
