//! What a page says of one result, or of several runs together, before it is markup.
//!
//! A further kind of result needs a module beside [`super::run`] that makes a [`Part`], and a variant of
//! [`super::source::Content`].

use crate::figures::Figure;
use crate::table::Table;
use crate::verdict;
use wss_model::Reason;

/// A result with its figures.
pub(super) struct Part {
    /// What it is: `run`, `3 runs`, `sweep`.
    pub(super) kind: String,
    /// Id and date.
    pub(super) identity: String,
    /// A sentence that answers the question.
    pub(super) answer: String,
    /// One per result.
    pub(super) verdicts: Vec<Verdict>,
    /// What was negotiated, and where it was measured: groups of labels with texts.
    pub(super) facts: Vec<FactGroup>,
    pub(super) sections: Vec<Section>,
    /// How it was measured, to paste into a paper; empty if nothing was.
    pub(super) methods: String,
    /// The BibTeX entry; empty likewise.
    pub(super) bibtex: String,
}

/// Facts of one result.
pub(super) struct FactGroup {
    /// The name of the result; empty if it is the only one.
    pub(super) name: String,
    pub(super) facts: Vec<(String, String)>,
}

/// Whether a result may be used.
pub(super) struct Verdict {
    /// The name of the result; empty if it is the only one.
    pub(super) name: String,
    pub(super) valid: bool,
    /// A sentence for a valid result.
    pub(super) praise: String,
    pub(super) reasons: Vec<String>,
    pub(super) advice: Vec<String>,
}

impl Verdict {
    pub(super) fn new(name: &str, valid: bool, reasons: &[Reason], praise: &str) -> Self {
        let valid = valid && reasons.is_empty();
        let texts = if valid { Vec::new() } else { verdict::texts(reasons) };
        Self {
            name: name.to_owned(),
            valid,
            praise: praise.to_owned(),
            reasons: texts.into_iter().map(str::to_owned).collect(),
            advice: verdict::advice(reasons).into_iter().map(str::to_owned).collect(),
        }
    }
}

/// A heading with figures and tables.
#[derive(Default)]
pub(super) struct Section {
    pub(super) heading: String,
    /// Sentences below the heading.
    pub(super) texts: Vec<String>,
    pub(super) figures: Vec<Figure>,
    pub(super) tables: Vec<SectionTable>,
}

/// A table of a section.
pub(super) struct SectionTable {
    pub(super) caption: String,
    pub(super) table: Table,
    /// Can be sorted by any column and filtered by text.
    pub(super) interactive: bool,
}

impl Section {
    pub(super) fn new(heading: &str) -> Self {
        Self { heading: heading.to_owned(), ..Self::default() }
    }

    pub(super) fn add_table(&mut self, caption: &str, table: Table) {
        if !table.rows.is_empty() {
            self.tables.push(SectionTable { caption: caption.to_owned(), table, interactive: false });
        }
    }

    /// Whether it has nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.figures.is_empty() && self.tables.is_empty()
    }
}
