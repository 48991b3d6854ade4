//! `wssbench gate`: a verdict on comparisons, for CI.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use wss_analysis::comparison::Comparison;
use wss_analysis::gate::{Date, Outcome, Policy, Scenario, judge};
use wss_model::store;
use wss_report::gate as report;

use crate::output;
use crate::setup::environment;

/// `wssbench gate`.
#[derive(Debug, Args)]
pub(crate) struct GateCommand {
    /// Results of ab or compare; a scenario is named after its file, up to the first dot
    #[arg(required = true, value_name = "RESULT")]
    results: Vec<PathBuf>,

    /// TOML file with the accepted change in each metric
    ///
    /// At the top level:
    ///   threshold = "2%"         accepted change of every metric
    ///   scenarios = ["NAME", …]  results that must be given
    /// In a table [metrics.NAME] for each metric to check:
    ///   threshold = "5%"         accepted change of this metric
    ///   direction = "lower"      the better direction: lower, higher, or
    ///                            either (a change in any direction is a
    ///                            regression)
    ///   statistic = "interval"   interval (the whole confidence interval)
    ///                            or center (the estimate alone)
    ///   severity = "gate"        what a regression does: gate (fail),
    ///                            warn or info
    ///   waiver = { until = "2026-12-31", reason = "…" }
    ///                            accept a regression until then
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    policy: PathBuf,

    /// Treat inconclusive and invalid results as success (exit 0 instead of 3)
    #[arg(long)]
    allow_inconclusive: bool,

    /// Print the verdicts as JSON
    #[arg(long, conflicts_with = "md", help_heading = "Output")]
    json: bool,

    /// Print the verdicts as Markdown, for a pull request
    #[arg(long, help_heading = "Output")]
    md: bool,
}

/// Judges comparisons by a policy; returns the exit code.
///
/// # Errors
/// If the policy or a result cannot be read.
pub(crate) fn gate(command: &GateCommand) -> anyhow::Result<u8> {
    let policy = policy(&command.policy)?;
    let read = |path: &PathBuf| {
        Ok((name(path), store::read::<Comparison>(path).context("reading a result of ab or compare")?))
    };
    let comparisons: Vec<(String, Comparison)> = command.results.iter().map(read).collect::<anyhow::Result<_>>()?;
    let scenarios: Vec<Scenario<'_>> =
        comparisons.iter().map(|(name, comparison)| Scenario { name, comparison }).collect();
    for (index, scenario) in scenarios.iter().enumerate() {
        if scenarios[..index].iter().any(|other| other.name == scenario.name) {
            bail!("two results have the name {}; a scenario is named after its file, so rename one", scenario.name);
        }
    }
    let verdicts = judge(&policy, &scenarios, today()?);
    if command.json {
        output::print(&(serde_json::to_string_pretty(&verdicts)? + "\n"))?;
    } else if command.md {
        output::print(&report::markdown(&verdicts, &scenarios))?;
    } else {
        output::print(&report::terminal(&verdicts, &scenarios, output::style(false)))?;
    }
    Ok(match verdicts.outcome {
        Outcome::Inconclusive | Outcome::Invalid if command.allow_inconclusive => 0,
        outcome => outcome.exit_code(),
    })
}

fn policy(path: &Path) -> anyhow::Result<Policy> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: reading the policy", path.display()))?;
    text.parse().map_err(|error: wss_analysis::gate::PolicyError| {
        // The parser's error has several lines, with the position.
        anyhow::anyhow!("{}: {}", path.display(), error.to_string().trim_end())
    })
}

/// `ab-echo.comparison.json` → `ab-echo`.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// Today in UTC.
fn today() -> anyhow::Result<Date> {
    environment::now().get(..10).unwrap_or_default().parse().map_err(anyhow::Error::msg).context("reading the clock")
}
