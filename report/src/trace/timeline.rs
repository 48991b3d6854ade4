//! The page of a timeline: 100 columns, with the times on the left and everything else beside them.

use comfy_table::Table;

use wss_model::text::phrases::one_line;

/// Columns of the page.
pub(super) const WIDTH: usize = 100;
/// Columns of time, cost and arrow.
const MARGIN: usize = 25;
/// Columns that a step of depth takes.
const STEP: usize = 2;
/// Columns of a fact's name.
const NAME: usize = 14;

/// The text so far.
#[derive(Default)]
pub(super) struct Timeline {
    text: String,
    /// The explanations that were given: once is enough.
    explained: Vec<&'static str>,
}

impl Timeline {
    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A sentence or more over the whole width.
    pub(super) fn text(&mut self, text: &str) {
        self.wrapped("", 0, text);
    }

    /// A rule with a title in it.
    pub(super) fn section(&mut self, title: &str) {
        let title = format!("── {title} ");
        let rest = WIDTH.saturating_sub(title.chars().count());
        self.text.push('\n');
        self.text.push_str(&title);
        self.text.push_str(&"─".repeat(rest));
        self.text.push('\n');
    }

    /// One step of the ladder.
    pub(super) fn rung(&mut self, time: &str, cost: &str, arrow: char, text: &str) {
        self.wrapped(&format!("{time:>10}  {cost:>8}  {arrow}  "), MARGIN, text);
    }

    /// A line that belongs to the step above, `depth` deep.
    pub(super) fn detail(&mut self, depth: usize, text: &str) {
        let indent = MARGIN + depth * STEP;
        // Deeper than what belongs to it, so that it is not taken for that.
        self.wrapped(&" ".repeat(indent), indent + 2 * STEP, text);
    }

    /// The name of a thing inside the step above, and what it is for.
    pub(super) fn titled(&mut self, name: &str, is_for: &'static str) {
        let is_for = self.once(is_for);
        self.detail(0, &if is_for.is_empty() { name.to_owned() } else { format!("{name}: {is_for}") });
    }

    /// An explanation, or nothing if it was given before.
    pub(super) fn once(&mut self, explanation: &'static str) -> &'static str {
        if self.explained.contains(&explanation) {
            return "";
        }
        self.explained.push(explanation);
        explanation
    }

    /// What is told beside its name, one deep. Nothing is told of nothing.
    pub(super) fn fact(&mut self, name: &str, text: &str) {
        self.fact_at(1, name, text);
    }

    /// The same at another depth.
    pub(super) fn fact_at(&mut self, depth: usize, name: &str, text: &str) {
        if !text.is_empty() {
            let indent = " ".repeat(MARGIN + depth * STEP);
            self.wrapped(&format!("{indent}{name:<NAME$}"), MARGIN + depth * STEP + NAME, text);
        }
    }

    /// A table, without the blanks at the ends of its lines.
    pub(super) fn table(&mut self, table: &Table) {
        self.text.push_str(&table.trim_fmt());
        self.text.push('\n');
    }

    /// Text of a peer is among it: it does not get to move the reader's cursor.
    fn wrapped(&mut self, first: &str, rest: usize, text: &str) {
        let rest = " ".repeat(rest);
        let options = textwrap::Options::new(WIDTH)
            .initial_indent(first)
            .subsequent_indent(&rest)
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        for line in textwrap::wrap(&one_line(text), options) {
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}
