//! Keeps a CPU from sleeping: a thread of the SCHED_IDLE class that spins on it and yields to every other thread.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::idle;
use crate::machine;

/// How often the thread counts its CPU time and checks whether it is to end.
const CHECK: Duration = Duration::from_millis(1);

/// Keeps CPUs awake until it is dropped. Its CPU time counts as spinning ([`idle::spun`]).
#[derive(Debug)]
pub struct KeepAwake {
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl KeepAwake {
    /// Keeps each of these CPUs awake.
    ///
    /// # Errors
    /// If a CPU is not available to this process, or the kernel refuses the scheduling class (sched_setscheduler(2)).
    pub fn start(cpus: &BTreeSet<usize>) -> io::Result<Self> {
        let mut awake = Self { end: Arc::default(), threads: Vec::new() };
        for &cpu in cpus {
            let (ready, is_ready) = std::sync::mpsc::channel();
            let end = Arc::clone(&awake.end);
            let thread = std::thread::Builder::new().name(format!("keep-awake-{cpu}"));
            awake.threads.push(thread.spawn(move || {
                let prepared =
                    machine::pin_thread(&BTreeSet::from([cpu])).and_then(|()| machine::schedule_only_when_idle());
                let refused = prepared.is_err();
                let _ = ready.send(prepared);
                if !refused {
                    spin_until(&end);
                }
            })?);
            is_ready.recv().map_err(|_| io::Error::other("the thread ended early"))??;
        }
        Ok(awake)
    }
}

impl Drop for KeepAwake {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn spin_until(end: &AtomicBool) {
    let mut counted = Duration::ZERO;
    while !end.load(Ordering::Relaxed) {
        let check = Instant::now() + CHECK;
        while Instant::now() < check {
            std::hint::spin_loop();
        }
        let used = machine::thread_cpu();
        idle::add_spun(used - counted);
        counted = used;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_cpu_busy_counts_the_time_as_spinning_and_ends() {
        let cpu = machine::allowed_cpus().unwrap().pop_first().unwrap();
        let before = idle::spun();
        let awake = KeepAwake::start(&BTreeSet::from([cpu])).unwrap();
        let start = Instant::now();
        while idle::spun() == before {
            assert!(start.elapsed() < Duration::from_secs(10), "the CPU is never idle");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(awake);
        assert!(KeepAwake::start(&BTreeSet::from([100_000])).is_err());
    }
}
