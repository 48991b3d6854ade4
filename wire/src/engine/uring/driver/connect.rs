//! Connects.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::task::{Poll, Waker};

use io_uring::{opcode, types};
use rustix::net::SocketAddrAny;

use super::{Driver, Entry, tag};
use crate::engine::uring::slab::Key;
use crate::engine::uring::state::connect::ConnectState;

impl Driver {
    /// Submits a connect.
    pub(crate) fn connect(&mut self, socket: Rc<OwnedFd>, address: SocketAddrAny) -> Key {
        let fd = types::Fd(socket.as_raw_fd());
        let address = Box::new(address);
        let (start, length) = (address.as_ptr().cast(), address.addr_len());
        let key = self.entries.insert(Entry::Connect(ConnectState::new(socket, address)));
        let entry = opcode::Connect::new(fd, start, length).build().user_data(key.with_tag(tag::CONNECT));
        // SAFETY: the boxed address and the socket belong to the connect's entry, which is removed only when the connect
        // has completed; the address is not accessed meanwhile.
        unsafe { self.push(entry) };
        key
    }

    /// Takes the result of a connect, which removes its entry. If there is none yet, stores `waker` and moves the
    /// previous one to `old`.
    pub(crate) fn poll_connect(
        &mut self,
        key: Key,
        waker: &Waker,
        old: &mut Option<Waker>,
    ) -> Poll<io::Result<Rc<OwnedFd>>> {
        let Some(Entry::Connect(connect)) = self.entries.get_mut(key) else { panic!("a connect has its entry") };
        match connect.result {
            None => {
                *old = connect.waker.replace(waker.clone());
                Poll::Pending
            }
            Some(result) => {
                let socket = Rc::clone(&connect.socket);
                self.entries.remove(key);
                Poll::Ready(if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(socket) })
            }
        }
    }

    /// Handles the completion of a connect: zero or a negated error number.
    pub(super) fn connected(&mut self, key: Key, result: i32) {
        let Some(Entry::Connect(connect)) = self.entries.get_mut(key) else { return };
        if !connect.has_handle {
            self.entries.remove(key);
            return;
        }
        connect.result = Some(result);
        self.wakes.extend(connect.waker.take());
    }

    /// The connect handle was dropped: cancels the connect. Its entry stays until the kernel, which reads the address,
    /// has completed it. Returns the waker, for the caller to drop.
    pub(crate) fn detach_connect(&mut self, key: Key) -> Option<Waker> {
        let Some(Entry::Connect(connect)) = self.entries.get_mut(key) else { return None };
        let waker = connect.waker.take();
        if connect.result.is_some() {
            self.entries.remove(key);
            return waker;
        }
        connect.has_handle = false;
        self.cancel(key.with_tag(tag::CONNECT));
        waker
    }
}
