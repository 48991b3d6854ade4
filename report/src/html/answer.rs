//! The sentence that answers the question, from each kind of result.

use crate::comparison::finding;
use crate::figures::text::{capitalized, clip};
use crate::sweep::{compared, label, measure};
use wss_analysis::comparison::{ComparedMetric, Comparison, Kind, Role};
use wss_analysis::metric::Metric;
use wss_analysis::statistics::{Finding, Ratio, paired_ratio};
use wss_analysis::sweep::{Configuration, SweepResult};
use wss_model::config::{Layer, Mode};
use wss_model::latency::Latency;
use wss_model::run_result::RunResult;
use wss_model::text::quantity::{percent_to, rate, significant, time};
use wss_model::units::Rate;

/// Characters of a label in a sentence.
const LABEL_CHARS: usize = 60;

/// What runs show.
pub(super) fn of_runs(runs: &[(&str, &RunResult)]) -> String {
    match runs {
        [(_, run)] => of_run(run),
        many => {
            let medians: Vec<String> = many.iter().filter_map(|(name, run)| median_of(name, run)).collect();
            let listed = if medians.is_empty() { "nothing completed".to_owned() } else { medians.join("; ") };
            format!(
                "{} runs side by side: {listed}. Single runs have no interval: `wssbench ab` tests whether they differ",
                many.len()
            )
        }
    }
}

fn median_of(name: &str, run: &RunResult) -> Option<String> {
    let (what, latency) = match (&run.echo, &run.subscribe) {
        (Some(echo), _) => ("echo", &echo.response),
        (None, Some(pushed)) => (if pushed.published.is_some() { "pushed message" } else { "gap" }, pushed.latency()),
        (None, None) => ("handshake", &run.handshake.ready),
    };
    Some(format!("{}: {what} p50 {}", clip(name, 28), time(latency.p50? as f64)))
}

fn of_run(run: &RunResult) -> String {
    let handshake = &run.handshake;
    if handshake.completed == 0 {
        return "Nothing was measured: no connection was completed".to_owned();
    }
    let encrypted = handshake.tls.count > 0;
    let subject = match (run.negotiated.as_slice(), encrypted) {
        ([one], true) => {
            let version = clip(&one.negotiated.version, 20);
            match one.negotiated.group.as_str() {
                "" | "none" => format!("a {version} handshake"),
                group => format!("a {version} handshake with {}", clip(group, 60)),
            }
        }
        (_, true) => "a TLS handshake".to_owned(),
        (_, false) => "a connection without TLS".to_owned(),
    };
    let mut clauses = vec![match handshake.server_cpu_ns {
        Some(ns) => format!("{subject} costs the server {} of CPU", time(ns)),
        None => format!(
            "{subject} takes {} at the median",
            handshake.ready.p50.map_or_else(String::new, |ns| time(ns as f64))
        ),
    }];
    match &run.echo {
        Some(echo) if echo.received > 0 => {
            if let Some(ns) = echo.server_cpu_ns {
                clauses.push(format!("a message {}", time(ns)));
            }
            clauses.push(match run.config.rate {
                Rate::Max => format!("a closed loop echoes {} messages per second", rate(echo.rate_per_s)),
                Rate::PerSecond(_) => format!("a response takes {}", quantiles(&echo.response)),
            });
        }
        Some(_) => clauses.push("no echo was received".to_owned()),
        None if run.config.mode == Mode::Handshake => {
            clauses.push(format!("a connection is ready after {}", quantiles(&handshake.ready)));
        }
        None => {}
    }
    if let Some(pushed) = &run.subscribe {
        let published = pushed.published.as_ref().map(|published| &published.response);
        clauses.push(match published {
            _ if pushed.received == 0 => "no message was pushed".to_owned(),
            Some(response) => format!("a pushed message arrives after {}", quantiles(response)),
            None => format!("the gap between two pushed messages is {}", quantiles(&pushed.arrival_gap)),
        });
    }
    let last = clauses.pop().unwrap_or_default();
    let sentence = if clauses.is_empty() { last } else { format!("{}, and {last}", clauses.join(", ")) };
    capitalized(&sentence)
}

fn quantiles(latency: &Latency) -> String {
    let text = |ns: u64| time(ns as f64);
    match (latency.p50, latency.p99) {
        (Some(p50), Some(p99)) => format!("{} at the median and {} at p99", text(p50), text(p99)),
        (Some(p50), None) => format!("{} at the median", text(p50)),
        _ => "an unknown time".to_owned(),
    }
}

/// What a comparison shows of its primary metrics.
pub(super) fn of_comparison(comparison: &Comparison) -> String {
    let primary = comparison.analysis.metrics.iter().filter(|figure| figure.role == Role::Primary);
    let sentences: Vec<String> = primary.filter_map(of_figure).collect();
    if sentences.is_empty() {
        return "Nothing was compared: no block has a figure of both arms".to_owned();
    }
    let start = if comparison.kind == Kind::Aa { "A against itself: " } else { "" };
    capitalized(&format!("{start}{}", sentences.join("; ")))
}

fn of_figure(figure: &ComparedMetric) -> Option<String> {
    let (ratio, name) = (figure.ratio.as_ref()?, measure(figure.metric));
    Some(match (ratio.finding(), figure.differs()) {
        (Finding::Differs, true) => {
            let verdict = if figure.is_better() { "better" } else { "worse" };
            format!("B has {}, which is {verdict}", amount(ratio, &name, "A"))
        }
        (Finding::NoDifferenceLargerThan { percent }, _) => {
            format!("{name} differs by at most {}", percent_to(percent, 2))
        }
        (Finding::Differs, false) => {
            format!("{name}: {}, but not significant across all primary figures", percent_more_or_less(ratio))
        }
        (Finding::TooFewPairs, _) => format!("{name}: {}", finding(figure)?),
    })
}

/// `9.0% [7.1, 10.9] more WHAT than WHOM`, or `3.1 times [3.0, 3.2] the WHAT of WHOM`.
fn amount(ratio: &Ratio, what: &str, whom: &str) -> String {
    let factor = |value: f64| significant(value, 3);
    if ratio.center >= 2.0 {
        let ends = ratio.interval.as_ref();
        let ends = ends.map_or_else(String::new, |ends| format!(" [{}, {}]", factor(ends.low), factor(ends.high)));
        return format!("{} times{ends} the {what} of {whom}", factor(ratio.center));
    }
    format!("{} {what} than {whom}", percent_more_or_less(ratio))
}

/// `9.0% [7.1, 10.9] more`.
fn percent_more_or_less(ratio: &Ratio) -> String {
    let (sign, word) = if ratio.center >= 1.0 { (1.0, "more") } else { (-1.0, "less") };
    let percent = |value: f64| 100.0 * (value - 1.0) * sign;
    let digits = |value: f64| significant(value, if value.abs() >= 10.0 { 3 } else { 2 });
    let size = digits(percent(ratio.center));
    match ratio.interval.as_ref().map(|ends| (percent(ends.low), percent(ends.high))) {
        Some((one, other)) => format!("{size}% [{}, {}] {word}", digits(one.min(other)), digits(one.max(other))),
        None => format!("about {size}% {word}"),
    }
}

/// What TLS adds, and which configurations cost most and least.
pub(super) fn of_sweep(sweep: &SweepResult) -> String {
    let Some(metric) = compared(sweep).into_iter().next() else {
        return "Nothing was compared: no configuration has a figure".to_owned();
    };
    let mut sentences: Vec<String> = what_tls_adds(sweep).into_iter().collect();
    let Some(reference) = reference(sweep) else { return sentences.join("; ") };
    let mut ratios: Vec<(&Configuration, Ratio)> = candidates(sweep, reference)
        .filter_map(|one| Some((one, ratio_between(sweep, one.number, reference.number, metric)?)))
        .filter(|(_, ratio)| ratio.is_difference() || ratio.interval.is_none())
        .collect();
    ratios.sort_by(|one, other| one.1.center.total_cmp(&other.1.center));
    let name = |configuration: &Configuration| clip(&label(sweep, configuration.number), LABEL_CHARS);
    let verb = if metric.is_cpu_time() { "costs" } else { "has" };
    let what = measure(metric);
    let most = ratios.last().filter(|(_, ratio)| ratio.center > 1.0);
    let least = ratios.first().filter(|(_, ratio)| ratio.center < 1.0);
    let ends: Vec<String> = [most, least]
        .into_iter()
        .flatten()
        .map(|(one, ratio)| format!("{} {verb} {}", name(one), amount(ratio, &what, &name(reference))))
        .collect();
    sentences.push(match ends.is_empty() {
        true => format!("no configuration differs from {} in {what}", name(reference)),
        false => ends.join("; "),
    });
    capitalized(&sentences.join("; "))
}

/// The configuration that sentences compare with: the reference, or, if that is without TLS, the first one with TLS.
fn reference(sweep: &SweepResult) -> Option<&Configuration> {
    let reference = sweep.configuration(sweep.reference)?;
    let of_wss = |one: &&Configuration| has_tls(sweep, one) && one.config.layer() == Some(Layer::Wss);
    let with_tls = sweep.configurations.iter().find(of_wss).filter(|_| !has_tls(sweep, reference));
    Some(with_tls.unwrap_or(reference))
}

fn has_tls(sweep: &SweepResult, configuration: &Configuration) -> bool {
    sweep.analysis.summary(configuration.number).is_some_and(|summary| !summary.negotiated.is_empty())
}

/// Those on the same layer as `reference`, so that like is compared with like.
fn candidates<'a>(sweep: &'a SweepResult, reference: &'a Configuration) -> impl Iterator<Item = &'a Configuration> {
    let like = move |one: &&Configuration| {
        one.repeat_of.is_none()
            && one.number != reference.number
            && one.config.layer() == reference.config.layer()
            && has_tls(sweep, one) == has_tls(sweep, reference)
    };
    sweep.configurations.iter().filter(like)
}

/// One configuration ÷ another, paired by block.
fn ratio_between(sweep: &SweepResult, numerator: usize, denominator: usize, metric: Metric) -> Option<Ratio> {
    let of = |block: &wss_analysis::sweep::Block, number: usize| {
        block.trials.iter().find(|trial| trial.configuration == number)?.metric(metric)
    };
    paired_ratio(sweep.blocks.iter().filter_map(|block| Some((of(block, numerator)?, of(block, denominator)?))))
}

/// The difference between wss and ws with the same options, if the sweep has both.
fn what_tls_adds(sweep: &SweepResult) -> Option<String> {
    let on = |layer: Layer, tls: bool| {
        let of = move |one: &&Configuration| {
            one.repeat_of.is_none() && one.config.layer() == Some(layer) && has_tls(sweep, one) == tls
        };
        sweep.configurations.iter().find(of)
    };
    let (plain, tls) = (on(Layer::Ws, false)?, on(Layer::Wss, true)?);
    let median = |one: &Configuration, metric| Some(sweep.analysis.summary(one.number)?.metrics.get(&metric)?.median);
    let added = |metric: Metric, unit: &str| {
        let us = median(tls, metric)? - median(plain, metric)?;
        (us > 0.0).then(|| format!("{} {unit}", time(1e3 * us)))
    };
    let connection = added(Metric::ServerCpuHandshakeUs, "of server CPU per connection");
    let message = added(
        Metric::ServerCpuMessageUs,
        if connection.is_some() { "per message" } else { "of server CPU per message" },
    );
    let added: Vec<String> = connection.into_iter().chain(message).collect();
    (!added.is_empty()).then(|| format!("TLS adds {}", added.join(" and ")))
}
