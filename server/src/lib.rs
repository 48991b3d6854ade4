//! The echo server of wssbench: accept → TLS → upgrade → echo.
//!
//! [`serve`](serve::serve) starts one worker per CPU. A worker is a thread with its own engine and its own SO_REUSEPORT
//! listener; workers share only their settings and the number of open connections. A worker counts on its own thread and
//! copies its counters on request (`counters.rs`). The admin endpoint (`admin/`) has a thread of its own.

mod admin;
mod connection;
mod context;
mod counters;
pub mod event;
mod identity;
mod idle_timer;
mod listener;
pub mod options;
mod outcome;
mod owners;
mod proxy_header;
mod publishing;
pub mod serve;
mod worker;

pub use event::{Event, Ready};
pub use options::ServeOptions;
pub use serve::serve;
