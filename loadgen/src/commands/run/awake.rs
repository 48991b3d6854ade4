//! Which CPUs are kept from sleeping during a run, and where its coordinator runs.

use std::collections::BTreeSet;

use anyhow::Context;
use wss_model::config::{CpuList, IdlePolicy};
use wss_model::{EngineKind, RunConfig};
use wss_wire::engine::KeepAwake;
use wss_wire::machine;

/// Prepares the CPUs, once the threads of the generator run; this thread is the coordinator. Dropping the value lets the
/// CPUs sleep again.
///
/// A generator that sleeps leaves its CPU to the coordinator. One that spins leaves it nothing, so the coordinator runs on
/// the other CPUs, and only while they are idle.
///
/// # Errors
/// If the kernel refuses an affinity or a priority.
pub(super) fn prepare(
    config: &RunConfig,
    engine: EngineKind,
    client_cpus: &CpuList,
    server_cpus: &CpuList,
) -> anyhow::Result<Vec<KeepAwake>> {
    let mut awake = Vec::new();
    let mut keep = |cpus: &BTreeSet<usize>| -> anyhow::Result<()> {
        awake.push(KeepAwake::start(cpus).context("cannot keep the CPUs awake")?);
        Ok(())
    };
    if config.keep_awake.is_some() {
        keep(&server_cpus.0)?;
    }
    let generator: BTreeSet<usize> = client_cpus.0.iter().copied().take(config.threads.unwrap_or(1)).collect();
    match (config.idle.unwrap_or(IdlePolicy::Sleep), engine) {
        (IdlePolicy::Sleep, _) => {
            machine::lower_priority().context("cannot lower the priority of the coordinator thread")?;
        }
        // The threads themselves spin.
        (IdlePolicy::Spin, EngineKind::Uring) => {
            let others: BTreeSet<usize> =
                client_cpus.0.union(&server_cpus.0).filter(|cpu| !generator.contains(cpu)).copied().collect();
            if !others.is_empty() {
                machine::pin_thread(&others).context("cannot move the coordinator thread")?;
            }
            machine::schedule_only_when_idle().context("cannot lower the priority of the coordinator thread")?;
        }
        (IdlePolicy::Spin, EngineKind::Epoll | EngineKind::TokioUring) => {
            keep(&generator)?;
            machine::lower_priority().context("cannot lower the priority of the coordinator thread")?;
        }
    }
    Ok(awake)
}
