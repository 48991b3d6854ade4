//! What happens: made up at random.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Microseconds.
pub(super) type Micros = u64;

#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) seed: u64,
    pub(super) late: bool,
    /// At first and at most.
    pub(super) buffers: (u16, u16),
    /// Submissions and completions that there is room for.
    pub(super) sizes: (u32, u32),
    /// An accept is dropped after so long, and begun again.
    pub(super) patience: Option<Micros>,
    pub(super) conversations: Vec<Conversation>,
    pub(super) strays: Vec<Stray>,
    /// After so long everything is dropped; and whether the engine ends at once then.
    pub(super) cut: Option<(Micros, bool)>,
}

/// A connection. One end at most breaks off: with two nobody could say what has to arrive, and what one that is gone
/// has to send would have to be given up.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    pub(super) after: Micros,
    /// With little room in its sockets, so that sends have to wait.
    pub(super) narrow: bool,
    pub(super) client: Side,
    pub(super) server: Side,
    pub(super) breaks: Option<Break>,
}

#[derive(Debug, Clone)]
pub(super) struct Side {
    /// Lengths, and what comes after each.
    pub(super) writes: Vec<(usize, Then)>,
    /// Lengths of the first reads, each with a pause before it; those that follow read what there is.
    pub(super) reads: Vec<(Micros, usize)>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    Nothing,
    Flush,
    Pause(Micros),
}

/// The stream is dropped, whatever it is in the midst of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Break {
    pub(super) who: usize,
    pub(super) after: Micros,
    /// With a reset in place of an end.
    pub(super) resets: bool,
}

/// What has nothing to do with the conversations.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stray {
    /// A connect that nobody wants any more after so long, to the listener of the conversations.
    GivenUp(Micros),
    /// The same, to one that does not answer.
    Unanswered(Micros),
    Refused,
    /// A listener that is dropped after so long, while these many connect to it.
    Closing(Micros, usize),
    Slept(Micros),
    /// A timer that is dropped after so long.
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
    let sizes = prop_oneof![1 => Just((8, 16)), 3 => Just((1024, 16_384))];
    let cut = prop_oneof![2 => Just(None), 1 => (0..3000u64, any::<bool>()).prop_map(Some)];
    let parts = (vec(conversation(), 1..10), vec(stray(), 0..8));
    (any::<u64>().no_shrink(), any::<bool>(), buffers, sizes, option::of(pause()), parts, cut).prop_map(
        |(seed, late, buffers, sizes, patience, (conversations, strays), cut)| Script {
            seed,
            late,
            buffers,
            sizes,
            patience,
            conversations,
            strays,
            cut,
        },
    )
}

impl Conversation {
    /// Whether all that end `who` has written must reach the other end. A reset takes it away; so does an end with
    /// something unread, which is a reset as well.
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
