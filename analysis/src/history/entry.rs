//! One line of the history: [`Entry`], made from a comparison.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comparison::{Arm, Comparison, Kind};
use wss_model::run_result::Environment;
use wss_model::text::phrases::describe_handshake;

/// Schema of a line, with its major version. A reader reports lines of other versions and keeps them.
pub const SCHEMA: &str = "wssbench.history/2";

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// `wssbench.history/2`.
    pub schema: String,
    /// Id of the comparison. It is in the history at most once.
    pub comparison_id: String,
    /// Start of the comparison, RFC 3339, UTC.
    pub started_at: String,
    /// The build that was compared: B.
    pub candidate: Build,
    /// The pinned build that it was compared with: A.
    pub reference: Build,
    /// What was measured, in one line: the workloads with their options, the options of the arms, and the kinds of
    /// handshake. Entries with different configurations are not compared.
    pub configuration: String,
    /// The machine.
    pub environment: Fingerprint,
    /// B ÷ A, by name of the metric.
    pub metrics: BTreeMap<String, TrackedRatio>,
}

/// A build of wssbench.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Its label in the comparison.
    pub label: String,
    /// Version; several, separated by commas, if several programs measured. Null if unknown.
    pub version: Option<String>,
    /// Commit it was built from, with `+changes` for uncommitted changes; several, separated by commas, likewise. Null if
    /// unknown.
    pub commit: Option<String>,
}

/// The properties of a machine that must be equal for ratios to be comparable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Fingerprint {
    /// CPU model.
    pub cpu_model: String,
    /// Number of CPUs available to the process.
    pub cores: usize,
    /// Memory in GiB, rounded up: the part that the kernel reserves differs by a few MiB from boot to boot.
    pub memory_gib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Frequency governor of the first CPU; null if there is none.
    pub governor: Option<String>,
    /// Hypervisor; null on bare metal.
    pub hypervisor: Option<String>,
    /// Clock source of the kernel.
    pub clocksource: Option<String>,
    /// Settings that affect figures: see the result of a run. Empty in older entries.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Build profile of the candidate: `release` or `debug`.
    pub profile: String,
}

/// A ratio of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrackedRatio {
    /// Hodges–Lehmann estimate.
    pub center: f64,
    /// Lower bound of the exact interval; null with fewer than 6 blocks.
    pub low: Option<f64>,
    /// Upper bound, likewise.
    pub high: Option<f64>,
    /// Number of blocks that it is based on.
    pub blocks: usize,
}

/// Why a comparison cannot become part of a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is invalid.
    #[error("{id}: the comparison is invalid; add only valid ones ({because})")]
    NotValid {
        /// Id of the comparison.
        id: String,
        /// The first reason.
        because: String,
    },
    /// It has no candidate.
    #[error("{id}: the comparison is of a build with itself (--aa); add only comparisons of two different builds")]
    Copy {
        /// Id of the comparison.
        id: String,
    },
    /// The arms differ in more than the build.
    #[error("{id}: A and B differ in {field} (compared with --force); add comparisons that differ only in the build")]
    Forced {
        /// Id of the comparison.
        id: String,
        /// The first such field.
        field: String,
    },
    /// It is empty.
    #[error("{id}: the comparison has no ratio; measure at least one block of both arms")]
    NoRatio {
        /// Id of the comparison.
        id: String,
    },
}

impl Entry {
    /// The entry for a comparison.
    ///
    /// # Errors
    /// [`Unfit`], if it is not a valid comparison of a candidate with a reference build.
    pub fn from_comparison(comparison: &Comparison) -> Result<Self, Unfit> {
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
            let interval = ratio.interval.as_ref();
            let (low, high) = (interval.map(|interval| interval.low), interval.map(|interval| interval.high));
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
            candidate: Build::from_arm(&comparison.b),
            reference: Build::from_arm(&comparison.a),
            configuration: configuration(comparison),
            environment: Fingerprint::new(&comparison.environment, &comparison.b),
            metrics,
        })
    }
}

impl Build {
    /// What distinguishes builds: version and commit, and the label only if one of them is unknown.
    pub(super) fn identity(&self) -> [Option<&str>; 3] {
        let label = (self.version.is_none() || self.commit.is_none()).then_some(self.label.as_str());
        [self.version.as_deref(), self.commit.as_deref(), label]
    }

    fn from_arm(arm: &Arm) -> Self {
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
    fn new(environment: &Environment, candidate: &Arm) -> Self {
        let Environment {
            kernel,
            cpu_model,
            cores,
            memory_bytes: _,
            governor,
            hypervisor,
            clocksource,
            settings,
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
            settings: settings.clone(),
            profile: joined(profiles, ", ").unwrap_or_default(),
        }
    }
}

/// What was measured, in one line.
fn configuration(comparison: &Comparison) -> String {
    let with = |name: String, options: &[String]| match options {
        [] => name,
        options => format!("{name} {}", options.join(" ")),
    };
    let workloads = comparison.workloads.iter().map(|workload| with(workload.title(), &workload.options));
    // The seed does not change what is measured.
    let options = |all: &[String]| all.iter().filter(|one| !one.starts_with("--seed")).cloned().collect::<Vec<_>>();
    let arms = [("A", &comparison.a), ("B", &comparison.b)]
        .into_iter()
        .filter(|(_, arm)| !arm.options.is_empty())
        .map(|(name, arm)| with(name.to_owned(), &options(&arm.options)));
    joined(workloads.chain(arms).chain(comparison.b.negotiated.iter().map(describe_handshake)), "; ")
        .unwrap_or_default()
}

/// The distinct texts, in order; `None` if there are none.
fn joined(texts: impl Iterator<Item = String>, separator: &str) -> Option<String> {
    let mut distinct: Vec<String> = Vec::new();
    for text in texts {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    (!distinct.is_empty()).then(|| distinct.join(separator))
}
