//! How a sweep reads: [`terminal`], text of at most 100 columns; [`markdown`], the same tables to paste; [`csv`], a
//! line for each figure of each configuration.
//!
//! What is shown of a configuration is what it negotiated, not what it was asked for. A difference that the noise does
//! not separate is shown as none, and nothing is put before another on account of it.

mod csv;
mod label;
mod markdown;
mod table;
mod terminal;

pub use self::csv::csv;
pub use self::label::label_as_asked;
pub use self::markdown::markdown;
pub use self::terminal::terminal;

use wss_analysis::statistics::{Finding, Interval, MIN_PAIRS, Ratio};
use wss_analysis::sweep::{Metric, Security, Summary, SweepResult, Workload};
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::{percent_to, significant};

/// The figures that are compared in words and tables: of two that say the same (handshakes a core and time a
/// handshake) one. The others are in the overview, and all of them in JSON and CSV.
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

/// Those of [`COMPARED`] that the sweep has.
fn compared(sweep: &SweepResult) -> Vec<Metric> {
    let has = |metric: &Metric| sweep.analysis.summaries.iter().any(|summary| summary.metrics.contains_key(metric));
    COMPARED.into_iter().filter(has).collect()
}

/// A figure's name in a sentence and above its column: what of what.
pub(super) const fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::ServerCpuHandshakeUs => "server µs a handshake",
        Metric::ClientCpuHandshakeUs => "client µs a handshake",
        Metric::HandshakesPerSPerCore => "handshakes/s a core",
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
        Metric::EchoServerRssBytes => "server RSS, bytes",
        Metric::ServerCpuMessageUs => "server µs a message",
        Metric::ClientCpuMessageUs => "client µs a message",
        Metric::CrowdP50Us => "crowd p50 µs",
        Metric::CrowdEchoesPerS => "crowd echoes/s",
        Metric::CrowdServerCpuMessageUs => "crowd server µs a message",
        Metric::CrowdClientCpuMessageUs => "crowd client µs a message",
        Metric::BulkGbPerS => "bulk GB/s",
        Metric::BulkServerNsPerByte => "bulk server ns a byte",
        Metric::BulkClientNsPerByte => "bulk client ns a byte",
        Metric::BulkServerAeadNsPerByte => "bulk server AEAD ns a byte",
        Metric::PacedP50Us => "paced p50 µs",
        Metric::PacedP99Us => "paced p99 µs",
        Metric::PacedServerCpuMessageUs => "paced server µs a message",
        Metric::PacedClientCpuMessageUs => "paced client µs a message",
    }
}

/// A ratio as it is shown: with its interval if it is a difference, as none larger than so much if it is not, and with
/// a question mark if there is no telling.
pub(super) fn ratio_in_words(ratio: &Ratio) -> String {
    match (ratio.finding(), &ratio.interval) {
        (Finding::NoDifferenceLargerThan { percent }, _) => format!("≈ within {}", percent_to(percent, 2)),
        (Finding::Differs, Some(interval)) => difference(ratio.center, interval),
        _ => format!("{} ?", significant(ratio.center, 3)),
    }
}

/// With as many digits as it takes to see that 1 is not in the interval.
fn difference(center: f64, Interval { low, high, .. }: &Interval) -> String {
    let is_one = |value: f64, digits| significant(value, digits).parse() == Ok(1.0);
    let digits = (3..8).find(|digits| !is_one(*low, *digits) && !is_one(*high, *digits)).unwrap_or(8);
    let [center, low, high] = [center, *low, *high].map(|value| significant(value, digits));
    format!("{center} ({low}–{high})")
}

/// Configurations of one level of security, from the cheapest on.
struct Group {
    title: String,
    numbers: Vec<usize>,
}

/// The configurations by their level of security: without TLS first, then from the weakest to the strongest.
fn groups(sweep: &SweepResult) -> Vec<Group> {
    let mut rows: Vec<(GroupKey, f64, &Summary)> = sweep
        .analysis
        .summaries
        .iter()
        .map(|summary| {
            // The reference's repetition stands beside the reference, whatever the noise made of it.
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

/// What whoever reads figures of trials in turns needs to know.
pub(super) const INTERLEAVED: &str =
    "In turns a rate in a closed loop is lower for the pauses, and every turn begins with the caches of another.";

/// Sentences that whoever reads the tables needs.
fn legend(sweep: &SweepResult) -> Vec<String> {
    let mut sentences = vec![
        "Figures are medians over the trials. Ratios are to the reference in the same block: Hodges–Lehmann center and \
         exact Wilcoxon signed-rank interval; ≈: the interval contains 1, so that there is no difference larger than \
         this; ?: too few blocks for an interval. Each interval is one of many: of twenty, one misses."
            .to_owned(),
    ];
    let pairs = sweep.whole_blocks();
    let widest = sweep.analysis.summaries.iter().flat_map(|summary| summary.metrics.values());
    let widest = widest.filter_map(|found| found.ratio.as_ref()).max_by_key(|ratio| ratio.pairs);
    sentences.push(match widest.and_then(|ratio| Some((ratio.pairs, ratio.interval.as_ref()?.confidence))) {
        Some((pairs, confidence)) => {
            let blocks = pluralize(pairs as u64, "block");
            format!("With {blocks} the intervals have a confidence of {}.", percent_to(confidence * 100.0, 3))
        }
        None => format!(
            "No intervals: an exact one of 95% needs {MIN_PAIRS} blocks, and there are {pairs}; nothing can be told \
             apart."
        ),
    });
    sentences.extend(sweep.interleave.map(|_| INTERLEAVED.to_owned()));
    let has = |kind| sweep.workloads.iter().any(|workload| workload.kind == kind);
    if has(Workload::Handshake) {
        sentences.push(
            "µs a handshake: CPU time of that end by the kernel's accounting, connect, accept and close included; a \
             core: 1 s over the server's. Bytes: TCP payload to the server + back."
                .to_owned(),
        );
    }
    if has(Workload::Crowd) {
        sentences.push("Crowd: small messages on many connections, in a closed loop.".to_owned());
    }
    if has(Workload::Bulk) {
        sentences
            .push("Bulk: payload in each direction; a byte is received once and sent once by each end.".to_owned());
    }
    sentences.push(
        "Bits: the weakest of key exchange, cipher and certificate (NIST SP 800-57; ML-KEM and ML-DSA by their \
         category). Post-quantum: the key exchange is."
            .to_owned(),
    );
    sentences
}

#[cfg(test)]
mod tests;
