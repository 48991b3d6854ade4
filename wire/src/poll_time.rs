//! The time spent inside polling a future: on a thread that nobody else uses, its CPU time.

use std::future::Future;
use std::ops::AddAssign;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wss_model::server_stats::CryptoTime;

use crate::tls::timed;

/// What polling a future took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// All of it.
    pub busy: Duration,
    /// The part of it in what is timed: cryptography and the socket.
    pub timed: CryptoTime,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.busy += other.busy;
        self.timed.add(&other.timed);
    }
}

/// Adds up the time inside `poll`. It leaves out what the kernel does between two polls: with epoll the reads and
/// writes are inside, with io_uring they are not.
#[derive(Debug)]
pub struct PollTime<F> {
    future: F,
    spent: Spent,
}

impl<F: Future + Unpin> PollTime<F> {
    /// Wraps a future.
    pub fn new(future: F) -> Self {
        Self { future, spent: Spent::default() }
    }
}

impl<F: Future + Unpin> Future for PollTime<F> {
    /// The future's output and the time inside its polls.
    type Output = (F::Output, Spent);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let before = timed::spent();
        let start = Instant::now();
        let polled = Pin::new(&mut self.future).poll(cx);
        self.spent += Spent { busy: start.elapsed(), timed: timed::spent().since(&before) };
        polled.map(|output| (output, self.spent))
    }
}
