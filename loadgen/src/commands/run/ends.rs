//! The two ends of a run: their engine, CPUs, utilization and memory.

use std::time::Duration;

use wss_model::disturbance::ThreadDisturbance;
use wss_model::run_result::End;
use wss_wire::engine;

use super::cpu_accounting::{Accounting, PhaseUsage};
use super::setup::Setup;
use crate::setup::environment::Memory;

/// Client and server for the result.
pub(super) struct Ends {
    pub(super) client: End,
    /// `None` if its figures cannot be read.
    pub(super) server: Option<End>,
}

/// What the ends are described by.
#[derive(Default)]
pub(super) struct EndUsage {
    /// In the phase that the run is about.
    pub(super) measured: Option<PhaseUsage>,
    /// While the connections were opened (`--mode echo`).
    pub(super) handshake: Option<PhaseUsage>,
    /// With all connections open and no message sent (`--mode echo`).
    pub(super) idle: Option<MemoryReading>,
    /// Growth per connection, bytes.
    pub(super) growth: Option<MemoryGrowth>,
}

/// Memory of both ends.
pub(super) struct MemoryReading {
    client: Memory,
    /// Resident and anonymous.
    server: Option<(u64, u64)>,
}

/// Growth of the anonymous memory of both ends per connection, bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryGrowth {
    client: f64,
    server: Option<f64>,
}

impl MemoryReading {
    pub(super) fn now(accounting: &mut Accounting) -> Self {
        let sample = accounting.server_sample();
        let server = sample.map(|sample| (sample.rss_bytes(), sample.rss_anon_bytes()));
        Self { client: Memory::now(), server }
    }

    /// The growth since `earlier`, while `connections` were opened. A slope: what does not depend on their number is in
    /// neither end's figure.
    #[allow(clippy::cast_precision_loss)] // bytes stay far below 2^52
    pub(super) fn growth_since(&self, earlier: &Self, connections: usize) -> MemoryGrowth {
        let slope = |now: u64, then: u64| (now as f64 - then as f64) / connections.max(1) as f64;
        MemoryGrowth {
            client: slope(self.client.anonymous, earlier.client.anonymous),
            server: self.server.zip(earlier.server).map(|((_, now), (_, then))| slope(now, then)),
        }
    }
}

impl Ends {
    /// `active_share`: the share of wall time in which this run could start operations.
    pub(super) fn new(setup: &Setup, accounting: &mut Accounting, usage: &EndUsage, active_share: f64) -> Self {
        let sample = accounting.server_sample();
        let EndUsage { measured, handshake, idle, growth } = usage;
        let utilization = |cpu: Duration, usage: &PhaseUsage, threads: usize| {
            cpu.as_secs_f64() / (usage.elapsed.as_secs_f64() * active_share * threads.max(1) as f64).max(1e-9)
        };
        // The threads' own accounts last from the start of the phase to its end, without the time before and after.
        let client_utilization = |usage: &PhaseUsage| {
            let sum = |of: fn(&ThreadDisturbance) -> u64| usage.disturbance.client.iter().map(of).sum::<u64>() as f64;
            match sum(|thread| thread.elapsed_ns) {
                0.0 => utilization(usage.client.total, usage, setup.threads),
                elapsed_ns => sum(|thread| thread.cpu_ns) / elapsed_ns,
            }
        };
        let client = End {
            engine: Some(setup.client_engine),
            engine_features: engine::engine_features(setup.client_engine),
            threads: setup.threads,
            cpus: Some(setup.client_cpus.to_string()),
            cpu_utilization: measured.as_ref().map_or(0.0, client_utilization),
            cpu_utilization_handshake: handshake.as_ref().map(client_utilization),
            rss_bytes_idle: idle.as_ref().map(|idle| idle.client.resident),
            rss_bytes_peak: Memory::now().peak,
            anon_bytes_idle: idle.as_ref().map(|idle| idle.client.anonymous),
            anon_bytes_per_connection: growth.map(|growth| growth.client),
        };
        let server = sample.map(|sample| {
            let server_utilization = |usage: &PhaseUsage| {
                usage.server.as_ref().map_or(0.0, |server| utilization(server.cpu, usage, sample.threads()))
            };
            End {
                engine: sample.engine(),
                engine_features: sample.engine_features(),
                threads: sample.threads(),
                cpus: setup.server.as_ref().map(|_| setup.server_cpus.to_string()),
                cpu_utilization: measured.as_ref().map_or(0.0, server_utilization),
                cpu_utilization_handshake: handshake.as_ref().map(server_utilization),
                rss_bytes_idle: idle.as_ref().and_then(|idle| Some(idle.server?.0)),
                rss_bytes_peak: sample.rss_bytes_peak(),
                anon_bytes_idle: idle.as_ref().and_then(|idle| Some(idle.server?.1)),
                anon_bytes_per_connection: growth.and_then(|growth| growth.server),
            }
        });
        Self { client, server }
    }
}
