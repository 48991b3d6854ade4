//! Allocations of each subject and side. A program that counts them has stats_alloc as its global allocator; without it
//! nothing is pluralize, which [`count`] tells.

use std::alloc::System;

use anyhow::ensure;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

use crate::side::{Meter, Side};
use crate::subject::{Ready, Subject};
use wss_analysis::counts::Count;

/// What is counted: the allocator of the whole process, so that nothing else may run meanwhile.
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What each side allocated.
#[derive(Debug, Default, Clone, Copy)]
struct Allocated {
    server: Sum,
    client: Sum,
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    /// Allocations, and those that grew or shrank.
    calls: usize,
    bytes: usize,
}

impl Allocated {
    fn of(&mut self, side: Side) -> &mut Sum {
        match side {
            Side::Server => &mut self.server,
            Side::Client => &mut self.client,
        }
    }
}

impl Meter for Allocated {
    fn during<T>(&mut self, side: Side, work: impl FnOnce() -> T) -> T {
        let region = Region::new(ALLOCATOR);
        let done = work();
        let Stats { allocations, reallocations, bytes_allocated, .. } = region.change();
        let sum = self.of(side);
        sum.calls += allocations + reallocations;
        sum.bytes += bytes_allocated;
        done
    }
}

/// Allocations and the bytes that they took, of one of each subject and side.
///
/// # Errors
/// If a subject fails, or nobody counts allocations in this program.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
pub fn count(repeats: usize) -> anyhow::Result<Vec<Count>> {
    let mut counts = Vec::new();
    for subject in Subject::ALL {
        let times = subject.averaged_over();
        let mut repeated = Vec::new();
        for _ in 0..repeats {
            // Made anew: another certificate, other lengths.
            let (mut ready, mut allocated) = (Ready::new(subject)?, Allocated::default());
            for _ in 0..times {
                ready.once(&mut allocated)?;
            }
            repeated.push(allocated);
        }
        for side in Side::BOTH {
            let mut each = |of: fn(&Sum) -> usize| -> Vec<f64> {
                repeated.iter_mut().map(|allocated| of(allocated.of(side)) as f64 / times as f64).collect()
            };
            let name = |what| format!("{}/{}/{what}", subject.name(), side.name());
            counts.push(Count::new(name("allocations"), "allocations", &each(|sum| sum.calls)));
            counts.push(Count::new(name("allocated"), "bytes", &each(|sum| sum.bytes)));
        }
    }
    ensure!(counts.iter().any(|count| count.value > 0.0), "stats_alloc is not this program's allocator");
    Ok(counts)
}
