//! Listeners: the multishot accept (Linux 5.19), one submission for all connections of a listener.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::task::{Poll, Waker};

use io_uring::{cqueue, opcode, types};
use rustix::net::SocketFlags;

use super::{Driver, Entry, tag};
use crate::engine::uring::slab::Key;
use crate::engine::uring::state::listener::{AcceptState, ListenerState, MAX_ACCEPTED};

impl Driver {
    /// Adds a listening socket.
    pub(crate) fn listen(&mut self, socket: OwnedFd) -> Key {
        self.entries.insert(Entry::Listener(ListenerState::new(socket)))
    }

    /// Takes an accepted connection. If there is none, stores `waker`, moves the previous one to `old`, and submits the
    /// accept unless it is in flight.
    pub(crate) fn poll_accept(
        &mut self,
        key: Key,
        waker: &Waker,
        old: &mut Option<Waker>,
    ) -> Poll<io::Result<OwnedFd>> {
        let Some(Entry::Listener(listener)) = self.entries.get_mut(key) else { panic!("a listener has its entry") };
        if let Some(accepted) = listener.accepted.pop_front() {
            return Poll::Ready(accepted);
        }
        if !listener.waker.as_ref().is_some_and(|stored| stored.will_wake(waker)) {
            *old = listener.waker.replace(waker.clone());
        }
        if listener.accept == AcceptState::Idle {
            listener.accept = AcceptState::Submitted;
            let entry = opcode::AcceptMulti::new(types::Fd(listener.socket.as_raw_fd()))
                .flags(SocketFlags::CLOEXEC.bits().cast_signed())
                .build()
                .user_data(key.with_tag(tag::ACCEPT));
            // SAFETY: the entry points to no memory. The socket belongs to the listener's entry, which is removed only
            // when the accept has ended.
            unsafe { self.push(entry) };
        }
        Poll::Pending
    }

    /// Handles a completion of the accept: a descriptor or a negated error number.
    pub(super) fn accepted(&mut self, key: Key, result: i32, flags: u32) {
        // SAFETY: the accept has just created this descriptor, and nothing else owns it.
        let socket = (result >= 0).then(|| unsafe { OwnedFd::from_raw_fd(result) });
        let Some(Entry::Listener(listener)) = self.entries.get_mut(key) else { return };
        if !cqueue::more(flags) {
            let state = mem::replace(&mut listener.accept, AcceptState::Idle);
            if !listener.has_handle {
                self.entries.remove(key);
                return;
            }
            if state == AcceptState::Cancelling && socket.is_none() {
                // Cancelled by the engine, so not an error of a connection.
                self.wakes.extend(listener.waker.take());
                return;
            }
        }
        listener.accepted.push_back(socket.ok_or_else(|| io::Error::from_raw_os_error(-result)));
        self.wakes.extend(listener.waker.take());
        if listener.accept == AcceptState::Submitted && listener.accepted.len() >= MAX_ACCEPTED {
            listener.accept = AcceptState::Cancelling;
            self.cancel(key.with_tag(tag::ACCEPT));
        }
    }

    /// The listener handle was dropped: closes the accepted connections and cancels the accept. Returns the waker, for
    /// the caller to drop.
    pub(crate) fn detach_listener(&mut self, key: Key) -> Option<Waker> {
        let Some(Entry::Listener(listener)) = self.entries.get_mut(key) else { return None };
        listener.has_handle = false;
        listener.accepted.clear();
        let waker = listener.waker.take();
        match listener.accept {
            AcceptState::Idle => drop(self.entries.remove(key)),
            AcceptState::Submitted => {
                listener.accept = AcceptState::Cancelling;
                self.cancel(key.with_tag(tag::ACCEPT));
            }
            AcceptState::Cancelling => {}
        }
        waker
    }
}
