//! What a worker counts. Plain numbers on its own thread: no lock and no atomic on the way of a message. They
//! leave the thread as a [`Snapshot`], taken by the worker itself.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use wss_model::LatencyHistogram;
use wss_model::ring_counters::RingCounters;
use wss_model::server_stats::{CryptoTime, HandshakeTotals, Outcome};
use wss_wire::poll_time::Spent;
use wss_wire::tls::{Label, LabelCounts, timed};

/// A phase of a connection, as `outcomes` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Accept,
    Tls,
    Upgrade,
    Echo,
    Close,
}

impl Phase {
    const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Echo => "echo",
            Self::Close => "close",
        }
    }
}

/// The outcome of a phase that went well.
pub(crate) const COMPLETED: &str = "completed";

/// The counters of one worker.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) open: Cell<u64>,
    messages: Cell<u64>,
    bytes: Cell<u64>,
    outcomes: RefCell<BTreeMap<(Phase, String), u64>>,
    labels: RefCell<LabelCounts>,
    busy: RefCell<LatencyHistogram>,
    handshakes: Cell<HandshakeTotals>,
}

impl Counters {
    /// Counts one message of so many payload bytes that was echoed.
    pub(crate) fn echoed(&self, bytes: usize) {
        self.messages.set(self.messages.get() + 1);
        self.bytes.set(self.bytes.get() + bytes as u64);
    }

    /// Counts how a phase ended.
    pub(crate) fn count(&self, phase: Phase, outcome: &str) {
        *self.outcomes.borrow_mut().entry((phase, outcome.to_owned())).or_default() += 1;
    }

    /// Counts what a TLS handshake negotiated.
    pub(crate) fn negotiated(&self, label: Label) {
        self.labels.borrow_mut().add(label);
    }

    /// Records what a handshake took that was completed.
    pub(crate) fn busy(&self, spent: Spent) {
        self.busy.borrow_mut().record(spent.busy);
        let mut handshakes = self.handshakes.get();
        handshakes.count += 1;
        handshakes.busy_ns += u64::try_from(spent.busy.as_nanos()).unwrap_or(u64::MAX);
        handshakes.crypto.add(&spent.timed);
        self.handshakes.set(handshakes);
    }

    /// Counts the tickets of a TLS handshake.
    pub(crate) fn tickets(&self, bytes: u64) {
        let mut handshakes = self.handshakes.get();
        handshakes.ticket_bytes += bytes;
        self.handshakes.set(handshakes);
    }

    /// All of it, as it stands, beside what the engine of this thread counts.
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
        }
    }
}

/// The counters of one worker, or of several together, at one instant.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) open: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    outcomes: BTreeMap<(Phase, String), u64>,
    pub(crate) labels: LabelCounts,
    pub(crate) busy: LatencyHistogram,
    pub(crate) handshakes: HandshakeTotals,
    /// Of the worker's thread, which is the one that asks.
    pub(crate) crypto: CryptoTime,
    /// Of its ring, if the engine has one that it counts.
    pub(crate) rings: Option<RingCounters>,
}

impl Snapshot {
    /// Adds another worker's.
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
    }

    /// The outcomes in words, in the order of the phases.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.outcomes
            .iter()
            .map(|((phase, outcome), &count)| Outcome {
                phase: phase.name().to_owned(),
                outcome: outcome.clone(),
                count,
            })
            .collect()
    }
}
