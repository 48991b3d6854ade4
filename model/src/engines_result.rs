//! What each engine can use on this machine: [`EnginesResult`], the JSON of `wssbench engines --json`.
//!
//! It holds the outcome of probes and judges nothing: that an engine does not run is an answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::EngineKind;
use crate::store::Stored;

/// Every engine on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnginesResult {
    /// `wssbench.engines/2`.
    pub schema: String,
    /// Kernel release.
    pub kernel: String,
    /// The engine that --engine auto, the default, stands for on this machine.
    pub default: EngineKind,
    /// One entry per engine, in the order of `--engine`.
    pub engines: Vec<EngineOnMachine>,
}

/// One engine on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineOnMachine {
    /// The engine.
    pub engine: EngineKind,
    /// Whether it runs on this machine.
    pub available: bool,
    /// What it uses of this kernel, in one line: the text of `engine_features` in a run; null if it does not run.
    pub engine_features: Option<String>,
    /// Why it does not run, in one sentence; null if it does.
    pub unavailable_because: Option<String>,
    /// The kernel features that it can use; empty if it needs no optional ones.
    pub features: Vec<KernelFeature>,
}

/// An optional feature of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelFeature {
    /// Name in the kernel's manual pages.
    pub name: String,
    /// The first kernel release that has it.
    pub since: String,
    /// Whether this kernel supports it, probed rather than inferred from its release.
    pub supported: bool,
    /// Whether the engine uses it.
    pub used: bool,
    /// What it is used for, or why it is not used.
    pub reason: String,
}

impl Stored for EnginesResult {
    const SCHEMA: &'static str = "wssbench.engines/2";
    const SUFFIX: &'static str = ".engines.json";
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
        schema: EnginesResult::SCHEMA.to_owned(),
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
                        "completions arrive only when the thread asks for them",
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
    fn the_committed_schema_matches_the_types() {
        crate::schema::assert_committed("wssbench.engines-2.json", &crate::schema::of::<EnginesResult>());
    }

    #[test]
    fn an_answer_matches_the_schema_and_reads_back() {
        let json = serde_json::to_value(sample()).unwrap();
        assert!(jsonschema::validator_for(&crate::schema::of::<EnginesResult>()).unwrap().is_valid(&json));
        assert_eq!(serde_json::from_value::<EnginesResult>(json).unwrap(), sample());
    }
}
