//! What application data of a connection is: the opening handshake of WebSocket, its frames, or plain bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A piece of application data, attributed to the record or segment in which it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "application", rename_all = "snake_case")]
pub enum Application {
    /// The head of the HTTP request that asks for a WebSocket (RFC 6455 section 4.1).
    UpgradeRequest(HttpHead),
    /// The head of the response to it.
    UpgradeResponse {
        /// The head.
        #[serde(flatten)]
        head: HttpHead,
        /// How its Sec-WebSocket-Accept follows from the request's key; null if the status is not 101.
        accept: Option<AcceptDerivation>,
    },
    /// A WebSocket frame.
    Frame(Frame),
    /// Bytes without a form of their own: the message of `tls://` and `tcp://`, or the body of a response.
    Bytes {
        /// How many.
        bytes: u64,
        /// The first of them.
        preview: String,
    },
    /// The beginning of something that ends in a later record or segment.
    Fragment {
        /// Bytes of it that were there.
        available_bytes: u64,
    },
    /// What is no WebSocket frame although one had to be there.
    Unreadable {
        /// What is wrong with it.
        because: String,
    },
}

/// The head of an HTTP message as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpHead {
    /// Its lines without their ends; what is not printable is escaped, and what is very long is cut.
    pub lines: Vec<String>,
    /// All of its bytes, with the empty line that ends it.
    pub bytes: u64,
}

/// How the server's accept value follows from the client's key (RFC 6455 section 4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptDerivation {
    /// Sec-WebSocket-Key: 16 random bytes in base64.
    pub key: String,
    /// What is appended to it, the same for every WebSocket of the world.
    pub guid: String,
    /// SHA-1 of the two as text, in hexadecimal.
    pub sha1: String,
    /// That in base64: what Sec-WebSocket-Accept has to be.
    pub expected: String,
    /// Sec-WebSocket-Accept as the server sent it; null if it did not.
    pub received: Option<String>,
}

/// A WebSocket frame (RFC 6455 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// `text`, `binary`, `close`, `ping`, `pong` or `continuation`.
    pub opcode: String,
    /// Whether it is the last frame of its message.
    pub fin: bool,
    /// Bits RSV1 to RSV3, which no extension has given a meaning here.
    pub reserved_bits: u8,
    /// The key that its payload was masked with, in hexadecimal; null if the mask bit is 0.
    pub masking_key: Option<String>,
    /// Bytes of the header, the masking key included.
    pub header_bytes: u64,
    /// Its header in hexadecimal, the masking key included.
    pub header: String,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// The first bytes of the payload as they were on the way, masked if it was, in hexadecimal.
    pub on_the_wire: String,
    /// The first bytes of the payload unmasked: text, or hexadecimal if it is none. Of a Close frame the reason.
    pub preview: String,
    /// The code of a Close frame, if it has one.
    pub close_code: Option<u16>,
}
