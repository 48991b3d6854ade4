//! Shutting sockets down: the only way to end operations in flight, which tokio-uring never cancels.

use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::net::Shutdown;

thread_local! {
    /// Whether tasks can be spawned: not while the runtime is being dropped.
    pub(super) static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Shuts a socket down when dropped, which ends the operations in flight on it.
pub(super) struct ShutdownGuard(Option<Rc<OwnedFd>>);

impl ShutdownGuard {
    pub(super) fn new(socket: Rc<OwnedFd>) -> Self {
        Self(Some(socket))
    }

    /// Returns the socket without shutting it down.
    pub(super) fn disarm(mut self) -> Rc<OwnedFd> {
        self.0.take().expect("taken only here, by value")
    }
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            let _ = rustix::net::shutdown(socket.as_fd(), Shutdown::Both);
        }
    }
}
