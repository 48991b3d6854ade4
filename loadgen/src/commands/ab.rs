//! `wssbench ab`: two builds, configurations or servers in paired blocks, from the options to the exit code.
//!
//! [`arm`] resolves A and B, [`copies`] makes the files of their programs alike, [`order`] draws the order of the trials in each block, [`disturbance`] watches the machine
//! meanwhile, and [`crate::child::block`] runs the trials. `wss-analysis` draws the conclusions.

mod arm;
mod copies;
mod disturbance;
mod options;
mod order;

use std::path::Path;

use anyhow::{Context, bail};
use wss_analysis::comparison::{Analysis, ArmLabel, Block, Comparison, Kind, Trial};
use wss_analysis::workload::WorkloadSpec;
use wss_model::store::{self, Stored as _};
use wss_model::text::phrases::describe_reasons;
use wss_report::comparison as report;

use self::arm::{ArmPrograms, Program};
use self::copies::ProgramCopies;
use self::disturbance::Watch;
pub(crate) use self::options::AbCommand;
use crate::child::block::{BlockRunner, FinishedTrial, PlannedTrial};
use crate::child::interleave::{self, Arrangement};
use crate::child::progress::TrialProgress;
use crate::child::run::{RunLauncher, WorkloadOutcome, estimate_trials};
use crate::output;
use crate::setup::environment::{self, CpuTime};
use crate::setup::preflight;

/// Runs the comparison; returns whether it is valid.
///
/// # Errors
/// If it could not run.
pub(crate) fn ab(command: &AbCommand) -> anyhow::Result<bool> {
    let arms = arm::resolve(command)?;
    let mut comparison = begin(command, &arms)?;
    let path = command.out.clone().unwrap_or_else(|| store::default_path::<Comparison>(&comparison.id));
    preflight::check_output(&path)?;
    command.html.check(&path)?;
    run_blocks(&mut comparison, &arms, &path)?;
    command.html.write(&path)?;
    print(command.json, command.md, &comparison, &path)
}

/// Prints a comparison as JSON, Markdown or text; returns whether it is valid.
///
/// # Errors
/// If it cannot be serialized.
pub(crate) fn print(json: bool, md: bool, comparison: &Comparison, path: &Path) -> anyhow::Result<bool> {
    if json {
        output::print(&store::json(comparison)?)?;
    } else if md {
        output::print(&report::markdown(comparison))?;
    } else {
        output::print(&format!(
            "{}\nresult: {}\n",
            report::terminal(comparison, output::style(false)),
            path.display()
        ))?;
    }
    Ok(comparison.valid)
}

/// A comparison before its first block.
fn begin(command: &AbCommand, arms: &[ArmPrograms; 2]) -> anyhow::Result<Comparison> {
    let (id, started_at) = environment::identify();
    let [a, b] = arms;
    let trials = [&a.arm.options[..], &b.arm.options[..]];
    let Arrangement { slice, workloads } =
        interleave::arrange(command.slices.interleave, command.trial_workloads()?, &trials)?;
    let mut comparison = Comparison {
        schema: Comparison::SCHEMA.to_owned(),
        id,
        started_at,
        tool: environment::tool(),
        environment: environment::environment(),
        kind: if command.aa { Kind::Aa } else { Kind::Ab },
        a: a.arm.clone(),
        b: b.arm.clone(),
        seed: command.seed,
        workloads,
        blocks_planned: command.blocks()?,
        interleave: slice,
        until_width_percent: command.until_width.map(wss_model::Percent::percent),
        blocks: Vec::new(),
        differences: Vec::new(),
        varied: Vec::new(),
        analysis: Analysis::default(),
        valid: false,
        invalid_because: Vec::new(),
        interrupted: false,
    };
    comparison.conclude();
    Ok(comparison)
}

/// Runs the blocks, and writes the result after each of them.
fn run_blocks(comparison: &mut Comparison, arms: &[ArmPrograms; 2], path: &Path) -> anyhow::Result<()> {
    let cpu_time = CpuTime::now();
    let orders = order::orders(comparison.seed, comparison.blocks_planned);
    let trials = orders.iter().map(Vec::len).sum();
    let progress = TrialProgress::new(trials, trials, estimate_trials(&comparison.workloads, trials))?;
    let mut runner = BlockRunner {
        launcher: RunLauncher::new(progress.interrupted())?,
        progress,
        workloads: comparison.workloads.clone(),
        seed: comparison.seed,
        blocks_planned: comparison.blocks_planned,
        interleave: comparison.interleave,
        control: Some(disturbance::fixed_work_ns),
    };
    for (number, order) in (1..).zip(orders) {
        let (started_at, watch) = (environment::now(), Watch::begin());
        let trials = run_block(comparison, arms, &mut runner, number, &order)?;
        let block = Block { number, started_at, order, trials, disturbance: Some(watch.end()), dropped_because: None };
        comparison.interrupted = !block.is_complete();
        comparison.blocks.push(block);
        comparison.environment.steal_percent = CpuTime::stolen_percent(cpu_time).unwrap_or(0.0);
        comparison.conclude();
        store::write(comparison, path).context("writing the result; choose another place with --out")?;
        if comparison.interrupted || comparison.is_precise_enough() {
            break;
        }
    }
    runner.progress.end();
    Ok(())
}

/// Runs the trials of one block.
///
/// # Errors
/// If a workload fails in the first block: it would fail in the others, too.
fn run_block(
    comparison: &mut Comparison,
    arms: &[ArmPrograms; 2],
    runner: &mut BlockRunner,
    number: usize,
    order: &[ArmLabel],
) -> anyhow::Result<Vec<Trial>> {
    let programs = programs_of(comparison, arms, order);
    let copies = arms[0].is_copied.then(|| ProgramCopies::new(&programs)).transpose()?;
    let planned: Vec<PlannedTrial> = order
        .iter()
        .zip(&programs)
        .enumerate()
        .map(|(trial, (label, program))| PlannedTrial {
            program: copies.as_ref().map_or_else(|| program.path.clone(), |copies| copies.of_trial(trial)),
            options: comparison.arm(*label).options.clone(),
            label: format!("{label} {}", comparison.arm(*label).label),
            short_label: label.to_string(),
        })
        .collect();
    let check = |index: usize, workload: &WorkloadSpec, outcome: &WorkloadOutcome| {
        if outcome.result.failed && comparison.blocks.is_empty() {
            // The parser of a child lists possible values on lines of their own.
            let reason = describe_reasons(&outcome.result.invalid_because).replace('\n', " ");
            let label = &planned[index].label;
            bail!("{label}: the workload {} failed: {reason}", workload.kind);
        }
        Ok(())
    };
    let finished = runner.run(number, &planned, check)?;
    let mut trials = Vec::with_capacity(finished.len());
    for ((arm, program), FinishedTrial { started_at, control_loop_ns, outcomes }) in
        order.iter().copied().zip(&programs).zip(finished)
    {
        let index = program.index;
        if let Some(tool) = outcomes.iter().rev().find_map(|outcome| outcome.tool.clone()) {
            comparison.arm_mut(arm).programs[index].tool = Some(tool);
        }
        let workloads = outcomes.into_iter().map(|outcome| outcome.result).collect();
        trials.push(Trial { arm, program: index, run_id: None, started_at, control_loop_ns, workloads });
    }
    Ok(trials)
}

/// The program of each trial of a block: the programs of an arm alternate.
fn programs_of(comparison: &Comparison, arms: &[ArmPrograms; 2], order: &[ArmLabel]) -> Vec<Program> {
    let trials = comparison.blocks.iter().flat_map(|block| &block.trials);
    let mut counts = [0; 2];
    trials.for_each(|trial| counts[trial.arm as usize] += 1);
    let next = |label: &ArmLabel| {
        let count = &mut counts[*label as usize];
        *count += 1;
        arms[*label as usize].program_of_trial(*count - 1)
    };
    order.iter().map(next).collect()
}
