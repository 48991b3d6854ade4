//! A sweep: [`terminal`], text; [`markdown`], the same tables to paste; [`csv`], a line per figure and configuration.
//!
//! A configuration is labelled by what it negotiated, not by what was requested. Configurations that noise does not
//! separate share a rank.

mod csv;
mod label;
mod markdown;
mod table;
mod terminal;

pub use self::csv::csv;
pub(crate) use self::label::label;
pub use self::label::label_as_requested;
pub use self::markdown::markdown;
pub(crate) use self::terminal::facts;
pub use self::terminal::terminal;

use wss_analysis::metric::Metric;
use wss_analysis::statistics::{Finding, Interval, MIN_PAIRS, Ratio, SerialCorrelation};
use wss_analysis::sweep::{Security, Summary, SweepResult};
use wss_analysis::workload::{Schedule, Workload, WorkloadSpec, schedule};
use wss_model::HumanDuration;
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::{percent_to, significant};

/// The figures whose ratios and ranks are printed. Of two that say the same, such as handshakes per core and CPU per
/// handshake, only one is. The others are in the overview, and all of them in JSON and CSV.
const COMPARED: [Metric; 14] = [
    Metric::ServerCpuHandshakeUs,
    Metric::ClientCpuHandshakeUs,
    Metric::EchoP50Us,
    Metric::ServerCpuMessageUs,
    Metric::ClientCpuMessageUs,
    Metric::CrowdEchoesPerS,
    Metric::CrowdServerCpuMessageUs,
    Metric::CrowdClientCpuMessageUs,
    Metric::BulkGbPerS,
    Metric::BulkServerNsPerByte,
    Metric::BulkClientNsPerByte,
    Metric::PacedP50Us,
    Metric::PacedServerCpuMessageUs,
    Metric::PacedClientCpuMessageUs,
];

/// The figures of [`COMPARED`] that the sweep has.
pub(crate) fn compared(sweep: &SweepResult) -> Vec<Metric> {
    let has = |metric: &Metric| sweep.analysis.summaries.iter().any(|summary| summary.metrics.contains_key(metric));
    COMPARED.into_iter().filter(has).collect()
}

/// The name of a figure in a sentence and above its column.
pub(crate) const fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::ServerCpuHandshakeUs => "server µs per handshake",
        Metric::ClientCpuHandshakeUs => "client µs per handshake",
        Metric::HandshakesPerSPerCore => "handshakes/s per core",
        Metric::HandshakesPerS => "handshakes/s",
        Metric::HandshakeP50Us => "handshake p50 µs",
        Metric::HandshakeP90Us => "handshake p90 µs",
        Metric::HandshakeP99Us => "handshake p99 µs",
        Metric::HandshakeSentBytes => "bytes sent",
        Metric::HandshakeReceivedBytes => "bytes received",
        Metric::EchoP50Us => "echo p50 µs",
        Metric::EchoP90Us => "echo p90 µs",
        Metric::EchoP99Us => "echo p99 µs",
        Metric::EchoesPerS => "echoes/s",
        Metric::EchoServerRssBytes => "server memory, bytes",
        Metric::ServerCpuMessageUs => "server µs per message",
        Metric::ClientCpuMessageUs => "client µs per message",
        Metric::CrowdP50Us => "crowd p50 µs",
        Metric::CrowdEchoesPerS => "crowd echoes/s",
        Metric::CrowdServerCpuMessageUs => "crowd server µs per message",
        Metric::CrowdClientCpuMessageUs => "crowd client µs per message",
        Metric::BulkGbPerS => "bulk GB/s",
        Metric::BulkServerNsPerByte => "bulk server ns per byte",
        Metric::BulkClientNsPerByte => "bulk client ns per byte",
        Metric::BulkServerAeadNsPerByte => "bulk server AEAD ns per byte",
        Metric::PacedP50Us => "paced p50 µs",
        Metric::PacedP99Us => "paced p99 µs",
        Metric::PacedServerCpuMessageUs => "paced server µs per message",
        Metric::PacedClientCpuMessageUs => "paced client µs per message",
        Metric::SubscribeP50Us => "published p50 µs",
        Metric::SubscribeP99Us => "published p99 µs",
        Metric::SubscribeGapP99Us => "published gap p99 µs",
        Metric::SubscribeServerCpuMessageUs => "published server µs per message",
        Metric::SubscribeClientCpuMessageUs => "published client µs per message",
    }
}

/// The name of a figure in a sentence, without its unit: `server CPU time per handshake`.
pub(crate) fn measure(metric: Metric) -> String {
    let name = title(metric);
    if metric == Metric::BulkGbPerS {
        return "bulk throughput".to_owned();
    }
    if metric.is_cpu_time() && metric != Metric::HandshakesPerSPerCore {
        return name.replace("µs", "CPU time").replace("ns", "CPU time");
    }
    name.trim_end_matches(" µs").to_owned()
}

/// A ratio with its interval if it is a difference, the largest difference that is possible if it is not, and a question
/// mark if there are too few blocks.
pub(crate) fn describe_ratio(ratio: &Ratio) -> String {
    match (ratio.finding(), &ratio.interval) {
        (Finding::NoDifferenceLargerThan { percent }, _) => format!("≈ within {}", percent_to(percent, 2)),
        (Finding::Differs, Some(interval)) => difference(ratio.center, interval),
        _ => format!("{} ?", significant(ratio.center, 3)),
    }
}

/// With enough digits to see that 1 is not in the interval.
fn difference(center: f64, Interval { low, high, .. }: &Interval) -> String {
    let is_one = |value: f64, digits| significant(value, digits).parse() == Ok(1.0);
    let digits = (3..8).find(|digits| !is_one(*low, *digits) && !is_one(*high, *digits)).unwrap_or(8);
    let [center, low, high] = [center, *low, *high].map(|value| significant(value, digits));
    format!("{center} ({low}–{high})")
}

/// The configurations of one security level, the cheapest first.
pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) numbers: Vec<usize>,
}

/// The configurations by security level: without TLS first, then from the weakest to the strongest.
pub(crate) fn groups(sweep: &SweepResult) -> Vec<Group> {
    let mut rows: Vec<(GroupKey, f64, &Summary)> = sweep
        .analysis
        .summaries
        .iter()
        .map(|summary| {
            // The reference's repetition is listed next to the reference, whatever its figures.
            let repeated = sweep.configuration(summary.configuration).and_then(|one| one.repeat_of);
            let sorted_as = repeated.and_then(|number| sweep.analysis.summary(number)).unwrap_or(summary);
            let cost = COMPARED.iter().find_map(|metric| sorted_as.metrics.get(metric)).map_or(f64::MAX, |m| m.median);
            (GroupKey::of(summary), cost, summary)
        })
        .collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    let mut groups: Vec<(GroupKey, Group)> = Vec::new();
    for (key, _, summary) in rows {
        match groups.last_mut() {
            Some((last, group)) if *last == key => group.numbers.push(summary.configuration),
            _ => groups.push((key, Group { title: key.title(), numbers: vec![summary.configuration] })),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum GroupKey {
    NoTls,
    Level(Security),
    Unknown,
    Nothing,
}

impl GroupKey {
    fn of(summary: &Summary) -> Self {
        match summary.security {
            _ if summary.metrics.is_empty() => Self::Nothing,
            _ if summary.negotiated.is_empty() => Self::NoTls,
            Some(security) => Self::Level(security),
            None => Self::Unknown,
        }
    }

    fn title(self) -> String {
        match self {
            Self::NoTls => "no TLS".to_owned(),
            Self::Level(Security { bits, post_quantum: false }) => format!("{bits} bits"),
            Self::Level(Security { bits, post_quantum: true }) => {
                format!("{bits} bits, post-quantum")
            }
            Self::Unknown => "strength not known".to_owned(),
            Self::Nothing => "nothing measured".to_owned(),
        }
    }
}

/// How time slices affect the figures; `None` without any.
pub(super) fn describe_slices(workloads: &[WorkloadSpec], interleave: Option<HumanDuration>) -> Option<String> {
    let measured = match schedule(workloads, interleave) {
        Schedule::Sequential => return None,
        Schedule::Interleaved(length) => format!(
            "All trials of a block ran at the same time in time slices of {length} (--interleave): the pauses between \
             slices lower the rate of a closed loop and lengthen its latencies"
        ),
        Schedule::Both(length) => format!(
            "CPU time was measured with all trials of a block at the same time, in time slices of {length}; latencies, rates, \
             bytes and memory were measured one trial after the other"
        ),
    };
    Some(format!("{measured}. Every slice begins with cold caches."))
}

/// The metrics whose blocks depend on their order, and what follows; `None` if there are none.
pub(super) fn describe_correlated(metrics: impl Iterator<Item = (Metric, SerialCorrelation)>) -> Option<String> {
    let significant = metrics.filter(|(_, correlation)| correlation.is_significant());
    let described: Vec<String> = significant
        .map(|(metric, SerialCorrelation { lag1, p })| {
            format!("{} (lag-1 correlation {lag1:.2}, p {p:.3})", title(metric))
        })
        .collect();
    let names = described.join(", ");
    (!described.is_empty()).then(|| format!("The blocks are not independent, so the interval is too narrow: {names}."))
}

/// That blocks depend on their order, if they do.
pub(crate) fn correlated(sweep: &SweepResult) -> Option<String> {
    let compared = compared(sweep);
    let rankings = sweep.analysis.rankings.iter().filter(|ranking| compared.contains(&ranking.metric));
    describe_correlated(rankings.filter_map(|ranking| Some((ranking.metric, ranking.serial_correlation?))))
}

/// How to read the tables.
pub(crate) fn legend(sweep: &SweepResult) -> Vec<String> {
    let mut sentences = vec![
        "Figures are medians over the trials. Ratios are to the reference in the same block: Hodges–Lehmann center and \
         exact Wilcoxon signed-rank interval. ≈: the interval contains 1, so any difference is at most this large; ?: too \
         few blocks for an interval. Of twenty such intervals, one misses the true ratio."
            .to_owned(),
    ];
    let pairs = sweep.complete_blocks();
    let widest = sweep.analysis.summaries.iter().flat_map(|summary| summary.metrics.values());
    let widest = widest.filter_map(|found| found.ratio.as_ref()).max_by_key(|ratio| ratio.pairs);
    sentences.push(match widest.and_then(|ratio| Some((ratio.pairs, ratio.interval.as_ref()?.confidence))) {
        Some((pairs, confidence)) => {
            let blocks = pluralize(pairs as u64, "block");
            format!("With {blocks} the confidence of the intervals is {}.", percent_to(confidence * 100.0, 3))
        }
        None => format!(
            "No intervals: an exact 95% interval needs {MIN_PAIRS} blocks, and there are {pairs}, so no configuration can \
             be distinguished from another."
        ),
    });
    sentences.extend(describe_slices(&sweep.workloads, sweep.interleave));
    let has = |kind| sweep.workloads.iter().any(|workload| workload.kind == kind);
    if has(Workload::Handshake) {
        sentences.push(
            "µs per handshake: CPU time of that end as the kernel accounts it, including connect, accept and close. Per \
             core: 1 s divided by the server's CPU per handshake. Bytes: TCP payload sent + received by the client."
                .to_owned(),
        );
    }
    if has(Workload::Crowd) {
        sentences.push("Crowd: small messages on many connections, in a closed loop.".to_owned());
    }
    if has(Workload::Bulk) {
        sentences.push("Bulk: payload in each direction; each end receives and sends every byte once.".to_owned());
    }
    sentences.push(
        "Bits: the weakest of key exchange, cipher and certificate (NIST SP 800-57; ML-KEM and ML-DSA by their category). \
         Post-quantum refers to the key exchange."
            .to_owned(),
    );
    sentences
}

#[cfg(test)]
mod tests;
