//! OpenMetrics 1.0 text: the counts of a run, and for every latency a histogram, which can be summed over runs, and the
//! quantiles of the result, which are exact. Units are the base units of OpenMetrics: seconds and bytes.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::{ExportError, Format};
use wss_model::latency::{Latency, LatencyHistogram};
use wss_model::named_latency;
use wss_model::run_result::{End, RunResult};

/// Upper bounds of the histogram's buckets in seconds: 1, 2 and 5 times every power of ten from 1 µs on, and 60 s, up to
/// which latencies are recorded.
const BOUNDS: [f64; 24] = [
    1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0,
    5.0, 10.0, 20.0, 60.0,
];

type Labels = Vec<(&'static str, String)>;

/// All families in the order in which they are written; a registry does not keep the order of its own families.
#[derive(Debug, Default)]
struct Families(Vec<Family>);

#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    metrics: Vec<(Labels, Value)>,
}

#[derive(Debug)]
enum Value {
    Counter(u64),
    Gauge(f64),
    Info(Labels),
    Histogram { sum: f64, count: u64, buckets: Vec<(f64, u64)> },
}

/// Every number of a run.
pub(super) fn run(run: &RunResult) -> Result<String, ExportError> {
    let mut registry = Registry::with_prefix("wssbench_run");
    registry.register_collector(Box::new(families(run)?));
    let mut text = String::new();
    encode(&mut text, &registry)
        .map_err(|error| ExportError::Unwritable { format: Format::Openmetrics.name(), reason: error.to_string() })?;
    Ok(text)
}

fn families(run: &RunResult) -> Result<Families, ExportError> {
    let mut families = Families::default();
    families.about(run);
    families.counts(run);
    families.costs(run);
    families.latencies(run)?;
    Ok(families)
}

impl Families {
    fn add(
        &mut self,
        (name, help): (&'static str, &'static str),
        unit: Option<Unit>,
        kind: MetricType,
        metrics: Vec<(Labels, Value)>,
    ) {
        // A family without metrics would announce one that does not exist.
        if !metrics.is_empty() {
            self.0.push(Family { name, help, unit, kind, metrics });
        }
    }

    /// The run's identity and validity.
    fn about(&mut self, run: &RunResult) {
        let labels = vec![
            ("id", run.id.clone()),
            ("started_at", run.started_at.clone()),
            ("version", run.tool.version.clone()),
            ("commit", run.tool.git_commit.clone().unwrap_or_default()),
            ("layer", run.target.url.split(':').next().unwrap_or_default().to_owned()),
            ("client_engine", run.client.engine_name().to_owned()),
            ("server_engine", run.server.as_ref().map_or("", End::engine_name).to_owned()),
            ("verify", run.verify.clone().unwrap_or_default()),
        ];
        let help = ("about", "The program that measured, and its configuration");
        self.add(help, None, MetricType::Info, vec![(vec![], Value::Info(labels))]);
        let valid = Value::Gauge(f64::from(u8::from(run.valid)));
        self.add(("valid", "1 if the result is valid, else 0"), None, MetricType::Gauge, vec![(vec![], valid)]);
    }

    fn counts(&mut self, run: &RunResult) {
        let outcome = |outcome: &str, count| (vec![("outcome", outcome.to_owned())], Value::Counter(count));
        let handshake = &run.handshake;
        let outcomes = vec![outcome("completed", handshake.completed), outcome("failed", handshake.failed)];
        self.add(("handshakes", "Handshakes of the measured phase"), None, MetricType::Counter, outcomes);
        let kinds = run.negotiated.iter().map(|entry| {
            let one = entry.negotiated.clone();
            let labels = vec![
                ("version", one.version),
                ("suite", one.suite),
                ("group", one.group),
                ("certificate", one.certificate),
                ("kind", one.kind),
            ];
            (labels, Value::Counter(entry.count))
        });
        let help = ("tls_handshakes", "TLS handshakes by what the client negotiated");
        self.add(help, None, MetricType::Counter, kinds.collect());
        if let Some(echo) = &run.echo {
            let outcomes = vec![outcome("received", echo.received), outcome("failed", echo.failed)];
            self.add(("echoes", "Messages of the measured phase"), None, MetricType::Counter, outcomes);
        }
        if let Some(pushed) = &run.subscribe {
            let lost = pushed.published.as_ref().map(|published| outcome("lost", published.lost));
            let outcomes = [outcome("received", pushed.received)].into_iter().chain(lost).collect();
            let help = ("pushed_messages", "Pushed messages of the measured phase");
            self.add(help, None, MetricType::Counter, outcomes);
        }
        let errors = run.errors.iter().map(|error| {
            (vec![("phase", error.phase.to_string()), ("kind", error.kind.to_string())], Value::Counter(error.count))
        });
        self.add(("errors", "Errors by phase and kind"), None, MetricType::Counter, errors.collect());
    }

    fn costs(&mut self, run: &RunResult) {
        let ends = |client: Option<f64>, server: Option<f64>, units: f64| {
            let ends = [("client", client), ("server", server)].into_iter();
            let known = ends.filter_map(|(end, value)| Some((end, value.filter(|value| value.is_finite())?)));
            known.map(|(end, value)| (vec![("end", end.to_owned())], Value::Gauge(value / units))).collect::<Vec<_>>()
        };
        let (handshake, gauge) = (&run.handshake, MetricType::Gauge);
        let of = ends(handshake.client_cpu_ns, handshake.server_cpu_ns, 1e9);
        self.add(("handshake_cpu", "CPU time per completed handshake"), Some(Unit::Seconds), gauge, of);
        if let Some(echo) = &run.echo {
            let of = ends(echo.client_cpu_ns, echo.server_cpu_ns, 1e9);
            self.add(("message_cpu", "CPU time per echoed message"), Some(Unit::Seconds), gauge, of);
        }
        if let Some(pushed) = &run.subscribe {
            let of = ends(pushed.client_cpu_ns, pushed.server_cpu_ns, 1e9);
            self.add(("pushed_message_cpu", "CPU time per pushed message"), Some(Unit::Seconds), gauge, of);
        }
        let peak = run.server.as_ref().map(|server| server.rss_bytes_peak as f64);
        let of = ends(Some(run.client.rss_bytes_peak as f64), peak, 1.0);
        self.add(("resident_memory_peak", "Peak resident memory"), Some(Unit::Bytes), gauge, of);
    }

    fn latencies(&mut self, run: &RunResult) -> Result<(), ExportError> {
        let label = |name: &str| vec![("latency", name.to_owned())];
        let samples = super::samples(run)?;
        let histograms = samples.iter().map(|(name, samples)| (label(name), histogram(samples)));
        let help = ("latency", "Every latency by its name in the result");
        self.add(help, Some(Unit::Seconds), MetricType::Histogram, histograms.collect());
        let named = named_latency::all(run).into_iter().filter(|(_, latency)| latency.count > 0);
        let (mut quantiles, mut beyond) = (Vec::new(), Vec::new());
        for (name, latency) in named {
            for (quantile, ns) in quantiles_of(latency) {
                let labels = [label(&name), vec![("quantile", quantile.to_owned())]].concat();
                quantiles.push((labels, Value::Gauge(ns as f64 / 1e9)));
            }
            beyond.push((label(&name), Value::Counter(latency.out_of_range)));
        }
        let help = ("latency_quantile", "The quantiles for which there are enough samples");
        self.add(help, Some(Unit::Seconds), MetricType::Gauge, quantiles);
        let help = ("latency_out_of_range", "Samples over 60 s, which are not in the histogram");
        self.add(help, None, MetricType::Counter, beyond);
        Ok(())
    }
}

/// The quantiles of a latency for which there are enough samples.
fn quantiles_of(latency: &Latency) -> impl Iterator<Item = (&'static str, u64)> {
    let Latency { min, p50, p90, p99, p99_9, p99_99, max, .. } = latency;
    let all = [("0", min), ("0.5", p50), ("0.9", p90), ("0.99", p99), ("0.999", p99_9), ("0.9999", p99_99), ("1", max)];
    all.into_iter().filter_map(|(quantile, ns)| Some((quantile, (*ns)?)))
}

fn histogram(samples: &LatencyHistogram) -> Value {
    let mut buckets: Vec<(f64, u64)> = BOUNDS.into_iter().chain([f64::INFINITY]).map(|bound| (bound, 0)).collect();
    // The encoder sums the buckets up, so together they must not exceed the count.
    let mut left = samples.count();
    for step in samples.histogram().iter_recorded() {
        let seconds = step.value_iterated_to() as f64 / 1e9;
        let count = step.count_at_value().min(left);
        left -= count;
        if let Some((_, bucket)) = buckets.iter_mut().find(|(bound, _)| seconds <= *bound) {
            *bucket += count;
        }
    }
    let count = samples.count();
    Value::Histogram { sum: samples.mean() * count as f64 / 1e9, count, buckets }
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { name, help, unit, kind, metrics } in &self.0 {
            let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), *kind)?;
            for (labels, value) in metrics {
                if labels.is_empty() {
                    value.encode(&mut family)?
                } else {
                    value.encode(&mut family.encode_family(labels)?)?
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter(count) => metric.encode_counter::<NoLabelSet, _, u64>(count, None),
            Self::Gauge(value) => metric.encode_gauge(value),
            Self::Info(labels) => metric.encode_info(labels),
            Self::Histogram { sum, count, buckets } => {
                metric.encode_histogram::<NoLabelSet>(*sum, *count, buckets, None)
            }
        }
    }
}
