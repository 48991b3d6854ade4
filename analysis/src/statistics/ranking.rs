//! Rankings under noise: [`places`] and [`clusters`] never rank configurations that the noise does not separate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The range of places that a contestant may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// 1 + the number of contestants that are better beyond noise.
    pub best: usize,
    /// The number of contestants − the number of those that are worse beyond noise.
    pub worst: usize,
}

/// The places of `count` contestants, where `beats(a, b)` means that a is better than b beyond noise.
pub fn places(count: usize, beats: impl Fn(usize, usize) -> bool) -> Vec<Place> {
    let number = |condition: &dyn Fn(usize) -> bool| (0..count).filter(|other| condition(*other)).count();
    (0..count)
        .map(|one| Place {
            best: 1 + number(&|other| other != one && beats(other, one)),
            worst: count - number(&|other| other != one && beats(one, other)),
        })
        .collect()
}

/// Splits `sorted` wherever all contestants before the split are separated from all after it. Each cluster is a tie: a
/// chain of neighbors that are not separated is one cluster, even if its ends are separated.
pub fn clusters(sorted: &[usize], separated: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    for (index, one) in sorted.iter().enumerate() {
        let (before, after) = sorted.split_at(index);
        let cut = before.iter().all(|first| after.iter().all(|second| separated(*first, *second)));
        match clusters.last_mut() {
            Some(cluster) if !cut => cluster.push(*one),
            _ => clusters.push(vec![*one]),
        }
    }
    clusters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tied_contestants_share_their_places() {
        // 0 before 1 and 2, which are tied; 3 last.
        let beats = |one: usize, other: usize| one < other && (one, other) != (1, 2);
        let found: Vec<_> = places(4, beats).iter().map(|place| (place.best, place.worst)).collect();
        assert_eq!(found, [(1, 1), (2, 3), (2, 3), (4, 4)]);
        assert_eq!(clusters(&[0, 1, 2, 3], beats), [vec![0], vec![1, 2], vec![3]]);
    }

    #[test]
    fn a_noisy_contestant_is_tied_with_both_neighbors() {
        let beats = |one: usize, other: usize| (one, other) == (0, 2);
        let found: Vec<_> = places(3, beats).iter().map(|place| (place.best, place.worst)).collect();
        assert_eq!(found, [(1, 2), (1, 3), (2, 3)]);
        assert_eq!(clusters(&[0, 1, 2], beats), [vec![0, 1, 2]]);
    }

    proptest! {
        // Contestants are intervals: one beats another if it ends before the other begins.
        #[test]
        fn a_tie_is_never_ranked(ends in prop::collection::vec((0u32..100, 0u32..30), 1..12)) {
            let beats = |one: usize, other: usize| ends[one].0 + ends[one].1 < ends[other].0;
            let places = places(ends.len(), beats);
            let mut sorted: Vec<usize> = (0..ends.len()).collect();
            sorted.sort_by_key(|index| 2 * ends[*index].0 + ends[*index].1);
            let clusters = clusters(&sorted, |one, other| beats(one, other) || beats(other, one));
            let cluster = |one: usize| clusters.iter().position(|cluster| cluster.contains(&one));
            for one in 0..ends.len() {
                for other in 0..ends.len() {
                    if beats(one, other) {
                        prop_assert!(places[one].best < places[other].best && places[one].worst < places[other].worst);
                    } else if !beats(other, one) {
                        prop_assert!(places[one].best <= places[other].worst);
                        prop_assert_eq!(cluster(one), cluster(other));
                    }
                }
            }
        }
    }
}
