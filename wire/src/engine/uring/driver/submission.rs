//! Submissions: what the ready connections need, and the driver's own operations.

use std::mem;
use std::os::fd::AsRawFd;

use io_uring::{opcode, squeue, types};

use super::{Driver, Entry, FAR, tag};
use crate::engine::kernel_times::ERROR_FLAGS;
use crate::engine::uring::buffers::GROUP;
use crate::engine::uring::ring::{INLINE_SEND_FLAGS, Ring, SEND_FLAGS, capped};
use crate::engine::uring::slab::Key;
use crate::engine::uring::state::connection::{Connection, Operation};

/// Bytes after which a multishot receive has to be submitted again. Without a cap, one ring iteration can fill every buffer
/// of the ring from a single connection, long before the connection can cancel.
const RECEIVE_CAP: u32 = 32 * 1024;

/// The duration of a tick. Half of [`FAR`], so that a deadline that was far when the tick began is still ahead when it
/// ends, even if "far" was judged by the time of the previous iteration.
static TICK: types::Timespec = types::Timespec::new().sec(FAR.as_secs() / 2);

impl Driver {
    /// Submits the operations of the ready connections and removes those that are done. Returns whether the end of an
    /// inline send is awaited: it has no completion, so this iteration must not wait.
    pub(super) fn submit_ready(&mut self) -> bool {
        // Inline sends of an earlier iteration that the kernel has not taken yet.
        let inline_sends = mem::take(&mut self.inline_sends);
        let mut awaited = inline_sends.iter().any(|key| {
            matches!(self.entries.get_mut(*key),
                Some(Entry::Connection(entry)) if entry.connection.awaits_inline_send())
        });
        self.inline_sends = inline_sends;
        let mut ready = mem::take(&mut self.ready);
        for key in ready.drain(..) {
            let Some(Entry::Connection(entry)) = self.entries.get_mut(key) else { continue };
            entry.is_ready = false;
            let receive = entry.connection.next_receive(&mut self.pool);
            let send = entry.connection.next_send();
            let error = entry.connection.next_error();
            if entry.connection.is_done() {
                self.entries.remove(key);
                continue;
            }
            let fd = types::Fd(entry.socket.as_raw_fd());
            if send == Some(Operation::SendInline) {
                awaited |= entry.connection.awaits_inline_send();
                self.inline_sends.push(key);
            }
            // A receive begins to wait only when the error queue is empty: see `state::stamping`.
            let is_stamped = entry.connection.kernel_times().is_some();
            let operations = if is_stamped { [send, error, receive] } else { [receive, send, None] };
            for operation in operations.into_iter().flatten() {
                let submission = of_connection(operation, fd, key, &mut entry.connection, self.features.receive_cap);
                // SAFETY: a cancellation and a multishot receive point to no memory. The others point to heap buffers of
                // the connection, which do not move with it. The connection keeps them, and its socket open, until it
                // is done:
                // - a one-shot receive writes to `Connection::receive_buffer`, kept until the receive has completed;
                // - a stamped receive and a read of the error queue also write to headers and control buffers that
                //   `Stamping` keeps in boxes; they are prepared again only when the operation has completed;
                // - a send that waits reads `Connection::send_data`, kept likewise;
                // - an inline send reads it too, until `Connection::inline_send_done`. It ends within the
                //   `io_uring_enter` that submits it (`probe.rs` verifies that), so its buffer can be reused then.
                unsafe { push(&mut self.ring, &mut self.broken, &submission) };
            }
        }
        self.ready = ready;
        awaited
    }

    /// Queues an operation.
    ///
    /// # Safety
    /// See [`push`].
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: guaranteed by the caller.
        unsafe { push(&mut self.ring, &mut self.broken, &entry) }
    }

    /// Cancels the operation with this `user_data`.
    pub(super) fn cancel(&mut self, user_data: u64) {
        // SAFETY: the entry points to no memory.
        unsafe { self.push(cancellation(user_data)) };
    }

    pub(super) fn arm_unpark(&mut self) {
        let fd = types::Fd(self.unparker.descriptor().as_raw_fd());
        self.unpark_armed = true;
        let read = opcode::Read::new(fd, self.unpark_count.as_mut_ptr(), 8).build().user_data(tag::UNPARK_BITS);
        // SAFETY: the boxed count and the eventfd belong to the driver, which is not dropped while `unpark_armed`.
        unsafe { self.push(read) };
    }

    pub(super) fn arm_tick(&mut self) {
        self.tick_armed = true;
        // SAFETY: the entry points to an immutable static.
        unsafe { self.push(opcode::Timeout::new(&raw const TICK).build().user_data(tag::TICK_BITS)) };
    }
}

/// Queues an operation.
///
/// # Safety
/// The memory that `entry` points to does not move, is accessed by nothing else, and the socket stays open until the
/// operation has completed. The memory belongs to an entry of the driver's that is removed only then, or to the driver
/// itself, in either case behind a pointer that does not move with its owner.
unsafe fn push(ring: &mut Ring, broken: &mut bool, entry: &squeue::Entry) {
    // SAFETY: guaranteed by the caller.
    if let Err(error) = unsafe { ring.push(entry) } {
        *broken = true;
        panic!("io_uring does not accept submissions: {error}");
    }
}

/// The submission for an operation of a connection.
fn of_connection(
    operation: Operation,
    fd: types::Fd,
    key: Key,
    connection: &mut Connection,
    has_cap: bool,
) -> squeue::Entry {
    let send = |data: &[u8], flags| {
        let length = u32::try_from(data.len()).expect("at most MAX_PENDING");
        opcode::Send::new(fd, data.as_ptr(), length).flags(flags).build()
    };
    match operation {
        Operation::ReceiveMultishot => {
            let receive = opcode::RecvMulti::new(fd, GROUP).build().user_data(key.with_tag(tag::RECEIVE));
            if has_cap { capped(receive, RECEIVE_CAP) } else { receive }
        }
        Operation::ReceiveOnce => {
            let buffer = connection.receive_buffer();
            let length = u32::try_from(buffer.len()).expect("a small constant");
            opcode::Recv::new(fd, buffer.as_mut_ptr(), length).build().user_data(key.with_tag(tag::RECEIVE))
        }
        Operation::ReceiveStamped => {
            opcode::RecvMsg::new(fd, connection.receive_header()).build().user_data(key.with_tag(tag::RECEIVE))
        }
        Operation::ReceiveError => opcode::RecvMsg::new(fd, connection.error_header())
            .flags(ERROR_FLAGS.cast_unsigned())
            .build()
            .user_data(key.with_tag(tag::ERROR)),
        Operation::SendInline => send(connection.send_data(), INLINE_SEND_FLAGS)
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(key.with_tag(tag::SEND_INLINE)),
        Operation::Send => send(connection.send_data(), SEND_FLAGS).user_data(key.with_tag(tag::SEND)),
        Operation::CancelReceive => cancellation(key.with_tag(tag::RECEIVE)),
        Operation::CancelError => cancellation(key.with_tag(tag::ERROR)),
        Operation::CancelSend => cancellation(key.with_tag(tag::SEND)),
    }
}

/// The submission that cancels the operation with this `user_data`. If nothing matches, the operation has completed
/// already, and the completion of the cancellation is ignored.
fn cancellation(user_data: u64) -> squeue::Entry {
    let cancel = types::CancelBuilder::user_data(user_data);
    opcode::AsyncCancel2::new(cancel).build().flags(squeue::Flags::SKIP_SUCCESS).user_data(tag::CANCEL_BITS)
}
