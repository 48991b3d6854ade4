//! How long the ring waits: until something is due, and no more often than that asks for.

use std::time::{Duration, Instant};

use super::{driver, in_both_forms, on_ring_in};
use crate::engine::uring::Features;
use crate::engine::{Engine, Uring};

type E = Uring;

fn enters() -> u64 {
    driver::with(|driver| driver.totals().enters)
}

fn a_deadline_that_is_far_away_is_met_and_costs_a_tick_a_second(form: Features) {
    on_ring_in(form, || async {
        let start = Instant::now();
        let (near, far, farther) =
            (start + Duration::from_millis(50), start + Duration::from_millis(2500), start + Duration::from_hours(1));
        let nobody = E::spawn(E::sleep_until(farther));
        let sleeper = E::spawn(async move {
            E::sleep_until(far).await;
            Instant::now()
        });
        // A near one while the tick runs.
        E::sleep_until(near).await;
        assert!(Instant::now() >= near);
        let before = enters();
        let woken = sleeper.await.expect("no panic");
        assert!(woken >= far, "woken {:?} early", far - woken);
        // Two ticks, the deadline itself, and what else a turn may take. (A test of time would be one of the machine.)
        let count = enters() - before;
        assert!(count <= 8, "entered {count} times for one deadline");
        assert!(!nobody.is_finished());
    });
}

in_both_forms! { a_deadline_that_is_far_away_is_met_and_costs_a_tick_a_second }
