//! What tells of a block that the machine disturbed it, without a look at the ratios: of all disturbance only the generator's
//! lateness is measured by a trial itself. A run judges it by its own median (`validity`), so that the limit is laxer for a
//! slow arm than for a fast one; the generator is late by the machine's doing, and seldom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Block;
use crate::statistics::median;
use crate::validity::MAX_STEAL_PERCENT;
use wss_model::text::quantity::percent_to;

/// What the machine did while a block was run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disturbance {
    /// Share of the CPU time that the hypervisor kept for others, in percent; null where it is not told.
    pub steal_percent: Option<f64>,
    /// Share of the time in which something waited for memory, in percent (`/proc/pressure/memory`); null where it is
    /// not told. Not that of disks: a thread that waits in a ring counts as one that waits for a disk there (58% of a
    /// block with the uring engine, 0 with epoll), so that it would look at what is compared.
    pub memory_stall_percent: Option<f64>,
}

/// Above which a block is dropped.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// [`Disturbance::steal_percent`].
    pub steal_percent: f64,
    /// [`Disturbance::memory_stall_percent`].
    pub stall_percent: f64,
    /// How much longer than in the median block the fixed work took, in percent.
    pub control_percent: f64,
    /// Share of the blocks, in percent, above which so many were dropped that the rest says nothing.
    pub dropped_percent: f64,
}

/// The limits.
pub const LIMITS: Limits =
    Limits { steal_percent: MAX_STEAL_PERCENT, stall_percent: 10.0, control_percent: 10.0, dropped_percent: 20.0 };

/// Of each block, why it is dropped, if it is.
pub(super) fn dropped(blocks: &[Block]) -> Vec<Option<String>> {
    let controls: Vec<Option<f64>> = blocks.iter().map(control_loop_ns).collect();
    let usual = median(controls.iter().copied().flatten().collect());
    blocks.iter().zip(controls).map(|(block, control)| reason(block, control.zip(usual))).collect()
}

/// What fixed work took at its slowest among a block's trials.
fn control_loop_ns(block: &Block) -> Option<f64> {
    block.trials.iter().filter_map(|trial| trial.control_loop_ns).max_by(f64::total_cmp)
}

fn reason(block: &Block, control: Option<(f64, f64)>) -> Option<String> {
    let disturbance = block.disturbance.clone().unwrap_or_default();
    let over = |value: Option<f64>, limit: f64, what: &str| {
        let value = value.filter(|value| *value > limit)?;
        Some(format!("{what} {} (limit {})", percent_to(value, 2), percent_to(limit, 2)))
    };
    let slower = control.map(|(control, usual)| 100.0 * (control / usual - 1.0));
    over(disturbance.steal_percent, LIMITS.steal_percent, "the hypervisor kept")
        .or_else(|| over(disturbance.memory_stall_percent, LIMITS.stall_percent, "time stalled on memory:"))
        .or_else(|| over(slower, LIMITS.control_percent, "fixed work took longer than in the median block, by"))
        .or_else(|| {
            let mut workloads = block.trials.iter().flat_map(|trial| &trial.workloads);
            let disturbed = workloads.find(|workload| workload.disturbed)?;
            Some(format!("{}: {}", disturbed.kind, disturbed.invalid_because.first().map_or("", |reason| &reason.text)))
        })
}
