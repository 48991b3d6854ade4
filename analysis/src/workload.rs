//! [`Workload`]: the kinds of load that a trial applies, one run each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use wss_model::named_choice;

named_choice! {
    /// The kind of load that a run applies.
    Workload {
        /// Handshakes one after another, as fast as they complete
        Handshake = "handshake",
        /// Small messages on a few connections, as fast as they are echoed
        Echo = "echo",
        /// Small messages on many connections, as fast as they are echoed
        Crowd = "crowd",
        /// Large messages on a few connections, as fast as they are echoed
        Bulk = "bulk",
        /// Small messages on some connections, at a fixed rate
        Paced = "paced",
    }
}

/// One workload of every trial: one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadSpec {
    /// The kind of load.
    pub kind: Workload,
    /// Options of `wssbench run` that produce this load, `--option=value` each. The options of a configuration or arm take
    /// precedence.
    pub options: Vec<String>,
}
