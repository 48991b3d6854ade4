//! The result of a run: [`RunResult`], schema `wssbench.run/2`. Fields may be added; existing ones keep their meaning.

mod compression;
mod end;
mod ending;
mod handshake_cost;
mod kernel_clock;
mod response_breakdown;
mod series;
mod server_activity;
mod subscribe;
mod target;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::disturbance::PhaseDisturbance;
use crate::failure::{ErrorKind, ErrorPhase};
use crate::latency::Latency;
use crate::named_choice;
use crate::ring_counters::PhaseRings;
use crate::validity::Reason;

pub use self::compression::{CompressedMessages, Compression, CompressionCount};
pub use self::end::End;
pub use self::ending::{Ending, EndingCount};
pub use self::handshake_cost::{Flights, HandshakeCost};
pub use self::kernel_clock::{KernelClock, KernelClockProblem, PhaseClocks};
pub use self::response_breakdown::ResponseBreakdown;
pub use self::series::{MeasuredPhase, SeriesPoint};
pub use self::server_activity::ServerActivity;
pub use self::subscribe::{PublishedResult, SubscribeResult};
pub use self::target::Target;

/// One run. Every report is made from this alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// `wssbench.run/2`.
    pub schema: String,
    /// Instant of the start and process id; also the name of the file.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// The program that measured.
    pub tool: Tool,
    /// The machine.
    pub environment: Environment,
    /// The requested configuration, with all defaults.
    pub config: RunConfig,
    /// The server under test.
    pub target: Target,
    /// The kinds of handshake that the client counted. Empty without TLS.
    pub negotiated: Vec<NegotiatedCount>,
    /// The kinds of handshake that the server counted; null without its admin endpoint.
    pub server_negotiated: Option<Vec<NegotiatedCount>>,
    /// How certificates were verified: `full`, `no-chain` (`--insecure`) or `none`; null without TLS.
    pub verify: Option<String>,
    /// What `verify` leaves unchecked, in words; null if nothing.
    #[serde(default)]
    pub verify_skips: Option<String>,
    /// The mix of full and resumed handshakes; null unless one was requested.
    #[serde(default)]
    pub resumption: Option<Resumption>,
    /// The handshakes.
    pub handshake: HandshakeResult,
    /// The echo round trips of open connections; null in modes other than `--mode echo`.
    pub echo: Option<EchoResult>,
    /// The messages that the server pushed; null in modes other than `--mode subscribe`, and in older results.
    #[serde(default)]
    pub subscribe: Option<SubscribeResult>,
    /// The warm-up, which is in none of the above.
    pub warmup: Warmup,
    /// The server; null without its admin endpoint.
    pub server: Option<End>,
    /// The generator.
    pub client: End,
    /// One entry per second of each measured phase.
    pub series: Vec<SeriesPoint>,
    /// Errors by phase and kind.
    pub errors: Vec<ErrorCount>,
    /// Compression of the messages; null without --deflate.
    #[serde(default)]
    pub compression: Option<Compression>,
    /// How the server ended the connections that the generator closed, warm-up included. Empty in older results.
    #[serde(default)]
    pub endings: Vec<EndingCount>,
    /// Whether the figures may be used.
    pub valid: bool,
    /// Why not. Empty if valid.
    pub invalid_because: Vec<Reason>,
    /// Remarks that do not make the result invalid.
    pub notes: Vec<String>,
    /// Whether a signal ended the run early.
    pub interrupted: bool,
}

/// The program that measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Version of wssbench.
    pub version: String,
    /// Commit that it was built from; null if it was built outside a checkout.
    pub git_commit: Option<String>,
    /// Whether the checkout had uncommitted changes; null outside a checkout.
    pub git_dirty: Option<bool>,
    /// `rustc --version`.
    pub rustc: String,
    /// Build profile: `release`, `dist` or `debug`.
    pub profile: String,
    /// Versions of the crates that affect the figures.
    pub crates: BTreeMap<String, String>,
}

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Kernel release.
    pub kernel: String,
    /// CPU model.
    pub cpu_model: String,
    /// Number of CPUs available to the process.
    pub cores: usize,
    /// Memory of the machine, bytes.
    pub memory_bytes: u64,
    /// Frequency governor of the first CPU; null if there is none.
    pub governor: Option<String>,
    /// Hypervisor; null on bare metal.
    pub hypervisor: Option<String>,
    /// Clock source of the kernel; null if unknown.
    pub clocksource: Option<String>,
    /// Settings of the machine that affect figures, by name: sysctls of TCP, huge pages, mitigations, frequency driver. Those
    /// that the kernel does not have are left out. Empty in older results.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// CPU time that the hypervisor gave to others during the run, in percent.
    pub steal_percent: f64,
}

impl Environment {
    /// Memory in GiB, rounded up, to compare machines: the part that the kernel reserves differs by a few MiB from boot to
    /// boot.
    pub fn memory_gib(&self) -> u64 {
        self.memory_bytes.div_ceil(1 << 30)
    }
}

/// A kind of handshake: what was negotiated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Negotiated {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: String,
    /// Cipher suite by its name in rustls: `TLS13_AES_256_GCM_SHA384`.
    pub suite: String,
    /// Key exchange group: `X25519MLKEM768`. Empty if there was no key exchange.
    pub group: String,
    /// Key of the server's certificate: `ecdsa-p256`, `rsa-2048`, `ed25519`.
    pub certificate: String,
    /// `full`, `full-after-retry` (HelloRetryRequest), `resumed`, or `early-data` (resumed, and the server took the
    /// upgrade request that came with the first flight).
    pub kind: String,
}

/// The mix of full and resumed handshakes, requested and achieved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resumption {
    /// How sessions were resumed, as far as it was observed.
    pub mechanism: ResumptionMechanism,
    /// Requested share of resumed handshakes, in percent.
    pub requested_percent: f64,
    /// Share of resumed handshakes among the completed ones, in percent.
    pub achieved_percent: f64,
    /// Share of completed handshakes whose early data the server accepted, in percent.
    pub early_data_percent: f64,
}

named_choice! {
    /// How sessions were resumed. What a server keeps for a session is known of the embedded server alone: a client observes
    /// only that it presented something and that the server accepted it.
    ResumptionMechanism {
        /// The embedded server keeps no state: the ticket has it all.
        Ticket = "ticket",
        /// The embedded server keeps the session; the ticket of TLS 1.3 names it.
        Stateful = "stateful",
        /// The embedded server keeps the session; the session ID of TLS 1.2 names it.
        SessionId = "session-id",
        /// TLS 1.3 with another server: by a pre-shared key from a ticket (RFC 8446 section 2.2), with or without state.
        Psk = "psk",
        /// TLS 1.2 with another server: by a session ID or a ticket (RFC 5246 section 7.3, RFC 5077).
        Tls12Session = "tls12-session",
        /// Nothing was resumed.
        None = "none",
    }
}

impl ResumptionMechanism {
    /// As a part of a sentence, after "by".
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Stateful => "state of the server",
            Self::SessionId => "session ID",
            Self::Psk => "pre-shared key (whether the server keeps state is not observable)",
            Self::Tls12Session => "session ID or ticket (which one is not observable)",
            Self::None => "nothing",
        }
    }
}

/// A kind of handshake with its count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NegotiatedCount {
    /// The kind.
    #[serde(flatten)]
    pub negotiated: Negotiated,
    /// Number of handshakes.
    pub count: u64,
}

/// The handshakes of a phase. `planned = completed + failed`. Latencies cover completed handshakes only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeResult {
    /// Handshakes that were due.
    pub planned: u64,
    /// Handshakes started.
    pub started: u64,
    /// Messages of the server that were discarded after the upgrade (`--skip-messages`).
    #[serde(default)]
    pub skipped_messages: u64,
    /// Messages without an id that were ignored before the first echo and, in `--mode handshake`, while the connection closed
    /// (`--ignore-unsolicited`).
    #[serde(default)]
    pub unsolicited_messages: u64,
    /// Handshakes that passed every phase.
    pub completed: u64,
    /// Handshakes that did not.
    pub failed: u64,
    /// Completed handshakes per second.
    pub rate_per_s: f64,
    /// TCP: from the call of connect() to its success.
    pub connect: Latency,
    /// TLS: from the first poll of the handshake until the client's Finished is handed to the engine. Excludes connect and,
    /// with TLS 1.3, the server's work on the client's Finished.
    pub tls: Latency,
    /// Opening handshake (RFC 6455 section 4): from sending the request to the verified response.
    pub upgrade: Latency,
    /// The first message and its echo (`--mode handshake`).
    pub first_echo: Latency,
    /// Time to ready: from the planned instant to the end of the last of connect, TLS and upgrade.
    pub ready: Latency,
    /// Actual start minus planned start: the generator's own delay. All zero in a closed loop.
    pub lateness: Latency,
    /// Time spent polling TLS and upgrade on the client. On an otherwise idle thread this is its CPU time.
    pub client_busy: Latency,
    /// The same on the server, for all handshakes that it completed in the phase; null without its admin endpoint.
    pub server_busy: Option<Latency>,
    /// TCP payload that the client sent for TLS and upgrade, mean per completed handshake, bytes; null without TLS and
    /// upgrade.
    pub bytes_sent_mean: Option<f64>,
    /// TCP payload that it received for them, likewise.
    pub bytes_received_mean: Option<f64>,
    /// CPU time of the generator's threads per completed handshake, including kernel, connect and close; null if none
    /// completed.
    pub client_cpu_ns: Option<f64>,
    /// CPU time of the server's workers per completed handshake, likewise; null without its admin endpoint.
    pub server_cpu_ns: Option<f64>,
    /// How the client's time is spent; null with `--cost-split off`.
    #[serde(default)]
    pub client_cost: Option<HandshakeCost>,
    /// How the server's time is spent; null with `--cost-split off` or without its admin endpoint.
    #[serde(default)]
    pub server_cost: Option<HandshakeCost>,
    /// What the handshakes put on the wire; null without TLS.
    #[serde(default)]
    pub flights: Option<Flights>,
    /// Connect, TLS, upgrade and first echo by the kernel's clock; null with `--kernel-clock off` and in older results.
    #[serde(default)]
    pub kernel_clock: Option<KernelClock>,
    /// What the server counted in this phase; null without its statistics, on layers on which it does not count, and in older
    /// results.
    #[serde(default)]
    pub server_activity: Option<ServerActivity>,
    /// What kept both ends from running in this phase; null in older results.
    #[serde(default)]
    pub disturbance: Option<PhaseDisturbance>,
    /// What the rings of both ends did in this phase.
    #[serde(default)]
    pub rings: PhaseRings,
}

/// The echo round trips of a phase. `planned = received + failed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EchoResult {
    /// Messages that were due.
    pub planned: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages whose echo was received and equal to the message.
    pub received: u64,
    /// Messages without such an echo.
    pub failed: u64,
    /// Messages without an id that were ignored (`--ignore-unsolicited`).
    #[serde(default)]
    pub unsolicited_messages: u64,
    /// Further replies to answered messages that were ignored (`--ignore-repeated`).
    #[serde(default)]
    pub repeated_replies: u64,
    /// Echoes per second.
    pub rate_per_s: f64,
    /// Response time: from the planned instant to the echo. In a closed loop equal to `service`.
    pub response: Latency,
    /// Service time: from the actual send to the echo.
    pub service: Latency,
    /// Actual send minus the instant at which the message could have been sent: the planned instant or, if the connection
    /// had `in_flight` messages outstanding, the instant at which one of them completed. The generator's own delay.
    pub lateness: Latency,
    /// What held the messages during their response times; null in older results, and if the engine of the generator does
    /// not say when it looks for echoes (tokio-uring).
    #[serde(default)]
    pub breakdown: Option<ResponseBreakdown>,
    /// Service time by the kernel's clock; null with `--kernel-clock off` and in older results.
    #[serde(default)]
    pub kernel_clock: Option<KernelClock>,
    /// Messages that had to wait because their connection had `in_flight` messages outstanding when they were due.
    pub in_flight_waits: u64,
    /// CPU time of the generator's threads per echo received, including the kernel; null if none was.
    pub client_cpu_ns: Option<f64>,
    /// CPU time of the server's workers per echo received, including the kernel; null without its admin endpoint.
    pub server_cpu_ns: Option<f64>,
    /// Payload echoed per second, in each direction, bytes.
    #[serde(default)]
    pub bytes_per_s: f64,
    /// The part of `client_cpu_ns` that the AEAD of the records takes; null without `--cost-split all`.
    #[serde(default)]
    pub client_aead_ns: Option<f64>,
    /// The part of `server_cpu_ns` that the AEAD of the records takes; null without `--cost-split all`.
    #[serde(default)]
    pub server_aead_ns: Option<f64>,
    /// What the server counted in this phase; null without its statistics, on layers on which it does not count, and in older
    /// results.
    #[serde(default)]
    pub server_activity: Option<ServerActivity>,
    /// What kept both ends from running in this phase; null in older results.
    #[serde(default)]
    pub disturbance: Option<PhaseDisturbance>,
    /// What the rings of both ends did in this phase.
    #[serde(default)]
    pub rings: PhaseRings,
}

/// The warm-up, in the same form as the measured phases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Warmup {
    /// The handshakes of `--mode handshake`; in the other modes, each connection opened once at the requested pace. Null without a
    /// warm-up.
    pub handshake: Option<HandshakeResult>,
    /// The echo round trips; null in modes other than `--mode echo`.
    pub echo: Option<EchoResult>,
    /// The messages that the server pushed; null in modes other than `--mode subscribe`, and in older results.
    #[serde(default)]
    pub subscribe: Option<SubscribeResult>,
    /// Errors of the warm-up by phase and kind.
    pub errors: Vec<ErrorCount>,
}

/// Errors of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorCount {
    /// The phase of the connection.
    pub phase: ErrorPhase,
    /// The kind of error.
    pub kind: ErrorKind,
    /// Number of errors.
    pub count: u64,
    /// The first error, in one sentence.
    pub example: String,
}
