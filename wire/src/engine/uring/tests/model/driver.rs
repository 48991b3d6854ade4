//! What the driver and the kernel do with what the connection wants.

use super::world::{BUFFERS, Model, Range, Sending, bytes, wake};
use super::{EAGAIN, ECANCELED, EINTR, EPIPE, Outcome};
use crate::engine::uring::state::connection::{Operation, ReceiveForm, UNREAD_MOST};

impl Model {
    /// As `Driver::turn`.
    pub(super) fn turn(&mut self, outcome: Outcome) {
        self.connection.spill(&mut self.buffers, &mut self.pool);
        assert_eq!(self.buffers.with_kernel.len(), usize::from(BUFFERS), "a buffer is kept while the thread may wait");
        self.attention |= self.connection.is_overfull();
        if std::mem::take(&mut self.attention) {
            let receive = self.connection.want_receive(&mut self.pool);
            let send = self.connection.want_send();
            if self.connection.is_done() {
                assert!(self.receive.is_none() && self.send.is_none(), "the kernel has not let go");
                assert!(!self.held, "the stream is there");
                assert!(self.sent == self.written || self.failed || self.given_up, "something is unsent");
                self.gone = true;
                return;
            }
            receive.into_iter().chain(send).for_each(|operation| self.submit(operation));
        }
        if self.held && self.form == ReceiveForm::Multishot && self.delivered - self.read >= UNREAD_MOST {
            assert!(self.receive.is_none() || self.receive_cancelled, "goes on receiving what nobody reads");
        }
        let Some(Sending::Try(_)) = self.send else { return };
        match outcome {
            Outcome::Later => return,
            Outcome::Partial(most) if most < self.connection.to_send().len() => {
                let most = self.sent_bytes(most);
                wake(self.connection.try_failed(i32::try_from(most).expect("a small number")));
                self.attention = true;
            }
            Outcome::All | Outcome::Partial(_) => drop(self.sent_bytes(usize::MAX)),
            Outcome::NoRoom => {
                wake(self.connection.try_failed(-EAGAIN));
                self.attention = true;
            }
            Outcome::Error => {
                self.failed = true;
                wake(self.connection.try_failed(-EPIPE));
                self.attention = true;
            }
        }
        self.send = None;
        wake(self.connection.tried(&mut self.pool));
        self.attention |= self.connection.sendable().is_some() || self.connection.is_done();
    }

    fn submit(&mut self, operation: Operation) {
        match operation {
            Operation::ReceiveMultishot | Operation::ReceiveOnce => {
                assert!(self.receive.is_none() && self.end.is_none() && self.held, "{operation:?} in vain");
                let own = operation == Operation::ReceiveOnce;
                assert_eq!(own, self.form == ReceiveForm::OneShot);
                self.receive = Some(own.then(|| Range::of(self.connection.receive_buffer())));
            }
            Operation::CancelReceive => {
                assert!(self.receive.is_some() && !self.receive_cancelled, "nothing to cancel");
                self.receive_cancelled = true;
            }
            Operation::TrySend | Operation::Send => {
                assert!(self.send.is_none() && !self.failed && !self.given_up, "{operation:?} in vain");
                let range = Range::of(self.connection.to_send());
                assert!(range.1 > 0);
                self.send = Some(if operation == Operation::Send { Sending::Wait(range) } else { Sending::Try(range) });
            }
            Operation::CancelSend => {
                assert!(matches!(self.send, Some(Sending::Wait(_))) && !self.send_cancelled, "nothing to cancel");
                self.send_cancelled = true;
            }
        }
    }

    /// The kernel takes at most so many bytes of what it is sending; how many those are.
    fn sent_bytes(&mut self, most: usize) -> usize {
        let data = self.connection.to_send();
        let count = most.min(data.len());
        assert!(&data[..count] == bytes(self.sent, count), "other bytes than were written, or in another order");
        self.sent += count;
        count
    }

    pub(super) fn send_ends(&mut self, outcome: Outcome) {
        let Some(Sending::Wait(_)) = self.send else { return };
        let result = match outcome {
            Outcome::All => self.sent_bytes(usize::MAX).try_into().expect("a small number"),
            Outcome::Partial(most) => self.sent_bytes(most).try_into().expect("a small number"),
            Outcome::Error => -EPIPE,
            Outcome::NoRoom | Outcome::Later if self.send_cancelled => -ECANCELED,
            Outcome::NoRoom => -EINTR,
            Outcome::Later => return,
        };
        self.failed |= result < 0 && result != -EINTR;
        (self.send, self.send_cancelled) = (None, false);
        wake(self.connection.sent(result, &mut self.pool));
        self.attention = true;
    }
}
