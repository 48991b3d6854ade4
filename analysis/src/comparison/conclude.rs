//! How a comparison's conclusions follow from its blocks: [`Comparison::conclude`].

use std::collections::BTreeSet;

use super::disturbance::LIMITS;
use super::figures::{Analysis, ComparedMetric, PRIMARY, Role};
use super::result::{ArmLabel, Block, Comparison, Kind};
use crate::metric::Metric;
use crate::statistics::{CONFIDENCE, Ratio, holm, median, p_value, ratio_of_logs_at, serial_correlation};
use crate::trial::metric_of;
use crate::validity::reason;
use wss_model::run_result::Negotiated;
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::percent_to;
use wss_model::validity::{Reason, ReasonCode};

impl Comparison {
    /// Derives from the blocks which of them are dropped, what the arms negotiated, [`Self::analysis`], [`Self::valid`]
    /// and [`Self::invalid_because`].
    pub fn conclude(&mut self) {
        let reasons_to_drop = reasons_to_drop(&self.blocks);
        for (block, reason) in self.blocks.iter_mut().zip(reasons_to_drop) {
            block.dropped_because = reason;
        }
        for arm in [ArmLabel::A, ArmLabel::B] {
            let negotiated = negotiated(&self.blocks, arm);
            self.arm_mut(arm).negotiated = negotiated;
        }
        self.analysis = analysis(self);
        self.invalid_because = reasons(self);
        self.valid = self.invalid_because.is_empty();
    }
}

/// For each block, why it is dropped; `None` if it is used.
fn reasons_to_drop(blocks: &[Block]) -> Vec<Option<String>> {
    let slowest: Vec<Option<f64>> = blocks.iter().map(slowest_control_loop_ns).collect();
    let usual = median(slowest.iter().copied().flatten().collect());
    blocks.iter().zip(slowest).map(|(block, slowest)| reason_to_drop(block, slowest.zip(usual))).collect()
}

/// The longest time that the control loop took before a trial of the block.
fn slowest_control_loop_ns(block: &Block) -> Option<f64> {
    block.trials.iter().filter_map(|trial| trial.control_loop_ns).max_by(f64::total_cmp)
}

/// `control` is the block's control loop and that of the median block.
fn reason_to_drop(block: &Block, control: Option<(f64, f64)>) -> Option<String> {
    let disturbance = block.disturbance.clone().unwrap_or_default();
    let over = |value: Option<f64>, limit: f64, what: &str| {
        let value = value.filter(|value| *value > limit)?;
        Some(format!("{what} {} (limit {})", percent_to(value, 2), percent_to(limit, 2)))
    };
    let slower = control.map(|(control, usual)| 100.0 * (control / usual - 1.0));
    over(disturbance.steal_percent, LIMITS.steal_percent, "CPU time taken by the hypervisor:")
        .or_else(|| over(disturbance.memory_stall_percent, LIMITS.stall_percent, "time stalled on memory:"))
        .or_else(|| over(slower, LIMITS.control_percent, "the control loop took longer than in the median block, by"))
        .or_else(|| {
            let mut workloads = block.trials.iter().flat_map(|trial| &trial.workloads);
            let disturbed = workloads.find(|workload| workload.disturbed)?;
            Some(format!("{}: {}", disturbed.kind, disturbed.invalid_because.first().map_or("", |reason| &reason.text)))
        })
}

fn analysis(comparison: &Comparison) -> Analysis {
    let mut metrics: Vec<ComparedMetric> =
        Metric::ALL.iter().filter_map(|metric| compared(comparison, *metric)).collect();
    metrics.sort_by_key(|figure| PRIMARY.iter().position(|one| *one == figure.metric).unwrap_or(PRIMARY.len()));
    let primary: Vec<f64> =
        metrics.iter().filter(|one| one.role == Role::Primary).filter_map(|one| one.p_value).collect();
    let mut adjusted = holm(&primary).into_iter();
    for figure in metrics.iter_mut().filter(|one| one.role == Role::Primary && one.p_value.is_some()) {
        figure.p_holm = adjusted.next();
    }
    Analysis {
        confidence: CONFIDENCE,
        blocks_used: comparison.used_blocks().count(),
        blocks_dropped: comparison.blocks.iter().filter(|block| block.dropped_because.is_some()).count(),
        metrics,
    }
}

/// Compares a metric; `None` if an arm does not have it.
fn compared(comparison: &Comparison, metric: Metric) -> Option<ComparedMetric> {
    let logs = comparison.log_ratios(metric);
    let level = comparison.confidence_of_look();
    let ratio = ratio_of_logs_at(&logs, level);
    let median_of = |arm: ArmLabel| {
        let trials = comparison.used_blocks().flat_map(|block| &block.trials).filter(move |trial| trial.arm == arm);
        median(trials.filter_map(|trial| metric_of(&trial.workloads, metric)).collect())
    };
    Some(ComparedMetric {
        metric,
        role: if PRIMARY.contains(&metric) { Role::Primary } else { Role::Secondary },
        a_median: median_of(ArmLabel::A)?,
        b_median: median_of(ArmLabel::B)?,
        finding: ratio.as_ref().map(Ratio::finding),
        noise_floor: ratio_of_logs_at(&comparison.log_noise_floor(metric), level),
        detectable_percent: ratio.as_ref().and_then(Ratio::detectable_percent),
        // Scaled to the level of all looks together.
        p_value: (!logs.is_empty()).then(|| (p_value(&logs, 0.0) * (1.0 - CONFIDENCE) / (1.0 - level)).min(1.0)),
        serial_correlation: serial_correlation(&logs),
        p_holm: None,
        ratio,
    })
}

/// The kinds of handshake in the trials of one arm.
fn negotiated(blocks: &[Block], arm: ArmLabel) -> Vec<Negotiated> {
    let trials = blocks.iter().flat_map(|block| &block.trials).filter(|trial| trial.arm == arm);
    let kinds: BTreeSet<&Negotiated> = trials
        .flat_map(|trial| &trial.workloads)
        .flat_map(|workload| &workload.negotiated)
        .map(|kind| &kind.negotiated)
        .collect();
    kinds.into_iter().cloned().collect()
}

/// Why the comparison as a whole is invalid.
fn reasons(comparison: &Comparison) -> Vec<Reason> {
    let mut reasons = Vec::new();
    reasons.extend(incomplete(comparison));
    reasons.extend([ArmLabel::A, ArmLabel::B].into_iter().filter_map(|arm| invalid_trials(comparison, arm)));
    reasons.extend(too_many_dropped(comparison));
    if comparison.kind != Kind::Files
        && comparison.a.options == comparison.b.options
        && comparison.a.negotiated != comparison.b.negotiated
    {
        reasons.push(reason!(ArmsDisagree, "A and B have the same options but negotiated different parameters"));
    }
    reasons
}

fn incomplete(comparison: &Comparison) -> Option<Reason> {
    let complete = comparison.blocks.iter().filter(|block| block.is_complete()).count();
    let planned = pluralize(comparison.blocks_planned as u64, "block");
    if comparison.interrupted {
        return Some(reason!(Interrupted, "interrupted after {complete} of {planned}: partial results"));
    }
    (complete < comparison.blocks_planned && comparison.until_width_percent.is_none())
        .then(|| reason!(Incomplete, "only {complete} of {planned} completed"))
}

/// Invalid runs of an arm that the machine does not explain. Disturbed runs are dropped with their block instead.
fn invalid_trials(comparison: &Comparison, arm: ArmLabel) -> Option<Reason> {
    let trials = comparison.blocks.iter().flat_map(|block| &block.trials).filter(|trial| trial.arm == arm);
    let runs = trials.flat_map(|trial| &trial.workloads);
    let invalid: Vec<_> = runs.filter(|workload| !workload.valid && !workload.disturbed).collect();
    let first = invalid.first()?;
    let cause = first.invalid_because.first().map_or("no reason given", |reason| &reason.text);
    let kind = first.kind;
    Some(reason!(TrialsInvalid, "invalid runs of {arm}: {}, the first because: {kind}: {cause}", invalid.len()))
}

fn too_many_dropped(comparison: &Comparison) -> Option<Reason> {
    let dropped = comparison.blocks.iter().filter(|block| block.dropped_because.is_some()).count();
    let percent = 100.0 * dropped as f64 / comparison.blocks.len().max(1) as f64;
    (percent > LIMITS.dropped_percent).then(|| {
        reason!(
            BlocksDropped,
            "dropped {dropped} of {} ({}, limit {}) because the machine interfered",
            pluralize(comparison.blocks.len() as u64, "block"),
            percent_to(percent, 2),
            percent_to(LIMITS.dropped_percent, 2)
        )
    })
}
