//! What may become worse by how much: [`Policy`], a TOML file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::sweep::Metric;
use wss_model::units::Percent;

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Scenarios that have to be there, by name.
    pub scenarios: Vec<String>,
    /// What is asked of each figure.
    pub metrics: BTreeMap<Metric, Rule>,
}

/// What is asked of a figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// By how much it may be worse, in percent.
    pub threshold_percent: f64,
    /// Which way is better.
    pub direction: Direction,
    /// What of the ratio has to lie within.
    pub statistic: Statistic,
    /// What follows if it does not.
    pub severity: Severity,
    /// A regression that is known.
    pub waiver: Option<Waiver>,
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// Neither is: it has to stay as it is.
    Either,
}

/// What of a ratio is held against the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Its whole interval, which leaves room for "inconclusive".
    #[default]
    Interval,
    /// Its center alone: for what does not vary, or where a guess will do.
    Center,
}

/// What follows from a regression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The gate fails.
    #[default]
    Gate,
    /// It is told as one.
    Warn,
    /// It is shown.
    Info,
}

/// A regression that is let pass until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The last day on which it holds, UTC.
    pub until: Date,
    /// Why.
    pub reason: String,
}

/// A day, as `2026-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No TOML, a key that there is not, or a value of another kind.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A figure that there is not.
    #[error("unknown metric `{name}`{}", nearest.as_ref().map_or_else(String::new, |near| format!(": there is `{near}`")))]
    UnknownMetric {
        /// As it was written.
        name: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// A figure of which nothing says by how much it may be worse.
    #[error("metrics.{0} has no threshold, and neither has the policy as a whole: write threshold = \"2%\"")]
    NoThreshold(&'static str),
    /// Nothing is asked.
    #[error("it has no table [metrics.NAME]: nothing would be judged")]
    Empty,
}

/// The file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    scenarios: Vec<String>,
    threshold: Option<Written>,
    #[serde(default)]
    metrics: BTreeMap<String, FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRule {
    threshold: Option<Written>,
    direction: Option<Direction>,
    #[serde(default)]
    statistic: Statistic,
    #[serde(default)]
    severity: Severity,
    waiver: Option<Waiver>,
}

/// A share that is written `"2%"`.
#[derive(Clone, Copy)]
struct Written(f64);

impl<'de> Deserialize<'de> for Written {
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
            metrics.into_iter().map(|(name, rule)| rule_of(name, rule, threshold)).collect::<Result<_, _>>()?;
        if rules.is_empty() {
            return Err(PolicyError::Empty);
        }
        Ok(Self { scenarios, metrics: rules })
    }
}

fn rule_of(name: String, rule: FileRule, threshold: Option<Written>) -> Result<(Metric, Rule), PolicyError> {
    let Some(metric) = Metric::by_name(&name) else {
        let nearest = Metric::ALL
            .into_iter()
            .map(|metric| (strsim::jaro_winkler(&name, metric.name()), metric.name()))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|one, other| one.0.total_cmp(&other.0));
        return Err(PolicyError::UnknownMetric { name, nearest: nearest.map(|(_, name)| name) });
    };
    let usual = if metric.more_is_better() { Direction::Higher } else { Direction::Lower };
    let rule = Rule {
        threshold_percent: rule.threshold.or(threshold).ok_or(PolicyError::NoThreshold(metric.name()))?.0,
        direction: rule.direction.unwrap_or(usual),
        statistic: rule.statistic,
        severity: rule.severity,
        waiver: rule.waiver,
    };
    Ok((metric, rule))
}

impl Rule {
    /// The threshold as a logarithm of a ratio.
    pub(super) fn limit(&self) -> f64 {
        (self.threshold_percent / 100.0).ln_1p()
    }

    /// What of a range of log ratios is a loss: one range, or two where either way is one.
    pub(super) fn loss(&self, (low, high): (f64, f64)) -> Vec<(f64, f64)> {
        match self.direction {
            Direction::Lower => vec![(low, high)],
            Direction::Higher => vec![(-high, -low)],
            Direction::Either => vec![(low, high), (-high, -low)],
        }
    }

    /// Log ratios at which a loss is as large as is allowed.
    pub(super) fn thresholds(&self) -> Vec<f64> {
        match self.direction {
            Direction::Lower => vec![self.limit()],
            Direction::Higher => vec![-self.limit()],
            Direction::Either => vec![self.limit(), -self.limit()],
        }
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The calendar is the library's: it knows which months have 31 days.
        humantime::parse_rfc3339(&format!("{text}T00:00:00Z"))
            .map_err(|_| format!("`{text}` is no day such as 2026-12-31"))?;
        let mut workloads = text.split('-');
        let mut workload = || workloads.next().and_then(|workload| workload.parse().ok()).unwrap_or(0u16);
        let (year, month, day) = (workload(), workload(), workload());
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
