//! A sweep: forest plots of ratios, and what a handshake costs against what a byte or a message costs.

use super::axis::{Axis, tick_number, tick_ratio};
use super::forest::{Forest, Row};
use super::scale::{ScaleKind, bounds, log_domain};
use super::text::{capitalized, clip};
use super::xy::{Line, Point, Series, Tag, XyChart};
use super::{DataTable, Figure};
use crate::sweep::{describe_ratio, label, measure, title};
use wss_analysis::metric::Metric;
use wss_analysis::statistics::{Finding, Ratio};
use wss_analysis::sweep::{Summary, SweepResult};
use wss_model::text::quantity::{NOT_AVAILABLE, significant};

/// Characters of a configuration's label.
const LABEL_CHARS: usize = 80;

/// A forest plot of one metric. `None` if no configuration has a ratio.
pub(crate) fn forest(id: &str, sweep: &SweepResult, metric: Metric) -> Option<Figure> {
    let noise = noise_floor(sweep, metric);
    let mut measured: Vec<(&Summary, f64)> =
        sweep.analysis.summaries.iter().filter_map(|one| Some((one, one.metrics.get(&metric)?.median))).collect();
    measured.sort_by(|one, other| one.1.total_cmp(&other.1));
    if metric.more_is_better() {
        measured.reverse();
    }
    let mut table = DataTable::new(["configuration", "median", "ratio to the reference", "low", "high", "finding"]);
    let rows: Vec<Row> =
        measured.iter().map(|(summary, median)| row(sweep, summary, metric, *median, noise, &mut table)).collect();
    let ratios = || rows.iter().filter_map(|row| row.ratio);
    let ends = rows.iter().flat_map(|row| [row.interval, row.noise]).flatten().flat_map(|(low, high)| [low, high]);
    let domain = ratio_domain(ratios().chain(ends))?;
    let x = Axis {
        label: format!("ratio to the reference: {}", title(metric)),
        kind: ScaleKind::Log,
        domain,
        format: tick_ratio,
    };
    let sides = sides(metric);
    let note = "Bars are exact confidence intervals. Hollow and gray: a tie with the reference. The band is the noise floor: \
                the reference against its own repetition.";
    let sentence = headline(sweep, &measured, metric);
    Some(Figure::new(id, sentence, note, table, Forest { x, rows, sides }))
}

/// What values below and above 1 mean: the labels at the left and the right end.
pub(super) const fn sides(metric: Metric) -> (&'static str, &'static str) {
    if metric.more_is_better() { ("worse", "better") } else { ("better", "worse") }
}

/// The values of an axis of ratios: those of `values` and 1, with some room.
pub(super) fn ratio_domain(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = bounds(values.filter(|value| *value > 0.0))?;
    let (low, high) = (low.min(1.0), high.max(1.0));
    let room = (high / low).powf(0.06).max(1.002);
    Some((low / room, high * room))
}

/// The interval of the reference's repetition; its center alone with too few blocks.
fn noise_floor(sweep: &SweepResult, metric: Metric) -> Option<(f64, f64)> {
    let repetition = sweep.configurations.iter().find(|one| one.repeat_of == Some(sweep.reference))?;
    let ratio = sweep.analysis.summary(repetition.number)?.metrics.get(&metric)?.ratio.as_ref()?;
    Some(ends(ratio).unwrap_or((ratio.center.min(1.0), ratio.center.max(1.0))))
}

fn ends(ratio: &Ratio) -> Option<(f64, f64)> {
    ratio.interval.as_ref().map(|interval| (interval.low, interval.high))
}

fn row(
    sweep: &SweepResult,
    summary: &Summary,
    metric: Metric,
    median: f64,
    noise: Option<(f64, f64)>,
    table: &mut DataTable,
) -> Row {
    let number = summary.configuration;
    let name = clip(&label(sweep, number), LABEL_CHARS);
    let found = summary.metrics.get(&metric);
    let ratio = found.and_then(|found| found.ratio.as_ref());
    let median = significant(median, 3);
    let digits = |value: Option<f64>| value.map_or_else(|| NOT_AVAILABLE.to_owned(), |value| significant(value, 4));
    let finding = match (ratio, found.and_then(|found| found.finding)) {
        (None, _) => "the reference".to_owned(),
        (Some(_), Some(Finding::Differs)) => "differs".to_owned(),
        (Some(ratio), _) => describe_ratio(ratio),
    };
    let interval = ratio.and_then(ends);
    table.row([
        name.clone(),
        median.clone(),
        digits(ratio.map(|ratio| ratio.center)),
        digits(interval.map(|interval| interval.0)),
        digits(interval.map(|interval| interval.1)),
        finding,
    ]);
    let text = ratio.map_or_else(|| "reference".to_owned(), describe_ratio);
    Row {
        title: format!("{name}: {} {median}; {}", title(metric), ratio.map_or("the reference", |_| text.as_str())),
        ratio: ratio.map(|ratio| ratio.center),
        interval,
        tie: ratio.is_some_and(|ratio| !ratio.is_difference()),
        noise,
        name: if number == sweep.reference { format!("{name} (reference)") } else { name },
        text,
    }
}

/// Which configurations are best, and how far the worst is.
fn headline(sweep: &SweepResult, measured: &[(&Summary, f64)], metric: Metric) -> String {
    let quantity = capitalized(&measure(metric));
    let is_repetition =
        |number: usize| sweep.configuration(number).is_some_and(|configuration| configuration.repeat_of.is_some());
    let own: Vec<&(&Summary, f64)> = measured.iter().filter(|(one, _)| !is_repetition(one.configuration)).collect();
    let ranking = sweep.analysis.rankings.iter().find(|ranking| ranking.metric == metric);
    let best = ranking.and_then(|ranking| ranking.clusters.first()).map_or(&[][..], Vec::as_slice);
    let tied: Vec<usize> = best.iter().copied().filter(|number| !is_repetition(*number)).collect();
    let (Some(first), Some(last)) = (own.first(), own.last()) else { return quantity };
    let name = |number: usize| clip(&label(sweep, number), 40);
    let end = if metric.more_is_better() { "highest" } else { "lowest" };
    let factor = significant((last.1 / first.1).max(first.1 / last.1), 3);
    let worst = match metric.more_is_better() {
        true => format!("{factor} times that of {}", name(last.0.configuration)),
        false => format!("{} has {factor} times that", name(last.0.configuration)),
    };
    match tied.as_slice() {
        [] => quantity,
        all if all.len() == own.len() => {
            format!("{quantity}: no difference among {} configurations stands out", own.len())
        }
        [one] => format!("{quantity}: {} is {end}; {worst}", name(*one)),
        [one, other] => format!("{quantity}: {} and {} tie as {end}; {worst}", name(*one), name(*other)),
        many => format!("{quantity}: {} configurations tie as {end}; {worst}", many.len()),
    }
}

/// The metrics that a plane can have as its vertical axis, the first that a sweep has.
const PER_BYTE: [Metric; 3] =
    [Metric::BulkServerNsPerByte, Metric::ServerCpuMessageUs, Metric::CrowdServerCpuMessageUs];

/// Handshake cost against the cost per byte, or per message. `None` if the sweep does not have both.
pub(crate) fn cost_plane(id: &str, sweep: &SweepResult) -> Option<Figure> {
    let across = Metric::ServerCpuHandshakeUs;
    let up = PER_BYTE.into_iter().find(|up| sweep.analysis.summaries.iter().any(|one| one.metrics.contains_key(up)))?;
    let mut table = DataTable::new(["configuration", title(across), title(up)]);
    let mut tags = Vec::new();
    let mut with_tls = Vec::new();
    let mut without = Vec::new();
    for summary in &sweep.analysis.summaries {
        let of = |metric| summary.metrics.get(&metric).map(|found| found.median).filter(|median| *median > 0.0);
        let (Some(x), Some(y)) = (of(across), of(up)) else { continue };
        let name = clip(&label(sweep, summary.configuration), LABEL_CHARS);
        table.row([name.clone(), significant(x, 3), significant(y, 3)]);
        if sweep.configuration(summary.configuration).is_some_and(|one| one.repeat_of.is_none()) {
            tags.push(Tag { x, y, name: name.clone() });
        }
        let title = format!("{name}: {} {}; {} {}", title(across), significant(x, 3), title(up), significant(y, 3));
        let point = Point { x, y, interval: None, weak: false, title };
        if summary.negotiated.is_empty() { &mut without } else { &mut with_tls }.push(point);
    }
    let all = || with_tls.iter().chain(&without);
    if all().count() < 2 {
        return None;
    }
    let axis = |metric: Metric, values: Vec<f64>| {
        let domain = log_domain(values.into_iter().flat_map(|value| [value * 0.95, value * 1.05]))?;
        Some(Axis {
            label: format!("{}, logarithmic", title(metric)),
            kind: ScaleKind::Log,
            domain,
            format: tick_number,
        })
    };
    let x = axis(across, all().map(|point| point.x).collect())?;
    let y = axis(up, all().map(|point| point.y).collect())?;
    let spread = |of: fn(&Point) -> f64| {
        let (low, high) = bounds(all().map(of))?;
        Some(significant(high / low, 2))
    };
    let sentence = format!(
        "A handshake costs up to {} times as much as the cheapest, a {} up to {} times",
        spread(|point| point.x)?,
        if up == Metric::BulkServerNsPerByte { "byte" } else { "message" },
        spread(|point| point.y)?
    );
    let series = [("with TLS", 0, with_tls), ("without TLS", 1, without)]
        .into_iter()
        .map(|(name, color, points)| Series { name: name.to_owned(), color, line: Line::None, points })
        .collect();
    let note = "Each mark is a configuration: further left is cheaper to connect, further down cheaper to use.";
    let chart = XyChart { tags, ..XyChart::new(x, y, series) };
    Some(Figure::new(id, sentence, note, table, chart))
}
