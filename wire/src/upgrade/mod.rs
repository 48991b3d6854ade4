//! The opening handshake of WebSocket (RFC 6455 section 4), both ends, over any stream. The upgrade of fastwebsockets
//! requires hyper and `Send` streams, which the streams of a ring are not, and checks too little.
//!
//! In the data path this layer is between TLS and `websocket`. It has no deadline (the caller has one for the whole
//! handshake), negotiates no extension but permessage-deflate, and reads no more of a head than the limit.

pub(crate) mod accept_key;
mod client;
mod deflate;
pub(crate) mod head;
pub mod http2;
mod prefixed;
mod rejection;
mod run_nonce;
mod server;
#[cfg(test)]
mod tests;

#[cfg(test)]
use accept_key::BASE64;
pub use accept_key::accept_key;
pub use client::{ClientHandshake, ClientUpgrade, UpgradeError, compose, connect, read_response};
pub use deflate::{DeflateParameters, DeflatePolicy};
pub use prefixed::PrefixedStream;
pub use rejection::Rejection;
pub use run_nonce::RunNonce;
pub use server::{RefusalStatus, ServerHandshake, ServerUpgrade, UpgradeRefusal, accept};
