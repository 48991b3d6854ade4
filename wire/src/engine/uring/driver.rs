//! The driver: one thread's ring and the state of everything that was submitted to it.
//!
//! A ring iteration: the operations that connections need become submissions; one `io_uring_enter` submits them and
//! waits; completions are dispatched to their entries; the tasks that wait for them are woken. Wakers are collected, and
//! called or dropped only when nothing is borrowed, because a waker may run arbitrary code.

mod completions;
mod connect;
mod current;
mod listener;
#[cfg(test)]
mod shuffle;
mod shutdown;
mod submission;
mod tag;
mod wait;

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use io_uring::cqueue;
use wss_model::config::IdlePolicy;
use wss_model::ring_counters::RingCounters;

pub(super) use self::current::{run_iteration, start, stop, try_with, unparker, with};
#[cfg(test)]
pub(super) use self::shuffle::{Delivery, set_shuffle};
use super::buffers::BufferRing;
use super::features::Features;
use super::pool::Pool;
use super::ring::{Ring, Wait};
use super::slab::{Key, Slab};
use super::state::connect::ConnectState;
use super::state::connection::{Connection, ReceiveMode, SendMode};
use super::state::listener::ListenerState;
use super::wakeup::Unparker;
use crate::engine::idle;
use crate::engine::kernel_times::KernelTimes;
use crate::engine::look::{self, Look};

/// Deadlines further away than this are left to the tick: as a timeout of `io_uring_enter` they would arm a kernel timer
/// in every iteration (2% of the CPU of a paced message). They belong to idle connections, not to messages.
const FAR: Duration = Duration::from_secs(2);

/// How often the shutdown checks whether the kernel has completed everything.
const SHUTDOWN_POLL: Duration = Duration::from_millis(10);

/// Drivers started in this process, so that a handle that outlives its engine does not match an entry of the next one on
/// its thread.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// Whether a ring iteration may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Iteration {
    /// Submits and dispatches what has completed.
    Poll,
    /// Also waits until an operation completes or a deadline passes.
    Wait,
}

/// What a connection needs from the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interest {
    /// Nothing.
    None,
    /// To be visited in the next ring iteration: it has an operation to submit, or is done.
    Visit,
}

impl Interest {
    pub(super) fn visit_if(condition: bool) -> Self {
        if condition { Self::Visit } else { Self::None }
    }
}

/// What an operation in flight belongs to. An entry is removed only when the kernel has completed its operations.
enum Entry {
    Connection(ConnectionEntry),
    Connect(ConnectState),
    Listener(ListenerState),
}

/// A connection and its socket.
struct ConnectionEntry {
    socket: Rc<OwnedFd>,
    connection: Connection,
    /// It is on the ready list.
    is_ready: bool,
    /// The number of the look that found what was received last.
    found: u64,
}

impl ConnectionEntry {
    /// Puts it on the ready list, once.
    fn mark_ready(&mut self, key: Key, ready: &mut Vec<Key>) {
        if !self.is_ready {
            self.is_ready = true;
            ready.push(key);
        }
    }
}

/// See the module.
pub(super) struct Driver {
    features: Features,
    ring: Ring,
    /// With multishot receives.
    buffers: Option<BufferRing>,
    entries: Slab<Entry>,
    pool: Pool,
    /// The ready list: connections to visit in the next iteration.
    ready: Vec<Key>,
    /// Connections that hold buffers of the ring.
    filled: Vec<Key>,
    /// Connections with an inline send in flight.
    inline_sends: Vec<Key>,
    /// Detached connections with unsent data, and when that data is discarded.
    lingering: VecDeque<(Instant, Key)>,
    completions: Vec<cqueue::Entry>,
    wakes: Vec<Waker>,
    unparker: Arc<Unparker>,
    /// The buffer of the read of the unparker's eventfd.
    unpark_count: Box<[u8; 8]>,
    unpark_armed: bool,
    tick_armed: bool,
    /// The engine shuts down: waits are short, and the unparker is not used.
    shutting_down: bool,
    idle: IdlePolicy,
    /// The looks of this thread are recorded: see [`look`].
    observed: bool,
    /// The number of the current or latest iteration.
    looks: u64,
    /// When the latest iteration ended.
    now: Instant,
    /// The ring has failed, and what the kernel still owns is unknown.
    broken: bool,
    counters: RingCounters,
    #[cfg(test)]
    shuffle: Option<shuffle::Shuffle>,
}

impl Driver {
    fn new(features: Features) -> io::Result<Self> {
        let unparker = Unparker::new()?;
        let ring = Ring::new(features)?;
        let buffers = if features.multishot_receive { Some(BufferRing::register(&ring)?) } else { None };
        Ok(Self {
            features,
            ring,
            buffers,
            entries: Slab::new(STARTED.fetch_add(1, Ordering::Relaxed)),
            pool: Pool::default(),
            ready: Vec::new(),
            filled: Vec::new(),
            inline_sends: Vec::new(),
            lingering: VecDeque::new(),
            completions: Vec::new(),
            wakes: Vec::new(),
            unparker,
            unpark_count: Box::default(),
            unpark_armed: false,
            tick_armed: false,
            shutting_down: false,
            idle: idle::policy(),
            observed: look::is_observed(),
            looks: 0,
            now: Instant::now(),
            broken: false,
            counters: RingCounters::default(),
            #[cfg(test)]
            shuffle: shuffle::Shuffle::of_thread(),
        })
    }

    /// The counters since the start.
    pub(super) fn counters(&self) -> RingCounters {
        RingCounters {
            enters: self.ring.enters,
            submissions: self.ring.submissions,
            buffers: self.buffers.as_ref().map_or(0, BufferRing::in_use),
            buffers_low_water: self.buffers.as_ref().map_or(0, BufferRing::low_water),
            ..self.counters.clone()
        }
    }

    /// The number of connections, connects and listeners.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// The number of slots that were ever used.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.entries.ever_used()
    }

    /// The number of buffers of the ring that the kernel does not have.
    #[cfg(test)]
    pub(super) fn buffers_out(&self) -> u16 {
        self.buffers.as_ref().map_or(0, BufferRing::out)
    }

    /// How often completions were reordered, and how many were delayed.
    #[cfg(test)]
    pub(super) fn shuffled(&self) -> (u64, u64) {
        self.shuffle.as_ref().map_or((0, 0), shuffle::Shuffle::counts)
    }

    /// Adds a connection with a connected socket.
    pub(super) fn open(&mut self, socket: Rc<OwnedFd>) -> Key {
        let receive = if self.features.multishot_receive { ReceiveMode::Multishot } else { ReceiveMode::OneShot };
        let send = if self.features.inline_send { SendMode::Inline } else { SendMode::Waiting };
        let connection = Connection::new(receive, send);
        self.entries.insert(Entry::Connection(ConnectionEntry { socket, connection, is_ready: false, found: 0 }))
    }

    /// Has a connection record kernel times.
    pub(super) fn stamp(&mut self, key: Key, times: Rc<KernelTimes>) {
        self.connection(key, |connection, _, _| (connection.stamp(times), Interest::None));
    }

    /// Calls `work` with a connection, and puts the connection on the ready list if `work` says so.
    pub(super) fn connection<T>(
        &mut self,
        key: Key,
        work: impl FnOnce(&mut Connection, &mut Option<BufferRing>, &mut Pool) -> (T, Interest),
    ) -> T {
        let Some(Entry::Connection(entry)) = self.entries.get_mut(key) else { panic!("a stream has its connection") };
        let (output, interest) = work(&mut entry.connection, &mut self.buffers, &mut self.pool);
        if interest == Interest::Visit {
            entry.mark_ready(key, &mut self.ready);
        }
        output
    }

    /// Runs one ring iteration: see the module. Returns when it ended.
    fn iterate(&mut self, iteration: Iteration) -> Instant {
        if iteration == Iteration::Wait && !self.unpark_armed && !self.shutting_down {
            self.arm_unpark();
        }
        self.looks += 1;
        self.copy_out();
        let inline_send_awaited = self.submit_ready();
        let unseen = self.submit_and_wait(if inline_send_awaited { Iteration::Poll } else { iteration });
        loop {
            self.dispatch();
            // A completion that the kernel keeps back may report an incomplete inline send: take all of them before
            // inline sends without a completion are considered done.
            if !self.ring.overflowed() {
                break;
            }
            self.counters.overflows += 1;
            self.enter(Wait::No);
        }
        self.finish_inline_sends();
        self.now = Instant::now();
        if self.observed {
            look::record(Look { number: self.looks, ended: self.now, unseen: unseen(self.now) });
        }
        self.expire(self.now);
        self.now
    }

    /// Whether a connection has an operation to submit.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Copies out what was received and not read, so that the buffers go back to the kernel.
    fn copy_out(&mut self) {
        let mut filled = mem::take(&mut self.filled);
        for key in filled.drain(..) {
            let Some(Entry::Connection(entry)) = self.entries.get_mut(key) else { continue };
            entry.connection.copy_out(&mut self.buffers, &mut self.pool);
            if entry.connection.is_overfull() {
                entry.mark_ready(key, &mut self.ready);
            }
        }
        self.filled = filled;
    }

    fn enter(&mut self, wait: Wait) {
        if let Err(error) = self.ring.submit_and_wait(wait) {
            self.broken = true;
            panic!("io_uring_enter failed: {error}");
        }
    }

    /// Puts a connection on the ready list.
    fn mark_ready(&mut self, key: Key) {
        if let Some(Entry::Connection(entry)) = self.entries.get_mut(key) {
            entry.mark_ready(key, &mut self.ready);
        }
    }

    /// A stream read what its connection received: see [`look::of_latest_read`].
    pub(super) fn note_read(&mut self, key: Key) {
        if self.observed
            && let Some(Entry::Connection(entry)) = self.entries.get_mut(key)
        {
            look::record_read(entry.found);
        }
    }

    /// Counts a large write that was sent by a direct system call.
    pub(super) fn count_direct_send(&mut self) {
        self.counters.direct_sends += 1;
    }
}
