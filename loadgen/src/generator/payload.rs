//! The payloads of the messages. Random ones differ within a connection, so that a wrong echo is detected byte by byte.

use std::rc::Rc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::template::{self, Template};

/// Offsets of the window in the random bytes: a message of a connection differs from the 4,095 before and after it.
const OFFSETS: usize = 4096;

/// Random bytes, or one message that the user gave. Message n is a window into them at an offset given by n, so that no message has to be made or stored.
#[derive(Debug, Clone)]
pub(crate) struct Payloads {
    random: Rc<[u8]>,
    size: usize,
    /// 1 if every message is the same.
    offsets: usize,
    /// Where the id of the message is written into it; empty if it has none.
    id_places: Rc<[usize]>,
}

impl Payloads {
    pub(crate) fn new(size: usize, seed: u64) -> Self {
        let mut random = vec![0; size + OFFSETS];
        SmallRng::seed_from_u64(seed).fill(random.as_mut_slice());
        Self { random: random.into(), size, offsets: OFFSETS, id_places: Rc::default() }
    }

    /// Random printable ASCII, for text frames.
    pub(crate) fn ascii(size: usize, seed: u64) -> Self {
        let Self { random, .. } = Self::new(size, seed);
        let printable: Vec<u8> = random.iter().map(|byte| b' ' + byte % 95).collect();
        Self { random: printable.into(), size, offsets: OFFSETS, id_places: Rc::default() }
    }

    /// This message every time.
    pub(crate) fn fixed(message: Rc<[u8]>) -> Self {
        Self { size: message.len(), random: message, offsets: 1, id_places: Rc::default() }
    }

    /// This message every time, each with an id of its own.
    pub(crate) fn with_ids(template: Template) -> Self {
        Self { id_places: template.places.into(), ..Self::fixed(template.text.into()) }
    }

    /// The number of the first message of a connection; the following ones count up from it. Connections are apart, so that
    /// the echo of another connection's message is detected even if it is some messages older.
    pub(crate) fn first_number(connection: u64) -> u64 {
        connection.wrapping_mul(64)
    }

    /// Bytes per message.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether messages have ids.
    pub(crate) fn has_ids(&self) -> bool {
        !self.id_places.is_empty()
    }

    /// Writes the payload of message `number` into a buffer.
    pub(crate) fn write_to(&self, number: u64, buffer: &mut Vec<u8>) {
        buffer.clear();
        buffer.extend_from_slice(self.get(number));
        template::write_id(buffer, &self.id_places, number);
    }

    /// The payload of message `number`, but for its id.
    pub(crate) fn get(&self, number: u64) -> &[u8] {
        // An odd factor visits every offset before it repeats one.
        let offset = (number.wrapping_mul(1_597) % self.offsets as u64) as usize;
        &self.random[offset..offset + self.size]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_differ_for_4096_messages_in_a_row() {
        let payloads = Payloads::new(64, 1);
        let different: std::collections::HashSet<&[u8]> = (0..4096).map(|number| payloads.get(number)).collect();
        assert_eq!(different.len(), 4096);
    }

    #[test]
    fn a_message_differs_from_the_last_ones_of_its_connection_and_its_neighbours() {
        let payloads = Payloads::new(64, 1);
        for connection in 0..200 {
            let message = payloads.get(Payloads::first_number(connection) + 100);
            for (other, age) in (0..20).flat_map(|other| (0..30).map(move |age| (connection + other, age))) {
                let older = payloads.get(Payloads::first_number(other) + 100 - age);
                assert_eq!(older == message, other == connection && age == 0, "{connection} {other} {age}");
            }
        }
    }
}
