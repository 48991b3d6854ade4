//! What each end of a run was and used: [`End`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::EngineKind;

/// One end: engine, CPU, memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// Engine; null for a server that is not wss-server.
    #[serde(default)]
    pub engine: Option<EngineKind>,
    /// What the engine used of the kernel, as `wssbench engines` prints it; null in older results.
    #[serde(default)]
    pub engine_features: Option<String>,
    /// Worker threads.
    pub threads: usize,
    /// CPUs that it was pinned to; null if it was not.
    pub cpus: Option<String>,
    /// CPU time of the worker threads ÷ (elapsed time × threads), 0 to 1, in the phase that the mode measures: the echoes,
    /// the pushed messages, or the handshakes of `--mode handshake`.
    pub cpu_utilization: f64,
    /// The same while the connections of `--mode echo` or `--mode subscribe` were opened; null in `--mode handshake`.
    pub cpu_utilization_handshake: Option<f64>,
    /// Resident memory with all connections open and nothing sent yet, bytes; null in `--mode handshake`.
    pub rss_bytes_idle: Option<u64>,
    /// Peak resident memory, bytes.
    pub rss_bytes_peak: u64,
    /// Anonymous resident memory (RssAnon of proc(5): without the pages of files, which processes share) with all connections
    /// open and nothing sent yet, bytes; null in `--mode handshake` and in older results.
    #[serde(default)]
    pub anon_bytes_idle: Option<u64>,
    /// Growth of the anonymous memory per connection, bytes: from half of the connections to all of them, when the warm-up
    /// opens them. Null without a warm-up, with fewer than 100 connections, and in older results.
    #[serde(default)]
    pub anon_bytes_per_connection: Option<f64>,
}

impl End {
    /// The name of the engine, or `unknown engine`.
    pub fn engine_name(&self) -> &'static str {
        self.engine.map_or("unknown engine", EngineKind::name)
    }
}
