//! How much the machine disturbed a block, and the limits above which a block is dropped.
//!
//! The criteria do not look at the ratios. Only one of them is measured by the trials themselves: the generator's lateness.
//! A run judges it relative to its own median (`validity`), so the limit is laxer for a slow arm than for a fast one; but
//! lateness is rare, and the machine's doing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validity::MAX_STEAL_PERCENT;

/// What the machine did during a block.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disturbance {
    /// CPU time that the hypervisor gave to others, in percent of the block's; null if the kernel does not report it.
    pub steal_percent: Option<f64>,
    /// Time in which something waited for memory, in percent of the block's (`some` in `/proc/pressure/memory`); null if
    /// the kernel does not report it. Pressure on I/O is not used: a thread that waits in a ring counts as waiting for a
    /// disk (58% of a block with the uring engine, 0 with epoll), so the criterion would depend on what is compared.
    pub memory_stall_percent: Option<f64>,
}

/// Limits above which a block is dropped, and above which too many were.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Limit of [`Disturbance::steal_percent`].
    pub steal_percent: f64,
    /// Limit of [`Disturbance::memory_stall_percent`].
    pub stall_percent: f64,
    /// How much longer than in the median block the control loop may take, in percent.
    pub control_percent: f64,
    /// Percentage of dropped blocks above which the comparison is invalid.
    pub dropped_percent: f64,
}

/// The limits in use.
pub const LIMITS: Limits =
    Limits { steal_percent: MAX_STEAL_PERCENT, stall_percent: 10.0, control_percent: 10.0, dropped_percent: 20.0 };
