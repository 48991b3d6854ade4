//! The admin endpoint of a server.

use std::time::Duration;

use anyhow::{Context, ensure};
use wss_model::ServerStats;
use wss_model::server_stats::SCHEMA;

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
