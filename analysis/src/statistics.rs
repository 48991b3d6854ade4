//! What can be said of a difference that was measured in blocks: [`paired_ratio`], its center and its exact interval.
//!
//! Two configurations ran once in every block, seconds apart, so that what changes on a machine from minute to minute
//! is in both and falls out of their ratio. From one ratio a block come the Hodges–Lehmann center and the interval of
//! the Wilcoxon signed-rank test: neither assumes a normal distribution, and a trial that was disturbed moves both by
//! little. Everything here is arithmetic on numbers; nothing here knows what they measure.
//!
//! Sources: Hodges and Lehmann, *Estimates of location based on rank tests*, 1963; Hollander, Wolfe and Chicken,
//! *Nonparametric Statistical Methods*, sections 3.1 to 3.3.

pub mod change_points;
mod multiple_tests;
mod ranking;
mod signed_rank;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::multiple_tests::holm;
pub use self::ranking::{Place, clusters, places};
pub use self::signed_rank::{critical_value, cumulative};

/// The confidence that is asked for. What is achieved is a little more, because ranks come in whole numbers.
pub const CONFIDENCE: f64 = 0.95;

/// Pairs from which on an exact two-sided interval of [`CONFIDENCE`] exists: with 5 the whole range of the pairs'
/// averages has 93.75%, with 6 it has 96.875%.
pub const MIN_PAIRS: usize = 6;

/// The ratio of two paired series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ratio {
    /// Pairs that it is made of.
    pub pairs: usize,
    /// Hodges–Lehmann center: exp of the median of the averages of any two log ratios (and of each with itself).
    pub center: f64,
    /// Its exact interval; absent with fewer than [`MIN_PAIRS`] pairs, of which none exists.
    pub interval: Option<Interval>,
}

/// An exact confidence interval of a ratio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// The confidence that it has, at least [`CONFIDENCE`].
    pub confidence: f64,
}

/// What a ratio says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The interval does not contain 1.
    Differs,
    /// It does: there is no difference larger than this, by the bound that is further from 1.
    NoDifferenceLargerThan {
        /// Percent.
        percent: f64,
    },
    /// There is no interval.
    TooFewPairs,
}

impl Ratio {
    /// What it says.
    pub fn finding(&self) -> Finding {
        match &self.interval {
            None => Finding::TooFewPairs,
            Some(interval) if interval.contains_one() => {
                Finding::NoDifferenceLargerThan { percent: interval.further_percent() }
            }
            Some(_) => Finding::Differs,
        }
    }

    /// Whether the two can be told apart.
    pub fn is_difference(&self) -> bool {
        self.finding() == Finding::Differs
    }

    /// The least true difference, in percent, that a series as noisy and as long as this one would have told apart from
    /// none in four of five cases: half the interval's length, which is 1.96 standard errors, and 0.84 more for the
    /// power of 80%.
    pub fn detectable_percent(&self) -> Option<f64> {
        const POWER: f64 = 0.8416;
        const TWO_SIDED: f64 = 1.9600;
        let half = self.interval.as_ref().map(|interval| (interval.high / interval.low).ln() / 2.0)?;
        Some(100.0 * (half * (1.0 + POWER / TWO_SIDED)).exp_m1())
    }
}

impl Interval {
    /// Whether "no difference" lies in it.
    pub fn contains_one(&self) -> bool {
        self.low <= 1.0 && 1.0 <= self.high
    }

    /// How far the bound that is further from 1 is from it, in percent.
    pub fn further_percent(&self) -> f64 {
        100.0 * (self.high - 1.0).abs().max((self.low - 1.0).abs())
    }
}

/// The ratio of `pairs` of (numerator, denominator); pairs with a number that is not above 0 have no log ratio and are
/// left out. `None` if no pair is left.
pub fn paired_ratio(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Ratio> {
    ratio_of_logs(&pairs.into_iter().filter_map(|(over, under)| log_ratio(over, under)).collect::<Vec<_>>())
}

/// Natural logarithm of `over` ÷ `under`, if both are above 0 and finite.
pub fn log_ratio(over: f64, under: f64) -> Option<f64> {
    (over > 0.0 && under > 0.0 && over.is_finite() && under.is_finite()).then(|| over.ln() - under.ln())
}

/// The ratio whose logarithm was found once in each block. `None` of no blocks.
pub fn ratio_of_logs(logs: &[f64]) -> Option<Ratio> {
    let averages = walsh_averages(logs);
    let center = median_of_sorted(&averages)?.exp();
    let interval = critical_value(logs.len(), CONFIDENCE).map(|critical| {
        // The number of averages above the true center is the test's statistic: those beyond its critical value, from
        // either end, bound the centers that the test would not refuse.
        Interval {
            low: averages[critical].exp(),
            high: averages[averages.len() - 1 - critical].exp(),
            confidence: 1.0 - 2.0 * cumulative(logs.len(), critical),
        }
    });
    Some(Ratio { pairs: logs.len(), center, interval })
}

/// The chance of log ratios that lie as far from `center`, on either side, as these do, if that were their true
/// center: the exact two-sided p-value of the signed-rank test. 1 of no blocks. Below 0.05 where, and only where,
/// `center` is outside of the exact interval of 95%.
pub fn p_value(logs: &[f64], center: f64) -> f64 {
    let averages = walsh_averages(logs);
    let above = averages.iter().filter(|average| **average > center).count();
    let below = averages.iter().filter(|average| **average < center).count();
    // An average that is the center speaks for either side: the smaller of the two counts, with all of those in it.
    let least = averages.len() - above.max(below);
    (2.0 * cumulative(logs.len(), least)).min(1.0)
}

/// The averages of any two of `values` and of each with itself, sorted: n(n+1)/2 of them.
fn walsh_averages(values: &[f64]) -> Vec<f64> {
    let mut averages: Vec<f64> = values
        .iter()
        .enumerate()
        .flat_map(|(index, one)| values[index..].iter().map(move |other| f64::midpoint(*one, *other)))
        .collect();
    averages.sort_by(f64::total_cmp);
    averages
}

/// Median; of an even number of values the mean of the middle two. `None` of no values.
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
