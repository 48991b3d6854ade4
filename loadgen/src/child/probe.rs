//! The server's end of a phase: what it has used and counted before and after it, and the difference.
//!
//! A server with our admin endpoint reports all of it. Of any other process that was started here, `/proc` tells CPU time
//! and memory.

use std::time::Duration;

use anyhow::{bail, ensure};
use wss_model::ring_counters::RingCounters;
use wss_model::run_result::{NegotiatedCount, ServerActivity};
use wss_model::server_stats::{CryptoTime, HandshakeTotals};
use wss_model::{EngineKind, LatencyHistogram, Layer, ServerStats};
use wss_wire::upgrade::RunNonce;

use super::threads::ProcessUsage;
use crate::setup::admin::Admin;

/// The source of what is known about the server.
pub(crate) enum ServerProbe {
    /// The endpoint, and the run that connections name, if they do.
    Admin(Admin, Option<RunNonce>),
    /// A process on this machine, by its ID.
    Process(u32),
}

/// One reading.
pub(crate) enum ServerSample {
    Stats(Box<ServerStats>, Option<RunNonce>),
    Process(ProcessUsage),
}

/// What a server did between two readings.
pub(crate) struct ServerUsage {
    pub(crate) cpu: Duration,
    /// The part of it in the kernel; zero if it is not known.
    pub(crate) system: Duration,
    /// Of completed handshakes; empty without an admin endpoint.
    pub(crate) busy: LatencyHistogram,
    pub(crate) handshakes: HandshakeTotals,
    pub(crate) crypto: CryptoTime,
    /// `None` without an admin endpoint.
    pub(crate) negotiated: Option<Vec<NegotiatedCount>>,
    /// Of the workers' rings, if their engine counts them.
    pub(crate) rings: Option<RingCounters>,
    /// `None` without an admin endpoint.
    pub(crate) activity: Option<Activity>,
}

/// Handshakes and messages that a server counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activity {
    layer: Layer,
    handshakes: u64,
    messages: u64,
    /// Those of the connections that named this run, if they do.
    own: Option<(u64, u64)>,
}

impl Activity {
    /// Of handshakes, of which this run started `started`; `None` if the layer has none that are counted.
    pub(crate) fn of_handshakes(&self, started: u64) -> Option<ServerActivity> {
        let counted = self.layer.has_tls() || self.layer.has_websocket();
        counted.then(|| self.split(self.handshakes, self.own.map(|own| own.0), started))
    }

    /// Of messages, of which this run sent `sent`; `None` if the server counts reads instead.
    pub(crate) fn of_messages(&self, sent: u64) -> Option<ServerActivity> {
        self.layer.has_websocket().then(|| self.split(self.messages, self.own.map(|own| own.1), sent))
    }

    fn split(&self, all: u64, named: Option<u64>, sent: u64) -> ServerActivity {
        let own = named.unwrap_or(all.min(sent));
        ServerActivity { own, others: all.saturating_sub(own), proven: named.is_some() }
    }
}

impl ServerProbe {
    /// Reads what the server has used and counted until now.
    ///
    /// # Errors
    /// If the server has ended, or its admin endpoint does not answer.
    pub(crate) fn sample(&self) -> anyhow::Result<ServerSample> {
        Ok(match self {
            Self::Admin(admin, run) => ServerSample::Stats(Box::new(admin.stats()?), *run),
            Self::Process(pid) => ServerSample::Process(ProcessUsage::of(*pid)?),
        })
    }
}

impl ServerSample {
    pub(crate) fn engine(&self) -> Option<EngineKind> {
        match self {
            Self::Stats(stats, _) => Some(stats.engine),
            Self::Process(_) => None,
        }
    }

    pub(crate) fn engine_features(&self) -> Option<String> {
        match self {
            Self::Stats(stats, _) => stats.engine_features.clone(),
            Self::Process(_) => None,
        }
    }

    /// Worker threads of our server, all threads of any other.
    pub(crate) fn threads(&self) -> usize {
        match self {
            Self::Stats(stats, _) => stats.workers,
            Self::Process(usage) => usage.threads(),
        }
    }

    /// Resident memory now, bytes.
    pub(crate) fn rss_bytes(&self) -> u64 {
        match self {
            Self::Stats(stats, _) => stats.rss_bytes,
            Self::Process(usage) => usage.rss_bytes,
        }
    }

    /// Resident memory at its highest, bytes.
    pub(crate) fn rss_bytes_peak(&self) -> u64 {
        match self {
            Self::Stats(stats, _) => stats.rss_bytes_peak,
            Self::Process(usage) => usage.rss_bytes_peak,
        }
    }

    /// Anonymous resident memory now, bytes.
    pub(crate) fn rss_anon_bytes(&self) -> u64 {
        match self {
            Self::Stats(stats, _) => stats.rss_anon_bytes,
            Self::Process(usage) => usage.rss_anon_bytes,
        }
    }

    /// What the server did since `earlier`.
    ///
    /// # Errors
    /// If it was restarted in between.
    pub(crate) fn since(&self, earlier: &Self) -> anyhow::Result<ServerUsage> {
        match (earlier, self) {
            (Self::Stats(earlier, _), Self::Stats(later, run)) => between(earlier, later, *run),
            (Self::Process(earlier), Self::Process(later)) => Ok(ServerUsage {
                cpu: later.cpu_since(earlier),
                system: Duration::ZERO,
                busy: LatencyHistogram::default(),
                handshakes: HandshakeTotals::default(),
                crypto: CryptoTime::default(),
                negotiated: None,
                rings: None,
                activity: None,
            }),
            _ => bail!(
                "the two readings of the admin endpoint are of different servers; name the endpoint of one server, and repeat the run"
            ),
        }
    }
}

/// The difference of two answers of an admin endpoint.
fn between(before: &ServerStats, after: &ServerStats, run: Option<RunNonce>) -> anyhow::Result<ServerUsage> {
    ensure!(
        before.pid == after.pid,
        "the server was restarted during the run: its process ID changed from {} to {}",
        before.pid,
        after.pid
    );
    let busy = after.handshake_busy.decode()?.since(&before.handshake_busy.decode()?)?;
    let mut negotiated = after.negotiated.clone();
    for entry in &mut negotiated {
        let earlier = before.negotiated.iter().find(|earlier| earlier.negotiated == entry.negotiated);
        entry.count -= earlier.map_or(0, |earlier| earlier.count).min(entry.count);
    }
    negotiated.retain(|entry| entry.count > 0);
    let own = |stats: &ServerStats| {
        let run = run?.to_string();
        let activity = stats.runs.iter().find(|activity| activity.run == run);
        Some(activity.map_or((0, 0), |activity| (activity.handshakes, activity.messages)))
    };
    let own = own(after).zip(own(before));
    let activity = Activity {
        layer: after.layer,
        handshakes: after.handshakes.since(&before.handshakes).count,
        messages: after.messages_echoed.saturating_sub(before.messages_echoed),
        own: own.map(|(after, before)| (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1))),
    };
    Ok(ServerUsage {
        activity: Some(activity),
        cpu: Duration::from_nanos(after.cpu_ns.saturating_sub(before.cpu_ns)),
        system: Duration::from_nanos(after.system_ns.saturating_sub(before.system_ns)),
        busy,
        handshakes: after.handshakes.since(&before.handshakes),
        crypto: after.crypto.since(&before.crypto),
        negotiated: Some(negotiated),
        rings: after.rings.as_ref().zip(before.rings.as_ref()).map(|(after, before)| after.since(before)),
    })
}
