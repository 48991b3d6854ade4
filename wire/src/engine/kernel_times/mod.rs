//! The kernel's own times of what a connection sends and receives: a second clock, which leaves this program out.
//!
//! SO_TIMESTAMPING (Documentation/networking/timestamping.rst of Linux) has the kernel record when each send call passes to
//! the packet scheduler (TX_SCHED) and when each packet was received (RX_SOFTWARE). The time of a receive is a control
//! message of recvmsg(). The time of a send arrives on the socket's error queue, with the number of the call's last byte. A
//! queue that is not empty raises POLLERR, so an engine empties it as long as a time is awaited ([`KernelTimes::awaits`]).
//!
//! The recording lasts as long as the socket. Ending it earlier would not take back the requests of what was written and
//! not yet transmitted: their entries would arrive without SOF_TIMESTAMPING_OPT_TSONLY, that is with a copy of the packet,
//! which counts against the receive buffer. Unread, they close the receive window for good.
//!
//! All times are of CLOCK_REALTIME; [`realtime`] converts them.

#![allow(unsafe_code)]

mod control;
mod realtime;
mod socket;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType};

#[cfg(test)]
pub(super) use self::control::fake;
pub(super) use self::control::{Control, ERROR_FLAGS, MessageHeader};
pub(super) use self::socket::{drain, receive};

/// Send times of a connection that are kept until [`KernelTimes::transmitted`] asks for a later one. Beyond it the oldest
/// are forgotten.
const MAX_TRANSMITS: usize = 1024;
/// Room for the send times of the messages of an ordinary connection.
const TRANSMITS: usize = 16;

/// The kernel's times of one connection. The engine updates them, whoever observes the connection reads them.
#[derive(Debug)]
pub struct KernelTimes {
    connect: Option<Duration>,
    written: Cell<u64>,
    /// Bytes up to the end of the latest send call whose time is known.
    stamped: Cell<u64>,
    /// The ends of send calls, as numbers of bytes, and when they passed to the packet scheduler.
    transmits: RefCell<VecDeque<(u64, Instant)>>,
    received: Cell<Option<Instant>>,
}

impl KernelTimes {
    /// Has the kernel record the times of a connected socket from now on. Nothing may have been sent yet, because the
    /// kernel numbers the bytes from here.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn observe(socket: impl AsFd) -> io::Result<Rc<Self>> {
        let connect = socket::round_trip_time(socket.as_fd())?;
        socket::enable(socket.as_fd())?;
        Ok(Rc::new(Self::new(connect)))
    }

    /// Of a connection whose SYN took this long.
    pub(super) fn new(connect: Option<Duration>) -> Self {
        Self {
            connect,
            written: Cell::new(0),
            stamped: Cell::new(0),
            transmits: RefCell::new(VecDeque::with_capacity(TRANSMITS)),
            received: Cell::new(None),
        }
    }

    /// The round trip of the SYN (`tcpi_rtt` of TCP_INFO), with a resolution of 1 µs. `None` if the kernel does not know it.
    pub fn connect(&self) -> Option<Duration> {
        self.connect
    }

    /// Bytes written to the stream so far: the number of the next byte.
    pub fn written(&self) -> u64 {
        self.written.get()
    }

    /// When the kernel had the last byte that was read from the stream. The kernel keeps one time for the packets that wait
    /// in its queue together, that of the latest one; so does a read that takes more than one message.
    pub fn received(&self) -> Option<Instant> {
        self.received.get()
    }

    /// When the send call with the byte of this number passed to the packet scheduler; `None` if that is unknown. Forgets
    /// earlier calls, so ask for later bytes only.
    pub fn transmitted(&self, byte: u64) -> Option<Instant> {
        let mut transmits = self.transmits.borrow_mut();
        while transmits.front().is_some_and(|&(end, _)| end <= byte) {
            transmits.pop_front();
        }
        transmits.front().map(|&(_, at)| at)
    }

    /// The stream took this many bytes.
    pub(super) fn wrote(&self, count: usize) {
        self.written.set(self.written.get() + count as u64);
    }

    /// Whether a send time is still to come.
    pub(super) fn awaits(&self) -> bool {
        self.written.get() > self.stamped.get()
    }

    /// What was read last came with this control message.
    pub(super) fn note_receive(&self, control: Control) {
        self.received.set(control.time.and_then(realtime::instant));
    }

    /// The error queue had this control message.
    pub(super) fn note_error(&self, control: Control) {
        let Control { time: Some(time), last_byte: Some(last_byte) } = control else { return };
        // The kernel counts modulo 2^32. The byte is one of those that were written.
        let behind = (self.written.get() as u32).wrapping_sub(last_byte.wrapping_add(1));
        let Some(end) = self.written.get().checked_sub(u64::from(behind)) else { return };
        // The first transmission counts, not a repetition.
        if end <= self.stamped.get() {
            return;
        }
        self.stamped.set(end);
        let Some(at) = realtime::instant(time) else { return };
        let mut transmits = self.transmits.borrow_mut();
        if transmits.len() == MAX_TRANSMITS {
            transmits.pop_front();
        }
        transmits.push_back((end, at));
    }
}

/// Keeps the kernel recording when packets are received, until dropped.
///
/// The kernel does so while at least one socket asks for it, and begins and ends it in the background, by patching its code on
/// all CPUs. Connections that come and go would have it do that again and again, and the first packets would have no time.
#[derive(Debug)]
pub struct KernelRecording {
    _socket: OwnedFd,
}

impl KernelRecording {
    /// Begins it.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn start() -> io::Result<Self> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        socket::enable_receive(socket.as_fd())?;
        Ok(Self { _socket: socket })
    }
}

#[cfg(test)]
mod tests;
