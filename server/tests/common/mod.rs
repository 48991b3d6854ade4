//! What the tests of the server have in common: the real binary, started for one test and gone with it, and clients
//! that can do what no library lets them do.
//!
//! Nothing here judges by time: waits are bounded by [`PATIENCE`], which only says when to give up.
#![allow(dead_code, unused_imports, unused_macros)] // Each test binary uses its own part of this.

mod client;
mod server;

use std::time::{Duration, Instant};

pub(crate) use client::{Frame, Tls, WebSocket, client_config, frame, header, read_to_end, request, tls_over};
pub(crate) use server::{Refused, Server, refused};

/// How long anything may take before a test fails rather than hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Opcodes with FIN, as they stand in the first byte of a frame.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// Makes a test an engine of each function named: `name::uring`, `name::epoll` and `name::tokio_uring`.
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn uring() {
                super::$name("uring");
            }

            #[test]
            fn tokio_uring() {
                super::$name("tokio-uring");
            }

            #[test]
            fn epoll() {
                super::$name("epoll");
            }
        }
    )*};
}
pub(crate) use on_every_engine;

/// Asks until there is an answer, at most [`PATIENCE`].
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not come about within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
