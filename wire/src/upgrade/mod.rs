//! The opening handshake of WebSocket (RFC 6455 section 4), both ends, over any stream: fastwebsockets' own needs
//! hyper and `Send` streams, which those of a ring are not, and its two ends check too little.
//!
//! On the way of the data this stands between TLS and `websocket`. It never waits with a deadline of its own (the
//! caller has one for the whole handshake), never negotiates an extension, and never reads more of a head than the
//! limit.

mod client;
mod head;
mod prefixed;
mod server;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

pub use client::{ClientUpgrade, UpgradeError, Upgraded, compose, connect, read_answer};
pub use prefixed::Prefixed;
pub use server::{Accepted, ServerUpgrade, UpgradeRefused, accept};

/// What is appended to the key (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of Sec-WebSocket-Accept for that of Sec-WebSocket-Key (RFC 6455 section 4.2.2).
pub fn accept_key(key: &str) -> String {
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}
