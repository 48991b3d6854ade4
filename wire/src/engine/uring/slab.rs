//! What the kernel has been asked for, by number: slots that are used again, each use with a generation of its own, so
//! that a completion that comes late finds nothing and not somebody else.

/// One use of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    slot: u32,
    generation: u32,
}

/// Bits of the generation that fit beside slot and tag into the 64 bits that a completion carries.
const GENERATION_BITS: u32 = 28;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;

impl Key {
    /// The 64 bits that an operation carries: what it is, and for whom.
    pub(super) fn with_tag(self, tag: u8) -> u64 {
        debug_assert!(tag < 16);
        u64::from(tag) << 60 | u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// What a completion says.
    pub(super) fn from_bits(bits: u64) -> (u8, Self) {
        let generation = (bits >> 32) as u32 & GENERATION_MASK;
        ((bits >> 60) as u8, Self { slot: bits as u32, generation })
    }
}

/// Slots that are made at a time. In one piece of memory that grew, thousands of connections would be moved whenever it
/// did, and half of it would be room for those that may never come.
const CHUNK: usize = 64;

/// A generation, and the value of this use.
type Slot<T> = (u32, Option<T>);

/// Values by [`Key`].
#[derive(Debug)]
pub(super) struct Slab<T> {
    /// Generation of a slot's first use.
    first: u32,
    chunks: Vec<Box<[Slot<T>]>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// `number` tells one slab of a process from another, so that a key of an earlier one finds nothing in this one.
    pub(super) const fn new(number: u32) -> Self {
        // Knuth's multiplier: slabs that were made one after the other are far apart.
        let first = number.wrapping_mul(2_654_435_761) & GENERATION_MASK;
        Self { first, chunks: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, value: T) -> Key {
        if self.free.is_empty() {
            let made = u32::try_from(self.slots()).expect("fewer connections than 2^32");
            self.chunks.push((0..CHUNK).map(|_| (self.first, None)).collect());
            // The first of them is taken first.
            self.free.extend((made..made + CHUNK as u32).rev());
        }
        let slot = self.free.pop().expect("just made");
        let (generation, place) = self.slot(slot).expect("a slot that was made");
        *place = Some(value);
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

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots() - self.free.len()
    }

    fn slots(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// How many slots were ever used.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        let used = |(generation, value): &&Slot<T>| *generation != self.first || value.is_some();
        self.chunks.iter().flatten().filter(used).count()
    }

    /// The keys of all.
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
    fn the_key_of_an_earlier_use_finds_nothing() {
        let mut slab = Slab::new(0);
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(second.slot, first.slot, "the slot was not used again");
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.remove(second), Some("second"));
        assert_eq!(slab.len(), 0);
    }

    #[test]
    fn the_key_of_another_slab_finds_nothing() {
        let (mut one, mut other) = (Slab::new(1), Slab::new(2));
        let key = one.insert("one");
        other.insert("other");
        assert_eq!(other.get_mut(key), None);
        assert_eq!(other.remove(key), None);
    }

    #[test]
    fn values_stay_where_they_are_while_more_come() {
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
    fn a_key_survives_the_way_through_the_kernel() {
        let key = Key { slot: u32::MAX, generation: GENERATION_MASK };
        assert_eq!(Key::from_bits(key.with_tag(15)), (15, key));
    }
}
