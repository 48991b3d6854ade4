//! A listening socket as the driver sees it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::task::Waker;

/// Maximum number of accepted connections that nobody has taken; at this many the accept is cancelled.
pub(crate) const MAX_ACCEPTED: usize = 256;

/// A listening socket, its accept and the accepted connections.
pub(crate) struct ListenerState {
    pub(crate) socket: OwnedFd,
    pub(crate) accepted: VecDeque<io::Result<OwnedFd>>,
    pub(crate) accept: AcceptState,
    pub(crate) waker: Option<Waker>,
    /// A listener handle owns it.
    pub(crate) has_handle: bool,
}

/// The multishot accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcceptState {
    Idle,
    /// Submitted to the kernel.
    Submitted,
    /// Submitted, and its cancellation as well.
    Cancelling,
}

impl ListenerState {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, accepted: VecDeque::new(), accept: AcceptState::Idle, waker: None, has_handle: true }
    }
}
