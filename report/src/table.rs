//! Tables of text: numbers stay whole on one line, text columns are wrapped, and a table that still does not fit is split
//! into several below each other.

use textwrap::core::display_width;
use wss_model::text::phrases::one_line;

use crate::wrap::wrap;

/// Blanks between two columns; two where three make the table too wide.
const GAP: usize = 3;
const NARROW_GAP: usize = 2;

/// The least width to which a text column is wrapped, unless its longest word is shorter.
const LEAST_TEXT: usize = 16;

/// A table before it has a width.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// A heading per column; `\n` begins a new line.
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Row>,
    /// The columns of text: left-aligned and wrapped. All others hold numbers: right-aligned and never broken.
    text: Vec<usize>,
    /// The first columns, which every part of a split table repeats.
    key: usize,
    /// The least width of the key column and of the others, so that tables below each other line up.
    least: (usize, usize),
}

/// A line of a table.
#[derive(Debug, Clone)]
pub(crate) enum Row {
    /// A title above the rows that follow.
    Group(String),
    /// One cell per column.
    Cells(Vec<String>),
}

impl Table {
    /// A table whose first column holds text and all others numbers.
    pub(crate) fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        let head = head.into_iter().map(Into::into).collect();
        Self { head, rows: Vec::new(), text: vec![0], key: 1, least: (0, 0) }
    }

    /// Makes these the columns of text.
    pub(crate) fn with_text(mut self, columns: &[usize]) -> Self {
        self.text = columns.to_vec();
        self
    }

    /// Repeats the first `columns` in each part of a split table.
    pub(crate) fn with_key(mut self, columns: usize) -> Self {
        self.key = columns;
        self
    }

    /// Gives the first column and the others a least width.
    pub(crate) fn with_least(mut self, first: usize, others: usize) -> Self {
        self.least = (first, others);
        self
    }

    /// Adds a row. Control characters are removed: cells may quote a peer or a file.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let indented = |cell: &str| {
            let indent = cell.len() - cell.trim_start_matches(' ').len();
            format!("{}{}", " ".repeat(indent), one_line(cell))
        };
        self.rows.push(Row::Cells(cells.into_iter().map(|cell| indented(cell.as_ref())).collect()));
    }

    /// Adds a title above the rows that follow.
    pub(crate) fn group(&mut self, title: &str) {
        self.rows.push(Row::Group(one_line(title)));
    }

    /// The table, or as many parts of it as it takes for each to fit into `width` columns.
    pub(crate) fn fitting(&self, width: usize) -> Vec<Self> {
        let columns = self.head.len();
        let mut parts = Vec::new();
        let mut chosen: Vec<usize> = (0..self.key.min(columns)).collect();
        for column in self.key..columns {
            chosen.push(column);
            if self.part(&chosen).least_width() > width && chosen.len() > self.key + 1 {
                chosen.pop();
                parts.push(self.part(&chosen));
                chosen.truncate(self.key);
                chosen.push(column);
            }
        }
        parts.push(self.part(&chosen));
        parts
    }

    /// Some of the columns.
    fn part(&self, columns: &[usize]) -> Self {
        let cells =
            |all: &[String]| columns.iter().map(|column| all.get(*column).cloned().unwrap_or_default()).collect();
        let rows = self.rows.iter().map(|row| match row {
            Row::Group(title) => Row::Group(title.clone()),
            Row::Cells(all) => Row::Cells(cells(all)),
        });
        Self {
            head: cells(&self.head),
            rows: rows.collect(),
            text: (0..columns.len()).filter(|index| self.text.contains(&columns[*index])).collect(),
            key: self.key,
            least: self.least,
        }
    }

    fn is_text(&self, column: usize) -> bool {
        self.text.contains(&column)
    }

    /// The texts of a column, heading lines included.
    fn column(&self, column: usize) -> impl Iterator<Item = &str> {
        let cells = self.rows.iter().filter_map(move |row| match row {
            Row::Group(_) => None,
            Row::Cells(cells) => cells.get(column).map(String::as_str),
        });
        self.head.get(column).into_iter().flat_map(|head| head.split('\n')).chain(cells)
    }

    /// Width of each column without wrapping.
    fn wanted(&self) -> Vec<usize> {
        let least = |column| if column == 0 { self.least.0 } else { self.least.1 };
        let widest = |column| self.column(column).map(display_width).max().unwrap_or(0);
        (0..self.head.len()).map(|column| widest(column).max(least(column))).collect()
    }

    /// Width to which each column can shrink: text to its longest word, numbers not at all.
    fn shrunk(&self) -> Vec<usize> {
        let longest_word = |column| self.column(column).flat_map(|cell| cell.split(' ')).map(display_width).max();
        let wanted = self.wanted().into_iter().enumerate();
        wanted
            .map(|(column, wanted)| match self.is_text(column) {
                true => wanted.min(longest_word(column).unwrap_or(0).max(LEAST_TEXT)),
                false => wanted,
            })
            .collect()
    }

    fn least_width(&self) -> usize {
        total(&self.shrunk(), NARROW_GAP)
    }

    /// Width of each column, and the gap between them.
    fn widths(&self, width: usize) -> (Vec<usize>, usize) {
        let (mut widths, shrunk) = (self.wanted(), self.shrunk());
        for gap in [GAP, NARROW_GAP] {
            if total(&widths, gap) <= width {
                return (widths, gap);
            }
        }
        let shrink = |widths: &mut Vec<usize>, least: &dyn Fn(usize) -> usize| {
            while total(widths, NARROW_GAP) > width {
                let widest =
                    (0..widths.len()).filter(|column| self.is_text(*column) && widths[*column] > least(*column));
                let Some(widest) = widest.max_by_key(|column| widths[*column]) else { break };
                widths[widest] -= 1;
            }
        };
        shrink(&mut widths, &|column| shrunk[column]);
        // A word that is longer than the line is broken in the end.
        shrink(&mut widths, &|_| 1);
        (widths, NARROW_GAP)
    }

    /// Lines above the rule.
    pub(crate) fn head_height(&self) -> usize {
        self.head.iter().map(|head| head.split('\n').count()).max().unwrap_or(1)
    }

    /// The table as lines: its head, a rule, its rows.
    pub(crate) fn lines(&self, width: usize) -> Vec<String> {
        let (widths, gap) = self.widths(width);
        let mut lines = Vec::new();
        self.push(&mut lines, &self.head, &widths, gap);
        lines.push("─".repeat(total(&widths, gap)));
        for row in &self.rows {
            match row {
                Row::Group(title) => {
                    // Below the heading of the column that names the rows.
                    let indent: usize = widths.iter().take(self.key.saturating_sub(1)).map(|width| width + gap).sum();
                    lines.push(format!("{}── {title}", " ".repeat(indent)));
                }
                Row::Cells(cells) => self.push(&mut lines, cells, &widths, gap),
            }
        }
        lines
    }

    /// One row, as high as its highest cell.
    fn push(&self, lines: &mut Vec<String>, cells: &[String], widths: &[usize], gap: usize) {
        let wrapped: Vec<Vec<String>> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| {
                let cell = cells.get(column).map_or("", String::as_str);
                if self.is_text(column) {
                    lines_of(cell, *width)
                } else {
                    cell.split('\n').map(str::to_owned).collect()
                }
            })
            .collect();
        for index in 0..wrapped.iter().map(Vec::len).max().unwrap_or(0) {
            let mut line = String::new();
            for (column, width) in widths.iter().enumerate() {
                let part = wrapped[column].get(index).map_or("", String::as_str);
                let blanks = " ".repeat(width.saturating_sub(display_width(part)));
                line.push_str(&if self.is_text(column) {
                    format!("{part}{blanks}")
                } else {
                    format!("{blanks}{part}")
                });
                line.push_str(&" ".repeat(gap));
            }
            lines.push(line.trim_end().to_owned());
        }
    }
}

/// A cell's text in lines; those after the first keep the indent of the first.
fn lines_of(cell: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(cell.len() - cell.trim_start_matches(' ').len());
    wrap(cell.trim_start_matches(' '), width, &indent, &indent)
}

fn total(widths: &[usize], gap: usize) -> usize {
    widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(table: &Table, width: usize) -> String {
        table.fitting(width).iter().flat_map(|part| part.lines(width)).collect::<Vec<_>>().join("\n")
    }

    fn table() -> Table {
        let mut table = Table::new(["name", "first", "second"]);
        table.row(["a name of many words", "1,000 µs", "2,000 µs"]);
        table
    }

    #[test]
    fn wraps_text_before_it_splits_numbers() {
        assert_eq!(
            rows(&table(), 80),
            "\
name                      first     second\n\
──────────────────────────────────────────\n\
a name of many words   1,000 µs   2,000 µs"
        );
        assert_eq!(
            rows(&table(), 38),
            "\
name                   first    second\n\
──────────────────────────────────────\n\
a name of many      1,000 µs  2,000 µs\n\
words"
        );
    }

    #[test]
    fn splits_a_table_that_is_too_wide_and_repeats_its_key() {
        assert_eq!(
            rows(&table(), 30),
            "\
name                     first\n\
──────────────────────────────\n\
a name of many words  1,000 µs\n\
name                    second\n\
──────────────────────────────\n\
a name of many words  2,000 µs"
        );
    }
}
