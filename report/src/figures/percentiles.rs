//! Percentile curves, and the histograms of the same samples.

use super::axis::{Axis, tick_number, tick_quantile, tick_time};
use super::scale::{ScaleKind, log_domain, zero_domain};
use super::xy::{Line, Point, Series, XyChart};
use super::{DataTable, Figure};
use wss_model::latency::{LatencyHistogram, samples_needed};
use wss_model::text::quantity::{count, significant, time};

/// Points of a curve per nine.
const POINTS_PER_NINE: f64 = 10.0;

/// Bars of a histogram, about.
const BARS: f64 = 48.0;

/// Samples with a name.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) samples: LatencyHistogram,
}

/// A series for each, in the order of their colors.
fn series_of(all: &[&Named], line: Line, mut points: impl FnMut(&Named) -> Vec<Point>) -> Vec<Series> {
    let series =
        |(color, named): (usize, &&Named)| Series { name: named.name.clone(), color, line, points: points(named) };
    all.iter().enumerate().map(series).collect()
}

/// Latency over percentile. The horizontal axis is logarithmic in the share above it, so that the tail can be read.
pub(crate) fn percentiles(id: &str, title: String, quantity: &str, all: &[Named]) -> Option<Figure> {
    let all: Vec<&Named> = all.iter().filter(|named| named.samples.count() > 0).collect();
    let most = all.iter().map(|named| named.samples.count()).max()?;
    let mut table = DataTable::new(["samples", "percentile", "latency", "samples above it"]);
    let series = series_of(&all, Line::Direct, |named| curve(named, &mut table));
    let x = Axis {
        label: "percentile (each further nine takes the same room)".to_owned(),
        kind: ScaleKind::Nines,
        domain: (0.0, last_quantile(most)),
        format: tick_quantile,
    };
    let domain = log_domain(series.iter().flat_map(|series| series.points.iter().map(|point| point.y)))?;
    let y = Axis { label: format!("{quantity}, logarithmic"), kind: ScaleKind::Log, domain, format: tick_time };
    let note = "Dotted with hollow marks: too few samples for that percentile; the last mark is the largest sample.";
    Some(Figure::new(id, title, note, table, XyChart::new(x, y, series)))
}

/// The quantile of the largest sample.
fn last_quantile(samples: u64) -> f64 {
    1.0 - 1.0 / samples.max(10) as f64
}

fn curve(named: &Named, table: &mut DataTable) -> Vec<Point> {
    let samples = &named.samples;
    let total = samples.count();
    let nines = (total.max(1) as f64).log10();
    let steps = (nines * POINTS_PER_NINE).floor().max(0.0) as u32;
    let inner = (0..=steps).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / POINTS_PER_NINE));
    let inner = inner.filter(|quantile| *quantile < 1.0 - 1.0 / total as f64).map(|at| (at, samples.value_at(at)));
    let quantiles = inner.chain([(1.0 - 1.0 / total as f64, samples.value_at(1.0))]);
    quantiles
        .map(|(quantile, ns)| {
            let weak = quantile > 0.5 && total < samples_needed(quantile);
            let above = (total as f64 * (1.0 - quantile)).round() as u64;
            let percentile = percentile_name(quantile);
            table.row([named.name.clone(), percentile.clone(), time(ns as f64), count(above)]);
            Point {
                x: quantile,
                y: ns as f64,
                interval: None,
                weak,
                title: format!("{}: {percentile} took at most {}", named.name, time(ns as f64)),
            }
        })
        .collect()
}

/// `99.9%`: a decimal for each nine after the first, without zeros at the end.
fn percentile_name(quantile: f64) -> String {
    let decimals = (-(1.0 - quantile).log10() + 1e-9).floor().clamp(0.0, 10.0) as usize;
    let text = format!("{:.decimals$}", 100.0 * quantile);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// Share of the samples over latency, in bars whose ends have equal ratios.
pub(crate) fn histogram(id: &str, title: String, quantity: &str, all: &[Named]) -> Option<Figure> {
    let all: Vec<&Named> = all.iter().filter(|named| named.samples.count() > 0).collect();
    let ends = all.iter().flat_map(|named| [named.samples.value_at(0.0), named.samples.value_at(1.0)]);
    let (low, high) = log_domain(ends.map(|ns| (ns as f64).max(1.0)))?;
    let step = ((high / low).ln() / BARS).max(0.01);
    let mut table = DataTable::new(["samples", "from", "to", "count", "share"]);
    let series = series_of(&all, Line::Steps, |named| bars(named, low, step, &mut table));
    let points = || series.iter().flat_map(|series| &series.points);
    let x = Axis {
        label: format!("{quantity}, logarithmic"),
        kind: ScaleKind::Log,
        domain: (low, points().map(|point| point.x).fold(high, f64::max)),
        format: tick_time,
    };
    let y = Axis {
        label: "share of the samples, %".to_owned(),
        kind: ScaleKind::Linear,
        domain: zero_domain(points().map(|point| point.y)),
        format: tick_number,
    };
    let note = format!("Each bar spans {}%: equal ratios have equal widths.", significant(100.0 * step.exp_m1(), 2));
    Some(Figure::new(id, title, note, table, XyChart::new(x, y, series)))
}

/// The bars from the first to the last with samples; the last point only ends the last bar.
fn bars(named: &Named, low: f64, step: f64, table: &mut DataTable) -> Vec<Point> {
    let bar_of = |ns: f64| ((ns / low).ln() / step).floor().clamp(0.0, 2.0 * BARS) as usize;
    let mut counts = vec![0_u64; 2 * BARS as usize + 1];
    for recorded in named.samples.histogram().iter_recorded() {
        counts[bar_of(recorded.value_iterated_to() as f64)] += recorded.count_at_value();
    }
    let first = counts.iter().position(|count| *count > 0).unwrap_or(0);
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    let start = |bar: usize| low * (bar as f64 * step).exp();
    let total = named.samples.count() as f64;
    let mut points: Vec<Point> = (first..=last)
        .map(|bar| {
            let (samples, from, to) = (counts[bar], start(bar), start(bar + 1));
            let share = 100.0 * samples as f64 / total;
            let text = format!("{}%", significant(share, 3));
            table.row([named.name.clone(), time(from), time(to), count(samples), text.clone()]);
            let title = format!("{}: {} of {} to {}, {text}", named.name, count(samples), time(from), time(to));
            Point { x: from, y: share, interval: None, weak: false, title }
        })
        .collect();
    points.push(Point { x: start(last + 1), y: 0.0, interval: None, weak: false, title: String::new() });
    points
}
