//! `wssbench ab`: two builds or two configurations in paired blocks, from the options to the exit code.
//!
//! [`arm`] says what A and B are, [`order`] whose turn it is, [`signs`] what the machine did meanwhile; a turn is a leg
//! as a sweep has them ([`crate::leg`]). What follows from the figures is the business of `wss-results`.

mod arm;
mod options;
mod order;
mod signs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use wss_results::comparison::{self, Analysis, Arm, Block, Comparison, Kind, Leg, SCHEMA, Side};
use wss_results::report::comparison as report;
use wss_results::store;

use self::arm::Turns;
pub(crate) use self::options::AbCommand;
use self::signs::Watch;
use crate::environment::{self, CpuTime};
use crate::leg::Runner;
use crate::leg::progress::Progress;
use crate::preflight;

/// Runs it; says whether what was found can be trusted.
///
/// # Errors
/// If it could not run: one sentence with what to do.
pub(crate) fn ab(command: &AbCommand) -> anyhow::Result<bool> {
    let folder = tempfile::tempdir().context("making a folder for copies of programs")?;
    let turns = arm::turns(command, folder.path())?;
    let mut comparison = begin(command, &turns)?;
    let path = command.out.clone().unwrap_or_else(|| comparison::default_path(&comparison.id));
    preflight::check_place(&path)?;
    run_blocks(&mut comparison, &turns, &path)?;
    print(command.json, command.md, &comparison, &path)
}

/// Prints a comparison in the form that was asked for; says whether it is valid.
///
/// # Errors
/// If it cannot be made into JSON.
pub(crate) fn print(json: bool, md: bool, comparison: &Comparison, path: &Path) -> anyhow::Result<bool> {
    if json {
        print!("{}", store::json(comparison)?);
    } else if md {
        print!("{}", report::markdown(comparison));
    } else {
        println!("{}\nresult: {}", report::terminal(comparison), path.display());
    }
    Ok(comparison.valid)
}

/// A comparison of which nothing has been run.
fn begin(command: &AbCommand, turns: &[Turns; 2]) -> anyhow::Result<Comparison> {
    let (id, started_at) = environment::identify();
    let [a, b] = turns;
    let mut comparison = Comparison {
        schema: SCHEMA.to_owned(),
        id,
        started_at,
        tool: environment::tool(),
        environment: environment::environment(),
        kind: if command.aa { Kind::Aa } else { Kind::Ab },
        a: a.arm.clone(),
        b: b.arm.clone(),
        seed: command.seed,
        parts: command.leg_parts()?,
        blocks_planned: command.blocks()?,
        until_width_percent: command.until_width.map(wss_results::Percent::percent),
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
fn run_blocks(comparison: &mut Comparison, turns: &[Turns; 2], path: &Path) -> anyhow::Result<()> {
    let cpu_time = CpuTime::now();
    let orders = order::orders(comparison.seed, comparison.blocks_planned);
    let legs = orders.iter().map(Vec::len).sum();
    let mut progress = Progress::new(legs, legs, estimate(comparison, legs))?;
    let runner = Runner::new(progress.interrupted())?;
    let write = |comparison: &Comparison| {
        comparison::write(comparison, path).context("writing the result; --out takes another place")
    };
    for (index, order) in orders.into_iter().enumerate() {
        let mut block = Block {
            number: index + 1,
            started_at: environment::now(),
            order,
            legs: Vec::new(),
            signs: None,
            dropped: None,
        };
        let watch = Watch::begin();
        for side in block.order.clone() {
            progress.begin_leg(
                block.number,
                comparison.blocks_planned,
                &format!("{side} {}", comparison.arm(side).label),
            );
            let before = comparison.blocks.iter().flat_map(|block| &block.legs).chain(&block.legs);
            let turn = turns[side as usize].program(before.filter(|leg| leg.side == side).count());
            let Some(leg) = run_leg(&runner, comparison, turn, side)? else { break };
            let doubtful = leg.parts.iter().find(|part| !part.valid);
            progress.end_leg(doubtful.map(|part| (side.to_string(), part.invalid_because.join("; "))));
            block.legs.push(leg);
        }
        block.signs = Some(watch.end());
        comparison.interrupted = !block.is_whole();
        comparison.blocks.push(block);
        comparison.environment.steal_percent = CpuTime::stolen_percent(cpu_time).unwrap_or(0.0);
        comparison.conclude();
        write(comparison)?;
        if comparison.interrupted || comparison.is_narrow() {
            break;
        }
    }
    progress.end();
    Ok(())
}

/// One turn; `None` if it was interrupted before its end.
fn run_leg(
    runner: &Runner,
    comparison: &mut Comparison,
    (program, path): Turn,
    side: Side,
) -> anyhow::Result<Option<Leg>> {
    let Arm { label, options, .. } = comparison.arm(side).clone();
    let started_at = environment::now();
    let control_ns = Some(signs::fixed_work_ns());
    let mut parts = Vec::with_capacity(comparison.parts.len());
    for part in comparison.parts.clone() {
        let Some(ended) = runner.run(&path, &part, &options, comparison.seed)? else { return Ok(None) };
        if ended.result.failed && comparison.blocks.is_empty() {
            // What does not run at all will not run later either.
            let reason = ended.result.invalid_because.join("; ");
            bail!("{side} ({label}): the part {} does not run: {reason}", part.kind);
        }
        if let Some(tool) = ended.tool {
            comparison.arm_mut(side).programs[program].tool = Some(tool);
        }
        parts.push(ended.result);
    }
    Ok(Some(Leg { side, program, run: None, started_at, control_ns, parts }))
}

/// About how long so many legs take.
fn estimate(comparison: &Comparison, legs: usize) -> Duration {
    let leg: Duration = comparison.parts.iter().map(crate::leg::lasts).sum();
    leg * u32::try_from(legs).unwrap_or(u32::MAX)
}

/// Where a program is, and its index among those of its arm.
type Turn = (usize, PathBuf);
