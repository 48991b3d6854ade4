//! [`before`] and [`within`]: waiting with a deadline.
//!
//! Written out by hand, since an `async fn` keeps a future that it was given twice, as its argument and where it is
//! polled: of the largest of a connection that were a kilobyte a connection, and a copy of it a message.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::{Engine, Sleep, TimedOut};

pin_project! {
    /// A future with a deadline: see [`before`] and [`within`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Bounded<F> {
        #[pin]
        future: F,
        limit: Limit,
    }
}

#[derive(Debug)]
enum Limit {
    /// Counted from the first poll after which it is not done.
    After(Duration),
    At(Sleep),
}

/// Waits for `future`, at most until `deadline`: gives [`TimedOut`] if that passes first. The future is dropped with
/// this one: never use it on a read that goes on afterwards.
pub fn before<E: Engine, F: Future>(deadline: Instant, future: F) -> Bounded<F> {
    Bounded { future, limit: Limit::At(E::sleep_until(deadline)) }
}

/// [`before`], counted from the first poll.
pub fn within<E: Engine, F: Future>(time: Duration, future: F) -> Bounded<F> {
    Bounded { future, limit: Limit::After(time) }
}

impl<F: Future> Future for Bounded<F> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // Before the clock is read: most of what is sent goes out at once.
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
