//! Dispatches completions to their entries, and collects the wakers of the tasks that wait for them.

use std::mem;

use io_uring::cqueue;

use super::{Driver, Entry, tag};
use crate::engine::uring::buffers::{BufferRing, Buffers};
use crate::engine::uring::errno::{EAGAIN, ENOBUFS};
use crate::engine::uring::slab::Key;
use crate::engine::uring::state::connection::Received;

impl Driver {
    /// Dispatches everything that has completed.
    pub(super) fn dispatch(&mut self) {
        let mut completions = mem::take(&mut self.completions);
        if !self.ring.reap(&mut completions) {
            // An incomplete inline send whose completion is lost would be considered done.
            self.broken = true;
            panic!("io_uring lost completions: the kernel was out of memory");
        }
        self.counters.completions += completions.len() as u64;
        #[cfg(test)]
        if let Some(shuffle) = &mut self.shuffle {
            shuffle.shuffle(&mut completions);
        }
        for completion in completions.drain(..) {
            let (tag, key) = Key::from_bits(completion.user_data());
            let (result, flags) = (completion.result(), completion.flags());
            match tag {
                tag::RECEIVE => self.received(key, result, flags),
                tag::SEND_INLINE => self.inline_send_incomplete(key, result),
                tag::SEND => self.sent(key, result),
                tag::ERROR => self.error_received(key, result),
                tag::ACCEPT => self.accepted(key, result, flags),
                tag::CONNECT => self.connected(key, result),
                tag::UNPARK => self.unpark_armed = false,
                tag::TICK => self.tick_armed = false,
                _ => {}
            }
        }
        self.completions = completions;
    }

    fn received(&mut self, key: Key, result: i32, flags: u32) {
        let received = Received { result, buffer: cqueue::buffer_select(flags), more: cqueue::more(flags) };
        if result == -ENOBUFS {
            self.counters.no_buffers += 1;
            self.buffers.iter_mut().for_each(BufferRing::ran_out);
        }
        if received.buffer.is_some()
            && let Some(buffers) = &mut self.buffers
        {
            buffers.filled();
        }
        let Some(Entry::Connection(entry)) = self.entries.get_mut(key) else {
            // Not expected, as a connection outlives its receive; but the buffer must not be lost.
            if let Some(buffer) = received.buffer {
                self.buffers.give_back(buffer);
            }
            return;
        };
        entry.found = self.looks;
        self.wakes.extend(entry.connection.received(received, &mut self.buffers));
        self.filled.push(key);
        if !received.more {
            self.mark_ready(key);
        }
    }

    fn inline_send_incomplete(&mut self, key: Key, result: i32) {
        let Some(Entry::Connection(entry)) = self.entries.get_mut(key) else { return };
        let length = entry.connection.send_data().len();
        self.wakes.extend(entry.connection.inline_send_incomplete(result));
        self.count_partial(result, length);
        self.mark_ready(key);
    }

    /// Finishes the inline sends that were submitted and had no completion: all of their data was sent.
    pub(super) fn finish_inline_sends(&mut self) {
        if self.inline_sends.is_empty() || !self.ring.all_submitted() {
            return;
        }
        let mut inline_sends = mem::take(&mut self.inline_sends);
        for key in inline_sends.drain(..) {
            let Some(Entry::Connection(entry)) = self.entries.get_mut(key) else { continue };
            self.wakes.extend(entry.connection.inline_send_done(&mut self.pool));
            let connection = &entry.connection;
            if connection.sendable().is_some() || connection.is_done() || connection.must_cancel_error() {
                self.mark_ready(key);
            }
        }
        self.inline_sends = inline_sends;
    }

    fn sent(&mut self, key: Key, result: i32) {
        let Some(Entry::Connection(entry)) = self.entries.get_mut(key) else { return };
        let length = entry.connection.send_data().len();
        self.wakes.extend(entry.connection.sent(result, &mut self.pool));
        self.count_partial(result, length);
        self.mark_ready(key);
    }

    fn error_received(&mut self, key: Key, result: i32) {
        let Some(Entry::Connection(entry)) = self.entries.get_mut(key) else { return };
        entry.connection.error_received(result);
        if entry.connection.needs_error() || entry.connection.is_done() {
            self.mark_ready(key);
        }
    }

    /// Counts a send of `length` bytes for which the socket had room for only a part or nothing. Errors do not count.
    fn count_partial(&mut self, result: i32, length: usize) {
        let partial = result == -EAGAIN || usize::try_from(result).is_ok_and(|sent| sent < length);
        self.counters.partial_sends += u64::from(partial);
    }
}
