//! Allocations of each operation, per end. The program that counts them has to have stats_alloc as its global allocator;
//! [`count`] fails otherwise.

use std::alloc::System;

use anyhow::ensure;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

use crate::end::{End, Meter};
use crate::operation::{Operation, Prepared};
use wss_analysis::counts::Count;

/// The allocator of the whole process: nothing else may run while it is read.
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What each end allocated.
#[derive(Debug, Default, Clone, Copy)]
struct EndAllocations {
    server: Allocations,
    client: Allocations,
}

#[derive(Debug, Default, Clone, Copy)]
struct Allocations {
    /// Allocations and reallocations.
    calls: usize,
    bytes: usize,
}

impl EndAllocations {
    fn of(&mut self, end: End) -> &mut Allocations {
        match end {
            End::Server => &mut self.server,
            End::Client => &mut self.client,
        }
    }
}

impl Meter for EndAllocations {
    fn measure<T>(&mut self, end: End, work: impl FnOnce() -> T) -> T {
        let region = Region::new(ALLOCATOR);
        let result = work();
        let Stats { allocations, reallocations, bytes_allocated, .. } = region.change();
        let sum = self.of(end);
        sum.calls += allocations + reallocations;
        sum.bytes += bytes_allocated;
        result
    }
}

/// Allocations and allocated bytes per execution, for each operation and end.
///
/// # Errors
/// If an operation fails, or stats_alloc is not the global allocator of this program.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
pub fn count(repeats: usize) -> anyhow::Result<Vec<Count>> {
    let mut counts = Vec::new();
    for operation in Operation::ALL {
        let executions = operation.executions();
        let mut repeated = Vec::new();
        for _ in 0..repeats {
            // Prepared anew: another certificate, with other lengths.
            let (mut prepared, mut allocated) = (Prepared::new(operation)?, EndAllocations::default());
            for _ in 0..executions {
                prepared.execute(&mut allocated)?;
            }
            repeated.push(allocated);
        }
        for end in End::BOTH {
            let mut per_execution = |of: fn(&Allocations) -> usize| -> Vec<f64> {
                repeated.iter_mut().map(|allocated| of(allocated.of(end)) as f64 / executions as f64).collect()
            };
            let name = |what| format!("{}/{}/{what}", operation.name(), end.name());
            counts.push(Count::new(name("allocations"), "allocations", &per_execution(|sum| sum.calls)));
            counts.push(Count::new(name("allocated"), "bytes", &per_execution(|sum| sum.bytes)));
        }
    }
    ensure!(
        counts.iter().any(|count| count.value > 0.0),
        "no allocation was counted: make stats_alloc the global allocator of this program"
    );
    Ok(counts)
}
