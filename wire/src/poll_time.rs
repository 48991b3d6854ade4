//! The time spent polling a future. On a CPU that nothing else uses, it is CPU time.

use std::future::Future;
use std::ops::AddAssign;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wss_model::server_stats::CryptoTime;

use crate::tls::timed;

/// The cost of polling a future.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PollCost {
    /// The time inside all polls.
    pub busy: Duration,
    /// The part of it in timed calls: cryptography and the socket.
    pub timed: CryptoTime,
}

impl AddAssign for PollCost {
    fn add_assign(&mut self, other: Self) {
        self.busy += other.busy;
        self.timed.add(&other.timed);
    }
}

/// A future that adds up the time inside its polls. Work of the kernel between two polls is not included: with epoll the
/// reads and writes are inside the polls, with io_uring they are not.
#[derive(Debug)]
pub struct PollTime<F> {
    future: F,
    cost: PollCost,
}

impl<F: Future + Unpin> PollTime<F> {
    /// Wraps a future.
    pub fn new(future: F) -> Self {
        Self { future, cost: PollCost::default() }
    }
}

impl<F: Future + Unpin> Future for PollTime<F> {
    /// The output of the future, and the cost of polling it.
    type Output = (F::Output, PollCost);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let before = timed::spent();
        let start = Instant::now();
        let poll = Pin::new(&mut self.future).poll(cx);
        self.cost += PollCost { busy: start.elapsed(), timed: timed::spent().since(&before) };
        poll.map(|output| (output, self.cost))
    }
}
