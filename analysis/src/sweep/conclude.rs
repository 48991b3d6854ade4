//! How a sweep's conclusions follow from its blocks: [`SweepResult::conclude`].
//!
//! A ratio pairs two trials of the same block. Invalid trials are counted and stay in the file, but are in no ratio.

use std::collections::BTreeMap;

use super::result::{SweepResult, Trial};
use super::security::security;
use super::summary::{Analysis, MetricSummary, Ranking, Summary};
use crate::metric::Metric;
use crate::statistics::{
    CONFIDENCE, Ratio, SerialCorrelation, clusters, joint_serial_correlation, log_ratio, median, paired_ratio, places,
};
use crate::validity::reason;
use wss_model::run_result::Negotiated;
use wss_model::text::phrases::pluralize;
use wss_model::validity::{Reason, ReasonCode};

impl SweepResult {
    /// Derives [`Self::analysis`], [`Self::valid`] and [`Self::invalid_because`] from the blocks.
    pub fn conclude(&mut self) {
        self.analysis = analysis(self);
        self.invalid_because = reasons(self);
        self.valid = self.invalid_because.is_empty();
    }
}

fn analysis(sweep: &SweepResult) -> Analysis {
    let mut summaries: Vec<Summary> = sweep.configurations.iter().map(|one| summary(sweep, one.number)).collect();
    let rankings = Metric::ALL.iter().filter_map(|metric| rank(sweep, *metric, &mut summaries)).collect();
    Analysis { confidence: CONFIDENCE, summaries, rankings }
}

/// Why the sweep as a whole is invalid.
fn reasons(sweep: &SweepResult) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let complete = sweep.complete_blocks();
    let planned = pluralize(sweep.blocks_planned as u64, "block");
    if sweep.interrupted {
        reasons.push(reason!(Interrupted, "interrupted after {complete} of {planned}: partial results"));
    } else if complete < sweep.blocks_planned {
        reasons.push(reason!(Incomplete, "only {complete} of {planned} completed"));
    }
    let trials: Vec<&Trial> = sweep.blocks.iter().flat_map(|block| &block.trials).collect();
    let failed = trials.iter().filter(|trial| trial.workloads.iter().any(|workload| workload.failed)).count();
    let invalid = trials.iter().filter(|trial| !trial.valid).count() - failed;
    for (code, number, what) in [
        (ReasonCode::TrialsFailed, failed, "trials without a result"),
        (ReasonCode::TrialsInvalid, invalid, "invalid trials"),
    ] {
        if number > 0 {
            let text = format!("{what}: {number} of {}", trials.len());
            reasons.push(Reason::new(code, text));
        }
    }
    reasons
}

fn summary(sweep: &SweepResult, number: usize) -> Summary {
    let trials: Vec<&Trial> = sweep.trials_of(number).collect();
    let metrics = Metric::ALL.iter().copied().filter_map(|metric| {
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

/// The kinds of handshake in the trials, the most frequent first.
fn negotiated(trials: &[&Trial]) -> Vec<Negotiated> {
    let mut kinds: BTreeMap<&Negotiated, u64> = BTreeMap::new();
    for kind in trials.iter().flat_map(|trial| &trial.workloads).flat_map(|workload| &workload.negotiated) {
        let count = kinds.entry(&kind.negotiated).or_default();
        *count = count.saturating_add(kind.count);
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    kinds.into_iter().map(|(kind, _)| kind.clone()).collect()
}

/// The ratio of two configurations, paired over the blocks that have both.
fn ratio(sweep: &SweepResult, metric: Metric, numerator: usize, denominator: usize) -> Option<Ratio> {
    let value =
        |trials: &[Trial], number: usize| trials.iter().find(|trial| trial.configuration == number)?.metric(metric);
    let pairs = sweep.blocks.iter().map(|block| value(&block.trials, numerator).zip(value(&block.trials, denominator)));
    paired_ratio(pairs.flatten())
}

/// Ranks the configurations by a metric and fills in their places; `None` if fewer than two have the metric.
fn rank(sweep: &SweepResult, metric: Metric, summaries: &mut [Summary]) -> Option<Ranking> {
    let is_repetition = |number| sweep.configuration(number).is_some_and(|one| one.repeat_of.is_some());
    let numbers: Vec<usize> = summaries
        .iter()
        .filter(|summary| summary.metrics.contains_key(&metric) && !is_repetition(summary.configuration))
        .map(|summary| summary.configuration)
        .collect();
    if numbers.len() < 2 {
        return None;
    }
    // For every pair, whether the noise separates one as better than the other, by the ratio of the two.
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
    Some(Ranking { metric, clusters, serial_correlation: serial_correlation(sweep, metric, &numbers) })
}

/// The serial correlation of the ratios to the reference, in the blocks that have all configurations in `numbers`.
fn serial_correlation(sweep: &SweepResult, metric: Metric, numbers: &[usize]) -> Option<SerialCorrelation> {
    let others = numbers.iter().filter(|number| **number != sweep.reference);
    let mut series = vec![Vec::new(); others.clone().count()];
    for block in &sweep.blocks {
        let value = |number: usize| block.trials.iter().find(|trial| trial.configuration == number)?.metric(metric);
        let ratio = |number: &usize| log_ratio(value(*number)?, value(sweep.reference)?);
        let Some(ratios) = others.clone().map(ratio).collect::<Option<Vec<f64>>>() else { continue };
        series.iter_mut().zip(ratios).for_each(|(series, ratio)| series.push(ratio));
    }
    joint_serial_correlation(&series.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn is_better(metric: Metric, ratio: &Ratio) -> bool {
    ratio.is_difference() && (ratio.center > 1.0) == metric.more_is_better()
}

/// The metric of a configuration relative to the reference: their paired ratio, or the ratio of the medians if no block
/// has both.
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
