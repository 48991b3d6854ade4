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
    /// Length of a slice if workloads are interleaved; those that are `sequential` are not.
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
        let (interleaved, sequential): (Vec<_>, Vec<_>) =
            self.workloads.iter().partition(|workload| self.interleave.is_some() && !workload.sequential);
        let mut finished: Vec<FinishedTrial> = Vec::with_capacity(trials.len());
        if let Some(length) = self.interleave.filter(|_| !interleaved.is_empty()) {
            self.progress.begin_trial(number, self.blocks_planned, &format!("all in time slices of {length}"));
            finished.extend(trials.iter().map(|_| self.begin()));
            for workload in interleaved {
                if !self.run_interleaved(number, trials, workload, length, &mut finished, &check)? {
                    return Ok(Vec::new());
                }
            }
        }
        for (index, planned) in trials.iter().enumerate() {
            if !sequential.is_empty() {
                self.progress.begin_trial(number, self.blocks_planned, &planned.label);
                let begun = self.begin();
                match finished.get_mut(index) {
                    Some(trial) => trial.begin_again(&begun),
                    None => finished.push(begun),
                }
            }
            for workload in &sequential {
                let Some(outcome) = self.launcher.run(&planned.invocation(), workload, self.seed)? else {
                    finished.truncate(index);
                    return Ok(finished);
                };
                check(index, workload, &outcome)?;
                finished[index].outcomes.push(outcome);
            }
            self.progress.end_trial(finished[index].first_invalid(planned));
        }
        Ok(finished)
    }

    /// Returns whether the workload was run in all trials: false if it was interrupted.
    fn run_interleaved(
        &self,
        number: usize,
        trials: &[PlannedTrial],
        workload: &WorkloadSpec,
        length: HumanDuration,
        finished: &mut [FinishedTrial],
        check: &impl Fn(usize, &WorkloadSpec, &WorkloadOutcome) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let invocations: Vec<Invocation<'_>> = trials.iter().map(PlannedTrial::invocation).collect();
        let outcomes = self.launcher.run_interleaved(&invocations, workload, self.seed, length, number)?;
        let Some(outcomes) = outcomes else { return Ok(false) };
        for (index, outcome) in outcomes.iter().enumerate() {
            check(index, workload, outcome)?;
        }
        finished.iter_mut().zip(outcomes).for_each(|(trial, outcome)| trial.outcomes.push(outcome));
        Ok(true)
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
    /// Begins the sequential part of a trial: the slower of its two control loops counts.
    fn begin_again(&mut self, now: &Self) {
        self.control_loop_ns = self.control_loop_ns.into_iter().chain(now.control_loop_ns).max_by(f64::total_cmp);
    }

    /// The label of a trial that is not valid, with the reasons of its first workload that is not.
    fn first_invalid(&self, planned: &PlannedTrial) -> Option<(String, String)> {
        let result = self.outcomes.iter().map(|outcome| &outcome.result).find(|result| !result.valid)?;
        let reasons = describe_reasons(&result.invalid_because);
        Some((planned.short_label.clone(), format!("{}: {reasons}", result.kind)))
    }
}
