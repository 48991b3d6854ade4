//! `wssbench`: what does TLS cost my WebSockets?
//!
//! One file a verb. `run` reads as a table of contents of the main job: check → server → handshakes → messages →
//! result → report. The `generator` is what measures. It is a library for one reason: a test that counts allocations
//! is a program of its own, with its own allocator, around the whole command.

mod ab;
mod cli;
mod client_side;
mod compare;
mod config_file;
mod embedded;
mod engines;
mod environment;
mod export;
mod gate;
mod generator;
mod history;
mod leg;
mod preflight;
mod progress;
mod run;
mod server_side;
mod sweep;
mod trace;

pub use cli::main;
