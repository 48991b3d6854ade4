//! Random steps of the model.

use proptest::prelude::*;

use crate::engine::uring::buffers::LENGTH;
use crate::engine::uring::errno::{EAGAIN, ECONNRESET, EINTR, ENOBUFS};

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The receive delivers at most `length` bytes, and stays in flight or not.
    Deliver {
        length: usize,
        more: bool,
    },
    /// The receive ends: 0 is the end of the stream, others are error numbers.
    EndReceive(i32),
    /// The cancelled receive ends.
    CancelReceive,
    /// The read of the error queue ends: 0 if the kernel has recorded a send, otherwise an error number.
    EndError(i32),
    /// The cancelled read of the error queue ends.
    CancelError,
    Read(usize),
    Write(usize, usize),
    Flush,
    AllSent,
    /// The shutdown: at most this many bytes are sent directly, then [`Self::AllSent`].
    Shutdown(usize),
    /// The driver runs an iteration, in which an inline send ends with this outcome.
    Iterate(Outcome),
    /// A send that waits ends with this outcome.
    Send(Outcome),
    Detach,
    DiscardUnsent,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    All,
    Partial(usize),
    NoRoom,
    Error,
    /// The kernel has not taken it in this iteration.
    Later,
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 1..200usize, 2 => 1..LENGTH + 1, 1 => 1..100_000usize]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        6 => Just(Outcome::All),
        4 => length().prop_map(Outcome::Partial),
        4 => Just(Outcome::NoRoom),
        1 => Just(Outcome::Later),
        // Rare, because it ends the direction.
        1 => prop_oneof![9 => Just(Outcome::All), 1 => Just(Outcome::Error)],
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let spurious = prop_oneof![Just(ENOBUFS), Just(EAGAIN), Just(EINTR)];
    let last = prop_oneof![Just(0), Just(ECONNRESET)];
    prop_oneof![
        60 => (length(), any::<bool>()).prop_map(|(length, more)| Step::Deliver { length, more }),
        10 => spurious.prop_map(Step::EndReceive),
        1 => last.prop_map(Step::EndReceive),
        10 => Just(Step::CancelReceive),
        20 => prop_oneof![9 => Just(0), 1 => Just(EAGAIN)].prop_map(Step::EndError),
        10 => Just(Step::CancelError),
        40 => length().prop_map(Step::Read),
        40 => (length(), length()).prop_map(|(first, second)| Step::Write(first, second)),
        10 => Just(Step::Flush),
        10 => Just(Step::AllSent),
        4 => length().prop_map(Step::Shutdown),
        80 => outcome().prop_map(Step::Iterate),
        30 => outcome().prop_map(Step::Send),
        1 => Just(Step::Detach),
        1 => Just(Step::DiscardUnsent),
    ]
}
