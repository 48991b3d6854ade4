//! Values by the number that a completion carries. Slots are reused; every use has its own generation, so that a late
//! completion finds nothing instead of the next user of the slot.

/// A slot and the generation of its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    slot: u32,
    generation: u32,
}

/// Bits for the generation beside slot and tag in the 64 bits of `user_data`.
const GENERATION_BITS: u32 = 28;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

impl Key {
    /// The `user_data` of an operation: its tag (4 bits), generation (28 bits) and slot (32 bits).
    pub(super) fn with_tag(self, tag: u8) -> u64 {
        debug_assert!(tag < 16);
        u64::from(tag) << 60 | u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// Splits the `user_data` of a completion into tag and key.
    pub(super) fn from_bits(bits: u64) -> (u8, Self) {
        let generation = (bits >> 32) as u32 & GENERATION_MASK;
        ((bits >> 60) as u8, Self { slot: bits as u32, generation })
    }
}

/// Slots allocated at a time. A single growing allocation would move thousands of connections whenever it grew, and up to
/// half of it would be unused.
const CHUNK: usize = 64;

/// The generation of the current or next use, and its value.
type Slot<T> = (u32, Option<T>);

/// Values by [`Key`].
#[derive(Debug)]
pub(super) struct Slab<T> {
    /// Generation of the first use of every slot.
    first_generation: u32,
    chunks: Vec<Box<[Slot<T>]>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// `number` distinguishes the slabs of a process, so that a key of one matches nothing in another.
    pub(super) const fn new(number: u32) -> Self {
        // Knuth's multiplicative hash: consecutive slabs get distant generations.
        let first_generation = number.wrapping_mul(2_654_435_761) & GENERATION_MASK;
        Self { first_generation, chunks: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, value: T) -> Key {
        if self.free.is_empty() {
            let first = u32::try_from(self.slots()).expect("fewer than 2^32 connections");
            self.chunks.push((0..CHUNK).map(|_| (self.first_generation, None)).collect());
            // Reversed, so that `pop` returns the lowest slot first.
            self.free.extend((first..first + CHUNK as u32).rev());
        }
        let slot = self.free.pop().expect("just filled");
        let (generation, slot_value) = self.slot(slot).expect("an allocated slot");
        *slot_value = Some(value);
        Key { slot, generation: *generation }
    }

    fn slot(&mut self, slot: u32) -> Option<&mut Slot<T>> {
        let slot = slot as usize;
        self.chunks.get_mut(slot / CHUNK).map(|chunk| &mut chunk[slot % CHUNK])
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let (generation, value) = self.slot(key.slot)?;
        if *generation == key.generation { value.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let (generation, value) = self.slot(key.slot)?;
        if *generation != key.generation {
            return None;
        }
        let value = value.take()?;
        *generation = (*generation + 1) & GENERATION_MASK;
        self.free.push(key.slot);
        Some(value)
    }

    /// The number of values.
    pub(super) fn len(&self) -> usize {
        self.slots() - self.free.len()
    }

    fn slots(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// The number of slots that were ever used.
    #[cfg(test)]
    pub(super) fn ever_used(&self) -> usize {
        let used = |(generation, value): &&Slot<T>| *generation != self.first_generation || value.is_some();
        self.chunks.iter().flatten().filter(used).count()
    }

    /// The keys of all values.
    pub(super) fn keys(&self) -> Vec<Key> {
        let used = |(slot, (generation, value)): (usize, &Slot<T>)| {
            value.as_ref().map(|_| Key { slot: slot as u32, generation: *generation })
        };
        self.chunks.iter().flatten().enumerate().filter_map(used).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_key_finds_nothing() {
        let mut slab = Slab::new(0);
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(second.slot, first.slot, "the slot was not reused");
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.remove(second), Some("second"));
        assert_eq!(slab.len(), 0);
    }

    #[test]
    fn key_of_another_slab_finds_nothing() {
        let (mut one, mut other) = (Slab::new(1), Slab::new(2));
        let key = one.insert("one");
        other.insert("other");
        assert_eq!(other.get_mut(key), None);
        assert_eq!(other.remove(key), None);
    }

    #[test]
    fn values_do_not_move_when_the_slab_grows() {
        let mut slab = Slab::new(7);
        let keys: Vec<Key> = (0..CHUNK * 2 + 1).map(|number| slab.insert(number)).collect();
        assert_eq!((slab.len(), slab.slots()), (CHUNK * 2 + 1, CHUNK * 3));
        assert_eq!(slab.keys(), keys);
        let first: *const usize = slab.get_mut(keys[0]).unwrap();
        for number in 0..CHUNK * 8 {
            slab.insert(number);
        }
        assert_eq!(slab.get_mut(keys[0]).map(|value| &raw const *value), Some(first));
        for (number, key) in keys.into_iter().enumerate() {
            assert_eq!(slab.remove(key), Some(number));
        }
        assert_eq!(slab.len(), CHUNK * 8);
    }

    #[test]
    fn key_round_trips_through_user_data() {
        let key = Key { slot: u32::MAX, generation: GENERATION_MASK };
        assert_eq!(Key::from_bits(key.with_tag(15)), (15, key));
    }
}
