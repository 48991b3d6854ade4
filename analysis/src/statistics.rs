//! Ratios of configurations that were measured in blocks: [`paired_ratio`], with an estimate and an exact interval.
//!
//! In a block, two configurations run within seconds of each other, so that slow changes of the machine affect both and
//! cancel in their ratio. One ratio per block gives the Hodges–Lehmann estimate and the interval of the Wilcoxon
//! signed-rank test. Neither assumes a normal distribution, and a single disturbed trial moves both only a little.
//! Nothing here knows what the numbers measure.
//!
//! Sources: Hodges and Lehmann, *Estimates of location based on rank tests*, 1963; Hollander, Wolfe and Chicken,
//! *Nonparametric Statistical Methods*, sections 3.1 to 3.3.

pub mod change_points;
mod independence;
mod multiple_tests;
mod ranking;
mod signed_rank;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::independence::{SerialCorrelation, joint_serial_correlation, serial_correlation};
pub use self::multiple_tests::holm;
pub use self::ranking::{Place, clusters, places};
pub use self::signed_rank::{critical_value, cumulative};

/// The requested confidence. The achieved confidence is slightly higher, because ranks are whole numbers.
pub const CONFIDENCE: f64 = 0.95;

/// The confidence of each look of a comparison that ends when its intervals are narrow enough. Looking after each block
/// makes it more likely to stop at an interval that is narrow by chance: intervals of 95% would cover 93.4 to 94.7%
/// (results/noise). These cover at least [`CONFIDENCE`].
pub const LOOK_CONFIDENCE: f64 = 0.97;

/// The smallest number of pairs for an interval of [`LOOK_CONFIDENCE`].
pub const MIN_PAIRS_OF_LOOK: usize = 7;

/// The smallest number of pairs for which an exact two-sided interval of [`CONFIDENCE`] exists: the full range of the Walsh
/// averages has 93.75% with 5 pairs and 96.875% with 6.
pub const MIN_PAIRS: usize = 6;

/// The ratio of two paired series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// Number of pairs.
    pub pairs: usize,
    /// Hodges–Lehmann estimate: exp of the median of the Walsh averages (the means of every two log ratios, including each
    /// with itself).
    pub center: f64,
    /// Exact confidence interval; null with fewer than 6 pairs.
    pub interval: Option<Interval>,
}

/// An exact confidence interval of a ratio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Achieved confidence, 0 to 1; at least 0.95. With --until-width that of one look: all looks together have 0.95.
    pub confidence: f64,
}

/// What a ratio shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The interval does not contain 1.
    Differs,
    /// The interval contains 1, so any difference is at most this large.
    NoDifferenceLargerThan {
        /// Distance from 1 of the bound that is farther from 1, in percent.
        percent: f64,
    },
    /// There are too few pairs for an interval.
    TooFewPairs,
}

impl Ratio {
    /// What the ratio shows.
    pub fn finding(&self) -> Finding {
        match &self.interval {
            None => Finding::TooFewPairs,
            Some(interval) if interval.contains_one() => {
                Finding::NoDifferenceLargerThan { percent: interval.farther_percent() }
            }
            Some(_) => Finding::Differs,
        }
    }

    /// Whether the two differ.
    pub fn is_difference(&self) -> bool {
        self.finding() == Finding::Differs
    }

    /// The smallest true difference, in percent, that a series with this noise and length detects with a power of 80%: half
    /// the width of the interval, which is 1.96 standard errors, plus 0.84 standard errors. `None` without an interval.
    pub fn detectable_percent(&self) -> Option<f64> {
        const POWER: f64 = 0.8416;
        const TWO_SIDED: f64 = 1.9600;
        let half = self.interval.as_ref().map(|interval| (interval.high / interval.low).ln() / 2.0)?;
        Some(100.0 * (half * (1.0 + POWER / TWO_SIDED)).exp_m1())
    }
}

impl Interval {
    /// Whether the interval contains 1, i.e. "no difference".
    pub fn contains_one(&self) -> bool {
        self.low <= 1.0 && 1.0 <= self.high
    }

    /// Distance from 1 of the bound that is farther from 1, in percent.
    pub fn farther_percent(&self) -> f64 {
        100.0 * (self.high - 1.0).abs().max((self.low - 1.0).abs())
    }
}

/// The ratio of pairs of (numerator, denominator). Pairs without a log ratio are skipped; `None` if no pair has one.
pub fn paired_ratio(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Ratio> {
    let logs = pairs.into_iter().filter_map(|(numerator, denominator)| log_ratio(numerator, denominator));
    ratio_of_logs(&logs.collect::<Vec<_>>())
}

/// ln(`numerator` ÷ `denominator`); `None` unless both are above 0 and finite.
pub fn log_ratio(numerator: f64, denominator: f64) -> Option<f64> {
    let is_positive = |value: f64| value > 0.0 && value.is_finite();
    (is_positive(numerator) && is_positive(denominator)).then(|| numerator.ln() - denominator.ln())
}

/// The ratio from one log ratio per block; `None` without blocks.
pub fn ratio_of_logs(logs: &[f64]) -> Option<Ratio> {
    ratio_of_logs_at(logs, CONFIDENCE)
}

/// [`ratio_of_logs`] with an interval of another confidence, 0 to 1.
pub fn ratio_of_logs_at(logs: &[f64], confidence: f64) -> Option<Ratio> {
    let averages = walsh_averages(logs);
    let center = median_of_sorted(&averages)?.exp();
    let interval = critical_value(logs.len(), confidence).map(|critical| {
        // The number of Walsh averages above a center is the test statistic for that center. The averages at the critical
        // value from either end bound the centers that the test does not reject.
        Interval {
            low: averages[critical].exp(),
            high: averages[averages.len() - 1 - critical].exp(),
            confidence: 1.0 - 2.0 * cumulative(logs.len(), critical),
        }
    });
    Some(Ratio { pairs: logs.len(), center, interval })
}

/// Exact two-sided p-value of the signed-rank test for the hypothesis that the log ratios have this center. 1 without
/// blocks. It is at most 1 − [`CONFIDENCE`] exactly if `center` lies outside the interval.
pub fn p_value(logs: &[f64], center: f64) -> f64 {
    let averages = walsh_averages(logs);
    let above = averages.iter().filter(|average| **average > center).count();
    let below = averages.iter().filter(|average| **average < center).count();
    // Averages equal to the center count for the smaller side.
    let statistic = averages.len() - above.max(below);
    (2.0 * cumulative(logs.len(), statistic)).min(1.0)
}

/// The means of every two of `values`, including each with itself, sorted: n(n+1)/2 of them.
fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let mut averages: Vec<f64> = values
        .iter()
        .enumerate()
        .flat_map(|(index, one)| values[index..].iter().map(move |other| f64::midpoint(*one, *other)))
        .collect();
    averages.sort_by(f64::total_cmp);
    averages
}

/// The median; for an even number of values, the mean of the middle two. `None` without values.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    median_of_sorted(&values)
}

fn median_of_sorted(values: &[f64]) -> Option<f64> {
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

#[cfg(test)]
mod tests;
