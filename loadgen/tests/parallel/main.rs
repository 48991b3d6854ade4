//! All tests that may run at the same time as others, in one program: every further program links the whole stack again.
//! Tests that measure time or send signals are programs of their own.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod engines;
mod export;
mod history;
mod hostile_close;
mod hostile_echo;
mod hostile_handshake;
mod interop;
mod lying_server;
mod server_pid;
mod server_stats;
mod show;
mod tls;
mod tls_bad_files;
mod tls_bad_input;
mod tls_peers;
mod tls_resumption;
