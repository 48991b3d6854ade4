//! Whether the values of blocks depend on the order of the blocks: [`serial_correlation`].

use rand::seq::SliceRandom as _;
use rand::{SeedableRng, rngs::SmallRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random orders that the observed one is compared with.
const ORDERS: u32 = 4000;
/// The smallest number of values for which a correlation is reported.
const MIN_VALUES: usize = 6;

/// How much each value of a series resembles the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SerialCorrelation {
    /// Lag-1 autocorrelation: the sum of the products of neighbouring deviations from the mean ÷ the sum of their squares.
    pub lag1: f64,
    /// One-sided p-value of the permutation test: the share of random orders whose correlation is at least this high. The
    /// exact interval of a comparison assumes that blocks are independent, and is too narrow if they are not.
    pub p: f64,
}

impl SerialCorrelation {
    /// Whether the blocks depend on each other, at a level of 1% because many metrics are looked at.
    pub fn is_significant(&self) -> bool {
        self.p <= 0.01
    }
}

/// The serial correlation of `values`; `None` with fewer than six of them, or if all are equal.
pub fn serial_correlation(values: &[f64]) -> Option<SerialCorrelation> {
    joint_serial_correlation(&[values])
}

/// The mean serial correlation of series that have one value per block each, from the same blocks: one test for all of
/// them. `None` with fewer than six blocks, or if no series varies.
pub fn joint_serial_correlation(series: &[&[f64]]) -> Option<SerialCorrelation> {
    let deviations: Vec<Vec<f64>> = series.iter().filter_map(|values| standardized(values)).collect();
    let blocks = deviations.first()?.len();
    if blocks < MIN_VALUES || deviations.iter().any(|one| one.len() != blocks) {
        return None;
    }
    let lag1 = |order: &[usize]| {
        let of = |one: &Vec<f64>| order.windows(2).map(|pair| one[pair[0]] * one[pair[1]]).sum::<f64>();
        deviations.iter().map(of).sum::<f64>() / deviations.len() as f64
    };
    let mut order: Vec<usize> = (0..blocks).collect();
    let observed = lag1(&order);
    // The same for the same values, so that a file always leads to the same text.
    let mut rng = SmallRng::seed_from_u64(blocks as u64);
    let as_high = (0..ORDERS).filter(|_| {
        order.shuffle(&mut rng);
        lag1(&order) >= observed
    });
    // The observed order is one of the possible ones.
    let p = (as_high.count() + 1) as f64 / f64::from(ORDERS + 1);
    Some(SerialCorrelation { lag1: observed, p })
}

/// The deviations from the mean, with a sum of squares of 1; `None` if all values are equal.
fn standardized(values: &[f64]) -> Option<Vec<f64>> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let norm = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>().sqrt();
    (norm > 0.0).then(|| values.iter().map(|value| (value - mean) / norm).collect())
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    /// An autoregressive series: each value is `memory` times the one before it plus noise.
    fn series(rng: &mut SmallRng, memory: f64, length: usize) -> Vec<f64> {
        let mut value = 0.0;
        let noise = |rng: &mut SmallRng| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        (0..length + 50)
            .map(|_| {
                value = memory * value + noise(rng);
                value
            })
            .skip(50)
            .collect()
    }

    fn share_found(memory: f64, length: usize) -> f64 {
        let mut rng = SmallRng::seed_from_u64(7);
        let found =
            (0..200).filter(|_| serial_correlation(&series(&mut rng, memory, length)).unwrap().is_significant());
        found.count() as f64 / 200.0
    }

    #[test]
    fn correlated_blocks_are_found_and_independent_ones_rarely() {
        let (false_alarms, half, most) = (share_found(0.0, 24), share_found(0.5, 24), share_found(0.9, 24));
        println!("found with 24 blocks: memory 0: {false_alarms}, 0.5: {half}, 0.9: {most}");
        assert!(false_alarms <= 0.03, "{false_alarms}");
        assert!(half >= 0.35 && most >= 0.9, "{half} {most}");
    }

    #[test]
    fn series_of_the_same_blocks_are_tested_together() {
        let mut rng = SmallRng::seed_from_u64(3);
        let memory = |memory: f64, rng: &mut SmallRng| (0..8).map(|_| series(rng, memory, 12)).collect::<Vec<_>>();
        let test = |all: &[Vec<f64>]| joint_serial_correlation(&all.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert!(!test(&memory(0.0, &mut rng)).unwrap().is_significant());
        // Eight short series of which hardly any is significant alone.
        let half = memory(0.5, &mut rng);
        let alone = half.iter().filter(|one| serial_correlation(one).unwrap().is_significant()).count();
        assert!(alone < 4 && test(&half).unwrap().is_significant(), "{alone}");
        assert_eq!(test(&[]), None);
        assert_eq!(test(&[vec![1.0; 8], vec![2.0; 8]]), None);
    }

    #[test]
    fn too_few_or_equal_values_have_none() {
        assert_eq!(serial_correlation(&[1.0, 2.0, 3.0, 4.0, 5.0]), None);
        assert_eq!(serial_correlation(&[1.0; 8]), None);
        let rising: Vec<f64> = (0..20).map(f64::from).collect();
        assert!(serial_correlation(&rising).unwrap().is_significant());
    }
}
