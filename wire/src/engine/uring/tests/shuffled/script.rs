//! Random scripts.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::engine::uring::driver::Delivery;

/// Microseconds.
pub(super) type Micros = u64;

#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) seed: u64,
    pub(super) delivery: Delivery,
    /// The initial and the maximum number of buffers.
    pub(super) buffers: (u16, u16),
    /// The capacities of the submission and the completion queue.
    pub(super) capacity: (u32, u32),
    /// How long an accept waits before it is dropped and repeated.
    pub(super) patience: Option<Micros>,
    pub(super) conversations: Vec<Conversation>,
    pub(super) strays: Vec<Stray>,
    pub(super) cut: Option<Cut>,
}

/// Everything is dropped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) after: Micros,
    /// By stopping the engine at once; otherwise by aborting the tasks first.
    pub(super) engine_stops: bool,
}

/// A connection. At most one end breaks off: with two it would be unknown what must arrive, and unsent data of a dropped
/// end would have to be discarded.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    pub(super) after: Micros,
    /// With small socket buffers, so that sends must wait.
    pub(super) narrow: bool,
    pub(super) client: Side,
    pub(super) server: Side,
    pub(super) breaks: Option<Break>,
}

#[derive(Debug, Clone)]
pub(super) struct Side {
    /// Lengths, and what follows each write.
    pub(super) writes: Vec<(usize, Then)>,
    /// Lengths of the first reads, each after a pause; later reads take whatever is available.
    pub(super) reads: Vec<(Micros, usize)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    Nothing,
    Flush,
    Pause(Micros),
}

/// An end drops its stream, in the middle of any operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Break {
    pub(super) who: usize,
    pub(super) after: Micros,
    /// With a reset instead of a FIN.
    pub(super) resets: bool,
}

/// An activity outside the conversations.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stray {
    /// A connect to the listener of the conversations, dropped after this time.
    GivenUp(Micros),
    /// A connect to a listener with a full queue, dropped after this time.
    Unanswered(Micros),
    /// A connect to a port that nothing listens on.
    Refused,
    /// A listener that is dropped after this time, while this many clients connect to it.
    Closing(Micros, usize),
    /// A timer that fires.
    Slept(Micros),
    /// A timer that is dropped after this time.
    Dropped(Micros),
}

fn pause() -> impl Strategy<Value = Micros> {
    prop_oneof![2 => Just(0), 2 => 0..100u64, 1 => 0..1500u64]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 1..200usize, 3 => 1..20_000usize, 1 => 1..200_000usize]
}

fn side() -> impl Strategy<Value = Side> {
    let then = prop_oneof![2 => Just(Then::Nothing), 1 => Just(Then::Flush), 2 => pause().prop_map(Then::Pause)];
    let reads = vec((pause(), length()), 0..8);
    (vec((length(), then), 0..6), reads).prop_map(|(writes, reads)| Side { writes, reads })
}

fn conversation() -> impl Strategy<Value = Conversation> {
    let breaks = (0..2usize, 0..1500u64, any::<bool>()).prop_map(|(who, after, resets)| Break { who, after, resets });
    (pause(), any::<bool>(), side(), side(), option::of(breaks))
        .prop_map(|(after, narrow, client, server, breaks)| Conversation { after, narrow, client, server, breaks })
}

fn stray() -> impl Strategy<Value = Stray> {
    prop_oneof![
        2 => pause().prop_map(Stray::GivenUp),
        1 => pause().prop_map(Stray::Unanswered),
        1 => Just(Stray::Refused),
        1 => (pause(), 0..4usize).prop_map(|(after, clients)| Stray::Closing(after, clients)),
        1 => pause().prop_map(Stray::Slept),
        1 => pause().prop_map(Stray::Dropped),
    ]
}

pub(super) fn script() -> impl Strategy<Value = Script> {
    let buffers = prop_oneof![Just((1, 1)), Just((2, 4)), Just((1, 64)), Just((32, 512))];
    let capacity = prop_oneof![1 => Just((8, 16)), 3 => Just((1024, 16_384))];
    let cut = (0..3000u64, any::<bool>()).prop_map(|(after, engine_stops)| Some(Cut { after, engine_stops }));
    let cut = prop_oneof![2 => Just(None), 1 => cut];
    let delivery = prop_oneof![Just(Delivery::Prompt), Just(Delivery::Delayed)];
    let parts = (vec(conversation(), 1..10), vec(stray(), 0..8));
    (any::<u64>().no_shrink(), delivery, buffers, capacity, option::of(pause()), parts, cut).prop_map(
        |(seed, delivery, buffers, capacity, patience, (conversations, strays), cut)| Script {
            seed,
            delivery,
            buffers,
            capacity,
            patience,
            conversations,
            strays,
            cut,
        },
    )
}

impl Conversation {
    /// Whether everything that end `who` writes must reach the other end. A reset discards data, and closing a socket with
    /// unread data is a reset too.
    pub(super) fn arrives_from(&self, who: usize) -> bool {
        match self.breaks {
            None => true,
            Some(broken) if broken.who == who => !broken.resets && self.sides()[1 - who].writes.is_empty(),
            Some(_) => false,
        }
    }

    pub(super) fn sides(&self) -> [&Side; 2] {
        [&self.client, &self.server]
    }
}
