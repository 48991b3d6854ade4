//! In which order the configurations have their turns: [`orders`].
//!
//! The rows of Williams' Latin squares: over the rows of a square every configuration has every place once, and every
//! ordered pair of neighbours comes once (with an even number; with an odd one twice in two squares that mirror each
//! other), so that whoever runs after a hot neighbour does so as often as anybody else. Which configuration stands for
//! which symbol, and which row comes first, is drawn with the seed.
//!
//! E. J. Williams, *Experimental designs balanced for the estimation of residual effects of treatments*, 1949.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// `blocks` orders of the numbers below `count`, the same for the same seed; more blocks begin with the same orders.
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

/// The symbol in a row and place of the square: 0, 1, n−1, 2, n−2 … in the first row, and one more in each next.
fn symbol(count: usize, row: usize, place: usize) -> usize {
    let first = if place % 2 == 1 { place.div_ceil(2) } else { (count - place / 2) % count };
    (first + row) % count
}

/// Fisher–Yates. Not `SliceRandom::shuffle`, which draws other numbers from the same seed and may change them with a new
/// version of rand: `--resume-from` has to continue a sweep in the order in which it started.
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
    fn over_a_square_every_configuration_has_every_place_once() {
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
    fn every_pair_of_neighbours_comes_equally_often_in_both_orders() {
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
    fn the_seed_decides_and_more_blocks_begin_with_the_same() {
        assert_eq!(orders(1, 6, 20)[..9], orders(1, 6, 9));
        assert_ne!(orders(1, 6, 6), orders(2, 6, 6));
    }
}
