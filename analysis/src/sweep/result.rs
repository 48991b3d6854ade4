//! The file of a sweep: [`SweepResult`], schema `wssbench.sweep/2`. Fields may be added; existing ones keep their meaning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::summary::Analysis;
use crate::metric::Metric;
use crate::trial::{WorkloadResult, metric_of};
use crate::workload::WorkloadSpec;
use wss_model::config::RunConfig;
use wss_model::run_result::{Environment, Tool};
use wss_model::store::Stored;
use wss_model::units::HumanDuration;
use wss_model::validity::Reason;

/// One sweep, complete or partial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SweepResult {
    /// `wssbench.sweep/2`.
    pub schema: String,
    /// Instant of the start and process id; also the name of the file.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// The program that measured.
    pub tool: Tool,
    /// The machine. Its steal time covers the whole sweep, or the time since the last `--resume-from`.
    pub environment: Environment,
    /// Name of the preset: `suites`, `tour`, …; null without one.
    pub preset: Option<String>,
    /// Seed of the order of trials, and of arrivals and payloads in every run.
    pub seed: u64,
    /// The workloads of every trial, in this order. Each is one run with a server process of its own.
    pub workloads: Vec<WorkloadSpec>,
    /// The configurations, numbered from 1; the last one repeats the reference.
    pub configurations: Vec<Configuration>,
    /// Number of the configuration that the others are compared with.
    pub reference: usize,
    /// Requested combinations of options that are not valid and were left out.
    pub invalid_combinations: Vec<InvalidCombination>,
    /// Number of blocks requested.
    pub blocks_planned: usize,
    /// Length of a time slice if the trials of a block ran concurrently (`--interleave`); null if they ran one after
    /// another.
    #[serde(default)]
    pub interleave: Option<HumanDuration>,
    /// Blocks measured; the last one may be partial.
    pub blocks: Vec<Block>,
    /// Conclusions from the blocks.
    pub analysis: Analysis,
    /// Whether all blocks are complete and every trial is valid.
    pub valid: bool,
    /// Why not. Empty if valid.
    pub invalid_because: Vec<Reason>,
    /// Whether a signal ended the sweep early.
    pub interrupted: bool,
}

/// One configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// From 1.
    pub number: usize,
    /// The options that distinguish it from the others, as the user gave them.
    pub label: String,
    /// Options of `wssbench run`, `--option=value` each.
    pub options: Vec<String>,
    /// The parsed options with all defaults, without those of a workload.
    pub config: RunConfig,
    /// Number of the configuration that this one repeats: differences between the two are noise. Null for all but the
    /// last one.
    pub repeat_of: Option<usize>,
}

/// A combination of options that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidCombination {
    /// The requested options.
    pub label: String,
    /// Why they cannot be combined.
    pub reason: String,
}

/// One trial of every configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// From 1.
    pub number: usize,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// Numbers of the configurations, in the order in which their trials started.
    pub order: Vec<usize>,
    /// The trials that were run, in that order.
    pub trials: Vec<Trial>,
}

/// One trial of one configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Number of the configuration.
    pub configuration: usize,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// Whether all workloads are valid.
    pub valid: bool,
    /// Results of the workloads, in their order.
    pub workloads: Vec<WorkloadResult>,
}

impl Stored for SweepResult {
    const SCHEMA: &'static str = "wssbench.sweep/2";
    const SUFFIX: &'static str = ".sweep.json";
}

impl SweepResult {
    /// The configuration with this number.
    pub fn configuration(&self, number: usize) -> Option<&Configuration> {
        self.configurations.iter().find(|configuration| configuration.number == number)
    }

    /// All trials of a configuration.
    pub fn trials_of(&self, number: usize) -> impl Iterator<Item = &Trial> {
        self.blocks.iter().flat_map(|block| &block.trials).filter(move |trial| trial.configuration == number)
    }

    /// Number of blocks in which every configuration was measured.
    pub fn complete_blocks(&self) -> usize {
        self.blocks.iter().filter(|block| block.is_complete()).count()
    }
}

impl Block {
    /// Whether every configuration was measured.
    pub fn is_complete(&self) -> bool {
        self.trials.len() == self.order.len()
    }
}

impl Trial {
    /// The value of a metric; `None` if it was not measured or its workload is invalid.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        metric_of(&self.workloads, metric)
    }

    /// Appends the result of the next workload.
    pub fn add(&mut self, workload: WorkloadResult) {
        self.valid &= workload.valid;
        self.workloads.push(workload);
    }

    /// The first reason of the first invalid workload; `None` if all are valid.
    pub fn first_reason(&self) -> Option<String> {
        let workload = self.workloads.iter().find(|workload| !workload.valid)?;
        let reason = workload.invalid_because.first().map_or("no reason given", |reason| &reason.text);
        Some(format!("{}: {reason}", workload.kind))
    }
}
