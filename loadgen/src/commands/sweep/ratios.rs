//! `--ratio N/M`: any two configurations of a sweep compared, or any two of its metrics, from the same blocks.

use std::fmt::Write as _;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use wss_analysis::metric::Metric;
use wss_analysis::statistics::{Ratio, paired_ratio};
use wss_analysis::sweep::{Block, SweepResult};

/// A ratio that was requested: `2/3` for all metrics, or `1:client_cpu_message_us/1:server_cpu_message_us`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RatioRequest {
    numerator: usize,
    denominator: usize,
    /// The metrics of numerator and denominator; `None` for every metric that both have.
    metrics: Option<(Metric, Metric)>,
}

impl FromStr for RatioRequest {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (numerator, denominator) = text
            .split_once('/')
            .with_context(|| format!("invalid ratio `{text}`; expected e.g. 2/3, the numbers of two configurations"))?;
        let ((numerator, over), (denominator, under)) = (term(numerator)?, term(denominator)?);
        let metrics = match (over, under) {
            (Some(over), Some(under)) => Some((over, under)),
            (None, None) => None,
            _ => bail!("invalid ratio `{text}`; give a metric for both configurations or for neither"),
        };
        Ok(Self { numerator, denominator, metrics })
    }
}

/// `3`, or `3:server_cpu_message_us`.
fn term(text: &str) -> anyhow::Result<(usize, Option<Metric>)> {
    let (number, metric) = text.split_once(':').map_or((text, None), |(number, metric)| (number, Some(metric)));
    let number =
        number.trim().parse().ok().with_context(|| {
            format!("invalid number `{number}` of a configuration; sweep --list prints the numbers")
        })?;
    let by_name = |name: &str| {
        let names = || Metric::ALL.iter().map(|metric| metric.name()).collect::<Vec<_>>().join(", ");
        Metric::by_name(name).with_context(|| format!("unknown metric `{name}`; expected one of {}", names()))
    };
    Ok((number, metric.map(str::trim).map(by_name).transpose()?))
}

/// Refuses a ratio of configurations that the sweep does not have.
///
/// # Errors
/// With the first number that does not exist.
pub(super) fn check(sweep: &SweepResult, requests: &[RatioRequest]) -> anyhow::Result<()> {
    for number in requests.iter().flat_map(|request| [request.numerator, request.denominator]) {
        ensure!(
            sweep.configuration(number).is_some(),
            "--ratio: configuration {number} does not exist; the numbers are 1 to {}",
            sweep.configurations.len()
        );
    }
    Ok(())
}

/// The ratios in text, a line per metric.
pub(super) fn text(sweep: &SweepResult, requests: &[RatioRequest]) -> String {
    let label = |number: usize| {
        let label = sweep.configuration(number).map_or("", |configuration| configuration.label.as_str());
        format!("{number} ({label})")
    };
    let mut text = String::new();
    for request in requests {
        let (over, under) = (label(request.numerator), label(request.denominator));
        let _ = writeln!(text, "Ratio {over} ÷ {under}: center, with the exact interval of the blocks that have both");
        let pairs = match request.metrics {
            Some(pair) => vec![pair],
            None => Metric::ALL.iter().map(|metric| (*metric, *metric)).collect(),
        };
        for (over, under) in pairs {
            let name =
                if over == under { over.name().to_owned() } else { format!("{} ÷ {}", over.name(), under.name()) };
            match (ratio(sweep, request, over, under), request.metrics) {
                (Some(ratio), _) => drop(writeln!(text, "  {name:<30} {}", describe(&ratio))),
                (None, Some(_)) => drop(writeln!(text, "  {name:<30} no block has both")),
                // A metric of a workload that the sweep does not have.
                (None, None) => {}
            }
        }
    }
    text
}

fn ratio(sweep: &SweepResult, request: &RatioRequest, over: Metric, under: Metric) -> Option<Ratio> {
    let value = |block: &Block, number: usize, metric: Metric| {
        block.trials.iter().find(|trial| trial.configuration == number)?.metric(metric)
    };
    let pair =
        |block: &Block| Some((value(block, request.numerator, over)?, value(block, request.denominator, under)?));
    paired_ratio(sweep.blocks.iter().filter_map(pair))
}

fn describe(ratio: &Ratio) -> String {
    let blocks = match ratio.pairs {
        1 => "1 block".to_owned(),
        pairs => format!("{pairs} blocks"),
    };
    match &ratio.interval {
        Some(interval) => format!(
            "{:.4} ({:.4} to {:.4}, {:.1}% confidence, {blocks})",
            ratio.center,
            interval.low,
            interval.high,
            100.0 * interval.confidence
        ),
        None => format!("{:.4} (too few blocks for an interval, {blocks})", ratio.center),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_configurations_with_and_without_metrics() {
        let request: RatioRequest = "2/3".parse().unwrap();
        assert_eq!(request, RatioRequest { numerator: 2, denominator: 3, metrics: None });
        let request: RatioRequest = "1:client_cpu_message_us/1:server_cpu_message_us".parse().unwrap();
        assert_eq!(request.metrics, Some((Metric::ClientCpuMessageUs, Metric::ServerCpuMessageUs)));
    }

    #[test]
    fn rejects_what_is_not_a_ratio() {
        for (text, error) in [
            ("2", "expected e.g. 2/3"),
            ("a/2", "invalid number `a`"),
            ("1:speed/2:speed", "unknown metric `speed`"),
            ("1:echo_p50_us/2", "for both"),
        ] {
            let sentence = text.parse::<RatioRequest>().unwrap_err().to_string();
            assert!(sentence.contains(error), "{text}: {sentence}");
        }
    }
}
