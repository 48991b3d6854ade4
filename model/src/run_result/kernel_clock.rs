//! What the kernel's clock says of the phases that the tool measures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::latency::Latency;
use crate::named_choice;

named_choice! {
    /// Why the kernel's clock has no times.
    KernelClockProblem {
        /// The kernel refuses to record times (SO_TIMESTAMPING).
        Refused = "refused",
        /// The kernel recorded none.
        NoTimes = "no_times",
    }
}

/// The times of a sample of connections by two clocks (`--kernel-clock`): the tool's, and the kernel's. Each sample is in
/// both, or in neither.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelClock {
    /// Connections whose times the kernel was asked to record.
    pub connections: u64,
    /// Why there are no times; null if there are.
    pub problem: Option<KernelClockProblem>,
    /// Measurements of which the kernel recorded only a part, or nothing. They are in no phase below.
    pub unrecorded: u64,
    /// Measurements in which the two clocks contradict each other, as when the time of the machine is set. They are in no
    /// phase below.
    pub contradictory: u64,
    /// TCP connect; on the wire, the round trip of the SYN.
    pub connect: Option<PhaseClocks>,
    /// TLS.
    pub tls: Option<PhaseClocks>,
    /// The upgrade. Null if its request was sent as early data.
    pub upgrade: Option<PhaseClocks>,
    /// The first message and its echo.
    pub first_echo: Option<PhaseClocks>,
    /// The service time of messages.
    pub service: Option<PhaseClocks>,
}

/// One phase by two clocks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseClocks {
    /// As the tool measures it.
    pub tool: Latency,
    /// From the instant at which the kernel had the first byte that was sent to the instant at which it had the last byte that
    /// was received. Never more than `tool`.
    pub wire: Latency,
    /// The difference of each sample: the generator's own part. It includes the generator's work before its first byte and
    /// after the last one: with TLS, the key share and the check of the certificate.
    pub generator: Latency,
    /// The sum of `generator` divided by that of `tool`, 0 to 1.
    pub generator_share: f64,
}

impl PhaseClocks {
    /// From samples; `None` if there are none.
    pub fn new(tool: Latency, wire: Latency, generator: Latency) -> Option<Self> {
        let generator_share = match (tool.mean, generator.mean) {
            (Some(tool), Some(generator)) if tool > 0.0 => (generator / tool).clamp(0.0, 1.0),
            _ => return None,
        };
        Some(Self { tool, wire, generator, generator_share })
    }
}

impl KernelClock {
    /// The phases with samples, in their order, by the names of the fields.
    pub fn phases(&self) -> impl Iterator<Item = (&'static str, &PhaseClocks)> {
        let phases = [
            ("connect", &self.connect),
            ("tls", &self.tls),
            ("upgrade", &self.upgrade),
            ("first_echo", &self.first_echo),
            ("service", &self.service),
        ];
        phases.into_iter().filter_map(|(name, clocks)| Some((name, clocks.as_ref()?)))
    }
}
