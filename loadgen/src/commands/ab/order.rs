//! The order of the trials in each block: [`orders`].
//!
//! In a block ABBA or BAAB each arm has the same mean position, so that a linear drift cancels in the ratio of the block.
//! Every two blocks have one of each order; which one comes first is random.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use wss_analysis::comparison::ArmLabel;

/// `blocks` orders. They depend only on the seed, and the first ones do not depend on `blocks`.
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
    fn every_two_blocks_have_both_orders_and_the_seed_decides() {
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
