//! What a comparison of two found: [`Comparison`], schema `wssbench.comparison/2`. Additions are free; names that stand
//! here stay.
//!
//! Two arms, A and B, have their trials in blocks; the unit of all that is concluded ([`Analysis`]) is the block, never the
//! request. A block that the machine disturbed is dropped as a whole, by disturbance that do not look at the ratios
//! ([`Disturbance`]); it stays in the file with the reason.

mod analysis;
mod differences;
mod disturbance;

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statistics::MIN_PAIRS;
use crate::sweep::{Metric, WorkloadResult, WorkloadSpec, metric_of};
use wss_model::Reason;
use wss_model::run_result::{Environment, Negotiated, Tool};
use wss_model::store::{self, StoreError};
use wss_model::units::HumanDuration;

pub use self::analysis::{Analysis, ComparedMetric, Role};
pub use self::differences::{Difference, between, fields};
pub use self::disturbance::{Disturbance, LIMITS, Limits};

/// Schema of [`Comparison`]. The number is the major version: a reader refuses one that it does not know.
pub const SCHEMA: &str = "wssbench.comparison/2";

/// One comparison: complete, or as far as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: String,
    /// Also the name of its file: instant of the start and process.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// What put it together; what measured stands with the arms.
    pub tool: Tool,
    /// Where it was measured; its steal time is that of the whole.
    pub environment: Environment,
    /// How it came about.
    pub kind: Kind,
    /// What the other is compared with.
    pub a: Arm,
    /// What is compared with it.
    pub b: Arm,
    /// Seed of the order, and of the arrivals and payloads of every run.
    pub seed: u64,
    /// What every trial is made of, one run each; empty of results that existed.
    pub workloads: Vec<WorkloadSpec>,
    /// Blocks that were asked for, at most.
    pub blocks_planned: usize,
    /// How long each trial of a block sends before it waits for the others, if they were run at the same time; null if one
    /// was run after the other.
    #[serde(default)]
    pub interleave: Option<HumanDuration>,
    /// Length of the intervals of the primary figures, in percent, at which it was to end before.
    pub until_width_percent: Option<f64>,
    /// Blocks that were run, the last one perhaps in part.
    pub blocks: Vec<Block>,
    /// In what the two differ that is to be the same; empty, unless it was forced.
    pub differences: Vec<Difference>,
    /// In what they differ because they are meant to: what `compare --vary` named.
    #[serde(default)]
    pub varied: Vec<Difference>,
    /// What follows from the blocks.
    pub analysis: Analysis,
    /// Whether all of it was run and what follows can be trusted.
    pub valid: bool,
    /// Why not: sentences.
    pub invalid_because: Vec<Reason>,
    /// Cut short by a signal: what had been measured until then.
    pub interrupted: bool,
}

/// How a comparison came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Trials of two, run for it.
    Ab,
    /// Trials of one and of its copy, run for it: whatever is found is noise.
    Aa,
    /// Results that existed, paired in their order.
    Files,
}

/// One of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// What tells it from the other, as it was asked for.
    pub label: String,
    /// Options of `wssbench run` that it adds to those of the workloads, `--option=value` each; of results that existed all
    /// that are not the defaults.
    pub options: Vec<String>,
    /// The programs that have their turns as it, or measured it.
    pub programs: Vec<Program>,
    /// What was negotiated, each sort once; empty without TLS.
    pub negotiated: Vec<Negotiated>,
}

/// A program that measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// Its file's name.
    pub name: String,
    /// What it says of itself; null before its first trial.
    pub tool: Option<Tool>,
}

/// A or B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArmLabel {
    /// What the other is compared with.
    A,
    /// What is compared with it.
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

/// Trials of both, close together in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Block {
    /// From 1.
    pub number: usize,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// Whose turn it is, in order: ABBA or BAAB; of results that existed AB. Of trials that take turns within the block the
    /// order in which they were started.
    pub order: Vec<ArmLabel>,
    /// The trials, as far as they were run, in that order.
    pub trials: Vec<Trial>,
    /// What the machine did meanwhile; absent of results that existed.
    pub disturbance: Option<Disturbance>,
    /// Why it is in no figure, if it is not.
    pub dropped_because: Option<String>,
}

/// One turn of one of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// Whose.
    pub arm: ArmLabel,
    /// Index of the program in [`Arm::programs`].
    pub program: usize,
    /// Id of the run, if it existed before.
    pub run_id: Option<String>,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// What fixed work took before it, the same for every trial, nanoseconds.
    pub control_loop_ns: Option<f64>,
    /// Its workloads, in their order.
    pub workloads: Vec<WorkloadResult>,
}

impl Comparison {
    /// Draws the conclusions from the blocks anew: which are dropped, [`Self::analysis`], whether the whole is valid.
    pub fn conclude(&mut self) {
        let dropped = disturbance::dropped(&self.blocks);
        for (block, reason) in self.blocks.iter_mut().zip(dropped) {
            block.dropped_because = reason;
        }
        for arm in [ArmLabel::A, ArmLabel::B] {
            let negotiated = analysis::negotiated(&self.blocks, arm);
            self.arm_mut(arm).negotiated = negotiated;
        }
        self.analysis = Analysis::of(self);
        self.invalid_because = analysis::reasons(self);
        self.valid = self.invalid_because.is_empty();
    }

    /// One of the two.
    pub fn arm(&self, arm: ArmLabel) -> &Arm {
        match arm {
            ArmLabel::A => &self.a,
            ArmLabel::B => &self.b,
        }
    }

    /// One of the two.
    pub fn arm_mut(&mut self, arm: ArmLabel) -> &mut Arm {
        match arm {
            ArmLabel::A => &mut self.a,
            ArmLabel::B => &mut self.b,
        }
    }

    /// Blocks of which every trial was run and nothing speaks against.
    pub fn used_blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.dropped_because.is_none() && block.is_whole())
    }

    /// The logarithm of B ÷ A in each block that has both: of the geometric means of either's trials.
    pub fn log_ratios(&self, metric: Metric) -> Vec<f64> {
        self.used_blocks().filter_map(|block| block.contrast(metric, |trial, _| trial.arm == ArmLabel::B)).collect()
    }

    /// What is 0 but for noise. In each block: one trial of A and one of B against the other two. Of results that existed,
    /// one of each a block: a result of one arm against the next one of the same arm, in half as many pairs. It has as
    /// many trials above and below the line as [`Self::log_ratios`], and so the same noise.
    pub fn log_noise_floor(&self, metric: Metric) -> Vec<f64> {
        if self.kind == Kind::Files {
            let blocks: Vec<&Block> = self.used_blocks().collect();
            let of = |block: &Block, arm: ArmLabel| block.trials.iter().find(|trial| trial.arm == arm)?.log(metric);
            let pairs = blocks.chunks_exact(2).zip([ArmLabel::A, ArmLabel::B].into_iter().cycle());
            return pairs.filter_map(|(pair, arm)| Some(of(pair[0], arm)? - of(pair[1], arm)?)).collect();
        }
        let floor = |block: &Block| {
            if block.trials.len() != 4 {
                return None;
            }
            // First trial with second in one block, with third in the next: what drifts falls out over the blocks.
            let partner = if block.number.is_multiple_of(2) { 1 } else { 2 };
            let over =
                |_: &Trial, index: usize| (index == 0 || index == partner) != (block.number / 2).is_multiple_of(2);
            block.contrast(metric, over)
        };
        self.used_blocks().filter_map(floor).collect()
    }

    /// Whether it may end before all blocks were run: the intervals of the primary figures are as narrow as was asked.
    /// Never because something was found: to stop on that would find something in the end wherever there is nothing.
    pub fn is_narrow(&self) -> bool {
        let Some(wanted) = self.until_width_percent else { return false };
        let narrow = self.analysis.widest_percent().is_some_and(|widest| widest <= wanted);
        self.analysis.blocks_used >= MIN_PAIRS && narrow
    }

    /// The figure of one with that name.
    pub fn figure(&self, metric: Metric) -> Option<&ComparedMetric> {
        self.analysis.metrics.iter().find(|figure| figure.metric == metric)
    }
}

impl Block {
    /// Whether every trial had its turn.
    pub fn is_whole(&self) -> bool {
        self.trials.len() == self.order.len() && !self.trials.is_empty()
    }

    /// Mean logarithm over the trials that are above the line less that of the others; `None` unless all have the figure.
    fn contrast(&self, metric: Metric, above: impl Fn(&Trial, usize) -> bool) -> Option<f64> {
        let (mut over, mut under) = (Vec::new(), Vec::new());
        for (index, trial) in self.trials.iter().enumerate() {
            if above(trial, index) { &mut over } else { &mut under }.push(trial.log(metric)?);
        }
        let mean = |logs: &[f64]| logs.iter().sum::<f64>() / logs.len() as f64;
        (!over.is_empty() && !under.is_empty()).then(|| mean(&over) - mean(&under))
    }
}

impl Trial {
    /// The logarithm of a figure, if it has it.
    fn log(&self, metric: Metric) -> Option<f64> {
        metric_of(&self.workloads, metric).filter(|value| *value > 0.0).map(f64::ln)
    }
}

/// JSON Schema, draft 2020-12, of a comparison's file; what holds for [`wss_model::schema::run_schema`] holds for it.
///
/// The same as the committed `results/schema/wssbench.comparison-2.json`.
pub fn schema() -> serde_json::Value {
    wss_model::schema::of_file::<Comparison>()
}

/// Where a comparison goes if nobody says: `results/runs/<id>.comparison.json`, relative to the current folder.
pub fn default_path(id: &str) -> PathBuf {
    Path::new("results/runs").join(format!("{id}.comparison.json"))
}

/// Writes a comparison, whole or not at all.
///
/// # Errors
/// As [`store::write`].
pub fn write(result: &Comparison, path: &Path) -> Result<(), StoreError> {
    store::write_as(result, path)
}

/// Reads a comparison.
///
/// # Errors
/// As [`store::read`].
pub fn read(path: &Path) -> Result<Comparison, StoreError> {
    store::read_as(SCHEMA, path)
}

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
#[cfg(test)]
mod tests;
