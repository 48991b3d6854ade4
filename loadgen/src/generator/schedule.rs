//! Planned instants: when the next handshake or message is due, whatever happened to the earlier ones.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Exp1};
use wss_model::Arrivals;

use super::phase_clock::PhaseClock;

/// One of several streams of planned instants that have a rate together.
///
/// Even arrivals: stream i of n is due at (i + k · n) / rate, so that together they are due every 1 / rate. Poisson
/// arrivals: each stream has exponential gaps of mean n / rate from a seed of its own, so that together they are a
/// Poisson process of the rate.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    clock: PhaseClock,
    /// Mean gap of this stream, in seconds.
    gap: f64,
    /// The next planned instant, in seconds of the phase's clock.
    next: f64,
    /// With Poisson arrivals.
    random: Option<SmallRng>,
}

impl Schedule {
    /// Stream number `stream` of `streams`, which have `rate` per second together, from the start of the phase.
    pub(crate) fn new(
        clock: PhaseClock,
        rate: f64,
        stream: usize,
        streams: usize,
        arrivals: Arrivals,
        seed: u64,
    ) -> Self {
        #[allow(clippy::cast_precision_loss)] // a few 100,000 streams at most
        let (stream_number, gap) = (stream as f64, streams as f64 / rate);
        let mut schedule = Self { clock, gap, next: stream_number / rate, random: None };
        if arrivals == Arrivals::Poisson {
            // The constant makes the seeds of neighbouring streams differ in all their bits.
            let seed = seed ^ (stream as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            schedule.random = Some(SmallRng::seed_from_u64(seed));
            schedule.next = 0.0;
            schedule.advance();
        }
        schedule
    }

    /// The next planned instant.
    pub(crate) fn peek(&self) -> Instant {
        self.clock.at(Duration::from_secs_f64(self.next))
    }

    /// Moves on to the instant after it.
    pub(crate) fn advance(&mut self) {
        self.next += match &mut self.random {
            Some(random) => {
                let gap: f64 = Exp1.sample(random);
                gap * self.gap
            }
            None => self.gap,
        };
    }

    /// Moves on to the first instant at or after `end`; returns how many it skipped.
    pub(crate) fn skip_until(&mut self, end: Instant) -> u64 {
        let mut skipped = 0;
        while self.peek() < end {
            self.advance();
            skipped += 1;
        }
        skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instants(schedule: &mut Schedule, start: Instant, count: usize) -> Vec<Duration> {
        (0..count)
            .map(|_| {
                let instant = schedule.peek() - start;
                schedule.advance();
                instant
            })
            .collect()
    }

    #[test]
    fn even_streams_are_due_at_equal_distances() {
        let start = Instant::now();
        let mut all: Vec<Duration> = (0..7)
            .flat_map(|stream| {
                instants(&mut Schedule::new(start.into(), 700.0, stream, 7, Arrivals::Even, 1), start, 100)
            })
            .collect();
        all.sort();
        for pair in all.windows(2) {
            let gap = (pair[1] - pair[0]).as_secs_f64();
            assert!((gap - 1.0 / 700.0).abs() < 1e-6, "a gap of {gap} s");
        }
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let start = Instant::now();
        let instants = instants(&mut Schedule::new(start.into(), 1000.0, 0, 1, Arrivals::Poisson, 7), start, 100_000);
        let gaps: Vec<f64> = instants.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        #[allow(clippy::cast_precision_loss)]
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        #[allow(clippy::cast_precision_loss)]
        let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        assert!((mean * 1000.0 - 1.0).abs() < 0.02, "a mean of {mean} s");
        assert!((deviation / mean - 1.0).abs() < 0.03, "a deviation of {deviation} s");
    }

    #[test]
    fn instants_depend_on_seed_and_stream_only() {
        let start = Instant::now();
        let of = |stream, seed| {
            instants(&mut Schedule::new(start.into(), 100.0, stream, 4, Arrivals::Poisson, seed), start, 10)
        };
        assert_eq!(of(2, 5), of(2, 5));
        assert_ne!(of(2, 5), of(3, 5));
        assert_ne!(of(2, 5), of(2, 6));
    }

    #[test]
    fn skip_until_counts_the_skipped_instants() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start.into(), 1000.0, 0, 10, Arrivals::Even, 1);
        assert_eq!(schedule.skip_until(start + Duration::from_millis(1001)), 101);
        assert_eq!(schedule.skip_until(start), 0);
    }
}
