//! What a thread does while it has nothing to do: sleep in the kernel, or spin ([`IdlePolicy`]).
//!
//! A sleeping CPU of a virtual machine takes 20 to 100 µs to wake up. A load generator that sleeps adds that time to
//! what it measures, so it spins if it has a CPU of its own. Time spent spinning is CPU time without work, so it is counted
//! here and subtracted from the CPU time of the generator.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wss_model::config::IdlePolicy;

/// A longer step between two readings of the clock is not spinning: the thread was interrupted.
const MAX_STEP: Duration = Duration::from_micros(10);
/// Pauses of the CPU between two readings of the clock.
const PAUSES: u32 = 4;

thread_local! {
    static POLICY: Cell<IdlePolicy> = const { Cell::new(IdlePolicy::Sleep) };
    static SPUN_BY_THREAD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Nanoseconds that the threads of this process spent spinning.
static SPUN_NS: AtomicU64 = AtomicU64::new(0);

/// Sets the policy of the engines that this thread starts from now on. Only the uring engine spins by itself; the others
/// need a [`KeepAwake`](super::KeepAwake) on their CPU.
pub fn set_policy(policy: IdlePolicy) {
    POLICY.set(policy);
}

/// The policy of this thread.
pub(super) fn policy() -> IdlePolicy {
    POLICY.get()
}

/// Time that the threads of this process have spent spinning: part of their CPU time in which they did no work.
pub fn spun() -> Duration {
    Duration::from_nanos(SPUN_NS.load(Ordering::Relaxed))
}

/// Time that this thread has spent spinning.
pub fn spun_by_thread() -> Duration {
    SPUN_BY_THREAD.get()
}

/// Adds CPU time that was spent spinning.
pub(super) fn add_spun(time: Duration) {
    SPUN_BY_THREAD.set(SPUN_BY_THREAD.get() + time);
    SPUN_NS.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Spins until `is_ready` or until `deadline` has passed. Returns when `is_ready` was last seen to be false.
pub(super) fn spin(deadline: Option<Instant>, mut is_ready: impl FnMut() -> bool) -> Instant {
    let mut last = Instant::now();
    let mut spun = Duration::ZERO;
    while !is_ready() {
        for _ in 0..PAUSES {
            std::hint::spin_loop();
        }
        let now = Instant::now();
        let step = now - last;
        if step <= MAX_STEP {
            spun += step;
        }
        last = now;
        if deadline.is_some_and(|deadline| deadline <= now) {
            break;
        }
    }
    add_spun(spun);
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinning_ends_with_the_deadline_or_the_event_and_is_counted() {
        // Of this thread: other tests spin at the same time.
        let (before, start) = (spun_by_thread(), Instant::now());
        // A machine that is busy may take the CPU away from every step of one wait.
        for _ in 0..1000 {
            let deadline = Instant::now() + Duration::from_millis(2);
            assert!(spin(Some(deadline), || false) >= deadline);
            if spun_by_thread() > before {
                break;
            }
        }
        let (counted, deadline) = (spun_by_thread() - before, Instant::now());
        assert!(counted > Duration::ZERO && counted <= start.elapsed(), "{counted:?}");
        let mut checks = 0;
        let seen = spin(None, || {
            checks += 1;
            checks > 10
        });
        assert!(seen >= deadline && checks == 11);
    }
}
