//! `wssbench sweep`: many configurations compared in interleaved blocks, from the options to the exit code.
//!
//! [`plan`] makes the configurations, [`order`] the order of their trials in each block, and [`crate::child::block`] runs
//! the trials. [`ratios`] compares any two configurations of the result. `wss-analysis` draws the conclusions.

mod axes;
mod options;
mod order;
mod plan;
mod presets;
mod ratios;
mod resume;

use std::path::{Path, PathBuf};

use anyhow::Context;
use wss_analysis::sweep::{Analysis, Block, SweepResult, Trial};
use wss_model::store::{self, Stored as _};
use wss_report::sweep as report;

pub(crate) use self::options::SweepCommand;
use self::options::SweepOptions;
use self::plan::Plan;
use crate::child::block::{BlockRunner, FinishedTrial, PlannedTrial};
use crate::child::progress::TrialProgress;
use crate::child::run::{RunLauncher, estimate_trials, this_program};
use crate::output;
use crate::setup::environment::{self, CpuTime};
use crate::setup::preflight;

/// Runs the sweep, or reads it with `--from`; returns whether it is complete and every trial is valid.
///
/// # Errors
/// If it could not run.
pub(crate) fn sweep(command: &SweepCommand) -> anyhow::Result<bool> {
    let options = &command.options;
    if let Some(path) = &options.from {
        let sweep = store::read::<SweepResult>(path)?;
        ratios::check(&sweep, &options.ratio)?;
        output::print(&ratios::text(&sweep, &options.ratio))?;
        return Ok(sweep.valid);
    }
    let mut sweep = match &options.resume_from {
        Some(path) => resume::from(path, command)?,
        None => begin(Plan::new(command)?, options),
    };
    if options.list {
        output::print(&plan::list(&sweep))?;
        return Ok(true);
    }
    ratios::check(&sweep, &options.ratio)?;
    let path = place(options, &sweep.id);
    preflight::check_output(&path)?;
    options.html.check(&path)?;
    run_blocks(&mut sweep, &path)?;
    options.html.write(&path)?;
    print(options, &sweep, &path)?;
    Ok(sweep.valid)
}

/// The file for the result. A resumed sweep continues in its own file.
fn place(options: &SweepOptions, id: &str) -> PathBuf {
    let named = options.out.as_ref().or(options.resume_from.as_ref());
    named.cloned().unwrap_or_else(|| store::default_path::<SweepResult>(id))
}

/// A sweep before its first block.
fn begin(plan: Plan, options: &SweepOptions) -> SweepResult {
    let (id, started_at) = environment::identify();
    let Plan { preset, blocks, workloads, slice, configurations, reference, invalid_combinations } = plan;
    let mut sweep = SweepResult {
        schema: SweepResult::SCHEMA.to_owned(),
        id,
        started_at,
        tool: environment::tool(),
        environment: environment::environment(),
        preset,
        seed: options.seed(),
        workloads,
        configurations,
        reference,
        invalid_combinations,
        blocks_planned: blocks,
        interleave: slice,
        blocks: Vec::new(),
        analysis: Analysis::default(),
        valid: false,
        invalid_because: Vec::new(),
        interrupted: false,
    };
    sweep.conclude();
    sweep
}

/// Runs the missing blocks, and writes the result after each of them.
fn run_blocks(sweep: &mut SweepResult, path: &Path) -> anyhow::Result<()> {
    let numbers: Vec<usize> = sweep.configurations.iter().map(|configuration| configuration.number).collect();
    let orders = order::orders(sweep.seed, numbers.len(), sweep.blocks_planned);
    let cpu_time = CpuTime::now();
    let trials = sweep.blocks_planned * numbers.len();
    let to_run = trials.saturating_sub(sweep.blocks.len() * numbers.len());
    let progress = TrialProgress::new(trials, to_run, estimate_trials(&sweep.workloads, to_run))?;
    let mut runner = BlockRunner {
        launcher: RunLauncher::new(progress.interrupted())?,
        progress,
        workloads: sweep.workloads.clone(),
        seed: sweep.seed,
        blocks_planned: sweep.blocks_planned,
        interleave: sweep.interleave,
        control: None,
    };
    let program = this_program()?;
    let write =
        |sweep: &SweepResult| store::write(sweep, path).context("writing the result; choose another place with --out");
    // Also before the first trial, so that a problem with the file is reported at once.
    write(sweep)?;
    for (index, order) in orders.into_iter().enumerate().skip(sweep.blocks.len()) {
        let order: Vec<usize> = order.into_iter().map(|index| numbers[index]).collect();
        let (number, started_at) = (index + 1, environment::now());
        let plan = |number: &usize| planned_trial(sweep, *number, &program);
        let planned = order.iter().map(plan).collect::<anyhow::Result<Vec<PlannedTrial>>>()?;
        let finished = runner.run(number, &planned, |_, _, _| Ok(()))?;
        let trials = order.iter().zip(finished).map(|(number, trial)| finished_trial(*number, trial)).collect();
        let block = Block { number, started_at, order, trials };
        sweep.interrupted = !block.is_complete();
        if !block.trials.is_empty() {
            sweep.blocks.push(block);
        }
        sweep.environment.steal_percent = CpuTime::stolen_percent(cpu_time).unwrap_or(0.0);
        sweep.conclude();
        write(sweep)?;
        if sweep.interrupted {
            break;
        }
    }
    runner.progress.end();
    Ok(())
}

fn planned_trial(sweep: &SweepResult, number: usize, program: &Path) -> anyhow::Result<PlannedTrial> {
    let configuration = sweep.configuration(number).context("looking up a configuration of this sweep")?;
    let again = if configuration.repeat_of.is_some() { " (again)" } else { "" };
    Ok(PlannedTrial {
        program: program.to_owned(),
        options: configuration.options.clone(),
        label: format!("#{number} {}{again}", configuration.label),
        short_label: format!("#{number}"),
    })
}

fn finished_trial(configuration: usize, finished: FinishedTrial) -> Trial {
    let FinishedTrial { started_at, outcomes, .. } = finished;
    let mut trial = Trial { configuration, started_at, valid: true, workloads: Vec::new() };
    outcomes.into_iter().for_each(|outcome| trial.add(outcome.result));
    trial
}

fn print(options: &SweepOptions, sweep: &SweepResult, path: &Path) -> anyhow::Result<()> {
    if options.json {
        output::print(&store::json(sweep)?)
    } else if options.csv {
        output::print(&report::csv(sweep).context("writing CSV")?)
    } else if options.md {
        output::print(&report::markdown(sweep))
    } else {
        let (tables, ratios) = (report::terminal(sweep, output::style(false)), ratios::text(sweep, &options.ratio));
        output::print(&format!("{tables}\n{ratios}result: {}\n", path.display()))
    }
}
