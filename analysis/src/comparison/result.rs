//! The file of a comparison: [`Comparison`], schema `wssbench.comparison/2`. Fields may be added; existing ones keep their
//! meaning.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::differences::Difference;
use super::disturbance::Disturbance;
use super::figures::{Analysis, ComparedMetric};
use crate::metric::Metric;
use crate::statistics::{CONFIDENCE, LOOK_CONFIDENCE, MIN_PAIRS_OF_LOOK};
use crate::trial::{WorkloadResult, metric_of};
use crate::workload::WorkloadSpec;
use wss_model::run_result::{Environment, Negotiated, Tool};
use wss_model::store::Stored;
use wss_model::units::HumanDuration;
use wss_model::validity::Reason;

/// One comparison, complete or partial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// `wssbench.comparison/2`.
    pub schema: String,
    /// Instant of the start and process id; also the name of the file.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// The program that made the comparison. The programs that measured are listed with the arms.
    pub tool: Tool,
    /// The machine. Its steal time covers the whole comparison.
    pub environment: Environment,
    /// How the comparison was made.
    pub kind: Kind,
    /// The reference.
    pub a: Arm,
    /// What is compared with the reference.
    pub b: Arm,
    /// Seed of the order of trials, and of arrivals and payloads in every run.
    pub seed: u64,
    /// The workloads of every trial, one run each; empty in a comparison of existing results.
    pub workloads: Vec<WorkloadSpec>,
    /// Number of blocks requested, at most.
    pub blocks_planned: usize,
    /// Length of a time slice if the trials of a block ran concurrently (`--interleave`); null if they ran one after
    /// another.
    #[serde(default)]
    pub interleave: Option<HumanDuration>,
    /// Width of the primary metrics' intervals, in percent, at which the comparison may end early (`--until-width`); null
    /// without one.
    pub until_width_percent: Option<f64>,
    /// Blocks measured; the last one may be partial.
    pub blocks: Vec<Block>,
    /// Fields that differ between the arms although they must not; empty unless `--force` was given.
    pub differences: Vec<Difference>,
    /// Fields that differ on purpose: those that `compare --vary` named.
    #[serde(default)]
    pub varied: Vec<Difference>,
    /// Conclusions from the blocks.
    pub analysis: Analysis,
    /// Whether the conclusions may be used.
    pub valid: bool,
    /// Why not. Empty if valid.
    pub invalid_because: Vec<Reason>,
    /// Whether a signal ended the comparison early.
    pub interrupted: bool,
}

/// How a comparison was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `wssbench ab`: trials of two arms.
    Ab,
    /// `wssbench ab --aa`: trials of an arm and of its copy. Every difference is noise.
    Aa,
    /// `wssbench compare`: existing results of runs, paired in their order.
    Files,
}

/// One arm of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// What distinguishes it from the other arm, as the user gave it.
    pub label: String,
    /// Options of `wssbench run`, `--option=value` each: those that the arm adds to its workloads, or, for existing
    /// results, all that differ from the defaults.
    pub options: Vec<String>,
    /// The programs that measured this arm; several take turns.
    pub programs: Vec<Program>,
    /// The kinds of handshake, each once; empty without TLS.
    pub negotiated: Vec<Negotiated>,
}

/// A program that measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// Name of its file.
    pub name: String,
    /// Its version and build; null before its first trial.
    pub tool: Option<Tool>,
}

/// Which arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArmLabel {
    /// The reference.
    A,
    /// What is compared with the reference.
    B,
}

impl fmt::Display for ArmLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// Trials of both arms, close together in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// From 1.
    pub number: usize,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// The arms in the order in which their trials started: ABBA or BAAB; AB for existing results.
    pub order: Vec<ArmLabel>,
    /// The trials that were run, in that order.
    pub trials: Vec<Trial>,
    /// What the machine did during the block; null for existing results.
    pub disturbance: Option<Disturbance>,
    /// Why the block is in no figure; null if it is used.
    pub dropped_because: Option<String>,
}

/// One trial of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// The arm.
    pub arm: ArmLabel,
    /// Index of the program in [`Arm::programs`].
    pub program: usize,
    /// Id of the existing result; null for a trial that was run for this comparison.
    pub run_id: Option<String>,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// Time that the control loop took before the trial, nanoseconds; null for existing results.
    pub control_loop_ns: Option<f64>,
    /// Results of the workloads, in their order.
    pub workloads: Vec<WorkloadResult>,
}

impl Stored for Comparison {
    const SCHEMA: &'static str = "wssbench.comparison/2";
    const SUFFIX: &'static str = ".comparison.json";
}

impl Comparison {
    /// The arm with this label.
    pub fn arm(&self, arm: ArmLabel) -> &Arm {
        match arm {
            ArmLabel::A => &self.a,
            ArmLabel::B => &self.b,
        }
    }

    /// [`Self::arm`], to change it.
    pub fn arm_mut(&mut self, arm: ArmLabel) -> &mut Arm {
        match arm {
            ArmLabel::A => &mut self.a,
            ArmLabel::B => &mut self.b,
        }
    }

    /// The blocks that are complete and not dropped.
    pub fn used_blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.dropped_because.is_none() && block.is_complete())
    }

    /// ln(B ÷ A) of each block that has the metric in all trials, from the geometric mean of each arm's trials.
    pub fn log_ratios(&self, metric: Metric) -> Vec<f64> {
        self.block_log_ratios(metric).into_iter().map(|(_, log)| log).collect()
    }

    /// [`Self::log_ratios`], each with the number of its block.
    pub fn block_log_ratios(&self, metric: Metric) -> Vec<(usize, f64)> {
        let log_ratio = |block: &Block| block.log_ratio(metric, |trial, _| trial.arm == ArmLabel::B);
        self.used_blocks().filter_map(|block| Some((block.number, log_ratio(block)?))).collect()
    }

    /// Log ratios that differ from 0 by noise alone: in each block, one trial of A and one of B ÷ the other two, which
    /// divides as many trials by as many as [`Self::log_ratios`] does and so has the same noise.
    ///
    /// Existing results have one trial per arm in a block. There it is a result ÷ the next one of the same arm, which gives
    /// half as many pairs.
    pub fn log_noise_floor(&self, metric: Metric) -> Vec<f64> {
        if self.kind == Kind::Files {
            let blocks: Vec<&Block> = self.used_blocks().collect();
            let log = |block: &Block, arm: ArmLabel| block.trials.iter().find(|trial| trial.arm == arm)?.log(metric);
            let pairs = blocks.chunks_exact(2).zip([ArmLabel::A, ArmLabel::B].into_iter().cycle());
            return pairs.filter_map(|(pair, arm)| Some(log(pair[0], arm)? - log(pair[1], arm)?)).collect();
        }
        let noise = |block: &Block| {
            if block.trials.len() != 4 {
                return None;
            }
            // The first trial is paired with the second or the third, alternately, so that drift cancels over the blocks.
            let partner = if block.number.is_multiple_of(2) { 1 } else { 2 };
            let swap = (block.number / 2).is_multiple_of(2);
            block.log_ratio(metric, |_, index| (index == 0 || index == partner) != swap)
        };
        self.used_blocks().filter_map(noise).collect()
    }

    /// The confidence at which the intervals are taken: higher if each block was a chance to stop.
    pub(super) fn confidence_of_look(&self) -> f64 {
        if self.until_width_percent.is_some() { LOOK_CONFIDENCE } else { CONFIDENCE }
    }

    /// Whether the comparison may end early: the intervals of the primary metrics are as narrow as requested.
    ///
    /// A finding is never a reason to stop: stopping at the first one would find a difference where there is none.
    pub fn is_precise_enough(&self) -> bool {
        let Some(requested) = self.until_width_percent else { return false };
        let narrow = self.analysis.widest_percent().is_some_and(|widest| widest <= requested);
        self.analysis.blocks_used >= MIN_PAIRS_OF_LOOK && narrow
    }

    /// The conclusions about a metric.
    pub fn figure(&self, metric: Metric) -> Option<&ComparedMetric> {
        self.analysis.metrics.iter().find(|figure| figure.metric == metric)
    }
}

impl Block {
    /// Whether every trial was run.
    pub fn is_complete(&self) -> bool {
        self.trials.len() == self.order.len() && !self.trials.is_empty()
    }

    /// Mean logarithm of the trials that `is_numerator` selects minus that of the others; `None` unless all have the
    /// metric.
    fn log_ratio(&self, metric: Metric, is_numerator: impl Fn(&Trial, usize) -> bool) -> Option<f64> {
        let (mut numerator, mut denominator) = (Vec::new(), Vec::new());
        for (index, trial) in self.trials.iter().enumerate() {
            if is_numerator(trial, index) { &mut numerator } else { &mut denominator }.push(trial.log(metric)?);
        }
        let mean = |logs: &[f64]| logs.iter().sum::<f64>() / logs.len() as f64;
        (!numerator.is_empty() && !denominator.is_empty()).then(|| mean(&numerator) - mean(&denominator))
    }
}

impl Trial {
    /// Natural logarithm of a metric; `None` if it is missing or not above 0.
    fn log(&self, metric: Metric) -> Option<f64> {
        metric_of(&self.workloads, metric).filter(|value| *value > 0.0).map(f64::ln)
    }
}
