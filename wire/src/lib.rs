//! The code that both ends of wssbench share: engines for socket I/O, TLS configurations, the WebSocket opening handshake,
//! strict framing, and targets.
//!
//! The data path on both ends is [`engine`] → [`transport`] (TCP, or TLS over TCP) → [`upgrade`] → [`websocket`]. With
//! `--http 2`, the generator has [`http2`] between the transport and the WebSocket.

pub mod engine;
pub mod flights;
pub mod http2;
pub mod machine;
pub mod poll_time;
pub mod publication;
pub mod reach;
pub mod redirection;
pub mod target;
pub mod tls;
pub mod transport;
pub mod tunnel;
pub mod upgrade;
pub mod websocket;
