//! Completions in another order than the kernel's, and later: it promises none between two operations, and to be in
//! time for none. For tests alone.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};

use io_uring::cqueue;
use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::tag;
use crate::engine::uring::slab::Key;

thread_local! {
    static SHUFFLE: Cell<Option<(u64, bool)>> = const { Cell::new(None) };
}

/// Completions of this thread's drivers, from now on, are handed out in an order by this seed, and some of them, if
/// `late`, in a later turn.
pub(in super::super) fn set_shuffle(seed: u64, late: bool) {
    SHUFFLE.set(Some((seed, late)));
}

pub(super) struct Shuffle {
    rng: TestRng,
    late: bool,
    held: Vec<cqueue::Entry>,
    /// How often the order became another, and how many were late.
    counts: (u64, u64),
}

impl Shuffle {
    /// As [`set_shuffle`] has it.
    pub(super) fn of_thread() -> Option<Self> {
        let (seed, late) = SHUFFLE.get()?;
        let rng = TestRng::from_seed(RngAlgorithm::XorShift, &u128::from(seed).to_le_bytes());
        Some(Self { rng, late, held: Vec::new(), counts: (0, 0) })
    }

    /// Whether there are completions for later: nobody must wait for the kernel, which has handed them over.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        self.counts
    }

    /// Puts `completions` into another order; those of one operation stay in theirs, which the kernel does promise.
    pub(super) fn shuffle(&mut self, completions: &mut Vec<cqueue::Entry>) {
        let all: Vec<_> = self.held.drain(..).chain(completions.drain(..)).collect();
        let mut order: Vec<u64> = all.iter().map(cqueue::Entry::user_data).collect();
        for end in (1..order.len()).rev() {
            order.swap(end, self.rng.random_range(0..=end));
        }
        self.counts.0 += u64::from(!order.iter().copied().eq(all.iter().map(cqueue::Entry::user_data)));
        let mut of_operation = HashMap::<u64, VecDeque<cqueue::Entry>>::new();
        for completion in all {
            of_operation.entry(completion.user_data()).or_default().push_back(completion);
        }
        for bits in order {
            let next = of_operation.get_mut(&bits).and_then(VecDeque::pop_front).expect("as many as there are");
            // Not a try: that it failed is told within its turn (`form.rs` sees to it), and the driver relies on that.
            let may_be_late = self.late && Key::from_bits(bits).0 != tag::TRY;
            let behind = self.held.iter().any(|held| held.user_data() == bits);
            if may_be_late && (behind || self.rng.random_ratio(1, 3)) {
                self.held.push(next);
                self.counts.1 += 1;
            } else {
                completions.push(next);
            }
        }
    }
}
