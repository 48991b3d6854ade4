//! The conclusions of a sweep: [`Analysis`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::security::Security;
use crate::metric::Metric;
use crate::statistics::{Finding, Place, Ratio, SerialCorrelation};
use wss_model::run_result::Negotiated;

/// Conclusions, derived from the blocks alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// The confidence requested for the intervals, 0 to 1. Each interval states the confidence that it achieves.
    pub confidence: f64,
    /// One summary per configuration, in their order.
    pub summaries: Vec<Summary>,
    /// One ranking per metric that at least two configurations have.
    pub rankings: Vec<Ranking>,
}

/// The summary of one configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Number of the configuration.
    pub configuration: usize,
    /// The kinds of handshake, the most frequent first; empty without TLS, or if no handshake completed.
    pub negotiated: Vec<Negotiated>,
    /// Security level of the weakest of them; null without TLS, or if an algorithm's level is unknown.
    pub security: Option<Security>,
    /// Number of trials.
    pub trials: usize,
    /// Number of valid trials.
    pub trials_valid: usize,
    /// The first reason of the first invalid trial; null if all are valid.
    pub first_reason: Option<String>,
    /// Summaries by metric; a metric without a valid value is absent.
    pub metrics: BTreeMap<Metric, MetricSummary>,
}

/// One metric of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricSummary {
    /// Median over the trials that have a valid value.
    pub median: f64,
    /// Number of those trials.
    pub trials: usize,
    /// This configuration ÷ the reference, paired by block; null for the reference itself, or if no block has both.
    pub ratio: Option<Ratio>,
    /// What the ratio shows; null without one.
    pub finding: Option<Finding>,
    /// The range of places among the configurations; null for the repetition of the reference.
    pub place: Option<Place>,
}

/// The configurations ordered by one metric, the best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ranking {
    /// The metric.
    pub metric: Metric,
    /// Numbers of the configurations. Those of one cluster are tied: the noise does not separate each from all others.
    pub clusters: Vec<Vec<usize>>,
    /// Whether the ratios of the blocks to the reference depend on their order, all configurations together; null with
    /// fewer than six complete blocks and in older results.
    #[serde(default)]
    pub serial_correlation: Option<SerialCorrelation>,
}

impl Analysis {
    /// The summary of the configuration with this number.
    pub fn summary(&self, number: usize) -> Option<&Summary> {
        self.summaries.iter().find(|summary| summary.configuration == number)
    }
}
