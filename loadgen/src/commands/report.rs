//! `wssbench report`: results as one HTML file, or each figure as SVG or PNG; and the results back out of such a file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use wss_model::store;
use wss_report::html::{self, FigureFile, Report};

use crate::output;
use crate::setup::preflight;

/// The file of the report unless another is named.
const DEFAULT_OUT: &str = "report.html";

/// `wssbench report`.
#[derive(Debug, Args)]
pub(crate) struct ReportCommand {
    /// Results of run, sweep, ab or compare (JSON, also .gz), or a history (JSON Lines); with --extract, names of results in
    /// the report [default: all]
    #[arg(value_name = "RESULT", required_unless_present = "extract")]
    results: Vec<PathBuf>,

    /// File of the report [default: report.html, unless --svg or --png is given]; with --extract, the file for one result, or
    /// the directory for several [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Write each figure as an SVG file to this directory
    #[arg(long, value_name = "DIR", conflicts_with = "extract")]
    svg: Option<PathBuf>,

    /// Write each figure as a PNG file to this directory
    #[arg(long, value_name = "DIR", conflicts_with = "extract")]
    png: Option<PathBuf>,

    /// Return the results that are embedded in a report, byte for byte
    #[arg(long, value_name = "FILE")]
    extract: Option<PathBuf>,
}

/// Reads results and writes the report, or the reverse.
///
/// # Errors
/// If a file is not a result, or the output cannot be written.
pub(crate) fn report(command: &ReportCommand) -> anyhow::Result<()> {
    match &command.extract {
        Some(path) => extract(command, path),
        None => make(command),
    }
}

fn make(command: &ReportCommand) -> anyhow::Result<()> {
    let images_only = command.out.is_none() && (command.svg.is_some() || command.png.is_some());
    let page = (!images_only).then(|| command.out.clone().unwrap_or_else(|| DEFAULT_OUT.into()));
    if let Some(path) = &page {
        preflight::check_output(path)?;
        preflight::check_not_input(path, &command.results)?;
    }
    let report = Report::read(&command.results)?;
    report.notes().iter().for_each(|note| output::note(&format!("note: {note}")));
    if let Some(path) = &page {
        store::write_text(&report.html(), path)?;
        output::note(&format!("report: {}", path.display()));
    }
    if let Some(directory) = &command.svg {
        write_figures(&report.svg(), directory)?;
    }
    if let Some(directory) = &command.png {
        write_figures(&report.png()?, directory)?;
    }
    Ok(())
}

fn write_figures(figures: &[FigureFile], directory: &Path) -> anyhow::Result<()> {
    if figures.is_empty() {
        output::note("note: these results have nothing to draw, so no figure was written");
    }
    for figure in figures {
        store::write_bytes(&figure.bytes, &directory.join(&figure.name))?;
    }
    Ok(())
}

fn extract(command: &ReportCommand, path: &Path) -> anyhow::Result<()> {
    let names: Vec<String> = command.results.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let found = html::extract(path, &names)?;
    match (found.as_slice(), &command.out) {
        // A compressed file stays compressed.
        ([one], None) => output::print_bytes(&one.bytes),
        ([one], Some(out)) if !out.is_dir() => {
            preflight::check_output(out)?;
            preflight::check_not_input(out, std::slice::from_ref(&path.to_owned()))?;
            Ok(store::write_bytes(&one.bytes, out)?)
        }
        (several, Some(out)) => {
            ensure!(
                !out.exists() || out.is_dir(),
                "{} is a file, but the report has {} results; name a directory with --out, or one result",
                out.display(),
                several.len()
            );
            for one in several {
                store::write_bytes(&one.bytes, &out.join(&one.name))?;
            }
            Ok(())
        }
        (several, None) => {
            let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
            anyhow::bail!(
                "{}: the report has {} results ({}); name one of them, or a directory with --out",
                path.display(),
                names.len(),
                names.join(", ")
            )
        }
    }
}

/// The option `--html` of the verbs that measure.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HtmlOption {
    /// Also write an HTML report with figures to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,
}

impl HtmlOption {
    /// Checks that the report can be written, before anything is measured.
    ///
    /// # Errors
    /// If it could not be, or would replace the result.
    pub(crate) fn check(&self, result: &Path) -> anyhow::Result<()> {
        let Some(path) = &self.html else { return Ok(()) };
        preflight::check_output(path).context("--html")?;
        // The files do not exist yet, but their directories do.
        let place = |path: &Path| {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some((parent.canonicalize().ok()?, path.file_name()?.to_owned()))
        };
        ensure!(place(path) != place(result), "--html and --out both name {}; name two files", path.display());
        Ok(())
    }

    /// Writes the report of the result that was written to `result`, if one was requested.
    ///
    /// # Errors
    /// If it cannot be written. The result itself is kept.
    pub(crate) fn write(&self, result: &Path) -> anyhow::Result<()> {
        let Some(path) = &self.html else { return Ok(()) };
        let report = Report::read(&[result.to_owned()])?;
        store::write_text(&report.html(), path)
            .with_context(|| format!("writing --html; the result is in {}", result.display()))
    }
}
