//! The configurations of a sweep, from preset and axes: [`Plan`]. Everything that can be checked is checked here, before
//! the first trial.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{bail, ensure};
use wss_analysis::sweep::{Configuration, InvalidCombination, SweepResult};
use wss_analysis::workload::{Workload, WorkloadSpec};
use wss_model::{HumanDuration, RunConfig};
use wss_report::sweep::label_as_requested;

use super::axes::{self, Axis};
use super::options::{SweepCommand, SweepOptions};
use super::presets::{BLOCKS, Preset};
use crate::child::interleave::{self, Arrangement, Interleave};
use crate::child::run::estimate_trials;
use crate::child::{run_options, workloads};
use crate::setup::preflight;

/// Limit on configurations, against a mistyped command: with more, a block would take over a quarter of an hour.
const MAX_CONFIGURATIONS: usize = 300;

/// What will be run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) preset: Option<String>,
    pub(super) blocks: usize,
    pub(super) workloads: Vec<WorkloadSpec>,
    /// Length of a time slice, if any workload is interleaved.
    pub(super) slice: Option<HumanDuration>,
    /// The last one repeats the reference.
    pub(super) configurations: Vec<Configuration>,
    pub(super) reference: usize,
    pub(super) invalid_combinations: Vec<InvalidCombination>,
}

impl Plan {
    /// Makes the plan.
    ///
    /// # Errors
    /// If there is nothing to compare, or an option is not valid.
    pub(super) fn new(command: &SweepCommand) -> anyhow::Result<Self> {
        let SweepCommand { options, axes } = command;
        let preset = options.preset.or_else(|| axes.is_empty().then_some(Preset::Tour));
        for axis in axes {
            axes::check(axis)?;
        }
        let definition = preset.map(Preset::definition);
        let bases = definition.as_ref().map_or_else(|| vec![Vec::new()], |preset| preset.configurations.clone());
        if let Some(preset) = preset {
            let taken: BTreeSet<&str> = bases.iter().flatten().map(|option| run_options::name(option)).collect();
            if let Some(axis) = axes.iter().find(|axis| taken.contains(axis.name())) {
                bail!("--preset {} already sets {}; remove one of them", preset.name(), axis.name());
            }
        }
        let kinds = match (&definition, options.workloads.is_empty()) {
            (_, false) => in_order(&options.workloads),
            (Some(definition), true) => definition.workloads.clone(),
            (None, true) => workloads::DEFAULT.to_vec(),
        };
        ensure!(
            options.trial_handshakes.is_none() || axes.iter().all(|axis| axis.name() != "--connections"),
            "--trial-handshakes sets the number of connections and cannot be combined with --connections"
        );
        let (default_trial, overrides) = definition
            .as_ref()
            .map_or((workloads::TRIAL, &[][..]), |preset| (preset.trial, preset.overrides.as_slice()));
        let workloads =
            workloads::workloads(&kinds, trial_time(options, default_trial)?, options.trial_handshakes, overrides);
        let (mut configurations, invalid_combinations) = partition(relevant(product(bases, axes)?), &workloads)?;
        let reference = reference(options.reference.as_deref(), &configurations)?;
        let repeated = repeat(&configurations, reference);
        configurations.extend(repeated);
        let blocks = options.blocks.unwrap_or(definition.map_or(BLOCKS, |definition| definition.blocks));
        ensure!(blocks > 0, "--blocks is 0; give at least 1, or at least 6 for intervals");
        let preset = preset.map(|preset| preset.name().to_owned());
        let trials: Vec<&[String]> = configurations.iter().map(|one: &Configuration| one.options.as_slice()).collect();
        // A number of handshakes has no duration to divide.
        let requested =
            if options.trial_handshakes.is_some() { Some(Interleave::Off) } else { options.slices.interleave };
        let Arrangement { slice, workloads } = interleave::arrange(requested, workloads, &trials)?;
        Ok(Self { preset, blocks, workloads, slice, configurations, reference, invalid_combinations })
    }
}

fn in_order(kinds: &[Workload]) -> Vec<Workload> {
    kinds.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

fn trial_time(options: &SweepOptions, default: HumanDuration) -> anyhow::Result<HumanDuration> {
    let trial = options.trial.unwrap_or(default);
    ensure!(!trial.0.is_zero(), "--trial is 0; give a duration such as 2s");
    ensure!(options.trial_handshakes != Some(0), "--trial-handshakes is 0; give at least 1");
    Ok(trial)
}

/// All combinations of a base with one value of each axis.
fn product(bases: Vec<Vec<String>>, axes: &[Axis]) -> anyhow::Result<Vec<Vec<String>>> {
    let number = axes.iter().fold(bases.len(), |number, axis| number.saturating_mul(axis.values.len()));
    ensure!(
        number <= MAX_CONFIGURATIONS,
        "the options make {number} configurations, but a sweep has at most {MAX_CONFIGURATIONS}; give fewer values"
    );
    Ok(axes.iter().fold(bases, |combinations, axis| {
        let with = |one: &Vec<String>| {
            let one = one.clone();
            axis.values.iter().map(move |value| one.iter().chain(value).cloned().collect::<Vec<_>>())
        };
        combinations.iter().flat_map(with).collect()
    }))
}

/// Each combination without the options that do not apply to it.
fn relevant(combinations: Vec<Vec<String>>) -> Vec<Vec<String>> {
    combinations.into_iter().map(axes::without_irrelevant).collect()
}

/// Valid combinations, numbered, and the others with the reason.
fn partition(
    combinations: Vec<Vec<String>>,
    workloads: &[WorkloadSpec],
) -> anyhow::Result<(Vec<Configuration>, Vec<InvalidCombination>)> {
    let all: Vec<&[String]> = combinations.iter().map(Vec::as_slice).collect();
    let mut configurations: Vec<Configuration> = Vec::new();
    let mut invalid = Vec::new();
    for options in &combinations {
        let label = label_as_requested(options, &all);
        match parse_checked(options, workloads) {
            // Two names for the same value make one configuration.
            Ok(config) if configurations.iter().any(|other| other.config == config) => {}
            Ok(config) => {
                let number = configurations.len() + 1;
                configurations.push(Configuration { number, label, options: options.clone(), config, repeat_of: None });
            }
            Err(error) => invalid.push(InvalidCombination { label, reason: format!("{error:#}") }),
        }
    }
    let reasons: BTreeSet<&str> = invalid.iter().map(|one| one.reason.as_str()).collect();
    let reasons = reasons.into_iter().collect::<Vec<_>>().join("; ");
    match (configurations.len(), invalid.len()) {
        (0, _) => bail!("{reasons}"),
        (1, 0) => bail!(
            "a sweep needs at least two configurations; give an option several values, e.g. --suite aes128,chacha20, or use \
             --preset"
        ),
        (1, _) => bail!("a sweep needs at least two configurations, but only one is valid; the others: {reasons}"),
        _ => Ok((configurations, invalid)),
    }
}

/// The configuration that the options stand for, if every workload can run with it.
fn parse_checked(options: &[String], workloads: &[WorkloadSpec]) -> anyhow::Result<RunConfig> {
    let config = run_options::parse(options)?;
    check_config(&config)?;
    for workload in workloads {
        check_config(&run_options::parse(&workloads::arguments(workload, options))?)?;
    }
    Ok(config)
}

/// Checks the options against each other, and against this build and CPU.
fn check_config(config: &RunConfig) -> anyhow::Result<()> {
    config.check()?;
    preflight::check_times(config)?;
    wss_wire::tls::check(config)?;
    Ok(())
}

/// The number of the configuration that `--reference` names.
fn reference(named: Option<&str>, configurations: &[Configuration]) -> anyhow::Result<usize> {
    let Some(named) = named else { return Ok(1) };
    if let Ok(number) = named.parse::<usize>() {
        ensure!(
            (1..=configurations.len()).contains(&number),
            "--reference {number} does not exist; the numbers are 1 to {} (--list prints them)",
            configurations.len()
        );
        return Ok(number);
    }
    let part = named.to_lowercase();
    let label = |one: &&Configuration| one.label.to_lowercase();
    let exact = configurations.iter().filter(|one| label(one) == part);
    let holding = configurations.iter().filter(|one| label(one).contains(&part));
    let found: Vec<&Configuration> = if exact.clone().count() == 1 { exact.collect() } else { holding.collect() };
    match found.as_slice() {
        [one] => Ok(one.number),
        [] => bail!("--reference `{named}` matches no label; the labels are: {}", labels(configurations)),
        several => bail!(
            "--reference `{named}` matches the labels of {} configurations; give one of the numbers {}",
            several.len(),
            several.iter().map(|one| one.number.to_string()).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn labels(configurations: &[Configuration]) -> String {
    let labels = configurations.iter().map(|one| format!("{} {}", one.number, one.label));
    labels.collect::<Vec<_>>().join("; ")
}

/// The reference again, with a number of its own: the difference between the two is noise.
fn repeat(configurations: &[Configuration], reference: usize) -> Option<Configuration> {
    let one = configurations.iter().find(|one| one.number == reference)?;
    Some(Configuration { number: configurations.len() + 1, repeat_of: Some(reference), ..one.clone() })
}

/// The configurations, workloads and expected duration in text.
pub(super) fn list(sweep: &SweepResult) -> String {
    let mut text = String::new();
    for Configuration { number, label, options, repeat_of, .. } in &sweep.configurations {
        let marks = match repeat_of {
            Some(_) => " (the reference again)",
            None if *number == sweep.reference => " (the reference)",
            None => "",
        };
        let _ = writeln!(text, "{number:>3}  {label}{marks}\n     {}", options.join(" "));
    }
    for InvalidCombination { label, reason } in &sweep.invalid_combinations {
        let _ = writeln!(text, "  –  {label}: not possible: {}", reason.replace('\n', " "));
    }
    for workload in &sweep.workloads {
        let _ = writeln!(text, "workload {}: {}", workload.title(), workload.options.join(" "));
    }
    let missing = sweep.blocks_planned.saturating_sub(sweep.complete_blocks());
    let time = estimate_trials(&sweep.workloads, missing * sweep.configurations.len()).as_secs();
    let _ = writeln!(
        text,
        "{missing} blocks of {} trials: about {}",
        sweep.configurations.len(),
        humantime::format_duration(Duration::from_secs(time.max(1)))
    );
    text
}

#[cfg(test)]
mod tests;
