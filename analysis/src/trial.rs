//! The result of one workload of a trial, as sweeps and comparisons store it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::{Metric, measure};
use crate::validity::is_only_disturbed;
use crate::workload::{MetricSet, Workload};
use wss_model::Reason;
use wss_model::run_result::{NegotiatedCount, RunResult};

/// One run of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadResult {
    /// The workload.
    pub kind: Workload,
    /// Whether the metrics may be used.
    pub valid: bool,
    /// Why not: the reasons of the run, or why it has no result. Empty if valid.
    pub invalid_because: Vec<Reason>,
    /// Whether the run has no result.
    pub failed: bool,
    /// Whether it is invalid only because the machine interfered: steal time, or a late generator.
    #[serde(default)]
    pub disturbed: bool,
    /// The kinds of handshake, as the client saw them, with their counts.
    pub negotiated: Vec<NegotiatedCount>,
    /// Value by metric; null if the run could not measure it. Metrics of an invalid run are in no ratio.
    pub metrics: BTreeMap<Metric, Option<f64>>,
}

impl WorkloadResult {
    /// The result of a run that applied the workload `kind`, for the metrics in `set`.
    pub fn from_run(kind: Workload, set: MetricSet, run: &RunResult) -> Self {
        Self {
            kind,
            valid: run.valid,
            invalid_because: run.invalid_because.clone(),
            failed: false,
            disturbed: is_only_disturbed(run),
            negotiated: run.negotiated.clone(),
            metrics: measure(kind, set, run),
        }
    }
}

/// The value of a metric in a trial; `None` if it was not measured or its workload is invalid.
pub fn metric_of(workloads: &[WorkloadResult], metric: Metric) -> Option<f64> {
    let workload = workloads.iter().find(|workload| workload.metrics.contains_key(&metric))?;
    workload.metrics.get(&metric).copied().flatten().filter(|_| workload.valid)
}
