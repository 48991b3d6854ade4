//! The clock of a phase: wall time, or with [`TimeSlices`] only the time inside this run's own slices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use wss_model::config::TimeSlice;

/// One part in this many of a slice is its tail: nothing is planned there, so that operations under way complete before
/// the next run's slice.
const TAIL: u32 = 5;
/// Cycles with an order of their own; then the orders repeat. At 20 ms and 4 runs that is after 80 s.
const CYCLES: usize = 1000;

/// The slices of one of several runs that alternate on the same CPUs. Every cycle has one slice of each run, in a
/// random order.
#[derive(Debug)]
pub(crate) struct TimeSlices {
    /// Start of the first cycle.
    origin: Instant,
    slice: TimeSlice,
    /// Per cycle, the number of slices before this run's.
    positions: Vec<u32>,
}

impl TimeSlices {
    /// `origin` and `seed` have to be the same for all runs.
    pub(crate) fn new(slice: TimeSlice, origin: Instant, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut order: Vec<u32> = (0..slice.runs).collect();
        let mut position = |run: u32| {
            order.shuffle(&mut rng);
            (0..).zip(&order).find(|(_, other)| **other == run).map_or(0, |(position, _)| position)
        };
        Self { origin, slice, positions: (0..CYCLES).map(|_| position(slice.number - 1)).collect() }
    }

    /// A phase that starts with the first cycle at or after `earliest`.
    pub(crate) fn phase(self: &Arc<Self>, earliest: Instant) -> PhaseClock {
        let cycles = earliest.saturating_duration_since(self.origin).as_nanos().div_ceil(self.cycle().as_nanos());
        let first = u32::try_from(cycles).unwrap_or(u32::MAX);
        PhaseClock { start: self.slice_start(first), slices: Some((first, Arc::clone(self))) }
    }

    /// Wall time of the cycles that hold `time` of this run's own.
    pub(crate) fn wall_time(&self, time: Duration) -> Duration {
        let cycles = time.as_nanos().div_ceil(self.active().as_nanos());
        self.cycle().saturating_mul(u32::try_from(cycles).unwrap_or(u32::MAX))
    }

    /// The share of wall time in which this run may start operations, 0 to 1.
    pub(crate) fn active_share(&self) -> f64 {
        self.active().as_secs_f64() / self.cycle().as_secs_f64()
    }

    fn length(&self) -> Duration {
        self.slice.length.0
    }

    fn cycle(&self) -> Duration {
        self.length() * self.slice.runs
    }

    /// A slice without its tail.
    fn active(&self) -> Duration {
        self.length() - self.length() / TAIL
    }

    /// Start of this run's slice in a cycle.
    fn slice_start(&self, cycle: u32) -> Instant {
        self.origin + self.cycle() * cycle + self.length() * self.positions[cycle as usize % CYCLES]
    }

    /// The earliest instant at or after `now` in the first `part` of one of this run's slices.
    fn next_within(&self, now: Instant, part: Duration) -> Instant {
        let cycle = self.cycle_at(now);
        let start = self.slice_start(cycle);
        if now < start + part { now.max(start) } else { self.slice_start(cycle + 1) }
    }

    fn cycle_at(&self, instant: Instant) -> u32 {
        let cycles = instant.saturating_duration_since(self.origin).as_nanos() / self.cycle().as_nanos();
        u32::try_from(cycles).unwrap_or(u32::MAX)
    }
}

/// The clock of one phase.
#[derive(Debug, Clone)]
pub(crate) struct PhaseClock {
    start: Instant,
    /// The cycle in which the phase starts, and the slices.
    slices: Option<(u32, Arc<TimeSlices>)>,
}

impl From<Instant> for PhaseClock {
    /// Wall time from `start` on.
    fn from(start: Instant) -> Self {
        Self { start, slices: None }
    }
}

impl PhaseClock {
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// Whether other runs use the CPUs in between.
    pub(crate) fn has_slices(&self) -> bool {
        self.slices.is_some()
    }

    /// The instant at which `time` has elapsed. At the end of a slice that is the start of the next one.
    pub(crate) fn at(&self, time: Duration) -> Instant {
        let Some((first, slices)) = &self.slices else { return self.start + time };
        let active = slices.active().as_nanos();
        let (cycles, rest) = (time.as_nanos() / active, time.as_nanos() % active);
        slices.slice_start(first + cycles as u32) + Duration::from_nanos(rest as u64)
    }

    /// The end of a phase that lasts `time`. At the end of a slice that is the start of its tail.
    pub(crate) fn end(&self, time: Duration) -> Instant {
        let instant = Duration::from_nanos(1);
        if time.is_zero() { self.start } else { self.at(time - instant) + instant }
    }

    /// Time elapsed at `instant`, without the tails of the slices.
    pub(crate) fn elapsed(&self, instant: Instant) -> Duration {
        self.elapsed_within(instant, TimeSlices::active)
    }

    /// Time elapsed at `instant`, including the tails, in which operations under way complete.
    pub(crate) fn elapsed_with_tails(&self, instant: Instant) -> Duration {
        self.elapsed_within(instant, TimeSlices::length)
    }

    fn elapsed_within(&self, instant: Instant, part: impl Fn(&TimeSlices) -> Duration) -> Duration {
        let Some((first, slices)) = &self.slices else { return instant.saturating_duration_since(self.start) };
        let cycle = slices.cycle_at(instant);
        let Some(cycles) = cycle.checked_sub(*first) else { return Duration::ZERO };
        let part = part(slices);
        part * cycles + instant.saturating_duration_since(slices.slice_start(cycle)).min(part)
    }

    /// The earliest instant at or after `now` inside one of this run's slices, tails excluded.
    #[inline] // called before every message, usually without slices
    pub(crate) fn next_allowed(&self, now: Instant) -> Instant {
        self.next_within(now, TimeSlices::active)
    }

    /// [`next_allowed`](Self::next_allowed) for an operation that was planned for an earlier instant: it may still
    /// start in the tail, so that a little lateness does not cost a whole cycle.
    #[inline]
    pub(crate) fn next_allowed_late(&self, now: Instant) -> Instant {
        self.next_within(now, TimeSlices::length)
    }

    #[inline]
    fn next_within(&self, now: Instant, part: impl Fn(&TimeSlices) -> Duration) -> Instant {
        match &self.slices {
            None => now,
            Some((_, slices)) => slices.next_within(now.max(self.start), part(slices)),
        }
    }

    /// The end of a grace period after a phase's end. It covers at least one more slice of this run.
    pub(crate) fn grace_end(&self, end: Instant, grace: Duration) -> Instant {
        let slice = self.slices.as_ref().map_or(Duration::ZERO, |(_, slices)| slices.length());
        self.next_allowed(end + grace) + slice
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wss_model::HumanDuration;

    use super::*;

    const LENGTH: Duration = Duration::from_millis(20);

    fn runs(number: u32, seed: u64, origin: Instant) -> Vec<Arc<TimeSlices>> {
        let slice = |number| TimeSlice { number, runs: 4, length: HumanDuration(LENGTH) };
        (1..=number).map(|number| Arc::new(TimeSlices::new(slice(number), origin, seed))).collect()
    }

    #[test]
    fn without_slices_it_is_wall_time() {
        let start = Instant::now();
        let clock = PhaseClock::from(start);
        let second = Duration::from_secs(1);
        let instants = (clock.at(second), clock.end(second), clock.next_allowed(start));
        assert_eq!(instants, (start + second, start + second, start));
        assert_eq!((clock.elapsed(start + second), clock.elapsed_with_tails(start + second)), (second, second));
    }

    #[test]
    fn each_run_has_each_position_about_equally_often() {
        for slices in runs(4, 1, Instant::now()) {
            for position in 0..4 {
                let count = slices.positions.iter().filter(|other| **other == position).count();
                assert!((180..320).contains(&count), "{count} of {CYCLES}");
            }
        }
    }

    proptest! {
        #[test]
        fn at_most_one_run_may_start_operations(seed: u64, ms in 0u64..100_000) {
            let origin = Instant::now();
            let now = origin + Duration::from_millis(ms);
            let allowed = |slices: &Arc<TimeSlices>| slices.phase(origin).next_allowed(now) == now;
            prop_assert!(runs(4, seed, origin).into_iter().filter(allowed).count() <= 1);
        }

        #[test]
        fn planned_instants_lie_in_own_slices(seed: u64, late in 0u64..1000, us in 1u64..3_000_000) {
            let origin = Instant::now();
            let earliest = origin + Duration::from_millis(late);
            for slices in runs(4, seed, origin) {
                let (active, clock) = (slices.active(), slices.phase(earliest));
                prop_assert!(clock.start() >= earliest);
                let time = Duration::from_micros(us);
                let at = clock.at(time);
                prop_assert_eq!(clock.next_allowed(at), at);
                prop_assert_eq!(clock.elapsed(at), time);
                prop_assert_eq!(clock.elapsed(clock.end(time)), time);
                prop_assert!(clock.end(time) <= at && clock.end(time) > clock.at(time.saturating_sub(active)));
                // No time elapses in the tail, and the next allowed instant is in the next own slice.
                let tail = clock.end(active) + LENGTH / 10;
                prop_assert_eq!(clock.elapsed(tail), active);
                prop_assert_eq!(clock.next_allowed(tail), clock.at(active));
                prop_assert_eq!(clock.next_allowed_late(tail), tail);
                prop_assert!(clock.grace_end(tail, Duration::ZERO) > clock.next_allowed(tail));
                prop_assert_eq!(clock.elapsed_with_tails(clock.at(active)), LENGTH);
            }
        }
    }
}
