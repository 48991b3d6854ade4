//! `--resume-from FILE`: a sweep that was cut short goes on where it stopped, if it is still the same one.

use std::path::Path;

use anyhow::{Context, ensure};
use wss_analysis::sweep::{Configuration, SweepResult};
use wss_model::store;

use super::options::SweepCommand;
use super::plan::Plan;
use crate::setup::environment;

/// The sweep of a file, ready to go on: without its last block, if that one is not whole, since its other trials ran at
/// another time.
///
/// # Errors
/// If the file is none, if the command line asks for something else than it did, or if this is another program or
/// machine: a block has to be comparable with the others.
pub(super) fn from(path: &Path, command: &SweepCommand) -> anyhow::Result<SweepResult> {
    let mut sweep = store::read::<SweepResult>(path).context("reading the sweep to go on with")?;
    ensure_same_question(&sweep, command, path)?;
    ensure_same_place(&sweep, path)?;
    let blocks = command.options.blocks.unwrap_or(sweep.blocks_planned);
    sweep.blocks.retain(wss_analysis::sweep::Block::is_complete);
    ensure!(
        blocks >= sweep.blocks.len() && blocks > 0,
        "{} has {} blocks already: --blocks can only add to them",
        path.display(),
        sweep.blocks.len()
    );
    (sweep.blocks_planned, sweep.interrupted) = (blocks, false);
    sweep.conclude();
    Ok(sweep)
}

/// What the command line says has to be what the file says; what it leaves out is the file's.
fn ensure_same_question(sweep: &SweepResult, command: &SweepCommand, path: &Path) -> anyhow::Result<()> {
    let SweepCommand { options, axes } = command;
    let differs = |what: &str| {
        format!(
            "{} was made with other {what}: leave them out to go on with it, or start a sweep of its own without \
             --resume-from",
            path.display()
        )
    };
    ensure!(
        options.slices.interleave.is_none_or(|length| Some(length) == sweep.interleave),
        differs("turns (--interleave)")
    );
    ensure!(options.seed.is_none_or(|seed| seed == sweep.seed), differs("seeds (--seed)"));
    let configured = options.preset.is_some() || !axes.is_empty();
    let parted = !options.workloads.is_empty() || options.trial.is_some() || options.trial_handshakes.is_some();
    ensure!(
        configured || !parted && options.reference.is_none(),
        "--workloads, --trial, --trial-handshakes and --reference stand in {}: leave them out",
        path.display()
    );
    if configured {
        let plan = Plan::new(command)?;
        let options_of = |configurations: &[Configuration]| {
            configurations.iter().map(|one| (one.config.clone(), one.repeat_of)).collect::<Vec<_>>()
        };
        ensure!(options_of(&plan.configurations) == options_of(&sweep.configurations), differs("configurations"));
        ensure!(!parted || plan.workloads == sweep.workloads, differs("workloads (--workloads, --trial)"));
    }
    Ok(())
}

fn ensure_same_place(sweep: &SweepResult, path: &Path) -> anyhow::Result<()> {
    let (tool, machine) = (environment::tool(), environment::environment());
    let of = |tool: &wss_model::run_result::Tool| {
        format!("wssbench {} {} {}", tool.version, tool.git_commit.as_deref().unwrap_or("of no commit"), tool.profile)
    };
    ensure!(
        of(&sweep.tool) == of(&tool),
        "{} was made with {}, and this is {}: what they find cannot be put together",
        path.display(),
        of(&sweep.tool),
        of(&tool)
    );
    let kind = |machine: &wss_model::run_result::Environment| {
        format!("{} with {} CPUs, Linux {}", machine.cpu_model, machine.cores, machine.kernel)
    };
    ensure!(
        kind(&sweep.environment) == kind(&machine),
        "{} was made on {}, and this is {}: what they find cannot be put together",
        path.display(),
        kind(&sweep.environment),
        kind(&machine)
    );
    Ok(())
}
