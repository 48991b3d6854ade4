//! The two ends of a connection that run in turn on one thread, and what is counted of each apart: time
//! ([`Took`]), or, by tools from outside, what happens inside two functions of known names ([`Marked`]).

use std::hint::black_box;
use std::time::{Duration, Instant};

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Accepts.
    Server,
    /// Connects.
    Client,
}

impl Side {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Server, Self::Client];

    /// The name in benches, tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// Counts something of each side's work.
pub trait Meter {
    /// Does a piece of one side's work. Pieces are never nested.
    fn during<T>(&mut self, side: Side, work: impl FnOnce() -> T) -> T;
}

/// What each side took.
#[derive(Debug, Default, Clone, Copy)]
pub struct Took {
    /// The server.
    pub server: Duration,
    /// The client.
    pub client: Duration,
}

impl Took {
    /// One side's part.
    pub const fn of(self, side: Side) -> Duration {
        match side {
            Side::Server => self.server,
            Side::Client => self.client,
        }
    }
}

impl Meter for Took {
    fn during<T>(&mut self, side: Side, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        let took = start.elapsed();
        match side {
            Side::Server => self.server += took,
            Side::Client => self.client += took,
        }
        done
    }
}

/// Counts nothing by itself: callgrind collects between the entry and the exit of one side's function
/// ([`Marked::function`]).
#[derive(Debug, Default, Clone, Copy)]
pub struct Marked;

impl Marked {
    /// How callgrind knows the function inside which a side's work is done.
    pub const fn function(side: Side) -> &'static str {
        match side {
            Side::Server => "wss_benches::side::server_side*",
            Side::Client => "wss_benches::side::client_side*",
        }
    }
}

impl Meter for Marked {
    fn during<T>(&mut self, side: Side, work: impl FnOnce() -> T) -> T {
        match side {
            Side::Server => server_side(work),
            Side::Client => client_side(work),
        }
    }
}

/// Each has a constant of its own, as two functions of the same code are made one by the compiler, under one name.
#[inline(never)]
fn server_side<T>(work: impl FnOnce() -> T) -> T {
    black_box(1_u8);
    black_box(work())
}

#[inline(never)]
fn client_side<T>(work: impl FnOnce() -> T) -> T {
    black_box(2_u8);
    black_box(work())
}
