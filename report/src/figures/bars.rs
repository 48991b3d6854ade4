//! Stacked bars, one below the other.

use maud::{Markup, html};

use super::axis::{Area, Axis, LegendEntry, legend};
use super::mark::{mark, path, px};
use super::text::{FONT_SIZE, fit, width_of};
use super::{Chart, Drawing};

const BAR: f64 = 26.0;
const ROW: f64 = 38.0;

/// The chart.
#[derive(Debug, Clone)]
pub(crate) struct StackedBars {
    pub(crate) x: Axis,
    pub(crate) rows: Vec<Row>,
    /// The name of the sign that [`Row::total`] is drawn with.
    pub(crate) total_name: Option<String>,
}

/// A bar.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) parts: Vec<Part>,
    /// A value beside the bar, with its title: one that is not the sum of the parts.
    pub(crate) total: Option<(f64, String)>,
}

/// A part of a bar.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Number of its color.
    pub(crate) color: usize,
    pub(crate) value: f64,
    /// The value as people read it.
    pub(crate) text: String,
    /// What a reader sees on hover and on focus.
    pub(crate) title: String,
}

impl Chart for StackedBars {
    fn draw(&self, width: f64) -> Drawing {
        let (legend, legend_height) = legend(&self.legend(), width);
        let widest = self.rows.iter().map(|row| width_of(&row.name, FONT_SIZE)).fold(0.0, f64::max);
        let left = (widest + 10.0).min(width * 0.36);
        let top = legend_height + 10.0;
        let area = Area { left, right: width - 24.0, top, bottom: top + ROW * self.rows.len() as f64 };
        let scale = self.x.across(area);
        let content = html! {
            (legend)
            (self.x.draw_below(area))
            @for (index, row) in self.rows.iter().enumerate() {
                @let y = top + ROW * index as f64 + (ROW - BAR) / 2.0;
                text.t.e x=(px(left - 8.0)) y=(px(y + BAR / 2.0 + 4.0)) { (fit(&row.name, left - 10.0, FONT_SIZE)) }
                @for (from, part) in starts(&row.parts) {
                    @let (start, end) = (scale.position(from), scale.position(from + part.value));
                    (mark(&part.title, &bar(part, start, end - start, y)))
                }
                @if let Some((value, title)) = &row.total {
                    @let x = scale.position(*value);
                    (mark(title, &total_sign(x, y)))
                }
            }
        };
        Drawing { width, height: area.bottom + 42.0, content }
    }
}

impl StackedBars {
    /// Each part once, in the order in which parts appear.
    fn legend(&self) -> Vec<LegendEntry> {
        let mut entries: Vec<LegendEntry> = Vec::new();
        for part in self.rows.iter().flat_map(|row| &row.parts) {
            if !entries.iter().any(|entry| entry.name == part.name) {
                let sample = html! { rect class=(format!("f{}", part.color)) x="8" y="-6" width="16" height="12" {} };
                entries.push(LegendEntry { name: part.name.clone(), sample });
            }
        }
        if let Some(name) = &self.total_name {
            let sample = html! { g transform="translate(16 -6) scale(1 .5)" { (total_sign(0.0, 0.0)) } };
            entries.push(LegendEntry { name: name.clone(), sample });
        }
        entries
    }
}

/// The parts with the sum of those before them.
fn starts(parts: &[Part]) -> impl Iterator<Item = (f64, &Part)> {
    parts.iter().scan(0.0, |sum, part| {
        let from = *sum;
        *sum += part.value;
        Some((from, part))
    })
}

fn bar(part: &Part, x: f64, width: f64, y: f64) -> Markup {
    // The name where there is room for both, else the value, else nothing.
    let both = format!("{} {}", part.name, part.text);
    let text = [&both, &part.text].into_iter().find(|text| width_of(text, 11.0) + 8.0 <= width);
    html! {
        rect class=(format!("sep f{}", part.color)) x=(px(x)) y=(px(y)) width=(px(width)) height=(px(BAR)) {}
        @if let Some(text) = text { text.in x=(px(x + width / 2.0)) y=(px(y + BAR / 2.0 + 4.0)) { (text) } }
    }
}

/// A bracket beside a bar.
fn total_sign(x: f64, y: f64) -> Markup {
    html! {
        rect.hit x=(px(x - 6.0)) y=(px(y - 3.0)) width="12" height=(px(BAR + 6.0)) {}
        path.axis fill="none" stroke-width="2.5" d=(path(&[(x, y - 4.0), (x, y + BAR + 4.0)])) {}
    }
}
