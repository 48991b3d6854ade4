//! What kept the two ends from running while a phase was measured: [`PhaseDisturbance`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Disturbances of one measured phase. They are judged in every mode: see docs/METHODOLOGY.md.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseDisturbance {
    /// One entry per thread of the generator.
    pub client: Vec<ThreadDisturbance>,
    /// Steal of the CPUs of the generator: time that the hypervisor gave to others, in percent; null if unknown.
    pub client_steal_percent: Option<f64>,
    /// The same for the CPUs of the server; null if they are not known.
    pub server_steal_percent: Option<f64>,
    /// Time that the threads of the server were ready to run but waited for a CPU (`schedstat` of proc(5)), nanoseconds, all
    /// threads together; null unless the server is a process of this machine that is known to the run.
    pub server_run_queue_ns: Option<u64>,
    /// Time that the machine was suspended (CLOCK_BOOTTIME minus CLOCK_MONOTONIC), nanoseconds.
    pub suspended_ns: u64,
    /// Time that the control group of the generator was throttled (`cpu.stat`), nanoseconds; null without such a group.
    pub throttled_ns: Option<u64>,
    /// Time that it was frozen (`cgroup.stat.local`, Linux 6.18), nanoseconds; null if the kernel does not count it.
    pub frozen_ns: Option<u64>,
}

/// What kept one thread from running, from the start to the end of a phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadDisturbance {
    /// Length of the phase on this thread, nanoseconds.
    pub elapsed_ns: u64,
    /// CPU time, without time spent spinning, nanoseconds.
    pub cpu_ns: u64,
    /// Time that it was ready to run but waited for its CPU (`schedstat` of proc(5)), nanoseconds.
    pub run_queue_ns: u64,
    /// How often it was preempted (getrusage(2), `ru_nivcsw`).
    pub involuntary_switches: u64,
    /// How often it ran later than planned by more than 5 ms, although it was not working.
    pub stalls: u64,
    /// The delays of all of those together, nanoseconds.
    pub stalled_ns: u64,
    /// The longest delay of its heartbeat, nanoseconds.
    pub longest_stall_ns: u64,
}

impl ThreadDisturbance {
    /// The share of the phase in which it was kept from running, 0 to 1. A thread that waits in the run queue is late, too, so
    /// the two are not added.
    #[allow(clippy::cast_precision_loss)] // times stay far below 2^52 ns
    pub fn share(&self) -> f64 {
        self.run_queue_ns.max(self.stalled_ns) as f64 / self.elapsed_ns.max(1) as f64
    }
}

impl PhaseDisturbance {
    /// The share of the phase for which the most disturbed thread of the generator was kept from running, 0 to 1.
    pub fn client_share(&self) -> f64 {
        self.client.iter().map(ThreadDisturbance::share).fold(0.0, f64::max)
    }

    /// The longest stall of any thread of the generator, nanoseconds.
    pub fn longest_stall_ns(&self) -> u64 {
        self.client.iter().map(|thread| thread.longest_stall_ns).max().unwrap_or(0)
    }
}
