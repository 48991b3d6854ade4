//! What this machine offers to each engine: [`EnginesResult`] is the JSON of `wssbench engines --json` and the only input
//! of its text ([`wss_report::engines()`]).
//!
//! It holds what was tried, and judges nothing: that an engine does not run is an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::EngineKind;

/// Names the form of the answer; a change that breaks readers changes the number.
pub const SCHEMA: &str = "wssbench.engines/2";

/// Every engine on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnginesResult {
    /// [`SCHEMA`].
    pub schema: String,
    /// Kernel release.
    pub kernel: String,
    /// The engine that a run has if none is named.
    pub default: EngineKind,
    /// Each of them, in the order in which `--engine` lists them.
    pub engines: Vec<EngineOnMachine>,
}

/// One engine on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineOnMachine {
    /// Which.
    pub engine: EngineKind,
    /// Whether it runs.
    pub available: bool,
    /// The form that it takes here, in words; null if it does not run.
    pub engine_features: Option<String>,
    /// Why it does not run, in a sentence; null if it does.
    pub unavailable_because: Option<String>,
    /// What of the kernel it can make use of; empty where there is no choice.
    pub features: Vec<KernelFeature>,
}

/// Something that a kernel may or may not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelFeature {
    /// Its name, as the kernel's manual has it.
    pub name: String,
    /// The first kernel that has it.
    pub since: String,
    /// Whether this kernel has it: tried, not told from its release.
    pub supported: bool,
    /// Whether the engine makes use of it.
    pub used: bool,
    /// What it is good for, or why it is left alone.
    pub reason: String,
}

/// JSON Schema, draft 2020-12, of the answer; the same as the committed `results/schema/wssbench.engines-2.json`.
pub fn schema() -> serde_json::Value {
    crate::schema::of::<EnginesResult>()
}

/// What a machine with a recent kernel reports, for tests.
#[cfg(any(test, feature = "fixtures"))]
pub fn sample() -> EnginesResult {
    let feature = |name: &str, since: &str, offered, used, why: &str| KernelFeature {
        name: name.to_owned(),
        since: since.to_owned(),
        supported: offered,
        used,
        reason: why.to_owned(),
    };
    let refused = "the kernel refuses io_uring (Operation not permitted): sysctl kernel.io_uring_disabled is 2";
    let engine = |engine, answer: Result<&str, &str>, features| EngineOnMachine {
        engine,
        available: answer.is_ok(),
        engine_features: answer.ok().map(str::to_owned),
        unavailable_because: answer.err().map(str::to_owned),
        features,
    };
    EnginesResult {
        schema: SCHEMA.to_owned(),
        kernel: "6.18.5".to_owned(),
        default: EngineKind::Uring,
        engines: vec![
            engine(
                EngineKind::Uring,
                Ok("one ring a thread, multishot receive into 256 provided buffers of 16 KiB"),
                vec![
                    feature(
                        "IORING_SETUP_DEFER_TASKRUN",
                        "6.1",
                        true,
                        true,
                        "completions come when they are asked for",
                    ),
                    feature(
                        "IORING_RECVSEND_BUNDLE",
                        "6.10",
                        true,
                        false,
                        "several buffers a receive; left alone: current kernels lose bytes with it, and a TLS record \
                         needs one buffer",
                    ),
                    feature("IORING_OP_NOT_YET", "7.9", false, false, "nobody knows"),
                ],
            ),
            engine(EngineKind::TokioUring, Err(refused), Vec::new()),
            engine(EngineKind::Epoll, Ok("tokio's, edge-triggered"), Vec::new()),
        ],
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn the_committed_schema_is_the_one_of_the_types() {
        crate::schema::assert_committed("wssbench.engines-2.json", &schema());
    }

    #[test]
    fn an_answer_is_what_the_schema_says_and_reads_back() {
        let json = serde_json::to_value(sample()).unwrap();
        assert!(jsonschema::validator_for(&schema()).unwrap().is_valid(&json));
        assert_eq!(serde_json::from_value::<EnginesResult>(json).unwrap(), sample());
    }
}
