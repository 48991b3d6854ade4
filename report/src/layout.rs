//! The lines of a text report: sentences, labelled facts, lists and tables, one below the other.

use wss_model::text::phrases::one_line;

use crate::style::{Style, Tone};
use crate::table::Table;
use crate::wrap::wrap;

/// Columns of a fact's label.
const LABEL: usize = 13;

/// A report under construction.
pub(crate) struct Layout {
    text: String,
    facts: Vec<(String, String)>,
    style: Style,
}

impl Layout {
    pub(crate) fn new(style: Style) -> Self {
        let width = style.width.clamp(Style::MIN_WIDTH, Style::MAX_WIDTH);
        Self { text: String::new(), facts: Vec::new(), style: Style { width, ..style } }
    }

    /// Columns of every line.
    pub(crate) const fn width(&self) -> usize {
        self.style.width
    }

    /// Whether everything is wanted.
    pub(crate) const fn is_verbose(&self) -> bool {
        self.style.verbose
    }

    /// Whether this was written.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// An empty line between two sections.
    pub(crate) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A line that already has the right width.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// One or more sentences, wrapped. Like all text of a layout they lose their control characters.
    pub(crate) fn text(&mut self, text: &str) {
        self.wrapped("", "", text);
    }

    /// [`Layout::text`] in the given tone.
    pub(crate) fn toned(&mut self, tone: Tone, text: &str) {
        for line in self.lines("", "", text) {
            let line = self.paint(tone, &line);
            self.line(&line);
        }
    }

    /// An explanation or other text that a second look can leave out.
    pub(crate) fn secondary(&mut self, text: &str) {
        self.toned(Tone::Secondary, text);
    }

    /// A paragraph that begins with a word in the given tone, such as a verdict.
    pub(crate) fn verdict(&mut self, tone: Tone, word: &str, rest: &str) {
        let lines = self.lines("", "", &format!("{word}{rest}"));
        for (index, line) in lines.iter().enumerate() {
            match line.strip_prefix(word).filter(|_| index == 0) {
                Some(rest) => self.line(&format!("{}{rest}", self.paint(tone, word))),
                None => self.line(line),
            }
        }
    }

    /// An entry of a list, wrapped beside its bullet.
    pub(crate) fn bullet(&mut self, text: &str) {
        self.wrapped("  - ", "    ", text);
    }

    /// A text beside its label. An empty label continues the fact above.
    pub(crate) fn fact(&mut self, label: &str, text: &str) {
        self.facts.push((label.to_owned(), text.to_owned()));
        self.wrapped(&format!("{label:<LABEL$}"), &" ".repeat(LABEL), text);
    }

    /// The facts that `write` adds to a report, for one that lays them out itself.
    pub(crate) fn facts_of(write: impl FnOnce(&mut Self)) -> Vec<(String, String)> {
        let mut layout = Self::new(Style { width: Style::MAX_WIDTH, color: false, verbose: true });
        write(&mut layout);
        layout.facts
    }

    /// A table, split where it is wider than the report.
    pub(crate) fn table(&mut self, table: &Table) {
        for (index, part) in table.fitting(self.width()).iter().enumerate() {
            if index > 0 {
                self.gap();
            }
            for (index, line) in part.lines(self.width()).iter().enumerate() {
                let is_rule = index == part.head_height();
                let line = if is_rule { self.paint(Tone::Secondary, line) } else { self.alarmed(line) };
                self.line(&line);
            }
        }
    }

    /// `text` wrapped, with `first` before its first line and `rest` before the others.
    pub(crate) fn wrapped(&mut self, first: &str, rest: &str, text: &str) {
        for line in self.lines(first, rest, text) {
            self.line(&line);
        }
    }

    fn lines(&self, first: &str, rest: &str, text: &str) -> Vec<String> {
        wrap(&one_line(text), self.width(), first, rest)
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        if self.style.color { tone.paint(text) } else { text.to_owned() }
    }

    /// A table's line with its alarms in color.
    fn alarmed(&self, line: &str) -> String {
        line.replace("REGRESSION", &self.paint(Tone::Bad, "REGRESSION"))
    }

    /// The whole text; its last line ends with a newline.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_80_to_120_columns() {
        let width = |width| Layout::new(Style { width, ..Style::default() }).width();
        assert_eq!([width(20), width(80), width(100), width(300)], [80, 80, 100, 120]);
    }

    #[test]
    fn colors_only_when_asked_to() {
        let verdict = |color| {
            let mut layout = Layout::new(Style { color, ..Style::default() });
            layout.verdict(Tone::Good, "VALID", ": fine");
            layout.finish()
        };
        assert_eq!(verdict(false), "VALID: fine\n");
        let colored = verdict(true);
        assert!(colored.starts_with('\u{1b}') && colored.ends_with(": fine\n"), "{colored:?}");
    }
}
