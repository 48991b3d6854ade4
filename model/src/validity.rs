//! Why a result is invalid: a stable code for programs, and a text with figures for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named_choice;

/// One reason why a result is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// What is wrong, for programs. The meaning of a code does not change within a major version of the schema.
    pub code: ReasonCode,
    /// The same for people, with figures and limits. The wording may change at any time.
    pub text: String,
}

impl Reason {
    /// A reason with its text.
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
        /// The measured phase completed too few handshakes or echoes for its figures to mean anything.
        TooFewSamples = "too_few_samples",
        /// There were errors.
        Errors = "errors",
        /// There were errors in the warm-up.
        WarmupErrors = "warmup_errors",
        /// The generator was short of CPU in an open loop.
        GeneratorCpu = "generator_cpu",
        /// The generator sent later than planned.
        GeneratorLate = "generator_late",
        /// The generator caused, or may have caused, too much of the response times.
        GeneratorShare = "generator_share",
        /// An open loop did not achieve the requested rate.
        RateNotAchieved = "rate_not_achieved",
        /// Samples exceeded the range of the histogram.
        OutOfRange = "out_of_range",
        /// Client and server counted different numbers of handshakes.
        EndsDisagree = "ends_disagree",
        /// The statistics of the server are not those of the server under test.
        ServerUnproven = "server_unproven",
        /// The server also served others.
        ServerShared = "server_shared",
        /// A generator thread was stopped for too long at a stretch.
        GeneratorStalled = "generator_stalled",
        /// A generator thread was kept from running for too large a share of the time.
        GeneratorDescheduled = "generator_descheduled",
        /// Server threads waited for their CPUs for too large a share of the time.
        ServerDescheduled = "server_descheduled",
        /// The machine was suspended.
        Suspended = "suspended",
        /// The CPU quota of the control group stopped the generator.
        CgroupThrottled = "cgroup_throttled",
        /// The control group of the generator was frozen.
        CgroupFrozen = "cgroup_frozen",
        /// The hypervisor took CPU time away.
        Steal = "steal",
        /// A run could not start or ended without a result.
        NoResult = "no_result",
        /// Trials of a sweep have no result.
        TrialsFailed = "trials_failed",
        /// Trials of a sweep or comparison are invalid.
        TrialsInvalid = "trials_invalid",
        /// Fewer blocks were run than planned.
        Incomplete = "incomplete",
        /// Too many blocks were dropped because the machine interfered.
        BlocksDropped = "blocks_dropped",
        /// A and B have the same options but negotiated different parameters.
        ArmsDisagree = "arms_disagree",
    }
}

impl ReasonCode {
    /// What the user can do about it, as a clause without a full stop; `None` if the code speaks for itself.
    pub const fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Interrupted => return None,
            Self::NothingCompleted | Self::Errors | Self::WarmupErrors => "see the first example of each error",
            Self::TooFewSamples => "measure for longer (--duration), or raise the rate",
            Self::GeneratorCpu | Self::GeneratorLate | Self::GeneratorShare => {
                "lower --rate or --connect-rate, or give the generator a CPU of its own (--client-cpus)"
            }
            Self::RateNotAchieved => "lower the rate, or allow more messages in flight (--in-flight, --connections)",
            Self::OutOfRange => "lower the load until every response takes less than a minute",
            Self::EndsDisagree | Self::ServerShared => "measure a server that nobody else uses",
            Self::ServerUnproven => "give the admin endpoint of the server under test to --server-stats",
            Self::GeneratorStalled | Self::Suspended | Self::CgroupFrozen => {
                "repeat the run while nothing stops its processes"
            }
            Self::GeneratorDescheduled | Self::ServerDescheduled => {
                "end the other load of this machine, or give each end CPUs of its own (--client-cpus, --server-cpus)"
            }
            Self::CgroupThrottled => "raise the CPU quota of the control group (cpu.max)",
            Self::Steal | Self::BlocksDropped => "measure on a quieter machine",
            Self::NoResult | Self::TrialsFailed | Self::TrialsInvalid => {
                "try the same options with `wssbench run`, which prints every figure of one run"
            }
            Self::Incomplete => "run more blocks",
            Self::ArmsDisagree => "set the parameters of both arms explicitly (--suite, --group, --cert)",
        })
    }
}
