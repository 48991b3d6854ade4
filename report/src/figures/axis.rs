//! Axes: grid, ticks and labels with units.

use maud::{Markup, html};

use super::mark::px;
use super::scale::{Scale, ScaleKind};
use super::text::{FONT_SIZE, fit, width_of};
use wss_model::text::quantity::{count, time_to};

/// What an axis measures.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    /// Quantity and unit.
    pub(crate) label: String,
    pub(crate) kind: ScaleKind,
    /// The values at both ends.
    pub(crate) domain: (f64, f64),
    /// How a tick reads.
    pub(crate) format: fn(f64) -> String,
}

/// The rectangle that marks are drawn in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

impl Axis {
    /// Its scale, from left to right.
    pub(crate) fn across(&self, area: Area) -> Scale {
        Scale::new(self.kind, self.domain, (area.left, area.right))
    }

    /// Its scale, from bottom to top.
    pub(crate) fn up(&self, area: Area) -> Scale {
        Scale::new(self.kind, self.domain, (area.bottom, area.top))
    }

    /// Room for the widest tick of a vertical axis.
    pub(crate) fn margin(&self) -> f64 {
        let ticks = Scale::new(self.kind, self.domain, (0.0, 1.0)).ticks(5);
        ticks.iter().map(|tick| width_of(&(self.format)(*tick), 11.0)).fold(20.0, f64::max) + 12.0
    }

    /// Ticks and label below the area; grid lines through it.
    pub(crate) fn draw_below(&self, area: Area) -> Markup {
        let scale = self.across(area);
        let mut last = f64::NEG_INFINITY;
        let room = ((area.right - area.left) / 90.0).max(3.0) as usize;
        let ticks: Vec<(f64, String, bool)> = scale
            .ticks(room)
            .into_iter()
            .map(|tick| {
                let (x, text) = (scale.position(tick), (self.format)(tick));
                let half = width_of(&text, 11.0) / 2.0;
                let fits = x - half > last + 4.0;
                if fits {
                    last = x + half;
                }
                (x, text, fits)
            })
            .collect();
        html! {
            @for (x, text, fits) in &ticks {
                line.grid x1=(px(*x)) x2=(px(*x)) y1=(px(area.top)) y2=(px(area.bottom)) {}
                @if *fits { text.q.c x=(px(*x)) y=(px(area.bottom + 16.0)) { (text) } }
            }
            line.axis x1=(px(area.left)) x2=(px(area.right)) y1=(px(area.bottom)) y2=(px(area.bottom)) {}
            @let label = fit(&self.label, area.right, 11.0);
            @let half = width_of(&label, 11.0) / 2.0;
            // In the middle, unless it would leave the figure.
            @let middle = f64::midpoint(area.left, area.right).min(area.right + 8.0 - half).max(half);
            text.q.c x=(px(middle)) y=(px(area.bottom + 34.0)) { (label) }
        }
    }

    /// Ticks to the left of the area and the label above it; grid lines through it.
    pub(crate) fn draw_left(&self, area: Area) -> Markup {
        let scale = self.up(area);
        html! {
            text.q x="0" y=(px(area.top - 12.0)) { (fit(&self.label, area.right, 11.0)) }
            @for tick in scale.ticks(5) {
                line.grid x1=(px(area.left)) x2=(px(area.right)) y1=(px(scale.position(tick))) y2=(px(scale.position(tick))) {}
                text.q.e x=(px(area.left - 7.0)) y=(px(scale.position(tick) + 4.0)) { ((self.format)(tick)) }
            }
        }
    }
}

/// An entry of a legend: a name with the sample of a mark.
pub(crate) struct LegendEntry {
    pub(crate) name: String,
    /// Draws the sample around a point.
    pub(crate) sample: Markup,
}

/// Width of a sample in a legend.
pub(crate) const SAMPLE: f64 = 26.0;
const LEGEND_ROW: f64 = 20.0;

/// A legend from the top of a figure, and its height. A sample is drawn from (0, 0) to ([`SAMPLE`], 0).
pub(crate) fn legend(entries: &[LegendEntry], width: f64) -> (Markup, f64) {
    let (mut x, mut y) = (0.0, 12.0);
    let mut placed = Vec::new();
    for entry in entries {
        let name = fit(&entry.name, width - SAMPLE - 4.0, FONT_SIZE);
        let needed = SAMPLE + width_of(&name, FONT_SIZE) + 22.0;
        if x > 0.0 && x + needed - 16.0 > width {
            (x, y) = (0.0, y + LEGEND_ROW);
        }
        placed.push((x, y, name, &entry.sample));
        x += needed;
    }
    let markup = html! {
        @for (x, y, name, sample) in &placed {
            g transform=(format!("translate({} {})", px(*x), px(*y))) { (sample) text.t x=(px(SAMPLE + 6.0)) y="4" { (name) } }
        }
    };
    (markup, if entries.is_empty() { 0.0 } else { y + 12.0 })
}

/// Nanoseconds as a tick: `500 ns`, `1 ms`.
pub(crate) fn tick_time(ns: f64) -> String {
    let text = time_to(ns, 3);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// A quantile as a percentile: `99.9%`.
pub(crate) fn tick_quantile(quantile: f64) -> String {
    // Rounded, since 1 − 0.9999 is a little more than 0.0001.
    let nines = -(1.0 - quantile).log10();
    let decimals = ((nines - 1e-6).ceil() - 2.0).clamp(0.0, 10.0) as usize;
    format!("{:.decimals$}%", 100.0 * quantile)
}

/// A number, in groups of three digits from 1,000 on.
pub(crate) fn tick_number(value: f64) -> String {
    if value.abs() >= 1000.0 {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(value.abs().round() as u64));
    }
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.').replace('-', "−");
    if text == "−0" { "0".to_owned() } else { text }
}

/// A ratio: `1.05`.
pub(crate) fn tick_ratio(value: f64) -> String {
    tick_number(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_read_as_people_write_them() {
        assert_eq!([500.0, 1e3, 2e4, 1.5e6, 1e9].map(tick_time), ["500 ns", "1 µs", "20 µs", "1.5 ms", "1 s"]);
        assert_eq!([0.0, 0.9, 0.99, 0.999, 0.9999].map(tick_quantile), ["0%", "90%", "99%", "99.9%", "99.99%"]);
        assert_eq!([0.0, 0.25, 1.0, 12_000.0, -3.0].map(tick_number), ["0", "0.25", "1", "12,000", "−3"]);
    }

    #[test]
    fn a_legend_that_does_not_fit_takes_more_rows() {
        let entry = |name: &str| LegendEntry { name: name.to_owned(), sample: html! {} };
        let entries = [entry("response"), entry("service"), entry(&"x".repeat(200))];
        let (_, one) = legend(&entries[..2], 720.0);
        let (_, more) = legend(&entries, 360.0);
        assert!(more > one && legend(&[], 300.0).1 == 0.0);
    }
}
