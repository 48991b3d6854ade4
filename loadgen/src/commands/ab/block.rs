//! The legs of a block: one after the other ([`Legs::in_order`]), or at the same time in turns ([`Legs::in_turns`]).

use anyhow::bail;
use wss_analysis::comparison::{Comparison, Leg, Side};
use wss_analysis::sweep_result::{Part, PartResult};
use wss_model::HumanDuration;

use super::arm::{Program, Programs};
use super::disturbance as signs;
use crate::child::progress::Progress;
use crate::child::run::{Ended, OneOf, Runner};
use crate::setup::environment;

/// What runs the legs of blocks.
pub(super) struct Legs<'a> {
    pub(super) runner: Runner,
    pub(super) programs: &'a [Programs; 2],
    pub(super) progress: Progress,
}

impl Legs<'_> {
    /// Legs of `order`, one after the other, as far as nobody interrupts.
    ///
    /// # Errors
    /// If one does not run at all in the first block: it will not run later either.
    pub(super) fn in_order(
        &mut self,
        comparison: &mut Comparison,
        block: usize,
        order: &[Side],
    ) -> anyhow::Result<Vec<Leg>> {
        let mut legs: Vec<Leg> = Vec::with_capacity(order.len());
        for side in order.iter().copied() {
            self.begin(comparison, block, &format!("{side} {}", comparison.arm(side).label));
            let program = self.program(comparison, &legs, side);
            let mut leg = leg(side, &program);
            let options = comparison.arm(side).options.clone();
            for part in comparison.parts.clone() {
                let ended = self.runner.run(&program.path, &part, &options, comparison.seed)?;
                let Some(ended) = ended else { return Ok(legs) };
                ensure_runs(comparison, side, &part, &ended)?;
                leg.parts.push(took_place(comparison, &leg, ended));
            }
            self.end(&leg);
            legs.push(leg);
        }
        Ok(legs)
    }

    /// Legs of `order` at the same time, each `length` long before it waits for the others, part by part; none if they
    /// were interrupted.
    ///
    /// # Errors
    /// As [`Self::in_order`].
    pub(super) fn in_turns(
        &mut self,
        comparison: &mut Comparison,
        block: usize,
        order: &[Side],
        length: HumanDuration,
    ) -> anyhow::Result<Vec<Leg>> {
        self.begin(comparison, block, &format!("A and B in turns of {length}"));
        let mut legs: Vec<Leg> = Vec::with_capacity(order.len());
        let mut programs = Vec::with_capacity(order.len());
        for side in order.iter().copied() {
            let program = self.program(comparison, &legs, side);
            legs.push(leg(side, &program));
            programs.push((program, comparison.arm(side).options.clone()));
        }
        let runs: Vec<OneOf<'_>> = programs
            .iter()
            .map(|(program, options)| OneOf { program: &program.path, configuration: options })
            .collect();
        for part in comparison.parts.clone() {
            let ended = self.runner.run_in_turns(&runs, &part, comparison.seed, length, block)?;
            let Some(ended) = ended else { return Ok(Vec::new()) };
            for (leg, ended) in legs.iter().zip(&ended) {
                ensure_runs(comparison, leg.side, &part, ended)?;
            }
            for (leg, ended) in legs.iter_mut().zip(ended) {
                let part = took_place(comparison, leg, ended);
                leg.parts.push(part);
            }
        }
        legs.iter().for_each(|leg| self.end(leg));
        Ok(legs)
    }

    /// The program of the next leg of a side: they take turns.
    fn program(&self, comparison: &Comparison, legs: &[Leg], side: Side) -> Program {
        let before = comparison.blocks.iter().flat_map(|block| &block.legs).chain(legs);
        self.programs[side as usize].after(before.filter(|leg| leg.side == side).count())
    }

    fn begin(&self, comparison: &Comparison, block: usize, what: &str) {
        self.progress.begin_leg(block, comparison.blocks_planned, what);
    }

    fn end(&mut self, leg: &Leg) {
        let doubtful = leg.parts.iter().find(|part| !part.valid);
        self.progress.end_leg(doubtful.map(|part| (leg.side.to_string(), part.invalid_because.join("; "))));
    }
}

/// A leg of which nothing has been run.
fn leg(side: Side, program: &Program) -> Leg {
    let control_ns = Some(signs::fixed_work_ns());
    Leg { side, program: program.index, run: None, started_at: environment::now(), control_ns, parts: Vec::new() }
}

/// What does not run at all in the first block will not run later either.
fn ensure_runs(comparison: &Comparison, side: Side, part: &Part, ended: &Ended) -> anyhow::Result<()> {
    if ended.result.failed && !ended.waited_in_vain && comparison.blocks.is_empty() {
        let (label, reason) = (&comparison.arm(side).label, ended.result.invalid_because.join("; "));
        bail!("{side} ({label}): the part {} does not run: {reason}", part.kind);
    }
    Ok(())
}

/// What a part has come to; who ran it is written down with its side.
fn took_place(comparison: &mut Comparison, leg: &Leg, ended: Ended) -> PartResult {
    if let Some(tool) = ended.tool {
        comparison.arm_mut(leg.side).programs[leg.program].tool = Some(tool);
    }
    ended.result
}
