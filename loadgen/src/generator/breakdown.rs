//! What held a message at each instant of its response time: the server, its own connection, the generator, or nobody knows.
//!
//! A response time runs from the planned instant to the instant at which the echo is read. Each part of it belongs to
//! exactly one holder, so that the parts sum to the response time:
//!
//! 1. Before the message can be sent, because `--in-flight` earlier messages of its connection are outstanding, because an
//!    earlier one does not fit into the socket, or until the next slice of its run (`--interleave`): its own *connection*.
//!    While the generator held an earlier message of the connection (2 or 4), the *generator*; while it may have (5),
//!    *unknown*.
//! 2. From then on until it is handed to the kernel: the *generator*.
//! 3. From there to the instant at which the kernel has its echo: the *server* (and the kernel and the network).
//! 4. From there until the echo is read: the *generator*.
//! 5. The kernel's instant is known for connections with a kernel clock. For others it is somewhere between the previous
//!    look of the engine and the look that found the echo ([`Look`]): that time is *unknown*. At most it is what the
//!    thread spent without looking.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wss_wire::engine::look::{self, Look};

/// The parts of a response time, in nanoseconds; their sum is the response time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Breakdown {
    pub(crate) server: u64,
    pub(crate) connection: u64,
    pub(crate) generator: u64,
    pub(crate) unknown: u64,
}

impl Breakdown {
    /// The part that the generator caused or may have caused.
    pub(crate) fn own(&self) -> Duration {
        Duration::from_nanos(self.generator + self.unknown)
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.server += other.server;
        self.connection += other.connection;
        self.generator += other.generator;
        self.unknown += other.unknown;
    }

    #[cfg(test)]
    fn total(&self) -> u64 {
        self.server + self.connection + self.generator + self.unknown
    }
}

/// Instead of the number of a look: the message was handed to the kernel at once.
const AT_ONCE: u64 = u64::MAX;

/// A message that was sent, with the parts of its response time so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentMessage {
    pub(crate) planned: Instant,
    pub(crate) sent: Instant,
    /// The number of the latest look of the engine before it was written, or [`AT_ONCE`].
    look: u64,
    before: Breakdown,
}

impl SentMessage {
    /// Of a closed loop: its response time begins now.
    pub(crate) fn now(sent: Instant, look: u64) -> Self {
        Self { planned: sent, sent, look, before: Breakdown::default() }
    }

    /// Of a publisher, whose own delay is the server's.
    pub(crate) fn published(planned: Instant, sent: Instant) -> Self {
        let before = Breakdown { server: since(planned, sent), ..Breakdown::default() };
        Self { planned, sent, look: AT_ONCE, before }
    }

    /// The write did not wait for the engine.
    pub(crate) fn submitted_at_once(&mut self) {
        self.look = AT_ONCE;
    }

    /// When it was handed to the kernel, if that was not at once and is known.
    pub(crate) fn submitted(&self) -> Option<Instant> {
        if self.look == AT_ONCE { None } else { look::submitted_after(self.look) }
    }
}

/// How the echo of a message arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// When the message was handed to the kernel, if that was not at once and is known.
    pub(crate) submitted: Option<Instant>,
    /// When the kernel had the echo, if it says so.
    pub(crate) kernel: Option<Instant>,
    /// The look of the engine that found the echo.
    pub(crate) look: Option<Look>,
    pub(crate) read: Instant,
}

/// The messages of one connection in one phase of an open loop. A closed loop plans none, so nothing waits before it is sent.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    in_flight: usize,
    sent: usize,
    /// When the replies were read that freed a place for a message to come, in their order.
    freed: VecDeque<Instant>,
    /// When the generator held a message of the connection.
    held: Intervals,
    /// When it held one or may have held one.
    held_or_unknown: Intervals,
}

impl Timeline {
    /// Begins a phase with at most this many outstanding messages; none is outstanding now.
    pub(crate) fn begin(&mut self, in_flight: usize) {
        (self.in_flight, self.sent) = (in_flight, 0);
        self.freed.clear();
        self.held.0.clear();
        self.held_or_unknown.0.clear();
    }

    /// When the place was freed that the next message takes; `None` if it needed none.
    pub(crate) fn freed(&self) -> Option<Instant> {
        if self.sent < self.in_flight { None } else { self.freed.front().copied() }
    }

    /// Sends a message that was planned for `planned` and could be sent from `possible` on.
    pub(crate) fn send_planned(
        &mut self,
        planned: Instant,
        possible: Instant,
        sent: Instant,
        look: u64,
    ) -> SentMessage {
        let possible = possible.clamp(planned.min(sent), sent);
        self.held.forget_before(planned);
        self.held_or_unknown.forget_before(planned);
        let waited = possible.saturating_duration_since(planned);
        let mut before = Breakdown::default();
        if !waited.is_zero() {
            let held = nanoseconds(self.held.overlap(planned, possible));
            before.unknown = nanoseconds(self.held_or_unknown.overlap(planned, possible)) - held;
            before.connection = nanoseconds(waited) - held - before.unknown;
            before.generator = held;
        }
        before.generator += since(possible.max(planned), sent);
        self.hold(possible, sent);
        if self.sent >= self.in_flight {
            self.freed.pop_front();
        }
        self.sent += 1;
        SentMessage { planned, sent, look, before }
    }

    fn hold(&mut self, from: Instant, to: Instant) {
        self.held.add(from, to);
        self.held_or_unknown.add(from, to);
    }
}

/// The parts of the response time of a message whose reply was read; `timeline` is that of an open loop. Replies may come in
/// another order than their messages: each frees a place, whichever message it belongs to.
pub(crate) fn of_reply(message: &SentMessage, arrival: &Arrival, timeline: Option<&mut Timeline>) -> Breakdown {
    let (sent, before) = (message.sent, &message.before);
    let read = arrival.read.max(sent);
    let submitted = arrival.submitted.unwrap_or(sent).clamp(sent, read);
    let (earliest, latest) = match (arrival.kernel, arrival.look) {
        (Some(kernel), _) => {
            let kernel = kernel.clamp(submitted, read);
            (kernel, kernel)
        }
        (None, Some(look)) => {
            let found = look.ended.clamp(submitted, read);
            // Before the instant at which the look ended, whatever it found.
            let earliest = found.checked_sub(look.unseen).map_or(submitted, |earliest| earliest.max(submitted));
            (earliest, found)
        }
        (None, None) => (submitted, read),
    };
    if let Some(timeline) = timeline {
        timeline.freed.push_back(read);
        timeline.hold(sent, submitted);
        timeline.hold(latest, read);
        timeline.held_or_unknown.add(earliest, latest);
    }
    Breakdown {
        server: before.server + since(submitted, earliest),
        connection: before.connection,
        generator: before.generator + since(sent, submitted) + since(latest, read),
        unknown: before.unknown + since(earliest, latest),
    }
}

/// Nanoseconds; longer than 500 years is not expected.
fn nanoseconds(time: Duration) -> u64 {
    time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos())
}

fn since(from: Instant, to: Instant) -> u64 {
    nanoseconds(to.saturating_duration_since(from))
}

/// Disjoint intervals in the order of time.
#[derive(Debug, Default)]
struct Intervals(VecDeque<(Instant, Instant)>);

impl Intervals {
    /// Adds an interval, and merges it with those that it touches. Most are added at the end.
    fn add(&mut self, mut from: Instant, mut to: Instant) {
        if from >= to {
            return;
        }
        let mut at = self.0.len();
        while at > 0 && self.0[at - 1].0 > to {
            at -= 1;
        }
        while at > 0 && self.0[at - 1].1 >= from {
            at -= 1;
            let (start, end) = self.0.remove(at).expect("within the bounds");
            (from, to) = (from.min(start), to.max(end));
        }
        self.0.insert(at, (from, to));
    }

    /// Forgets intervals that ended by `instant`: later messages were planned for later.
    fn forget_before(&mut self, instant: Instant) {
        while self.0.front().is_some_and(|&(_, end)| end <= instant) {
            self.0.pop_front();
        }
    }

    /// The length of the part of `from..to` that is in the intervals.
    fn overlap(&self, from: Instant, to: Instant) -> Duration {
        self.0
            .iter()
            .skip_while(|&&(_, end)| end <= from)
            .take_while(|&&(start, _)| start < to)
            .map(|&(start, end)| end.min(to) - start.max(from))
            .sum()
    }
}

#[cfg(test)]
mod tests;
