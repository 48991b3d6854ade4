//! A comparison: the ratio of every block, and a forest of all metrics.

use super::axis::{Axis, tick_number, tick_ratio};
use super::forest::{Forest, Row};
use super::scale::ScaleKind;
use super::sweep::ratio_domain;
use super::text::{capitalized, clip};
use super::xy::{Band, Line, Point, Rule, Series, XyChart, Zone};
use super::{DataTable, Figure};
use crate::comparison::{finding, ratio_and_interval};
use crate::sweep::{measure, title};
use wss_analysis::comparison::{ComparedMetric, Comparison};
use wss_analysis::statistics::Ratio;
use wss_model::text::quantity::{NOT_AVAILABLE, significant};

fn ends(ratio: &Ratio) -> Option<(f64, f64)> {
    ratio.interval.as_ref().map(|interval| (interval.low, interval.high))
}

/// A row per metric: B ÷ A beside what noise alone makes of it. `None` without a ratio.
pub(crate) fn all_metrics(id: &str, comparison: &Comparison) -> Option<Figure> {
    let mut table = DataTable::new(["figure", "A", "B", "B ÷ A (interval)", "noise floor (interval)"]);
    let figures = comparison.analysis.metrics.iter().filter(|figure| figure.ratio.is_some());
    let rows: Vec<Row> = figures
        .map(|figure| {
            let ratio = figure.ratio.as_ref();
            let text = ratio.map_or_else(String::new, ratio_and_interval);
            let floor = figure.noise_floor.as_ref();
            table.row([
                title(figure.metric).to_owned(),
                significant(figure.a_median, 4),
                significant(figure.b_median, 4),
                text.clone(),
                floor.map_or_else(|| NOT_AVAILABLE.to_owned(), ratio_and_interval),
            ]);
            Row {
                name: title(figure.metric).to_owned(),
                ratio: ratio.map(|ratio| ratio.center),
                interval: ratio.and_then(ends),
                tie: ratio.is_some_and(|ratio| !ratio.is_difference()),
                noise: floor.and_then(ends),
                title: format!("{}: {}", title(figure.metric), finding(figure).unwrap_or_default()),
                text,
            }
        })
        .collect();
    let ends = rows.iter().flat_map(|row| [row.interval, row.noise]).flatten().flat_map(|(low, high)| [low, high]);
    let domain = ratio_domain(rows.iter().filter_map(|row| row.ratio).chain(ends))?;
    let compared = comparison.analysis.metrics.iter();
    let differing = compared.filter(|figure| figure.ratio.is_some() && figure.differs()).count();
    let sentence = match differing {
        _ if rows.iter().all(|row| row.interval.is_none()) => {
            "Too few blocks to tell whether A and B differ".to_owned()
        }
        0 => format!("None of {} figures differs between A and B", rows.len()),
        1 => format!("1 of {} figures differs between A and B", rows.len()),
        some => format!("{some} of {} figures differ between A and B", rows.len()),
    };
    let note = "Bars are exact confidence intervals. Hollow and gray: the interval contains 1, or there are too few blocks \
                for one. The band of each row is its \
                noise floor: trials of one arm against each other. Less is better, except for rates.";
    let label = "B ÷ A".to_owned();
    let x = Axis { label, kind: ScaleKind::Log, domain, format: tick_ratio };
    Some(Figure::new(id, sentence, note, table, Forest { x, rows, sides: ("B is lower", "B is higher") }))
}

/// The ratio of every block. `None` without one.
pub(crate) fn ratios_of_blocks(id: &str, comparison: &Comparison, figure: &ComparedMetric) -> Option<Figure> {
    let metric = figure.metric;
    let ratio = figure.ratio.as_ref()?;
    let blocks = comparison.block_log_ratios(metric);
    let mut table = DataTable::new(["block", "B ÷ A"]);
    let points: Vec<Point> = blocks
        .iter()
        .map(|(number, log)| {
            let (value, text) = (log.exp(), significant(log.exp(), 4));
            table.row([number.to_string(), text.clone()]);
            Point {
                x: *number as f64,
                y: value,
                interval: None,
                weak: false,
                title: format!("block {number}: B ÷ A {text}"),
            }
        })
        .collect();
    let dropped: Vec<(f64, String)> = comparison
        .blocks
        .iter()
        .filter_map(|block| {
            let reason = clip(block.dropped_because.as_ref()?, 200);
            table.row([block.number.to_string(), format!("dropped: {reason}")]);
            Some((block.number as f64, format!("block {} was dropped: {reason}", block.number)))
        })
        .collect();
    let floor = figure.noise_floor.as_ref().and_then(ends);
    let values = points.iter().map(|point| point.y).chain(floor.into_iter().flat_map(|(low, high)| [low, high]));
    let y = Axis {
        label: format!("B ÷ A: {}", title(metric)),
        kind: ScaleKind::Log,
        domain: ratio_domain(values.chain([ratio.center]))?,
        format: tick_ratio,
    };
    let last = comparison.blocks.iter().map(|block| block.number).max().unwrap_or(1) as f64;
    let x = Axis {
        label: "block, in the order of time".to_owned(),
        kind: ScaleKind::Linear,
        domain: (0.5, last + 0.5),
        format: whole,
    };
    let series = Series { name: "ratio of a block".to_owned(), color: 0, line: Line::None, points };
    let mut chart = XyChart::new(x, y, vec![series]);
    (chart.warnings, chart.warnings_name) = (dropped, "dropped blocks");
    chart.rules.push(Rule {
        at: ratio.center,
        vertical: false,
        name: format!("center {}", significant(ratio.center, 4)),
    });
    chart.rules.push(Rule { at: 1.0, vertical: false, name: String::new() });
    if let Some((low, high)) = ends(ratio) {
        chart.bands.push(Band { color: 0, points: vec![(0.5, low, high), (last + 0.5, low, high)] });
    }
    chart.floors.extend(floor.map(|(from, to)| Zone { from, to, name: "noise floor".to_owned() }));
    let sentence = capitalized(&format!("{}: {}", measure(metric), finding(figure).unwrap_or_default()));
    let note = format!(
        "Blue band: confidence interval of the center. Gray band: noise floor. The line without a name is 1. {}",
        if chart.warnings.is_empty() { String::new() } else { "Triangles: blocks that were dropped.".to_owned() }
    );
    Some(Figure::new(id, sentence, note.trim_end(), table, chart))
}

/// The number of a block; between blocks there is nothing.
fn whole(value: f64) -> String {
    if value.fract() == 0.0 { tick_number(value) } else { String::new() }
}
