//! The conclusions of a comparison: [`Analysis`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::Metric;
use crate::statistics::{CONFIDENCE, Finding, Ratio, SerialCorrelation};

/// Conclusions, derived from the blocks alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// The confidence requested for the intervals, 0 to 1. Each interval states the confidence that it achieves.
    pub confidence: f64,
    /// Number of blocks that the metrics use.
    pub blocks_used: usize,
    /// Number of blocks that were dropped.
    pub blocks_dropped: usize,
    /// The compared metrics, the primary ones first.
    pub metrics: Vec<ComparedMetric>,
}

/// One metric of both arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedMetric {
    /// The metric.
    pub metric: Metric,
    /// Whether it decides the verdict.
    pub role: Role,
    /// Median over the trials of A.
    pub a_median: f64,
    /// Median over the trials of B.
    pub b_median: f64,
    /// B ÷ A, from one ratio per block; null if no block has both.
    pub ratio: Option<Ratio>,
    /// What the ratio shows; null without one.
    pub finding: Option<Finding>,
    /// Noise floor: in each block, one trial of each arm ÷ the other trial of each arm. It differs from 1 by noise alone.
    /// In a comparison of existing results: a result ÷ the next one of the same arm; null with fewer than two blocks.
    pub noise_floor: Option<Ratio>,
    /// The smallest true difference, in percent, that four of five such comparisons would detect; null without an
    /// interval.
    pub detectable_percent: Option<f64>,
    /// Two-sided p-value of the signed-rank test for "no difference"; null if no block has both. With --until-width it is
    /// scaled so that the level of all looks together is that of a single test.
    pub p_value: Option<f64>,
    /// Whether the ratios of the blocks depend on their order; null with fewer than six of them and in older results.
    #[serde(default)]
    pub serial_correlation: Option<SerialCorrelation>,
    /// `p_value` adjusted for the number of primary metrics (Holm); null for secondary ones.
    pub p_holm: Option<f64>,
}

/// Whether a metric decides the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It decides the verdict.
    Primary,
    /// It is for information.
    Secondary,
}

/// The primary metrics, of those that the trials have.
pub(super) const PRIMARY: [Metric; 3] = [Metric::ServerCpuHandshakeUs, Metric::HandshakeP50Us, Metric::EchoP50Us];

impl ComparedMetric {
    /// Whether B differs from A, allowing for the number of primary metrics.
    pub fn differs(&self) -> bool {
        let p = self.p_holm.or(self.p_value);
        self.finding == Some(Finding::Differs) && p.is_some_and(|p| p <= 1.0 - CONFIDENCE)
    }

    /// Whether B is better, provided that it differs.
    pub fn is_better(&self) -> bool {
        self.ratio.as_ref().is_some_and(|ratio| (ratio.center > 1.0) == self.metric.more_is_better())
    }
}

impl Analysis {
    /// Width of the widest interval of a primary metric, in percent; `None` if one of them has no interval.
    pub fn widest_percent(&self) -> Option<f64> {
        let widths = self.metrics.iter().filter(|one| one.role == Role::Primary).map(|one| {
            let interval = one.ratio.as_ref()?.interval.as_ref()?;
            Some(100.0 * (interval.high / interval.low - 1.0))
        });
        widths.collect::<Option<Vec<f64>>>()?.into_iter().max_by(f64::total_cmp)
    }
}
