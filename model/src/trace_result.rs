//! What `wssbench trace` saw: one connection from SYN to close, event by event. [`TraceResult`] is the JSON of
//! `wssbench trace --json` and the only input of its timeline ([`wss_report::trace`]).
//!
//! Nothing here is guessed: what could not be decrypted or read says so, with the reason.

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
    /// When the connection was begun, RFC 3339, UTC.
    pub started_at: String,
    /// The program that traced it.
    pub tool: Tool,
    /// Where it went.
    pub target: TraceTarget,
    /// What was verified of the server's certificate; null without TLS.
    pub verify: Option<String>,
    /// What was negotiated; null without TLS, or if its handshake did not come to its end.
    pub negotiated: Option<Negotiated>,
    /// All that happened, in order.
    pub events: Vec<Event>,
    /// What each phase took, in order; those that were not begun are left out.
    pub phases: Vec<PhaseTotal>,
    /// Why the connection failed; null if it did not. The events lead up to it.
    pub failure: Option<TraceFailure>,
    /// What a reader should know of this trace.
    pub notes: Vec<String>,
}

/// Where the connection went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceTarget {
    /// `wss://`, `ws://`, `tls://` or `tcp://`.
    pub url: String,
    /// The server's address and port.
    pub address: String,
    /// The name that the certificate has to be for; null without TLS.
    pub server_name: Option<String>,
    /// Whether the server was started for this trace.
    pub embedded: bool,
}

/// A part of the connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TracePhase {
    /// TCP: SYN and SYN/ACK.
    Connect,
    /// The TLS handshake, up to the client's Finished.
    Tls,
    /// The opening handshake of WebSocket: an HTTP request and its response.
    Upgrade,
    /// One message and its echo.
    Echo,
    /// A ping and its pong.
    Ping,
    /// Close frames, close_notify, FIN.
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

/// Who sent something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The client, which is wssbench.
    Sent,
    /// The server.
    Received,
}

/// One thing that happened on the connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Nanoseconds since the call of connect: until it was given to the kernel, or until its last byte was read.
    pub at_ns: u64,
    /// The phase it belongs to.
    pub phase: TracePhase,
    /// Who sent it.
    pub direction: Direction,
    /// Nanoseconds that TLS in the client took to make it or to process it: one reading. Null for what costs TLS
    /// nothing, and for what was made while something else was processed, whose cost holds it.
    pub cost_ns: Option<u64>,
    /// What it is.
    pub details: EventDetails,
}

/// What was sent or received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventDetails {
    /// The first segment of TCP, which the kernel sends when connect is called.
    Syn {
        /// Address and port that it went to.
        to: String,
    },
    /// Its answer, with which connect returned.
    SynAck {
        /// Address and port of the client's end.
        local: String,
    },
    /// A TLS record.
    Record(Record),
    /// Bytes on TCP without TLS.
    Segment {
        /// How many.
        bytes: u64,
        /// What they are.
        contents: Vec<Application>,
    },
    /// Bytes where a TLS record had to be, and which are none.
    NotTls {
        /// The first of them, escaped.
        preview: String,
    },
    /// The end of one direction of TCP.
    Fin,
    /// The end of both, without order (RST).
    Reset,
}

/// A TLS record (RFC 8446 section 5, RFC 5246 section 6.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Content type as the header says it: in TLS 1.3 everything encrypted says `application_data`.
    pub content_type: String,
    /// Version as the header says it, such as `0x0303`: in TLS 1.3 a constant without meaning.
    pub version: String,
    /// Length of the body in bytes as the header says it; the header itself has 5 more.
    pub length: u64,
    /// How the body was read.
    pub protection: Protection,
    /// What was in it.
    pub contents: Vec<Content>,
}

/// How the body of a record was protected, and whether it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Protection {
    /// Not encrypted.
    Plaintext,
    /// Encrypted, and opened with the session's own secrets.
    Decrypted {
        /// The secret whose keys opened it, as SSLKEYLOGFILE names it.
        secret: String,
        /// Its sequence number under these keys.
        sequence: u64,
        /// The content type inside.
        content_type: String,
        /// Bytes inside, without the type byte, padding, tag and explicit nonce.
        content_bytes: u64,
        /// Bytes of padding inside (TLS 1.3).
        padding_bytes: u64,
    },
    /// Encrypted, and not opened.
    Opaque {
        /// Why.
        because: String,
    },
}

/// A thing inside a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "content", rename_all = "snake_case")]
pub enum Content {
    /// A handshake message that ends in this record.
    Handshake(HandshakeMessage),
    /// The beginning of one that ends in a later record.
    HandshakeFragment {
        /// Bytes of it that were there when this record ended.
        available_bytes: u64,
        /// All of its bytes, with the header of 4; null if not even that was there.
        total_bytes: Option<u64>,
    },
    /// ChangeCipherSpec: a switch in TLS 1.2, a dummy in TLS 1.3.
    ChangeCipherSpec {
        /// Whether it is the dummy of TLS 1.3.
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
    /// What is none of these, or is broken.
    Unreadable {
        /// What is wrong with it.
        because: String,
    },
}

/// What a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseTotal {
    /// Which.
    pub phase: TracePhase,
    /// Nanoseconds from its first event, or from the end of the phase before, to its last event.
    pub time_ns: u64,
    /// Nanoseconds of TLS in the client: the sum of its events' costs.
    pub cost_ns: u64,
    /// How often the client had to wait for an answer: runs of sending that were followed by receiving.
    pub round_trips: u64,
    /// Bytes that the client sent on TCP.
    pub sent_bytes: u64,
    /// Bytes that it received.
    pub received_bytes: u64,
    /// TLS records that it sent.
    pub sent_records: u64,
    /// TLS records that it received.
    pub received_records: u64,
}

/// Where and why a connection failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TraceFailure {
    /// The phase that was not over.
    pub phase: TracePhase,
    /// One sentence.
    pub message: String,
}

impl Stored for TraceResult {
    const SCHEMA: &'static str = "wssbench.trace/2";
    const SUFFIX: &'static str = ".trace.json";
}
