//! The layout of a timeline: times on the left, everything else beside them.

use crate::layout::Layout;
use crate::style::Style;

/// Columns of time, cost and arrow.
const MARGIN: usize = 25;
/// Columns per level of depth.
const INDENT: usize = 2;
/// Columns of a fact's name.
const NAME: usize = 14;

/// A timeline under construction.
pub(super) struct Timeline {
    pub(super) layout: Layout,
    /// The explanations so far: each is given once.
    explained: Vec<&'static str>,
}

impl Timeline {
    pub(super) fn new(style: Style) -> Self {
        Self { layout: Layout::new(style), explained: Vec::new() }
    }

    /// A rule with a title in it.
    pub(super) fn section(&mut self, title: &str) {
        let title = format!("── {title} ");
        let rest = self.layout.width().saturating_sub(title.chars().count());
        self.layout.gap();
        self.layout.line(&format!("{title}{}", "─".repeat(rest)));
    }

    /// One step of the timeline.
    pub(super) fn step(&mut self, time: &str, cost: &str, arrow: char, text: &str) {
        self.layout.wrapped(&format!("{time:>10}  {cost:>8}  {arrow}  "), &" ".repeat(MARGIN), text);
    }

    /// A line that belongs to the step above, `depth` levels deep.
    pub(super) fn detail(&mut self, depth: usize, text: &str) {
        let indent = MARGIN + depth * INDENT;
        // Continuation lines are indented further than the details of this detail.
        self.layout.wrapped(&" ".repeat(indent), &" ".repeat(indent + 2 * INDENT), text);
    }

    /// The name of something inside the step above, and its purpose.
    pub(super) fn titled(&mut self, name: &str, purpose: &'static str) {
        let purpose = self.once(purpose);
        self.detail(0, &if purpose.is_empty() { name.to_owned() } else { format!("{name}: {purpose}") });
    }

    /// An explanation, or nothing if it was given before.
    pub(super) fn once(&mut self, explanation: &'static str) -> &'static str {
        if self.explained.contains(&explanation) {
            return "";
        }
        self.explained.push(explanation);
        explanation
    }

    /// A text beside its name, one level deep; nothing if the text is empty.
    pub(super) fn fact(&mut self, name: &str, text: &str) {
        self.fact_at(1, name, text);
    }

    /// [`Timeline::fact`] at another depth.
    pub(super) fn fact_at(&mut self, depth: usize, name: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let indent = MARGIN + depth * INDENT;
        let longest = text.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
        if indent + NAME + longest <= self.layout.width() {
            let rest = " ".repeat(indent + NAME);
            return self.layout.wrapped(&format!("{:indent$}{name:<NAME$}", ""), &rest, text);
        }
        // A name of a suite is not broken: the list begins below its own name.
        self.layout.wrapped(&" ".repeat(indent), "", name);
        let below = " ".repeat(indent + INDENT);
        self.layout.wrapped(&below, &below, text);
    }
}
