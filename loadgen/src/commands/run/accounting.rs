//! What both ends spent in a phase: looks at their accounting before and after it, while nothing runs.

use std::time::{Duration, Instant};

use wss_model::Layer;
use wss_model::config::tls::CostSplit;
use wss_model::run_result::{End, HandshakeResult};
use wss_model::server_stats::HandshakeTotals;
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::{engine, machine};

use super::time_slices::InterleavedSlices;
use super::{Run, cost};
use crate::child::probe::{ServerSample, ServerUsage};
use crate::generator::record::Failure;
use crate::setup::environment;

/// How long the server may take to have counted what the generator has seen the end of.
const SETTLE: Duration = Duration::from_millis(20);

/// One look at both sides between two phases.
pub(super) struct Look {
    pub(super) instant: Instant,
    pub(super) client_cpu: Duration,
    pub(super) client_system: Duration,
    pub(super) server: Option<ServerSample>,
}

/// What both sides spent in a phase.
pub(super) struct Spent {
    pub(super) elapsed: Duration,
    pub(super) client_cpu: Duration,
    pub(super) client_system: Duration,
    pub(super) server: Option<ServerUsage>,
}

impl Run<'_> {
    /// Where both ends' time went, and what the server alone knows of the flights.
    #[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
    pub(super) fn split_cost(&self, result: &mut HandshakeResult, client: &HandshakeTotals, spent: &Spent) {
        let setup = &self.setup;
        // Without TLS there is nothing to split: the parts would be zeros that nobody measured.
        let has_tls = setup.config.layer().is_some_and(Layer::has_tls);
        let split = if has_tls { setup.config.tls.cost_split() } else { CostSplit::Off };
        let cpu = (spent.client_cpu, spent.client_system);
        result.client_cost = cost::cost(client, Some(cpu), split, setup.timing_ns);
        let Some(server) = &spent.server else { return };
        let cpu = (server.cpu, server.system);
        result.server_cost = cost::cost(&server.handshakes, Some(cpu), split, setup.timing_ns);
        if let (Some(flights), Some(1..)) = (&mut result.flights, Some(server.handshakes.count)) {
            flights.ticket_bytes = Some(server.handshakes.ticket_bytes as f64 / server.handshakes.count as f64);
        }
    }

    /// The server's counts. A server that is lost in mid-run costs its side of the result, not the result.
    pub(super) fn server_sample(&mut self) -> Option<ServerSample> {
        match self.setup.probe.as_ref()?.sample() {
            Ok(sample) => Some(sample),
            Err(error) => {
                self.setup.probe = None;
                self.failures.add(Failure::new(
                    ErrorPhase::Server,
                    ErrorKind::ServerLost,
                    format!("the server is gone: {error:#}"),
                ));
                None
            }
        }
    }

    pub(super) fn look(&mut self) -> Look {
        std::thread::sleep(SETTLE);
        let server = self.server_sample();
        Look { instant: Instant::now(), client_cpu: generator_cpu(), client_system: generator_system(), server }
    }

    pub(super) fn since(&mut self, before: &Look) -> anyhow::Result<Spent> {
        // The generator's first: what it does while it waits and asks is not part of the phase.
        let (client_cpu, elapsed) = (generator_cpu().saturating_sub(before.client_cpu), before.instant.elapsed());
        let client_system = generator_system().saturating_sub(before.client_system);
        let after = self.look();
        let server = before.server.as_ref().zip(after.server.as_ref());
        let server = server.map(|(before, after)| after.since(before)).transpose()?;
        Ok(Spent { elapsed, client_cpu, client_system, server })
    }

    /// CPU and memory of both ends; `spent` is the phase that the run is about.
    pub(super) fn sides(
        &mut self,
        spent: Option<&Spent>,
        handshake: Option<&Spent>,
        idle: Option<&(Option<ServerSample>, u64)>,
    ) -> (End, Option<End>) {
        let sample = self.server_sample();
        let setup = &self.setup;
        let share = self.slices.as_ref().map_or(1.0, InterleavedSlices::active_share);
        let used = |cpu: Duration, spent: &Spent, threads: usize| {
            cpu.as_secs_f64() / (spent.elapsed.as_secs_f64() * share * threads.max(1) as f64).max(1e-9)
        };
        let client_used = |spent: &Spent| used(spent.client_cpu, spent, setup.threads);
        let client = End {
            engine: Some(setup.client_engine),
            engine_features: engine::form(setup.client_engine),
            threads: setup.threads,
            cpus: Some(setup.client_cpus.to_string()),
            cpu_utilization: spent.map_or(0.0, client_used),
            cpu_utilization_handshake: handshake.map(client_used),
            rss_bytes_idle: idle.map(|idle| idle.1),
            rss_bytes_peak: environment::memory().1,
        };
        let Some(sample) = sample else { return (client, None) };
        // More threads than CPUs cannot all run.
        let busy_threads = match setup.server.as_ref() {
            Some(_) => sample.threads().min(setup.server_cpus.0.len()),
            None => sample.threads(),
        };
        let server_used =
            |spent: &Spent| spent.server.as_ref().map_or(0.0, |server| used(server.cpu, spent, busy_threads));
        let server = End {
            engine: sample.engine(),
            engine_features: sample.engine_features(),
            threads: sample.threads(),
            cpus: setup.server.as_ref().map(|_| setup.server_cpus.to_string()),
            cpu_utilization: spent.map_or(0.0, server_used),
            cpu_utilization_handshake: handshake.map(server_used),
            rss_bytes_idle: idle.and_then(|idle| idle.0.as_ref()).map(ServerSample::rss_bytes),
            rss_bytes_peak: sample.rss_bytes_peak(),
        };
        (client, Some(server))
    }
}

/// CPU time of the generator without this thread, which directs and shows: the same definition as the server's.
fn generator_cpu() -> Duration {
    machine::process_cpu().saturating_sub(machine::thread_cpu())
}

/// The part of it in the kernel; none if /proc does not tell.
fn generator_system() -> Duration {
    machine::system_cpu_of_others().unwrap_or_default()
}

/// Nanoseconds each.
pub(super) fn each(total: Duration, count: u64) -> Option<f64> {
    (count > 0).then(|| total.as_nanos() as f64 / count as f64)
}
