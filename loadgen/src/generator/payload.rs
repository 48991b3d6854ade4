//! What is sent, so that what comes back can be told from it, byte by byte.

use std::rc::Rc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// How far the window moves over the random bytes: a message is told from its 4,095 neighbours.
const SHIFTS: usize = 4096;

/// Random bytes; message n is a window into them that n chooses. No message is made, none is kept: what is expected
/// is looked up where what was sent was.
#[derive(Debug, Clone)]
pub(crate) struct Payloads {
    random: Rc<[u8]>,
    size: usize,
}

impl Payloads {
    pub(crate) fn new(size: usize, seed: u64) -> Self {
        let mut random = vec![0; size + SHIFTS];
        SmallRng::seed_from_u64(seed).fill(random.as_mut_slice());
        Self { random: random.into(), size }
    }

    /// Bytes of each message.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Message number `number`.
    pub(crate) fn get(&self, number: u64) -> &[u8] {
        // An odd factor visits every shift before one comes again.
        let shift = (number.wrapping_mul(1_597) % SHIFTS as u64) as usize;
        &self.random[shift..shift + self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_4096_messages_in_a_row_are_the_same() {
        let payloads = Payloads::new(64, 1);
        let different: std::collections::HashSet<&[u8]> = (0..4096).map(|number| payloads.get(number)).collect();
        assert_eq!(different.len(), 4096);
    }
}
