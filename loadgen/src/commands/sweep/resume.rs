//! `--resume-from FILE`: continues an interrupted sweep, if program, machine and configurations are the same.

use std::path::Path;

use anyhow::{Context, ensure};
use wss_analysis::sweep::{Block, Configuration, SweepResult};
use wss_analysis::workload::{self, schedule};
use wss_model::store;

use super::options::SweepCommand;
use super::plan::Plan;
use crate::child::interleave::Interleave;
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
    ensure!(
        match options.slices.interleave {
            None | Some(Interleave::Auto) => true,
            Some(Interleave::Off) => sweep.interleave.is_none(),
            Some(Interleave::Slices(length)) => {
                schedule(&sweep.workloads, sweep.interleave) == workload::Schedule::Interleaved(length)
            }
        },
        differs("time slices (--interleave)")
    );
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
