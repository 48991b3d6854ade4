//! The kernel times of a connection: the memory of its recvmsg() operations, and the one that reads the error queue.
//!
//! An entry of the error queue raises POLLERR, which wakes a receive in vain. So the error queue is read in the submission
//! that follows the send, before a receive begins to wait; the times of a send without waiting are there by then.

use std::rc::Rc;

use super::connection::{Connection, Operation, ReceiveMode, ReceiveState};
use crate::engine::kernel_times::{KernelTimes, MessageHeader};

/// See the module.
#[derive(Debug)]
pub(crate) struct Stamping {
    times: Rc<KernelTimes>,
    receive: Box<MessageHeader>,
    error: Box<MessageHeader>,
    error_state: ReceiveState,
    /// The error queue could not be read: it is left alone until the next write.
    given_up: bool,
}

impl Stamping {
    pub(super) fn is_idle(&self) -> bool {
        self.error_state == ReceiveState::Idle
    }

    pub(super) fn note_receive(&self) {
        self.times.note_receive(self.receive.parse());
    }
}

impl Connection {
    /// From now on receives with the kernel's times. Nothing was written or read yet.
    pub(crate) fn stamp(&mut self, times: Rc<KernelTimes>) {
        debug_assert!(self.receive == ReceiveState::Idle && self.stamping.is_none());
        let (receive, error) = (MessageHeader::new(), MessageHeader::new());
        self.receive_mode = ReceiveMode::Stamped;
        self.stamping =
            Some(Box::new(Stamping { times, receive, error, error_state: ReceiveState::Idle, given_up: false }));
    }

    /// The kernel times, if they are recorded.
    pub(crate) fn kernel_times(&self) -> Option<&Rc<KernelTimes>> {
        self.stamping.as_ref().map(|stamping| &stamping.times)
    }

    /// The stream took this many bytes: the kernel will record when it sends them.
    pub(crate) fn note_write(&mut self, count: usize) {
        if let Some(stamping) = &mut self.stamping {
            stamping.times.wrote(count);
            stamping.given_up = false;
        }
    }

    /// Whether a send time is awaited and nothing waits for it. Of a detached connection too, while data is unsent: an
    /// entry that nobody reads would wake its send in vain.
    pub(crate) fn needs_error(&self) -> bool {
        (self.has_handle || self.has_unsent())
            && self.stamping.as_ref().is_some_and(|stamping| {
                stamping.error_state == ReceiveState::Idle && stamping.times.awaits() && !stamping.given_up
            })
    }

    /// Whether the read of the error queue is to be cancelled: the connection is detached and has sent everything.
    pub(crate) fn must_cancel_error(&self) -> bool {
        !self.has_handle
            && !self.has_unsent()
            && self.stamping.as_ref().is_some_and(|stamping| stamping.error_state == ReceiveState::Submitted)
    }

    /// The operation on the error queue that is due, if any. The caller must submit it, after the sends that it submits.
    pub(crate) fn next_error(&mut self) -> Option<Operation> {
        let needs_error = self.needs_error();
        let must_cancel_error = self.must_cancel_error();
        let stamping = self.stamping.as_mut()?;
        match stamping.error_state {
            ReceiveState::Idle if needs_error => {
                stamping.error_state = ReceiveState::Submitted;
                Some(Operation::ReceiveError)
            }
            ReceiveState::Submitted if must_cancel_error => {
                stamping.error_state = ReceiveState::Cancelling;
                Some(Operation::CancelError)
            }
            _ => None,
        }
    }

    /// The header of a stamped receive, into [`receive_buffer`](Self::receive_buffer).
    pub(crate) fn receive_header(&mut self) -> *mut libc::msghdr {
        let stamping =
            self.stamping.as_mut().expect("a stamped receive is submitted by a connection with kernel times");
        stamping.receive.prepare(&mut self.receive_target)
    }

    /// The header of a read of the error queue.
    pub(crate) fn error_header(&mut self) -> *mut libc::msghdr {
        let stamping = self.stamping.as_mut().expect("the error queue is read by a connection with kernel times");
        stamping.error.prepare(&mut [])
    }

    /// Where the memory of both is.
    #[cfg(test)]
    pub(crate) fn header_addresses(&self) -> Option<[[*const u8; 3]; 2]> {
        self.stamping.as_ref().map(|stamping| [stamping.receive.addresses(), stamping.error.addresses()])
    }

    /// Completes a receive and a read of the error queue as the kernel would.
    #[cfg(test)]
    pub(crate) fn complete_receive_header(&mut self, messages: &[u8]) {
        self.stamping.as_mut().expect("kernel times").receive.complete(messages);
    }

    /// See [`complete_receive_header`](Self::complete_receive_header).
    #[cfg(test)]
    pub(crate) fn complete_error_header(&mut self, messages: &[u8]) {
        self.stamping.as_mut().expect("kernel times").error.complete(messages);
    }

    /// Whether the error queue is left alone until the next write.
    #[cfg(test)]
    pub(crate) fn has_given_up(&self) -> bool {
        self.stamping.as_ref().is_some_and(|stamping| stamping.given_up)
    }

    /// The read of the error queue completed: zero or a negated error number.
    pub(crate) fn error_received(&mut self, result: i32) {
        let Some(stamping) = &mut self.stamping else { return };
        stamping.error_state = ReceiveState::Idle;
        if result >= 0 {
            stamping.times.note_error(stamping.error.parse());
        } else {
            stamping.given_up = true;
        }
    }
}
