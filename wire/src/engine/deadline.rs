//! Deadlines for futures: [`before`] and [`within`].
//!
//! A hand-written future, because an `async fn` stores a future argument twice (as the argument and where it is
//! polled). For the largest futures that would cost 1 KiB per connection and a copy per message.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::{Engine, Sleep, TimedOut};

pin_project! {
    /// A future with a deadline: see [`before`] and [`within`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        limit: Limit,
    }
}

#[derive(Debug)]
enum Limit {
    /// Counts from the first poll that returns `Pending`.
    After(Duration),
    At(Sleep),
}

impl<F: Future> Timeout<F> {
    pub(super) fn new(sleep: Sleep, future: F) -> Self {
        Self { future, limit: Limit::At(sleep) }
    }
}

/// Waits for `future` until `deadline` at the latest; returns [`TimedOut`] if the deadline passes first. The future is
/// dropped with this one, so do not use it for a read that is to continue later.
pub fn before<E: Engine, F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout::new(E::sleep_until(deadline), future)
}

/// Like [`before`], with a duration that counts from the first poll.
pub fn within<E: Engine, F: Future>(time: Duration, future: F) -> Timeout<F> {
    Timeout { future, limit: Limit::After(time) }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Before reading the clock: most sends complete at once.
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if let Limit::After(time) = *this.limit {
            *this.limit = Limit::At(Sleep::new(Instant::now() + time));
        }
        if let Limit::At(sleep) = this.limit {
            ready!(Pin::new(sleep).poll(cx));
        }
        Poll::Ready(Err(TimedOut))
    }
}
