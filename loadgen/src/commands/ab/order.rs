//! Whose turn it is: [`orders`].
//!
//! In a block ABBA or BAAB either arm comes first as often as last and follows itself once, so that what drifts steadily
//! falls out of the block's ratio. Of every two blocks one is the one and one the other; which comes first is drawn.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use wss_analysis::comparison::ArmLabel;

/// `blocks` orders, the same for the same seed; more blocks begin with the same orders.
pub(super) fn orders(seed: u64, blocks: usize) -> Vec<Vec<ArmLabel>> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut orders = Vec::with_capacity(blocks + 1);
    while orders.len() < blocks {
        let first = if rng.random() { ArmLabel::A } else { ArmLabel::B };
        orders.extend([first, other(first)].map(|first| vec![first, other(first), other(first), first]));
    }
    orders.truncate(blocks);
    orders
}

fn other(arm: ArmLabel) -> ArmLabel {
    match arm {
        ArmLabel::A => ArmLabel::B,
        ArmLabel::B => ArmLabel::A,
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
        let firsts: Vec<ArmLabel> = all.chunks(2).map(|pair| pair[0][0]).collect();
        assert!(firsts.contains(&ArmLabel::A) && firsts.contains(&ArmLabel::B), "{firsts:?}");
        assert_eq!(orders(3, 7), all[..7]);
        assert_ne!(orders(4, 40), all);
    }
}
