//! A forest plot: a ratio with its interval per row, beside the band of the noise floor.

use maud::{Markup, html};

use super::axis::{Area, Axis};
use super::mark::{dot, mark, px};
use super::text::{FONT_SIZE, fit, width_of};
use super::{Chart, Drawing};

const ROW: f64 = 24.0;

/// Size of the names on a narrow screen, as the class `small` has it.
const NARROW_FONT_SIZE: f64 = 10.5;

/// The chart.
#[derive(Debug, Clone)]
pub(crate) struct Forest {
    pub(crate) x: Axis,
    pub(crate) rows: Vec<Row>,
    /// What values below and above 1 mean: the labels at the left and the right end.
    pub(crate) sides: (&'static str, &'static str),
}

/// A row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Center; `None` for the row that all others are compared with.
    pub(crate) ratio: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
    /// The noise does not separate it from 1.
    pub(crate) tie: bool,
    /// The range that noise alone explains, of this row alone.
    pub(crate) noise: Option<(f64, f64)>,
    /// The figures at the right end.
    pub(crate) text: String,
    /// What a reader sees on hover and on focus.
    pub(crate) title: String,
}

impl Chart for Forest {
    fn draw(&self, width: f64) -> Drawing {
        let wide = width >= 500.0;
        let (size, share) = if wide { (FONT_SIZE, 0.42) } else { (NARROW_FONT_SIZE, 0.5) };
        let widest = self.rows.iter().map(|row| width_of(&row.name, size)).fold(0.0, f64::max);
        let left = (widest + 14.0).min(width * share);
        let text = self.rows.iter().map(|row| width_of(&row.text, 11.0)).fold(0.0, f64::max);
        // On a narrow screen the figures are in the titles and in the table.
        let right = if wide { width - text - 16.0 } else { width - 14.0 };
        let top = 24.0;
        let area = Area { left, right, top, bottom: top + ROW * self.rows.len() as f64 + 4.0 };
        let scale = self.x.across(area);
        let one = scale.position(1.0);
        let content = html! {
            @let sides = [format!("← {}", self.sides.0), format!("{} →", self.sides.1)];
            text.q.e x=(px(one - 8.0)) y="12" { (sides[0]) }
            // Where it does not fit, the other side says enough.
            @if width_of(&sides[1], 11.0) < width - one - 8.0 { text.q x=(px(one + 8.0)) y="12" { (sides[1]) } }
            (self.x.draw_below(area))
            @for (index, row) in self.rows.iter().enumerate() {
                @let y = top + ROW * (index as f64 + 0.5) + 2.0;
                @if let Some((low, high)) = row.noise {
                    @let (from, to) = (scale.position(low), scale.position(high));
                    rect.zone x=(px(from)) width=(px((to - from).max(1.0))) y=(px(y - ROW / 2.0)) height=(px(ROW)) {}
                }
                text.t.e .small[!wide] x=(px(left - 10.0)) y=(px(y + 4.0)) { (fit(&row.name, left - 12.0, size)) }
                @if wide { text.q.e x=(px(width)) y=(px(y + 4.0)) { (row.text) } }
            }
            line.axis x1=(px(one)) x2=(px(one)) y1=(px(top)) y2=(px(area.bottom)) {}
            @for (index, row) in self.rows.iter().enumerate() {
                @let y = top + ROW * (index as f64 + 0.5) + 2.0;
                (mark(&row.title, &row_mark(row, y, |value| scale.position(value))))
            }
        };
        Drawing { width, height: area.bottom + 42.0, content }
    }
}

fn row_mark(row: &Row, y: f64, position: impl Fn(f64) -> f64) -> Markup {
    let color = if row.tie { 5 } else { 0 };
    let x = position(row.ratio.unwrap_or(1.0));
    html! {
        @if let Some((low, high)) = row.interval {
            @let (from, to) = (position(low), position(high));
            rect.hit x=(px(from)) y=(px(y - ROW / 2.0)) width=(px(to - from)) height=(px(ROW)) {}
            line class=(format!("l{color}")) stroke-width="2" x1=(px(from)) x2=(px(to)) y1=(px(y)) y2=(px(y)) {}
            @for end in [from, to] {
                line class=(format!("l{color}")) stroke-width="2" x1=(px(end)) x2=(px(end)) y1=(px(y - 4.0)) y2=(px(y + 4.0)) {}
            }
        }
        @if row.ratio.is_some() { (dot(x, y, if row.tie { 5 } else { 0 }, row.tie)) } @else {
            rect.hit x=(px(x - 8.0)) y=(px(y - 8.0)) width="16" height="16" {}
            circle.axis cx=(px(x)) cy=(px(y)) r="4" fill="none" {}
        }
    }
}
