//! `wssbench`: what does TLS cost my WebSockets?
//!
//! `commands` has one file per verb; `commands/run.rs` is the main one: check, server, handshakes, messages, result,
//! report. `generator` measures. `child` starts the processes that a verb needs: servers and trials. `setup`
//! prepares a run: its environment, TLS and checks.
//!
//! This is a library so that the test that counts allocations can have its own allocator.

mod child;
mod cli;
mod commands;
mod config_file;
mod disturbance;
mod generator;
mod output;
mod progress;
mod setup;

pub use cli::{EXIT_CODES, command, main};
pub use setup::preflight::PreflightError;
pub use setup::request::RequestError;
pub use setup::route::RouteError;
