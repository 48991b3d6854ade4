//! The trials of a block: one after the other ([`Trials::in_order`]), or at the same time in turns ([`Trials::in_turns`]).

use anyhow::bail;
use wss_analysis::comparison::{ArmLabel, Comparison, Trial};
use wss_analysis::trial::WorkloadResult;
use wss_analysis::workload::WorkloadSpec;
use wss_model::HumanDuration;
use wss_model::text::phrases::describe_reasons;

use super::arm::{Program, Programs};
use super::disturbance;
use crate::child::progress::Progress;
use crate::child::run::{Ended, OneOf, Runner};
use crate::setup::environment;

/// What runs the trials of blocks.
pub(super) struct Trials<'a> {
    pub(super) runner: Runner,
    pub(super) programs: &'a [Programs; 2],
    pub(super) progress: Progress,
}

impl Trials<'_> {
    /// Trials of `order`, one after the other, as far as nobody interrupts.
    ///
    /// # Errors
    /// If one does not run at all in the first block: it will not run later either.
    pub(super) fn in_order(
        &mut self,
        comparison: &mut Comparison,
        block: usize,
        order: &[ArmLabel],
    ) -> anyhow::Result<Vec<Trial>> {
        let mut trials: Vec<Trial> = Vec::with_capacity(order.len());
        for arm in order.iter().copied() {
            self.begin(comparison, block, &format!("{arm} {}", comparison.arm(arm).label));
            let program = self.program(comparison, &trials, arm);
            let mut trial = trial(arm, &program);
            let options = comparison.arm(arm).options.clone();
            for workload in comparison.workloads.clone() {
                let ended = self.runner.run(&program.path, &workload, &options, comparison.seed)?;
                let Some(ended) = ended else { return Ok(trials) };
                ensure_runs(comparison, arm, &workload, &ended)?;
                trial.workloads.push(took_place(comparison, &trial, ended));
            }
            self.end(&trial);
            trials.push(trial);
        }
        Ok(trials)
    }

    /// Trials of `order` at the same time, each `length` long before it waits for the others, workload by workload; none if they
    /// were interrupted.
    ///
    /// # Errors
    /// As [`Self::in_order`].
    pub(super) fn in_turns(
        &mut self,
        comparison: &mut Comparison,
        block: usize,
        order: &[ArmLabel],
        length: HumanDuration,
    ) -> anyhow::Result<Vec<Trial>> {
        self.begin(comparison, block, &format!("A and B in time slices of {length}"));
        let mut trials: Vec<Trial> = Vec::with_capacity(order.len());
        let mut programs = Vec::with_capacity(order.len());
        for arm in order.iter().copied() {
            let program = self.program(comparison, &trials, arm);
            trials.push(trial(arm, &program));
            programs.push((program, comparison.arm(arm).options.clone()));
        }
        let runs: Vec<OneOf<'_>> = programs
            .iter()
            .map(|(program, options)| OneOf { program: &program.path, configuration: options })
            .collect();
        for workload in comparison.workloads.clone() {
            let ended = self.runner.run_in_turns(&runs, &workload, comparison.seed, length, block)?;
            let Some(ended) = ended else { return Ok(Vec::new()) };
            for (trial, ended) in trials.iter().zip(&ended) {
                ensure_runs(comparison, trial.arm, &workload, ended)?;
            }
            for (trial, ended) in trials.iter_mut().zip(ended) {
                let workload = took_place(comparison, trial, ended);
                trial.workloads.push(workload);
            }
        }
        trials.iter().for_each(|trial| self.end(trial));
        Ok(trials)
    }

    /// The program of the next trial of a arm: they take turns.
    fn program(&self, comparison: &Comparison, trials: &[Trial], arm: ArmLabel) -> Program {
        let before = comparison.blocks.iter().flat_map(|block| &block.trials).chain(trials);
        self.programs[arm as usize].after(before.filter(|trial| trial.arm == arm).count())
    }

    fn begin(&self, comparison: &Comparison, block: usize, what: &str) {
        self.progress.begin_trial(block, comparison.blocks_planned, what);
    }

    fn end(&mut self, trial: &Trial) {
        let doubtful = trial.workloads.iter().find(|workload| !workload.valid);
        self.progress
            .end_trial(doubtful.map(|workload| (trial.arm.to_string(), describe_reasons(&workload.invalid_because))));
    }
}

/// A trial of which nothing has been run.
fn trial(arm: ArmLabel, program: &Program) -> Trial {
    let control_loop_ns = Some(disturbance::fixed_work_ns());
    Trial {
        arm,
        program: program.index,
        run_id: None,
        started_at: environment::now(),
        control_loop_ns,
        workloads: Vec::new(),
    }
}

/// What does not run at all in the first block will not run later either.
fn ensure_runs(comparison: &Comparison, arm: ArmLabel, workload: &WorkloadSpec, ended: &Ended) -> anyhow::Result<()> {
    if ended.result.failed && !ended.waited_in_vain && comparison.blocks.is_empty() {
        let (label, reason) = (&comparison.arm(arm).label, describe_reasons(&ended.result.invalid_because));
        bail!("{arm} ({label}): the workload {} does not run: {reason}", workload.kind);
    }
    Ok(())
}

/// What a workload has come to; who ran it is written down with its arm.
fn took_place(comparison: &mut Comparison, trial: &Trial, ended: Ended) -> WorkloadResult {
    if let Some(tool) = ended.tool {
        comparison.arm_mut(trial.arm).programs[trial.program].tool = Some(tool);
    }
    ended.result
}
