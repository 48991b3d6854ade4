//! A connect in flight as the driver sees it.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Waker;

use rustix::net::SocketAddrAny;

/// A connect, from its submission until its handle takes the result.
pub(crate) struct ConnectState {
    pub(crate) socket: Rc<OwnedFd>,
    /// Read by the kernel until the connect has completed, and by nothing else.
    _address: Box<SocketAddrAny>,
    pub(crate) result: Option<i32>,
    pub(crate) waker: Option<Waker>,
    /// A connect handle owns it.
    pub(crate) has_handle: bool,
}

impl ConnectState {
    pub(crate) fn new(socket: Rc<OwnedFd>, address: Box<SocketAddrAny>) -> Self {
        Self { socket, _address: address, result: None, waker: None, has_handle: true }
    }
}
