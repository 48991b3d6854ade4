//! The CPU time and counts of both ends in a phase: snapshots before and after it, while nothing runs.

use std::time::{Duration, Instant};

use wss_model::disturbance::{PhaseDisturbance, ThreadDisturbance};
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::idle;
use wss_wire::machine;

use crate::child::probe::{ServerProbe, ServerSample, ServerUsage};
use crate::disturbance::{MachineReading, MachineWatch};
use crate::generator::failure::{Failure, Failures};

/// How long the server may take to count what the generator has seen the end of.
const SETTLE: Duration = Duration::from_millis(20);

/// CPU time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cpu {
    /// User and kernel.
    pub(super) total: Duration,
    /// The part in the kernel.
    pub(super) system: Duration,
}

impl Cpu {
    /// Of the generator without this thread, which coordinates and prints: as the server counts its own. Time spent spinning
    /// is not work.
    fn of_generator() -> Self {
        Self {
            total: machine::process_cpu().saturating_sub(machine::thread_cpu()).saturating_sub(idle::spun()),
            system: machine::system_cpu_of_others().unwrap_or_default(),
        }
    }

    fn since(self, earlier: Self) -> Self {
        Self { total: self.total.saturating_sub(earlier.total), system: self.system.saturating_sub(earlier.system) }
    }
}

/// The state of both ends between two phases.
pub(super) struct Snapshot {
    instant: Instant,
    client: Cpu,
    server: Option<ServerSample>,
    machine: MachineReading,
}

/// What both ends used in a phase.
pub(super) struct PhaseUsage {
    /// Wall time between the snapshots.
    pub(super) elapsed: Duration,
    pub(super) client: Cpu,
    /// If the figures of the server can be read.
    pub(super) server: Option<ServerUsage>,
    pub(super) disturbance: PhaseDisturbance,
}

impl PhaseUsage {
    /// CPU time of the server.
    pub(super) fn server_cpu(&self) -> Option<Cpu> {
        self.server.as_ref().map(|server| Cpu { total: server.cpu, system: server.system })
    }
}

/// Takes the snapshots.
pub(super) struct Accounting {
    machine: MachineWatch,
    probe: Option<ServerProbe>,
    failures: Failures,
}

impl Accounting {
    pub(super) fn new(probe: Option<ServerProbe>, machine: MachineWatch) -> Self {
        Self { machine, probe, failures: Failures::default() }
    }

    /// The figures of the server. If it is lost, the result has an error and no server.
    pub(super) fn server_sample(&mut self) -> Option<ServerSample> {
        match self.probe.as_ref()?.sample() {
            Ok(sample) => Some(sample),
            Err(error) => {
                self.probe = None;
                let text = format!("the server stopped answering: {error:#}");
                self.failures.add(Failure::new(ErrorPhase::Server, ErrorKind::ServerLost, text));
                None
            }
        }
    }

    pub(super) fn snapshot(&mut self) -> Snapshot {
        std::thread::sleep(SETTLE);
        let server = self.server_sample();
        let machine = self.machine.read();
        Snapshot { instant: Instant::now(), client: Cpu::of_generator(), server, machine }
    }

    /// What both ends used since `before`; `threads`: what disturbed those of the generator.
    ///
    /// # Errors
    /// If the server was restarted meanwhile.
    pub(super) fn usage_since(
        &mut self,
        before: &Snapshot,
        threads: Vec<ThreadDisturbance>,
    ) -> anyhow::Result<PhaseUsage> {
        // The generator's first: the time to settle and to ask the server is not part of the phase.
        let (elapsed, client) = (before.instant.elapsed(), Cpu::of_generator().since(before.client));
        let after = self.snapshot();
        let server = before.server.as_ref().zip(after.server.as_ref());
        let server = server.map(|(before, after)| after.since(before)).transpose()?;
        let disturbance = after.machine.since(&before.machine, threads);
        Ok(PhaseUsage { elapsed, client, server, disturbance })
    }

    /// Failures of reading the server's figures.
    pub(super) fn into_failures(self) -> Failures {
        self.failures
    }
}
