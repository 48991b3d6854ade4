//! `--resume-from FILE`: continues an interrupted sweep, if program, machine and configurations are the same.

use std::path::Path;

use anyhow::{Context, ensure};
use wss_analysis::sweep::{Block, Configuration, SweepResult};
use wss_analysis::workload::{Schedule, schedule};
use wss_model::store;

use super::options::SweepCommand;
use super::plan::Plan;
use crate::child::interleave::{self, Interleave};
use crate::setup::environment;

/// The sweep of a file, ready to continue: without its last block if that one is incomplete.
///
/// # Errors
/// If the file is not a sweep, or if the options, the program or the machine differ: all blocks must be comparable.
pub(super) fn from(path: &Path, command: &SweepCommand) -> anyhow::Result<SweepResult> {
    let mut sweep = store::read::<SweepResult>(path).context("reading the sweep to resume")?;
    ensure_same_options(&sweep, command, path)?;
    ensure_same_setting(&sweep, path)?;
    let blocks = command.options.blocks.unwrap_or(sweep.blocks_planned);
    sweep.blocks.retain(Block::is_complete);
    ensure!(
        blocks >= sweep.blocks.len() && blocks > 0,
        "{} already has {} blocks; set --blocks to at least that number",
        path.display(),
        sweep.blocks.len()
    );
    (sweep.blocks_planned, sweep.interrupted) = (blocks, false);
    sweep.conclude();
    Ok(sweep)
}

/// The options that are given must equal those of the file.
fn ensure_same_options(sweep: &SweepResult, command: &SweepCommand, path: &Path) -> anyhow::Result<()> {
    let SweepCommand { options, axes } = command;
    let differs = |what: &str| {
        format!(
            "{} was made with other {what}; leave them out to resume it, or start a new sweep without --resume-from",
            path.display()
        )
    };
    ensure!(has_time_slices_of(sweep, options.slices.interleave)?, differs("time slices (--interleave)"));
    ensure!(options.seed.is_none_or(|seed| seed == sweep.seed), differs("seeds (--seed)"));
    let configured = options.preset.is_some() || !axes.is_empty();
    let sets_workloads = !options.workloads.is_empty() || options.trial.is_some() || options.trial_handshakes.is_some();
    ensure!(
        configured || !sets_workloads && options.reference.is_none(),
        "a resumed sweep takes --workloads, --trial, --trial-handshakes and --reference from {}; remove them",
        path.display()
    );
    if configured {
        let plan = Plan::new(command)?;
        let options_of = |configurations: &[Configuration]| {
            configurations.iter().map(|one| (one.config.clone(), one.repeat_of)).collect::<Vec<_>>()
        };
        ensure!(options_of(&plan.configurations) == options_of(&sweep.configurations), differs("configurations"));
        ensure!(!sets_workloads || plan.workloads == sweep.workloads, differs("workloads (--workloads, --trial)"));
    }
    Ok(())
}

/// Whether the trials of the sweep follow each other as `requested`; without a request, any order will do.
fn has_time_slices_of(sweep: &SweepResult, requested: Option<Interleave>) -> anyhow::Result<bool> {
    let schedule = schedule(&sweep.workloads, sweep.interleave);
    Ok(match (requested, schedule) {
        (None, _) | (Some(Interleave::Off), Schedule::Sequential) | (Some(Interleave::Auto), Schedule::Both(_)) => true,
        (Some(Interleave::Slices(length)), Schedule::Interleaved(slice)) => length == slice,
        // The same if no workload can be interleaved.
        (Some(Interleave::Auto), Schedule::Sequential) => {
            let trials: Vec<&[String]> = sweep.configurations.iter().map(|one| one.options.as_slice()).collect();
            interleave::arrange(requested, sweep.workloads.clone(), &trials)?.slice.is_none()
        }
        _ => false,
    })
}

fn ensure_same_setting(sweep: &SweepResult, path: &Path) -> anyhow::Result<()> {
    let (tool, machine) = (environment::tool(), environment::environment());
    let of = |tool: &wss_model::run_result::Tool| {
        format!(
            "wssbench {} {} {}",
            tool.version,
            tool.git_commit.as_deref().unwrap_or("(unknown commit)"),
            tool.profile
        )
    };
    ensure!(
        of(&sweep.tool) == of(&tool),
        "{} was made with {}, but this is {}; resume it with that build",
        path.display(),
        of(&sweep.tool),
        of(&tool)
    );
    let kind = |machine: &wss_model::run_result::Environment| {
        format!("{} with {} CPUs, Linux {}", machine.cpu_model, machine.cores, machine.kernel)
    };
    ensure!(
        kind(&sweep.environment) == kind(&machine),
        "{} was made on {}, but this is {}; resume it on that machine",
        path.display(),
        kind(&sweep.environment),
        kind(&machine)
    );
    Ok(())
}
