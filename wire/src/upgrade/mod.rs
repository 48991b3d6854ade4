//! The opening handshake of WebSocket (RFC 6455 section 4), both ends, over any stream. The upgrade of fastwebsockets
//! requires hyper and `Send` streams, which the streams of a ring are not, and checks too little.
//!
//! In the data path this layer is between TLS and `websocket`. It has no deadline (the caller has one for the whole
//! handshake), negotiates no extension, and reads no more of a head than the limit.

mod client;
mod head;
mod prefixed;
mod server;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

pub use client::{ClientHandshake, ClientUpgrade, UpgradeError, compose, connect, read_response};
pub use prefixed::PrefixedStream;
pub use server::{RefusalStatus, ServerHandshake, ServerUpgrade, UpgradeRefusal, accept};

/// The GUID that is appended to the key (RFC 6455 section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2).
pub fn accept_key(key: &str) -> String {
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}
