//! A chart of values over values: lines, points, steps and bands.

use maud::{Markup, html};

use super::axis::{Area, Axis, LegendEntry, SAMPLE, legend};
use super::mark::{area, dot, mark, path, px, warning};
use super::scale::Scale;
use super::text::{fit, width_of};
use super::{Chart, Drawing};

/// The chart.
#[derive(Debug, Clone)]
pub(crate) struct XyChart {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Stretches of the horizontal axis with a name, such as the warm-up.
    pub(crate) zones: Vec<Zone>,
    /// Stretches of the vertical axis, such as a noise floor.
    pub(crate) floors: Vec<Zone>,
    pub(crate) bands: Vec<Band>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) series: Vec<Series>,
    /// Triangles at the top: the horizontal position and a title.
    pub(crate) warnings: Vec<(f64, String)>,
    /// What they stand for, in the legend.
    pub(crate) warnings_name: &'static str,
    /// Names beside points, each only if there is room.
    pub(crate) tags: Vec<Tag>,
}

/// A stretch of an axis.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) name: String,
}

/// The area between two curves.
#[derive(Debug, Clone)]
pub(crate) struct Band {
    pub(crate) color: usize,
    /// x, and both values of y.
    pub(crate) points: Vec<(f64, f64, f64)>,
}

/// A dashed line at a value.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) at: f64,
    /// From top to bottom; otherwise from left to right.
    pub(crate) vertical: bool,
    pub(crate) name: String,
}

/// How the points of a series are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// Points alone.
    None,
    /// From point to point.
    Direct,
    /// As bars from `x` to the `x` of the next point; the last point ends the last bar.
    Steps,
}

/// Points of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Number of its color and shape.
    pub(crate) color: usize,
    pub(crate) line: Line,
    pub(crate) points: Vec<Point>,
}

/// One value.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// An interval of `y`.
    pub(crate) interval: Option<(f64, f64)>,
    /// Doubtful, or a tie: hollow, and its line is dotted.
    pub(crate) weak: bool,
    /// What a reader sees on hover and on focus.
    pub(crate) title: String,
}

/// A name beside a point.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) name: String,
}

impl XyChart {
    /// A chart of series alone.
    pub(crate) fn new(x: Axis, y: Axis, series: Vec<Series>) -> Self {
        Self {
            x,
            y,
            series,
            zones: vec![],
            floors: vec![],
            bands: vec![],
            rules: vec![],
            warnings: vec![],
            warnings_name: "errors",
            tags: vec![],
        }
    }
}

impl Chart for XyChart {
    fn draw(&self, width: f64) -> Drawing {
        let (legend, legend_height) = legend(&self.legend(), width);
        let top = legend_height + 26.0;
        let plot_height = if width < 500.0 { 210.0 } else { 270.0 };
        let last_tick = width_of(&(self.x.format)(self.x.domain.1), 11.0) / 2.0;
        let area =
            Area { left: self.y.margin(), right: width - last_tick.clamp(10.0, 30.0), top, bottom: top + plot_height };
        let (x, y) = (self.x.across(area), self.y.up(area));
        let content = html! {
            (legend)
            (self.draw_zones(area, &x, &y))
            (self.y.draw_left(area))
            (self.x.draw_below(area))
            @for band in self.bands.iter().filter(|band| band.points.len() > 1) { path class=(format!("band f{}", band.color)) d=(band_path(band, &x, &y)) {} }
            (self.draw_rules(area, &x, &y))
            @for series in &self.series { (draw_series(series, &x, &y)) }
            (self.draw_tags(area, &x, &y))
            @for (at, title) in &self.warnings { (mark(title, &warning(x.position(*at), area.top))) }
        };
        Drawing { width, height: area.bottom + 42.0, content }
    }
}

impl XyChart {
    fn legend(&self) -> Vec<LegendEntry> {
        let shown = self.series.iter().filter(|series| !series.points.is_empty());
        let mut entries: Vec<LegendEntry> = shown
            .map(|series| LegendEntry {
                name: series.name.clone(),
                sample: html! {
                    @if series.line != Line::None {
                        line class=(format!("line l{}", series.color)) x1="0" x2=(px(SAMPLE)) y1="0" y2="0" {}
                    }
                    @if series.line != Line::Steps { (dot(SAMPLE / 2.0, 0.0, series.color, false)) }
                },
            })
            .collect();
        if !self.warnings.is_empty() {
            entries.push(LegendEntry { name: self.warnings_name.to_owned(), sample: warning(SAMPLE / 2.0, -4.0) });
        }
        // One series needs no legend: the title and the axis name it.
        if entries.len() < 2 { Vec::new() } else { entries }
    }

    fn draw_zones(&self, area: Area, x: &Scale, y: &Scale) -> Markup {
        html! {
            @for zone in &self.zones {
                @let (from, to) = (x.position(zone.from), x.position(zone.to));
                rect.zone x=(px(from)) y=(px(area.top)) width=(px(to - from)) height=(px(area.bottom - area.top)) {}
            }
            @for zone in &self.floors {
                @let (low, high) = (y.position(zone.from), y.position(zone.to));
                rect.zone x=(px(area.left)) y=(px(high)) width=(px(area.right - area.left)) height=(px((low - high).max(1.0))) {}
            }
        }
    }

    /// Names to the right, the left, above or below their points: the first place that is free.
    fn draw_tags(&self, area: Area, x: &Scale, y: &Scale) -> Markup {
        let points = self.tags.iter().map(|tag| (x.position(tag.x), y.position(tag.y)));
        let mut taken: Vec<[f64; 4]> = points.map(|(x, y)| [x - 4.0, y - 4.0, x + 4.0, y + 4.0]).collect();
        let mut placed = Vec::new();
        for tag in &self.tags {
            let (x, y) = (x.position(tag.x), y.position(tag.y));
            let name = fit(&tag.name, 190.0, 11.0);
            let width = width_of(&name, 11.0);
            let starts = [(x + 8.0, y), (x - 8.0 - width, y), (x - width / 2.0, y - 13.0), (x - width / 2.0, y + 13.0)];
            let boxes = starts.map(|(left, middle)| [left, middle - 6.0, left + width, middle + 6.0]);
            let inside = |one: &&[f64; 4]| {
                one[0] >= area.left && one[2] <= area.right && one[1] >= area.top && one[3] <= area.bottom
            };
            let free = boxes.iter().filter(inside).find(|one| !taken.iter().any(|other| overlap(one, other)));
            if let Some(free) = free {
                taken.push(*free);
                placed.push((free[0], free[3] - 2.0, name));
            }
        }
        html! { @for (x, y, name) in &placed { text.q x=(px(*x)) y=(px(*y)) { (name) } } }
    }

    fn draw_rules(&self, area: Area, x: &Scale, y: &Scale) -> Markup {
        html! {
            @for zone in &self.zones {
                @let (from, to) = (x.position(zone.from), x.position(zone.to));
                text.q.c x=(px(f64::midpoint(from, to).max(area.left + 28.0))) y=(px(area.top + 12.0)) { (fit(&zone.name, 200.0, 11.0)) }
            }
            @for zone in &self.floors {
                text.q x=(px(area.left + 4.0)) y=(px(y.position(zone.to) + 12.0)) { (fit(&zone.name, area.right - area.left, 11.0)) }
            }
            @for rule in &self.rules {
                @if rule.vertical {
                    @let at = x.position(rule.at);
                    line.rule x1=(px(at)) x2=(px(at)) y1=(px(area.top)) y2=(px(area.bottom)) {}
                    // To the side with more room.
                    @if at > f64::midpoint(area.left, area.right) {
                        text.q.e x=(px(at - 5.0)) y=(px(area.top + 12.0)) { (fit(&rule.name, at - area.left, 11.0)) }
                    } @else {
                        text.q x=(px(at + 5.0)) y=(px(area.top + 12.0)) { (fit(&rule.name, area.right - at, 11.0)) }
                    }
                } @else {
                    @let at = y.position(rule.at);
                    line.rule x1=(px(area.left)) x2=(px(area.right)) y1=(px(at)) y2=(px(at)) {}
                    text.q.e x=(px(area.right - 4.0)) y=(px(at - 5.0)) { (fit(&rule.name, area.right - area.left, 11.0)) }
                }
            }
        }
    }
}

/// Whether two boxes (left, top, right, bottom) overlap.
fn overlap(one: &[f64; 4], other: &[f64; 4]) -> bool {
    one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]
}

fn band_path(band: &Band, x: &Scale, y: &Scale) -> String {
    let lower = band.points.iter().map(|(at, low, _)| (x.position(*at), y.position(*low)));
    let upper = band.points.iter().rev().map(|(at, _, high)| (x.position(*at), y.position(*high)));
    area(&lower.chain(upper).collect::<Vec<_>>())
}

fn draw_series(series: &Series, x: &Scale, y: &Scale) -> Markup {
    let color = series.color;
    if series.line == Line::Steps {
        return draw_steps(series, x, y);
    }
    let at = |point: &Point| (x.position(point.x), y.position(point.y));
    let strong: Vec<_> = series.points.iter().take_while(|point| !point.weak).map(at).collect();
    // From the last strong point on.
    let weak: Vec<_> = series.points.iter().skip(strong.len().saturating_sub(1)).map(at).collect();
    html! {
        @if series.line == Line::Direct {
            path class=(format!("line l{color}")) d=(path(&strong)) {}
            @if weak.len() > 1 { path class=(format!("line dash l{color}")) d=(path(&weak)) {} }
        }
        @for point in &series.points {
            @let (px_x, px_y) = at(point);
            (mark(&point.title, &html! {
                @if let Some((low, high)) = point.interval {
                    line class=(format!("l{color}")) stroke-width="1.5" x1=(px(px_x)) x2=(px(px_x)) y1=(px(y.position(low))) y2=(px(y.position(high))) {}
                }
                (dot(px_x, px_y, color, point.weak))
            }))
        }
    }
}

/// Bars from the bottom; the last point has no bar of its own.
fn draw_steps(series: &Series, x: &Scale, y: &Scale) -> Markup {
    let color = series.color;
    let bottom = y.position(f64::NEG_INFINITY);
    let bars: Vec<(f64, f64, f64, &Point)> = series
        .points
        .windows(2)
        .map(|pair| (x.position(pair[0].x), x.position(pair[1].x), y.position(pair[0].y), &pair[0]))
        .collect();
    let mut outline: Vec<(f64, f64)> =
        bars.iter().flat_map(|(from, to, top, _)| [(*from, *top), (*to, *top)]).collect();
    if let (Some(first), Some(last)) = (bars.first(), bars.last()) {
        outline.insert(0, (first.0, bottom));
        outline.push((last.1, bottom));
    }
    html! {
        path class=(format!("line l{color}")) d=(path(&outline)) {}
        @for (from, to, top, point) in &bars {
            (mark(&point.title, &html! {
                rect.hit x=(px(*from)) y=(px(top.min(bottom - 12.0))) width=(px(to - from)) height=(px((bottom - top).max(12.0))) {}
                rect class=(format!("band f{color}")) x=(px(*from)) y=(px(*top)) width=(px(to - from)) height=(px(bottom - top)) {}
            }))
        }
    }
}
