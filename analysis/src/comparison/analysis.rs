//! What follows from the blocks: [`Analysis`].

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ArmLabel, Block, Comparison, Kind, LIMITS};
use crate::statistics::{CONFIDENCE, Finding, Ratio, holm, median, p_value, ratio_of_logs};
use crate::sweep::{Metric, metric_of};
use crate::validity::reason;
use wss_model::run_result::Negotiated;
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::percent_to;
use wss_model::{Reason, ReasonCode};

/// Conclusions, made of the blocks and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// The confidence that the intervals were asked for; each says what it achieves.
    pub confidence: f64,
    /// Blocks that the figures are made of.
    pub blocks_used: usize,
    /// Blocks that were dropped.
    pub blocks_dropped: usize,
    /// The figures, the primary ones first.
    pub metrics: Vec<ComparedMetric>,
}

/// One figure of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedMetric {
    /// Which.
    pub metric: Metric,
    /// Whether a verdict is made of it.
    pub role: Role,
    /// Median over A's trials.
    pub a_median: f64,
    /// Median over B's trials.
    pub b_median: f64,
    /// B ÷ A, from one ratio a block.
    pub ratio: Option<Ratio>,
    /// What the ratio says.
    pub finding: Option<Finding>,
    /// One trial of each against the other of each: what it differs from 1 by is noise. Of results that existed, a result
    /// against the next one of the same arm; null of fewer than two blocks.
    pub noise_floor: Option<Ratio>,
    /// The least difference, in percent, that would have been told apart in four of five such comparisons.
    pub detectable_percent: Option<f64>,
    /// Two-sided p-value of "no difference", signed-rank test; null of no blocks.
    pub p_value: Option<f64>,
    /// The same, adjusted for all primary figures together (Holm); null of secondary ones.
    pub p_holm: Option<f64>,
}

/// Whether a verdict is made of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It is.
    Primary,
    /// It is shown beside.
    Secondary,
}

/// What verdicts are made of, if the trials have it.
const PRIMARY: [Metric; 3] = [Metric::ServerCpuHandshakeUs, Metric::HandshakeP50Us, Metric::EchoP50Us];

impl ComparedMetric {
    /// Whether B differs from A, all primary figures considered together.
    pub fn differs(&self) -> bool {
        let p = self.p_holm.or(self.p_value);
        self.finding == Some(Finding::Differs) && p.is_some_and(|p| p <= 1.0 - CONFIDENCE)
    }

    /// Whether B is better, if it differs.
    pub fn is_better(&self) -> bool {
        self.ratio.as_ref().is_some_and(|ratio| (ratio.center > 1.0) == self.metric.more_is_better())
    }
}

impl Analysis {
    /// What follows from the blocks of `comparison`.
    pub(super) fn of(comparison: &Comparison) -> Self {
        let mut metrics: Vec<ComparedMetric> =
            Metric::ALL.into_iter().filter_map(|metric| compared(comparison, metric)).collect();
        metrics.sort_by_key(|figure| (PRIMARY.iter().position(|one| *one == figure.metric)).unwrap_or(PRIMARY.len()));
        let primary: Vec<f64> =
            metrics.iter().filter(|one| one.role == Role::Primary).filter_map(|one| one.p_value).collect();
        let mut adjusted = holm(&primary).into_iter();
        for figure in metrics.iter_mut().filter(|one| one.role == Role::Primary && one.p_value.is_some()) {
            figure.p_holm = adjusted.next();
        }
        Self {
            confidence: CONFIDENCE,
            blocks_used: comparison.used_blocks().count(),
            blocks_dropped: comparison.blocks.iter().filter(|block| block.dropped_because.is_some()).count(),
            metrics,
        }
    }

    /// The length of the longest interval of a primary figure, in percent; `None` if one has no interval.
    pub fn widest_percent(&self) -> Option<f64> {
        let widths = self.metrics.iter().filter(|one| one.role == Role::Primary).map(|one| {
            let interval = one.ratio.as_ref()?.interval.as_ref()?;
            Some(100.0 * (interval.high / interval.low - 1.0))
        });
        widths.collect::<Option<Vec<f64>>>()?.into_iter().max_by(f64::total_cmp)
    }
}

fn compared(comparison: &Comparison, metric: Metric) -> Option<ComparedMetric> {
    let logs = comparison.log_ratios(metric);
    let ratio = ratio_of_logs(&logs);
    let of = |arm: ArmLabel| {
        let trials = comparison.used_blocks().flat_map(|block| &block.trials).filter(move |trial| trial.arm == arm);
        median(trials.filter_map(|trial| metric_of(&trial.workloads, metric)).collect())
    };
    Some(ComparedMetric {
        metric,
        role: if PRIMARY.contains(&metric) { Role::Primary } else { Role::Secondary },
        a_median: of(ArmLabel::A)?,
        b_median: of(ArmLabel::B)?,
        finding: ratio.as_ref().map(Ratio::finding),
        noise_floor: ratio_of_logs(&comparison.log_noise_floor(metric)),
        detectable_percent: ratio.as_ref().and_then(Ratio::detectable_percent),
        p_value: (!logs.is_empty()).then(|| p_value(&logs, 0.0)),
        p_holm: None,
        ratio,
    })
}

/// Every sort of handshake that one arm's trials made.
pub(super) fn negotiated(blocks: &[Block], arm: ArmLabel) -> Vec<Negotiated> {
    let trials = blocks.iter().flat_map(|block| &block.trials).filter(|trial| trial.arm == arm);
    let sorts: BTreeSet<&Negotiated> = trials
        .flat_map(|trial| &trial.workloads)
        .flat_map(|workload| &workload.negotiated)
        .map(|sort| &sort.negotiated)
        .collect();
    sorts.into_iter().cloned().collect()
}

/// Why a comparison as a whole is not valid.
pub(super) fn reasons(comparison: &Comparison) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let (run, planned) = (comparison.blocks.iter().filter(|block| block.is_whole()).count(), comparison.blocks_planned);
    if comparison.interrupted {
        reasons.push(reason!(
            Interrupted,
            "it was interrupted after {run} of {}: partial",
            pluralize(planned as u64, "block")
        ));
    } else if run < planned && comparison.until_width_percent.is_none() {
        reasons.push(reason!(Incomplete, "{run} of {} were run: partial", pluralize(planned as u64, "block")));
    }
    let trials = comparison.blocks.iter().flat_map(|block| &block.trials);
    for arm in [ArmLabel::A, ArmLabel::B] {
        // What a machine disturbs is dropped with its block; what is wrong with a arm is no noise.
        let wrong = trials.clone().filter(|trial| trial.arm == arm).flat_map(|trial| &trial.workloads);
        let wrong: Vec<_> = wrong.filter(|workload| !workload.valid && !workload.disturbed).collect();
        if let Some(first) = wrong.first() {
            let reason = first.invalid_because.first().map_or("no reason given", |reason| &reason.text);
            let number = pluralize(wrong.len() as u64, "run");
            reasons.push(reason!(
                TrialsInvalid,
                "{number} of {arm} not valid, the first because: {}: {reason}",
                first.kind
            ));
        }
    }
    let dropped = comparison.blocks.iter().filter(|block| block.dropped_because.is_some()).count();
    let share = 100.0 * dropped as f64 / comparison.blocks.len().max(1) as f64;
    if share > LIMITS.dropped_percent {
        reasons.push(reason!(
            BlocksDropped,
            "{dropped} of {} were dropped ({}, limit {}): the machine is too unquiet",
            pluralize(comparison.blocks.len() as u64, "block"),
            percent_to(share, 2),
            percent_to(LIMITS.dropped_percent, 2)
        ));
    }
    if comparison.kind != Kind::Files
        && comparison.a.options == comparison.b.options
        && comparison.a.negotiated != comparison.b.negotiated
    {
        reasons.push(reason!(ArmsDisagree, "A and B have the same options but negotiated different parameters"));
    }
    reasons
}
