//! `wssbench ab`: two builds or two configurations in paired blocks, from the options to the exit code.
//!
//! [`arm`] says what A and B are, [`order`] which has the next trial, [`block`] runs the trials, [`disturbance`] says what the machine
//! did meanwhile; a trial is what a sweep has ([`crate::trial`]). What follows from the figures is the business of
//! `wss-results`.

mod arm;
mod block;
mod disturbance;
mod options;
mod order;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use wss_analysis::comparison::{Analysis, Block, Comparison, Kind};
use wss_model::store::{self, Stored as _};
use wss_report::comparison as report;

use self::arm::Programs;
use self::block::Trials;
use self::disturbance::Watch;
pub(crate) use self::options::AbCommand;
use crate::child::progress::Progress;
use crate::child::run::{Runner, check_interleave};
use crate::output;
use crate::setup::environment::{self, CpuTime};
use crate::setup::preflight;

/// Runs it; says whether what was found can be trusted.
///
/// # Errors
/// If it could not run: one sentence with what to do.
pub(crate) fn ab(command: &AbCommand) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir().context("making a folder for copies of programs")?;
    let programs = arm::programs(command, folder.path())?;
    let mut comparison = begin(command, &programs)?;
    let path = command.out.clone().unwrap_or_else(|| store::default_path::<Comparison>(&comparison.id));
    preflight::check_output(&path)?;
    run_blocks(&mut comparison, &programs, &path)?;
    print(command.json, command.md, &comparison, &path)
}

/// Prints a comparison in the form that was asked for; says whether it is valid.
///
/// # Errors
/// If it cannot be made into JSON.
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

/// A comparison of which nothing has been run.
fn begin(command: &AbCommand, programs: &[Programs; 2]) -> anyhow::Result<Comparison> {
    let (id, started_at) = environment::identify();
    let [a, b] = programs;
    let workloads = command.trial_workloads()?;
    check_interleave(command.slices.interleave, &workloads)?;
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
        interleave: command.slices.interleave,
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

/// Runs the blocks, and writes after each what there is.
fn run_blocks(comparison: &mut Comparison, programs: &[Programs; 2], path: &Path) -> anyhow::Result<()> {
    let cpu_time = CpuTime::now();
    let orders = order::orders(comparison.seed, comparison.blocks_planned);
    let trials = orders.iter().map(Vec::len).sum();
    let progress = Progress::new(trials, trials, estimate(comparison, trials))?;
    let mut trials = Trials { runner: Runner::new(progress.interrupted())?, programs, progress };
    for (number, order) in (1..).zip(orders) {
        let (started_at, watch) = (environment::now(), Watch::begin());
        let run = match comparison.interleave {
            None => trials.in_order(comparison, number, &order)?,
            Some(length) => trials.in_turns(comparison, number, &order, length)?,
        };
        let block =
            Block { number, started_at, order, trials: run, disturbance: Some(watch.end()), dropped_because: None };
        comparison.interrupted = !block.is_complete();
        comparison.blocks.push(block);
        comparison.environment.steal_percent = CpuTime::stolen_percent(cpu_time).unwrap_or(0.0);
        comparison.conclude();
        store::write(comparison, path).context("writing the result; --out takes another place")?;
        if comparison.interrupted || comparison.is_precise_enough() {
            break;
        }
    }
    trials.progress.end();
    Ok(())
}

/// About how long so many trials take.
fn estimate(comparison: &Comparison, trials: usize) -> Duration {
    let trial: Duration = comparison.workloads.iter().map(crate::child::run::lasts).sum();
    trial * u32::try_from(trials).unwrap_or(u32::MAX)
}
