//! Submission queue entries for the operations of a connection.

use io_uring::{opcode, squeue, types};

use super::tag;
use crate::engine::kernel_times::ERROR_FLAGS;
use crate::engine::uring::buffers::GROUP;
use crate::engine::uring::ring::{INLINE_SEND_FLAGS, SEND_FLAGS};
use crate::engine::uring::slab::Key;
use crate::engine::uring::state::connection::{Connection, Operation};

/// The submission for an operation of a connection.
pub(super) fn of_connection(
    operation: Operation,
    fd: types::Fd,
    key: Key,
    connection: &mut Connection,
) -> squeue::Entry {
    let send = |data: &[u8], flags| {
        let length = u32::try_from(data.len()).expect("at most MAX_PENDING");
        opcode::Send::new(fd, data.as_ptr(), length).flags(flags).build()
    };
    match operation {
        Operation::ReceiveMultishot => opcode::RecvMulti::new(fd, GROUP).build().user_data(key.with_tag(tag::RECEIVE)),
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
pub(super) fn cancellation(user_data: u64) -> squeue::Entry {
    let cancel = types::CancelBuilder::user_data(user_data);
    opcode::AsyncCancel2::new(cancel).build().flags(squeue::Flags::SKIP_SUCCESS).user_data(tag::CANCEL_BITS)
}
