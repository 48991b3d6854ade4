//! The driver and the kernel of the model: they run the operations of the connection.

use super::step::Outcome;
use super::world::{BUFFERS, Model, Range, Sending, bytes, wake};
use crate::engine::uring::errno::{EAGAIN, ECANCELED, EINTR, EPIPE};
use crate::engine::uring::state::connection::{MAX_UNREAD, Operation, ReceiveMode};

impl Model {
    /// Like `Driver::iterate`.
    pub(super) fn iterate(&mut self, outcome: Outcome) {
        self.connection.copy_out(&mut self.buffers, &mut self.pool);
        assert_eq!(self.buffers.with_kernel.len(), usize::from(BUFFERS), "a buffer is kept while the thread may wait");
        self.ready |= self.connection.is_overfull();
        if std::mem::take(&mut self.ready) {
            let receive = self.connection.next_receive(&mut self.pool);
            let send = self.connection.next_send();
            if self.connection.is_done() {
                assert!(self.receive.is_none() && self.send.is_none(), "removed with operations in flight");
                assert!(!self.has_handle, "removed with its stream");
                assert!(self.sent == self.written || self.failed || self.discards, "removed with unsent data");
                self.gone = true;
                return;
            }
            receive.into_iter().chain(send).for_each(|operation| self.submit(operation));
        }
        if self.has_handle && self.receive_mode == ReceiveMode::Multishot && self.delivered - self.read >= MAX_UNREAD {
            assert!(self.receive.is_none() || self.receive_cancelled, "receives although nobody reads");
        }
        let Some(Sending::Inline(_)) = self.send else { return };
        match outcome {
            Outcome::Later => return,
            Outcome::Partial(max) if max < self.connection.send_data().len() => {
                let count = self.send_bytes(max);
                wake(self.connection.inline_send_incomplete(i32::try_from(count).expect("a small number")));
                self.ready = true;
            }
            Outcome::All | Outcome::Partial(_) => drop(self.send_bytes(usize::MAX)),
            Outcome::NoRoom => {
                wake(self.connection.inline_send_incomplete(-EAGAIN));
                self.ready = true;
            }
            Outcome::Error => {
                self.failed = true;
                wake(self.connection.inline_send_incomplete(-EPIPE));
                self.ready = true;
            }
        }
        self.send = None;
        wake(self.connection.inline_send_done(&mut self.pool));
        self.ready |= self.connection.sendable().is_some() || self.connection.is_done();
    }

    fn submit(&mut self, operation: Operation) {
        match operation {
            Operation::ReceiveMultishot | Operation::ReceiveOnce => {
                assert!(self.receive.is_none() && self.end.is_none() && self.has_handle, "useless {operation:?}");
                let one_shot = operation == Operation::ReceiveOnce;
                assert_eq!(one_shot, self.receive_mode == ReceiveMode::OneShot);
                self.receive = Some(one_shot.then(|| Range::of(self.connection.receive_buffer())));
            }
            Operation::CancelReceive => {
                assert!(self.receive.is_some() && !self.receive_cancelled, "nothing to cancel");
                self.receive_cancelled = true;
            }
            Operation::SendInline | Operation::Send => {
                assert!(self.send.is_none() && !self.failed && !self.discards, "useless {operation:?}");
                let range = Range::of(self.connection.send_data());
                assert!(range.1 > 0);
                self.send =
                    Some(if operation == Operation::Send { Sending::Wait(range) } else { Sending::Inline(range) });
            }
            Operation::CancelSend => {
                assert!(matches!(self.send, Some(Sending::Wait(_))) && !self.send_cancelled, "nothing to cancel");
                self.send_cancelled = true;
            }
        }
    }

    /// The kernel sends at most `max` bytes. Returns how many.
    fn send_bytes(&mut self, max: usize) -> usize {
        let data = self.connection.send_data();
        let count = max.min(data.len());
        assert!(&data[..count] == bytes(self.sent, count), "wrong data was sent");
        self.sent += count;
        count
    }

    pub(super) fn send_ends(&mut self, outcome: Outcome) {
        let Some(Sending::Wait(_)) = self.send else { return };
        let result = match outcome {
            Outcome::All => self.send_bytes(usize::MAX).try_into().expect("a small number"),
            Outcome::Partial(max) => self.send_bytes(max).try_into().expect("a small number"),
            Outcome::Error => -EPIPE,
            Outcome::NoRoom | Outcome::Later if self.send_cancelled => -ECANCELED,
            Outcome::NoRoom => -EINTR,
            Outcome::Later => return,
        };
        self.failed |= result < 0 && result != -EINTR;
        (self.send, self.send_cancelled) = (None, false);
        wake(self.connection.sent(result, &mut self.pool));
        self.ready = true;
    }
}
