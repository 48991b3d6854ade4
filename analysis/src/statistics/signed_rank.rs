//! The exact distribution of Wilcoxon's signed-rank statistic T: the sum of the ranks 1 to n whose sign, a fair coin
//! each, is positive.

/// P(T = 0), P(T = 1) … for `n` pairs, by counting: each rank is in the sum or not, with the chance 1/2. All of them are
/// multiples of 2⁻ⁿ, so that up to 53 pairs no rounding takes place at all.
fn distribution(n: usize) -> Vec<f64> {
    let mut chances = vec![1.0];
    for rank in 1..=n {
        let mut next = vec![0.0; chances.len() + rank];
        for (sum, chance) in chances.iter().enumerate() {
            next[sum] += chance / 2.0;
            next[sum + rank] += chance / 2.0;
        }
        chances = next;
    }
    chances
}

/// P(T ≤ `sum`) for `n` pairs.
pub fn cumulative(n: usize, sum: usize) -> f64 {
    distribution(n).iter().take(sum + 1).sum()
}

/// The largest sum whose two tails together have at most the chance 1 − `confidence`; `None` if even T = 0 is more
/// likely than that, as with 5 pairs and 95%.
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

    /// Two-sided critical values at 5%, as tables of the test have them (Wilcoxon and Wilcox 1964; Conover 1999).
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
    fn the_critical_values_are_the_published_ones() {
        for (n, critical) in PUBLISHED {
            assert_eq!(critical_value(n, 0.95), Some(critical), "n = {n}");
        }
    }

    #[test]
    fn with_fewer_than_six_pairs_there_is_none() {
        for n in 0..6 {
            assert_eq!(critical_value(n, 0.95), None, "n = {n}");
        }
    }

    #[test]
    fn the_distribution_is_what_trying_all_signs_gives() {
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
