//! A history: the ratio of a metric from comparison to comparison, with the places where it changed.

use super::axis::{Axis, tick_number, tick_ratio};
use super::scale::ScaleKind;
use super::sweep::ratio_domain;
use super::text::{capitalized, clip};
use super::xy::{Line, Point, Rule, Series, XyChart};
use super::{DataTable, Figure};
use crate::history::{candidate, day, describe_change};
use crate::sweep::measure;
use wss_analysis::history::Trend;
use wss_analysis::metric::Metric;
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::{NOT_AVAILABLE, significant};

/// Points of a figure: the newest ones.
const MAX_POINTS: usize = 300;

/// The trend of a metric. `None` without a point.
pub(crate) fn trend(id: &str, trend: &Trend<'_>) -> Option<Figure> {
    let skipped = trend.points.len().saturating_sub(MAX_POINTS);
    let mut table = DataTable::new(["comparison", "date", "candidate", "B ÷ A", "low", "high"]);
    let number = |value: Option<f64>| value.map_or_else(|| NOT_AVAILABLE.to_owned(), |value| significant(value, 4));
    let points: Vec<Point> = trend
        .points
        .iter()
        .enumerate()
        .skip(skipped)
        .map(|(index, point)| {
            let (ratio, date, build) = (point.ratio, day(&point.entry.started_at), clip(&candidate(point.entry), 40));
            let [center, low, high] = [Some(ratio.center), ratio.low, ratio.high].map(number);
            table.row([
                (index + 1).to_string(),
                date.clone(),
                build.clone(),
                center.clone(),
                low.clone(),
                high.clone(),
            ]);
            Point {
                x: (index + 1) as f64,
                y: ratio.center,
                interval: ratio.low.zip(ratio.high).filter(|(low, high)| *low > 0.0 && high.is_finite()),
                weak: false,
                title: format!("{date} {build}: {center} ({low}–{high})"),
            }
        })
        .collect();
    let intervals = points.iter().filter_map(|point| point.interval).flat_map(|(low, high)| [low, high]);
    let domain = ratio_domain(points.iter().map(|point| point.y).chain(intervals))?;
    let name = Metric::by_name(trend.metric).map_or_else(|| clip(trend.metric, 60), measure);
    let y = Axis {
        label: format!("{name}, ratio to the reference build"),
        kind: ScaleKind::Log,
        domain,
        format: tick_ratio,
    };
    let x = Axis {
        label: "comparison, in the order of time".to_owned(),
        kind: ScaleKind::Linear,
        domain: (skipped as f64 + 0.5, trend.points.len() as f64 + 0.5),
        format: tick_number,
    };
    let series = Series { name: "B ÷ A".to_owned(), color: 0, line: Line::Direct, points };
    let mut chart = XyChart::new(x, y, vec![series]);
    let changes = trend.changes.as_deref().unwrap_or_default();
    for change in changes.iter().filter(|change| change.index >= skipped) {
        let percent = 100.0 * (change.after / change.before - 1.0);
        chart.rules.push(Rule { at: change.index as f64 + 0.5, vertical: true, name: format!("{percent:+.1}%") });
    }
    let sentence = match (changes.last(), &trend.changes) {
        (Some(last), _) => format!("{name}: {}", describe_change(trend, last)),
        (None, Ok(_)) => format!("{name}: no change in {}", pluralize(trend.points.len() as u64, "comparison")),
        (None, Err(few)) => format!("{name}: {few}"),
    };
    let note = match skipped {
        0 => "Bars are confidence intervals; dashed lines are detected changes, which are hints.".to_owned(),
        some => format!("Only the newest {MAX_POINTS} points; {some} older ones are in the file."),
    };
    Some(Figure::new(id, capitalized(&sentence), note, table, chart))
}
