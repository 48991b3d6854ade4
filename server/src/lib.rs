//! The wss echo server of wssbench: accept → TLS → upgrade → echo.
//!
//! [`serve`](serve::serve) starts one worker a CPU, each a thread with its own engine and its own SO_REUSEPORT
//! listener; they share nothing but their options. What a worker counts stays on its thread and is handed out on
//! request (`counters.rs`). The admin endpoint (`admin/`) runs on a thread of its own.

mod admin;
mod connection;
mod counters;
mod listener;
pub mod options;
pub mod serve;
mod worker;

pub use options::ServeOptions;
pub use serve::{Ready, serve};
