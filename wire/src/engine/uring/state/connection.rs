//! One TCP connection as the engine sees it: what was received and not read, what was written and not sent, and what
//! the kernel has been asked. A state machine without a socket: it says which operations it wants and is told how they
//! ended, so that a test can end them in any order.
//!
//! - One receive is with the kernel at most. A multishot one stays there; where it fills buffers of the ring, they are
//!   given back before the thread waits again, read or not ([`Connection::spill`]): who does not read cannot keep
//!   buffers from others.
//! - Whatever a task writes between two entries of the ring goes out as one send. One send is on its way at most. It is
//!   tried at once, and only if the socket has no room does it wait for it.
//! - Nothing that the kernel may touch is freed: while a send is on its way its buffer stays here, and a connection
//!   whose stream is gone stays until the kernel has let go of it ([`Connection::is_done`]).

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::task::{Poll, Waker};

use tokio::io::ReadBuf;

use crate::engine::uring::errno::{EAGAIN, ECANCELED, EINTR, ENOBUFS};
use crate::engine::uring::pool::Pool;

/// Bytes that may wait for being sent, besides those that are on their way: what four records of rustls' output hold.
pub(in super::super) const PENDING_MOST: usize = 64 * 1024;
/// Bytes received and not read above which a connection receives no more until they are.
pub(in super::super) const UNREAD_MOST: usize = 64 * 1024;

/// Bytes in a buffer of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Piece {
    pub(in super::super) buffer: u16,
    pub(in super::super) start: u32,
    pub(in super::super) end: u32,
}

/// The buffers that receives fill.
pub(in super::super) trait Buffers {
    fn bytes(&self, piece: Piece) -> &[u8];
    fn give_back(&mut self, buffer: u16);
}

/// How a receive goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ReceiveForm {
    /// One receive for many completions, into buffers of the ring.
    Multishot,
    /// One receive, one completion, into a buffer that is the connection's.
    OneShot,
}

/// What came of a receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Received {
    /// Bytes, zero at the end of the stream, or an error number below zero.
    pub(in super::super) result: i32,
    /// The buffer of the ring that was filled.
    pub(in super::super) buffer: Option<u16>,
    /// The same receive goes on.
    pub(in super::super) more: bool,
}

/// What the kernel is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Operation {
    /// Receive, many times.
    ReceiveMultishot,
    /// Receive once, into [`Connection::receive_buffer`].
    ReceiveOnce,
    /// End the receive.
    CancelReceive,
    /// Send [`Connection::to_send`] as far as it goes at once.
    TrySend,
    /// Send [`Connection::to_send`], waiting for room.
    Send,
    /// End the send.
    CancelSend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receive {
    Off,
    /// With the kernel.
    On,
    /// With the kernel, which has been asked to end it.
    Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The peer sends nothing more.
    Eof,
    /// An error number, told to the reader once.
    Failed(i32),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Send {
    Idle,
    /// Submitted as one that does not wait.
    Trying(Vec<u8>),
    /// `from` on it has to wait for room: to be submitted as one that does.
    Blocked {
        buffer: Vec<u8>,
        from: usize,
    },
    /// Submitted as one that waits.
    Waiting {
        buffer: Vec<u8>,
        from: usize,
    },
}

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Connection {
    pub(super) form: ReceiveForm,
    /// A send is tried first.
    pub(super) tries: bool,
    pub(super) receive: Receive,
    pub(super) end: Option<End>,
    pub(super) inbox: VecDeque<Piece>,
    /// Received and not read, after the inbox was emptied into it; from `unread_from` on. Comes before the inbox.
    pub(super) unread: Vec<u8>,
    pub(super) unread_from: usize,
    /// What a receive of its own fills.
    pub(super) filling: Vec<u8>,
    pub(super) reader: Option<Waker>,
    pub(super) pending: Vec<u8>,
    pub(super) send: Send,
    pub(super) failed: Option<i32>,
    pub(super) writer: Option<Waker>,
    /// A stream holds it.
    pub(super) held: bool,
    /// What is unsent is given up.
    pub(super) given_up: bool,
    pub(super) cancelled_send: bool,
}

impl Connection {
    /// `tries`: whether a send can be tried, with an outcome at once, before it is made to wait for room.
    pub(in super::super) fn new(form: ReceiveForm, tries: bool) -> Self {
        Self {
            form,
            tries,
            receive: Receive::Off,
            end: None,
            inbox: VecDeque::new(),
            unread: Vec::new(),
            unread_from: 0,
            filling: Vec::new(),
            reader: None,
            pending: Vec::new(),
            send: Send::Idle,
            failed: None,
            writer: None,
            held: true,
            given_up: false,
            cancelled_send: false,
        }
    }

    /// Fills `out` with what was received. While nothing is there, `waker` waits for it; the one that waited before
    /// is handed back through `old`, to be dropped where nothing is borrowed. Wants attention if it is pending.
    pub(in super::super) fn read(
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
                piece.start += u32::try_from(length).expect("a part of a piece");
            }
        }
        if out.filled().len() > before || out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match self.end {
            Some(End::Eof) => Poll::Ready(Ok(())),
            Some(End::Failed(code)) => {
                self.end = Some(End::Eof);
                Poll::Ready(Err(io::Error::from_raw_os_error(code)))
            }
            None => {
                wait(&mut self.reader, waker, old);
                Poll::Pending
            }
        }
    }

    /// Whether a reader waits and nobody has asked the kernel.
    pub(in super::super) fn wants_receive(&self) -> bool {
        self.receive == Receive::Off && self.reader.is_some()
    }

    /// The stream is gone: nothing more is read, and what was written is still sent. Hands back the wakers.
    pub(in super::super) fn release(&mut self, buffers: &mut impl Buffers, pool: &mut Pool) -> [Option<Waker>; 2] {
        self.held = false;
        for piece in self.inbox.drain(..) {
            buffers.give_back(piece.buffer);
        }
        pool.give(mem::take(&mut self.unread));
        self.unread_from = 0;
        [self.reader.take(), self.writer.take()]
    }

    /// Whether the stream is gone and the kernel has let go of everything.
    pub(in super::super) fn is_done(&self) -> bool {
        !self.held && self.receive == Receive::Off && self.send == Send::Idle && !self.has_unsent()
    }

    /// What to ask the kernel of receiving now. Whoever calls it asks.
    pub(in super::super) fn want_receive(&mut self, pool: &mut Pool) -> Option<Operation> {
        let full = self.unread.len() - self.unread_from >= UNREAD_MOST;
        match self.receive {
            Receive::Off if self.held && !full && self.end.is_none() && self.reader.is_some() => {
                self.receive = Receive::On;
                Some(match self.form {
                    ReceiveForm::Multishot => Operation::ReceiveMultishot,
                    ReceiveForm::OneShot => {
                        self.filling = pool.take();
                        self.filling.resize(crate::engine::uring::buffers::LENGTH, 0);
                        Operation::ReceiveOnce
                    }
                })
            }
            Receive::On if !self.held || (full && self.form == ReceiveForm::Multishot) => {
                self.receive = Receive::Ending;
                Some(Operation::CancelReceive)
            }
            _ => None,
        }
    }

    /// Where a receive of its own writes.
    pub(in super::super) fn receive_buffer(&mut self) -> &mut [u8] {
        &mut self.filling
    }

    /// A receive has completed, once more or for the last time. Hands back who waits for it.
    pub(in super::super) fn received(&mut self, received: Received, buffers: &mut impl Buffers) -> Option<Waker> {
        if !received.more {
            self.receive = Receive::Off;
        }
        let bytes = u32::try_from(received.result).unwrap_or(0);
        if self.form == ReceiveForm::OneShot {
            // Nothing is unread, or nobody would have asked for more.
            debug_assert!(self.unread.is_empty() || !self.held);
            self.filling.truncate(bytes as usize);
            self.unread = mem::take(&mut self.filling);
        } else if let Some(buffer) = received.buffer {
            if bytes > 0 && self.held {
                self.inbox.push_back(Piece { buffer, start: 0, end: bytes });
            } else {
                buffers.give_back(buffer);
            }
        }
        match received.result {
            1.. => {}
            0 => self.end = Some(End::Eof),
            result => match -result {
                // Asked for again when the reader, which is woken for that, comes back.
                ENOBUFS | EAGAIN | EINTR => {}
                ECANCELED if self.receive_was_cancelled() => {}
                code => self.end = Some(End::Failed(code)),
            },
        }
        self.reader.take()
    }

    /// Whether a cancelled receive is no error: the engine itself asks for it, of a stream that is gone and, of a
    /// multishot one, of a stream that does not read. A receive of its own is cancelled by nobody else while it is held.
    fn receive_was_cancelled(&self) -> bool {
        self.form == ReceiveForm::Multishot || !self.held
    }

    /// Whether it has more to be read than it should have, and still receives.
    pub(in super::super) fn is_overfull(&self) -> bool {
        self.receive == Receive::On && self.unread.len() - self.unread_from >= UNREAD_MOST
    }

    /// Empties the inbox into memory of the connection, so that its buffers can be filled again.
    pub(in super::super) fn spill(&mut self, buffers: &mut impl Buffers, pool: &mut Pool) {
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
        for piece in self.inbox.drain(..) {
            self.unread.extend_from_slice(buffers.bytes(piece));
            buffers.give_back(piece.buffer);
        }
    }
}

/// Remembers who waits.
pub(super) fn wait(waiting: &mut Option<Waker>, waker: &Waker, old: &mut Option<Waker>) {
    if !waiting.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
        *old = waiting.replace(waker.clone());
    }
}
