//! How long the ring waits: until a deadline, and with no more iterations than needed.

use std::time::{Duration, Instant};

use super::{driver, on_ring_with, with_both_feature_sets};
use crate::engine::uring::Features;
use crate::engine::{Engine, Uring};

type E = Uring;

fn enters() -> u64 {
    driver::with(|driver| driver.counters().enters)
}

fn far_deadline_is_met_with_one_tick_per_second(features: Features) {
    on_ring_with(features, || async {
        let start = Instant::now();
        let (near, far, farther) =
            (start + Duration::from_millis(50), start + Duration::from_millis(2500), start + Duration::from_hours(1));
        let never_due = E::spawn(E::sleep_until(farther));
        let sleeper = E::spawn(async move {
            E::sleep_until(far).await;
            Instant::now()
        });
        // A near deadline while the tick runs.
        E::sleep_until(near).await;
        assert!(Instant::now() >= near);
        let before = enters();
        let woken = sleeper.await.expect("no panic");
        assert!(woken >= far, "woken {:?} too early", far - woken);
        // Two ticks, the deadline itself, and a few others. (Measuring time instead would test the machine.)
        let count = enters() - before;
        assert!(count <= 8, "{count} io_uring_enter calls for one deadline");
        assert!(!never_due.is_finished());
    });
}

with_both_feature_sets! { far_deadline_is_met_with_one_tick_per_second }
