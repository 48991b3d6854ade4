//! Converts CLOCK_REALTIME, in which the kernel records packets, into [`Instant`], which is CLOCK_MONOTONIC.
//!
//! Both clocks run at the same speed; their difference is constant until somebody sets the time. Each conversion reads both,
//! which bounds the difference by two reads of the one around a read of the other. The intersection of all these bounds
//! narrows it to tens of nanoseconds. If it is empty, the time was set.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What two clocks of the same source may differ by through rounding.
const ROUNDING_NS: i64 = 10;

/// The bounds of CLOCK_REALTIME minus the time since `anchor`, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Difference {
    anchor: Instant,
    low: i64,
    high: i64,
}

thread_local! {
    static DIFFERENCE: RefCell<Option<Difference>> = const { RefCell::new(None) };
}

/// The instant of a time of CLOCK_REALTIME in the recent past, in nanoseconds since the epoch. `None` if the time was set
/// since the previous call, because the kernel may have recorded it before or after that.
pub(super) fn instant(realtime_ns: i64) -> Option<Instant> {
    let read = Difference::read();
    DIFFERENCE.with_borrow_mut(|known| match known {
        None => known.insert(read).instant(realtime_ns),
        Some(difference) => {
            if !difference.narrow(read) {
                *difference = read;
                return None;
            }
            difference.instant(realtime_ns)
        }
    })
}

impl Difference {
    fn read() -> Self {
        let before = Instant::now();
        let realtime = clock_gettime(ClockId::Realtime);
        let after = Instant::now();
        let realtime = realtime.tv_sec.saturating_mul(1_000_000_000).saturating_add(realtime.tv_nsec);
        Self::between(before, before, realtime, after)
    }

    /// From reads of CLOCK_MONOTONIC before and after one of CLOCK_REALTIME.
    fn between(anchor: Instant, before: Instant, realtime_ns: i64, after: Instant) -> Self {
        let since = |instant: Instant| nanoseconds(instant.saturating_duration_since(anchor));
        Self { anchor, low: realtime_ns - since(after), high: realtime_ns - since(before) }
    }

    /// Narrows the bounds by those of another read; `false` if they contradict each other.
    fn narrow(&mut self, read: Self) -> bool {
        let shift = nanoseconds(read.anchor.saturating_duration_since(self.anchor));
        let (low, high) = (self.low.max(read.low - shift), self.high.min(read.high - shift));
        if low > high + ROUNDING_NS {
            return false;
        }
        (self.low, self.high) = (low.min(high), high.max(low));
        true
    }

    fn instant(&self, realtime_ns: i64) -> Option<Instant> {
        let offset = realtime_ns - (self.low + (self.high - self.low) / 2);
        let distance = Duration::from_nanos(offset.unsigned_abs());
        if offset < 0 { self.anchor.checked_sub(distance) } else { self.anchor.checked_add(distance) }
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_narrow_the_difference_and_a_step_is_noticed() {
        let start = Instant::now();
        let at = |ns: u64| start + Duration::from_nanos(ns);
        let epoch = 1_700_000_000_000_000_000;
        // The true difference is `epoch`: at 400 ns the clock says epoch + 400.
        let mut difference = Difference::between(start, at(0), epoch + 400, at(1000));
        assert_eq!((difference.low, difference.high), (epoch - 600, epoch + 400));
        assert!(difference.narrow(Difference::between(at(5000), at(5000), epoch + 5030, at(5050))));
        assert_eq!((difference.low, difference.high), (epoch - 20, epoch + 30));
        assert_eq!(difference.instant(epoch + 7005), Some(at(7000)));
        // Two milliseconds later the clock was set back by one.
        assert!(!difference.narrow(Difference::between(
            at(2_000_000),
            at(2_000_000),
            epoch + 1_000_020,
            at(2_000_050)
        )));
    }

    #[test]
    fn now_is_now() {
        for _ in 0..1000 {
            let before = Instant::now();
            let realtime = clock_gettime(ClockId::Realtime);
            let after = Instant::now();
            let Some(now) = instant(realtime.tv_sec * 1_000_000_000 + realtime.tv_nsec) else { continue };
            let slack = Duration::from_micros(1);
            assert!(before <= now + slack && now <= after + slack, "{:?}", (before, now, after));
        }
    }
}
