//! Known values, and properties of all series.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use super::*;

fn ratio(ratios: &[f64]) -> Ratio {
    paired_ratio(ratios.iter().map(|ratio| (*ratio, 1.0))).unwrap()
}

#[test]
fn the_interval_is_bounded_by_the_walsh_averages_at_the_critical_value() {
    // Eight pairs have 36 averages and the critical value 3, so the bounds are the 4th from either end. By hand, for the
    // logs 1 to 8: the averages start with 1, 1.5, 2, 2 and end with 7, 7, 7.5, 8.
    let found = ratio(&(1..=8).map(|log| f64::from(log).exp()).collect::<Vec<_>>());
    let interval = found.interval.unwrap();
    let logs = [found.center.ln(), interval.low.ln(), interval.high.ln()];
    for (log, expected) in logs.into_iter().zip([4.5, 2.0, 7.0]) {
        assert!((log - expected).abs() < 1e-12, "{logs:?}");
    }
    // P(T ≤ 3) = (1 + 1 + 1 + 2) / 256.
    assert!((interval.confidence - (1.0 - 10.0 / 256.0)).abs() < 1e-15);
}

#[test]
fn five_pairs_have_a_centre_and_no_interval() {
    let found = ratio(&[1.1, 1.2, 1.3, 1.2, 1.1]);
    assert!((1.1..1.3).contains(&found.center));
    assert_eq!((found.interval.as_ref(), found.finding()), (None, Finding::TooFewPairs));
    assert!(ratio(&[1.1, 1.2, 1.3, 1.2, 1.1, 1.2]).is_difference());
}

#[test]
fn an_interval_around_one_bounds_the_difference() {
    let found = ratio(&[0.98, 0.99, 1.0, 1.01, 1.02, 1.03]);
    let Finding::NoDifferenceLargerThan { percent } = found.finding() else { panic!("{found:?}") };
    assert!((percent - 3.0).abs() < 1e-9, "{percent}");
    assert_eq!(ratio(&[1.0; 6]).finding(), Finding::NoDifferenceLargerThan { percent: 0.0 });
}

#[test]
fn pairs_without_a_ratio_are_skipped() {
    assert_eq!(paired_ratio([(0.0, 1.0), (1.0, 0.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)]), None);
    assert_eq!(paired_ratio([(0.0, 1.0), (3.0, 2.0)]).map(|ratio| ratio.pairs), Some(1));
}

#[test]
fn one_disturbed_trial_in_twelve_is_not_a_difference() {
    let mut ratios = vec![1.003, 0.998, 1.001, 0.997, 1.002, 0.999, 1.004, 0.996, 1.0, 1.001, 0.999];
    ratios.push(3.0);
    let found = ratio(&ratios);
    assert!(!found.is_difference() && (found.center - 1.0).abs() < 0.01, "{found:?}");
}

#[test]
fn the_interval_has_its_stated_coverage() {
    // All combinations of signs for seven distances. If the true value is 0, they are equally likely.
    let distances = [0.011, 0.023, 0.037, 0.052, 0.071, 0.083, 0.097];
    let covered = (0..1u32 << distances.len()).filter(|signs| {
        let signed = distances
            .iter()
            .enumerate()
            .map(|(bit, distance)| if signs >> bit & 1 == 1 { -distance } else { *distance });
        let found = ratio(&signed.map(f64::exp).collect::<Vec<_>>());
        found.interval.unwrap().contains_one()
    });
    // 1 − 2 · P(T ≤ 2) = 1 − 2 · 3/128.
    assert_eq!(covered.count(), 122);
}

#[test]
fn the_p_value_matches_the_tables() {
    // All eight pairs above the center: T = 0, so p = 2 · 1/256. With the center in their middle, p = 1.
    let logs: Vec<f64> = (1..=8).map(f64::from).collect();
    assert!((p_value(&logs, 0.0) - 2.0 / 256.0).abs() < 1e-15);
    assert!((p_value(&logs, 4.5) - 1.0).abs() < 1e-15);
    assert!((p_value(&[], 0.0) - 1.0).abs() < 1e-15);
}

#[test]
fn the_detectable_difference_follows_from_the_width_of_the_interval() {
    let mut found = ratio(&[0.98, 0.99, 1.0, 1.01, 1.02, 1.03]);
    found.interval = Some(Interval { low: (-0.0196f64).exp(), high: 0.0196f64.exp(), confidence: 0.95 });
    // The standard error is 1%; 1.96 + 0.84 of them.
    assert!((found.detectable_percent().unwrap() - 100.0 * 0.028_016f64.exp_m1()).abs() < 1e-6);
    assert_eq!(ratio(&[1.0; 5]).detectable_percent(), None);
}

#[test]
fn the_interval_has_its_stated_coverage_with_disturbed_blocks() {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    const SERIES: usize = 4000;
    let mut rng = SmallRng::seed_from_u64(7);
    // The Box–Muller transform.
    let mut normal = move || {
        let (radius, angle): (f64, f64) = (rng.random_range(f64::MIN_POSITIVE..1.0), rng.random());
        ((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos(), rng.random::<f64>())
    };
    let truth = 0.05f64;
    for blocks in [6, 12, 20] {
        let covered = (0..SERIES).filter(|_| {
            let logs: Vec<f64> = (0..blocks)
                .map(|_| {
                    let (deviation, chance) = normal();
                    // 15% of the blocks are disturbed: their noise is five times as large.
                    truth + 0.03 * deviation * if chance < 0.15 { 5.0 } else { 1.0 }
                })
                .collect();
            let interval = ratio_of_logs(&logs).unwrap().interval.unwrap();
            let covers = interval.low.ln() <= truth && truth <= interval.high.ln();
            assert_eq!(covers, p_value(&logs, truth) > 1.0 - CONFIDENCE, "{logs:?}");
            covers
        });
        let percent = 100.0 * covered.count() as f64 / SERIES as f64;
        assert!((93.0..98.0).contains(&percent), "{percent}% at {blocks} blocks");
    }
}

proptest! {
    #[test]
    fn swapping_the_two_inverts_the_ratio(pairs in prop::collection::vec((0.1f64..10.0, 0.1f64..10.0), 1..20)) {
        let one = paired_ratio(pairs.iter().copied()).unwrap();
        let other = paired_ratio(pairs.iter().map(|(numerator, denominator)| (*denominator, *numerator))).unwrap();
        prop_assert!((one.center * other.center - 1.0).abs() < 1e-9);
        if let (Some(one), Some(other)) = (one.interval, other.interval) {
            prop_assert!((one.low * other.high - 1.0).abs() < 1e-9 && (one.high * other.low - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_common_factor_scales_center_and_interval(
        ratios in prop::collection::vec(0.1f64..10.0, 6..20), factor in 0.1f64..10.0,
    ) {
        let (one, other) = (ratio(&ratios), ratio(&ratios.iter().map(|ratio| ratio * factor).collect::<Vec<_>>()));
        let (of_one, of_other) = (one.interval.unwrap(), other.interval.unwrap());
        for (one, other) in [(one.center, other.center), (of_one.low, of_other.low), (of_one.high, of_other.high)] {
            prop_assert!((other / (one * factor) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn the_center_lies_in_the_interval_and_both_in_the_range(ratios in prop::collection::vec(0.1f64..10.0, 6..30)) {
        let found = ratio(&ratios);
        let interval = found.interval.unwrap();
        let (least, most) = ratios.iter().fold((f64::MAX, f64::MIN), |(least, most), r| (least.min(*r), most.max(*r)));
        let order = [least, interval.low, found.center, interval.high, most];
        prop_assert!(order.windows(2).all(|pair| pair[0] <= pair[1] * (1.0 + 1e-12)), "{order:?}");
        prop_assert!(interval.confidence >= CONFIDENCE);
    }

    #[test]
    fn the_order_of_the_blocks_does_not_matter(ratios in prop::collection::vec(0.1f64..10.0, 1..20)) {
        let reversed: Vec<f64> = ratios.iter().rev().copied().collect();
        prop_assert_eq!(ratio(&ratios), ratio(&reversed));
    }
}

/// Simulates comparisons that end when their interval is at most `width` wide, and returns the share of the intervals that
/// contain the true center.
fn coverage_until_width(confidence: f64, width: f64, draw: fn(&mut SmallRng) -> f64) -> f64 {
    const COMPARISONS: u32 = 800;
    let mut rng = SmallRng::seed_from_u64(3);
    let covers = (0..COMPARISONS).filter(|_| {
        let mut logs = Vec::new();
        loop {
            logs.push(draw(&mut rng));
            let Some(interval) = ratio_of_logs_at(&logs, confidence).and_then(|ratio| ratio.interval) else { continue };
            if logs.len() == 40 || (interval.high.ln() - interval.low.ln()) <= width {
                return interval.low <= 1.0 && 1.0 <= interval.high;
            }
        }
    });
    covers.count() as f64 / f64::from(COMPARISONS)
}

/// The sum of twelve uniform variables: nearly normal, with a variance of 1.
fn normal(rng: &mut SmallRng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// Laplace with a variance of 1: heavier tails.
fn laplace(rng: &mut SmallRng) -> f64 {
    let uniform: f64 = rng.random::<f64>() - 0.5;
    -uniform.signum() * f64::max(1.0 - 2.0 * uniform.abs(), f64::MIN_POSITIVE).ln() / std::f64::consts::SQRT_2
}

/// Prints the table of results/noise/README.md with `--nocapture`.
#[test]
fn looking_after_every_block_needs_the_higher_confidence_of_a_look() {
    let mut lowest = [1.0f64; 2];
    for (name, draw) in [("normal", normal as fn(&mut SmallRng) -> f64), ("laplace", laplace)] {
        for width in [0.8, 1.0, 1.5, 2.0] {
            let covered = [CONFIDENCE, LOOK_CONFIDENCE].map(|level| coverage_until_width(level, width, draw));
            println!("| {name} | {width} | {:.3} | {:.3} |", covered[0], covered[1]);
            lowest = [lowest[0].min(covered[0]), lowest[1].min(covered[1])];
        }
    }
    // The standard error of a coverage of 95% is 0.8% here.
    assert!(lowest[0] < 0.945, "{lowest:?}");
    assert!(lowest[1] >= 0.945, "{lowest:?}");
}
