//! Latencies, as they are recorded ([`LatencyHistogram`]) and stored ([`Latency`]).
//!
//! HdrHistogram with three significant digits from 1 ns to 60 s. A sample beyond that is counted and
//! never clamped, because a clamped sample would be one that was not measured.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest latency that a histogram records: 60 s, in nanoseconds.
pub const HIGHEST_NS: u64 = 60_000_000_000;

/// A percentile is available only if the probability that no sample lies above it is at most this.
const CHANCE_OF_NO_SAMPLE_ABOVE: f64 = 0.025;

/// Number of samples from which the percentile `quantile` (0.99 for p99) is available.
///
/// The number of n samples above the quantile q has mean n · (1 − q) and, for high quantiles, a Poisson distribution. The
/// probability of none is exp(−n · (1 − q)), so n is ⌊−ln 0.025 / (1 − q)⌋: 36 for p90, 368 for p99, 3,688 for p99.9 and
/// 36,888 for p99.99. A median needs one sample.
pub fn samples_needed(quantile: f64) -> u64 {
    if quantile <= 0.5 {
        return 1;
    }
    (-CHANCE_OF_NO_SAMPLE_ABOVE.ln() / (1.0 - quantile)) as u64
}

/// A histogram of nanoseconds with fixed bounds. Recording never allocates.
#[derive(Debug, Clone)]
pub struct LatencyHistogram {
    inner: Histogram<u64>,
    out_of_range: u64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl LatencyHistogram {
    /// An empty histogram: about 220 KiB, of which only the pages with samples are touched.
    pub fn new() -> Self {
        let inner = Histogram::new_with_bounds(1, HIGHEST_NS, 3).expect("constant bounds that HdrHistogram accepts");
        Self { inner, out_of_range: 0 }
    }

    /// Records one latency. More than 60 s is counted in `out_of_range`; 0 ns is recorded as 1 ns, the resolution of the
    /// clock.
    #[inline] // into the generator, which is compiled for speed
    pub fn record(&mut self, latency: std::time::Duration) {
        self.record_ns(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// [`record`](Self::record), in nanoseconds.
    #[inline]
    pub fn record_ns(&mut self, ns: u64) {
        if ns > HIGHEST_NS || self.inner.record(ns.max(1)).is_err() {
            self.out_of_range += 1;
        }
    }

    /// Number of samples, without those out of range.
    pub fn count(&self) -> u64 {
        self.inner.len()
    }

    /// Number of samples above 60 s.
    pub fn out_of_range(&self) -> u64 {
        self.out_of_range
    }

    /// The percentile of a quantile (0.99 for p99); `None` with too few samples for it.
    pub fn percentile(&self, quantile: f64) -> Option<u64> {
        (self.count() >= samples_needed(quantile)).then(|| self.inner.value_at_quantile(quantile))
    }

    /// The latency in nanoseconds at a quantile, 0 to 1, however few samples there are; 0 without samples.
    pub fn value_at(&self, quantile: f64) -> u64 {
        self.inner.value_at_quantile(quantile)
    }

    /// Mean in nanoseconds; 0 without samples.
    pub fn mean(&self) -> f64 {
        self.inner.mean()
    }

    /// The underlying histogram, for exporters.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.inner
    }

    /// Removes all samples and keeps the memory.
    pub fn clear(&mut self) {
        self.inner.reset();
        self.out_of_range = 0;
    }

    /// Adds the samples of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.inner.add(&other.inner).expect("all latency histograms have the same bounds");
        self.out_of_range += other.out_of_range;
    }

    /// The samples recorded since `earlier`, an earlier state of this histogram.
    ///
    /// # Errors
    /// If `earlier` has samples that this histogram does not have.
    pub fn since(&self, earlier: &Self) -> Result<Self, HistogramError> {
        let mut difference = self.clone();
        difference.inner.subtract(&earlier.inner).map_err(|_| HistogramError::NotEarlier)?;
        difference.out_of_range =
            self.out_of_range.checked_sub(earlier.out_of_range).ok_or(HistogramError::NotEarlier)?;
        Ok(difference)
    }

    /// The samples as base64 of HdrHistogram's V2 compressed form.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.inner, &mut bytes)
            .expect("writing to memory does not fail, and the counts fit the format");
        STANDARD.encode(bytes)
    }

    /// The inverse of [`encode`](Self::encode).
    ///
    /// # Errors
    /// If the text is not base64, not a V2 compressed histogram, or has values out of range.
    pub fn decode(text: &str, out_of_range: u64) -> Result<Self, HistogramError> {
        let bytes = STANDARD.decode(text).map_err(|error| HistogramError::Undecodable(error.to_string()))?;
        let read: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| HistogramError::Undecodable(error.to_string()))?;
        let mut histogram = Self { out_of_range, ..Self::new() };
        histogram.inner.add(&read).map_err(|error| HistogramError::Undecodable(error.to_string()))?;
        Ok(histogram)
    }

    /// The form that results contain.
    pub fn summary(&self) -> Latency {
        let some = |value: u64| (self.count() > 0).then_some(value);
        let percentile = |quantile: f64| self.percentile(quantile);
        Latency {
            unit: Unit::Ns,
            count: self.count(),
            min: some(self.inner.min()),
            mean: (self.count() > 0).then(|| self.inner.mean()),
            p50: percentile(0.5),
            p90: percentile(0.9),
            p99: percentile(0.99),
            p99_9: percentile(0.999),
            p99_99: percentile(0.9999),
            max: some(self.inner.max()),
            out_of_range: self.out_of_range,
            histogram: self.encode(),
        }
    }
}

/// Why a histogram could not be read or taken apart.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// The text is not what `encode` writes.
    #[error("the histogram cannot be decoded: {0}")]
    Undecodable(String),
    /// The histogram is not a later state of the other.
    #[error("the histogram has fewer samples than an earlier one; the server may have been restarted")]
    NotEarlier,
}

/// The unit of every number of a [`Latency`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
}

/// A latency in a result. Percentiles with too few samples are null (see [`samples_needed`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Unit of `min` to `max`.
    pub unit: Unit,
    /// Number of samples.
    pub count: u64,
    /// Smallest sample, to three significant digits; null without samples.
    pub min: Option<u64>,
    /// Arithmetic mean; null without samples.
    pub mean: Option<f64>,
    /// Median; null without samples.
    pub p50: Option<u64>,
    /// 90th percentile; null with fewer than 36 samples.
    pub p90: Option<u64>,
    /// 99th percentile; null with fewer than 368 samples.
    pub p99: Option<u64>,
    /// 99.9th percentile; null with fewer than 3,688 samples.
    pub p99_9: Option<u64>,
    /// 99.99th percentile; null with fewer than 36,888 samples.
    pub p99_99: Option<u64>,
    /// Largest sample, to three significant digits; null without samples.
    pub max: Option<u64>,
    /// Number of samples above 60 s, which are neither in `count` nor in the percentiles.
    pub out_of_range: u64,
    /// All samples: base64 of HdrHistogram's V2 compressed encoding.
    pub histogram: String,
}

impl Default for Latency {
    fn default() -> Self {
        LatencyHistogram::new().summary()
    }
}

impl Latency {
    /// The histogram of the samples.
    ///
    /// # Errors
    /// If `histogram` is damaged, or does not have `count` samples.
    pub fn samples(&self) -> Result<LatencyHistogram, HistogramError> {
        let samples = LatencyHistogram::decode(&self.histogram, self.out_of_range)?;
        if samples.count() != self.count {
            return Err(HistogramError::Undecodable(format!(
                "it has {} samples, but the result says {}",
                samples.count(),
                self.count
            )));
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_need_the_documented_number_of_samples() {
        let needed: Vec<u64> = [0.5, 0.9, 0.99, 0.999, 0.9999].into_iter().map(samples_needed).collect();
        assert_eq!(needed, [1, 36, 368, 3_688, 36_888]);
    }

    #[test]
    fn a_percentile_with_one_sample_too_few_is_none() {
        let mut histogram = LatencyHistogram::new();
        for ns in 1..=367 {
            histogram.record_ns(ns);
        }
        assert_eq!(histogram.summary().p99, None);
        histogram.record_ns(368);
        let summary = histogram.summary();
        assert_eq!((summary.p99, summary.p99_9), (Some(365), None));
    }

    #[test]
    fn samples_above_60_s_are_counted_and_in_no_percentile() {
        let mut histogram = LatencyHistogram::new();
        histogram.record_ns(1_000);
        histogram.record_ns(HIGHEST_NS + 1);
        histogram.record_ns(u64::MAX);
        let summary = histogram.summary();
        assert_eq!((summary.count, summary.out_of_range, summary.max), (1, 2, Some(1_000)));
    }

    #[test]
    fn an_empty_latency_has_no_figures() {
        let empty = Latency::default();
        assert_eq!((empty.count, empty.min, empty.mean, empty.p50, empty.max), (0, None, None, None, None));
    }

    #[test]
    fn a_latency_with_a_wrong_count_is_rejected() {
        let mut latency = LatencyHistogram::new().summary();
        latency.count = 7;
        assert!(latency.samples().unwrap_err().to_string().contains("0 samples, but the result says 7"));
        latency.histogram.truncate(9);
        assert!(latency.samples().is_err());
    }

    proptest! {
        #[test]
        fn a_difference_holds_exactly_the_samples_in_between(
            before in proptest::collection::vec(0..=HIGHEST_NS, 0..50),
            between in proptest::collection::vec(0..=HIGHEST_NS, 0..50),
        ) {
            let mut histogram = LatencyHistogram::new();
            before.iter().for_each(|&ns| histogram.record_ns(ns));
            let earlier = LatencyHistogram::decode(&histogram.encode(), 0).unwrap();
            let mut alone = LatencyHistogram::new();
            for &ns in &between {
                histogram.record_ns(ns);
                alone.record_ns(ns);
            }
            let difference = histogram.since(&earlier).unwrap();
            prop_assert_eq!(difference.count(), alone.count());
            prop_assert_eq!(difference.value_at(0.5), alone.value_at(0.5));
            prop_assert_eq!(earlier.since(&histogram).is_err(), !between.is_empty());
        }
    }
}
