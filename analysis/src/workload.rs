//! [`Workload`]: the kinds of load that a trial applies, one run each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use wss_model::named_choice;
use wss_model::units::HumanDuration;

named_choice! {
    /// The kind of load that a run applies.
    Workload {
        /// Handshakes one after another, as fast as they complete
        Handshake = "handshake",
        /// Small messages on a few connections, as fast as they are echoed
        Echo = "echo",
        /// Small messages on many connections, as fast as they are echoed
        Crowd = "crowd",
        /// Large messages on a few connections, as fast as they are echoed
        Bulk = "bulk",
        /// Small messages on some connections, at a fixed rate
        Paced = "paced",
        /// Small messages that the embedded server publishes to some connections, at a fixed rate
        Subscribe = "subscribe",
    }
}

/// One workload of every trial: one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadSpec {
    /// The kind of load.
    pub kind: Workload,
    /// Options of `wssbench run` that produce this load, `--option=value` each. The options of a configuration or arm take
    /// precedence.
    pub options: Vec<String>,
    /// The metrics that are taken from the runs of this workload. A workload can occur twice: in time slices for CPU time,
    /// and one trial after the other for all other metrics.
    #[serde(default)]
    pub metrics: MetricSet,
    /// Whether the trials of a block ran this workload one after the other although others ran in time slices.
    #[serde(default)]
    pub sequential: bool,
}

/// Which of its metrics a workload provides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricSet {
    /// All of them.
    #[default]
    All,
    /// CPU times, which time slices measure best: what disturbs the machine disturbs all trials of a block alike.
    CpuTime,
    /// Latencies, rates, bytes and memory, which time slices would change.
    AllButCpuTime,
}

/// How the trials of a block follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// One trial after the other.
    Sequential,
    /// All at the same time, in slices of this length.
    Interleaved(HumanDuration),
    /// Some workloads in slices of this length, some one trial after the other.
    Both(HumanDuration),
}

impl WorkloadSpec {
    /// A workload that provides all metrics.
    pub fn new(kind: Workload, options: Vec<String>) -> Self {
        Self { kind, options, metrics: MetricSet::All, sequential: false }
    }

    /// Its name, with the metrics that are taken from it if these are not all.
    pub fn title(&self) -> String {
        match self.metrics {
            MetricSet::All => self.kind.to_string(),
            MetricSet::CpuTime => format!("{}, CPU time", self.kind),
            MetricSet::AllButCpuTime => format!("{}, all but CPU time", self.kind),
        }
    }
}

/// How the trials of a block follow each other if `interleave` is the length of a slice.
pub fn schedule(workloads: &[WorkloadSpec], interleave: Option<HumanDuration>) -> Schedule {
    let sequential = workloads.iter().filter(|workload| workload.sequential).count();
    match interleave {
        Some(length) if sequential == 0 => Schedule::Interleaved(length),
        Some(length) if sequential < workloads.len() => Schedule::Both(length),
        _ => Schedule::Sequential,
    }
}
