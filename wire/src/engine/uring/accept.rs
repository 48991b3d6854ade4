//! Accepting: one accept with the kernel for all connections of a listener (multishot, Linux 5.19).

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use io_uring::{opcode, types};
use rustix::net::SocketFlags;

use super::driver::{self, Driver, Entry, tag};
use super::slab::Key;
use super::stream::UringStream;

/// Connections accepted and not taken above which no more are accepted until they are.
const ACCEPTED_MOST: usize = 256;

/// A listening socket, as the driver has it.
pub(super) struct Listening {
    socket: OwnedFd,
    accepted: VecDeque<io::Result<OwnedFd>>,
    accept: Accept,
    waker: Option<Waker>,
    /// A listener holds it.
    held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accept {
    Off,
    /// With the kernel.
    On,
    /// With the kernel, which has been asked to end it.
    Ending,
}

/// A listening socket on the ring.
pub struct UringListener {
    key: Key,
}

impl UringListener {
    pub(super) fn new(socket: std::net::TcpListener) -> Self {
        let (accepted, accept) = (VecDeque::new(), Accept::Off);
        let listening = Listening { socket: socket.into(), accepted, accept, waker: None, held: true };
        Self { key: driver::with(|driver| driver.entries.insert(Entry::Listening(listening))) }
    }

    /// The next connection. One that came is kept if nobody waits for it any more: none is lost.
    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<UringStream>> {
        let mut old = None;
        let polled = driver::with(|driver| driver.poll_accept(self.key, cx.waker(), &mut old));
        drop(old);
        polled.map(|accepted| accepted.map(|socket| UringStream::new(Rc::new(socket))))
    }
}

impl Drop for UringListener {
    fn drop(&mut self) {
        // Collected and dropped outside the driver.
        drop(driver::try_with(|driver| driver.release_listener(self.key)));
    }
}

impl Driver {
    fn poll_accept(&mut self, key: Key, waker: &Waker, old: &mut Option<Waker>) -> Poll<io::Result<OwnedFd>> {
        let Some(Entry::Listening(listening)) = self.entries.get_mut(key) else { panic!("a listener has its entry") };
        if let Some(accepted) = listening.accepted.pop_front() {
            return Poll::Ready(accepted);
        }
        if !listening.waker.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
            *old = listening.waker.replace(waker.clone());
        }
        if listening.accept == Accept::Off {
            listening.accept = Accept::On;
            let entry = opcode::AcceptMulti::new(types::Fd(listening.socket.as_raw_fd()))
                .flags(SocketFlags::CLOEXEC.bits().cast_signed())
                .build()
                .user_data(key.with_tag(tag::ACCEPT));
            // SAFETY: it points to nothing; the socket is the entry's, which is removed only when the accept has ended.
            unsafe { self.push(entry) };
        }
        Poll::Pending
    }

    /// A connection came, or the accept has ended with an error; `more` tells whether it goes on.
    pub(super) fn accepted(&mut self, key: Key, result: i32, more: bool) {
        // SAFETY: the accept has just made this descriptor for us, and nobody else knows of it.
        let socket = (result >= 0).then(|| unsafe { OwnedFd::from_raw_fd(result) });
        let Some(Entry::Listening(listening)) = self.entries.get_mut(key) else { return };
        if !more {
            let ended = mem::replace(&mut listening.accept, Accept::Off);
            if !listening.held {
                self.entries.remove(key);
                return;
            }
            if ended == Accept::Ending && socket.is_none() {
                // It has ended as it was asked to: no error of a connection.
                self.wakes.extend(listening.waker.take());
                return;
            }
        }
        listening.accepted.push_back(socket.ok_or_else(|| io::Error::from_raw_os_error(-result)));
        self.wakes.extend(listening.waker.take());
        if listening.accept == Accept::On && listening.accepted.len() >= ACCEPTED_MOST {
            listening.accept = Accept::Ending;
            self.cancel(key.with_tag(tag::ACCEPT));
        }
    }

    /// The listener is gone. Connections that nobody took are closed.
    pub(super) fn release_listener(&mut self, key: Key) -> Option<Waker> {
        let Some(Entry::Listening(listening)) = self.entries.get_mut(key) else { return None };
        listening.held = false;
        listening.accepted.clear();
        let waker = listening.waker.take();
        match listening.accept {
            Accept::Off => drop(self.entries.remove(key)),
            Accept::On => {
                listening.accept = Accept::Ending;
                self.cancel(key.with_tag(tag::ACCEPT));
            }
            Accept::Ending => {}
        }
        waker
    }
}
