//! The order of the configurations in each block: [`orders`].
//!
//! The orders are the rows of Williams' Latin squares. Over the rows of a square every configuration has every place once,
//! and every ordered pair of neighbours occurs once (for an odd number of configurations: twice in two mirrored squares),
//! so that carry-over from the previous trial affects all alike. The seed decides which configuration stands for which
//! symbol, and the order of the rows.
//!
//! E. J. Williams, *Experimental designs balanced for the estimation of residual effects of treatments*, 1949.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// `blocks` orders of the numbers below `count`. They depend only on the seed, and the first ones do not depend on
/// `blocks`.
pub(super) fn orders(seed: u64, count: usize, blocks: usize) -> Vec<Vec<usize>> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut orders = Vec::with_capacity(blocks);
    while orders.len() < blocks && count > 0 {
        let mut names: Vec<usize> = (0..count).collect();
        shuffle(&mut names, &mut rng);
        for mirrored in [false, true].into_iter().take(1 + count % 2) {
            let mut rows: Vec<usize> = (0..count).collect();
            shuffle(&mut rows, &mut rng);
            orders.extend(rows.into_iter().map(|row| {
                let mut order: Vec<usize> = (0..count).map(|place| names[symbol(count, row, place)]).collect();
                if mirrored {
                    order.reverse();
                }
                order
            }));
        }
    }
    orders.truncate(blocks);
    orders
}

/// The symbol at a place of a row: 0, 1, n−1, 2, n−2 … in the first row, and one more in each further row, modulo n.
fn symbol(count: usize, row: usize, place: usize) -> usize {
    let first = if place % 2 == 1 { place.div_ceil(2) } else { (count - place / 2) % count };
    (first + row) % count
}

/// Fisher–Yates. `SliceRandom::shuffle` may draw other numbers in another version of rand, and `--resume-from` continues a
/// sweep in the order in which it started.
fn shuffle(values: &mut [usize], rng: &mut SmallRng) {
    for last in (1..values.len()).rev() {
        values.swap(last, rng.random_range(0..=last));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_block_has_every_configuration_once() {
        for count in 1..12 {
            for order in orders(7, count, 15) {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..count).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_square_has_every_configuration_at_every_place_once() {
        for count in 2..12 {
            let rows = orders(3, count, count);
            for place in 0..count {
                let mut there: Vec<usize> = rows.iter().map(|row| row[place]).collect();
                there.sort_unstable();
                assert_eq!(there, (0..count).collect::<Vec<_>>(), "place {place} of {count}");
            }
        }
    }

    #[test]
    fn every_ordered_pair_of_neighbours_is_equally_frequent() {
        for count in 2..12 {
            let mut pairs: BTreeMap<(usize, usize), usize> = BTreeMap::new();
            let rows = orders(11, count, count * (1 + count % 2));
            rows.iter()
                .flat_map(|row| row.windows(2))
                .for_each(|pair| *pairs.entry((pair[0], pair[1])).or_default() += 1);
            assert_eq!(pairs.len(), count * (count - 1), "{count}");
            assert!(pairs.values().all(|times| *times == 1 + count % 2), "{count}: {pairs:?}");
        }
    }

    #[test]
    fn the_seed_decides_and_more_blocks_begin_alike() {
        assert_eq!(orders(1, 6, 20)[..9], orders(1, 6, 9));
        assert_ne!(orders(1, 6, 6), orders(2, 6, 6));
    }
}
