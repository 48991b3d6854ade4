//! The time spent inside polling a future: on a thread that nobody else uses, its CPU time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Adds up the time inside `poll`. It leaves out what the kernel does between two polls: with epoll the reads and
/// writes are inside, with io_uring they are not.
#[derive(Debug)]
pub struct Busy<F> {
    future: F,
    spent: Duration,
}

impl<F: Future + Unpin> Busy<F> {
    /// Wraps a future.
    pub fn new(future: F) -> Self {
        Self { future, spent: Duration::ZERO }
    }
}

impl<F: Future + Unpin> Future for Busy<F> {
    /// The future's output and the time inside its polls.
    type Output = (F::Output, Duration);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let start = Instant::now();
        let polled = Pin::new(&mut self.future).poll(cx);
        self.spent += start.elapsed();
        polled.map(|output| (output, self.spent))
    }
}
