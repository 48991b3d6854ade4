//! Which metrics may get worse, and by how much: [`Policy`], a TOML file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::metric::Metric;
use wss_model::units::Percent;

/// A policy for `wssbench gate`.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Names of the scenarios that must be present.
    pub scenarios: Vec<String>,
    /// The rule for each metric.
    pub metrics: BTreeMap<Metric, Rule>,
}

/// The rule for a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// By how much the metric may get worse, in percent.
    pub threshold_percent: f64,
    /// Which values are better.
    pub direction: Direction,
    /// What is compared with the threshold.
    pub statistic: Statistic,
    /// The consequence of a regression.
    pub severity: Severity,
    /// A known regression that may pass; null without one.
    pub waiver: Option<Waiver>,
}

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Lower values.
    Lower,
    /// Higher values.
    Higher,
    /// Neither: a change in either direction counts as worse.
    Either,
}

/// The part of a ratio that is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// The whole interval. The verdict may be inconclusive.
    #[default]
    Interval,
    /// The center alone: for metrics that do not vary, or where an estimate suffices. Never inconclusive.
    Center,
}

/// The consequence of a regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The gate fails.
    #[default]
    Gate,
    /// It is reported as a warning.
    Warn,
    /// It is reported for information.
    Info,
}

/// Lets a known regression pass for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The last day on which it applies, UTC.
    pub until: Date,
    /// Why the regression is accepted.
    pub reason: String,
}

/// A date, written as `2026-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Why a policy is rejected.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Invalid TOML, an unknown key, or a value of the wrong type.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A metric that does not exist.
    #[error("unknown metric `{name}`{}", nearest.as_ref().map_or_else(|| "; see `wssbench gate --help`".to_owned(), |near| format!("; did you mean `{near}`?")))]
    UnknownMetric {
        /// The name in the policy.
        name: String,
        /// The most similar name, if one is similar enough.
        nearest: Option<&'static str>,
    },
    /// Neither the metric nor the policy has a threshold.
    #[error("metrics.{0} has no threshold; add e.g. threshold = \"2%\" to it or at the top of the policy")]
    NoThreshold(&'static str),
    /// A gain would be judged as a loss.
    #[error(
        "metrics.{metric} has direction = \"{given}\", but {better} is better; remove direction, or use \"either\""
    )]
    Direction {
        /// The metric.
        metric: &'static str,
        /// The direction in the policy.
        given: &'static str,
        /// The direction in which the metric is better.
        better: &'static str,
    },
    /// There is no metric to judge.
    #[error("the policy has no metrics; add a table [metrics.NAME] for each metric to judge")]
    Empty,
}

/// The TOML file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    scenarios: Vec<String>,
    threshold: Option<Threshold>,
    #[serde(default)]
    metrics: BTreeMap<String, FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    threshold: Option<Threshold>,
    direction: Option<Direction>,
    #[serde(default)]
    statistic: Statistic,
    #[serde(default)]
    severity: Severity,
    waiver: Option<Waiver>,
}

/// A percentage, written `"2%"`.
#[derive(Clone, Copy)]
struct Threshold(f64);

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<Percent>().map(|percent| Self(percent.percent())).map_err(serde::de::Error::custom)
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let File { scenarios, threshold, metrics } = toml::from_str(text)?;
        let rules: BTreeMap<Metric, Rule> =
            metrics.into_iter().map(|(name, rule)| named_rule(name, rule, threshold)).collect::<Result<_, _>>()?;
        if rules.is_empty() {
            return Err(PolicyError::Empty);
        }
        Ok(Self { scenarios, metrics: rules })
    }
}

fn named_rule(name: String, rule: FileRule, threshold: Option<Threshold>) -> Result<(Metric, Rule), PolicyError> {
    let Some(metric) = Metric::by_name(&name) else {
        let nearest = Metric::ALL
            .iter()
            .map(|metric| (strsim::jaro_winkler(&name, metric.name()), metric.name()))
            .filter(|(similarity, _)| *similarity > 0.8)
            .max_by(|one, other| one.0.total_cmp(&other.0));
        return Err(PolicyError::UnknownMetric { name, nearest: nearest.map(|(_, name)| name) });
    };
    let mut directions = [(Direction::Higher, "higher"), (Direction::Lower, "lower")];
    if !metric.more_is_better() {
        directions.reverse();
    }
    let [(better, better_name), (contrary, given)] = directions;
    if rule.direction == Some(contrary) {
        return Err(PolicyError::Direction { metric: metric.name(), given, better: better_name });
    }
    let rule = Rule {
        threshold_percent: rule.threshold.or(threshold).ok_or(PolicyError::NoThreshold(metric.name()))?.0,
        direction: rule.direction.unwrap_or(better),
        statistic: rule.statistic,
        severity: rule.severity,
        waiver: rule.waiver,
    };
    Ok((metric, rule))
}

impl Rule {
    /// The threshold as a log ratio.
    pub(super) fn log_threshold(&self) -> f64 {
        (self.threshold_percent / 100.0).ln_1p()
    }

    /// A range of log ratios as ranges of losses, where positive is worse: one, or two if either direction is worse.
    pub(super) fn losses(&self, (low, high): (f64, f64)) -> Vec<(f64, f64)> {
        match self.direction {
            Direction::Lower => vec![(low, high)],
            Direction::Higher => vec![(-high, -low)],
            Direction::Either => vec![(low, high), (-high, -low)],
        }
    }

    /// The log ratios at which the loss equals the threshold.
    pub(super) fn log_thresholds(&self) -> Vec<f64> {
        match self.direction {
            Direction::Lower => vec![self.log_threshold()],
            Direction::Higher => vec![-self.log_threshold()],
            Direction::Either => vec![self.log_threshold(), -self.log_threshold()],
        }
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The library checks the calendar: days per month, leap years.
        humantime::parse_rfc3339(&format!("{text}T00:00:00Z"))
            .map_err(|_| format!("invalid date `{text}`; expected e.g. 2026-12-31"))?;
        let mut numbers = text.split('-').map(|number| number.parse().unwrap_or(0u16));
        let mut next = || numbers.next().unwrap_or(0);
        let (year, month, day) = (next(), next(), next());
        Ok(Self { year, month: month as u8, day: day as u8 })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
