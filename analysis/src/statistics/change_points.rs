//! Change points of a series: [`change_points`], E-divisive with a permutation test.
//!
//! The algorithm tries every way to cut a segment in two and takes the cut with the largest energy distance between its
//! parts. That distance assumes no distribution, and detects changes of level and of spread. A permutation test decides
//! whether it is significant. If so, the segment is cut there, and the search is repeated. As with every test at this
//! level, one in twenty series without a change yields one: the result is a hint, not a verdict.
//!
//! Sources: Matteson and James, *A nonparametric approach for multiple change point analysis of multivariate data*, 2014;
//! for series of benchmarks Daly and others, *The use of change point detection to identify software performance
//! regressions in a continuous integration system*, 2020.

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

/// The smallest number of values for a search: two segments.
pub const MIN_POINTS: usize = 2 * MIN_SEGMENT;

/// The smallest number of values on each side of a change. A shorter excursion is an outlier.
pub const MIN_SEGMENT: usize = 5;

/// A change is reported if its p-value is at most this.
pub const SIGNIFICANCE: f64 = 0.05;

/// Number of permutations: with 199, p-values are multiples of 0.005.
const PERMUTATIONS: usize = 199;

/// Fixed, so that a series always has the same changes.
const SEED: u64 = 0x0e_d1_71_51_fe;

/// A place where a series changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// Index of the first value after the change.
    pub index: usize,
    /// Share of permutations, including the series itself, with a change that is at least as large.
    pub p_value: f64,
    /// Median of the values from the previous change, or the start, to this one.
    pub before: f64,
    /// Median of the values from this one to the next change, or the end.
    pub after: f64,
}

/// The series is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{points} points are too few to detect changes; at least {MIN_POINTS} are needed")]
pub struct TooFewPoints {
    /// Number of points.
    pub points: usize,
}

/// The changes of `values`, in order. All values must be finite.
///
/// # Errors
/// If there are fewer than [`MIN_POINTS`] values.
pub fn change_points(values: &[f64]) -> Result<Vec<ChangePoint>, TooFewPoints> {
    if values.len() < MIN_POINTS {
        return Err(TooFewPoints { points: values.len() });
    }
    let mut random = SmallRng::seed_from_u64(SEED);
    // The bounds of the segments, and the changes among them with their p-values.
    let mut bounds = vec![0, values.len()];
    let mut found: Vec<(usize, f64)> = Vec::new();
    while let Some(cut) = largest_cut(values, &bounds) {
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
    let change_point = |(index, p_value): (usize, f64)| ChangePoint {
        index,
        p_value,
        before: level(before(index)),
        after: level(index),
    };
    Ok(found.into_iter().map(change_point).collect())
}

/// A cut of a segment.
#[derive(Debug, Clone, Copy)]
struct Cut {
    index: usize,
    statistic: f64,
}

/// The cut with the largest statistic of all segments; `None` if every segment is too short.
fn largest_cut(values: &[f64], bounds: &[usize]) -> Option<Cut> {
    let segments = bounds.windows(2).filter_map(|two| {
        let cut = best_cut(&values[two[0]..two[1]])?;
        Some(Cut { index: two[0] + cut.index, ..cut })
    });
    segments.max_by(|one, other| one.statistic.total_cmp(&other.statistic))
}

/// The share of permutations within the segments whose largest statistic is at least `statistic`.
fn p_value(values: &[f64], bounds: &[usize], statistic: f64, random: &mut SmallRng) -> f64 {
    let mut shuffled = values.to_vec();
    let mut as_large = 1;
    for _ in 0..PERMUTATIONS {
        for two in bounds.windows(2) {
            shuffled[two[0]..two[1]].shuffle(random);
        }
        as_large += usize::from(largest_cut(&shuffled, bounds).is_some_and(|cut| cut.statistic >= statistic));
    }
    as_large as f64 / (PERMUTATIONS + 1) as f64
}

/// The cut of `segment` with the largest statistic. The part after the cut may end before the segment does, because the
/// series may return to its old level.
fn best_cut(segment: &[f64]) -> Option<Cut> {
    let distances = Distances::new(segment);
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

/// Prefix sums of the distances between all values of a segment, so that each statistic takes a few additions.
struct Distances {
    /// At `end`: sum over the pairs among the first `end` values.
    within: Vec<f64>,
    /// At `cut * (length + 1) + end`: sum of the distances of the first `cut` values from the first `end`; pairs within the
    /// first `cut` count twice.
    from_first: Vec<f64>,
    length: usize,
}

impl Distances {
    fn new(segment: &[f64]) -> Self {
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

    /// The energy distance between the values before `cut` and those from `cut` to `end`, weighted by their numbers.
    fn statistic(&self, cut: usize, end: usize) -> f64 {
        let (first, second) = (cut as f64, (end - cut) as f64);
        let across = self.from_first[cut * (self.length + 1) + end] - 2.0 * self.within[cut];
        let after = self.within[end] - self.within[cut] - across;
        let pairs = |number: f64| number * (number - 1.0) / 2.0;
        let energy = 2.0 * across / (first * second) - self.within[cut] / pairs(first) - after / pairs(second);
        energy * first * second / (first + second)
    }
}

#[cfg(test)]
mod tests;
