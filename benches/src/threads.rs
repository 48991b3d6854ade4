//! CPU time of another process, thread by thread, in nanoseconds: [`ThreadTimes`].
//!
//! `utime` and `stime` of `/proc/<pid>/stat` count hundredths of a second: 1 % of a trial's CPU time at a paced load.
//! `/proc/<pid>/task/<tid>/schedstat` has nanoseconds, but forgets a thread that has ended, so those are told. A thread
//! that runs at the moment of the look is off by at most a scheduler tick (1 to 4 ms); one that sleeps is exact.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;

/// What each thread of a process had run until one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadTimes(BTreeMap<u32, u64>);

/// What a process ran between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// Nanoseconds, all threads together.
    pub ns: u64,
    /// Threads that ended in between: what they ran after the first look is missing above.
    pub ended: usize,
}

impl ThreadTimes {
    /// The threads of the process `pid` now.
    ///
    /// # Errors
    /// If the process is gone, or the kernel was built without schedstat (`CONFIG_SCHED_INFO`).
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let folder = format!("/proc/{pid}/task");
        let mut times = BTreeMap::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("listing the threads in {folder}"))? {
            let path = entry.with_context(|| format!("listing the threads in {folder}"))?.path();
            let Some(thread) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok())
            else {
                continue;
            };
            if let Some(ns) = run_time(&path.join("schedstat"))? {
                times.insert(thread, ns);
            }
        }
        Ok(Self(times))
    }

    /// What ran since `earlier`. A thread that was started in between counts from its beginning.
    pub fn since(&self, earlier: &Self) -> Ran {
        let before = |thread| earlier.0.get(thread).copied().unwrap_or(0);
        Ran {
            ns: self.0.iter().map(|(thread, ns)| ns.saturating_sub(before(thread))).sum(),
            ended: earlier.0.keys().filter(|thread| !self.0.contains_key(thread)).count(),
        }
    }
}

/// The first field of a schedstat file; `None` if its thread ended after it was listed.
fn run_time(path: &Path) -> anyhow::Result<Option<u64>> {
    let reading = || format!("reading the CPU time of a thread from {}", path.display());
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        // ENOENT if it went before the opening, ESRCH if before the reading.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(3) => return Ok(None),
        Err(error) => return Err(error).with_context(reading),
    };
    let first = text.split_whitespace().next().with_context(reading)?;
    first.parse().map(Some).with_context(reading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_thread_that_works_is_counted_and_one_that_ended_is_told() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || stopped.recv());
        // Every test runs on a thread of its own, and others may end meanwhile: only what is added here is asserted.
        let before = ThreadTimes::of(std::process::id()).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        drop(stop);
        let _ = thread.join().unwrap();
        // The kernel takes a thread out of the listing shortly after it can be joined.
        std::thread::sleep(Duration::from_millis(20));
        let ran = ThreadTimes::of(std::process::id()).unwrap().since(&before);
        assert!(ran.ns > 1_000_000, "{ran:?}");
        assert!(ran.ended >= 1, "{ran:?}");
    }

    #[test]
    fn new_threads_count_from_their_beginning() {
        let before = ThreadTimes(BTreeMap::from([(1, 100), (2, 50)]));
        let after = ThreadTimes(BTreeMap::from([(1, 130), (3, 7)]));
        assert_eq!(after.since(&before), Ran { ns: 37, ended: 1 });
    }
}
