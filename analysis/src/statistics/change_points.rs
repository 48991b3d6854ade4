//! Where a series changes: [`change_points`], E-divisive with a permutation test.
//!
//! Of all ways to cut a stretch of the series out and in two, the one is taken whose halves lie furthest apart by the
//! energy distance, which asks for no distribution and sees changes of level and of spread. Whether that is more than
//! chance is asked of the same numbers in random order. If it is, the stretch is cut there and the question is put again.
//! As with every such test one series in twenty without any change has one: it is a hint, and no verdict.
//!
//! Sources: Matteson and James, *A nonparametric approach for multiple change point analysis of multivariate data*, 2014;
//! for series of benchmarks Daly and others, *The use of change point detection to identify software performance
//! regressions in a continuous integration system*, 2020.

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

/// Values from which on a series is looked at: two segments.
pub const MIN_POINTS: usize = 2 * MIN_SEGMENT;

/// Values that each side of a change has at least. An outlier is none: a change is what stays.
pub const MIN_SEGMENT: usize = 5;

/// A change is told if at most this share of random orders has one as large.
pub const SIGNIFICANCE: f64 = 0.05;

/// Random orders that are tried: with 199 the p-value comes in steps of 0.005.
const PERMUTATIONS: usize = 199;

/// Fixed, so that the same series has the same changes whenever it is asked.
const SEED: u64 = 0x0e_d1_71_51_fe;

/// A place at which a series changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// Index of the first value after it.
    pub index: usize,
    /// Share of random orders, the found one included, in which a change is as large.
    pub p_value: f64,
    /// Median of the values from the change before, or the beginning, to this one.
    pub before: f64,
    /// Median of the values from this one to the next change, or the end.
    pub after: f64,
}

/// A series too short to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{points} of the {MIN_POINTS} points that it takes to look for changes")]
pub struct TooFewPoints {
    /// How many there are.
    pub points: usize,
}

/// The places at which `values` changes, in their order.
///
/// # Errors
/// If there are fewer than [`MIN_POINTS`] values. One that is not finite has no distance from the others and must not be
/// among them.
pub fn change_points(values: &[f64]) -> Result<Vec<ChangePoint>, TooFewPoints> {
    if values.len() < MIN_POINTS {
        return Err(TooFewPoints { points: values.len() });
    }
    let mut random = SmallRng::seed_from_u64(SEED);
    // Bounds of the segments, and the changes among them with what they were found by.
    let mut bounds = vec![0, values.len()];
    let mut found: Vec<(usize, f64)> = Vec::new();
    while let Some(cut) = largest(values, &bounds) {
        let p_value = p_value(values, &bounds, cut.statistic, &mut random);
        if p_value > SIGNIFICANCE {
            break;
        }
        found.push((cut.index, p_value));
        bounds.push(cut.index);
        bounds.sort_unstable();
    }
    found.sort_by_key(|(index, _)| *index);
    let level = |index: usize| {
        let place = bounds.iter().position(|bound| *bound == index).unwrap_or(0);
        let end = bounds.get(place + 1).copied().unwrap_or(values.len());
        super::median(values[index..end].to_vec()).unwrap_or(f64::NAN)
    };
    let before = |index: usize| bounds.iter().rev().find(|bound| **bound < index).copied().unwrap_or(0);
    let told = |(index, p_value): (usize, f64)| ChangePoint {
        index,
        p_value,
        before: level(before(index)),
        after: level(index),
    };
    Ok(found.into_iter().map(told).collect())
}

/// A way to cut a segment in two.
#[derive(Debug, Clone, Copy)]
struct Cut {
    index: usize,
    statistic: f64,
}

/// The best cut of any segment; `None` if all are too short for one.
fn largest(values: &[f64], bounds: &[usize]) -> Option<Cut> {
    let segments = bounds.windows(2).filter_map(|two| {
        let cut = best_cut(&values[two[0]..two[1]])?;
        Some(Cut { index: two[0] + cut.index, ..cut })
    });
    segments.max_by(|one, other| one.statistic.total_cmp(&other.statistic))
}

/// The share of random orders, each within the segments, whose best cut is at least `statistic`.
fn p_value(values: &[f64], bounds: &[usize], statistic: f64, random: &mut SmallRng) -> f64 {
    let mut shuffled = values.to_vec();
    let mut as_large = 1;
    for _ in 0..PERMUTATIONS {
        for two in bounds.windows(2) {
            shuffled[two[0]..two[1]].shuffle(random);
        }
        as_large += usize::from(largest(&shuffled, bounds).is_some_and(|cut| cut.statistic >= statistic));
    }
    as_large as f64 / (PERMUTATIONS + 1) as f64
}

/// Where `segment` is cut best: into what is before the cut, and what is behind it until an end that is sought as well,
/// since behind that the series may have come back to where it was.
fn best_cut(segment: &[f64]) -> Option<Cut> {
    let distances = Distances::of(segment);
    let mut best: Option<Cut> = None;
    for cut in MIN_SEGMENT..=segment.len().checked_sub(MIN_SEGMENT)? {
        for end in cut + MIN_SEGMENT..=segment.len() {
            let statistic = distances.statistic(cut, end);
            if best.is_none_or(|best| statistic > best.statistic) {
                best = Some(Cut { index: cut, statistic });
            }
        }
    }
    best
}

/// Distances of all values of a segment from each other, summed up so that each statistic is a few additions.
struct Distances {
    /// At `end`: of the pairs among the first `end` values.
    within: Vec<f64>,
    /// At `cut * (length + 1) + end`: of the first `cut` values from the first `end`, each pair of both counted twice.
    from_first: Vec<f64>,
    length: usize,
}

impl Distances {
    fn of(segment: &[f64]) -> Self {
        let length = segment.len();
        let width = length + 1;
        let mut from_first = vec![0.0; width * width];
        for (row, one) in segment.iter().enumerate() {
            let mut sum = 0.0;
            for (column, other) in segment.iter().enumerate() {
                sum += (one - other).abs();
                from_first[(row + 1) * width + column + 1] = from_first[row * width + column + 1] + sum;
            }
        }
        let within = (0..=length).map(|end| from_first[end * width + end] / 2.0).collect();
        Self { within, from_first, length }
    }

    /// The energy distance of the values before `cut` from those from it to `end`, weighted by their numbers: large where
    /// two stretches differ and there are many of both.
    fn statistic(&self, cut: usize, end: usize) -> f64 {
        let (first, second) = (cut as f64, (end - cut) as f64);
        let across = self.from_first[cut * (self.length + 1) + end] - 2.0 * self.within[cut];
        let behind = self.within[end] - self.within[cut] - across;
        let pairs = |number: f64| number * (number - 1.0) / 2.0;
        let energy = 2.0 * across / (first * second) - self.within[cut] / pairs(first) - behind / pairs(second);
        energy * first * second / (first + second)
    }
}

#[cfg(test)]
mod tests;
