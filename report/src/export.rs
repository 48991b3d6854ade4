//! A result in the forms that other programs read: one small file a format, each a pure function of the result.
//!
//! Nothing is measured, judged or rounded here. What a format has no place for is left out and named in
//! [`Exported::notes`]; what a result has no form for is refused in a sentence ([`ExportError`]).

mod bmf;
mod figure;
mod github_action_benchmark;
mod hgrm;
mod hlog;
mod openmetrics;
mod series;

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

use wss_analysis::comparison::Comparison;
use wss_model::Reason;
use wss_model::latency::HistogramError;
use wss_model::named_latency;
use wss_model::run_result::RunResult;
use wss_model::store::{self, StoreError, Stored as _};

/// A form that another program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Bencher Metric Format: JSON for `bencher run --adapter json`
    Bmf,
    /// JSON for github-action-benchmark, customSmallerIsBetter or (--better bigger) customBiggerIsBetter
    GithubActionBenchmark,
    /// HdrHistogram's percentile distribution of one latency, in milliseconds
    Hgrm,
    /// HdrHistogram's interval log: every latency with all samples, under its name as tag
    Hlog,
    /// The series, a line a second
    Csv,
    /// OpenMetrics text: counters, and a histogram and quantiles of every latency
    Openmetrics,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Bmf, Self::GithubActionBenchmark, Self::Hgrm, Self::Hlog, Self::Csv, Self::Openmetrics];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bmf => "bmf",
            Self::GithubActionBenchmark => "github-action-benchmark",
            Self::Hgrm => "hgrm",
            Self::Hlog => "hlog",
            Self::Csv => "csv",
            Self::Openmetrics => "openmetrics",
        }
    }
}

/// Which figures go into a file that can hold only one of the two sorts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Better {
    /// Times, CPU and bytes: less of them is better
    #[default]
    Smaller,
    /// Rates: more of them is better
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

/// What is asked of an export.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// In which form.
    pub format: Format,
    /// Which latency, of a form that holds one.
    pub latency: Option<&'a str>,
    /// Which sort of figures, of a form that holds one.
    pub better: Better,
}

/// What can be exported.
#[derive(Debug)]
pub enum Source {
    /// A run.
    Run(Box<RunResult>),
    /// A comparison of two.
    Comparison(Box<Comparison>),
}

/// A result in another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The file's content.
    pub text: String,
    /// What a reader of the file should know and it does not say, a sentence each.
    pub notes: Vec<String>,
}

/// Why there is nothing to export: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A kind of result that the format has no form for.
    #[error("a {kind} cannot be exported as {format}: it can as {has}")]
    NoSuchForm {
        /// What it is.
        kind: &'static str,
        /// What was asked for.
        format: &'static str,
        /// What could be.
        has: String,
    },
    /// A latency that the result does not have.
    #[error("the result has no latency {name}: it has {has}")]
    NoSuchLatency {
        /// What was asked for.
        name: String,
        /// What could be.
        has: String,
    },
    /// An option that the format makes nothing of.
    #[error("--{option} says nothing about {format}: it is for {of}")]
    NoSuchOption {
        /// The option.
        option: &'static str,
        /// The format.
        format: &'static str,
        /// The format that takes it.
        of: &'static str,
    },
    /// A result without anything that the format could hold.
    #[error("the result has no {what}: there is nothing to export as {format}")]
    Nothing {
        /// What is missing.
        what: &'static str,
        /// What was asked for.
        format: &'static str,
    },
    /// A latency without its samples.
    #[error("the samples of {latency} are damaged")]
    Histogram {
        /// Which one.
        latency: String,
        /// Why not.
        source: HistogramError,
    },
    /// The form could not be written.
    #[error("writing it as {format}: {reason}")]
    Unwritable {
        /// The format.
        format: &'static str,
        /// What its library said.
        reason: String,
    },
}

/// What can be exported, as the sentence about a file of another kind names it.
const SCHEMAS: &str = "wssbench.run/2 or wssbench.comparison/2";

impl Source {
    /// Reads a result of any kind that can be exported.
    ///
    /// # Errors
    /// As [`store::read`].
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        match store::schema_of(SCHEMAS, path)?.as_str() {
            RunResult::SCHEMA => store::read(path).map(|run| Self::Run(Box::new(run))),
            Comparison::SCHEMA => store::read(path).map(|comparison| Self::Comparison(Box::new(comparison))),
            found => {
                Err(StoreError::UnexpectedSchema { path: path.to_owned(), found: found.to_owned(), schema: SCHEMAS })
            }
        }
    }
}

/// `source` in another form.
///
/// # Errors
/// [`ExportError`], one kind for each reason for which there is none.
pub fn export(source: &Source, options: &Options<'_>) -> Result<Exported, ExportError> {
    let Options { format, latency, better } = *options;
    for (given, option, of) in [
        (latency.is_some(), "latency", Format::Hgrm),
        (better != Better::default(), "better", Format::GithubActionBenchmark),
    ] {
        if given && format != of {
            return Err(ExportError::NoSuchOption { option, format: format.name(), of: of.name() });
        }
    }
    match source {
        Source::Run(run) => export_run(run, options),
        Source::Comparison(comparison) => export_comparison(comparison, options),
    }
}

fn export_run(run: &RunResult, options: &Options<'_>) -> Result<Exported, ExportError> {
    let mut notes = not_valid("run", run.valid, &run.invalid_because);
    let text = match options.format {
        Format::Bmf => bmf::run(run)?,
        Format::GithubActionBenchmark => github_action_benchmark::run(run, options.better, &mut notes)?,
        Format::Hgrm => hgrm::run(run, options.latency)?,
        Format::Hlog => hlog::run(run)?,
        Format::Csv => series::run(run)?,
        Format::Openmetrics => {
            // This one has a place for it.
            notes.clear();
            openmetrics::run(run)?
        }
    };
    Ok(Exported { text, notes })
}

fn export_comparison(comparison: &Comparison, options: &Options<'_>) -> Result<Exported, ExportError> {
    let mut notes = not_valid("comparison", comparison.valid, &comparison.invalid_because);
    let text = match options.format {
        Format::Bmf => bmf::comparison(comparison)?,
        Format::GithubActionBenchmark => github_action_benchmark::comparison(comparison, options.better, &mut notes)?,
        Format::Hgrm | Format::Hlog | Format::Csv | Format::Openmetrics => {
            return Err(ExportError::NoSuchForm {
                kind: "comparison",
                format: options.format.name(),
                has: [Format::Bmf, Format::GithubActionBenchmark].map(Format::name).join(" and as "),
            });
        }
    };
    Ok(Exported { text, notes })
}

/// That the figures do not count: most formats have no place to say so.
fn not_valid(kind: &str, valid: bool, because: &[Reason]) -> Vec<String> {
    let because = because.first().map_or("no reason given", |reason| &reason.text);
    (!valid).then(|| format!("the {kind} is not valid, and the file does not say so: {because}")).into_iter().collect()
}

/// JSON as it is written everywhere here: indented, with a newline at its end.
fn json(format: Format, value: &serde_json::Value) -> Result<String, ExportError> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| ExportError::Unwritable { format: format.name(), reason: error.to_string() })
}

/// The latencies of a run that have samples, each decoded, by name.
fn samples(run: &RunResult) -> Result<Vec<(String, wss_model::LatencyHistogram)>, ExportError> {
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
