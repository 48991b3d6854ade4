//! The connection, the model's state, and its invariants.

use std::io::IoSlice;
use std::rc::Rc;
use std::task::{Poll, Waker};

use tokio::io::ReadBuf;

use super::parts::{BUFFERS, Cancelled, ModelBuffers, Range, Sending, Waiter, bytes};
use super::step::{Outcome, Step};
use crate::engine::kernel_times::{KernelTimes, fake};
use crate::engine::uring::buffers::LENGTH;
use crate::engine::uring::errno::{EAGAIN, ECANCELED, EINTR, ENOBUFS};
use crate::engine::uring::pool::Pool;
use crate::engine::uring::state::connection::{Connection, MAX_PENDING, ReceiveMode, Received, SendMode};

/// The connection, the kernel and the driver around it, and the expected state.
pub(super) struct Model {
    pub(super) connection: Connection,
    pub(super) receive_mode: ReceiveMode,
    pub(super) buffers: ModelBuffers,
    pub(super) pool: Pool,
    pub(super) ready: bool,
    /// The receive in flight, with its memory if that belongs to the connection.
    pub(super) receive: Option<Option<Range>>,
    pub(super) receive_cancelled: bool,
    /// The read of the error queue in flight.
    pub(super) error: Option<Cancelled>,
    /// With [`ReceiveMode::Stamped`].
    pub(super) times: Rc<KernelTimes>,
    /// The memory of the headers of the receive and the read of the error queue that were submitted last.
    pub(super) headers: [[*const u8; 3]; 2],
    /// Bytes up to the end of the latest send whose time was read from the error queue.
    pub(super) recorded: usize,
    pub(super) send: Option<Sending>,
    pub(super) send_cancelled: bool,
    pub(super) reader: Waiter,
    pub(super) writer: Waiter,
    pub(super) delivered: usize,
    pub(super) read: usize,
    pub(super) end: Option<i32>,
    pub(super) end_returned: bool,
    pub(super) written: usize,
    pub(super) sent: usize,
    pub(super) failed: bool,
    pub(super) has_handle: bool,
    pub(super) discards: bool,
    pub(super) gone: bool,
}

impl Model {
    pub(super) fn new(receive_mode: ReceiveMode, send_mode: SendMode) -> Self {
        let mut connection = Connection::new(receive_mode, send_mode);
        let times = Rc::new(KernelTimes::new(None));
        if receive_mode == ReceiveMode::Stamped {
            connection.stamp(Rc::clone(&times));
        }
        Self {
            connection,
            receive_mode,
            buffers: ModelBuffers::new(),
            pool: Pool::default(),
            ready: false,
            receive: None,
            receive_cancelled: false,
            error: None,
            times,
            headers: [[std::ptr::null(); 3]; 2],
            recorded: 0,
            send: None,
            send_cancelled: false,
            reader: Waiter::default(),
            writer: Waiter::default(),
            delivered: 0,
            read: 0,
            end: None,
            end_returned: false,
            written: 0,
            sent: 0,
            failed: false,
            has_handle: true,
            discards: false,
            gone: false,
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        if self.gone {
            return;
        }
        match *step {
            Step::Deliver { length, more } => self.deliver(length, more),
            Step::EndReceive(code) if self.receive.is_some() => self.receive_ends(-code),
            Step::CancelReceive if self.receive_cancelled => self.receive_ends(-ECANCELED),
            Step::EndError(code) => self.error_ends(code),
            Step::CancelError => self.error_ends(ECANCELED),
            Step::Read(max) if self.has_handle => drop(self.poll_read(max)),
            Step::Write(first, second) if self.has_handle => drop(self.poll_write(first, second)),
            Step::Flush if self.has_handle => {
                let polled = self.connection.flush(&self.writer.waker(), &mut None);
                self.writer_polled(polled);
            }
            Step::AllSent | Step::Shutdown(_) if self.has_handle => {
                if let Step::Shutdown(max) = *step {
                    self.send_directly(max);
                }
                let polled = self.connection.poll_all_sent(&self.writer.waker(), &mut None);
                if let Some(Ok(())) = self.writer_polled(polled) {
                    assert_eq!(self.sent, self.written, "reported as sent");
                }
            }
            Step::Iterate(outcome) => self.iterate(outcome),
            Step::Send(outcome) => self.send_ends(outcome),
            Step::Detach if self.has_handle => {
                self.has_handle = false;
                drop(self.connection.detach(&mut self.buffers, &mut self.pool));
                (self.reader, self.writer) = (Waiter::default(), Waiter::default());
                self.ready = true;
            }
            Step::DiscardUnsent if !self.has_handle => {
                self.discards = true;
                self.connection.discard_unsent();
                self.ready = true;
            }
            _ => {}
        }
        self.check();
    }

    fn deliver(&mut self, max: usize, more: bool) {
        let Some(range) = self.receive else { return };
        let length = max.min(LENGTH);
        let arrived = bytes(self.delivered, length);
        let result = i32::try_from(length).expect("a small number");
        let received = match range {
            Some(range) => {
                let buffer = self.connection.receive_buffer();
                assert_eq!(Range::of(buffer), range, "the memory of a receive moved");
                buffer[..length].copy_from_slice(arrived);
                if self.receive_mode == ReceiveMode::Stamped {
                    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
                    let ns = time.tv_sec * 1_000_000_000 + time.tv_nsec;
                    self.connection.complete_receive_header(&fake::time(ns));
                }
                Received { result, buffer: None, more: false }
            }
            None => {
                let Some(&buffer) = self.buffers.with_kernel.iter().next() else { return self.receive_ends(-ENOBUFS) };
                self.buffers.with_kernel.remove(&buffer);
                self.buffers.data[usize::from(buffer)][..length].copy_from_slice(arrived);
                Received { result, buffer: Some(buffer), more }
            }
        };
        self.delivered += length;
        self.complete_receive(received);
    }

    fn receive_ends(&mut self, result: i32) {
        let is_transient = match -result {
            ENOBUFS | EAGAIN | EINTR => true,
            ECANCELED => self.receive_cancelled,
            _ => false,
        };
        if !is_transient {
            self.end = Some(-result);
        }
        self.complete_receive(Received { result, buffer: None, more: false });
    }

    fn complete_receive(&mut self, received: Received) {
        if !received.more {
            (self.receive, self.receive_cancelled) = (None, false);
            self.ready = true;
        }
        wake(self.connection.received(received, &mut self.buffers));
    }

    /// Polls once. Returns the number of bytes if it was ready.
    fn poll_read(&mut self, max: usize) -> Option<usize> {
        let mut memory = vec![0; max];
        let mut out = ReadBuf::new(&mut memory);
        let waker = self.reader.waker();
        let polled = self.connection.read(&mut out, &mut self.buffers, &mut self.pool, &waker, &mut None);
        self.ready |= self.connection.needs_receive();
        let (filled, left) = (out.filled(), self.delivered - self.read);
        assert!(filled == bytes(self.read, filled.len()), "wrong data was read");
        let ended = match polled {
            Poll::Pending => {
                assert!(left == 0 && self.end.is_none(), "pending with {left} bytes to read");
                return None;
            }
            Poll::Ready(Err(error)) => {
                assert!(left == 0 && !self.end_returned && error.raw_os_error() == self.end, "{error}");
                true
            }
            Poll::Ready(Ok(())) => {
                assert!(!filled.is_empty() || (left == 0 && self.end.is_some()), "early end of stream");
                assert!(!filled.is_empty() || self.end_returned || self.end == Some(0), "the error was swallowed");
                filled.is_empty()
            }
        };
        self.read += filled.len();
        self.end_returned |= ended;
        self.reader = Waiter::default();
        Some(filled.len())
    }

    fn poll_write(&mut self, first: usize, second: usize) -> Option<usize> {
        let data = bytes(self.written, (first + second).min(190_000));
        let (first, second) = data.split_at(first.min(data.len()));
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        let polled = self.connection.write(&slices, &mut self.pool, &self.writer.waker(), &mut None);
        self.ready |= self.connection.sendable().is_some();
        let taken = self.writer_polled(polled)?.ok()?;
        assert!(taken > 0 && taken <= data.len().min(MAX_PENDING), "accepted {taken} of {} bytes", data.len());
        self.written += taken;
        self.connection.note_write(taken);
        self.ready |= self.connection.needs_error();
        Some(taken)
    }

    /// Checks the result of polling the writer: it fails if and only if sending failed.
    fn writer_polled<T>(&mut self, polled: Poll<std::io::Result<T>>) -> Option<Result<T, ()>> {
        match polled {
            Poll::Pending => {
                assert!(!self.failed);
                None
            }
            Poll::Ready(result) => {
                assert_eq!(result.is_err(), self.failed);
                self.writer = Waiter::default();
                Some(result.map_err(drop))
            }
        }
    }

    fn send_directly(&mut self, max: usize) {
        let Some(data) = self.connection.sendable() else { return };
        assert!(self.send.is_none(), "would overtake the send in flight");
        let count = max.min(data.len());
        assert!(&data[..count] == bytes(self.sent, count));
        self.sent += count;
        self.connection.sent_directly(count, &mut self.pool);
        self.ready |= self.connection.sendable().is_some() || self.connection.needs_error();
    }

    /// Checks the invariants.
    fn check(&mut self) {
        if self.gone {
            assert_eq!(self.buffers.with_kernel.len(), usize::from(BUFFERS), "a buffer was lost");
            return;
        }
        if let Some(Some(range)) = self.receive {
            assert_eq!(Range::of(self.connection.receive_buffer()), range, "the memory of a receive moved");
        }
        if let Some(headers) = self.connection.header_addresses() {
            for (in_flight, now, submitted) in [
                (self.receive.is_some(), headers[0], self.headers[0]),
                (self.error.is_some(), headers[1], self.headers[1]),
            ] {
                assert!(!in_flight || now == submitted, "the header of an operation in flight moved");
            }
            let awaits = self.times.awaits() && self.has_handle && !self.connection.has_given_up();
            assert!(!awaits || self.error.is_some() || self.ready, "nothing waits for the time of a send");
            assert!(!self.times.awaits() || self.written > self.recorded);
        }
        if let Some(Sending::Inline(range) | Sending::Wait(range)) = self.send {
            assert_eq!(Range::of(self.connection.send_data()), range, "the memory of a send moved");
        }
        if self.reader.waits() {
            assert!(self.read == self.delivered && self.end.is_none(), "the reader was not woken");
            assert!(self.receive.is_some() || self.ready, "no receive for a waiting reader");
        }
        if self.writer.waits() {
            assert!(!self.failed, "the writer was not woken");
            assert!(self.send.is_some() || self.ready, "no send for a waiting writer");
        }
        if !self.has_handle && (self.connection.is_done() || self.connection.must_cancel_error()) {
            assert!(self.ready, "a finished connection is not visited");
        }
    }

    /// Lets every operation succeed until everything is delivered, then detaches the connection.
    pub(super) fn finish(&mut self) {
        for _ in 0..50 {
            self.step(&Step::Iterate(Outcome::All));
            self.step(&Step::CancelReceive);
            self.step(&Step::CancelError);
            self.step(&Step::Send(Outcome::All));
            self.step(&Step::EndError(0));
            while self.has_handle && !self.gone && !self.reader.waits() && !self.end_returned {
                self.step(&Step::Read(100_000));
            }
            if self.has_handle && !self.writer.waits() {
                self.step(&Step::AllSent);
            }
        }
        if self.gone {
            return;
        }
        assert!(self.has_handle, "the detached connection is never removed");
        assert_eq!(self.read, self.delivered);
        assert!(self.end_returned || self.receive.is_some(), "no receive for a waiting reader");
        assert!(self.failed || self.sent == self.written, "sent {} of {} bytes", self.sent, self.written);
        assert!(!self.writer.waits(), "the writer was not woken");
        if self.receive_mode == ReceiveMode::Stamped {
            assert!(self.delivered == 0 || self.times.received().is_some(), "a receive without its time");
            let complete = !self.times.awaits() || self.connection.has_given_up() || self.failed;
            assert!(complete, "the time of a send was not read");
        }
        self.step(&Step::Deliver { length: 10, more: true });
        assert!(!self.reader.waits());
        self.step(&Step::Detach);
        for _ in 0..5 {
            self.step(&Step::Iterate(Outcome::All));
            self.step(&Step::CancelReceive);
            self.step(&Step::CancelError);
        }
        assert!(self.gone, "the detached connection is never removed");
    }
}

pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
