//! The heartbeat of a thread: what kept the thread from running during a phase ([`ThreadDisturbance`]).
//!
//! A beat is a timer like those of the messages, so it is late whenever they are. It beats in closed loops, too, where no
//! message is planned. A beat is also late if the thread works, which is no disturbance, so the time in which it ran does
//! not count.

use std::time::{Duration, Instant};

use procfs::process::Process;
use wss_model::config::IdlePolicy;
use wss_model::disturbance::ThreadDisturbance;
use wss_wire::engine::idle;
use wss_wire::machine;

/// A longer delay of a beat is a stall. The work of one ring iteration takes less.
const STALL: Duration = Duration::from_millis(5);

/// The time between two beats. A sleeping thread wakes up for each, which costs some 3 µs.
pub(super) const fn period(idle: IdlePolicy) -> Duration {
    match idle {
        IdlePolicy::Spin => Duration::from_millis(1),
        IdlePolicy::Sleep => Duration::from_millis(5),
    }
}

/// What this thread has used until one moment.
#[derive(Debug, Clone, Copy)]
struct ThreadUsage {
    cpu: Duration,
    run_queue_ns: u64,
    involuntary_switches: u64,
}

impl ThreadUsage {
    fn now() -> Self {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        let task = Process::myself().and_then(|process| process.task_from_tid(thread));
        let (schedstat, status) = match &task {
            Ok(task) => (task.schedstat().ok(), task.status().ok()),
            Err(_) => (None, None),
        };
        Self {
            cpu: machine::thread_cpu().saturating_sub(idle::spun_by_thread()),
            run_queue_ns: schedstat.map_or(0, |schedstat| schedstat.run_delay),
            involuntary_switches: status.and_then(|status| status.nonvoluntary_ctxt_switches).unwrap_or(0),
        }
    }
}

/// The heartbeat of this thread in one phase.
#[derive(Debug)]
pub(super) struct Heartbeat {
    period: Duration,
    /// The latest beat and the CPU time until then.
    latest: (Instant, Duration),
    next: Instant,
    begun: Option<(Instant, ThreadUsage)>,
    found: ThreadDisturbance,
}

impl Heartbeat {
    /// A heartbeat that begins with the phase, at `start`.
    pub(super) fn new(idle: IdlePolicy, start: Instant) -> Self {
        let latest = (Instant::now(), machine::thread_cpu());
        Self { period: period(idle), latest, next: start, begun: None, found: ThreadDisturbance::default() }
    }

    /// The next beat.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// The beat that was due at [`next`](Self::next) happens at `now`. The first one is due when the phase begins, so that a
    /// thread that comes late to its phase has a delay, too.
    pub(super) fn beat(&mut self, now: Instant) {
        let cpu = machine::thread_cpu();
        self.note_delay(now, cpu);
        if self.begun.is_none() {
            self.begun = Some((self.next, ThreadUsage::now()));
        }
        self.latest = (now, cpu);
        self.next = now + self.period;
    }

    /// A beat at `now`, at which this thread has used `cpu`.
    fn note_delay(&mut self, now: Instant, cpu: Duration) {
        let (latest, cpu_then) = self.latest;
        let not_running = (now - latest).saturating_sub(cpu.saturating_sub(cpu_then));
        let delay = now.saturating_duration_since(self.next).min(not_running);
        self.found.longest_stall_ns = self.found.longest_stall_ns.max(ns(delay));
        if delay > STALL {
            self.found.stalls += 1;
            self.found.stalled_ns += ns(delay);
        }
    }

    /// The account of the phase, which ends at `now`.
    pub(super) fn end(mut self, now: Instant) -> ThreadDisturbance {
        let Some((begun, before)) = self.begun else { return self.found };
        self.note_delay(now, machine::thread_cpu());
        let after = ThreadUsage::now();
        ThreadDisturbance {
            elapsed_ns: ns(now - begun),
            cpu_ns: ns(after.cpu.saturating_sub(before.cpu)),
            run_queue_ns: after.run_queue_ns.saturating_sub(before.run_queue_ns),
            involuntary_switches: after.involuntary_switches.saturating_sub(before.involuntary_switches),
            ..self.found
        }
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn counts_late_beats_and_keeps_the_longest() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(IdlePolicy::Spin, start);
        heartbeat.beat(start);
        let mut now = start;
        // More delays: 0, 4, 7 and 30 ms.
        for delay in [0, 4, 7, 30] {
            now = heartbeat.next() + MS * delay;
            heartbeat.beat(now);
        }
        // The phase ends 21 ms after the last beat, 20 ms later than planned.
        let found = heartbeat.end(now + MS * 21);
        assert_eq!((found.stalls, found.stalled_ns, found.longest_stall_ns), (3, 57_000_000, 30_000_000));
        assert_eq!(found.elapsed_ns, 1_000_000 * (4 + 41 + 21));
        assert!((found.share() - 57.0 / 66.0).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn a_phase_that_never_began_has_no_account() {
        let found = Heartbeat::new(IdlePolicy::Sleep, Instant::now()).end(Instant::now());
        assert_eq!(found, ThreadDisturbance::default());
    }

    #[test]
    fn counts_cpu_time_of_this_thread_without_spinning() {
        let (start, cpu) = (Instant::now(), machine::thread_cpu());
        let mut heartbeat = Heartbeat::new(IdlePolicy::Spin, start);
        heartbeat.beat(start);
        while machine::thread_cpu() < cpu + MS * 10 {
            std::hint::spin_loop();
        }
        let found = heartbeat.end(Instant::now());
        assert!(found.cpu_ns > 0 && found.cpu_ns <= ns(machine::thread_cpu() - cpu), "{found:?}");
    }
}
