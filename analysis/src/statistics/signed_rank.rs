//! The exact distribution of the Wilcoxon signed-rank statistic T: the sum of those ranks among 1 to n whose sign is
//! positive, where each sign is a fair coin.

/// P(T = 0), P(T = 1), … for `n` pairs. Each rank is in the sum with probability 1/2. All values are multiples of 2⁻ⁿ, so
/// there is no rounding up to 53 pairs.
fn distribution(n: usize) -> Vec<f64> {
    let mut probabilities = vec![1.0];
    for rank in 1..=n {
        let mut next = vec![0.0; probabilities.len() + rank];
        for (sum, probability) in probabilities.iter().enumerate() {
            next[sum] += probability / 2.0;
            next[sum + rank] += probability / 2.0;
        }
        probabilities = next;
    }
    probabilities
}

/// P(T ≤ `sum`) for `n` pairs.
pub fn cumulative(n: usize, sum: usize) -> f64 {
    distribution(n).iter().take(sum + 1).sum()
}

/// The largest sum whose two tails together have a probability of at most 1 − `confidence`; `None` if even T = 0 is more
/// likely, as with 5 pairs and 95%.
pub fn critical_value(n: usize, confidence: f64) -> Option<usize> {
    let tail = (1.0 - confidence) / 2.0;
    let mut below = 0.0;
    let within = distribution(n).into_iter().take_while(|chance| {
        below += chance;
        below <= tail
    });
    within.count().checked_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Published two-sided critical values at 5% (Wilcoxon and Wilcox 1964; Conover 1999).
    const PUBLISHED: [(usize, usize); 14] = [
        (6, 0),
        (7, 2),
        (8, 3),
        (9, 5),
        (10, 8),
        (11, 10),
        (12, 13),
        (13, 17),
        (14, 21),
        (15, 25),
        (20, 52),
        (25, 89),
        (30, 137),
        (50, 434),
    ];

    #[test]
    fn critical_values_match_the_published_tables() {
        for (n, critical) in PUBLISHED {
            assert_eq!(critical_value(n, 0.95), Some(critical), "n = {n}");
        }
    }

    #[test]
    fn fewer_than_six_pairs_have_no_critical_value() {
        for n in 0..6 {
            assert_eq!(critical_value(n, 0.95), None, "n = {n}");
        }
    }

    #[test]
    fn the_distribution_matches_an_enumeration_of_all_signs() {
        for n in 0..=12usize {
            let mut counts = vec![0u32; n * (n + 1) / 2 + 1];
            for signs in 0..1u32 << n {
                let sum: usize = (1..=n).filter(|rank| signs >> (rank - 1) & 1 == 1).sum();
                counts[sum] += 1;
            }
            let tried: Vec<f64> = counts.into_iter().map(|count| f64::from(count) / f64::from(1u32 << n)).collect();
            assert_eq!(distribution(n), tried, "n = {n}");
        }
    }

    proptest! {
        #[test]
        fn the_distribution_is_symmetric_and_sums_to_one(n in 1usize..60) {
            let chances = distribution(n);
            prop_assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(chances.iter().zip(chances.iter().rev()).all(|(one, other)| (one - other).abs() < 1e-15));
        }
    }
}
