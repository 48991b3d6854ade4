//! A phase second by second: bands of latency with errors and the warm-up, and the rate requested and achieved.

use super::axis::{Axis, tick_number, tick_time};
use super::scale::{ScaleKind, log_domain, zero_domain};
use super::xy::{Band, Line, Point, Rule, Series, XyChart, Zone};
use super::{DataTable, Figure};
use wss_model::latency::Latency;
use wss_model::run_result::{MeasuredPhase, SeriesPoint};
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::{NOT_AVAILABLE, count, rate, time, time_or_dash};
use wss_model::units::Rate;

/// Points of a figure. Of a longer phase, a point is the worst of several seconds.
const MAX_POINTS: usize = 240;

/// What is known of a phase.
pub(crate) struct Phase<'a> {
    pub(crate) phase: MeasuredPhase,
    pub(crate) series: &'a [SeriesPoint],
    pub(crate) requested: Rate,
    /// The latency, such as `response time`.
    pub(crate) quantity: &'static str,
    /// Length in seconds, latency and errors of the warm-up; `None` without one.
    pub(crate) warmup: Option<(f64, &'a Latency, u64)>,
}

/// A second, or several.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: f64,
    to: f64,
    completed: u64,
    errors: u64,
    p50: Option<u64>,
    p99: Option<u64>,
}

impl Phase<'_> {
    /// What is counted.
    const fn events(&self) -> &'static str {
        match self.phase {
            MeasuredPhase::Handshake => "handshakes",
            MeasuredPhase::Echo => "echoes",
            MeasuredPhase::Subscribe => "pushed messages",
        }
    }

    fn seconds(&self) -> Vec<Span> {
        let mut last = 0.0;
        let of_phase = self.series.iter().filter(|point| point.phase == self.phase && point.second.is_finite());
        of_phase
            .map(|point| {
                let from = last;
                last = point.second.max(from);
                let SeriesPoint { completed, errors, p50, p99, .. } = *point;
                Span { from, to: last, completed, errors, p50, p99 }
            })
            .collect()
    }

    /// The spans of a figure, and how many seconds each has.
    fn spans(&self) -> (Vec<Span>, usize) {
        let seconds = self.seconds();
        let seconds = without_partial(seconds);
        let per_span = seconds.len().div_ceil(MAX_POINTS).max(1);
        (seconds.chunks(per_span).filter_map(merged).collect(), per_span)
    }
}

/// The end of a phase is not a whole second. What it completed counts with the second before; its percentiles, of few samples,
/// are in the result alone.
fn without_partial(mut seconds: Vec<Span>) -> Vec<Span> {
    let [.., before, last] = seconds.as_mut_slice() else { return seconds };
    if last.to - last.from < (before.to - before.from) / 2.0 {
        before.to = last.to;
        before.completed = before.completed.saturating_add(last.completed);
        before.errors = before.errors.saturating_add(last.errors);
        seconds.pop();
    }
    seconds
}

/// Percentiles of several seconds cannot be averaged: the worst stands for all.
fn merged(seconds: &[Span]) -> Option<Span> {
    let (first, last) = (seconds.first()?, seconds.last()?);
    let sum = |of: fn(&Span) -> u64| seconds.iter().map(of).fold(0, u64::saturating_add);
    Some(Span {
        from: first.from,
        to: last.to,
        completed: sum(|second| second.completed),
        errors: sum(|second| second.errors),
        p50: seconds.iter().filter_map(|second| second.p50).max(),
        p99: seconds.iter().filter_map(|second| second.p99).max(),
    })
}

/// `what`: the worst or the mean.
fn note(per_span: usize, what: &str) -> String {
    match per_span {
        1 => String::new(),
        many => format!(" Each point is the {what} of {many} seconds."),
    }
}

/// A second, to one decimal.
fn tick_second(second: f64) -> String {
    tick_number((10.0 * second).round() / 10.0)
}

fn seconds_axis(spans: &[Span], from: f64) -> Axis {
    let to = spans.last().map_or(1.0, |span| span.to);
    let label = "seconds from the start of the phase".to_owned();
    Axis { label, kind: ScaleKind::Linear, domain: (from, to), format: tick_number }
}

/// The median and the 99th percentile of each second. `None` without any.
pub(crate) fn latency_over_time(id: &str, phase: &Phase<'_>) -> Option<Figure> {
    let (spans, per_span) = phase.spans();
    let (events, quantity) = (phase.events(), phase.quantity);
    let mut table = DataTable::new(["seconds", "completed", "errors", "p50", "p99"]);
    for span in &spans {
        let seconds = format!("{}–{}", tick_second(span.from), tick_second(span.to));
        let [p50, p99] = [span.p50, span.p99].map(time_or_dash);
        table.row([seconds, count(span.completed), count(span.errors), p50, p99]);
    }
    let series = [("p99", 1, (|span: &Span| span.p99) as fn(&Span) -> Option<u64>), ("p50", 0, |span| span.p50)]
        .map(|(name, color, of)| percentile_series(name, color, of, &spans));
    let all = series.iter().flat_map(|series| series.points.iter().map(|point| point.y));
    let warmup = phase.warmup.filter(|(seconds, ..)| *seconds > 0.0);
    let of_warmup = warmup.iter().flat_map(|(_, latency, _)| [latency.p50, latency.p99]).flatten().map(|ns| ns as f64);
    let domain = log_domain(all.chain(of_warmup))?;
    let y = Axis { label: format!("{quantity}, logarithmic"), kind: ScaleKind::Log, domain, format: tick_time };
    let start = warmup.map_or(0.0, |(seconds, ..)| -seconds);
    let mut chart = XyChart::new(seconds_axis(&spans, start), y, series.to_vec());
    let both = spans.iter().filter_map(|span| Some((span.to, span.p50? as f64, span.p99? as f64)));
    chart.bands.push(Band { color: 0, points: both.collect() });
    let failed = spans.iter().filter(|span| span.errors > 0);
    let title_of = |span: &Span| format!("{} until second {}", pluralize(span.errors, "error"), tick_second(span.to));
    chart.warnings = failed.map(|span| (span.to, title_of(span))).collect();
    let band = if chart.bands[0].points.len() > 1 { "The band spans p50 to p99 of each second." } else { "" };
    let mut remark = band.to_owned() + &note(per_span, "worst");
    if let Some((seconds, latency, errors)) = warmup {
        chart.zones.push(Zone { from: -seconds, to: 0.0, name: "warm-up".to_owned() });
        if let (Some(p50), Some(p99)) = (latency.p50, latency.p99) {
            let (p50, p99) = (p50 as f64, p99 as f64);
            chart.bands.push(Band { color: 5, points: vec![(-seconds, p50, p99), (0.0, p50, p99)] });
        }
        if errors > 0 {
            chart.warnings.push((-seconds / 2.0, format!("{} in the warm-up", pluralize(errors, "error"))));
        }
        remark += &format!(
            " The warm-up, which does not count, is one band: p50 {}, p99 {}.",
            time_or_dash(latency.p50),
            time_or_dash(latency.p99)
        );
    }
    let worst = spans.iter().filter_map(|span| Some((span.p99.or(span.p50)?, span))).max_by_key(|(ns, _)| *ns)?;
    let name = if worst.1.p99.is_some() { "p99" } else { "median" };
    let (from, to) = (tick_second(worst.1.from), tick_second(worst.1.to));
    let at = if per_span == 1 { format!("ends at {to} s") } else { format!("is between {from} and {to} s") };
    let title = format!("The worst second of {events} {at}, with a {name} of {}", time(worst.0 as f64));
    Some(Figure::new(id, title, remark.trim_start(), table, chart))
}

fn percentile_series(name: &str, color: usize, of: fn(&Span) -> Option<u64>, spans: &[Span]) -> Series {
    let points = spans.iter().filter_map(|span| {
        let ns = of(span)? as f64;
        let title = format!("{name} {} until second {}", time(ns), tick_second(span.to));
        Some(Point { x: span.to, y: ns, interval: None, weak: false, title })
    });
    Series { name: name.to_owned(), color, line: Line::Direct, points: points.collect() }
}

/// The rate of each second beside the requested one. `None` without a full second.
pub(crate) fn rate_over_time(id: &str, phase: &Phase<'_>) -> Option<Figure> {
    let (spans, per_span) = phase.spans();
    let events = phase.events();
    let per_s = |span: &Span| span.completed as f64 / (span.to - span.from);
    let rates: Vec<(&Span, f64)> =
        spans.iter().filter(|span| span.to > span.from).map(|span| (span, per_s(span))).collect();
    if rates.is_empty() {
        return None;
    }
    let mut table = DataTable::new(["seconds", "requested per second", "achieved per second"]);
    let requested = match phase.requested {
        Rate::PerSecond(per_s) => Some(per_s),
        Rate::Max => None,
    };
    let asked = requested.map_or_else(|| NOT_AVAILABLE.to_owned(), rate);
    let points = rates.iter().map(|(span, per_s)| {
        let seconds = format!("{}–{}", tick_second(span.from), tick_second(span.to));
        table.row([seconds, asked.clone(), rate(*per_s)]);
        let title = format!("{}/s until second {}, requested {asked}", rate(*per_s), tick_second(span.to));
        Point { x: span.to, y: *per_s, interval: None, weak: false, title }
    });
    let series = Series { name: "achieved".to_owned(), color: 0, line: Line::Direct, points: points.collect() };
    let y = Axis {
        label: format!("{events} per second"),
        kind: ScaleKind::Linear,
        // Room for the name of the requested rate.
        domain: zero_domain(rates.iter().map(|(_, rate)| *rate).chain(requested).map(|rate| 1.1 * rate)),
        format: tick_number,
    };
    let mut chart = XyChart::new(seconds_axis(&spans, 0.0), y, vec![series]);
    chart.rules.extend(requested.map(|at| Rule { at, vertical: false, name: format!("requested: {asked}/s") }));
    let (completed, length) = (spans.iter().map(|span| span.completed).sum::<u64>(), spans.last()?.to);
    let achieved = rate(completed as f64 / length);
    let title = match requested {
        Some(_) => format!("{achieved} {events} per second of {asked} requested"),
        None if phase.phase == MeasuredPhase::Subscribe => {
            format!("{achieved} {events} per second, at the pace of the server")
        }
        None => format!("{achieved} {events} per second in a closed loop"),
    };
    Some(Figure::new(id, title, note(per_span, "mean").trim_start(), table, chart))
}
