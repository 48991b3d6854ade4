//! A connection against a kernel that ends its operations in any order and any way. What the driver does around it
//! (`driver.rs`) is repeated here: a connection that it does not look at again is one that hangs.

mod driver;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;

use self::world::Model;
use crate::engine::uring::buffers::LENGTH;
use crate::engine::uring::errno::{EAGAIN, ECANCELED, ECONNRESET, EINTR, ENOBUFS, EPIPE};
use crate::engine::uring::state::connection::ReceiveForm;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A receive brings at most so many bytes, and goes on or not.
    Deliver(usize, bool),
    /// A receive ends: 0 is the end of the stream, others are error numbers.
    EndReceive(i32),
    /// A receive ends as one that was cancelled.
    CancelLands,
    Read(usize),
    Write(usize, usize),
    Flush,
    AllSent,
    /// Sent by other means than the ring, at most so much, and then [`Self::AllSent`]: the shutdown.
    Beside(usize),
    /// The driver looks after the connection; a try ends so.
    Iterate(Outcome),
    /// A send that waits ends so.
    Send(Outcome),
    Release,
    GiveUp,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    All,
    Partial(usize),
    NoRoom,
    Error,
    /// The kernel has not taken it in this entry.
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
        // Seldom: nothing happens in this direction afterwards.
        1 => prop_oneof![9 => Just(Outcome::All), 1 => Just(Outcome::Error)],
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let spurious = prop_oneof![Just(ENOBUFS), Just(EAGAIN), Just(EINTR)];
    let last = prop_oneof![Just(0), Just(ECONNRESET)];
    prop_oneof![
        60 => (length(), any::<bool>()).prop_map(|(most, more)| Step::Deliver(most, more)),
        10 => spurious.prop_map(Step::EndReceive),
        1 => last.prop_map(Step::EndReceive),
        10 => Just(Step::CancelLands),
        40 => length().prop_map(Step::Read),
        40 => (length(), length()).prop_map(|(first, second)| Step::Write(first, second)),
        10 => Just(Step::Flush),
        10 => Just(Step::AllSent),
        4 => length().prop_map(Step::Beside),
        80 => outcome().prop_map(Step::Iterate),
        30 => outcome().prop_map(Step::Send),
        1 => Just(Step::Release),
        1 => Just(Step::GiveUp),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn a_connection_loses_nothing_and_hangs_on_nothing_whatever_the_kernel_does(
        multishot in any::<bool>(),
        tries in any::<bool>(),
        steps in vec(step(), 1..250),
    ) {
        let form = if multishot { ReceiveForm::Multishot } else { ReceiveForm::OneShot };
        let mut model = Model::new(form, tries);
        for step in &steps {
            model.step(step);
        }
        model.goes_well();
    }
}
