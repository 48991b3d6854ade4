//! [`IdleTimer`]: how long a connection may be idle.

use std::time::{Duration, Instant};

use wss_wire::engine::{Engine, Sleep};

/// The deadline for the next whole message. Each message only stores the time; the timer is re-armed when it fires, so
/// that it costs nothing per message.
pub(crate) struct IdleTimer<E> {
    timeout: Duration,
    last: Instant,
    sleep: Sleep,
    engine: std::marker::PhantomData<E>,
}

impl<E: Engine> IdleTimer<E> {
    pub(crate) fn new(timeout: Duration) -> Self {
        let last = Instant::now();
        Self { timeout, last, sleep: E::sleep_until(last + timeout), engine: std::marker::PhantomData }
    }

    /// Restarts the timeout after a whole message.
    pub(crate) fn reset(&mut self) {
        self.last = E::now();
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.last + self.timeout
    }

    /// Waits until no message has passed for the timeout.
    pub(crate) async fn expired(&mut self) {
        loop {
            (&mut self.sleep).await;
            if Instant::now() >= self.deadline() {
                return;
            }
            self.sleep = E::sleep_until(self.deadline());
        }
    }
}
