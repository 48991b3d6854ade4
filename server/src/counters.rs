//! The counters of a worker: plain numbers on its own thread, without locks or atomics in the message path. The worker
//! itself copies them into a [`Snapshot`] for other threads.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use wss_model::LatencyHistogram;
use wss_model::ring_counters::RingCounters;
use wss_model::server_stats::{
    CryptoTime, EncodedHistogram, HandshakeTotals, OutcomeCount, PhaseOutcome, PublishStats, RunActivity, ServerPhase,
};
use wss_wire::poll_time::PollCost;
use wss_wire::tls::{HandshakeLabel, LabelCounts, timed};
use wss_wire::upgrade::RunNonce;

use crate::owners::Owners;

/// The counters of one worker.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) open: Cell<u64>,
    messages: Cell<u64>,
    bytes: Cell<u64>,
    outcomes: RefCell<BTreeMap<(ServerPhase, PhaseOutcome), u64>>,
    labels: RefCell<LabelCounts>,
    busy: RefCell<LatencyHistogram>,
    handshakes: Cell<HandshakeTotals>,
    /// The runs that the connections belong to.
    pub(crate) owners: Owners,
    /// With `--publish`.
    published: RefCell<Option<Published>>,
}

/// The messages of `--publish`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    messages: u64,
    bytes: u64,
    unsent: u64,
    discarded: u64,
    lateness: LatencyHistogram,
}

impl Published {
    fn merge(&mut self, other: &Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.unsent += other.unsent;
        self.discarded += other.discarded;
        self.lateness.merge(&other.lateness);
    }

    pub(crate) fn stats(&self) -> PublishStats {
        PublishStats {
            messages: self.messages,
            bytes: self.bytes,
            unsent: self.unsent,
            discarded: self.discarded,
            lateness: EncodedHistogram::from(&self.lateness),
        }
    }
}

impl Counters {
    /// Counters of a server that publishes, or does not.
    pub(crate) fn new(publishes: bool) -> Self {
        Self { published: RefCell::new(publishes.then(Published::default)), ..Self::default() }
    }

    fn with_published(&self, change: impl FnOnce(&mut Published)) {
        if let Some(published) = &mut *self.published.borrow_mut() {
            change(published);
        }
    }

    /// Counts one published message with `bytes` of payload, which was sent later than planned by `lateness`.
    pub(crate) fn published(&self, bytes: usize, lateness: Duration) {
        self.with_published(|published| {
            published.messages += 1;
            published.bytes += bytes as u64;
            published.lateness.record(lateness);
        });
    }

    /// Counts messages that were due on a connection that ended before they were sent.
    pub(crate) fn unsent(&self, count: u64) {
        self.with_published(|published| published.unsent = published.unsent.saturating_add(count));
    }

    /// Counts a message of a subscriber after its first one.
    pub(crate) fn discarded(&self) {
        self.with_published(|published| published.discarded += 1);
    }

    /// Counts one echoed message with `bytes` of payload.
    pub(crate) fn echoed(&self, bytes: usize) {
        self.messages.set(self.messages.get() + 1);
        self.bytes.set(self.bytes.get() + bytes as u64);
    }

    /// Counts the end of a phase.
    pub(crate) fn count(&self, phase: ServerPhase, outcome: PhaseOutcome) {
        *self.outcomes.borrow_mut().entry((phase, outcome)).or_default() += 1;
    }

    /// Counts a TLS handshake by what it negotiated.
    pub(crate) fn negotiated(&self, label: HandshakeLabel) {
        self.labels.borrow_mut().add(label);
    }

    /// Records the cost of a completed handshake.
    pub(crate) fn handshake(&self, cost: PollCost) {
        self.busy.borrow_mut().record(cost.busy);
        let mut handshakes = self.handshakes.get();
        handshakes.count += 1;
        handshakes.busy_ns += u64::try_from(cost.busy.as_nanos()).unwrap_or(u64::MAX);
        handshakes.crypto.add(&cost.timed);
        self.handshakes.set(handshakes);
    }

    /// Adds the bytes of the session tickets of a TLS handshake.
    pub(crate) fn tickets(&self, bytes: u64) {
        let mut handshakes = self.handshakes.get();
        handshakes.ticket_bytes += bytes;
        self.handshakes.set(handshakes);
    }

    /// Copies all counters; `rings` are those of this thread's engine.
    pub(crate) fn snapshot(&self, rings: Option<RingCounters>) -> Snapshot {
        Snapshot {
            open: self.open.get(),
            messages: self.messages.get(),
            bytes: self.bytes.get(),
            outcomes: self.outcomes.borrow().clone(),
            labels: self.labels.borrow().clone(),
            busy: self.busy.borrow().clone(),
            handshakes: self.handshakes.get(),
            crypto: timed::spent(),
            rings,
            runs: self.owners.snapshot(),
            published: self.published.borrow().clone(),
        }
    }
}

/// The counters of one worker, or of several together, at one instant.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) open: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    outcomes: BTreeMap<(ServerPhase, PhaseOutcome), u64>,
    pub(crate) labels: LabelCounts,
    pub(crate) busy: LatencyHistogram,
    pub(crate) handshakes: HandshakeTotals,
    /// Cryptography on the worker's thread, since its start.
    pub(crate) crypto: CryptoTime,
    /// Counters of the ring; `None` if the engine does not count them.
    pub(crate) rings: Option<RingCounters>,
    /// With `--publish`.
    pub(crate) published: Option<Published>,
    /// Handshakes and messages of each run.
    runs: BTreeMap<RunNonce, (u64, u64)>,
}

impl Snapshot {
    /// Adds the counters of another worker.
    pub(crate) fn merge(&mut self, other: Self) {
        self.open += other.open;
        self.messages += other.messages;
        self.bytes += other.bytes;
        for (key, count) in other.outcomes {
            *self.outcomes.entry(key).or_default() += count;
        }
        self.labels.merge(&other.labels);
        self.busy.merge(&other.busy);
        self.handshakes.add(&other.handshakes);
        self.crypto.add(&other.crypto);
        if let Some(io) = &other.rings {
            self.rings.get_or_insert_default().add(io);
        }
        if let Some(published) = &other.published {
            self.published.get_or_insert_default().merge(published);
        }
        for (run, (handshakes, messages)) in other.runs {
            let counts = self.runs.entry(run).or_default();
            *counts = (counts.0 + handshakes, counts.1 + messages);
        }
    }

    /// What the connections of each run did.
    pub(crate) fn runs(&self) -> Vec<RunActivity> {
        let activity = |(run, &(handshakes, messages)): (&RunNonce, &(u64, u64))| RunActivity {
            run: run.to_string(),
            handshakes,
            messages,
        };
        self.runs.iter().map(activity).collect()
    }

    /// The outcomes in the order of the phases.
    pub(crate) fn outcomes(&self) -> Vec<OutcomeCount> {
        self.outcomes.iter().map(|(&(phase, outcome), &count)| OutcomeCount { phase, outcome, count }).collect()
    }
}
