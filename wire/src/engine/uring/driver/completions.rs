//! What has completed, handed to whom it is for; who waited for it is put down to be woken.

use std::mem;

use io_uring::cqueue;

use super::{Driver, Entry, tag};
use crate::engine::uring::buffers::BufferRing;
use crate::engine::uring::errno::{EAGAIN, ENOBUFS};
use crate::engine::uring::slab::Key;
use crate::engine::uring::state::connection::{Buffers, Received};

impl Driver {
    /// Hands out what has completed.
    pub(super) fn dispatch(&mut self) {
        let mut completions = mem::take(&mut self.completions);
        if !self.ring.reap(&mut completions) {
            // A try that failed would be taken to have gone through.
            self.broken = true;
            panic!("the kernel had no memory for completions and has lost some");
        }
        self.totals.completions += completions.len() as u64;
        #[cfg(test)]
        if let Some(shuffle) = &mut self.shuffle {
            shuffle.shuffle(&mut completions);
        }
        for completion in completions.drain(..) {
            let (tag, key) = Key::from_bits(completion.user_data());
            let (result, flags) = (completion.result(), completion.flags());
            match tag {
                tag::RECEIVE => self.received(key, result, flags),
                tag::TRY => self.try_completed(key, result),
                tag::SEND => self.sent(key, result),
                tag::ACCEPT => self.accepted(key, result, cqueue::more(flags)),
                tag::CONNECT => self.connected(key, result),
                tag::BELL => self.bell_armed = false,
                tag::TICK => self.tick_armed = false,
                _ => {}
            }
        }
        self.completions = completions;
    }

    fn received(&mut self, key: Key, result: i32, flags: u32) {
        let received = Received { result, buffer: cqueue::buffer_select(flags), more: cqueue::more(flags) };
        if result == -ENOBUFS {
            self.totals.no_buffers += 1;
            self.buffers.0.iter_mut().for_each(BufferRing::ran_out);
        }
        if received.buffer.is_some()
            && let Some(buffers) = &mut self.buffers.0
        {
            buffers.filled();
        }
        let Some(Entry::Open(open)) = self.entries.get_mut(key) else {
            // The entry outlives its receive, so this cannot be; if it were, the buffer must not be lost.
            if let Some(buffer) = received.buffer {
                self.buffers.give_back(buffer);
            }
            return;
        };
        self.wakes.extend(open.connection.received(received, &mut self.buffers));
        self.filled.push(key);
        if !received.more {
            self.want(key);
        }
    }

    fn try_completed(&mut self, key: Key, result: i32) {
        let Some(Entry::Open(open)) = self.entries.get_mut(key) else { return };
        let length = open.connection.to_send().len();
        self.wakes.extend(open.connection.try_failed(result));
        self.count_partial(result, length);
        self.want(key);
    }

    /// Tries of which nothing was heard went through.
    pub(super) fn settle_tried(&mut self) {
        if self.tried.is_empty() || !self.ring.all_submitted() {
            return;
        }
        let mut tried = mem::take(&mut self.tried);
        for key in tried.drain(..) {
            let Some(Entry::Open(open)) = self.entries.get_mut(key) else { continue };
            self.wakes.extend(open.connection.tried(&mut self.pool));
            if open.connection.sendable().is_some() || open.connection.is_done() {
                self.want(key);
            }
        }
        self.tried = tried;
    }

    fn sent(&mut self, key: Key, result: i32) {
        let Some(Entry::Open(open)) = self.entries.get_mut(key) else { return };
        let length = open.connection.to_send().len();
        self.wakes.extend(open.connection.sent(result, &mut self.pool));
        self.count_partial(result, length);
        self.want(key);
    }

    /// Counts a send of `length` bytes of which the socket took a part or nothing. An error is none.
    fn count_partial(&mut self, result: i32, length: usize) {
        let partial = result == -EAGAIN || usize::try_from(result).is_ok_and(|sent| sent < length);
        self.totals.partial_sends += u64::from(partial);
    }
}
