//! Figures: what a result shows, drawn as SVG. The HTML report and the files of `--svg` and `--png` have the same drawings.
//!
//! A [`Figure`] has data and no pixels: [`Figure::draw`] makes a [`Drawing`] of any width. [`scale`], [`axis`] and [`mark`]
//! are the layer below, [`xy`], [`bars`] and [`forest`] the three forms of charts; the other modules each turn a part of a
//! result into figures.

mod axis;
mod bars;
pub(crate) mod blocks;
pub(crate) mod cost;
mod forest;
mod mark;
pub(crate) mod over_time;
pub(crate) mod percentiles;
pub(crate) mod phases;
pub(crate) mod png;
pub(crate) mod scale;
pub(crate) mod standalone;
pub(crate) mod sweep;
pub(crate) mod text;
pub(crate) mod theme;
pub(crate) mod trend;
mod xy;

use maud::Markup;

/// Width of a drawing for a page or a paper.
pub(crate) const WIDE: f64 = 720.0;
/// Width of a drawing for the screen of a phone.
pub(crate) const NARROW: f64 = 360.0;

/// What a chart shows, as a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct DataTable {
    /// Headings, with units.
    pub(crate) head: Vec<String>,
    /// A row per mark, or per group of marks with the same position.
    pub(crate) rows: Vec<Vec<String>>,
}

impl DataTable {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { head: head.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }
}

/// A figure before it is drawn.
pub(crate) struct Figure {
    /// Unique among the figures of a page: the name of its file, and its anchor.
    pub(crate) id: String,
    /// A sentence that states what it shows.
    pub(crate) title: String,
    /// How to read it; may be empty.
    pub(crate) note: String,
    /// Its data.
    pub(crate) table: DataTable,
    chart: Box<dyn Chart>,
}

/// A figure of some width.
pub(crate) struct Drawing {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// The content of an `svg` element.
    pub(crate) content: Markup,
}

/// The data of a figure in one of the forms that can be drawn.
pub(crate) trait Chart {
    fn draw(&self, width: f64) -> Drawing;
}

impl Figure {
    fn new(
        id: impl Into<String>,
        title: String,
        note: impl Into<String>,
        table: DataTable,
        chart: impl Chart + 'static,
    ) -> Self {
        Self { id: id.into(), title, note: note.into(), table, chart: Box::new(chart) }
    }

    pub(crate) fn draw(&self, width: f64) -> Drawing {
        self.chart.draw(width)
    }
}

#[cfg(test)]
mod tests;
