//! `wssbench compare`: the same statistics on results that exist.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use wss_analysis::comparison::{self, Analysis, Arm, ArmLabel, Block, Comparison, Difference, Kind, Program, Trial};
use wss_analysis::trial::WorkloadResult;
use wss_analysis::workload::Workload;
use wss_model::store::{self, Stored as _};
use wss_model::{Mode, RunResult};

use crate::child::run_options;
use crate::commands::ab;
use crate::setup::{environment, preflight};

/// What `compare` came to.
pub(crate) enum Compared {
    /// Two that can be compared; whether what was found can be trusted.
    Valid(bool),
    /// They cannot be.
    NotComparable,
}

/// `wssbench compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareCommand {
    /// Results of run: A's, then as many of B's, paired in their order; 6 pairs are the fewest that give an interval
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A field in which A and B are meant to differ, as the refusal names it: config.tls.suite
    #[arg(long, value_name = "FIELD")]
    vary: Vec<String>,

    /// Compare what is not comparable; the result says so
    #[arg(long)]
    force: bool,

    /// Print the result as JSON
    #[arg(long, conflicts_with = "md", help_heading = "Input and output")]
    json: bool,

    /// Print the tables as Markdown, for a pull request
    #[arg(long, help_heading = "Input and output")]
    md: bool,

    /// Where to write the result [default: results/runs/ID.comparison.json]
    #[arg(long, value_name = "FILE", help_heading = "Input and output")]
    out: Option<PathBuf>,
}

/// Compares.
///
/// # Errors
/// If a file is no result, or the numbers of files do not fit: one sentence.
pub(crate) fn compare(command: &CompareCommand) -> anyhow::Result<Compared> {
    let files = &command.files;
    ensure!(
        files.len().is_multiple_of(2),
        "{} files are no pairs: give as many of A as of B, all of A's first",
        files.len()
    );
    let mut runs: Vec<RunResult> =
        files.iter().map(|path| store::read(path)).collect::<Result<_, _>>().context("reading the results")?;
    told_once(&runs, files)?;
    let (differences, varied) = differences(&runs, files, &command.vary);
    if !differences.is_empty() && !command.force {
        let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
        eprintln!(
            "wssbench: not comparable: {}; --vary FIELD takes what is meant to differ, --force compares all the same",
            told.join("; ")
        );
        return Ok(Compared::NotComparable);
    }
    let of_b = runs.split_off(runs.len() / 2);
    let comparison = comparison(&runs, &of_b, differences, varied);
    if comparison.analysis.metrics.is_empty() && comparison.valid {
        bail!("the results have no figure in common");
    }
    let path = command.out.clone().unwrap_or_else(|| store::default_path::<Comparison>(&comparison.id));
    preflight::check_output(&path)?;
    preflight::check_not_input(&path, files)?;
    store::write(&comparison, &path).context("writing the result; --out takes another place")?;
    ab::print(command.json, command.md, &comparison, &path).map(Compared::Valid)
}

/// A result that is given twice would be a pair that says nothing new, and make the interval narrower all the same.
fn told_once(runs: &[RunResult], files: &[PathBuf]) -> anyhow::Result<()> {
    let half = runs.len() / 2;
    for arm in [0..half, half..runs.len()] {
        for index in arm.clone() {
            let again = (arm.start..index).find(|earlier| runs[*earlier].id == runs[index].id);
            let Some(again) = again else { continue };
            bail!("{} is the same run as {}: each counts once", files[index].display(), files[again].display());
        }
    }
    Ok(())
}

/// In what any of the results differs from the first, within A and within B as well, since nothing may differ there;
/// and apart from that in what the two are meant to.
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

/// Results as one of the two: named by the first one's program and day.
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
        // The connections that the messages go through were opened too.
        Mode::Echo => &[Workload::Handshake, Workload::Echo],
    };
    let workloads = kinds.iter().map(|kind| WorkloadResult::from_run(*kind, run)).collect();
    let (run_id, started_at) = (Some(run.id.clone()), run.started_at.clone());
    Trial { arm, program: 0, run_id, started_at, control_loop_ns: None, workloads }
}
