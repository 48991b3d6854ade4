//! How a ring iteration waits: in the kernel, or by polling the ring.

use std::time::{Duration, Instant};

use wss_model::config::IdlePolicy;

#[cfg(test)]
use super::shuffle;
use super::{Driver, FAR, Iteration, SHUTDOWN_POLL};
use crate::engine::uring::ring::Wait;
use crate::engine::{idle, look, timer};

/// With more submissions than these an observed iteration submits first and waits in the next one: submitting takes
/// microseconds, in which arriving data would wait unseen.
const MAX_SUBMISSIONS_OF_WAIT: usize = 8;

impl Driver {
    /// Submits, and waits for a completion or the next deadline if the iteration may wait. Returns the time before its end
    /// in which the thread did not look for completions ([`look::Look::unseen`]), counted from `now` on.
    pub(super) fn submit_and_wait(&mut self, iteration: Iteration) -> impl FnOnce(Instant) -> Duration + use<> {
        #[cfg(test)]
        let iteration =
            if self.shuffle.as_ref().is_some_and(shuffle::Shuffle::has_delayed) { Iteration::Poll } else { iteration };
        let previous = self.now;
        let waits = iteration == Iteration::Wait
            && !(self.observed && self.ring.queued() > MAX_SUBMISSIONS_OF_WAIT)
            && self.unparker.begin_park();
        if !waits {
            if self.observed {
                look::record_submission(Instant::now());
            }
            self.enter(Wait::No);
            return Unseen::Since(previous).until();
        }
        let linger = self.lingering.front().map(|&(until, _)| until);
        let deadline = [timer::next_deadline(), linger].into_iter().flatten().min();
        let unseen = match self.idle {
            IdlePolicy::Spin if !self.shutting_down => self.spin(deadline),
            _ => self.sleep(deadline),
        };
        self.unparker.end_park();
        unseen.until()
    }

    /// Waits in the kernel.
    fn sleep(&mut self, deadline: Option<Instant>) -> Unseen {
        let previous = self.now;
        // With few exceptions the clock is read only if it is needed.
        let mut entered = self.observed.then(Instant::now);
        let wait = match deadline {
            _ if self.shutting_down => Wait::AtMost(SHUTDOWN_POLL),
            None => Wait::Indefinitely,
            // Compared with the time of the latest iteration, so that the clock is not read for it.
            Some(deadline) if deadline.saturating_duration_since(self.now) > FAR => {
                if !self.tick_armed {
                    self.arm_tick();
                }
                Wait::Indefinitely
            }
            Some(deadline) => {
                Wait::AtMost(deadline.saturating_duration_since(*entered.get_or_insert_with(Instant::now)))
            }
        };
        if let Some(entered) = entered.filter(|_| self.observed) {
            look::record_submission(entered);
        }
        self.enter(wait);
        Unseen::Asleep { previous, entered: entered.unwrap_or(previous), deadline }
    }

    /// Submits, and polls the ring until something has completed.
    fn spin(&mut self, deadline: Option<Instant>) -> Unseen {
        let previous = self.now;
        if self.observed {
            look::record_submission(Instant::now());
        }
        if self.ring.queued() > 0 || self.ring.has_work() {
            self.enter(Wait::No);
        }
        if self.ring.has_completions() {
            return Unseen::Since(previous);
        }
        let seen_empty = idle::spin(deadline, || self.ring.has_work() || self.ring.has_completions());
        if self.ring.has_work() {
            self.enter(Wait::No);
        }
        Unseen::Since(seen_empty)
    }
}

/// What is known about the time in which an iteration did not look for completions.
enum Unseen {
    /// It had looked at this instant.
    Since(Instant),
    /// It slept: see [`look::unseen_by_sleeping`].
    Asleep { previous: Instant, entered: Instant, deadline: Option<Instant> },
}

impl Unseen {
    /// The time until the end of the iteration.
    fn until(self) -> impl FnOnce(Instant) -> Duration {
        move |ended| match self {
            Self::Since(instant) => ended.saturating_duration_since(instant),
            Self::Asleep { previous, entered, deadline } => {
                look::unseen_by_sleeping(previous, entered, deadline, ended)
            }
        }
    }
}
