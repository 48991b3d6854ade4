//! The driver and the kernel of the model: they run the operations of the connection.

use super::parts::{BUFFERS, Cancelled, Range, Sending, bytes};
use super::step::Outcome;
use super::world::{Model, wake};
use crate::engine::kernel_times::fake;
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
            let error = self.connection.next_error();
            if self.connection.is_done() {
                let in_flight = self.receive.is_some() || self.send.is_some() || self.error.is_some();
                assert!(!in_flight, "removed with operations in flight");
                assert!(!self.has_handle, "removed with its stream");
                assert!(self.sent == self.written || self.failed || self.discards, "removed with unsent data");
                self.gone = true;
                return;
            }
            [send, error, receive].into_iter().flatten().for_each(|operation| self.submit(operation));
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
        let connection = &self.connection;
        self.ready |= connection.sendable().is_some() || connection.is_done() || connection.must_cancel_error();
    }

    fn submit(&mut self, operation: Operation) {
        match operation {
            Operation::ReceiveMultishot | Operation::ReceiveOnce => {
                assert!(self.receive.is_none() && self.end.is_none() && self.has_handle, "useless {operation:?}");
                let one_shot = operation == Operation::ReceiveOnce;
                let mode = if one_shot { ReceiveMode::OneShot } else { ReceiveMode::Multishot };
                assert_eq!(self.receive_mode, mode);
                self.receive = Some(one_shot.then(|| Range::of(self.connection.receive_buffer())));
            }
            Operation::ReceiveStamped => {
                assert!(self.receive.is_none() && self.end.is_none() && self.has_handle, "useless {operation:?}");
                assert_eq!(self.receive_mode, ReceiveMode::Stamped);
                self.connection.receive_header();
                let range = Range::of(self.connection.receive_buffer());
                let headers = self.connection.header_addresses().expect("kernel times");
                assert_eq!(headers[0][1], range.0, "the header names another buffer");
                self.receive = Some(Some(range));
                self.headers[0] = headers[0];
            }
            Operation::ReceiveError => {
                let disturbs = self.has_handle || self.sent < self.written;
                assert!(self.error.is_none() && disturbs && self.times.awaits(), "useless {operation:?}");
                self.connection.error_header();
                self.headers[1] = self.connection.header_addresses().expect("kernel times")[1];
                self.error = Some(Cancelled(false));
            }
            Operation::CancelError => {
                assert_eq!(self.error, Some(Cancelled(false)), "nothing to cancel");
                self.error = Some(Cancelled(true));
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

    /// The read of the error queue ends.
    pub(super) fn error_ends(&mut self, code: i32) {
        let Some(Cancelled(cancelled)) = self.error else { return };
        let result = match code {
            // The kernel has recorded the latest send.
            0 if self.sent > self.recorded => {
                let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
                let last_byte = u32::try_from(self.sent - 1).expect("the model sends little");
                let origin = libc::SO_EE_ORIGIN_TIMESTAMPING;
                let error = fake::error(libc::SOL_IP, libc::IP_RECVERR, origin, last_byte);
                let messages = [fake::time(time.tv_sec * 1_000_000_000 + time.tv_nsec), error].concat();
                self.connection.complete_error_header(&messages);
                self.recorded = self.sent;
                0
            }
            0 => return,
            ECANCELED if !cancelled => return,
            code => -code,
        };
        self.error = None;
        self.connection.error_received(result);
        self.ready |= self.connection.needs_error() || self.connection.is_done();
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
