//! The connection, the kernel's part of it, and what must be at any time.

use std::collections::HashSet;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Wake, Waker};

use tokio::io::ReadBuf;

use super::{EAGAIN, ECANCELED, EINTR, Outcome, Step};
use crate::engine::uring::buffers::LENGTH;
use crate::engine::uring::errno::ENOBUFS;
use crate::engine::uring::pool::Pool;
use crate::engine::uring::state::connection::{Buffers, Connection, PENDING_MOST, Piece, ReceiveForm, Received};

/// Few, so that they run out.
pub(super) const BUFFERS: u16 = 5;
/// Both directions carry this, over and over.
const PERIOD: usize = 66_013;

/// The stream from a position on: `length` bytes.
pub(super) fn bytes(from: usize, length: usize) -> &'static [u8] {
    static ALL: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let all = ALL.get_or_init(|| (0..PERIOD + 200_000).map(|at| (((at % PERIOD) * 40_503) >> 7) as u8).collect());
    &all[from % PERIOD..][..length]
}

/// Buffers that know who has them.
pub(super) struct ModelBuffers {
    data: Vec<Vec<u8>>,
    pub(super) with_kernel: HashSet<u16>,
}

impl Buffers for ModelBuffers {
    fn bytes(&self, piece: Piece) -> &[u8] {
        assert!(!self.with_kernel.contains(&piece.buffer), "read while the kernel may write to it");
        &self.data[usize::from(piece.buffer)][piece.start as usize..piece.end as usize]
    }

    fn give_back(&mut self, buffer: u16) {
        assert!(self.with_kernel.insert(buffer), "given back twice");
        self.data[usize::from(buffer)].fill(0xee);
    }
}

#[derive(Default)]
pub(super) struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Someone who waits, polled with another waker each time.
#[derive(Default)]
pub(super) struct Waiter(Option<Arc<Flag>>);

impl Waiter {
    fn waker(&mut self) -> Waker {
        let flag = Arc::<Flag>::default();
        self.0 = Some(Arc::clone(&flag));
        Waker::from(flag)
    }

    /// Still waits: was told to, and not woken since.
    fn waits(&self) -> bool {
        self.0.as_ref().is_some_and(|flag| !flag.0.load(Ordering::Relaxed))
    }
}

/// Memory that the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range(*const u8, pub(super) usize);

impl Range {
    pub(super) fn of(data: &[u8]) -> Self {
        Self(data.as_ptr(), data.len())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Try(Range),
    Wait(Range),
}

/// The connection, the kernel and the driver around it, and what must be.
pub(super) struct Model {
    pub(super) connection: Connection,
    pub(super) form: ReceiveForm,
    pub(super) buffers: ModelBuffers,
    pub(super) pool: Pool,
    pub(super) attention: bool,
    /// With the kernel; where it writes to if that is the connection's.
    pub(super) receive: Option<Option<Range>>,
    pub(super) receive_cancelled: bool,
    pub(super) send: Option<Sending>,
    pub(super) send_cancelled: bool,
    pub(super) reader: Waiter,
    pub(super) writer: Waiter,
    pub(super) delivered: usize,
    pub(super) read: usize,
    pub(super) end: Option<i32>,
    pub(super) end_told: bool,
    pub(super) written: usize,
    pub(super) sent: usize,
    pub(super) failed: bool,
    pub(super) held: bool,
    pub(super) given_up: bool,
    pub(super) gone: bool,
}

impl Model {
    pub(super) fn new(form: ReceiveForm, tries: bool) -> Self {
        Self {
            connection: Connection::new(form, tries),
            form,
            buffers: ModelBuffers {
                data: vec![vec![0; LENGTH]; usize::from(BUFFERS)],
                with_kernel: (0..BUFFERS).collect(),
            },
            pool: Pool::default(),
            attention: false,
            receive: None,
            receive_cancelled: false,
            send: None,
            send_cancelled: false,
            reader: Waiter::default(),
            writer: Waiter::default(),
            delivered: 0,
            read: 0,
            end: None,
            end_told: false,
            written: 0,
            sent: 0,
            failed: false,
            held: true,
            given_up: false,
            gone: false,
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        if self.gone {
            return;
        }
        match *step {
            Step::Deliver(most, more) => self.deliver(most, more),
            Step::EndReceive(code) if self.receive.is_some() => self.receive_ends(-code),
            Step::CancelLands if self.receive_cancelled => self.receive_ends(-ECANCELED),
            Step::Read(most) if self.held => drop(self.poll_read(most)),
            Step::Write(first, second) if self.held => drop(self.poll_write(first, second)),
            Step::Flush if self.held => {
                let polled = self.connection.flush(&self.writer.waker(), &mut None);
                self.told(polled);
            }
            Step::AllSent | Step::Beside(_) if self.held => {
                if let Step::Beside(most) = *step {
                    self.send_beside(most);
                }
                let polled = self.connection.poll_all_sent(&self.writer.waker(), &mut None);
                if let Some(Ok(())) = self.told(polled) {
                    assert_eq!(self.sent, self.written, "all is sent, it says");
                }
            }
            Step::Iterate(outcome) => self.turn(outcome),
            Step::Send(outcome) => self.send_ends(outcome),
            Step::Release if self.held => {
                self.held = false;
                drop(self.connection.release(&mut self.buffers, &mut self.pool));
                (self.reader, self.writer) = (Waiter::default(), Waiter::default());
                self.attention = true;
            }
            Step::GiveUp if !self.held => {
                self.given_up = true;
                self.connection.give_up();
                self.attention = true;
            }
            _ => {}
        }
        self.check();
    }

    fn deliver(&mut self, most: usize, more: bool) {
        let Some(range) = self.receive else { return };
        let length = most.min(LENGTH);
        let arrived = bytes(self.delivered, length);
        let result = i32::try_from(length).expect("a small number");
        let received = match range {
            Some(range) => {
                let buffer = self.connection.receive_buffer();
                assert_eq!(Range::of(buffer), range, "the memory of a receive has moved");
                buffer[..length].copy_from_slice(arrived);
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
        self.completes(received);
    }

    fn receive_ends(&mut self, result: i32) {
        let goes_on = match -result {
            ENOBUFS | EAGAIN | EINTR => true,
            ECANCELED => self.receive_cancelled,
            _ => false,
        };
        if !goes_on {
            self.end = Some(-result);
        }
        self.completes(Received { result, buffer: None, more: false });
    }

    fn completes(&mut self, received: Received) {
        if !received.more {
            (self.receive, self.receive_cancelled) = (None, false);
            self.attention = true;
        }
        wake(self.connection.received(received, &mut self.buffers));
    }

    /// Polls once; how many bytes came if it was ready.
    fn poll_read(&mut self, most: usize) -> Option<usize> {
        let mut memory = vec![0; most];
        let mut out = ReadBuf::new(&mut memory);
        let waker = self.reader.waker();
        let polled = self.connection.read(&mut out, &mut self.buffers, &mut self.pool, &waker, &mut None);
        self.attention |= self.connection.wants_receive();
        let (filled, left) = (out.filled(), self.delivered - self.read);
        assert!(filled == bytes(self.read, filled.len()), "other bytes than came, or in another order");
        let ended = match polled {
            Poll::Pending => {
                assert!(left == 0 && self.end.is_none(), "{left} bytes are there, and it waits");
                return None;
            }
            Poll::Ready(Err(error)) => {
                assert!(left == 0 && !self.end_told && error.raw_os_error() == self.end, "{error}");
                true
            }
            Poll::Ready(Ok(())) => {
                assert!(!filled.is_empty() || (left == 0 && self.end.is_some()), "an end before its time");
                assert!(!filled.is_empty() || self.end_told || self.end == Some(0), "an error that nobody is told");
                filled.is_empty()
            }
        };
        self.read += filled.len();
        self.end_told |= ended;
        self.reader = Waiter::default();
        Some(filled.len())
    }

    fn poll_write(&mut self, first: usize, second: usize) -> Option<usize> {
        let data = bytes(self.written, (first + second).min(190_000));
        let (first, second) = data.split_at(first.min(data.len()));
        let slices = [IoSlice::new(first), IoSlice::new(second)];
        let polled = self.connection.write(&slices, &mut self.pool, &self.writer.waker(), &mut None);
        self.attention |= self.connection.sendable().is_some();
        let taken = self.told(polled)?.ok()?;
        assert!(taken > 0 && taken <= data.len().min(PENDING_MOST), "{taken} of {} were taken", data.len());
        self.written += taken;
        Some(taken)
    }

    /// What a poll of the writer says; it fails if and only if sending did.
    fn told<T>(&mut self, polled: Poll<std::io::Result<T>>) -> Option<Result<T, ()>> {
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

    fn send_beside(&mut self, most: usize) {
        let Some(data) = self.connection.sendable() else { return };
        assert!(self.send.is_none(), "would overtake what is on its way");
        let count = most.min(data.len());
        assert!(&data[..count] == bytes(self.sent, count));
        self.sent += count;
        self.connection.sent_beside(count, &mut self.pool);
        self.attention |= self.connection.sendable().is_some();
    }

    /// What must be at any time.
    fn check(&mut self) {
        if self.gone {
            assert_eq!(self.buffers.with_kernel.len(), usize::from(BUFFERS), "a buffer is lost");
            return;
        }
        if let Some(Some(range)) = self.receive {
            assert_eq!(Range::of(self.connection.receive_buffer()), range, "the memory of a receive has moved");
        }
        if let Some(Sending::Try(range) | Sending::Wait(range)) = self.send {
            assert_eq!(Range::of(self.connection.to_send()), range, "the memory of a send has moved");
        }
        if self.reader.waits() {
            assert!(self.read == self.delivered && self.end.is_none(), "a reader sleeps on");
            assert!(self.receive.is_some() || self.attention, "nobody receives for a reader that waits");
        }
        if self.writer.waits() {
            assert!(!self.failed, "a writer sleeps on");
            assert!(self.send.is_some() || self.attention, "nobody sends for a writer that waits");
        }
        if !self.held && self.connection.is_done() {
            assert!(self.attention, "nobody looks at a connection that is done");
        }
    }

    /// From now on the kernel does what it is asked, and who is woken goes on.
    pub(super) fn goes_well(&mut self) {
        for _ in 0..50 {
            self.step(&Step::Iterate(Outcome::All));
            self.step(&Step::CancelLands);
            self.step(&Step::Send(Outcome::All));
            while self.held && !self.gone && !self.reader.waits() && !self.end_told {
                self.step(&Step::Read(100_000));
            }
            if self.held && !self.writer.waits() {
                self.step(&Step::AllSent);
            }
        }
        if self.gone {
            return;
        }
        assert!(self.held, "a connection without a stream stays for ever");
        assert_eq!(self.read, self.delivered);
        assert!(self.end_told || self.receive.is_some(), "a reader waits, and nobody receives");
        assert!(self.failed || self.sent == self.written, "{} of {} bytes are sent", self.sent, self.written);
        assert!(!self.writer.waits(), "a writer sleeps on");
        self.step(&Step::Deliver(10, true));
        assert!(!self.reader.waits());
        self.step(&Step::Release);
        for _ in 0..5 {
            self.step(&Step::Iterate(Outcome::All));
            self.step(&Step::CancelLands);
        }
        assert!(self.gone, "a connection without a stream stays for ever");
    }
}

pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
