//! CPU affinity, CPU time, priority, and the limit on open files.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;
use rustix::time::{ClockId, Timespec};

/// The CPUs that this thread may run on.
///
/// # Errors
/// If sched_getaffinity(2) fails.
pub fn allowed_cpus() -> io::Result<BTreeSet<usize>> {
    let set = rustix::thread::sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// Restricts this thread, and the threads that it will start, to these CPUs.
///
/// # Errors
/// If this process may use none of them.
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

/// CPU time of the process, user and kernel, including the worker threads of io_uring.
pub fn process_cpu() -> Duration {
    duration(rustix::time::clock_gettime(ClockId::ProcessCPUTime))
}

/// CPU time of the process in the kernel, without that of this thread. The resolution is 10 ms (proc_pid_stat(5)).
///
/// # Errors
/// If /proc cannot be read.
pub fn system_cpu_of_others() -> io::Result<Duration> {
    let other = |error: procfs::ProcError| io::Error::other(error.to_string());
    let process = procfs::process::Process::myself().map_err(other)?;
    let thread = process.task_from_tid(rustix::thread::gettid().as_raw_nonzero().get()).map_err(other)?;
    let all = process.stat().map_err(other)?.stime;
    let own = thread.stat().map_err(other)?.stime;
    let ticks = all.saturating_sub(own);
    Ok(Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64))
}

/// CLOCK_MONOTONIC, which all processes of the machine share and `Instant` is based on.
pub fn monotonic() -> Duration {
    duration(rustix::time::clock_gettime(ClockId::Monotonic))
}

/// Time that the machine was suspended since boot: CLOCK_BOOTTIME minus CLOCK_MONOTONIC.
pub fn suspended() -> Duration {
    // In this order, so that the time between the two readings does not count.
    let boot = duration(rustix::time::clock_gettime(ClockId::Boottime));
    boot.saturating_sub(monotonic())
}

fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Raises the soft limit on open files to the hard limit, and returns it; `None` means unlimited.
///
/// # Errors
/// If the kernel refuses.
pub fn raise_file_limit() -> io::Result<Option<u64>> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised)?;
    Ok(limit.maximum)
}

/// Gives this thread the lowest priority: for a thread that only coordinates, on a CPU where another one measures. Threads
/// and processes that it starts afterwards inherit the priority.
///
/// # Errors
/// If the kernel refuses.
pub fn lower_priority() -> io::Result<()> {
    // On Linux setpriority(2) for "the calling process" applies to the calling thread.
    Ok(rustix::process::setpriority_process(None, 19)?)
}

/// Lets this thread run only while its CPU has nothing else to do: the class SCHED_IDLE of sched(7).
///
/// # Errors
/// If the kernel refuses.
pub fn schedule_only_when_idle() -> io::Result<()> {
    // SAFETY: `sched_param` consists of integers, for which zero is valid.
    #[allow(unsafe_code)]
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for the call; 0 names the calling thread.
    #[allow(unsafe_code)]
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
