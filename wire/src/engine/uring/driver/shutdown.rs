//! Detached connections, whose stream handle was dropped: their unsent data is sent within a time limit.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::{Driver, Entry, Interest, tag};
use crate::engine::timer;
use crate::engine::uring::slab::Key;

/// How long a detached connection may take to send what was written to it.
pub(super) const LINGER: Duration = Duration::from_secs(5);

impl Driver {
    /// The stream handle of a connection was dropped. Does nothing if the handle belongs to an engine that has ended.
    /// Returns the wakers, for the caller to drop.
    pub(crate) fn detach(&mut self, key: Key) -> [Option<Waker>; 2] {
        if !matches!(self.entries.get_mut(key), Some(Entry::Connection(_))) {
            return [None, None];
        }
        let (wakers, unsent) = self.connection(key, |connection, buffers, pool| {
            let wakers = connection.detach(buffers, pool);
            ((wakers, connection.has_unsent()), Interest::Visit)
        });
        if unsent {
            self.lingering.push_back((Instant::now() + LINGER, key));
        }
        wakers
    }

    /// Whether a detached connection has unsent data.
    pub(super) fn is_lingering(&mut self) -> bool {
        // Connections that have finished since are removed when they reach the front.
        while let Some(&(_, key)) = self.lingering.front() {
            match self.entries.get_mut(key) {
                Some(Entry::Connection(entry)) if entry.connection.has_unsent() => return true,
                _ => drop(self.lingering.pop_front()),
            }
        }
        false
    }

    /// Detaches all remaining entries: their handles outlive the engine or were leaked. Returns their wakers, for the
    /// caller to drop.
    pub(super) fn detach_all(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for key in self.entries.keys() {
            match self.entries.get_mut(key) {
                Some(Entry::Connection(_)) => wakers.extend(self.detach(key).into_iter().flatten()),
                Some(Entry::Connect(_)) => wakers.extend(self.detach_connect(key)),
                Some(Entry::Listener(_)) => wakers.extend(self.detach_listener(key)),
                None => {}
            }
        }
        if self.unpark_armed {
            self.cancel(tag::UNPARK_BITS);
        }
        wakers
    }

    /// Discards the unsent data of all connections.
    pub(crate) fn discard_all_unsent(&mut self) {
        for key in self.entries.keys() {
            if let Some(Entry::Connection(_)) = self.entries.get_mut(key) {
                self.discard_unsent(key);
            }
        }
    }

    /// Wakes the sleepers whose deadline has passed by `now`, and discards data that could not be sent in time.
    pub(super) fn expire(&mut self, now: Instant) {
        timer::fire(now, &mut self.wakes);
        while let Some(&(until, key)) = self.lingering.front() {
            let unsent = matches!(self.entries.get_mut(key),
                Some(Entry::Connection(entry)) if entry.connection.has_unsent());
            if unsent && until > now {
                break;
            }
            self.lingering.pop_front();
            if unsent {
                self.discard_unsent(key);
            }
        }
    }

    fn discard_unsent(&mut self, key: Key) {
        self.connection(key, |connection, _, _| (connection.discard_unsent(), Interest::Visit));
    }
}
