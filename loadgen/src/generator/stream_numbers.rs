//! The numbers of published messages on one connection: what is lost, arrives twice, or arrives late.

/// Numbers before the latest one of which it is known whether they arrived.
const REMEMBERED: u64 = 64;
/// The highest number of messages that may be left out at once: more is not a publisher's stream.
const MAX_JUMP: u64 = 1 << 32;

/// What a number reveals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is new; numbers before it may have been left out.
    New,
    /// It arrived before.
    Duplicated,
    /// A higher one arrived before.
    Reordered,
}

/// The number cannot belong to the stream: it would skip this many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Jump(pub(super) u64);

/// The numbers that arrived, which begin with 0.
#[derive(Debug, Default)]
pub(super) struct StreamNumbers {
    /// The number after the highest one.
    next: u64,
    /// Bit n: number `next - 1 - n` arrived.
    arrived: u64,
    /// Numbers that were left out and have not arrived since.
    missing: u64,
}

impl StreamNumbers {
    pub(super) fn note(&mut self, number: u64) -> Result<Noted, Jump> {
        if let Some(left_out) = number.checked_sub(self.next) {
            if left_out > MAX_JUMP {
                return Err(Jump(left_out));
            }
            let shift = u32::try_from(left_out + 1).unwrap_or(u32::MAX);
            self.arrived = self.arrived.checked_shl(shift).unwrap_or(0) | 1;
            self.next = number.saturating_add(1);
            self.missing = self.missing.saturating_add(left_out);
            return Ok(Noted::New);
        }
        let age = self.next - 1 - number;
        // Whether an older one arrived before is unknown; it counts as late.
        if age >= REMEMBERED {
            return Ok(Noted::Reordered);
        }
        let bit = 1 << age;
        if self.arrived & bit != 0 {
            return Ok(Noted::Duplicated);
        }
        self.arrived |= bit;
        self.missing = self.missing.saturating_sub(1);
        Ok(Noted::Reordered)
    }

    /// Whether any number has arrived.
    pub(super) fn has_begun(&self) -> bool {
        self.next > 0
    }

    /// Takes the count of the missing ones. One that arrives later is late, and stays counted as lost.
    pub(super) fn take_missing(&mut self) -> u64 {
        std::mem::take(&mut self.missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_left_out_doubled_and_late() {
        let mut numbers = StreamNumbers::default();
        assert!(!numbers.has_begun());
        for number in 0..100 {
            assert_eq!(numbers.note(number), Ok(Noted::New));
        }
        assert_eq!(numbers.take_missing(), 0);
        assert_eq!(numbers.note(103), Ok(Noted::New));
        assert_eq!(numbers.note(103), Ok(Noted::Duplicated));
        assert_eq!(numbers.note(101), Ok(Noted::Reordered));
        assert_eq!(numbers.note(101), Ok(Noted::Duplicated));
        assert_eq!(numbers.note(99), Ok(Noted::Duplicated));
        assert_eq!(numbers.note(0), Ok(Noted::Reordered));
        assert_eq!(numbers.take_missing(), 2);
        assert_eq!(numbers.note(104), Ok(Noted::New));
        assert_eq!(numbers.take_missing(), 0);
        // Beyond what is remembered.
        assert_eq!(numbers.note(1104), Ok(Noted::New));
        assert_eq!(numbers.note(1104), Ok(Noted::Duplicated));
        assert_eq!(numbers.take_missing(), 999);
        assert!(numbers.has_begun());
    }

    #[test]
    fn a_stream_that_begins_late_lacks_its_beginning() {
        let mut numbers = StreamNumbers::default();
        assert_eq!(numbers.note(3), Ok(Noted::New));
        assert_eq!(numbers.take_missing(), 3);
    }

    #[test]
    fn arbitrary_numbers_do_no_harm() {
        let mut numbers = StreamNumbers::default();
        assert_eq!(numbers.note(u64::MAX), Err(Jump(u64::MAX)));
        assert!(!numbers.has_begun());
        for number in [1 << 32, 5, (1 << 33) + 1, 1 << 33, 0] {
            assert!(numbers.note(number).is_ok(), "{number}");
        }
        assert!(numbers.note(1 << 63).is_err());
    }
}
