//! The sending side of a connection.

use std::io;
use std::mem;
use std::task::{Poll, Waker};

use super::connection::{Connection, MAX_PENDING, Operation, SendMode, SendState, store_waker};
use crate::engine::uring::errno::{EAGAIN, EINTR, EPIPE};
use crate::engine::uring::pool::Pool;

impl Connection {
    /// Copies as much of `data` as there is room for. See [`sendable`](Self::sendable) afterwards.
    pub(crate) fn write(
        &mut self,
        data: &[io::IoSlice<'_>],
        pool: &mut Pool,
        waker: &Waker,
        old: &mut Option<Waker>,
    ) -> Poll<io::Result<usize>> {
        if let Some(code) = self.send_error {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        let mut room = MAX_PENDING - self.pending.len();
        if room == 0 {
            store_waker(&mut self.writer, waker, old);
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

    /// Ready if the written data is sent or will be submitted inline in the next ring iteration; pending while the socket
    /// has no room (without inline sends: while a send is in flight).
    pub(crate) fn flush(&mut self, waker: &Waker, old: &mut Option<Waker>) -> Poll<io::Result<()>> {
        if let Some(code) = self.send_error {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        if matches!(self.send, SendState::Blocked { .. } | SendState::Waiting { .. }) {
            store_waker(&mut self.writer, waker, old);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when all written data is sent.
    pub(crate) fn poll_all_sent(&mut self, waker: &Waker, old: &mut Option<Waker>) -> Poll<io::Result<()>> {
        if let Some(code) = self.send_error {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        if !self.has_unsent() {
            return Poll::Ready(Ok(()));
        }
        store_waker(&mut self.writer, waker, old);
        Poll::Pending
    }

    /// The data of the next send, if none is in flight.
    pub(crate) fn sendable(&self) -> Option<&[u8]> {
        (self.send == SendState::Idle && !self.pending.is_empty()).then_some(&self.pending)
    }

    /// The first `count` bytes of [`Self::sendable`] were sent by a direct system call.
    pub(crate) fn sent_directly(&mut self, count: usize, pool: &mut Pool) {
        self.pending.drain(..count);
        if self.pending.is_empty() {
            pool.give(mem::take(&mut self.pending));
        }
    }

    /// Discards the data that is not sent yet.
    pub(crate) fn discard_unsent(&mut self) {
        self.discards = true;
        self.pending.clear();
    }

    /// Whether data is pending or in flight.
    pub(crate) fn has_unsent(&self) -> bool {
        self.send_error.is_none() && !(self.pending.is_empty() && self.send == SendState::Idle)
    }

    /// Whether the end of an inline send must be noticed, although it has no completion: a writer waits for room, or the
    /// connection is detached and to be closed.
    pub(crate) fn awaits_inline_send(&self) -> bool {
        self.writer.is_some() || !self.has_handle
    }

    /// The send operation that is due, if any. The caller must submit it.
    pub(crate) fn next_send(&mut self) -> Option<Operation> {
        match &mut self.send {
            SendState::Idle if !self.pending.is_empty() && self.send_error.is_none() => {
                let buffer = mem::take(&mut self.pending);
                if self.send_mode == SendMode::Inline {
                    self.send = SendState::Inline(buffer);
                    return Some(Operation::SendInline);
                }
                self.send = SendState::Waiting { buffer, from: 0 };
                Some(Operation::Send)
            }
            SendState::Blocked { buffer, from } => {
                let (buffer, from) = (mem::take(buffer), *from);
                if self.discards {
                    self.send = SendState::Idle;
                    return None;
                }
                self.send = SendState::Waiting { buffer, from };
                Some(Operation::Send)
            }
            SendState::Waiting { .. } if self.discards && !self.send_cancelled => {
                self.send_cancelled = true;
                Some(Operation::CancelSend)
            }
            _ => None,
        }
    }

    /// The bytes of the send in flight.
    pub(crate) fn send_data(&self) -> &[u8] {
        match &self.send {
            SendState::Idle => &[],
            SendState::Inline(buffer) => buffer,
            SendState::Blocked { buffer, from } | SendState::Waiting { buffer, from } => &buffer[*from..],
        }
    }

    /// An inline send completed, which means that it was partial or failed: the byte count or a negated error number.
    pub(crate) fn inline_send_incomplete(&mut self, result: i32) -> Option<Waker> {
        let SendState::Inline(buffer) = &mut self.send else { return None };
        match usize::try_from(result) {
            Ok(sent) if sent < buffer.len() => {
                self.send = SendState::Blocked { buffer: mem::take(buffer), from: sent };
                None
            }
            Ok(_) => None,
            Err(_) if result == -EAGAIN => {
                self.send = SendState::Blocked { buffer: mem::take(buffer), from: 0 };
                None
            }
            Err(_) => self.fail(-result),
        }
    }

    /// The inline send was submitted and had no completion, so all of it was sent. Returns the writer's waker.
    pub(crate) fn inline_send_done(&mut self, pool: &mut Pool) -> Option<Waker> {
        let SendState::Inline(buffer) = &mut self.send else { return None };
        pool.give(mem::take(buffer));
        self.send = SendState::Idle;
        self.writer.take()
    }

    /// A send that waits for room completed, with the byte count or a negated error number.
    pub(crate) fn sent(&mut self, result: i32, pool: &mut Pool) -> Option<Waker> {
        let SendState::Waiting { buffer, from } = &mut self.send else { return None };
        match usize::try_from(result) {
            Ok(0) => self.fail(EPIPE),
            Ok(count) if *from + count < buffer.len() => {
                self.send = SendState::Blocked { buffer: mem::take(buffer), from: *from + count };
                self.send_cancelled = false;
                None
            }
            Ok(_) => {
                pool.give(mem::take(buffer));
                self.send = SendState::Idle;
                self.writer.take()
            }
            // Interrupted before anything was sent: resubmitted.
            Err(_) if matches!(-result, EAGAIN | EINTR) => {
                self.send = SendState::Blocked { buffer: mem::take(buffer), from: *from };
                self.send_cancelled = false;
                None
            }
            Err(_) => self.fail(-result),
        }
    }

    fn fail(&mut self, code: i32) -> Option<Waker> {
        self.send = SendState::Idle;
        self.send_error = Some(code);
        self.pending = Vec::new();
        self.writer.take()
    }
}
