//! Verdicts on comparisons by a policy ([`Policy`], a `perf.toml`): pass, regression or inconclusive.
//!
//! A metric is a regression if its whole interval lies beyond the threshold, passes if the whole interval lies within, and
//! is inconclusive otherwise. Many metrics make a false regression more likely, but not a false pass. A regression must
//! therefore also be significant after Holm's adjustment over all gated metrics.

mod policy;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comparison::{Comparison, Difference};
use crate::metric::Metric;
use crate::statistics::{CONFIDENCE, Interval, Ratio, holm, p_value};
use wss_model::store::Stored;
use wss_model::validity::Reason;

pub use self::policy::{Date, Direction, Policy, PolicyError, Rule, Severity, Statistic, Waiver};

/// A comparison to judge.
#[derive(Debug, Clone, Copy)]
pub struct Scenario<'a> {
    /// Name of its file.
    pub name: &'a str,
    /// The comparison.
    pub comparison: &'a Comparison,
}

/// The judgement of all comparisons: what `wssbench gate --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdicts {
    /// `wssbench.gate/2`.
    pub schema: String,
    /// The overall outcome.
    pub outcome: Outcome,
    /// One row for each scenario and each metric of the policy.
    pub rows: Vec<Row>,
    /// Scenarios of the policy without a comparison.
    pub missing: Vec<String>,
    /// Scenarios whose comparison is invalid.
    pub invalid: Vec<InvalidScenario>,
    /// Scenarios whose arms cannot be compared.
    pub not_comparable: Vec<IncomparableScenario>,
}

/// A scenario whose comparison is invalid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidScenario {
    /// Name of the scenario.
    pub scenario: String,
    /// Why it is invalid.
    pub invalid_because: Vec<Reason>,
}

/// A scenario whose arms cannot be compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncomparableScenario {
    /// Name of the scenario.
    pub scenario: String,
    /// The fields in which the arms differ.
    pub differences: Vec<Difference>,
}

/// The overall outcome. If several apply, not comparable takes precedence, then invalid, regression and inconclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every gated metric lies within its threshold.
    Pass,
    /// At least one gated metric lies beyond its threshold.
    Regression,
    /// At least one gated metric is inconclusive or missing, or a scenario is missing.
    Inconclusive,
    /// A comparison is invalid.
    Invalid,
    /// The arms of a comparison cannot be compared.
    NotComparable,
}

impl Stored for Verdicts {
    const SCHEMA: &'static str = "wssbench.gate/2";
    const SUFFIX: &'static str = ".gate.json";
}

impl Outcome {
    /// Exit code of `wssbench gate`; 1 is for errors.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Regression => 2,
            Self::Inconclusive | Self::Invalid => 3,
            Self::NotComparable => 4,
        }
    }
}

/// A metric of a scenario, judged by its rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Name of the scenario.
    pub scenario: String,
    /// The metric.
    pub metric: Metric,
    /// The rule of the policy.
    pub rule: Rule,
    /// B ÷ A; null if it was not measured.
    pub ratio: Option<Ratio>,
    /// Two-sided p-value for "the ratio equals the threshold", adjusted for the number of gated metrics (Holm); null if the
    /// metric is not gated or has no interval.
    pub p_holm: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether a waiver lets a regression or an inconclusive verdict pass.
    pub waived: bool,
}

/// The verdict on one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The metric lies within the threshold.
    Pass,
    /// It lies beyond the threshold.
    Regression,
    /// It may be either.
    Inconclusive,
    /// It was not measured.
    Missing,
}

/// Judges `scenarios` by `policy`; waivers count if they are in force on `today`.
pub fn judge(policy: &Policy, scenarios: &[Scenario<'_>], today: Date) -> Verdicts {
    let mut rows: Vec<Row> = scenarios
        .iter()
        .flat_map(|scenario| policy.metrics.iter().map(|(metric, rule)| row(scenario, *metric, rule)))
        .collect();
    confirm(&mut rows, scenarios);
    for row in &mut rows {
        let waiver = row.rule.waiver.as_ref().is_some_and(|waiver| today <= waiver.until);
        // A known regression may also turn out inconclusive.
        row.waived = waiver && matches!(row.verdict, Verdict::Regression | Verdict::Inconclusive);
    }
    let missing: Vec<String> =
        policy.scenarios.iter().filter(|name| scenarios.iter().all(|one| one.name != **name)).cloned().collect();
    let invalid: Vec<InvalidScenario> = scenarios
        .iter()
        .filter(|scenario| !scenario.comparison.valid)
        .map(|one| InvalidScenario {
            scenario: one.name.to_owned(),
            invalid_because: one.comparison.invalid_because.clone(),
        })
        .collect();
    let incomparable: Vec<IncomparableScenario> = scenarios
        .iter()
        .filter(|scenario| !scenario.comparison.differences.is_empty())
        .map(|one| IncomparableScenario {
            scenario: one.name.to_owned(),
            differences: one.comparison.differences.clone(),
        })
        .collect();
    let gated = |verdict: Verdict| {
        rows.iter().any(|row| row.rule.severity == Severity::Gate && row.verdict == verdict && !row.waived)
    };
    let outcome = if !incomparable.is_empty() {
        Outcome::NotComparable
    } else if !invalid.is_empty() {
        Outcome::Invalid
    } else if gated(Verdict::Regression) {
        Outcome::Regression
    } else if gated(Verdict::Inconclusive) || gated(Verdict::Missing) || !missing.is_empty() {
        Outcome::Inconclusive
    } else {
        Outcome::Pass
    };
    Verdicts { schema: Verdicts::SCHEMA.to_owned(), outcome, rows, missing, invalid, not_comparable: incomparable }
}

/// Judges a metric on its own.
fn row(scenario: &Scenario<'_>, metric: Metric, rule: &Rule) -> Row {
    let ratio = scenario.comparison.figure(metric).and_then(|figure| figure.ratio.clone());
    let limit = rule.log_threshold();
    let verdict = match (&ratio, rule.statistic) {
        (None, _) => Verdict::Missing,
        (Some(ratio), Statistic::Center) => {
            let center = ratio.center.ln();
            beyond_or_within(&rule.losses((center, center)), limit)
        }
        (Some(Ratio { interval: Some(Interval { low, high, .. }), .. }), Statistic::Interval) => {
            beyond_or_within(&rule.losses((low.ln(), high.ln())), limit)
        }
        (Some(_), Statistic::Interval) => Verdict::Inconclusive,
    };
    Row { scenario: scenario.name.to_owned(), metric, rule: rule.clone(), ratio, p_holm: None, verdict, waived: false }
}

/// Regression if any range of losses lies beyond the limit, pass if all lie within.
fn beyond_or_within(losses: &[(f64, f64)], limit: f64) -> Verdict {
    if losses.iter().any(|(low, _)| *low > limit) {
        Verdict::Regression
    } else if losses.iter().all(|(_, high)| *high <= limit) {
        Verdict::Pass
    } else {
        Verdict::Inconclusive
    }
}

/// Turns regressions that are not significant after Holm's adjustment over all gated metrics into inconclusive ones.
fn confirm(rows: &mut [Row], scenarios: &[Scenario<'_>]) {
    let tested: Vec<(usize, f64)> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.rule.severity == Severity::Gate && row.rule.statistic == Statistic::Interval)
        .filter(|(_, row)| row.ratio.as_ref().is_some_and(|ratio| ratio.interval.is_some()))
        .filter_map(|(index, row)| {
            let scenario = scenarios.iter().find(|scenario| scenario.name == row.scenario)?;
            let logs = scenario.comparison.log_ratios(row.metric);
            // With two thresholds, the nearer one.
            let p = row.rule.log_thresholds().into_iter().map(|at| p_value(&logs, at)).fold(0.0, f64::max);
            Some((index, p))
        })
        .collect();
    let adjusted = holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    for ((index, _), p) in tested.into_iter().zip(adjusted) {
        rows[index].p_holm = Some(p);
        if rows[index].verdict == Verdict::Regression && p > 1.0 - CONFIDENCE {
            rows[index].verdict = Verdict::Inconclusive;
        }
    }
}

#[cfg(test)]
mod tests;
