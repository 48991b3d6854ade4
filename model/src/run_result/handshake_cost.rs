//! What a handshake costs either end ([`HandshakeCost`]) and puts on the wire ([`Flights`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How one end spends its time for a handshake: means per completed handshake, nanoseconds.
///
/// `busy = key_exchange_start + key_exchange_complete + sign + verify + aead + hash + socket + rest`, and
/// `cpu = busy - socket + system + unexplained`. What `--cost-split` does not time is null, and part of `rest`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeCost {
    /// Time spent polling TLS and upgrade.
    pub busy_ns: f64,
    /// Generating key shares.
    pub key_exchange_start_ns: Option<f64>,
    /// From the peer's key share to the shared secret. Includes the server's own key share if it is generated in the same
    /// step.
    pub key_exchange_complete_ns: Option<f64>,
    /// Signing the handshake.
    pub sign_ns: Option<f64>,
    /// Verifying the signatures of the certificate chain and of the handshake.
    pub verify_ns: Option<f64>,
    /// Encrypting and decrypting records (`--cost-split all`).
    pub aead_ns: Option<f64>,
    /// Hashes, HMAC and key derivation (`--cost-split all`).
    pub hash_ns: Option<f64>,
    /// Calls that read and write the socket: system calls with epoll, queueing with a ring.
    pub socket_ns: Option<f64>,
    /// The rest of `busy`: rustls' state machine, encoding and parsing of messages and certificates; the upgrade; the
    /// adapter to the engine.
    pub rest_ns: f64,
    /// The part of the above that the timers themselves cost: number of timed calls × cost of one timed call here.
    pub timer_overhead_ns: f64,
    /// CPU time as the kernel accounts it, including connect, accept and close; null if unknown.
    pub cpu_ns: Option<f64>,
    /// The part of `cpu` in the kernel: network stack and system calls. The kernel samples it at its ticks, so it is null if
    /// the phase took less than a second of CPU time.
    pub system_ns: Option<f64>,
    /// `cpu - (busy - socket) - system`: engine and tasks in user space, accept and close. Negative if polling was
    /// interrupted by other work.
    pub unexplained_ns: Option<f64>,
}

/// What the handshakes put on the wire, as the client saw it: means per completed handshake.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flights {
    /// TLS records sent by the client during its TLS handshake.
    pub tls_records_sent: f64,
    /// TLS records received by the client during its TLS handshake.
    pub tls_records_received: f64,
    /// TCP payload sent during its TLS handshake, bytes.
    pub tls_bytes_sent: f64,
    /// TCP payload received during its TLS handshake, bytes.
    pub tls_bytes_received: f64,
    /// Round trips of the TLS handshake: how often the client waited for an answer.
    pub tls_round_trips: f64,
    /// Round trips of TLS and upgrade.
    pub round_trips: f64,
    /// Bytes of the server's session tickets including their records, counted by the server (TLS 1.3) or the client (TLS
    /// 1.2); null if unknown.
    pub ticket_bytes: Option<f64>,
}
