//! One thread's ring, and all that was asked of the kernel through it.
//!
//! A turn: what connections want becomes submissions; one call submits them and waits; what has completed is handed to
//! whom it is for; who waited for it is woken. Wakers are collected and woken, and old ones dropped, when nothing is
//! borrowed any more, since they may run anything.

mod completions;
mod current;
#[cfg(test)]
mod shuffle;
mod shutdown;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use io_uring::{cqueue, opcode, squeue, types};
use wss_model::ring_counters::RingCounters;

pub(super) use self::current::{bell, start, stop, try_with, turn, with};
#[cfg(test)]
pub(super) use self::shuffle::set_shuffle;
use super::accept::Listening;
use super::buffers::{BufferRing, GROUP};
use super::connect::Connecting;
use super::executor::Unparker;
use super::features::{Features, SEND_FLAGS, TRY_FLAGS};
use super::pool::Pool;
use super::ring::{Ring, Wait};
use super::slab::{Key, Slab};
use super::state::connection::{Buffers, Connection, Operation, Piece, ReceiveForm};
use crate::engine::timer;

/// From how far away a deadline is not waited for by the entry itself, which would arm a timer each time (2% of the CPU of
/// a paced message): the tick looks after those. They are those of connections that say nothing, and no message's.
const FAR: Duration = Duration::from_secs(2);
/// How long a tick takes. At its end a deadline that was far away when it began is still to come, even if that was by the
/// time of the turn before.
static TICK: types::Timespec = types::Timespec::new().sec(FAR.as_secs() / 2);

/// How often the end of the engine looks whether the kernel has let go.
const STOPPING_LOOK: Duration = Duration::from_millis(10);

/// What an operation is.
pub(super) mod tag {
    pub(in super::super) const RECEIVE: u8 = 0;
    pub(in super::super) const TRY: u8 = 1;
    pub(in super::super) const SEND: u8 = 2;
    pub(in super::super) const ACCEPT: u8 = 3;
    pub(in super::super) const CONNECT: u8 = 4;
    /// A cancelling: what it says of itself is of no use, as what it cancels says so too.
    pub(in super::super) const CANCEL: u8 = 5;
    /// The bell was rung.
    pub(in super::super) const BELL: u8 = 6;
    /// A tick is over: deadlines are looked at again.
    pub(in super::super) const TICK: u8 = 7;
}

/// What the reading of the bell, ticks and cancellings carry: they are nobody's.
const BELL_BITS: u64 = (tag::BELL as u64) << 60;
const TICK_BITS: u64 = (tag::TICK as u64) << 60;
const CANCEL_BITS: u64 = (tag::CANCEL as u64) << 60;

/// Drivers of this process: a handle that outlives its engine must not be taken for one of the next on its thread.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// A connection with what its waking needs.
pub(super) struct Open {
    pub(super) socket: Rc<OwnedFd>,
    pub(super) connection: Connection,
    /// It is in the list of those that want something.
    attention: bool,
}

impl Open {
    /// Puts it on the list of those that want something, once.
    fn want(&mut self, key: Key, list: &mut Vec<Key>) {
        if !self.attention {
            self.attention = true;
            list.push(key);
        }
    }
}

pub(super) enum Entry {
    Open(Open),
    Connecting(Connecting),
    Listening(Listening),
}

/// See the module.
pub(super) struct Driver {
    form: Features,
    ring: Ring,
    buffers: RingBuffers,
    pub(super) entries: Slab<Entry>,
    pool: Pool,
    /// Connections that want something of the kernel.
    attention: Vec<Key>,
    /// Connections that have buffers of the ring.
    filled: Vec<Key>,
    /// Connections whose send was tried in this turn.
    tried: Vec<Key>,
    /// Connections without a stream that have something to send, and until when they may.
    lingering: VecDeque<(Instant, Key)>,
    completions: Vec<cqueue::Entry>,
    pub(super) wakes: Vec<Waker>,
    bell: Arc<Unparker>,
    /// Where the bell's count is read to.
    bell_count: Box<[u8; 8]>,
    bell_armed: bool,
    tick_armed: bool,
    /// The engine ends: nothing waits long, and nobody rings.
    stopping: bool,
    /// The end of the last turn.
    now: Instant,
    /// The ring has failed: nobody knows any more what the kernel still has.
    broken: bool,
    totals: RingCounters,
    #[cfg(test)]
    shuffle: Option<shuffle::Shuffle>,
}

/// The buffers of the ring, if the form has such.
pub(super) struct RingBuffers(Option<BufferRing>);

impl Buffers for RingBuffers {
    fn bytes(&self, piece: Piece) -> &[u8] {
        self.0.as_ref().map_or(&[], |buffers| buffers.bytes(piece))
    }

    fn give_back(&mut self, buffer: u16) {
        if let Some(buffers) = &mut self.0 {
            buffers.give_back(buffer);
        }
    }
}

impl Driver {
    fn new(form: Features) -> io::Result<Self> {
        let bell = Unparker::new()?;
        let ring = Ring::new(form)?;
        let buffers = if form.multishot_receive { Some(BufferRing::register(&ring)?) } else { None };
        Ok(Self {
            form,
            ring,
            buffers: RingBuffers(buffers),
            entries: Slab::new(STARTED.fetch_add(1, Ordering::Relaxed)),
            pool: Pool::default(),
            attention: Vec::new(),
            filled: Vec::new(),
            tried: Vec::new(),
            lingering: VecDeque::new(),
            completions: Vec::new(),
            wakes: Vec::new(),
            bell,
            bell_count: Box::default(),
            bell_armed: false,
            tick_armed: false,
            stopping: false,
            now: Instant::now(),
            broken: false,
            totals: RingCounters::default(),
            #[cfg(test)]
            shuffle: shuffle::Shuffle::of_thread(),
        })
    }

    /// Counts until now.
    pub(super) fn totals(&self) -> RingCounters {
        RingCounters {
            enters: self.ring.enters,
            submissions: self.ring.submissions,
            buffers: self.buffers.0.as_ref().map_or(0, BufferRing::used),
            buffers_low_water: self.buffers.0.as_ref().map_or(0, BufferRing::low_water),
            ..self.totals.clone()
        }
    }

    /// Slots that were ever used.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.entries.used()
    }

    /// Buffers of the ring that the kernel does not have.
    #[cfg(test)]
    pub(super) fn buffers_out(&self) -> u16 {
        self.buffers.0.as_ref().map_or(0, BufferRing::out)
    }

    /// How often completions were put into another order, and how many came late.
    #[cfg(test)]
    pub(super) fn shuffled(&self) -> (u64, u64) {
        self.shuffle.as_ref().map_or((0, 0), shuffle::Shuffle::counts)
    }

    /// Takes over a connected socket.
    pub(super) fn open(&mut self, socket: Rc<OwnedFd>) -> Key {
        let form = if self.form.multishot_receive { ReceiveForm::Multishot } else { ReceiveForm::OneShot };
        self.entries.insert(Entry::Open(Open {
            socket,
            connection: Connection::new(form, self.form.inline_send),
            attention: false,
        }))
    }

    /// Does something with a connection, and afterwards what it wants.
    pub(super) fn connection<T>(
        &mut self,
        key: Key,
        work: impl FnOnce(&mut Connection, &mut RingBuffers, &mut Pool) -> (T, bool),
    ) -> T {
        let Some(Entry::Open(open)) = self.entries.get_mut(key) else { panic!("a stream has its connection") };
        let (done, wants) = work(&mut open.connection, &mut self.buffers, &mut self.pool);
        if wants {
            open.want(key, &mut self.attention);
        }
        done
    }

    fn turn(&mut self, wait: bool) -> Instant {
        if wait && !self.bell_armed && !self.stopping {
            self.arm_bell();
        }
        self.spill();
        let awaited = self.submit_wanted();
        self.enter(wait && !awaited);
        loop {
            self.dispatch();
            // A completion that the kernel keeps back may tell of a try that failed: all of them, before tries are
            // taken to have gone through.
            if !self.ring.overflowed() {
                break;
            }
            self.totals.overflows += 1;
            self.enter_ring(Wait::No);
        }
        self.settle_tried();
        self.now = Instant::now();
        self.expire(self.now);
        self.now
    }

    /// Whether the kernel is to be asked for something.
    pub(super) fn is_wanted(&self) -> bool {
        !self.attention.is_empty()
    }

    /// Empties the inboxes of those that have not read: their buffers go back.
    fn spill(&mut self) {
        let mut filled = mem::take(&mut self.filled);
        for key in filled.drain(..) {
            let Some(Entry::Open(open)) = self.entries.get_mut(key) else { continue };
            open.connection.spill(&mut self.buffers, &mut self.pool);
            if open.connection.is_overfull() {
                open.want(key, &mut self.attention);
            }
        }
        self.filled = filled;
    }

    /// Asks the kernel for what connections want; lets go of those that are done. Says whether somebody waits for
    /// something that has no completion, so that this entry must not wait.
    fn submit_wanted(&mut self) -> bool {
        // Those of an earlier turn that the kernel has not taken yet.
        let tried = mem::take(&mut self.tried);
        let mut awaited = tried
            .iter()
            .any(|key| matches!(self.entries.get_mut(*key), Some(Entry::Open(open)) if open.connection.awaits_try()));
        self.tried = tried;
        let mut attention = mem::take(&mut self.attention);
        for key in attention.drain(..) {
            let Some(Entry::Open(open)) = self.entries.get_mut(key) else { continue };
            open.attention = false;
            let receive = open.connection.want_receive(&mut self.pool);
            let send = open.connection.want_send();
            if open.connection.is_done() {
                self.entries.remove(key);
                continue;
            }
            let fd = types::Fd(open.socket.as_raw_fd());
            let entries =
                [receive, send].map(|wanted| wanted.map(|wanted| entry(wanted, fd, key, &mut open.connection)));
            if send == Some(Operation::TrySend) {
                awaited |= open.connection.awaits_try();
                self.tried.push(key);
            }
            for entry in entries.into_iter().flatten() {
                // SAFETY: a cancelling points to nothing. All else points into the connection, behind a pointer that
                // does not move with it, and the connection keeps it, and its socket open, until it is done:
                // - a receive of its own writes to `Connection::receive_buffer`, kept until `Connection::is_done`;
                // - a send that waits reads `Connection::to_send`, likewise;
                // - a send that is tried reads it too, until `Connection::tried`. It completes within the entry that
                //   submits it (`form.rs` tries that at the start), and its memory goes to the pool and not to others.
                unsafe { self.push(entry) };
            }
        }
        self.attention = attention;
        awaited
    }

    /// Queues an operation.
    ///
    /// # Safety
    /// What `entry` points to stays where it is, and is touched by nobody else, and its socket stays open, until the
    /// operation has completed: in an entry of `self.entries` that is removed only then, or in `self`, behind a pointer
    /// that does not move with it.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: what the caller promises.
        if let Err(error) = unsafe { self.ring.push(&entry) } {
            self.broken = true;
            panic!("the ring does not take operations: {error}");
        }
    }

    /// Asks the kernel to end what carries these bits.
    pub(super) fn cancel(&mut self, bits: u64) {
        // SAFETY: it points to nothing.
        unsafe { self.push(cancel_entry(bits)) };
    }

    fn arm_bell(&mut self) {
        let fd = types::Fd(self.bell.descriptor().as_raw_fd());
        self.bell_armed = true;
        let read = opcode::Read::new(fd, self.bell_count.as_mut_ptr(), 8).build().user_data(BELL_BITS);
        // SAFETY: the count is boxed and, as the bell, the driver's, which is not dropped while `bell_armed`.
        unsafe { self.push(read) };
    }

    fn arm_tick(&mut self) {
        self.tick_armed = true;
        // SAFETY: it points to a static that nobody writes.
        unsafe { self.push(opcode::Timeout::new(&raw const TICK).build().user_data(TICK_BITS)) };
    }

    /// Enters the ring; if it is to wait, until something completes or is due.
    fn enter(&mut self, wait: bool) {
        #[cfg(test)]
        let wait = wait && !self.shuffle.as_ref().is_some_and(shuffle::Shuffle::holds);
        if !wait || !self.bell.may_wait() {
            self.enter_ring(Wait::No);
            return;
        }
        let due = [timer::next(), self.lingering.front().map(|&(until, _)| until)].into_iter().flatten().min();
        let wait = match due {
            _ if self.stopping => Wait::AtMost(STOPPING_LOOK),
            None => Wait::Long,
            // Far away by the time of the last turn, so that the clock is not read for it.
            Some(due) if due.saturating_duration_since(self.now) > FAR => {
                if !self.tick_armed {
                    self.arm_tick();
                }
                Wait::Long
            }
            Some(due) => Wait::AtMost(due.saturating_duration_since(Instant::now())),
        };
        self.enter_ring(wait);
        self.bell.waits_no_more();
    }

    fn enter_ring(&mut self, wait: Wait) {
        if let Err(error) = self.ring.enter(wait) {
            self.broken = true;
            panic!("the ring cannot be entered: {error}");
        }
    }

    /// Puts a connection on the list of those that want something.
    fn want(&mut self, key: Key) {
        if let Some(Entry::Open(open)) = self.entries.get_mut(key) {
            open.want(key, &mut self.attention);
        }
    }

    /// A send of many bytes was made beside the ring.
    pub(super) fn count_direct_send(&mut self) {
        self.totals.direct_sends += 1;
    }
}

/// The submission for what a connection wants.
fn entry(operation: Operation, fd: types::Fd, key: Key, connection: &mut Connection) -> squeue::Entry {
    let send = |data: &[u8], flags| {
        let length = u32::try_from(data.len()).expect("at most PENDING_MOST");
        opcode::Send::new(fd, data.as_ptr(), length).flags(flags).build()
    };
    match operation {
        Operation::ReceiveMultishot => opcode::RecvMulti::new(fd, GROUP).build().user_data(key.with_tag(tag::RECEIVE)),
        Operation::ReceiveOnce => {
            let buffer = connection.receive_buffer();
            let length = u32::try_from(buffer.len()).expect("a small constant");
            opcode::Recv::new(fd, buffer.as_mut_ptr(), length).build().user_data(key.with_tag(tag::RECEIVE))
        }
        Operation::TrySend => {
            send(connection.to_send(), TRY_FLAGS).flags(squeue::Flags::SKIP_SUCCESS).user_data(key.with_tag(tag::TRY))
        }
        Operation::Send => send(connection.to_send(), SEND_FLAGS).user_data(key.with_tag(tag::SEND)),
        Operation::CancelReceive => cancel_entry(key.with_tag(tag::RECEIVE)),
        Operation::CancelSend => cancel_entry(key.with_tag(tag::SEND)),
    }
}

/// The submission that ends what carries these bits. That it found nothing is told, and nobody listens: it has ended.
fn cancel_entry(bits: u64) -> squeue::Entry {
    let cancel = types::CancelBuilder::user_data(bits);
    opcode::AsyncCancel2::new(cancel).build().flags(squeue::Flags::SKIP_SUCCESS).user_data(CANCEL_BITS)
}
