//! What changed over months: one line a comparison, in JSON Lines, schema `wssbench.history/2`.
//!
//! A line has ratios to a pinned reference build and never a time: what the machine did that day is in both and falls
//! out. Lines are only ever appended ([`append`]), and a line that cannot be read is told and kept ([`read`]). What was
//! measured elsewhere, against another reference or of another configuration is a series of its own ([`series`]).

mod file;
mod series;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comparison::{Arm, Comparison, Kind};
use wss_model::run_result::Environment;
use wss_model::text::phrases::describe_handshake;

pub use self::file::{Added, BadLine, History, HistoryError, append, read};
pub use self::series::{Point, Series, Trend, series};

/// Schema of a line. The number is the major version: a reader keeps a line of one that it does not know and tells it.
pub const SCHEMA: &str = "wssbench.history/2";

/// One comparison, as a line has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: String,
    /// Id of the comparison that it is made of: the same one is not added twice.
    pub comparison_id: String,
    /// Start of the comparison, RFC 3339, UTC.
    pub started_at: String,
    /// What was compared: B.
    pub candidate: Build,
    /// What it was compared with: A, the pinned one.
    pub reference: Build,
    /// What each trial was: its workloads with their options, those of the arms, and what was negotiated.
    pub configuration: String,
    /// The machine.
    pub environment: Fingerprint,
    /// B ÷ A, by the metric's name.
    pub metrics: BTreeMap<String, TrackedRatio>,
}

/// A build of wssbench.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// What the comparison called it.
    pub label: String,
    /// Its version; several, if several programs had their turns.
    pub version: Option<String>,
    /// The commit it was built from; several, the same.
    pub commit: Option<String>,
}

/// What has to be the same of a machine for its ratios to be one series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Fingerprint {
    /// CPU model.
    pub cpu_model: String,
    /// CPUs that it could use.
    pub cores: usize,
    /// Memory, whole GiB: what a kernel keeps for itself differs by some MiB from boot to boot.
    pub memory_gib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Frequency governor.
    pub governor: Option<String>,
    /// What it is virtualised by.
    pub hypervisor: Option<String>,
    /// Clock source.
    pub clocksource: Option<String>,
    /// `release` or `debug`, of the candidate.
    pub profile: String,
}

/// A ratio of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrackedRatio {
    /// Hodges–Lehmann center.
    pub center: f64,
    /// Lower bound of its exact interval; null with too few blocks for one.
    pub low: Option<f64>,
    /// Upper bound.
    pub high: Option<f64>,
    /// Blocks that it is made of.
    pub blocks: usize,
}

/// Why a comparison is not to be remembered: one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is not valid.
    #[error("{id}: the comparison is not valid, and a history is of those that are: {because}")]
    NotValid {
        /// The comparison.
        id: String,
        /// The first reason.
        because: String,
    },
    /// There is no candidate.
    #[error("{id}: it compares a build with its own copy (--aa): that is noise, and no point of a trend")]
    Copy {
        /// The comparison.
        id: String,
    },
    /// Two different things were measured.
    #[error("{id}: it was forced, and A and B differ in {field}: that is no ratio of two builds")]
    Forced {
        /// The comparison.
        id: String,
        /// The first field.
        field: String,
    },
    /// There is nothing in it.
    #[error("{id}: it has no ratio")]
    NoRatio {
        /// The comparison.
        id: String,
    },
}

impl Entry {
    /// What is remembered of a comparison.
    ///
    /// # Errors
    /// [`Unfit`], if it is none of a candidate with a reference whose figures count.
    pub fn of(comparison: &Comparison) -> Result<Self, Unfit> {
        let id = comparison.id.clone();
        if comparison.kind == Kind::Aa {
            return Err(Unfit::Copy { id });
        }
        if !comparison.valid {
            let because = comparison.invalid_because.first().map_or("no reason given", |reason| &reason.text);
            return Err(Unfit::NotValid { id, because: because.to_owned() });
        }
        if let Some(difference) = comparison.differences.first() {
            return Err(Unfit::Forced { id, field: difference.field.clone() });
        }
        let ratios = comparison.analysis.metrics.iter().filter_map(|figure| {
            let ratio = figure.ratio.as_ref()?;
            let bound = |of: fn(&crate::statistics::Interval) -> f64| ratio.interval.as_ref().map(of);
            let (low, high) = (bound(|interval| interval.low), bound(|interval| interval.high));
            let tracked = TrackedRatio { center: ratio.center, low, high, blocks: ratio.pairs };
            Some((figure.metric.name().to_owned(), tracked))
        });
        let metrics: BTreeMap<String, TrackedRatio> = ratios.collect();
        if metrics.is_empty() {
            return Err(Unfit::NoRatio { id });
        }
        Ok(Self {
            schema: SCHEMA.to_owned(),
            comparison_id: id,
            started_at: comparison.started_at.clone(),
            candidate: Build::of(&comparison.b),
            reference: Build::of(&comparison.a),
            configuration: configuration(comparison),
            environment: Fingerprint::of(&comparison.environment, &comparison.b),
            metrics,
        })
    }
}

impl Build {
    /// What tells it from others: version and commit, wherever it lay; its label only if it has neither.
    fn identity(&self) -> [Option<&str>; 3] {
        let label = (self.version.is_none() || self.commit.is_none()).then_some(self.label.as_str());
        [self.version.as_deref(), self.commit.as_deref(), label]
    }

    fn of(arm: &Arm) -> Self {
        let tools = || arm.programs.iter().filter_map(|program| program.tool.as_ref());
        let commits = tools().filter_map(|tool| {
            let dirty = if tool.git_dirty == Some(true) { "+changes" } else { "" };
            Some(format!("{}{dirty}", tool.git_commit.as_ref()?))
        });
        Self {
            label: arm.label.clone(),
            version: joined(tools().map(|tool| tool.version.clone()), ", "),
            commit: joined(commits, ", "),
        }
    }
}

impl Fingerprint {
    fn of(environment: &Environment, candidate: &Arm) -> Self {
        let Environment {
            kernel,
            cpu_model,
            cores,
            memory_bytes: _,
            governor,
            hypervisor,
            clocksource,
            steal_percent: _,
        } = environment;
        let profiles = candidate.programs.iter().filter_map(|program| Some(program.tool.as_ref()?.profile.clone()));
        Self {
            cpu_model: cpu_model.clone(),
            cores: *cores,
            memory_gib: environment.memory_gib(),
            kernel: kernel.clone(),
            governor: governor.clone(),
            hypervisor: hypervisor.clone(),
            clocksource: clocksource.clone(),
            profile: joined(profiles, ", ").unwrap_or_default(),
        }
    }
}

/// What each trial was, in one line.
fn configuration(comparison: &Comparison) -> String {
    let with = |name: String, options: &[String]| match options {
        [] => name,
        options => format!("{name} {}", options.join(" ")),
    };
    let workloads = comparison.workloads.iter().map(|workload| with(workload.kind.to_string(), &workload.options));
    // A seed says in which order it was done, and not what.
    let options = |of: &[String]| of.iter().filter(|one| !one.starts_with("--seed")).cloned().collect::<Vec<_>>();
    let arms = [("A", &comparison.a), ("B", &comparison.b)]
        .into_iter()
        .filter(|(_, arm)| !arm.options.is_empty())
        .map(|(name, arm)| with(name.to_owned(), &options(&arm.options)));
    joined(workloads.chain(arms).chain(comparison.b.negotiated.iter().map(describe_handshake)), "; ")
        .unwrap_or_default()
}

/// Each once, in order; `None` of none.
fn joined(texts: impl Iterator<Item = String>, between: &str) -> Option<String> {
    let mut each: Vec<String> = Vec::new();
    for text in texts {
        if !each.contains(&text) {
            each.push(text);
        }
    }
    (!each.is_empty()).then(|| each.join(between))
}

/// Where the history is if nobody says: `results/history/history.jsonl`, relative to the current folder.
pub fn default_path() -> PathBuf {
    Path::new("results/history").join("history.jsonl")
}

/// JSON Schema, draft 2020-12, of a line; what holds for [`wss_model::schema::run_schema`] holds for it.
///
/// The same as the committed `results/schema/wssbench.history-2.json`.
pub fn schema() -> serde_json::Value {
    wss_model::schema::of::<Entry>()
}

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
#[cfg(test)]
mod tests;
