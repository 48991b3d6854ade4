//! The two ends of a connection, which run in turn on one thread, and ways to meter each of them separately: by time
//! ([`EndTimes`]), or by callgrind between the entry and the exit of a function of known name ([`CallgrindMarkers`]).

use std::hint::black_box;
use std::time::{Duration, Instant};

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Accepts.
    Server,
    /// Connects.
    Client,
}

impl End {
    /// Both ends.
    pub const BOTH: [Self; 2] = [Self::Server, Self::Client];

    /// The name in benches, tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// Measures the work of each end.
pub trait Meter {
    /// Runs `work` and attributes its cost to `end`. Calls are never nested.
    fn measure<T>(&mut self, end: End, work: impl FnOnce() -> T) -> T;
}

/// Elapsed time of each end's work.
#[derive(Debug, Default, Clone, Copy)]
pub struct EndTimes {
    /// The server's.
    pub server: Duration,
    /// The client's.
    pub client: Duration,
}

impl EndTimes {
    /// The time of one end.
    pub const fn of(self, end: End) -> Duration {
        match end {
            End::Server => self.server,
            End::Client => self.client,
        }
    }
}

impl Meter for EndTimes {
    fn measure<T>(&mut self, end: End, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let elapsed = start.elapsed();
        match end {
            End::Server => self.server += elapsed,
            End::Client => self.client += elapsed,
        }
        result
    }
}

/// Runs each end's work inside a function that callgrind can find by name ([`CallgrindMarkers::function`]).
#[derive(Debug, Default, Clone, Copy)]
pub struct CallgrindMarkers;

impl CallgrindMarkers {
    /// Pattern for callgrind's `--toggle-collect`: the function that wraps the work of `end`.
    pub const fn function(end: End) -> &'static str {
        match end {
            End::Server => "wss_benches::end::server_work*",
            End::Client => "wss_benches::end::client_work*",
        }
    }
}

impl Meter for CallgrindMarkers {
    fn measure<T>(&mut self, end: End, work: impl FnOnce() -> T) -> T {
        match end {
            End::Server => server_work(work),
            End::Client => client_work(work),
        }
    }
}

/// Differs from [`client_work`] by a constant: the compiler would otherwise merge two identical functions into one symbol.
#[inline(never)]
fn server_work<T>(work: impl FnOnce() -> T) -> T {
    black_box(1_u8);
    black_box(work())
}

#[inline(never)]
fn client_work<T>(work: impl FnOnce() -> T) -> T {
    black_box(2_u8);
    black_box(work())
}
