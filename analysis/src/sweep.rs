//! What a sweep found: [`SweepResult`], schema `wssbench.sweep/2`. Additions are free; names that stand here stay.
//!
//! Every block is kept with every trial, so that whatever is concluded from them ([`Analysis`]) can be concluded again.

mod analysis;
mod security;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validity::is_only_disturbed;
use wss_model::Reason;
use wss_model::config::RunConfig;
use wss_model::run_result::{Environment, NegotiatedCount, RunResult, Tool};
use wss_model::store::{self, StoreError};
use wss_model::units::HumanDuration;

pub use self::analysis::{Analysis, MetricSummary, Ranking, Summary};
pub use self::security::{Security, security};
pub use crate::metric::{Metric, Workload, measure};

/// Schema of [`SweepResult`]. The number is the major version: a reader refuses one that it does not know.
pub const SCHEMA: &str = "wssbench.sweep/2";

/// One sweep: complete, or as far as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepResult {
    /// [`SCHEMA`].
    pub schema: String,
    /// Also the name of its file: instant of the start and process.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// What measured.
    pub tool: Tool,
    /// Where it measured; its steal time is that of the whole sweep, of a continued one that since it was continued.
    pub environment: Environment,
    /// The preset it was asked by: `suites`, `tour`, …
    pub preset: Option<String>,
    /// Seed of the order, and of the arrivals and payloads of every run.
    pub seed: u64,
    /// What every trial is made of, in this order: one run each, with a server process of its own.
    pub workloads: Vec<WorkloadSpec>,
    /// What was compared, numbered from 1; the last one is the reference once more.
    pub configurations: Vec<Configuration>,
    /// Number of the configuration that the others are compared with.
    pub reference: usize,
    /// Combinations of what was asked that cannot be, and are not among the configurations.
    pub invalid_combinations: Vec<InvalidCombination>,
    /// Blocks that were asked for.
    pub blocks_planned: usize,
    /// How long each trial of a block sends before it waits for the others, if they were run at the same time; null if one
    /// was run after the other.
    #[serde(default)]
    pub interleave: Option<HumanDuration>,
    /// Blocks that were run, the last one perhaps in part.
    pub blocks: Vec<Block>,
    /// What follows from the blocks.
    pub analysis: Analysis,
    /// Whether all of it was run and every trial is valid.
    pub valid: bool,
    /// Why not: sentences.
    pub invalid_because: Vec<Reason>,
    /// Cut short by a signal: what had been measured until then.
    pub interrupted: bool,
}

/// A workload of every trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadSpec {
    /// What it measures.
    pub kind: Workload,
    /// Options of `wssbench run` that make it so; those of a configuration win over them.
    pub options: Vec<String>,
}

/// One configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// From 1.
    pub number: usize,
    /// What tells it from the others, as it was asked for.
    pub label: String,
    /// Options of `wssbench run`, `--option=value` each.
    pub options: Vec<String>,
    /// The same as they are understood, with every default; what a workload sets is not in it.
    pub config: RunConfig,
    /// This is the configuration with that number once more: what differs between the two is noise.
    pub repeat_of: Option<usize>,
}

/// A combination that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidCombination {
    /// What was asked.
    pub label: String,
    /// Why it cannot be.
    pub reason: String,
}

/// One turn of every configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// From 1.
    pub number: usize,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// Numbers of the configurations in the order in which they were run, or started to run at the same time.
    pub order: Vec<usize>,
    /// Their trials, as far as they were run, in that order.
    pub trials: Vec<Trial>,
}

/// One turn of one configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Number of the configuration.
    pub configuration: usize,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// Whether all of its workloads are valid.
    pub valid: bool,
    /// Its workloads, in their order.
    pub workloads: Vec<WorkloadResult>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadResult {
    /// What it measured.
    pub kind: Workload,
    /// Whether its figures count.
    pub valid: bool,
    /// Why not: what its result says, or why there is none.
    pub invalid_because: Vec<Reason>,
    /// Whether there is no result at all.
    pub failed: bool,
    /// Whether the machine is the only reason: steal time, or a generator that was late.
    #[serde(default)]
    pub disturbed: bool,
    /// What was negotiated, seen from the client, with how often.
    pub negotiated: Vec<NegotiatedCount>,
    /// What it found; null is what it could not tell. Those of a workload that is not valid are in no ratio.
    pub metrics: BTreeMap<Metric, Option<f64>>,
}

impl SweepResult {
    /// Draws the conclusions from the blocks anew: [`Self::analysis`], and whether the whole is valid.
    pub fn conclude(&mut self) {
        self.analysis = Analysis::of(self);
        self.invalid_because = analysis::reasons(self);
        self.valid = self.invalid_because.is_empty();
    }

    /// The configuration with a number.
    pub fn configuration(&self, number: usize) -> Option<&Configuration> {
        self.configurations.iter().find(|configuration| configuration.number == number)
    }

    /// All trials of a configuration.
    pub fn trials_of(&self, number: usize) -> impl Iterator<Item = &Trial> {
        self.blocks.iter().flat_map(|block| &block.trials).filter(move |trial| trial.configuration == number)
    }

    /// Blocks in which every configuration had its turn.
    pub fn whole_blocks(&self) -> usize {
        self.blocks.iter().filter(|block| block.is_whole()).count()
    }
}

impl Block {
    /// Whether every configuration had its turn.
    pub fn is_whole(&self) -> bool {
        self.trials.len() == self.order.len()
    }
}

impl Trial {
    /// What its workload found, if that workload is valid.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        metric_of(&self.workloads, metric)
    }

    /// Adds what its next workload has come to.
    pub fn add(&mut self, workload: WorkloadResult) {
        self.valid &= workload.valid;
        self.workloads.push(workload);
    }

    /// Why it is not valid, if it is not: the first reason.
    pub fn first_reason(&self) -> Option<String> {
        let workload = self.workloads.iter().find(|workload| !workload.valid)?;
        let reason = workload.invalid_because.first().map_or("no reason given", |reason| &reason.text);
        Some(format!("{}: {reason}", workload.kind))
    }
}

impl WorkloadResult {
    /// What a run says as a workload of that sort.
    pub fn of(kind: Workload, run: &RunResult) -> Self {
        Self {
            kind,
            valid: run.valid,
            invalid_because: run.invalid_because.clone(),
            failed: false,
            disturbed: is_only_disturbed(run),
            negotiated: run.negotiated.clone(),
            metrics: measure(kind, run),
        }
    }
}

/// What a trial's workload found, if that workload is valid.
pub fn metric_of(workloads: &[WorkloadResult], metric: Metric) -> Option<f64> {
    let workload = workloads.iter().find(|workload| workload.kind == metric.workload())?;
    workload.metrics.get(&metric).copied().flatten().filter(|_| workload.valid)
}

/// JSON Schema, draft 2020-12, of a sweep's file; what holds for [`wss_model::schema::run_schema`] holds for it.
///
/// The same as the committed `results/schema/wssbench.sweep-2.json`.
pub fn schema() -> serde_json::Value {
    wss_model::schema::of_file::<SweepResult>()
}

/// Where a sweep's result goes if nobody says: `results/runs/<id>.sweep.json`, relative to the current folder.
pub fn default_path(id: &str) -> PathBuf {
    Path::new("results/runs").join(format!("{id}.sweep.json"))
}

/// Writes a sweep, whole or not at all.
///
/// # Errors
/// As [`store::write`].
pub fn write(result: &SweepResult, path: &Path) -> Result<(), StoreError> {
    store::write_as(result, path)
}

/// Reads a sweep.
///
/// # Errors
/// As [`store::read`].
pub fn read(path: &Path) -> Result<SweepResult, StoreError> {
    store::read_as(SCHEMA, path)
}

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
#[cfg(test)]
mod tests;
