//! When the engine of this thread last looked for completions: what a benchmark needs to know about its own delays.
//!
//! The kernel has had a message since some instant before the engine saw it. Two instants bound the difference: the
//! engine's look that found it, and the time before that look in which the engine did not look ([`Look::unseen`]). Nothing
//! is recorded until the thread calls [`observe`], so that a server pays nothing for it.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// The number of past ring iterations whose submission is remembered. A message that takes longer than these does not
/// notice the delay of its submission.
const REMEMBERED: usize = 1024;
/// A wait that is longer than this has slept: what it found arrived meanwhile, not before it.
const SLEPT: Duration = Duration::from_micros(20);

/// One look for completions: a ring iteration, or a return from `epoll_wait`.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The number of the look on its thread, from 1.
    pub number: u64,
    /// When it ended: everything that it found was there by then.
    pub ended: Instant,
    /// How long before `ended` the thread had not looked. It excludes sleep in the kernel, which arriving data ends, up to
    /// the deadline of that sleep.
    pub unseen: Duration,
}

/// The looks of one thread.
struct Log {
    observed: Cell<bool>,
    /// The number of the latest look.
    latest: Cell<u64>,
    /// The number of the look that found what was read last.
    read: Cell<u64>,
    /// With an engine that reads when a task does, not when it looks: when the thread parked last, and its deadline.
    parking: Cell<Option<(Instant, Option<Instant>)>>,
    /// The latest write went to the kernel at once.
    wrote_directly: Cell<bool>,
    /// When the next look hands its submissions to the kernel.
    submitting: Cell<Option<Instant>>,
    /// The latest looks, at their number modulo [`REMEMBERED`]; with the instant at which each handed its submissions to
    /// the kernel. Empty unless observed.
    looks: RefCell<Vec<(Look, Option<Instant>)>>,
}

thread_local! {
    static LOG: Log = const {
        Log {
            observed: Cell::new(false),
            latest: Cell::new(0),
            read: Cell::new(0),
            parking: Cell::new(None),
            wrote_directly: Cell::new(false),
            submitting: Cell::new(None),
            looks: RefCell::new(Vec::new()),
        }
    };
}

impl Log {
    /// The look with this number and its submission, if it is remembered.
    fn get(&self, number: u64) -> Option<(Look, Option<Instant>)> {
        let looks = self.looks.borrow();
        looks.get(number as usize % REMEMBERED).copied().filter(|(look, _)| look.number == number)
    }
}

/// Records the looks of this thread from now on.
pub fn observe() {
    LOG.with(|log| {
        log.observed.set(true);
        log.looks.borrow_mut().reserve_exact(REMEMBERED);
    });
}

/// Whether the looks of this thread are recorded.
pub(super) fn is_observed() -> bool {
    LOG.with(|log| log.observed.get())
}

/// The number of the latest look of this thread; 0 before the first.
pub fn latest_number() -> u64 {
    LOG.with(|log| log.latest.get())
}

/// The look that found what this thread read at `read`, just now. `None` if the engine records none.
pub fn of_latest_read(read: Instant) -> Option<Look> {
    LOG.with(|log| match log.parking.get() {
        None => log.get(log.read.get()).or_else(|| log.get(log.latest.get())).map(|(look, _)| look),
        // The read itself was the look: what it found may have arrived at any time since the thread woke up.
        Some(_) => {
            let (look, _) = log.get(log.latest.get())?;
            let unseen = look.unseen + read.saturating_duration_since(look.ended);
            Some(Look { ended: read.max(look.ended), unseen, ..look })
        }
    })
}

/// When the engine handed to the kernel what was written after the look with this number. `None` if writes do not wait
/// for the engine, or if it was too long ago.
pub fn submitted_after(number: u64) -> Option<Instant> {
    LOG.with(|log| log.get(number + 1)?.1)
}

/// Whether the latest write of this thread went to the kernel at once, although the engine collects writes.
pub fn wrote_directly() -> bool {
    LOG.with(|log| log.wrote_directly.get())
}

/// A write went to the kernel at once, or waits for the next look.
pub(super) fn record_write(directly: bool) {
    LOG.with(|log| log.wrote_directly.set(directly));
}

/// What was read just now was found by the look with this number.
pub(super) fn record_read(number: u64) {
    LOG.with(|log| log.read.set(number));
}

/// The next look hands its submissions to the kernel at `at`.
pub(super) fn record_submission(at: Instant) {
    LOG.with(|log| log.submitting.set(Some(at)));
}

/// A look ended. Numbers start at 1 and have no gaps.
pub(super) fn record(look: Look) {
    LOG.with(|log| {
        log.latest.set(look.number);
        let entry = (look, log.submitting.take());
        let mut looks = log.looks.borrow_mut();
        let at = look.number as usize % REMEMBERED;
        // The first look has the number 1: the place of number 0 is filled with it until look 1024.
        while looks.len() <= at {
            looks.push(entry);
        }
        looks[at] = entry;
    });
}

/// The thread of an engine whose tasks read directly is about to wait, at most until `deadline`.
pub(super) fn park(deadline: Option<Instant>) {
    if is_observed() {
        LOG.with(|log| log.parking.set(Some((Instant::now(), deadline))));
    }
}

/// It has waited.
pub(super) fn unpark() {
    let ended = Instant::now();
    LOG.with(|log| {
        let Some((entered, deadline)) = log.parking.get() else { return };
        let number = log.latest.get() + 1;
        let previous = log.get(log.latest.get()).map_or(entered, |(look, _)| look.ended);
        record(Look { number, ended, unseen: unseen_by_sleeping(previous, entered, deadline, ended) });
    });
}

/// The part of a wait that began at `entered`, after the look that ended at `previous`, in which nothing would have woken
/// the thread: the work before it, unless it slept, and its delay beyond `deadline`.
pub(super) fn unseen_by_sleeping(
    previous: Instant,
    entered: Instant,
    deadline: Option<Instant>,
    ended: Instant,
) -> Duration {
    let slept = ended.saturating_duration_since(entered) > SLEPT;
    let work = if slept { Duration::ZERO } else { ended.saturating_duration_since(previous) };
    // A wait is entered late if its deadline has already passed.
    let overdue = deadline.map_or(Duration::ZERO, |deadline| ended.saturating_duration_since(deadline.max(entered)));
    work.max(overdue)
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn unseen_time_is_work_without_sleep_and_delay_beyond_the_deadline() {
        let start = Instant::now();
        let at = |us: u32| start + US * us;
        // Returned at once: what it found may have come at any time since the previous look.
        assert_eq!(unseen_by_sleeping(at(0), at(90), None, at(100)), US * 100);
        // Slept, and was woken by what arrived.
        assert_eq!(unseen_by_sleeping(at(0), at(90), Some(at(9000)), at(500)), Duration::ZERO);
        // Slept beyond its deadline: the thread was kept from running.
        assert_eq!(unseen_by_sleeping(at(0), at(90), Some(at(5000)), at(305_000)), US * 300_000);
    }

    #[test]
    fn looks_are_remembered_with_their_submissions() {
        std::thread::spawn(|| {
            let start = Instant::now();
            let at = |us: u64| start + US * us as u32;
            observe();
            assert!(of_latest_read(start).is_none() && submitted_after(0).is_none());
            for number in 1..=2000u64 {
                record_submission(at(2 * number));
                record(Look { number, ended: at(2 * number + 1), unseen: US });
                assert_eq!(submitted_after(number - 1), Some(at(2 * number)));
                assert_eq!(submitted_after(number), None, "not yet submitted");
                assert_eq!(latest_number(), number);
            }
            assert!(submitted_after(2000 - 1024).is_some() && submitted_after(2000 - 1025).is_none());
            record_read(1990);
            assert_eq!(of_latest_read(start).unwrap().ended, at(2 * 1990 + 1));
            // Too long ago: the latest one.
            record_read(900);
            assert_eq!(of_latest_read(start).unwrap().number, 2000);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_read_of_a_task_is_a_look_of_its_own() {
        std::thread::spawn(|| {
            observe();
            park(None);
            std::thread::sleep(US * 200);
            unpark();
            let woken = of_latest_read(Instant::now()).unwrap();
            std::thread::sleep(US * 300);
            let read = Instant::now();
            let look = of_latest_read(read).unwrap();
            assert_eq!((look.number, look.ended), (1, read));
            assert!(look.unseen >= US * 300 + woken.unseen, "{look:?}");
        })
        .join()
        .unwrap();
    }
}
