//! CPU time and memory of another process with its threads and children: [`ProcessUsage`].
//!
//! Two sources complement each other. `/proc/PID/task/TID/schedstat` counts nanoseconds and forgets a thread that has
//! ended. `/proc/PID/stat` keeps the time of ended threads and of children that were waited for, in ticks of 10 ms. As
//! long as no thread ends, the first one is exact, except that a thread which is running while it is read is behind by at
//! most a scheduler tick (1 to 4 ms). Source: proc(5), and `Documentation/scheduler/sched-stats.rst` of the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use procfs::process::Process;

/// Processes of a tree that are read, so that one which starts others without end costs no more than this.
const MAX_PROCESSES: usize = 256;
/// Ticks by which the two sources may differ for each process without a thread having ended: each of two readings of
/// `stat` is rounded.
const ROUNDING_TICKS: u64 = 2;

/// What a process and its descendants have used until one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProcessUsage {
    /// CPU time of each living thread, nanoseconds.
    threads: BTreeMap<i32, u64>,
    /// Time of each living thread in the run queue, nanoseconds.
    waiting: BTreeMap<i32, u64>,
    /// CPU time of all threads and of children that were waited for, by `stat`.
    accounted: Duration,
    processes: u64,
    /// Resident memory now and at its highest, bytes.
    pub(crate) rss_bytes: u64,
    pub(crate) rss_bytes_peak: u64,
    /// The anonymous part of the resident memory, bytes.
    pub(crate) rss_anon_bytes: u64,
}

impl ProcessUsage {
    /// Reads the process `pid` and its descendants.
    ///
    /// # Errors
    /// If the process has ended.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let root = i32::try_from(pid).context("reading a process ID")?;
        let mut usage = Self::default();
        let mut pending = vec![root];
        while let Some(pid) = pending.pop() {
            // A descendant may end while it is read.
            if let Ok(process) = Process::new(pid) {
                let _ = usage.add(&process, &mut pending);
            }
            if usage.processes >= MAX_PROCESSES as u64 {
                break;
            }
        }
        ensure!(usage.processes > 0, "process {pid} has ended");
        Ok(usage)
    }

    fn add(&mut self, process: &Process, pending: &mut Vec<i32>) -> anyhow::Result<()> {
        let stat = process.stat()?;
        // A zombie is still listed until its parent waits for it.
        ensure!(stat.state != 'Z', "process {} has ended", process.pid);
        let ticks = stat.utime + stat.stime + u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
        self.processes += 1;
        self.accounted += Duration::from_nanos(ticks.saturating_mul(ns_per_tick()));
        let status = process.status()?;
        self.rss_bytes += status.vmrss.unwrap_or(0) * 1024;
        self.rss_bytes_peak += status.vmhwm.unwrap_or(0) * 1024;
        self.rss_anon_bytes += status.rssanon.unwrap_or(0) * 1024;
        for task in process.tasks()?.flatten() {
            let folder = format!("/proc/{}/task/{}", process.pid, task.tid);
            if let Some((ran, waited)) = schedstat(&format!("{folder}/schedstat")) {
                self.threads.insert(task.tid, ran);
                self.waiting.insert(task.tid, waited);
            }
            let children = fs::read_to_string(format!("{folder}/children")).unwrap_or_default();
            pending.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
        Ok(())
    }

    /// Time that the living threads were ready to run but waited for a CPU, nanoseconds.
    pub(crate) fn run_queue_ns(&self) -> u64 {
        self.waiting.values().sum()
    }

    /// Threads of all processes together.
    pub(crate) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// CPU time since `earlier`. A thread that started in between counts from its start.
    pub(crate) fn cpu_since(&self, earlier: &Self) -> Duration {
        let before = |thread| earlier.threads.get(thread).copied().unwrap_or(0);
        let living: u64 = self.threads.iter().map(|(thread, ns)| ns.saturating_sub(before(thread))).sum();
        let living = Duration::from_nanos(living);
        let accounted = self.accounted.saturating_sub(earlier.accounted);
        let rounding = Duration::from_nanos(ROUNDING_TICKS * ns_per_tick() * self.processes.max(earlier.processes));
        // More than rounding explains: threads or children have ended, with time that only `stat` knows.
        if accounted > living + rounding { accounted } else { living }
    }
}

fn ns_per_tick() -> u64 {
    1_000_000_000 / procfs::ticks_per_second().max(1)
}

/// The first two fields of a `schedstat` file: time on a CPU and in the run queue, nanoseconds. `None` if its thread has
/// ended, or on a kernel without `CONFIG_SCHED_INFO`.
fn schedstat(path: &str) -> Option<(u64, u64)> {
    let text = fs::read_to_string(path).ok()?;
    let mut fields = text.split_whitespace().map(|field| field.parse().ok());
    Some((fields.next()??, fields.next()??))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use super::*;

    /// Spins until the thread has used this CPU time, however busy the machine is.
    fn use_cpu(time: Duration) {
        while wss_wire::machine::thread_cpu() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn counts_the_time_of_a_thread_that_has_ended() {
        let before = ProcessUsage::of(std::process::id()).unwrap();
        std::thread::spawn(|| use_cpu(Duration::from_millis(100))).join().unwrap();
        // The kernel removes the thread from the listing shortly after it can be joined.
        std::thread::sleep(Duration::from_millis(20));
        let used = ProcessUsage::of(std::process::id()).unwrap().cpu_since(&before);
        // The kernel accounts for it in ticks of up to 10 ms.
        assert!(used >= Duration::from_millis(80), "{used:?}");
    }

    #[test]
    fn counts_children_and_their_memory() {
        let loops = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ninput()";
        let child = Command::new("python3").args(["-c", loops]).stdin(Stdio::piped()).spawn();
        let Ok(mut child) = child else { return };
        let before = ProcessUsage::of(child.id()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let now = ProcessUsage::of(child.id()).unwrap();
            if now.cpu_since(&before) > Duration::from_millis(200) {
                assert!(now.rss_bytes > 0 && now.rss_bytes_peak >= now.rss_bytes && now.threads() >= 1);
                break;
            }
            assert!(Instant::now() < deadline, "{now:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(ProcessUsage::of(child.id()).is_err());
    }

    #[test]
    fn a_new_thread_counts_from_its_start() {
        let usage = |threads: &[(i32, u64)]| ProcessUsage {
            threads: threads.iter().copied().collect(),
            processes: 1,
            ..ProcessUsage::default()
        };
        let (before, after) = (usage(&[(1, 100), (2, 50)]), usage(&[(1, 130), (3, 7)]));
        assert_eq!(after.cpu_since(&before), Duration::from_nanos(37));
        let ended = ProcessUsage { accounted: Duration::from_millis(500), ..after };
        assert_eq!(ended.cpu_since(&before), Duration::from_millis(500));
    }
}
