//! What a server counted for this run and for others.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Handshakes or messages that a server counted in a phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerActivity {
    /// Those of this run.
    pub own: u64,
    /// Those of other clients.
    pub others: u64,
    /// Whether the server told them apart: each connection of this run named the run when it was opened. Otherwise `own` is
    /// what this run sent, and `others` what the server counted beyond it.
    pub proven: bool,
}
