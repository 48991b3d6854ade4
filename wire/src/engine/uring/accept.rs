//! The handle of a listening socket.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::driver;
use super::slab::Key;
use super::stream::UringStream;

/// A listening socket on the ring.
pub struct UringListener {
    key: Key,
}

impl UringListener {
    pub(super) fn new(socket: std::net::TcpListener) -> Self {
        Self { key: driver::with(|driver| driver.listen(socket.into())) }
    }

    /// The next connection. Connections that arrive while nobody waits are kept, so none is lost.
    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<UringStream>> {
        let mut old = None;
        let polled = driver::with(|driver| driver.poll_accept(self.key, cx.waker(), &mut old));
        drop(old);
        polled.map(|accepted| accepted.map(|socket| UringStream::new(Rc::new(socket))))
    }
}

impl Drop for UringListener {
    fn drop(&mut self) {
        // The waker is dropped while the driver is not borrowed.
        drop(driver::try_with(|driver| driver.detach_listener(self.key)));
    }
}
