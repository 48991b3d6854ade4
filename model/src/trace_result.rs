//! The trace of one connection from SYN to close, event by event: [`TraceResult`], the JSON of `wssbench trace --json`.
//!
//! Nothing is inferred: what could not be decrypted or parsed is marked as such, with the reason.

pub mod application;
pub mod handshake;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::application::Application;
use self::handshake::HandshakeMessage;
use crate::run_result::{Negotiated, Tool};
use crate::store::Stored;

/// One connection, from SYN to close.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceResult {
    /// `wssbench.trace/2`.
    pub schema: String,
    /// Start of the connection, RFC 3339, UTC.
    pub started_at: String,
    /// The program that traced it.
    pub tool: Tool,
    /// The server.
    pub target: TraceTarget,
    /// How the server's certificate was verified: `full`, `no-chain` or `none`; null without TLS.
    pub verify: Option<String>,
    /// The kind of handshake; null without TLS, or if the handshake did not complete.
    pub negotiated: Option<Negotiated>,
    /// All events, in order.
    pub events: Vec<Event>,
    /// Totals of the phases that started, in order.
    pub phases: Vec<PhaseTotal>,
    /// Why the connection failed; null if it did not.
    pub failure: Option<TraceFailure>,
    /// Remarks on the trace.
    pub notes: Vec<String>,
}

/// The server of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceTarget {
    /// `wss://`, `ws://`, `tls://` or `tcp://`.
    pub url: String,
    /// The server's address and port.
    pub address: String,
    /// The name that the certificate must be valid for; null without TLS.
    pub server_name: Option<String>,
    /// Whether the server was started for this trace.
    pub embedded: bool,
}

/// A phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TracePhase {
    /// TCP handshake: SYN and SYN/ACK.
    Connect,
    /// The TLS handshake, up to the client's Finished.
    Tls,
    /// The opening handshake of WebSocket: an HTTP request and its response.
    Upgrade,
    /// One message and its echo.
    Echo,
    /// A ping and its pong.
    Ping,
    /// Closing: Close frames, close_notify, FIN.
    Close,
}

impl TracePhase {
    /// The name in the timeline.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "TCP connect",
            Self::Tls => "TLS",
            Self::Upgrade => "upgrade",
            Self::Echo => "echo",
            Self::Ping => "ping",
            Self::Close => "close",
        }
    }
}

/// The direction of an event, from the point of view of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From wssbench to the server.
    Sent,
    /// From the server to wssbench.
    Received,
}

/// One event on the connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Time since the call of connect(), nanoseconds: when it was handed to the kernel, or when its last byte was read.
    pub at_ns: u64,
    /// The phase that it belongs to.
    pub phase: TracePhase,
    /// Who sent it.
    pub direction: Direction,
    /// Time that TLS in the client took to produce or to process it, nanoseconds, a single measurement. Null if TLS has no
    /// part in it, or if it was produced while another event was processed, whose cost includes it.
    pub cost_ns: Option<u64>,
    /// What was sent or received.
    pub details: EventDetails,
}

/// What was sent or received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventDetails {
    /// The first TCP segment, which the kernel sends on connect().
    Syn {
        /// Address and port of the server.
        to: String,
    },
    /// The answer to SYN, on which connect() succeeds.
    SynAck {
        /// Address and port of the client.
        local: String,
    },
    /// A TLS record.
    Record(Record),
    /// Bytes on TCP without TLS.
    Segment {
        /// Number of bytes.
        bytes: u64,
        /// What they contain.
        contents: Vec<Application>,
    },
    /// Bytes that are not a TLS record where one must be.
    NotTls {
        /// The first bytes, escaped.
        preview: String,
    },
    /// The end of one direction of the TCP connection.
    Fin,
    /// The abortive end of both directions (RST).
    Reset,
}

/// A TLS record (RFC 8446 section 5, RFC 5246 section 6.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Content type in the header. In TLS 1.3 it is `application_data` for every encrypted record.
    pub content_type: String,
    /// Version in the header, such as `0x0303`. In TLS 1.3 it is a constant without meaning.
    pub version: String,
    /// Length of the body in the header, bytes. The header itself has 5 more.
    pub length: u64,
    /// How the body was protected.
    pub protection: Protection,
    /// What the body contains.
    pub contents: Vec<Content>,
}

/// How the body of a record was protected, and whether it could be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Protection {
    /// Not encrypted.
    Plaintext,
    /// Encrypted, and decrypted with the secrets of the session.
    Decrypted {
        /// The secret that it was decrypted with, by its label in SSLKEYLOGFILE.
        secret: String,
        /// Sequence number under these keys.
        sequence: u64,
        /// The actual content type.
        content_type: String,
        /// Bytes of content, without type byte, padding, tag and explicit nonce.
        content_bytes: u64,
        /// Bytes of padding (TLS 1.3).
        padding_bytes: u64,
    },
    /// Encrypted, and not decrypted.
    Opaque {
        /// Why not.
        because: String,
    },
}

/// An item in a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "content", rename_all = "snake_case")]
pub enum Content {
    /// A handshake message that ends in this record.
    Handshake(HandshakeMessage),
    /// The beginning of a handshake message that ends in a later record.
    HandshakeFragment {
        /// Bytes of the message up to the end of this record.
        available_bytes: u64,
        /// Length of the message including its header of 4 bytes; null if the header is incomplete.
        total_bytes: Option<u64>,
    },
    /// ChangeCipherSpec.
    ChangeCipherSpec {
        /// Whether it is the one without effect that TLS 1.3 sends for compatibility.
        dummy: bool,
    },
    /// An alert.
    Alert {
        /// `warning` or `fatal`.
        level: String,
        /// `close_notify`, `bad_certificate`, …
        description: String,
    },
    /// Application data.
    Application(Application),
    /// Anything else, or malformed data.
    Unreadable {
        /// What is wrong.
        because: String,
    },
}

/// Totals of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseTotal {
    /// The phase.
    pub phase: TracePhase,
    /// Time from its first event, or from the end of the previous phase, to its last event, nanoseconds.
    pub time_ns: u64,
    /// Time that TLS took in the client: the sum of the costs of its events, nanoseconds.
    pub cost_ns: u64,
    /// Round trips: how often the client sent and then waited for an answer.
    pub round_trips: u64,
    /// TCP payload sent, bytes.
    pub sent_bytes: u64,
    /// TCP payload received, bytes.
    pub received_bytes: u64,
    /// TLS records sent.
    pub sent_records: u64,
    /// TLS records received.
    pub received_records: u64,
}

/// Where and why a connection failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceFailure {
    /// The phase in which it failed.
    pub phase: TracePhase,
    /// The error, in one sentence.
    pub message: String,
}

impl Stored for TraceResult {
    const SCHEMA: &'static str = "wssbench.trace/2";
    const SUFFIX: &'static str = ".trace.json";
}
