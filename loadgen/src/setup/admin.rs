//! The server's side of a phase: its admin endpoint asked before and after, and the difference.

use std::time::Duration;

use anyhow::{Context, ensure};
use wss_model::ring_counters::RingCounters;
use wss_model::run_result::NegotiatedCount;
use wss_model::server_stats::{CryptoTime, HandshakeTotals, SCHEMA};
use wss_model::{LatencyHistogram, ServerStats};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server's admin endpoint.
pub(crate) struct Admin {
    agent: ureq::Agent,
    url: String,
}

impl Admin {
    /// `url` is where it is, without a path: `http://127.0.0.1:9090`.
    pub(crate) fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build();
        Self { agent: config.into(), url: format!("{}/stats", url.trim_end_matches('/')) }
    }

    /// Its counts until now.
    ///
    /// # Errors
    /// If it does not answer, or is no wss-server of ours.
    pub(crate) fn stats(&self) -> anyhow::Result<ServerStats> {
        let asking = || format!("asking the server's admin endpoint {}", self.url);
        let mut response = self.agent.get(&self.url).call().with_context(asking)?;
        let stats: ServerStats = response.body_mut().read_json().with_context(asking)?;
        ensure!(
            stats.schema == SCHEMA,
            "the admin endpoint {} speaks {}, this wssbench reads {SCHEMA}",
            self.url,
            stats.schema
        );
        Ok(stats)
    }
}

/// What a server did between two looks.
pub(crate) struct Difference {
    pub(crate) cpu: Duration,
    pub(crate) busy: LatencyHistogram,
    pub(crate) negotiated: Vec<NegotiatedCount>,
    pub(crate) handshakes: HandshakeTotals,
    pub(crate) crypto: CryptoTime,
    pub(crate) system: Duration,
    /// Of the workers' rings, if their engine has any that it counts.
    pub(crate) rings: Option<RingCounters>,
}

/// The difference of two looks at the same server.
///
/// # Errors
/// If it was restarted in between.
pub(crate) fn difference(before: &ServerStats, after: &ServerStats) -> anyhow::Result<Difference> {
    ensure!(
        before.pid == after.pid,
        "the server was restarted during the run: process {} became {}",
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
    Ok(Difference {
        cpu: Duration::from_nanos(after.cpu_ns.saturating_sub(before.cpu_ns)),
        busy,
        negotiated,
        handshakes: after.handshakes.since(&before.handshakes),
        crypto: after.crypto.since(&before.crypto),
        system: Duration::from_nanos(after.system_ns.saturating_sub(before.system_ns)),
        rings: after.rings.as_ref().zip(before.rings.as_ref()).map(|(after, before)| after.since(before)),
    })
}
