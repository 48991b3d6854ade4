//! The seconds of a phase: the ticks of all threads merged, for the progress output and the series.

use std::collections::BTreeMap;

use wss_model::LatencyHistogram;

use super::record::TickRecord;

/// One second of a phase, all threads together.
#[derive(Debug)]
pub(crate) struct Second {
    /// Number of the second in its phase, from 1.
    pub(crate) tick: u32,
    pub(crate) completed: u64,
    pub(crate) errors: u64,
    /// Open connections at its end.
    pub(crate) connections: u64,
    pub(crate) latency: LatencyHistogram,
}

/// Observes a phase while it runs.
pub(crate) trait PhaseObserver {
    /// Whether the user has interrupted the run.
    fn interrupted(&self) -> bool;
    /// A second is complete.
    fn second(&mut self, second: &Second);
    /// Nothing has changed; called ten times per second.
    fn idle(&mut self) {}
}

/// Merges the ticks of the threads.
pub(crate) struct Seconds<'a> {
    threads: usize,
    /// Per tick, the number of threads that have reported it, and their sum.
    incomplete: BTreeMap<u32, (usize, Second)>,
    /// Cleared histograms. A new one per second would touch its pages for the first time; on a virtual machine that
    /// stops the CPU, which this thread shares with one that measures.
    spares: &'a mut Vec<LatencyHistogram>,
}

impl<'a> Seconds<'a> {
    pub(crate) fn new(threads: usize, spares: &'a mut Vec<LatencyHistogram>) -> Self {
        Self { threads, incomplete: BTreeMap::new(), spares }
    }

    /// Adds the tick of one thread; returns the second if this was the last thread to report it.
    pub(crate) fn add(&mut self, tick: u32, record: &TickRecord, connections: u64) -> Option<Second> {
        let spares = &mut *self.spares;
        let empty = || {
            let latency = spares.pop().unwrap_or_default();
            (0, Second { tick, completed: 0, errors: 0, connections: 0, latency })
        };
        let (threads, second) = self.incomplete.entry(tick).or_insert_with(empty);
        *threads += 1;
        second.completed += record.completed;
        second.errors += record.errors;
        second.connections += connections;
        second.latency.merge(&record.latency);
        if *threads < self.threads {
            return None;
        }
        self.incomplete.remove(&tick).map(|(_, second)| second)
    }

    /// Keeps the histogram of a second for a later one.
    pub(crate) fn recycle(&mut self, second: Second) {
        let mut latency = second.latency;
        latency.clear();
        self.spares.push(latency);
    }

    /// Takes the seconds that not all threads have reported, because some ended earlier.
    pub(crate) fn take_incomplete(&mut self) -> impl Iterator<Item = Second> + use<> {
        std::mem::take(&mut self.incomplete).into_values().map(|(_, second)| second)
    }
}
