//! The trials of one block of `ab` or `sweep`: one after the other, or interleaved in time slices.

use std::path::PathBuf;

use wss_analysis::workload::WorkloadSpec;
use wss_model::HumanDuration;
use wss_model::text::phrases::describe_reasons;

use super::progress::TrialProgress;
use super::run::{Invocation, RunLauncher, WorkloadOutcome};
use crate::setup::environment;

/// Runs blocks.
pub(crate) struct BlockRunner {
    pub(crate) launcher: RunLauncher,
    pub(crate) progress: TrialProgress,
    pub(crate) workloads: Vec<WorkloadSpec>,
    pub(crate) seed: u64,
    pub(crate) blocks_planned: usize,
    /// Length of a slice if the trials of a block are interleaved.
    pub(crate) interleave: Option<HumanDuration>,
    /// Work of a fixed amount before each trial; it returns its duration in nanoseconds.
    pub(crate) control: Option<fn() -> f64>,
}

/// A trial to run.
pub(crate) struct PlannedTrial {
    pub(crate) program: PathBuf,
    pub(crate) options: Vec<String>,
    /// For the line that shows progress.
    pub(crate) label: String,
    /// For the line of a trial that is not valid.
    pub(crate) short_label: String,
}

/// A trial that was run.
pub(crate) struct FinishedTrial {
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    /// See [`BlockRunner::control`].
    pub(crate) control_loop_ns: Option<f64>,
    /// One per workload.
    pub(crate) outcomes: Vec<WorkloadOutcome>,
}

impl BlockRunner {
    /// Runs the trials of block `number`: all of them, or fewer if it is interrupted. `check` sees each outcome, with the
    /// index of its trial.
    ///
    /// # Errors
    /// If no process can be started, or `check` fails.
    pub(crate) fn run(
        &mut self,
        number: usize,
        trials: &[PlannedTrial],
        check: impl Fn(usize, &WorkloadSpec, &WorkloadOutcome) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<FinishedTrial>> {
        match self.interleave {
            None => self.run_in_order(number, trials, check),
            Some(length) => self.run_interleaved(number, trials, length, check),
        }
    }

    fn run_in_order(
        &mut self,
        number: usize,
        trials: &[PlannedTrial],
        check: impl Fn(usize, &WorkloadSpec, &WorkloadOutcome) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<FinishedTrial>> {
        let mut finished = Vec::with_capacity(trials.len());
        for (index, planned) in trials.iter().enumerate() {
            self.progress.begin_trial(number, self.blocks_planned, &planned.label);
            let mut trial = self.begin();
            for workload in &self.workloads {
                let Some(outcome) = self.launcher.run(&planned.invocation(), workload, self.seed)? else {
                    return Ok(finished);
                };
                check(index, workload, &outcome)?;
                trial.outcomes.push(outcome);
            }
            self.progress.end_trial(trial.first_invalid(planned));
            finished.push(trial);
        }
        Ok(finished)
    }

    fn run_interleaved(
        &mut self,
        number: usize,
        trials: &[PlannedTrial],
        length: HumanDuration,
        check: impl Fn(usize, &WorkloadSpec, &WorkloadOutcome) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<FinishedTrial>> {
        self.progress.begin_trial(number, self.blocks_planned, &format!("all in time slices of {length}"));
        let mut finished: Vec<FinishedTrial> = trials.iter().map(|_| self.begin()).collect();
        let invocations: Vec<Invocation<'_>> = trials.iter().map(PlannedTrial::invocation).collect();
        for workload in &self.workloads {
            let outcomes = self.launcher.run_interleaved(&invocations, workload, self.seed, length, number)?;
            let Some(outcomes) = outcomes else { return Ok(Vec::new()) };
            for (index, outcome) in outcomes.iter().enumerate() {
                check(index, workload, outcome)?;
            }
            finished.iter_mut().zip(outcomes).for_each(|(trial, outcome)| trial.outcomes.push(outcome));
        }
        for (planned, trial) in trials.iter().zip(&finished) {
            self.progress.end_trial(trial.first_invalid(planned));
        }
        Ok(finished)
    }

    fn begin(&self) -> FinishedTrial {
        let control_loop_ns = self.control.map(|control| control());
        FinishedTrial { started_at: environment::now(), control_loop_ns, outcomes: Vec::new() }
    }
}

impl PlannedTrial {
    fn invocation(&self) -> Invocation<'_> {
        Invocation { program: &self.program, options: &self.options }
    }
}

impl FinishedTrial {
    /// The label of a trial that is not valid, with the reasons of its first workload that is not.
    fn first_invalid(&self, planned: &PlannedTrial) -> Option<(String, String)> {
        let result = self.outcomes.iter().map(|outcome| &outcome.result).find(|result| !result.valid)?;
        let reasons = describe_reasons(&result.invalid_because);
        Some((planned.short_label.clone(), format!("{}: {reasons}", result.kind)))
    }
}
