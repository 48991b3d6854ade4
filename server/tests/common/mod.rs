//! Helpers of the server's tests: the real binary, started and ended by each test, and clients that can send malformed
//! data.
//!
//! No assertion depends on timing: waits are limited by [`PATIENCE`], after which a test fails.
#![allow(dead_code, unused_imports, unused_macros)] // Each test binary uses a part of this.

mod client;
mod server;

use std::time::{Duration, Instant};

pub(crate) use client::{Frame, Tls, WebSocket, client_config, frame, header, read_to_end, request, tls_over};
pub(crate) use server::{Refused, Server, refused};

/// Time limit on every wait, after which the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// First bytes of frames: FIN and opcode.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// Defines a test per engine for each function: `name::uring`, `name::tokio_uring` and `name::epoll`.
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

/// Polls `poll` until it returns a value, for at most [`PATIENCE`].
pub(crate) fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
