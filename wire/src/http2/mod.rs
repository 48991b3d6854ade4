//! A WebSocket over HTTP/2 (RFC 8441): the only stream of its connection, as bytes to read and write.
//!
//! In the data path this layer is between [`crate::transport`] and [`crate::websocket`], in the place of the bytes that follow
//! an HTTP/1.1 upgrade. The h2 crate does the framing; it allocates, and takes locks that nothing else holds.

mod error;
mod frames;
mod link;
mod stream;
#[cfg(test)]
mod tests;

pub use error::Http2Error;
pub use stream::Http2Stream;
