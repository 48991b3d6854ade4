//! The application data of a connection: the opening handshake of WebSocket, frames, or plain bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An item of application data, assigned to the record or segment in which it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "application", rename_all = "snake_case")]
pub enum Application {
    /// The head of the HTTP upgrade request (RFC 6455 section 4.1).
    UpgradeRequest(HttpHead),
    /// The head of the response (RFC 6455 section 4.2.2).
    UpgradeResponse {
        /// The head.
        #[serde(flatten)]
        head: HttpHead,
        /// How Sec-WebSocket-Accept follows from the key of the request; null if the status is not 101.
        accept: Option<AcceptDerivation>,
    },
    /// A WebSocket frame.
    Frame(Frame),
    /// Plain bytes: a message of `tls://` or `tcp://`, or the body of a response.
    Bytes {
        /// Number of bytes.
        bytes: u64,
        /// The first bytes.
        preview: String,
    },
    /// The beginning of an item that ends in a later record or segment.
    Fragment {
        /// Bytes of the item so far.
        available_bytes: u64,
    },
    /// Bytes that are not a valid WebSocket frame where one must be.
    Unreadable {
        /// What is wrong.
        because: String,
    },
}

/// The head of an HTTP message, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpHead {
    /// The lines without line ends. Unprintable characters are escaped, and long lines are truncated.
    pub lines: Vec<String>,
    /// Length including the final empty line, bytes.
    pub bytes: u64,
}

/// How the accept value follows from the client's key (RFC 6455 section 4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptDerivation {
    /// Sec-WebSocket-Key: 16 random bytes in base64.
    pub key: String,
    /// The constant that is appended to the key (RFC 6455 section 1.3).
    pub guid: String,
    /// SHA-1 of the concatenation, in hexadecimal.
    pub sha1: String,
    /// The same in base64: the expected Sec-WebSocket-Accept.
    pub expected: String,
    /// Sec-WebSocket-Accept in the response; null if it is missing.
    pub received: Option<String>,
}

/// A WebSocket frame (RFC 6455 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// `text`, `binary`, `close`, `ping`, `pong` or `continuation`.
    pub opcode: String,
    /// Whether it is the last frame of its message.
    pub fin: bool,
    /// Bits RSV1 to RSV3. They must be 0, because no extension is negotiated.
    pub reserved_bits: u8,
    /// Masking key in hexadecimal; null if the mask bit is 0.
    pub masking_key: Option<String>,
    /// Length of the header including the masking key, bytes.
    pub header_bytes: u64,
    /// The header including the masking key, in hexadecimal.
    pub header: String,
    /// Length of the payload, bytes.
    pub payload_bytes: u64,
    /// The first bytes of the payload as transmitted (masked if the mask bit is set), in hexadecimal.
    pub on_the_wire: String,
    /// The first bytes of the unmasked payload as text, or in hexadecimal if it is not text. For a Close frame, the reason.
    pub preview: String,
    /// The status code of a Close frame; null for other frames, or without one.
    pub close_code: Option<u16>,
}
