//! Whose turn it is: [`orders`].
//!
//! In a block ABBA or BAAB either side comes first as often as last and follows itself once, so that what drifts steadily
//! falls out of the block's ratio. Of every two blocks one is the one and one the other; which comes first is drawn.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use wss_analysis::comparison::Side;

/// `blocks` orders, the same for the same seed; more blocks begin with the same orders.
pub(super) fn orders(seed: u64, blocks: usize) -> Vec<Vec<Side>> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut orders = Vec::with_capacity(blocks + 1);
    while orders.len() < blocks {
        let first = if rng.random() { Side::A } else { Side::B };
        orders.extend([first, other(first)].map(|first| vec![first, other(first), other(first), first]));
    }
    orders.truncate(blocks);
    orders
}

fn other(side: Side) -> Side {
    match side {
        Side::A => Side::B,
        Side::B => Side::A,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_blocks_each_order_comes_once_and_the_seed_decides_which_first() {
        let all = orders(3, 40);
        for pair in all.chunks(2) {
            assert_ne!(pair[0][0], pair[1][0]);
            assert!(pair.iter().all(|block| block[0] == block[3] && block[1] == block[2] && block[0] != block[1]));
        }
        let firsts: Vec<Side> = all.chunks(2).map(|pair| pair[0][0]).collect();
        assert!(firsts.contains(&Side::A) && firsts.contains(&Side::B), "{firsts:?}");
        assert_eq!(orders(3, 7), all[..7]);
        assert_ne!(orders(4, 40), all);
    }
}
