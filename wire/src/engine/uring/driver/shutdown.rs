//! What becomes of a connection whose stream is gone: what it had to send is sent, for so long.

use std::task::Waker;
use std::time::{Duration, Instant};

use super::{BELL_BITS, Driver, Entry};
use crate::engine::timer;
use crate::engine::uring::slab::Key;

/// How long what was accepted for sending may take once its stream is dropped.
pub(super) const LINGER: Duration = Duration::from_secs(5);

impl Driver {
    /// The stream of a connection is gone; nothing happens if it was one of an engine that has ended.
    pub(in super::super) fn release(&mut self, key: Key) -> [Option<Waker>; 2] {
        if !matches!(self.entries.get_mut(key), Some(Entry::Open(_))) {
            return [None, None];
        }
        let (wakers, unsent) = self.connection(key, |connection, buffers, pool| {
            let wakers = connection.release(buffers, pool);
            ((wakers, connection.has_unsent()), true)
        });
        if unsent {
            self.lingering.push_back((Instant::now() + LINGER, key));
        }
        wakers
    }

    /// Whether a connection without a stream has something to send.
    pub(super) fn busy_sending(&mut self) -> bool {
        // Those in the list that have gone since are at its front, sooner or later.
        while let Some(&(_, key)) = self.lingering.front() {
            match self.entries.get_mut(key) {
                Some(Entry::Open(open)) if open.connection.has_unsent() => return true,
                _ => drop(self.lingering.pop_front()),
            }
        }
        false
    }

    /// Whoever still is there is so no more: their handles outlive the engine, or were lost without being dropped.
    /// Hands back who waited.
    pub(super) fn release_all(&mut self) -> Vec<Waker> {
        let mut waited = Vec::new();
        for key in self.entries.keys() {
            match self.entries.get_mut(key) {
                Some(Entry::Open(_)) => waited.extend(self.release(key).into_iter().flatten()),
                Some(Entry::Connecting(_)) => waited.extend(self.release_connecting(key)),
                Some(Entry::Listening(_)) => waited.extend(self.release_listener(key)),
                None => {}
            }
        }
        if self.bell_armed {
            self.cancel(BELL_BITS);
        }
        waited
    }

    /// What is not sent by now will not be.
    pub(in super::super) fn give_up_all(&mut self) {
        for key in self.entries.keys() {
            if let Some(Entry::Open(_)) = self.entries.get_mut(key) {
                self.connection(key, |connection, _, _| (connection.give_up(), true));
            }
        }
    }

    /// Wakes those whose time has come by `now`; gives up what could not be sent in time.
    pub(super) fn expire(&mut self, now: Instant) {
        timer::fire(now, &mut self.wakes);
        while let Some(&(until, key)) = self.lingering.front() {
            let unsent = matches!(self.entries.get_mut(key), Some(Entry::Open(open)) if open.connection.has_unsent());
            if unsent && until > now {
                break;
            }
            self.lingering.pop_front();
            if unsent {
                self.connection(key, |connection, _, _| (connection.give_up(), true));
            }
        }
    }
}
