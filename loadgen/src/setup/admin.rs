//! The admin endpoint of a server.

use std::time::Duration;

use anyhow::{Context, ensure};
use wss_model::ServerStats;
use wss_model::server_stats::SCHEMA;

/// Timeout of one request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A server's admin endpoint.
pub(crate) struct Admin {
    agent: ureq::Agent,
    url: String,
}

impl Admin {
    /// The endpoint at `url`, which has no path: `http://127.0.0.1:9090`.
    pub(crate) fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).build();
        Self { agent: config.into(), url: format!("{}/stats", url.trim_end_matches('/')) }
    }

    /// The counts of the server since its start.
    ///
    /// # Errors
    /// If the endpoint does not answer, or not in the schema of this version.
    pub(crate) fn stats(&self) -> anyhow::Result<ServerStats> {
        let failed = || format!("cannot read the server's admin endpoint {}", self.url);
        let mut response = self.agent.get(&self.url).call().with_context(failed)?;
        let stats: ServerStats = response.body_mut().read_json().with_context(failed)?;
        ensure!(
            stats.schema == SCHEMA,
            "the admin endpoint {} has schema {}, but this wssbench reads {SCHEMA}; use the same version on both ends",
            self.url,
            stats.schema
        );
        Ok(stats)
    }
}
