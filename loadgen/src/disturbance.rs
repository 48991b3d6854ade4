//! What the machine did to both ends in a phase: readings before and after it, and the difference.

pub(crate) mod cgroup;

use std::collections::BTreeSet;
use std::time::Duration;

use wss_model::disturbance::{PhaseDisturbance, ThreadDisturbance};
use wss_wire::machine;

use self::cgroup::{Cgroup, CgroupTimes};
use crate::child::threads::ProcessUsage;
use crate::setup::environment::CpuTime;

/// What is watched.
#[derive(Debug)]
pub(crate) struct MachineWatch {
    client_cpus: BTreeSet<usize>,
    server_cpus: BTreeSet<usize>,
    /// The process of the server, if it is known and on this machine.
    server: Option<u32>,
    cgroup: Cgroup,
}

/// One reading.
#[derive(Debug, Clone)]
pub(crate) struct MachineReading {
    client: Option<CpuTime>,
    server: Option<CpuTime>,
    run_queue_ns: Option<u64>,
    suspended: Duration,
    cgroup: CgroupTimes,
}

impl MachineWatch {
    pub(crate) fn new(client_cpus: BTreeSet<usize>, server_cpus: BTreeSet<usize>, server: Option<u32>) -> Self {
        Self { client_cpus, server_cpus, server, cgroup: Cgroup::of_this_process() }
    }

    pub(crate) fn read(&self) -> MachineReading {
        MachineReading {
            client: CpuTime::of(&self.client_cpus),
            server: CpuTime::of(&self.server_cpus),
            // A server that has ended is reported by its probe.
            run_queue_ns: self
                .server
                .and_then(|server| ProcessUsage::of(server).ok())
                .map(|usage| usage.run_queue_ns()),
            suspended: machine::suspended(),
            cgroup: self.cgroup.read(),
        }
    }
}

impl MachineReading {
    /// The account of the time since `earlier`, with those of the threads of the generator.
    pub(crate) fn since(&self, earlier: &Self, client: Vec<ThreadDisturbance>) -> PhaseDisturbance {
        let steal = |now: Option<CpuTime>, then: Option<CpuTime>| Some(now?.stolen_percent_since(then?));
        let grown = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        PhaseDisturbance {
            client,
            client_steal_percent: steal(self.client, earlier.client),
            server_steal_percent: steal(self.server, earlier.server),
            server_run_queue_ns: grown(self.run_queue_ns, earlier.run_queue_ns),
            suspended_ns: u64::try_from(self.suspended.saturating_sub(earlier.suspended).as_nanos())
                .unwrap_or(u64::MAX),
            throttled_ns: grown(self.cgroup.throttled_ns, earlier.cgroup.throttled_ns),
            frozen_ns: grown(self.cgroup.frozen_ns, earlier.cgroup.frozen_ns),
        }
    }
}
