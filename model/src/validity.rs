//! Why a result is not valid: a stable code for programs, and a sentence with figures for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::named_choice;

/// One reason why a result is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// What is wrong, for programs. A code keeps its meaning under one major version of the schema.
    pub code: ReasonCode,
    /// The same for people, with figures and limits.
    pub text: String,
}

impl Reason {
    /// A reason with its sentence.
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text)
    }
}

named_choice! {
    /// The codes of [`Reason`].
    ReasonCode {
        /// A signal ended the measurement early.
        Interrupted = "interrupted",
        /// A phase completed nothing.
        NothingCompleted = "nothing_completed",
        /// There were errors.
        Errors = "errors",
        /// There were errors in the warm-up.
        WarmupErrors = "warmup_errors",
        /// The generator was short of CPU in an open loop.
        GeneratorCpu = "generator_cpu",
        /// The generator sent later than planned.
        GeneratorLate = "generator_late",
        /// An open loop did not achieve the requested rate or number.
        RateNotAchieved = "rate_not_achieved",
        /// Samples exceeded the range of the histogram.
        OutOfRange = "out_of_range",
        /// Client and server counted different handshakes.
        EndsDisagree = "ends_disagree",
        /// The hypervisor took CPU time away.
        Steal = "steal",
        /// A trial could not run, and has no result.
        NoResult = "no_result",
        /// A trial could not run because another trial of its block did not become ready.
        PeerFailed = "peer_failed",
        /// Trials of a sweep have no result.
        TrialsFailed = "trials_failed",
        /// Trials of a sweep or comparison are not valid.
        TrialsInvalid = "trials_invalid",
        /// Fewer blocks were run than planned.
        Incomplete = "incomplete",
        /// Too many blocks were dropped because the machine interfered.
        BlocksDropped = "blocks_dropped",
        /// A and B have the same options and negotiated different parameters.
        ArmsDisagree = "arms_disagree",
    }
}
