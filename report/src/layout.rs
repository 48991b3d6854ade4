//! A page of 80 columns, or of 100: lines, labelled facts and tables, one below the other.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use wss_model::text::phrases::one_line;

/// Columns of the page: what a terminal shows, and what a mail and a commit message keep unbroken.
pub(super) const WIDTH: usize = 80;

/// Columns of a page for those who compare many things.
pub(super) const WIDE: usize = 100;

/// Columns of a fact's label.
const LABEL: usize = 13;

/// The text so far.
pub(super) struct Layout {
    text: String,
    width: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self { text: String::new(), width: WIDTH }
    }
}

impl Layout {
    /// A page of [`WIDE`] columns.
    pub(super) fn wide() -> Self {
        Self { text: String::new(), width: WIDE }
    }

    /// An empty line between two sections.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A sentence or more, wrapped; like all text of a page without control characters.
    pub(super) fn text(&mut self, text: &str) {
        self.wrapped("", "", text);
    }

    /// An entry of a list, wrapped beside its bullet.
    pub(super) fn bullet(&mut self, text: &str) {
        self.wrapped("  - ", "    ", text);
    }

    /// What is told beside its name; an empty label goes on with the one above.
    pub(super) fn fact(&mut self, label: &str, text: &str) {
        self.wrapped(&format!("{label:<LABEL$}"), &" ".repeat(LABEL), text);
    }

    /// A table, without the blanks at the ends of its lines.
    pub(super) fn table(&mut self, table: &Table) {
        self.text.push_str(&table.trim_fmt());
        self.text.push('\n');
    }

    fn wrapped(&mut self, first: &str, rest: &str, text: &str) {
        // A name such as ecdsa-p256 is searched for and copied: it is not broken at its hyphen.
        let options = textwrap::Options::new(self.width)
            .initial_indent(first)
            .subsequent_indent(rest)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        for line in textwrap::wrap(&one_line(text), options) {
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    /// The whole text; its last line ends with a newline.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A table of the house: a rule below the header and no other line; `header` of the first column may be empty.
pub(super) fn table<S: ToString>(header: impl IntoIterator<Item = S>) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH as u16)
        .set_header(header.into_iter().map(|cell| cell.to_string()).collect::<Vec<_>>());
    table
}

/// Sets the columns of numbers, all but the first, flush right.
pub(super) fn numbers_right(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
}
