//! When the time of a phase passes: all the while ([`PhaseClock::from`] its start), or in turns with other runs that go on
//! at the same time on the same CPUs ([`TimeSlices`]), and stands still in those of the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use wss_model::config::TimeSlice;

/// One part in so many of a turn is its end, for which nothing is planned, so that what is under way ends before the
/// next one's turn.
const QUIET: u32 = 5;
/// Cycles that are drawn; the first comes again after the last. At 20 ms and 4 runs that is 80 s.
const DRAWN: usize = 1000;

/// How the runs take slices: in each cycle every one once, in an order that is drawn for each.
#[derive(Debug)]
pub(crate) struct TimeSlices {
    /// When the first cycle begins.
    origin: Instant,
    turn: TimeSlice,
    /// In each cycle, how many have their turn before this run has.
    before: Vec<u32>,
}

impl TimeSlices {
    /// From `origin` and `seed`, which have to be the same for all of the runs.
    pub(crate) fn new(turn: TimeSlice, origin: Instant, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut order: Vec<u32> = (0..turn.runs).collect();
        let mut place = |number: u32| {
            order.shuffle(&mut rng);
            (0..).zip(&order).find(|(_, whose)| **whose == number).map_or(0, |(place, _)| place)
        };
        Self { origin, turn, before: (0..DRAWN).map(|_| place(turn.number - 1)).collect() }
    }

    /// A phase from the first cycle on that begins at `earliest` or later.
    pub(crate) fn phase(self: &Arc<Self>, earliest: Instant) -> PhaseClock {
        let cycles = earliest.saturating_duration_since(self.origin).as_nanos().div_ceil(self.cycle().as_nanos());
        let first = u32::try_from(cycles).unwrap_or(u32::MAX);
        PhaseClock { start: self.begin(first), slices: Some((first, Arc::clone(self))) }
    }

    /// How long all of this takes that takes so long in one's own turns.
    pub(crate) fn lasts(&self, time: Duration) -> Duration {
        let turns = time.as_nanos().div_ceil(self.usable().as_nanos());
        self.cycle().saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
    }

    /// Which part of the time this run may begin something in.
    pub(crate) fn share(&self) -> f64 {
        self.usable().as_secs_f64() / self.cycle().as_secs_f64()
    }

    fn length(&self) -> Duration {
        self.turn.length.0
    }

    fn cycle(&self) -> Duration {
        self.length() * self.turn.runs
    }

    /// What of a turn something may be begun in.
    fn usable(&self) -> Duration {
        self.length() - self.length() / QUIET
    }

    /// When this run's turn begins in a cycle.
    fn begin(&self, cycle: u32) -> Instant {
        self.origin + self.cycle() * cycle + self.length() * self.before[cycle as usize % DRAWN]
    }

    /// The next instant from `now` on that is within `of_turn` of the begin of an own turn.
    fn open_in(&self, now: Instant, of_turn: Duration) -> Instant {
        let cycle = self.cycle_at(now);
        let begin = self.begin(cycle);
        if now < begin + of_turn { now.max(begin) } else { self.begin(cycle + 1) }
    }

    fn cycle_at(&self, instant: Instant) -> u32 {
        let cycles = instant.saturating_duration_since(self.origin).as_nanos() / self.cycle().as_nanos();
        u32::try_from(cycles).unwrap_or(u32::MAX)
    }
}

/// The time of one phase.
#[derive(Debug, Clone)]
pub(crate) struct PhaseClock {
    start: Instant,
    /// With the cycle in which it starts.
    slices: Option<(u32, Arc<TimeSlices>)>,
}

impl From<Instant> for PhaseClock {
    fn from(start: Instant) -> Self {
        Self { start, slices: None }
    }
}

impl PhaseClock {
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// When so much of its time has passed, and more is to come.
    pub(crate) fn at(&self, time: Duration) -> Instant {
        let Some((first, turns)) = &self.slices else { return self.start + time };
        let usable = turns.usable().as_nanos();
        let (turn, rest) = (time.as_nanos() / usable, time.as_nanos() % usable);
        turns.begin(first + turn as u32) + Duration::from_nanos(rest as u64)
    }

    /// When so much of its time has passed, and no more is to come.
    pub(crate) fn end(&self, time: Duration) -> Instant {
        let instant = Duration::from_nanos(1);
        if time.is_zero() { self.start } else { self.at(time - instant) + instant }
    }

    /// How much of its time has passed by then.
    pub(crate) fn passed(&self, by: Instant) -> Duration {
        self.passed_in(by, TimeSlices::usable)
    }

    /// The same with the ends of the turns, in which what was begun before comes to its end.
    pub(crate) fn passed_with_ends(&self, by: Instant) -> Duration {
        self.passed_in(by, TimeSlices::length)
    }

    fn passed_in(&self, by: Instant, of_turn: impl Fn(&TimeSlices) -> Duration) -> Duration {
        let Some((first, turns)) = &self.slices else { return by.saturating_duration_since(self.start) };
        let cycle = turns.cycle_at(by);
        let Some(whole) = cycle.checked_sub(*first) else { return Duration::ZERO };
        of_turn(turns) * whole + by.saturating_duration_since(turns.begin(cycle)).min(of_turn(turns))
    }

    /// The next instant from `now` on at which something may be begun of its own accord: `now`, unless it is another's
    /// turn, or soon will be.
    #[inline] // asked before every message, mostly without turns
    pub(crate) fn open(&self, now: Instant) -> Instant {
        self.open_in(now, TimeSlices::usable)
    }

    /// The same for what was planned for an instant that has passed: a little late it is still in time, and not to be put
    /// off by a cycle.
    #[inline]
    pub(crate) fn open_to_planned(&self, now: Instant) -> Instant {
        self.open_in(now, TimeSlices::length)
    }

    #[inline]
    fn open_in(&self, now: Instant, of_turn: impl Fn(&TimeSlices) -> Duration) -> Instant {
        match &self.slices {
            None => now,
            Some((_, turns)) => turns.open_in(now.max(self.start), of_turn(turns)),
        }
    }

    /// So long after the end of a phase, and not before it had a turn of its own once more.
    pub(crate) fn after(&self, end: Instant, time: Duration) -> Instant {
        let turn = self.slices.as_ref().map_or(Duration::ZERO, |(_, turns)| turns.length());
        self.open(end + time) + turn
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wss_model::HumanDuration;

    use super::*;

    const LENGTH: Duration = Duration::from_millis(20);

    fn runs(number: u32, seed: u64, origin: Instant) -> Vec<Arc<TimeSlices>> {
        let turn = |number| TimeSlice { number, runs: 4, length: HumanDuration(LENGTH) };
        (1..=number).map(|number| Arc::new(TimeSlices::new(turn(number), origin, seed))).collect()
    }

    #[test]
    fn without_turns_time_passes_all_the_while() {
        let start = Instant::now();
        let time = PhaseClock::from(start);
        let second = Duration::from_secs(1);
        assert_eq!((time.at(second), time.end(second), time.open(start)), (start + second, start + second, start));
        assert_eq!((time.passed(start + second), time.passed_with_ends(start + second)), (second, second));
    }

    #[test]
    fn every_run_has_each_place_about_as_often() {
        for turns in runs(4, 1, Instant::now()) {
            for place in 0..4 {
                let often = turns.before.iter().filter(|before| **before == place).count();
                assert!((180..320).contains(&often), "{often} of {DRAWN}");
            }
        }
    }

    proptest! {
        #[test]
        fn at_any_instant_at_most_one_run_may_begin_something(seed: u64, ms in 0u64..100_000) {
            let origin = Instant::now();
            let now = origin + Duration::from_millis(ms);
            let open = |slices: &Arc<TimeSlices>| slices.phase(origin).open(now) == now;
            prop_assert!(runs(4, seed, origin).into_iter().filter(open).count() <= 1);
        }

        #[test]
        fn what_is_planned_is_in_an_own_turn_and_the_time_that_passed_by_then(seed: u64, late in 0u64..1000, us in 1u64..3_000_000) {
            let origin = Instant::now();
            let earliest = origin + Duration::from_millis(late);
            for turns in runs(4, seed, origin) {
                let (usable, phase) = (turns.usable(), turns.phase(earliest));
                prop_assert!(phase.start() >= earliest);
                let time = Duration::from_micros(us);
                let at = phase.at(time);
                prop_assert_eq!(phase.open(at), at);
                prop_assert_eq!(phase.passed(at), time);
                prop_assert_eq!(phase.passed(phase.end(time)), time);
                prop_assert!(phase.end(time) <= at && phase.end(time) > phase.at(time.saturating_sub(usable)));
                // In the end of a turn nothing passes, and the next one is a turn of its own.
                let closed = phase.end(usable) + LENGTH / 10;
                prop_assert_eq!(phase.passed(closed), usable);
                prop_assert_eq!(phase.open(closed), phase.at(usable));
                prop_assert_eq!(phase.open_to_planned(closed), closed);
                prop_assert!(phase.after(closed, Duration::ZERO) > phase.open(closed));
                prop_assert_eq!(phase.passed_with_ends(phase.at(usable)), LENGTH);
            }
        }
    }
}
