//! Reorders and delays completions, for tests: the kernel guarantees no order between two operations and no latency.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};

use io_uring::cqueue;
use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::tag;
use crate::engine::uring::slab::Key;

thread_local! {
    static SHUFFLE: Cell<Option<(u64, Delivery)>> = const { Cell::new(None) };
}

/// When completions are dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// In the ring iteration in which they arrive.
    Prompt,
    /// Some of them in a later iteration.
    Delayed,
}

/// Makes the drivers that this thread starts from now on reorder completions, by a seed.
pub(crate) fn set_shuffle(seed: u64, delivery: Delivery) {
    SHUFFLE.set(Some((seed, delivery)));
}

pub(super) struct Shuffle {
    rng: TestRng,
    delivery: Delivery,
    delayed: Vec<cqueue::Entry>,
    /// How often the order was changed, and how many completions were delayed.
    counts: (u64, u64),
}

impl Shuffle {
    /// The one that [`set_shuffle`] configured for this thread.
    pub(super) fn of_thread() -> Option<Self> {
        let (seed, delivery) = SHUFFLE.get()?;
        let rng = TestRng::from_seed(RngAlgorithm::XorShift, &u128::from(seed).to_le_bytes());
        Some(Self { rng, delivery, delayed: Vec::new(), counts: (0, 0) })
    }

    /// Whether completions are delayed: then the driver must not wait for the kernel, which has delivered them.
    pub(super) fn has_delayed(&self) -> bool {
        !self.delayed.is_empty()
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        self.counts
    }

    /// Reorders `completions`; those of one operation keep their order, which the kernel guarantees.
    pub(super) fn shuffle(&mut self, completions: &mut Vec<cqueue::Entry>) {
        let all: Vec<_> = self.delayed.drain(..).chain(completions.drain(..)).collect();
        let mut order: Vec<u64> = all.iter().map(cqueue::Entry::user_data).collect();
        for end in (1..order.len()).rev() {
            order.swap(end, self.rng.random_range(0..=end));
        }
        self.counts.0 += u64::from(!order.iter().copied().eq(all.iter().map(cqueue::Entry::user_data)));
        let mut by_operation = HashMap::<u64, VecDeque<cqueue::Entry>>::new();
        for completion in all {
            by_operation.entry(completion.user_data()).or_default().push_back(completion);
        }
        for user_data in order {
            let next = by_operation.get_mut(&user_data).and_then(VecDeque::pop_front).expect("a permutation");
            // Not inline sends: they complete within their iteration (`probe.rs` verifies that), and the driver relies
            // on it.
            let may_delay = self.delivery == Delivery::Delayed && Key::from_bits(user_data).0 != tag::SEND_INLINE;
            let predecessor_delayed = self.delayed.iter().any(|delayed| delayed.user_data() == user_data);
            if may_delay && (predecessor_delayed || self.rng.random_ratio(1, 3)) {
                self.delayed.push(next);
                self.counts.1 += 1;
            } else {
                completions.push(next);
            }
        }
    }
}
