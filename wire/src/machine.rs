//! What both ends ask of the machine: CPUs, clocks of CPU time, the limit of open files.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;
use rustix::time::{ClockId, Timespec};

/// The CPUs that this thread may run on.
///
/// # Errors
/// If the kernel does not say.
pub fn allowed_cpus() -> io::Result<BTreeSet<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// Lets this thread, and those that it will start, run on these CPUs alone.
///
/// # Errors
/// If none of them can be used by this process.
pub fn pin_thread(cpus: &BTreeSet<usize>) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// CPU time of this thread, user and kernel.
pub fn thread_cpu() -> Duration {
    duration(rustix::time::clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU time of the process, user and kernel, with the threads that io_uring has the kernel start in it.
pub fn process_cpu() -> Duration {
    duration(rustix::time::clock_gettime(ClockId::ProcessCPUTime))
}

/// CPU time of the process in the kernel without that of this thread, by its accounting: to 10 ms.
///
/// # Errors
/// If /proc does not tell.
pub fn system_cpu_of_others() -> io::Result<Duration> {
    let other = |error: procfs::ProcError| io::Error::other(error.to_string());
    let process = procfs::process::Process::myself().map_err(other)?;
    let thread = process.task_from_tid(rustix::thread::gettid().as_raw_nonzero().get()).map_err(other)?;
    let all = process.stat().map_err(other)?.stime;
    let own = thread.stat().map_err(other)?.stime;
    let ticks = all.saturating_sub(own);
    Ok(Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64))
}

/// The clock that all processes of this machine share, since it was started: CLOCK_MONOTONIC, which is `Instant`'s too.
pub fn monotonic() -> Duration {
    duration(rustix::time::clock_gettime(ClockId::Monotonic))
}

fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Raises the limit of open files to the hard limit; returns it (`None`: no limit).
///
/// # Errors
/// If the kernel refuses.
pub fn raise_file_limit() -> io::Result<Option<u64>> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised)?;
    Ok(limit.maximum)
}

/// Lets this thread stand back behind all others: for one that shows and directs on a CPU where another measures.
/// Threads and processes that it starts afterwards stand back too.
///
/// # Errors
/// If the kernel refuses.
pub fn stand_back() -> io::Result<()> {
    // On Linux the priority of "the calling process" is the calling thread's.
    Ok(rustix::process::setpriority_process(None, 19)?)
}
