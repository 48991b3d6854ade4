//! What follows from the blocks: [`Analysis`].
//!
//! A ratio is made of two trials of the same block. What is not valid is counted and shown, and is in no ratio.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Metric, Security, SweepResult, Trial, security};
use crate::statistics::{CONFIDENCE, Finding, Place, Ratio, clusters, median, paired_ratio, places};
use crate::validity::reason;
use wss_model::run_result::Negotiated;
use wss_model::text::phrases::pluralize;
use wss_model::{Reason, ReasonCode};

/// Conclusions, made of the blocks and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// The confidence that the intervals were asked for; each says what it achieves.
    pub confidence: f64,
    /// One for each configuration, in their order.
    pub summaries: Vec<Summary>,
    /// Of each metric that was measured, the configurations from the best to the worst.
    pub rankings: Vec<Ranking>,
}

/// What is known of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Its number.
    pub configuration: usize,
    /// What was negotiated, the commonest sort first; empty without TLS, or if no handshake was completed.
    pub negotiated: Vec<Negotiated>,
    /// The strength of the weakest of them; null if it is not known, or without TLS.
    pub security: Option<Security>,
    /// Its trials.
    pub trials: usize,
    /// Those of them that are valid.
    pub trials_valid: usize,
    /// Why the first of the others is not.
    pub first_reason: Option<String>,
    /// Its figures.
    pub metrics: BTreeMap<Metric, MetricSummary>,
}

/// One figure of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricSummary {
    /// Median over the trials of which it counts.
    pub median: f64,
    /// How many those are.
    pub trials: usize,
    /// Over the reference's in the same block; null of the reference itself, or if no block has both.
    pub ratio: Option<Ratio>,
    /// What the ratio says.
    pub finding: Option<Finding>,
    /// The places that it may have among the configurations; null of the reference's repetition.
    pub place: Option<Place>,
}

/// Configurations from the best to the worst.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ranking {
    /// By which figure.
    pub metric: Metric,
    /// Their numbers; those that stand together are tied: the noise does not separate each of them from the others.
    pub clusters: Vec<Vec<usize>>,
}

impl Analysis {
    /// What follows from the blocks of `sweep`.
    pub(super) fn of(sweep: &SweepResult) -> Self {
        let mut summaries: Vec<Summary> = sweep.configurations.iter().map(|one| summary(sweep, one.number)).collect();
        let rankings = Metric::ALL.into_iter().filter_map(|metric| rank(sweep, metric, &mut summaries)).collect();
        Self { confidence: CONFIDENCE, summaries, rankings }
    }

    /// What is known of the configuration with a number.
    pub fn summary(&self, number: usize) -> Option<&Summary> {
        self.summaries.iter().find(|summary| summary.configuration == number)
    }
}

/// Why a sweep as a whole is not valid.
pub(super) fn reasons(sweep: &SweepResult) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let whole = sweep.whole_blocks();
    if sweep.interrupted {
        reasons.push(reason!(Interrupted, "it was interrupted after {whole} of {}: partial", counted_blocks(sweep)));
    } else if whole < sweep.blocks_planned {
        reasons.push(reason!(Incomplete, "{whole} of {} were run: partial", counted_blocks(sweep)));
    }
    let trials: Vec<&Trial> = sweep.blocks.iter().flat_map(|block| &block.trials).collect();
    let failed = trials.iter().filter(|trial| trial.workloads.iter().any(|workload| workload.failed)).count();
    let invalid = trials.iter().filter(|trial| !trial.valid).count() - failed;
    for (code, number, what) in
        [(ReasonCode::TrialsFailed, failed, "failed"), (ReasonCode::TrialsInvalid, invalid, "not valid")]
    {
        if number > 0 {
            let text = format!("{number} of {}: {what}", pluralize(trials.len() as u64, "trial"));
            reasons.push(Reason::new(code, text));
        }
    }
    reasons
}

fn counted_blocks(sweep: &SweepResult) -> String {
    pluralize(sweep.blocks_planned as u64, "block")
}

fn summary(sweep: &SweepResult, number: usize) -> Summary {
    let trials: Vec<&Trial> = sweep.trials_of(number).collect();
    let metrics = Metric::ALL.into_iter().filter_map(|metric| {
        let values: Vec<f64> = trials.iter().filter_map(|trial| trial.metric(metric)).collect();
        let trials = values.len();
        let ratio = (number != sweep.reference).then(|| ratio(sweep, metric, number, sweep.reference)).flatten();
        let finding = ratio.as_ref().map(Ratio::finding);
        Some((metric, MetricSummary { median: median(values)?, trials, ratio, finding, place: None }))
    });
    let negotiated = negotiated(&trials);
    Summary {
        configuration: number,
        security: negotiated.iter().map(security).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().min()),
        negotiated,
        trials: trials.len(),
        trials_valid: trials.iter().filter(|trial| trial.valid).count(),
        first_reason: trials.iter().find_map(|trial| trial.first_reason()),
        metrics: metrics.collect(),
    }
}

/// Every sort of handshake that its trials made, the commonest first.
fn negotiated(trials: &[&Trial]) -> Vec<Negotiated> {
    let mut sorts: BTreeMap<&Negotiated, u64> = BTreeMap::new();
    for sort in trials.iter().flat_map(|trial| &trial.workloads).flat_map(|workload| &workload.negotiated) {
        let count = sorts.entry(&sort.negotiated).or_default();
        *count = count.saturating_add(sort.count);
    }
    let mut sorts: Vec<_> = sorts.into_iter().collect();
    sorts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sorts.into_iter().map(|(sort, _)| sort.clone()).collect()
}

/// One configuration's figure over another's, of the blocks that have both.
fn ratio(sweep: &SweepResult, metric: Metric, over: usize, under: usize) -> Option<Ratio> {
    let value =
        |trials: &[Trial], number: usize| trials.iter().find(|trial| trial.configuration == number)?.metric(metric);
    paired_ratio(sweep.blocks.iter().filter_map(|block| value(&block.trials, over).zip(value(&block.trials, under))))
}

/// Fills in the places by a metric and says who comes after whom; `None` if fewer than two have it.
fn rank(sweep: &SweepResult, metric: Metric, summaries: &mut [Summary]) -> Option<Ranking> {
    let repeat_of = |number| sweep.configuration(number).is_some_and(|one| one.repeat_of.is_some());
    let numbers: Vec<usize> = summaries
        .iter()
        .filter(|summary| summary.metrics.contains_key(&metric) && !repeat_of(summary.configuration))
        .map(|summary| summary.configuration)
        .collect();
    if numbers.len() < 2 {
        return None;
    }
    // Whether one is better than the other without doubt, for all pairs: each pair's own ratio says so.
    let beats: Vec<Vec<bool>> = numbers
        .iter()
        .map(|one| {
            let better = |other| ratio(sweep, metric, *one, other).is_some_and(|ratio| is_better(metric, &ratio));
            numbers.iter().map(|other| other != one && better(*other)).collect()
        })
        .collect();
    let places = places(numbers.len(), |one, other| beats[one][other]);
    for (number, place) in numbers.iter().zip(places) {
        let summary = summaries.iter_mut().find(|summary| summary.configuration == *number)?;
        summary.metrics.get_mut(&metric)?.place = Some(place);
    }
    let mut sorted: Vec<(usize, f64)> = (0..numbers.len())
        .map(|index| (index, relative(sweep, summaries, numbers[index], metric)))
        .map(|(index, relative)| (index, if metric.more_is_better() { -relative } else { relative }))
        .collect();
    sorted.sort_by(|one, other| one.1.total_cmp(&other.1));
    let sorted: Vec<usize> = sorted.into_iter().map(|(index, _)| index).collect();
    let tied = clusters(&sorted, |one, other| beats[one][other] || beats[other][one]);
    let clusters = tied.into_iter().map(|tied| tied.into_iter().map(|index| numbers[index]).collect()).collect();
    Some(Ranking { metric, clusters })
}

fn is_better(metric: Metric, ratio: &Ratio) -> bool {
    ratio.is_difference() && (ratio.center > 1.0) == metric.more_is_better()
}

/// A figure in multiples of the reference's: by its ratio, or by the medians if no block has both.
fn relative(sweep: &SweepResult, summaries: &[Summary], number: usize, metric: Metric) -> f64 {
    let of = |number| summaries.iter().find(|one| one.configuration == number)?.metrics.get(&metric);
    let reference = of(sweep.reference).map_or(1.0, |found| found.median);
    of(number).map_or(f64::MAX, |found| {
        if number == sweep.reference {
            return 1.0;
        }
        found.ratio.as_ref().map_or(found.median / reference, |ratio| ratio.center)
    })
}
