//! `wssbench compare`: the statistics of `ab` on existing results.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use wss_analysis::comparison::{self, Analysis, Arm, ArmLabel, Block, Comparison, Difference, Kind, Program, Trial};
use wss_analysis::trial::WorkloadResult;
use wss_analysis::workload::{MetricSet, Workload};
use wss_model::store::{self, Stored as _};
use wss_model::{Mode, RunResult};

use crate::child::run_options;
use crate::commands::ab;
use crate::output::note;
use crate::setup::{environment, preflight};

/// The outcome of `compare`.
pub(crate) enum Compared {
    /// The results are comparable; whether the comparison is valid.
    Valid(bool),
    /// The results differ where they must not.
    NotComparable,
}

/// `wssbench compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareCommand {
    /// Results of run: all of A's, then the same number of B's, paired in this order; confidence intervals need at least 6 pairs
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Field that A and B may differ in, as named by the error, e.g. config.tls.suite; may be given several times
    #[arg(long, value_name = "FIELD")]
    vary: Vec<String>,

    /// Compare even if the results are not comparable; the result records it
    #[arg(long)]
    force: bool,

    /// Print the result as JSON
    #[arg(long, conflicts_with = "md", help_heading = "Output")]
    json: bool,

    /// Print the tables as Markdown, for a pull request
    #[arg(long, help_heading = "Output")]
    md: bool,

    /// File for the result [default: results/runs/ID.comparison.json]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
}

/// Compares results in files.
///
/// # Errors
/// If a file is not a result of `run`, or the numbers of files differ.
pub(crate) fn compare(command: &CompareCommand) -> anyhow::Result<Compared> {
    let files = &command.files;
    ensure!(
        files.len().is_multiple_of(2),
        "cannot pair {} files; give an even number: all of A's, then the same number of B's",
        files.len()
    );
    let mut runs: Vec<RunResult> =
        files.iter().map(|path| store::read(path)).collect::<Result<_, _>>().context("reading the results")?;
    ensure_unique(&runs, files)?;
    let (differences, varied) = differences(&runs, files, &command.vary);
    if !differences.is_empty() && !command.force {
        let fields: Vec<String> = differences.iter().map(ToString::to_string).collect();
        note(&format!(
            "wssbench: not comparable: {}; allow a difference with --vary FIELD, or all of them with --force",
            fields.join("; ")
        ));
        return Ok(Compared::NotComparable);
    }
    let of_b = runs.split_off(runs.len() / 2);
    let comparison = comparison(&runs, &of_b, differences, varied);
    if comparison.analysis.metrics.is_empty() && comparison.valid {
        bail!("the results have no metric in common; give results of the same mode");
    }
    let path = command.out.clone().unwrap_or_else(|| store::default_path::<Comparison>(&comparison.id));
    preflight::check_output(&path)?;
    preflight::check_not_input(&path, files)?;
    store::write(&comparison, &path).context("writing the result; choose another place with --out")?;
    ab::print(command.json, command.md, &comparison, &path).map(Compared::Valid)
}

/// A result that is given twice would narrow the interval without new information.
fn ensure_unique(runs: &[RunResult], files: &[PathBuf]) -> anyhow::Result<()> {
    let half = runs.len() / 2;
    for arm in [0..half, half..runs.len()] {
        for index in arm.clone() {
            let again = (arm.start..index).find(|earlier| runs[*earlier].id == runs[index].id);
            let Some(again) = again else { continue };
            bail!("{} is the same run as {}; give each run once", files[index].display(), files[again].display());
        }
    }
    Ok(())
}

/// The differences that make the results incomparable, between A and B and within each of them; and those that `vary`
/// allows.
fn differences(runs: &[RunResult], files: &[PathBuf], vary: &[String]) -> (Vec<Difference>, Vec<Difference>) {
    let fields: Vec<_> = runs.iter().map(comparison::fields).collect();
    let half = runs.len() / 2;
    let mut differences = comparison::between(&fields[0], &fields[half], vary);
    let mut varied = comparison::between(&fields[0], &fields[half], &[]);
    varied.retain(|difference| !differences.contains(difference));
    for (arm, begin) in [(ArmLabel::A, 0), (ArmLabel::B, half)] {
        for index in begin + 1..begin + half {
            let within = comparison::between(&fields[begin], &fields[index], &[]);
            differences.extend(within.into_iter().map(|difference| Difference {
                field: format!("{} (within {arm}, {})", difference.field, files[index].display()),
                ..difference
            }));
        }
    }
    (differences, varied)
}

fn comparison(
    of_a: &[RunResult],
    of_b: &[RunResult],
    differences: Vec<Difference>,
    varied: Vec<Difference>,
) -> Comparison {
    let (id, started_at) = environment::identify();
    let blocks = of_a.iter().zip(of_b).enumerate().map(|(index, (a, b))| Block {
        number: index + 1,
        started_at: a.started_at.clone(),
        order: vec![ArmLabel::A, ArmLabel::B],
        trials: vec![trial(ArmLabel::A, a), trial(ArmLabel::B, b)],
        disturbance: None,
        dropped_because: None,
    });
    let mut comparison = Comparison {
        schema: Comparison::SCHEMA.to_owned(),
        id,
        started_at,
        tool: environment::tool(),
        environment: of_a[0].environment.clone(),
        kind: Kind::Files,
        a: arm(of_a),
        b: arm(of_b),
        seed: 0,
        workloads: Vec::new(),
        blocks_planned: of_a.len(),
        interleave: None,
        until_width_percent: None,
        blocks: blocks.collect(),
        differences,
        varied,
        analysis: Analysis::default(),
        valid: false,
        invalid_because: Vec::new(),
        interrupted: false,
    };
    comparison.conclude();
    comparison
}

/// The arm of some results, named after the first one.
fn arm(runs: &[RunResult]) -> Arm {
    let first = &runs[0];
    let label = match runs.len() {
        1 => first.id.clone(),
        number => format!("{} and {} more", first.id, number - 1),
    };
    let program = Program { name: "wssbench".to_owned(), tool: Some(first.tool.clone()) };
    Arm { label, options: run_options::of(&first.config), programs: vec![program], negotiated: Vec::new() }
}

fn trial(arm: ArmLabel, run: &RunResult) -> Trial {
    let kinds: &[Workload] = match run.config.mode {
        Mode::Handshake => &[Workload::Handshake],
        // The connections of the echoes were opened by handshakes.
        Mode::Echo => &[Workload::Handshake, Workload::Echo],
        Mode::Subscribe => &[Workload::Handshake, Workload::Subscribe],
    };
    let workloads = kinds.iter().map(|kind| WorkloadResult::from_run(*kind, MetricSet::All, run)).collect();
    let (run_id, started_at) = (Some(run.id.clone()), run.started_at.clone());
    Trial { arm, program: 0, run_id, started_at, control_loop_ns: None, workloads }
}
