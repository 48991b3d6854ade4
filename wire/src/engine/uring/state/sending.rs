//! The sending side of a connection.

use std::io;
use std::mem;
use std::task::{Poll, Waker};

use super::connection::{Connection, Operation, PENDING_MOST, Send, wait};
use crate::engine::uring::errno::{EAGAIN, EINTR, EPIPE};
use crate::engine::uring::pool::Pool;

impl Connection {
    /// Takes what of `data` there is room for. Wants attention if it took any.
    pub(in super::super) fn write(
        &mut self,
        data: &[io::IoSlice<'_>],
        pool: &mut Pool,
        waker: &Waker,
        old: &mut Option<Waker>,
    ) -> Poll<io::Result<usize>> {
        if let Some(code) = self.failed {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        let mut room = PENDING_MOST - self.pending.len();
        if room == 0 {
            wait(&mut self.writer, waker, old);
            return Poll::Pending;
        }
        if self.pending.capacity() == 0 {
            self.pending = pool.take();
        }
        let before = self.pending.len();
        for slice in data {
            let length = slice.len().min(room);
            self.pending.extend_from_slice(&slice[..length]);
            room -= length;
        }
        Poll::Ready(Ok(self.pending.len() - before))
    }

    /// Ready if what was written is sent or will be tried at the next entry of the ring; pending while the socket has
    /// no room (where sends are not tried: while one is on its way).
    pub(in super::super) fn flush(&mut self, waker: &Waker, old: &mut Option<Waker>) -> Poll<io::Result<()>> {
        if let Some(code) = self.failed {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        if matches!(self.send, Send::Blocked { .. } | Send::Waiting { .. }) {
            wait(&mut self.writer, waker, old);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when all that was written is sent.
    pub(in super::super) fn poll_all_sent(&mut self, waker: &Waker, old: &mut Option<Waker>) -> Poll<io::Result<()>> {
        if let Some(code) = self.failed {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        if !self.has_unsent() {
            return Poll::Ready(Ok(()));
        }
        wait(&mut self.writer, waker, old);
        Poll::Pending
    }

    /// What waits for the next send, if none is on its way.
    pub(in super::super) fn sendable(&self) -> Option<&[u8]> {
        (self.send == Send::Idle && !self.pending.is_empty()).then_some(&self.pending)
    }

    /// The first `count` bytes of [`Self::sendable`] were sent by other means than the ring.
    pub(in super::super) fn sent_beside(&mut self, count: usize, pool: &mut Pool) {
        self.pending.drain(..count);
        if self.pending.is_empty() {
            pool.give(mem::take(&mut self.pending));
        }
    }

    /// What was not sent by now will not be.
    pub(in super::super) fn give_up(&mut self) {
        self.given_up = true;
        self.pending.clear();
    }

    /// Whether something is left to be sent.
    pub(in super::super) fn has_unsent(&self) -> bool {
        self.failed.is_none() && !(self.pending.is_empty() && self.send == Send::Idle)
    }

    /// Whether somebody has to be told when a try goes through, which has no completion: who waits for room, and the
    /// engine itself, which closes a connection whose stream is gone.
    pub(in super::super) fn awaits_try(&self) -> bool {
        self.writer.is_some() || !self.held
    }

    /// What to ask the kernel of sending now. Whoever calls it asks.
    pub(in super::super) fn want_send(&mut self) -> Option<Operation> {
        match &mut self.send {
            Send::Idle if !self.pending.is_empty() && self.failed.is_none() => {
                let buffer = mem::take(&mut self.pending);
                if self.tries {
                    self.send = Send::Trying(buffer);
                    return Some(Operation::TrySend);
                }
                self.send = Send::Waiting { buffer, from: 0 };
                Some(Operation::Send)
            }
            Send::Blocked { buffer, from } => {
                let (buffer, from) = (mem::take(buffer), *from);
                if self.given_up {
                    self.send = Send::Idle;
                    return None;
                }
                self.send = Send::Waiting { buffer, from };
                Some(Operation::Send)
            }
            Send::Waiting { .. } if self.given_up && !self.cancelled_send => {
                self.cancelled_send = true;
                Some(Operation::CancelSend)
            }
            _ => None,
        }
    }

    /// What a send reads.
    pub(in super::super) fn to_send(&self) -> &[u8] {
        match &self.send {
            Send::Idle => &[],
            Send::Trying(buffer) => buffer,
            Send::Blocked { buffer, from } | Send::Waiting { buffer, from } => &buffer[*from..],
        }
    }

    /// The try did not go through as a whole: bytes that went, or an error number below zero.
    pub(in super::super) fn try_failed(&mut self, result: i32) -> Option<Waker> {
        let Send::Trying(buffer) = &mut self.send else { return None };
        match usize::try_from(result) {
            Ok(sent) if sent < buffer.len() => {
                self.send = Send::Blocked { buffer: mem::take(buffer), from: sent };
                None
            }
            Ok(_) => None,
            Err(_) if result == -EAGAIN => {
                self.send = Send::Blocked { buffer: mem::take(buffer), from: 0 };
                None
            }
            Err(_) => self.fail(-result),
        }
    }

    /// The try was submitted, and nothing was heard of it: it went through. Hands back who waits for room.
    pub(in super::super) fn tried(&mut self, pool: &mut Pool) -> Option<Waker> {
        let Send::Trying(buffer) = &mut self.send else { return None };
        pool.give(mem::take(buffer));
        self.send = Send::Idle;
        self.writer.take()
    }

    /// A send that waited for room has completed: bytes that went, or an error number below zero.
    pub(in super::super) fn sent(&mut self, result: i32, pool: &mut Pool) -> Option<Waker> {
        let Send::Waiting { buffer, from } = &mut self.send else { return None };
        match usize::try_from(result) {
            Ok(0) => self.fail(EPIPE),
            Ok(count) if *from + count < buffer.len() => {
                self.send = Send::Blocked { buffer: mem::take(buffer), from: *from + count };
                self.cancelled_send = false;
                None
            }
            Ok(_) => {
                pool.give(mem::take(buffer));
                self.send = Send::Idle;
                self.writer.take()
            }
            // Interrupted before anything went: asked for again.
            Err(_) if matches!(-result, EAGAIN | EINTR) => {
                self.send = Send::Blocked { buffer: mem::take(buffer), from: *from };
                self.cancelled_send = false;
                None
            }
            Err(_) => self.fail(-result),
        }
    }

    fn fail(&mut self, code: i32) -> Option<Waker> {
        self.send = Send::Idle;
        self.failed = Some(code);
        self.pending = Vec::new();
        self.writer.take()
    }
}
