//! Results as a page and as images: [`Report`]. One self-contained HTML file that loads nothing and has the results in it
//! ([`extract`] returns them), or each figure alone as SVG or PNG.
//!
//! A page is made from files alone, as every report. What they contain is text: `maud` escapes it, and a content security
//! policy lets no script run but the page's own.

mod answer;
mod archive;
mod comparison;
mod error;
mod history;
mod methods;
mod page;
mod part;
mod run;
mod source;
mod sweep;
mod table;
mod unusable;

use std::path::PathBuf;

pub use self::archive::{Archived, extract};
pub use self::error::ReportError;
use self::part::Part;
use self::source::{Content, Document};
use crate::figures::png::PngRenderer;
use crate::figures::standalone::standalone;
use crate::figures::text::clip;
use crate::figures::theme::Theme;
use crate::figures::{Figure, WIDE};
use wss_model::run_result::RunResult;

/// Runs over each other in one figure: as many as there are colors that can be told apart.
pub const MAX_RUNS: usize = crate::figures::theme::SERIES;

/// Results of a page.
pub const MAX_RESULTS: usize = 16;

/// Results, as a page shows them.
#[derive(Debug)]
pub struct Report {
    documents: Vec<Document>,
}

/// A figure as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureFile {
    /// The name of the file: the id of the figure with `.svg` or `.png`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Report {
    /// Reads results of any kinds. Runs are drawn over each other, everything else one after the other. A result of another
    /// version, or one that was cut short, is part of the report, which says so.
    ///
    /// # Errors
    /// If there are too many, or one cannot be read or is not a result that has a report.
    pub fn read(paths: &[PathBuf]) -> Result<Self, ReportError> {
        if paths.len() > MAX_RESULTS {
            return Err(ReportError::TooMany { count: paths.len(), kind: "results", limit: MAX_RESULTS });
        }
        let documents = paths.iter().map(|path| Document::read(path)).collect::<Result<Vec<_>, _>>()?;
        let runs = documents.iter().filter(|document| matches!(document.content, Content::Run(_))).count();
        if runs > MAX_RUNS {
            return Err(ReportError::TooMany { count: runs, kind: "runs", limit: MAX_RUNS });
        }
        Ok(Self { documents })
    }

    /// What a reader should know before opening the page, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let unusable = self.documents.iter().filter_map(|document| match &document.content {
            Content::Unusable(unusable) => {
                Some(format!("{}: the report has no figures of it. {}", document.name, clip(&unusable.reason, 300)))
            }
            _ => None,
        });
        unusable.collect()
    }

    /// The page.
    pub fn html(&self) -> String {
        page::page(&self.parts(), &archive::embed(&self.documents))
    }

    /// Each figure as an SVG file of its own, on a light ground.
    pub fn svg(&self) -> Vec<FigureFile> {
        let file = |(figure, source): (Figure, String)| FigureFile {
            name: format!("{}.svg", figure.id),
            bytes: standalone(&figure, WIDE, &source, Theme::Light).into_bytes(),
        };
        self.figures().map(file).collect()
    }

    /// Each figure as a PNG file, from the same SVG.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn png(&self) -> Result<Vec<FigureFile>, ReportError> {
        let renderer = PngRenderer::new();
        let file = |(figure, source): (Figure, String)| {
            let image = renderer.render(&standalone(&figure, WIDE, &source, Theme::Light));
            let bytes = image.map_err(|reason| ReportError::Image { figure: figure.id.clone(), reason })?;
            Ok(FigureFile { name: format!("{}.png", figure.id), bytes })
        };
        self.figures().map(file).collect()
    }

    /// All figures, each with what it was made from.
    fn figures(&self) -> impl Iterator<Item = (Figure, String)> {
        self.parts().into_iter().flat_map(|part| {
            let validity = if part.verdicts.iter().all(|verdict| verdict.valid) { "" } else { " · NOT VALID" };
            let source = format!("wssbench {} · {}{validity}", part.kind, part.identity);
            let figures = part.sections.into_iter().flat_map(|section| section.figures);
            figures.map(move |figure| (figure, source.clone())).collect::<Vec<_>>()
        })
    }

    fn parts(&self) -> Vec<Part> {
        let mut runs: Vec<(&str, &RunResult)> = Vec::new();
        for document in &self.documents {
            if let Content::Run(run) = &document.content {
                runs.push((document.short_name(), run));
            }
        }
        let others = self.documents.iter().filter(|document| !matches!(document.content, Content::Run(_))).count();
        let several = others + usize::from(!runs.is_empty()) > 1;
        let mut parts: Vec<Part> = Vec::new();
        if !runs.is_empty() {
            parts.push(run::part(if several { "runs-" } else { "" }, &runs));
        }
        for (index, document) in self.documents.iter().enumerate() {
            let prefix = if several { format!("result-{}-", index + 1) } else { String::new() };
            parts.extend(match &document.content {
                Content::Run(_) => None,
                Content::Sweep(sweep) => Some(sweep::part(&prefix, sweep)),
                Content::Comparison(comparison) => Some(comparison::part(&prefix, comparison)),
                Content::History(found) => Some(history::part(&prefix, document.short_name(), found)),
                Content::Unusable(unusable) => Some(unusable::part(&document.name, unusable)),
            });
        }
        parts
    }
}

#[cfg(test)]
mod tests;
