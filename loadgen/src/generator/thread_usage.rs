//! What the threads of the generator used in a phase, and what kept them from running: [`ThreadUsage`].

use wss_model::disturbance::ThreadDisturbance;
use wss_model::ring_counters::RingCounters;
use wss_model::server_stats::CryptoTime;
use wss_wire::engine::Engine;
use wss_wire::tls::timed;

/// Of one thread, or the sum over all.
#[derive(Debug, Default)]
pub(crate) struct ThreadUsage {
    /// Time in the AEAD of the records, if it is timed.
    pub(crate) aead_ns: u64,
    /// With an engine that counts what its ring does.
    pub(crate) rings: Option<RingCounters>,
    /// Of each thread, unless its run has the CPU only in slices.
    pub(crate) disturbance: Vec<ThreadDisturbance>,
}

impl ThreadUsage {
    pub(crate) fn merge(&mut self, other: Self) {
        self.aead_ns += other.aead_ns;
        if let Some(rings) = &other.rings {
            self.rings.get_or_insert_default().add(rings);
        }
        self.disturbance.extend(other.disturbance);
    }
}

/// What this thread had used when a phase began.
pub(super) struct UsageBefore {
    spent: CryptoTime,
    rings: Option<RingCounters>,
}

impl UsageBefore {
    pub(super) fn now<E: Engine>() -> Self {
        Self { spent: timed::spent(), rings: E::ring_counters() }
    }

    /// What it has used since.
    pub(super) fn until_now<E: Engine>(&self, disturbance: Option<ThreadDisturbance>) -> ThreadUsage {
        ThreadUsage {
            aead_ns: timed::spent().since(&self.spent).aead_ns,
            rings: E::ring_counters().zip(self.rings.as_ref()).map(|(now, before)| now.since(before)),
            disturbance: disturbance.into_iter().collect(),
        }
    }
}
