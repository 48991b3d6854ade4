//! `wssbench show`: prints a result file again, with the report of the command that wrote it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use wss_analysis::comparison::Comparison;
use wss_analysis::counts::Counts;
use wss_analysis::gate::Verdicts;
use wss_analysis::sweep::SweepResult;
use wss_model::engines_result::EnginesResult;
use wss_model::run_result::RunResult;
use wss_model::store::{self, Stored as _};
use wss_model::trace_result::TraceResult;
use wss_report as report;
use wss_report::Style;

use crate::output;

/// `wssbench show`.
#[derive(Debug, Args)]
pub(crate) struct ShowCommand {
    /// A result of run, sweep, ab, compare, trace, engines or gate: JSON, also compressed (.gz)
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print every table of a run
    #[arg(long)]
    verbose: bool,

    /// Print the JSON of the file, uncompressed
    #[arg(long, conflicts_with_all = ["md", "csv"])]
    json: bool,

    /// Print Markdown: of a sweep, a comparison or a gate
    #[arg(long, conflicts_with = "csv")]
    md: bool,

    /// Print CSV: of a sweep
    #[arg(long)]
    csv: bool,
}

/// A result of any kind.
enum Shown {
    Run(Box<RunResult>),
    Sweep(Box<SweepResult>),
    Comparison(Box<Comparison>),
    Trace(Box<TraceResult>),
    Engines(EnginesResult),
    Gate(Verdicts),
    Counts(Counts),
}

/// Prints the file; returns the exit code of the command that wrote it.
///
/// # Errors
/// If the file cannot be read, is not a result of this version, or has no such format.
pub(crate) fn show(command: &ShowCommand) -> anyhow::Result<u8> {
    let path = &command.file;
    let shown = read(path)?;
    let printed = if command.json {
        store::read_text(path)?
    } else if command.md {
        markdown(&shown)?
    } else if command.csv {
        csv(&shown)?
    } else {
        terminal(&shown, output::style(command.verbose))
    };
    output::print(&printed)?;
    Ok(exit_code(&shown))
}

/// Reads a result of any kind.
///
/// # Errors
/// If it is not a result of this version.
fn read(path: &Path) -> anyhow::Result<Shown> {
    let schema = store::schema_of("wssbench result", path)?;
    Ok(match schema.as_str() {
        RunResult::SCHEMA => Shown::Run(Box::new(store::read(path)?)),
        SweepResult::SCHEMA => Shown::Sweep(Box::new(store::read(path)?)),
        Comparison::SCHEMA => Shown::Comparison(Box::new(store::read(path)?)),
        TraceResult::SCHEMA => Shown::Trace(Box::new(store::read(path)?)),
        EnginesResult::SCHEMA => Shown::Engines(store::read(path)?),
        Verdicts::SCHEMA => Shown::Gate(store::read(path)?),
        Counts::SCHEMA => Shown::Counts(store::read(path)?),
        _ => bail!("{}: {}", path.display(), unknown(&schema)),
    })
}

/// Why a schema cannot be shown.
fn unknown(schema: &str) -> String {
    let known = [
        RunResult::SCHEMA,
        SweepResult::SCHEMA,
        Comparison::SCHEMA,
        TraceResult::SCHEMA,
        EnginesResult::SCHEMA,
        Verdicts::SCHEMA,
        Counts::SCHEMA,
    ];
    let kind = |schema: &str| schema.split('/').next().unwrap_or_default().to_owned();
    if kind(schema) == "wssbench.history" {
        return "this is a history; use `wssbench history show --file FILE`".to_owned();
    }
    match known.into_iter().find(|known| kind(known) == kind(schema)) {
        Some(known) => {
            format!("the file has the schema {schema}, and this wssbench reads {known}; use the version that wrote it")
        }
        None => format!("unknown schema `{schema}`; expected one of {}", known.join(", ")),
    }
}

fn terminal(shown: &Shown, style: Style) -> String {
    match shown {
        Shown::Run(run) => report::terminal(run, style),
        Shown::Sweep(sweep) => report::sweep::terminal(sweep, style),
        Shown::Comparison(comparison) => report::comparison::terminal(comparison, style),
        Shown::Trace(trace) => report::trace::timeline(trace, style),
        Shown::Engines(engines) => report::engines(engines, style),
        Shown::Gate(verdicts) => report::gate::terminal(verdicts, &[], style),
        Shown::Counts(counts) => counts.table(),
    }
}

fn markdown(shown: &Shown) -> anyhow::Result<String> {
    Ok(match shown {
        Shown::Sweep(sweep) => report::sweep::markdown(sweep),
        Shown::Comparison(comparison) => report::comparison::markdown(comparison),
        Shown::Gate(verdicts) => report::gate::markdown(verdicts, &[]),
        other => bail!("{} has no Markdown format; leave out --md", kind(other)),
    })
}

fn csv(shown: &Shown) -> anyhow::Result<String> {
    match shown {
        Shown::Sweep(sweep) => report::sweep::csv(sweep).context("writing CSV"),
        Shown::Run(_) => bail!("a run has no table in CSV; use `wssbench export --format csv` for its series"),
        other => bail!("{} has no CSV format; leave out --csv", kind(other)),
    }
}

const fn kind(shown: &Shown) -> &'static str {
    match shown {
        Shown::Run(_) => "a run",
        Shown::Sweep(_) => "a sweep",
        Shown::Comparison(_) => "a comparison",
        Shown::Trace(_) => "a trace",
        Shown::Engines(_) => "a list of engines",
        Shown::Gate(_) => "a gate's verdict",
        Shown::Counts(_) => "a file of counts",
    }
}

/// The exit code by verdict, as the command that wrote the result had it.
fn exit_code(shown: &Shown) -> u8 {
    let invalid = |valid: bool| if valid { 0 } else { crate::cli::EXIT_INVALID };
    match shown {
        Shown::Run(run) => invalid(run.valid),
        Shown::Sweep(sweep) => invalid(sweep.valid),
        Shown::Comparison(comparison) => invalid(comparison.valid),
        Shown::Trace(trace) => u8::from(trace.failure.is_some()),
        Shown::Gate(verdicts) => verdicts.outcome.exit_code(),
        Shown::Engines(_) | Shown::Counts(_) => 0,
    }
}
