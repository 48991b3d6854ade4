//! Results in the formats of other programs: a module per format, each a pure function of the result.
//!
//! Nothing is measured, judged or rounded here. What a format cannot hold is left out and named in [`Exported::notes`].
//! A format that cannot hold a result at all is an [`ExportError`].

mod bmf;
mod cdf;
mod figure;
mod github_action_benchmark;
mod hgrm;
mod hlog;
mod openmetrics;
mod series;
mod summary;

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

use wss_analysis::comparison::Comparison;
use wss_analysis::sweep::SweepResult;
use wss_model::latency::HistogramError;
use wss_model::named_latency;
use wss_model::run_result::RunResult;
use wss_model::store::{self, StoreError, Stored as _};
use wss_model::{LatencyHistogram, Reason};

/// A format that another program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Bencher Metric Format: JSON for `bencher run --adapter json`
    Bmf,
    /// JSON for github-action-benchmark, customSmallerIsBetter or (--better bigger) customBiggerIsBetter
    GithubActionBenchmark,
    /// HdrHistogram's percentile distribution of one latency, in milliseconds
    Hgrm,
    /// HdrHistogram's interval log: every latency with all samples, tagged with its name
    Hlog,
    /// The series, one line per second
    Csv,
    /// OpenMetrics text: counters, and a histogram and quantiles per latency
    Openmetrics,
    /// The figures of a run, a sweep or a comparison, one row per metric
    SummaryCsv,
    /// The cumulative distribution of one latency, one row per value
    CdfCsv,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 8] = [
        Self::Bmf,
        Self::GithubActionBenchmark,
        Self::Hgrm,
        Self::Hlog,
        Self::Csv,
        Self::Openmetrics,
        Self::SummaryCsv,
        Self::CdfCsv,
    ];

    /// The name on the command line: `github-action-benchmark`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bmf => "bmf",
            Self::GithubActionBenchmark => "github-action-benchmark",
            Self::Hgrm => "hgrm",
            Self::Hlog => "hlog",
            Self::Csv => "csv",
            Self::Openmetrics => "openmetrics",
            Self::SummaryCsv => "summary-csv",
            Self::CdfCsv => "cdf-csv",
        }
    }
}

/// Which figures go into a file that can hold only one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Better {
    /// Times, CPU and bytes: less is better
    #[default]
    Smaller,
    /// Rates: more is better
    Bigger,
}

impl fmt::Display for Better {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Smaller => "smaller",
            Self::Bigger => "bigger",
        })
    }
}

/// The options of an export.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// The format.
    pub format: Format,
    /// The latency, for a format that holds one.
    pub latency: Option<&'a str>,
    /// The kind of figures, for a format that holds one.
    pub better: Better,
}

/// A result that can be exported.
#[derive(Debug)]
pub enum Source {
    /// A run.
    Run(Box<RunResult>),
    /// A comparison of two arms.
    Comparison(Box<Comparison>),
    /// A sweep.
    Sweep(Box<SweepResult>),
}

/// A result in another format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The content of the file.
    pub text: String,
    /// What the file does not say and its reader should know, one sentence each.
    pub notes: Vec<String>,
}

/// Why a result cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The format cannot hold this kind of result.
    #[error("a {kind} cannot be exported as {format}; use {has}")]
    UnsupportedKind {
        /// The kind of result.
        kind: &'static str,
        /// The requested format.
        format: &'static str,
        /// The formats that can hold it.
        has: String,
    },
    /// The result does not have the requested latency.
    #[error("the result has no latency named {name}; it has {has}")]
    NoSuchLatency {
        /// The requested name.
        name: String,
        /// The available names.
        has: String,
    },
    /// The format does not use the option.
    #[error("--{option} has no effect with --format {format}; remove it, or use --format {of}")]
    UnusedOption {
        /// The option.
        option: &'static str,
        /// The format.
        format: &'static str,
        /// The format that uses it.
        of: &'static str,
    },
    /// The result has nothing that the format could hold.
    #[error("nothing to export as {format}: the result has no {what}")]
    Nothing {
        /// What is missing.
        what: &'static str,
        /// The requested format.
        format: &'static str,
    },
    /// The histogram of a latency is damaged.
    #[error("the samples of {latency} are damaged")]
    Histogram {
        /// Its name.
        latency: String,
        /// The cause.
        source: HistogramError,
    },
    /// The format's library refused the result.
    #[error("cannot export the result as {format}: {reason}")]
    Unwritable {
        /// The format.
        format: &'static str,
        /// The message of the library.
        reason: String,
    },
}

/// The schemas that can be exported, for the error about any other file.
const SCHEMAS: &str = "wssbench.run/2, wssbench.comparison/2 or wssbench.sweep/2";

impl Source {
    /// Reads a result of any kind that can be exported.
    ///
    /// # Errors
    /// As [`store::read`].
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        match store::schema_of(SCHEMAS, path)?.as_str() {
            RunResult::SCHEMA => store::read(path).map(|run| Self::Run(Box::new(run))),
            Comparison::SCHEMA => store::read(path).map(|comparison| Self::Comparison(Box::new(comparison))),
            SweepResult::SCHEMA => store::read(path).map(|sweep| Self::Sweep(Box::new(sweep))),
            found => {
                Err(StoreError::UnexpectedSchema { path: path.to_owned(), found: found.to_owned(), schema: SCHEMAS })
            }
        }
    }
}

/// `source` in another format.
///
/// # Errors
/// [`ExportError`], with a variant per cause.
pub fn export(source: &Source, options: &Options<'_>) -> Result<Exported, ExportError> {
    let Options { format, latency, better } = *options;
    for (given, option, used, of) in [
        (latency.is_some(), "latency", &[Format::Hgrm, Format::CdfCsv][..], "hgrm or cdf-csv"),
        (better != Better::default(), "better", &[Format::GithubActionBenchmark][..], "github-action-benchmark"),
    ] {
        if given && !used.contains(&format) {
            return Err(ExportError::UnusedOption { option, format: format.name(), of });
        }
    }
    match source {
        Source::Run(run) => export_run(run, options),
        Source::Comparison(comparison) => export_comparison(comparison, options),
        Source::Sweep(sweep) => export_sweep(sweep, options),
    }
}

fn export_run(run: &RunResult, options: &Options<'_>) -> Result<Exported, ExportError> {
    let mut notes = invalid("run", run.valid, &run.invalid_because);
    let text = match options.format {
        Format::Bmf => bmf::run(run)?,
        Format::GithubActionBenchmark => github_action_benchmark::run(run, options.better, &mut notes)?,
        Format::Hgrm => hgrm::run(run, options.latency)?,
        Format::Hlog => hlog::run(run)?,
        Format::Csv => series::run(run)?,
        Format::SummaryCsv => summary::run(run)?,
        Format::CdfCsv => cdf::run(run, options.latency)?,
        Format::Openmetrics => {
            // OpenMetrics has a metric for validity.
            notes.clear();
            openmetrics::run(run)?
        }
    };
    Ok(Exported { text, notes })
}

fn export_comparison(comparison: &Comparison, options: &Options<'_>) -> Result<Exported, ExportError> {
    let mut notes = invalid("comparison", comparison.valid, &comparison.invalid_because);
    let text = match options.format {
        Format::Bmf => bmf::comparison(comparison)?,
        Format::GithubActionBenchmark => github_action_benchmark::comparison(comparison, options.better, &mut notes)?,
        Format::SummaryCsv => summary::comparison(comparison)?,
        Format::Hgrm | Format::Hlog | Format::Csv | Format::Openmetrics | Format::CdfCsv => {
            return Err(ExportError::UnsupportedKind {
                kind: "comparison",
                format: options.format.name(),
                has: "bmf, github-action-benchmark or summary-csv".to_owned(),
            });
        }
    };
    Ok(Exported { text, notes })
}

fn export_sweep(sweep: &SweepResult, options: &Options<'_>) -> Result<Exported, ExportError> {
    if options.format != Format::SummaryCsv {
        let has = Format::SummaryCsv.name().to_owned();
        return Err(ExportError::UnsupportedKind { kind: "sweep", format: options.format.name(), has });
    }
    let notes = invalid("sweep", sweep.valid, &sweep.invalid_because);
    Ok(Exported { text: summary::sweep(sweep)?, notes })
}

/// A note that the result is not valid: most formats cannot say so.
fn invalid(kind: &str, valid: bool, because: &[Reason]) -> Vec<String> {
    let because = because.first().map_or("no reason given", |reason| &reason.text);
    (!valid)
        .then(|| format!("the {kind} is invalid, which the exported file does not say: {because}"))
        .into_iter()
        .collect()
}

/// Indented JSON that ends with a newline.
fn json(format: Format, value: &serde_json::Value) -> Result<String, ExportError> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| ExportError::Unwritable { format: format.name(), reason: error.to_string() })
}

/// The samples of the named latency with its name, or of the run's main latency.
fn one_latency(run: &RunResult, name: Option<&str>, format: Format) -> Result<(String, LatencyHistogram), ExportError> {
    let mut samples = samples(run)?;
    let named: Vec<&str> = samples.iter().map(|(name, _)| name.as_str()).collect();
    let usual = ["echo.response", "handshake.tls", "handshake.ready"];
    let name = name.or_else(|| usual.into_iter().find(|usual| named.contains(usual)));
    let Some(name) = name else {
        return Err(ExportError::Nothing { what: "latency", format: format.name() });
    };
    let Some(index) = named.iter().position(|one| *one == name) else {
        return Err(ExportError::NoSuchLatency { name: name.to_owned(), has: named.join(", ") });
    };
    Ok(samples.swap_remove(index))
}

/// The decoded histograms of all latencies with samples, by name.
fn samples(run: &RunResult) -> Result<Vec<(String, LatencyHistogram)>, ExportError> {
    named_latency::all(run)
        .into_iter()
        .filter(|(_, latency)| latency.count > 0)
        .map(|(name, latency)| match latency.samples() {
            Ok(samples) => Ok((name, samples)),
            Err(source) => Err(ExportError::Histogram { latency: name, source }),
        })
        .collect()
}

#[cfg(test)]
mod tests;
