//! A priority queue of deadlines with removal: a binary heap of slot numbers, in which every slot knows its position.
//! Slots are reused.

use std::task::{Poll, Waker};
use std::time::Instant;

/// A slot and the generation of its use: a key of an earlier use matches nothing.
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
    /// In the heap at `position`.
    Waiting {
        position: usize,
        waker: Waker,
    },
    /// Taken by [`Queue::take_due`]; its `Sleep` has not been polled since.
    Due,
}

/// Deadlines with the wakers of their sleepers.
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
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 sleepers")
        });
        self.slots[slot as usize].state = State::Waiting { position: self.heap.len(), waker };
        self.heap.push((deadline, slot));
        self.sift_up(self.heap.len() - 1);
        Key { slot, generation: self.slots[slot as usize].generation }
    }

    /// Ready if the deadline has passed, which consumes the key; otherwise stores the waker.
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

    /// Removes a deadline. Returns the waker, for the caller to drop.
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        let state = std::mem::replace(&mut self.slot(key)?.state, State::Free);
        let waker = match state {
            State::Waiting { position, waker } => {
                self.remove_at(position);
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
        self.remove_at(0);
        match std::mem::replace(&mut self.slots[slot as usize].state, State::Due) {
            State::Waiting { waker, .. } => Some(waker),
            State::Due | State::Free => unreachable!("a slot in the heap is waiting"),
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

    /// Removes the heap entry at `position`.
    fn remove_at(&mut self, position: usize) {
        self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.update_slot(position);
            self.sift_up(position);
            self.sift_down(position);
        }
    }

    /// Stores the position of a heap entry in its slot.
    fn update_slot(&mut self, position: usize) {
        let (_, number) = self.heap[position];
        if let State::Waiting { position: stored, .. } = &mut self.slots[number as usize].state {
            *stored = position;
        }
    }

    fn sift_up(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent].0 <= self.heap[position].0 {
                return;
            }
            self.swap(parent, position);
            position = parent;
        }
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let children = 2 * position + 1..(2 * position + 3).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child].0) else { return };
            if self.heap[position].0 <= self.heap[least].0 {
                return;
            }
            self.swap(position, least);
            position = least;
        }
    }

    fn swap(&mut self, first: usize, second: usize) {
        self.heap.swap(first, second);
        self.update_slot(first);
        self.update_slot(second);
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
        fn keeps_deadlines_in_order_under_any_operations(
            steps in proptest::collection::vec((0u8..3, 0u64..1000), 1..200)
        ) {
            let start = Instant::now();
            let mut queue = Queue::new();
            // The expected content: deadlines by slot.
            let mut model: BTreeMap<u32, (Duration, Key)> = BTreeMap::new();
            for (step, number) in steps {
                match step {
                    0 => {
                        let after = Duration::from_micros(number);
                        let key = queue.insert(start + after, Waker::noop().clone());
                        prop_assert!(model.insert(key.slot, (after, key)).is_none(), "slot in use was returned");
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
    fn reuses_slots() {
        let mut queue = Queue::new();
        for _ in 0..1000 {
            let key = queue.insert(Instant::now(), Waker::noop().clone());
            queue.remove(key);
        }
        assert_eq!(queue.slots.len(), 1);
    }
}
