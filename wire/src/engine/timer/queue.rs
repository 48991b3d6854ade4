//! Deadlines in order, in slots that are used again: a binary heap of slot numbers, where each slot knows its place in
//! the heap, so that one can be taken out of the midst of it.

use std::task::{Poll, Waker};
use std::time::Instant;

/// A slot and the use of it: a key of an earlier use names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    slot: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Free,
    /// In the heap at `place`.
    Waiting {
        place: usize,
        waker: Waker,
    },
    /// Taken out by [`Queue::take_due`], and not looked at yet.
    Due,
}

/// Deadlines with the wakers of who waits for them.
#[derive(Debug)]
pub(super) struct Queue {
    heap: Vec<(Instant, u32)>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { heap: Vec::new(), slots: Vec::new(), free: Vec::new() }
    }

    /// The earliest deadline.
    pub(super) fn first(&self) -> Option<Instant> {
        self.heap.first().map(|&(deadline, _)| deadline)
    }

    pub(super) fn insert(&mut self, deadline: Instant, waker: Waker) -> Key {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, state: State::Free });
            u32::try_from(self.slots.len() - 1).expect("fewer sleepers than 2^32")
        });
        self.slots[slot as usize].state = State::Waiting { place: self.heap.len(), waker };
        self.heap.push((deadline, slot));
        self.rise(self.heap.len() - 1);
        Key { slot, generation: self.slots[slot as usize].generation }
    }

    /// Whether the deadline has passed; else remembers who waits. A key that was ready is used up.
    pub(super) fn poll(&mut self, key: Key, waiting: &Waker) -> Poll<()> {
        let Some(slot) = self.slot(key) else { return Poll::Ready(()) };
        match &mut slot.state {
            State::Waiting { waker, .. } => {
                waker.clone_from(waiting);
                Poll::Pending
            }
            State::Due | State::Free => {
                self.release(key.slot);
                Poll::Ready(())
            }
        }
    }

    /// Forgets a deadline; hands back the waker, for the caller to drop.
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        let state = std::mem::replace(&mut self.slot(key)?.state, State::Free);
        let waker = match state {
            State::Waiting { place, waker } => {
                self.take_out(place);
                Some(waker)
            }
            State::Due | State::Free => None,
        };
        self.release(key.slot);
        waker
    }

    /// The waker of the earliest deadline, if it has passed by `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Waker> {
        let &(deadline, slot) = self.heap.first()?;
        if deadline > now {
            return None;
        }
        self.take_out(0);
        match std::mem::replace(&mut self.slots[slot as usize].state, State::Due) {
            State::Waiting { waker, .. } => Some(waker),
            State::Due | State::Free => unreachable!("what is in the heap waits"),
        }
    }

    fn slot(&mut self, key: Key) -> Option<&mut Slot> {
        self.slots.get_mut(key.slot as usize).filter(|slot| slot.generation == key.generation)
    }

    fn release(&mut self, number: u32) {
        let slot = &mut self.slots[number as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.state = State::Free;
        self.free.push(number);
    }

    /// Takes what is at `place` out of the heap.
    fn take_out(&mut self, place: usize) {
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.note(place);
            self.rise(place);
            self.sink(place);
        }
    }

    /// Tells the slot at `place` where it is.
    fn note(&mut self, place: usize) {
        let (_, number) = self.heap[place];
        if let State::Waiting { place: noted, .. } = &mut self.slots[number as usize].state {
            *noted = place;
        }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent].0 <= self.heap[place].0 {
                return;
            }
            self.swap(parent, place);
            place = parent;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children = 2 * place + 1..(2 * place + 3).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child].0) else { return };
            if self.heap[place].0 <= self.heap[least].0 {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.note(one);
        self.note(other);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn deadlines_come_in_order_whatever_is_inserted_removed_and_taken(
            steps in proptest::collection::vec((0u8..3, 0u64..1000), 1..200)
        ) {
            let start = Instant::now();
            let mut queue = Queue::new();
            // What should be in it: the deadline by key.
            let mut model: BTreeMap<u32, (Duration, Key)> = BTreeMap::new();
            for (step, number) in steps {
                match step {
                    0 => {
                        let after = Duration::from_micros(number);
                        let key = queue.insert(start + after, Waker::noop().clone());
                        prop_assert!(model.insert(key.slot, (after, key)).is_none(), "a slot was given twice");
                    }
                    1 => {
                        let Some((&slot, &(_, key))) = model.iter().nth(number as usize % model.len().max(1)) else { continue };
                        prop_assert!(queue.remove(key).is_some());
                        prop_assert!(queue.remove(key).is_none(), "removed twice");
                        model.remove(&slot);
                    }
                    _ => {
                        let now = Duration::from_micros(number);
                        while queue.take_due(start + now).is_some() {}
                        for (_, key) in model.extract_if(.., |_, (after, _)| *after <= now).map(|(_, due)| due).collect::<Vec<_>>() {
                            prop_assert_eq!(queue.poll(key, Waker::noop()), Poll::Ready(()));
                        }
                    }
                }
                prop_assert_eq!(queue.first(), model.values().map(|(after, _)| start + *after).min());
                prop_assert_eq!(queue.heap.len(), model.len());
            }
        }
    }

    #[test]
    fn slots_are_used_again() {
        let mut queue = Queue::new();
        for _ in 0..1000 {
            let key = queue.insert(Instant::now(), Waker::noop().clone());
            queue.remove(key);
        }
        assert_eq!(queue.slots.len(), 1);
    }
}
