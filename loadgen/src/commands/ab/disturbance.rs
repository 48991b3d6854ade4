//! Signs that the machine interfered with a block, independent of what was measured: [`Watch`], and a fixed amount of
//! work before each trial.

use std::hint::black_box;
use std::time::{Duration, Instant};

use procfs::{Current, MemoryPressure};
use wss_analysis::comparison::Disturbance;

use crate::setup::environment::CpuTime;

/// Readings at the start of a block.
pub(super) struct Watch {
    begun: Instant,
    cpu: Option<CpuTime>,
    memory: Option<Duration>,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), cpu: CpuTime::now(), memory: memory_stall() }
    }

    /// The disturbance since then.
    pub(super) fn end(self) -> Disturbance {
        let elapsed = self.begun.elapsed();
        let stalled = self.memory.zip(memory_stall()).map(|(begun, ended)| ended.saturating_sub(begun));
        let percent = |stalled: Duration| 100.0 * stalled.as_secs_f64() / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        Disturbance { steal_percent: CpuTime::stolen_percent(self.cpu), memory_stall_percent: stalled.map(percent) }
    }
}

/// Time since boot in which some task waited for memory; `None` on a kernel without PSI.
fn memory_stall() -> Option<Duration> {
    MemoryPressure::current().ok().map(|pressure| Duration::from_micros(pressure.some.total))
}

/// Rounds of the fixed work. Their median counts, so that one interrupted round has no effect.
const ROUNDS: usize = 5;
/// Steps per round: about a millisecond.
const STEPS: u64 = 1_000_000;

/// Duration of a fixed amount of work that needs only a core, in nanoseconds.
pub(super) fn fixed_work_ns() -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let begun = Instant::now();
            // xorshift64: each step depends on the one before.
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
    fn disturbance_is_a_share_of_the_time_of_a_block() {
        let watch = Watch::begin();
        assert!(fixed_work_ns() > 0.0);
        let disturbance = watch.end();
        for share in [disturbance.steal_percent, disturbance.memory_stall_percent].into_iter().flatten() {
            // Stalls are counted in steps, so that a short block may exceed 100%.
            assert!(share >= 0.0 && share.is_finite(), "{disturbance:?}");
        }
    }
}
