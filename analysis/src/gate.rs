//! A verdict on comparisons by a policy ([`Policy`], a `perf.toml`): pass, regression, or inconclusive.
//!
//! A figure is a regression if its whole interval lies beyond the threshold on the wrong arm, and passes if its whole
//! interval lies within; else nobody knows yet. That all of them pass needs no allowance for their number; that one of
//! them fails does, and so a regression also has to stand Holm's test over all that are gated.

mod policy;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use wss_model::Reason;

use crate::comparison::{Comparison, Difference};
use crate::statistics::{CONFIDENCE, Interval, Ratio, holm, p_value};
use crate::sweep::Metric;

pub use self::policy::{Date, Direction, Policy, PolicyError, Rule, Severity, Statistic, Waiver};

/// Schema of [`Verdicts`].
pub const SCHEMA: &str = "wssbench.gate/2";

/// One comparison under the policy.
#[derive(Debug, Clone, Copy)]
pub struct Scenario<'a> {
    /// Its name: that of its file.
    pub name: &'a str,
    /// What was found.
    pub comparison: &'a Comparison,
}

/// JSON Schema, draft 2020-12, of what `wssbench gate --json` prints.
///
/// The same as the committed `results/schema/wssbench.gate-2.json`.
pub fn schema() -> serde_json::Value {
    wss_model::schema::of::<Verdicts>()
}

/// What the policy says of all comparisons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdicts {
    /// [`SCHEMA`].
    pub schema: String,
    /// What it comes to.
    pub outcome: Outcome,
    /// One of each figure of each scenario that the policy names.
    pub rows: Vec<Row>,
    /// Scenarios that the policy names and nobody ran.
    pub missing: Vec<String>,
    /// Why a scenario is not valid.
    pub invalid: Vec<InvalidScenario>,
    /// Why a scenario is not comparable.
    pub not_comparable: Vec<IncomparableScenario>,
}

/// Why a scenario is not valid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidScenario {
    /// Which.
    pub scenario: String,
    /// Sentences.
    pub invalid_because: Vec<Reason>,
}

/// Why a scenario is not comparable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncomparableScenario {
    /// Which.
    pub scenario: String,
    /// In what the two differ.
    pub differences: Vec<Difference>,
}

/// What it all comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every gated figure lies within its threshold.
    Pass,
    /// One at least lies beyond.
    Regression,
    /// One at least can be either, or is missing.
    Inconclusive,
    /// A comparison is not valid.
    Invalid,
    /// A comparison compares what cannot be.
    NotComparable,
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

/// A figure of a scenario under its rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Which scenario.
    pub scenario: String,
    /// Which figure.
    pub metric: Metric,
    /// What the policy asks of it.
    pub rule: Rule,
    /// B ÷ A.
    pub ratio: Option<Ratio>,
    /// Two-sided p-value of lying on the threshold, adjusted for all that are gated (Holm); null if it is not gated or
    /// has no interval.
    pub p_holm: Option<f64>,
    /// What that makes.
    pub verdict: Verdict,
    /// Whether it is a regression, or may be one, that a waiver lets pass.
    pub waived: bool,
}

/// What is to be said of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Within the threshold.
    Pass,
    /// Beyond it.
    Regression,
    /// Either.
    Inconclusive,
    /// Nobody measured it.
    Missing,
}

/// What `policy` says of `scenarios`, on `today`.
pub fn judge(policy: &Policy, scenarios: &[Scenario<'_>], today: Date) -> Verdicts {
    let mut rows: Vec<Row> = scenarios
        .iter()
        .flat_map(|scenario| policy.metrics.iter().map(|(metric, rule)| row(scenario, *metric, rule)))
        .collect();
    confirm(&mut rows, scenarios);
    for row in &mut rows {
        let waiver = row.rule.waiver.as_ref().is_some_and(|waiver| today <= waiver.until);
        // A loss that is known and waived may as well come out as one that nobody can be sure of.
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
    Verdicts { schema: SCHEMA.to_owned(), outcome, rows, missing, invalid, not_comparable: incomparable }
}

/// A figure by itself.
fn row(scenario: &Scenario<'_>, metric: Metric, rule: &Rule) -> Row {
    let ratio = scenario.comparison.figure(metric).and_then(|figure| figure.ratio.clone());
    let limit = rule.limit();
    let verdict = match (&ratio, rule.statistic) {
        (None, _) => Verdict::Missing,
        (Some(ratio), Statistic::Center) => {
            let center = ratio.center.ln();
            beyond_or_within(&rule.loss((center, center)), limit)
        }
        (Some(Ratio { interval: Some(Interval { low, high, .. }), .. }), Statistic::Interval) => {
            beyond_or_within(&rule.loss((low.ln(), high.ln())), limit)
        }
        (Some(_), Statistic::Interval) => Verdict::Inconclusive,
    };
    Row { scenario: scenario.name.to_owned(), metric, rule: rule.clone(), ratio, p_holm: None, verdict, waived: false }
}

/// Where ranges of a loss lie: beyond the limit any of them, or within it all of them.
fn beyond_or_within(losses: &[(f64, f64)], limit: f64) -> Verdict {
    if losses.iter().any(|(low, _)| *low > limit) {
        Verdict::Regression
    } else if losses.iter().all(|(_, high)| *high <= limit) {
        Verdict::Pass
    } else {
        Verdict::Inconclusive
    }
}

/// Regressions that do not stand Holm's test over all gated figures are not sure.
fn confirm(rows: &mut [Row], scenarios: &[Scenario<'_>]) {
    let tested: Vec<(usize, f64)> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.rule.severity == Severity::Gate && row.rule.statistic == Statistic::Interval)
        .filter(|(_, row)| row.ratio.as_ref().is_some_and(|ratio| ratio.interval.is_some()))
        .filter_map(|(index, row)| {
            let scenario = scenarios.iter().find(|scenario| scenario.name == row.scenario)?;
            let logs = scenario.comparison.log_ratios(row.metric);
            // The nearer of the thresholds, where there are two.
            let p = row.rule.thresholds().into_iter().map(|at| p_value(&logs, at)).fold(0.0, f64::max);
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
