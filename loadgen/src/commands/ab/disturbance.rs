//! What the machine did while a block was run, seen without a look at what was measured: [`Watch`], and work that is
//! always the same.

use std::hint::black_box;
use std::time::{Duration, Instant};

use procfs::{Current, MemoryPressure};
use wss_analysis::comparison::Disturbance;

use crate::setup::environment::CpuTime;

/// A block's beginning.
pub(super) struct Watch {
    begun: Instant,
    cpu: Option<CpuTime>,
    memory: Option<Duration>,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), cpu: CpuTime::now(), memory: memory_stall() }
    }

    /// What was seen since.
    pub(super) fn end(self) -> Disturbance {
        let elapsed = self.begun.elapsed();
        let stalled = self.memory.zip(memory_stall()).map(|(begun, ended)| ended.saturating_sub(begun));
        let percent = |stalled: Duration| 100.0 * stalled.as_secs_f64() / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        Disturbance { steal_percent: CpuTime::stolen_percent(self.cpu), memory_stall_percent: stalled.map(percent) }
    }
}

/// Time in which something waited for memory, since the machine started; `None` on a kernel without PSI.
fn memory_stall() -> Option<Duration> {
    MemoryPressure::current().ok().map(|pressure| Duration::from_micros(pressure.some.total))
}

/// Rounds of the fixed work, of which the median counts: one that was interrupted says nothing of the machine.
const ROUNDS: usize = 5;
/// Steps of a round: about a millisecond.
const STEPS: u64 = 1_000_000;

/// How long work takes that is always the same and needs nothing but a core, nanoseconds.
pub(super) fn fixed_work_ns() -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let begun = Instant::now();
            // xorshift64: each step needs the one before.
            let mut state = black_box(88_172_645_463_325_252 + round as u64);
            for _ in 0..STEPS {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
            }
            black_box(state);
            begun.elapsed().as_secs_f64() * 1e9
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_of_a_block_is_a_share_of_its_time() {
        let watch = Watch::begin();
        assert!(fixed_work_ns() > 0.0);
        let disturbance = watch.end();
        for share in [disturbance.steal_percent, disturbance.memory_stall_percent].into_iter().flatten() {
            // Stalls are counted in steps: a short block may hold the whole of one.
            assert!(share >= 0.0 && share.is_finite(), "{disturbance:?}");
        }
    }
}
