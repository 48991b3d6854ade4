//! One TCP connection as the driver sees it: received data that was not read, written data that was not sent, and the
//! operations in flight. A state machine without a socket: it returns the operations to submit and is given their
//! results, so that a test can complete them in any order.
//!
//! - At most one receive is in flight. A multishot receive stays in flight; the buffers of the ring that it fills are
//!   given back before the thread waits again, read or not ([`Connection::copy_out`]), so that a task that does not read
//!   cannot keep buffers from others.
//! - Everything that a task writes between two ring iterations goes out as one send. At most one send is in flight. It
//!   is first submitted inline and waits only if the socket has no room.
//! - With kernel times every receive is a recvmsg(), and as long as a send time is awaited, one more that reads the error
//!   queue is in flight (`stamping`).
//! - Memory that the kernel may access is not freed: the buffer of a send in flight stays here, and a detached connection
//!   stays until the kernel has completed its operations ([`Connection::is_done`]).

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::task::{Poll, Waker};

use tokio::io::ReadBuf;

use crate::engine::uring::buffers::{Buffers, LENGTH, Piece};
use crate::engine::uring::errno::{EAGAIN, ECANCELED, EINTR, ENOBUFS};
use crate::engine::uring::pool::Pool;
use crate::engine::uring::state::stamping::Stamping;

/// Maximum number of bytes pending behind the send in flight: four records of rustls' output.
pub(crate) const MAX_PENDING: usize = 64 * 1024;
/// Received bytes that nobody has read at which a connection stops receiving.
pub(crate) const MAX_UNREAD: usize = 64 * 1024;

/// How a connection receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiveMode {
    /// One submission for many completions, into buffers of the ring.
    Multishot,
    /// One submission per completion, into a buffer of the connection.
    OneShot,
    /// The same, with the kernel's time as a control message.
    Stamped,
}

/// How a connection sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendMode {
    /// Inline first; the rest, if any, waits for room.
    Inline,
    /// Every send may wait for room.
    Waiting,
}

/// The completion of a receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    /// The number of bytes, zero at the end of the stream, or a negated error number.
    pub(crate) result: i32,
    /// The buffer of the ring that was filled.
    pub(crate) buffer: Option<u16>,
    /// The receive stays in flight.
    pub(crate) more: bool,
}

/// An operation to submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Receive repeatedly.
    ReceiveMultishot,
    /// Receive once, into [`Connection::receive_buffer`].
    ReceiveOnce,
    /// Receive once, as [`Connection::receive_header`] says.
    ReceiveStamped,
    /// Cancel the receive.
    CancelReceive,
    /// Read one entry of the error queue, as [`Connection::error_header`] says; wait for it.
    ReceiveError,
    /// Cancel that.
    CancelError,
    /// Send as much of [`Connection::send_data`] as there is room for, without waiting.
    SendInline,
    /// Send [`Connection::send_data`], waiting for room.
    Send,
    /// Cancel the send.
    CancelSend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReceiveState {
    Idle,
    /// Submitted to the kernel.
    Submitted,
    /// Submitted, and its cancellation as well.
    Cancelling,
}

/// Why nothing more is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// The peer has shut down its writing side.
    Eof,
    /// An error number that the reader has not been given yet.
    Failed(i32),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendState {
    Idle,
    /// Submitted as an inline send.
    Inline(Vec<u8>),
    /// The bytes from `from` on wait for room: to be submitted as a send that waits.
    Blocked {
        buffer: Vec<u8>,
        from: usize,
    },
    /// Submitted as a send that waits.
    Waiting {
        buffer: Vec<u8>,
        from: usize,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) receive_mode: ReceiveMode,
    pub(super) send_mode: SendMode,
    pub(super) receive: ReceiveState,
    end: Option<StreamEnd>,
    inbox: VecDeque<Piece>,
    /// Unread bytes that were copied out of the inbox, from `unread_from` on. They precede the inbox.
    unread: Vec<u8>,
    unread_from: usize,
    /// The buffer that a one-shot receive fills.
    pub(super) receive_target: Vec<u8>,
    /// With [`ReceiveMode::Stamped`].
    pub(super) stamping: Option<Box<Stamping>>,
    reader: Option<Waker>,
    pub(super) pending: Vec<u8>,
    pub(super) send: SendState,
    pub(super) send_error: Option<i32>,
    pub(super) writer: Option<Waker>,
    /// A stream handle owns it; otherwise it is detached.
    pub(super) has_handle: bool,
    /// Unsent data is discarded.
    pub(super) discards: bool,
    pub(super) send_cancelled: bool,
}

impl Connection {
    pub(crate) fn new(receive_mode: ReceiveMode, send_mode: SendMode) -> Self {
        Self {
            receive_mode,
            send_mode,
            receive: ReceiveState::Idle,
            end: None,
            inbox: VecDeque::new(),
            unread: Vec::new(),
            unread_from: 0,
            receive_target: Vec::new(),
            stamping: None,
            reader: None,
            pending: Vec::new(),
            send: SendState::Idle,
            send_error: None,
            writer: None,
            has_handle: true,
            discards: false,
            send_cancelled: false,
        }
    }

    /// Fills `out` with received data. If there is none, stores `waker` and moves the previous one to `old`, for the
    /// caller to drop when nothing is borrowed. See [`needs_receive`](Self::needs_receive) afterwards.
    pub(crate) fn read(
        &mut self,
        out: &mut ReadBuf<'_>,
        buffers: &mut impl Buffers,
        pool: &mut Pool,
        waker: &Waker,
        old: &mut Option<Waker>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        if !self.unread.is_empty() {
            let rest = &self.unread[self.unread_from..];
            let length = rest.len().min(out.remaining());
            out.put_slice(&rest[..length]);
            self.unread_from += length;
            if self.unread_from == self.unread.len() {
                self.unread_from = 0;
                pool.give(mem::take(&mut self.unread));
            }
        }
        while out.remaining() > 0
            && let Some(piece) = self.inbox.front_mut()
        {
            let bytes = buffers.bytes(*piece);
            let length = bytes.len().min(out.remaining());
            out.put_slice(&bytes[..length]);
            if length == bytes.len() {
                buffers.give_back(piece.buffer);
                self.inbox.pop_front();
            } else {
                piece.start += u32::try_from(length).expect("shorter than a buffer");
            }
        }
        if out.filled().len() > before || out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match self.end {
            Some(StreamEnd::Eof) => Poll::Ready(Ok(())),
            Some(StreamEnd::Failed(code)) => {
                self.end = Some(StreamEnd::Eof);
                Poll::Ready(Err(io::Error::from_raw_os_error(code)))
            }
            None => {
                store_waker(&mut self.reader, waker, old);
                Poll::Pending
            }
        }
    }

    /// Whether a reader waits and no receive is in flight.
    pub(crate) fn needs_receive(&self) -> bool {
        self.receive == ReceiveState::Idle && self.reader.is_some()
    }

    /// The stream handle was dropped: discards unread data; data that was written is still sent. Returns the wakers, for
    /// the caller to drop.
    pub(crate) fn detach(&mut self, buffers: &mut impl Buffers, pool: &mut Pool) -> [Option<Waker>; 2] {
        self.has_handle = false;
        for piece in self.inbox.drain(..) {
            buffers.give_back(piece.buffer);
        }
        pool.give(mem::take(&mut self.unread));
        self.unread_from = 0;
        [self.reader.take(), self.writer.take()]
    }

    /// Whether the connection is detached, has sent everything, and has no operation in flight.
    pub(crate) fn is_done(&self) -> bool {
        !self.has_handle
            && self.receive == ReceiveState::Idle
            && self.stamping.as_ref().is_none_or(|stamping| stamping.is_idle())
            && self.send == SendState::Idle
            && !self.has_unsent()
    }

    /// The receive operation that is due, if any. The caller must submit it.
    pub(crate) fn next_receive(&mut self, pool: &mut Pool) -> Option<Operation> {
        let full = self.unread.len() - self.unread_from >= MAX_UNREAD;
        match self.receive {
            ReceiveState::Idle if self.has_handle && !full && self.end.is_none() && self.reader.is_some() => {
                self.receive = ReceiveState::Submitted;
                if self.receive_mode != ReceiveMode::Multishot {
                    self.receive_target = pool.take();
                    self.receive_target.resize(LENGTH, 0);
                }
                Some(match self.receive_mode {
                    ReceiveMode::Multishot => Operation::ReceiveMultishot,
                    ReceiveMode::OneShot => Operation::ReceiveOnce,
                    ReceiveMode::Stamped => Operation::ReceiveStamped,
                })
            }
            ReceiveState::Submitted if !self.has_handle || (full && self.receive_mode == ReceiveMode::Multishot) => {
                self.receive = ReceiveState::Cancelling;
                Some(Operation::CancelReceive)
            }
            _ => None,
        }
    }

    /// The buffer of a receive that is not a multishot one.
    pub(crate) fn receive_buffer(&mut self) -> &mut [u8] {
        &mut self.receive_target
    }

    /// Handles a completion of the receive. Returns the reader's waker.
    pub(crate) fn received(&mut self, received: Received, buffers: &mut impl Buffers) -> Option<Waker> {
        if !received.more {
            self.receive = ReceiveState::Idle;
        }
        let bytes = u32::try_from(received.result).unwrap_or(0);
        if self.receive_mode != ReceiveMode::Multishot {
            if bytes > 0
                && let Some(stamping) = &self.stamping
            {
                stamping.note_receive();
            }
            // A one-shot receive is submitted only when everything before it was read.
            debug_assert!(self.unread.is_empty() || !self.has_handle);
            self.receive_target.truncate(bytes as usize);
            self.unread = mem::take(&mut self.receive_target);
        } else if let Some(buffer) = received.buffer {
            if bytes > 0 && self.has_handle {
                self.inbox.push_back(Piece { buffer, start: 0, end: bytes });
            } else {
                buffers.give_back(buffer);
            }
        }
        match received.result {
            1.. => {}
            0 => self.end = Some(StreamEnd::Eof),
            result => match -result {
                // The reader is woken, polls again, and the receive is resubmitted.
                ENOBUFS | EAGAIN | EINTR => {}
                ECANCELED if self.expects_cancellation() => {}
                code => self.end = Some(StreamEnd::Failed(code)),
            },
        }
        self.reader.take()
    }

    /// Whether a cancelled receive is not an error, because the engine itself cancels receives: those of detached
    /// connections, and multishot ones of connections that nobody reads from.
    fn expects_cancellation(&self) -> bool {
        self.receive_mode == ReceiveMode::Multishot || !self.has_handle
    }

    /// Whether [`MAX_UNREAD`] is reached while a receive is in flight.
    pub(crate) fn is_overfull(&self) -> bool {
        self.receive == ReceiveState::Submitted && self.unread.len() - self.unread_from >= MAX_UNREAD
    }

    /// Copies the inbox into memory of the connection and gives its buffers back.
    pub(crate) fn copy_out(&mut self, buffers: &mut impl Buffers, pool: &mut Pool) {
        if self.inbox.is_empty() {
            return;
        }
        if self.unread.capacity() == 0 {
            self.unread = pool.take();
        }
        if self.unread_from > 0 {
            self.unread.drain(..self.unread_from);
            self.unread_from = 0;
        }
        // Growing by doubling could take twice as much memory, for as long as nothing is read.
        self.unread.reserve_exact(self.inbox.iter().map(|piece| (piece.end - piece.start) as usize).sum());
        for piece in self.inbox.drain(..) {
            self.unread.extend_from_slice(buffers.bytes(piece));
            buffers.give_back(piece.buffer);
        }
    }
}

/// Stores a clone of `waker` unless the stored one wakes the same task; moves the replaced one to `old`.
pub(super) fn store_waker(stored: &mut Option<Waker>, waker: &Waker, old: &mut Option<Waker>) {
    if !stored.as_ref().is_some_and(|stored| stored.will_wake(waker)) {
        *old = stored.replace(waker.clone());
    }
}
