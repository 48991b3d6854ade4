//! What both ends of wssbench share, and nothing else: the engines that drive sockets, TLS options made into
//! configurations, the WebSocket opening handshake and strict framing, and the stack that a URL's scheme names.
//!
//! The way of the data, on both ends: [`engine`] → [`transport`] (TCP, or TLS over it) → [`upgrade`] →
//! [`websocket`]. This crate measures nothing by itself: the clocks are read by the server and the generator.

pub mod engine;
pub mod flights;
pub mod machine;
pub mod poll_time;
pub mod target;
pub mod tls;
pub mod transport;
pub mod upgrade;
pub mod websocket;
