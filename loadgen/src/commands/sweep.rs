//! `wssbench sweep`: many configurations compared in interleaved blocks, from the options to the exit code.
//!
//! [`plan`] says what is compared, [`order`] in which order, [`crate::trial`] runs one turn of one configuration, each workload of
//! it as a `wssbench run` of its own. What follows from the figures is the business of `wss-results`.

mod axes;
mod options;
mod order;
mod plan;
mod presets;
mod resume;

use std::path::{Path, PathBuf};

use anyhow::Context;
use wss_analysis::sweep::{Analysis, Block, SweepResult, Trial};
use wss_model::HumanDuration;
use wss_model::store::{self, Stored as _};
use wss_report::sweep as report;

pub(crate) use self::options::SweepCommand;
use self::options::SweepOptions;
use self::plan::Plan;
use crate::child::progress::Progress;
use crate::child::run::{OneOf, Runner, check_interleave, this_program};
use crate::output;
use crate::setup::environment::{self, CpuTime};
use crate::setup::preflight;

/// Runs it; says whether all of it was run and every trial is valid.
///
/// # Errors
/// If it could not run: one sentence with what to do.
pub(crate) fn sweep(command: &SweepCommand) -> anyhow::Result<bool> {
    let options = &command.options;
    let mut sweep = match &options.resume_from {
        Some(path) => resume::from(path, command)?,
        None => begin(Plan::new(command)?, options),
    };
    if options.list {
        output::print(&plan::list(&sweep))?;
        return Ok(true);
    }
    check_interleave(sweep.interleave, &sweep.workloads)?;
    let path = place(options, &sweep.id);
    preflight::check_output(&path)?;
    run_blocks(&mut sweep, &path)?;
    print(options, &sweep, &path)?;
    Ok(sweep.valid)
}

/// Where the result goes: what was continued goes on in its own file.
fn place(options: &SweepOptions, id: &str) -> PathBuf {
    let named = options.out.as_ref().or(options.resume_from.as_ref());
    named.cloned().unwrap_or_else(|| store::default_path::<SweepResult>(id))
}

/// A sweep of which nothing has been run.
fn begin(plan: Plan, options: &SweepOptions) -> SweepResult {
    let (id, started_at) = environment::identify();
    let Plan { preset, blocks, workloads, configurations, reference, invalid_combinations } = plan;
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
        interleave: options.slices.interleave,
        blocks: Vec::new(),
        analysis: Analysis::default(),
        valid: false,
        invalid_because: Vec::new(),
        interrupted: false,
    };
    sweep.conclude();
    sweep
}

/// Runs what is missing, and writes after each block what there is.
fn run_blocks(sweep: &mut SweepResult, path: &Path) -> anyhow::Result<()> {
    let numbers: Vec<usize> = sweep.configurations.iter().map(|configuration| configuration.number).collect();
    let orders = order::orders(sweep.seed, numbers.len(), sweep.blocks_planned);
    let cpu_time = CpuTime::now();
    let trials = sweep.blocks_planned * numbers.len();
    let to_run = trials.saturating_sub(sweep.blocks.len() * numbers.len());
    let mut progress = Progress::new(trials, to_run, plan::estimate(sweep, to_run))?;
    let runner = Runner::new(progress.interrupted())?;
    let program = this_program()?;
    // Before the first trial as well: what cannot be written is better known at once.
    store::write(sweep, path).context("writing the result; --out takes another place")?;
    for (index, order) in orders.into_iter().enumerate().skip(sweep.blocks.len()) {
        let order: Vec<usize> = order.into_iter().map(|index| numbers[index]).collect();
        let (number, started_at) = (index + 1, environment::now());
        let trials = match sweep.interleave {
            None => in_order(&runner, &program, sweep, number, &order, &mut progress)?,
            Some(length) => in_turns(&runner, &program, sweep, number, &order, length, &mut progress)?,
        };
        let block = Block { number, started_at, order, trials };
        sweep.interrupted = !block.is_complete();
        if !block.trials.is_empty() {
            sweep.blocks.push(block);
        }
        sweep.environment.steal_percent = CpuTime::stolen_percent(cpu_time).unwrap_or(0.0);
        sweep.conclude();
        store::write(sweep, path).context("writing the result; --out takes another place")?;
        if sweep.interrupted {
            break;
        }
    }
    progress.end();
    Ok(())
}

/// A configuration on the line that shows progress.
fn named(sweep: &SweepResult, number: usize) -> String {
    let label = sweep.configuration(number).map_or("", |configuration| configuration.label.as_str());
    let again = sweep.configuration(number).is_some_and(|configuration| configuration.repeat_of.is_some());
    format!("#{number} {label}{}", if again { " (again)" } else { "" })
}

/// One trial of each configuration after the other, as far as nobody interrupts.
fn in_order(
    runner: &Runner,
    program: &Path,
    sweep: &SweepResult,
    block: usize,
    order: &[usize],
    progress: &mut Progress,
) -> anyhow::Result<Vec<Trial>> {
    let mut trials = Vec::with_capacity(order.len());
    for number in order.iter().copied() {
        progress.begin_trial(block, sweep.blocks_planned, &named(sweep, number));
        let configuration = options_of(sweep, number)?;
        let mut trial =
            Trial { configuration: number, started_at: environment::now(), valid: true, workloads: Vec::new() };
        for workload in &sweep.workloads {
            let Some(ended) = runner.run(program, workload, configuration, sweep.seed)? else { return Ok(trials) };
            trial.add(ended.result);
        }
        progress.end_trial(trial.first_reason().map(|reason| (format!("#{number}"), reason)));
        trials.push(trial);
    }
    Ok(trials)
}

/// One trial of each configuration, all at the same time in time slices of `length`, workload by workload; none if they were interrupted.
fn in_turns(
    runner: &Runner,
    program: &Path,
    sweep: &SweepResult,
    block: usize,
    order: &[usize],
    length: HumanDuration,
    progress: &mut Progress,
) -> anyhow::Result<Vec<Trial>> {
    progress.begin_trial(block, sweep.blocks_planned, &format!("all in time slices of {length}"));
    let started_at = environment::now();
    let trial = |number: &usize| Trial {
        configuration: *number,
        started_at: started_at.clone(),
        valid: true,
        workloads: Vec::new(),
    };
    let mut trials: Vec<Trial> = order.iter().map(trial).collect();
    let run = |number: &usize| anyhow::Ok(OneOf { program, configuration: options_of(sweep, *number)? });
    let runs = order.iter().map(run).collect::<anyhow::Result<Vec<_>>>()?;
    for workload in &sweep.workloads {
        let Some(ended) = runner.run_in_turns(&runs, workload, sweep.seed, length, block)? else {
            return Ok(Vec::new());
        };
        trials.iter_mut().zip(ended).for_each(|(trial, ended)| trial.add(ended.result));
    }
    for trial in &trials {
        progress.end_trial(trial.first_reason().map(|reason| (format!("#{}", trial.configuration), reason)));
    }
    Ok(trials)
}

fn options_of(sweep: &SweepResult, number: usize) -> anyhow::Result<&[String]> {
    let configuration = sweep.configuration(number).context("it is one of the sweep's own numbers")?;
    Ok(&configuration.options)
}

fn print(options: &SweepOptions, sweep: &SweepResult, path: &Path) -> anyhow::Result<()> {
    if options.json {
        output::print(&store::json(sweep)?)
    } else if options.csv {
        output::print(&report::csv(sweep).context("writing CSV")?)
    } else if options.md {
        output::print(&report::markdown(sweep))
    } else {
        output::print(&format!("{}\nresult: {}\n", report::terminal(sweep, output::style(false)), path.display()))
    }
}
