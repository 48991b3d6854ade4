//! What is compared: [`Plan`], from the presets and the axes, with everything that cannot be told before the first trial.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{bail, ensure};
use wss_analysis::sweep::{Configuration, InvalidCombination, SweepResult};
use wss_analysis::workload::WorkloadSpec;
use wss_model::{HumanDuration, RunConfig};
use wss_report::sweep::label_as_requested;

use super::axes::{self, Axis};
use super::options::{SweepCommand, SweepOptions};
use super::presets::{BLOCKS, Preset};
use crate::child::{run as trial, run_options, workloads};
use crate::setup::preflight;

/// Configurations beyond which a sweep is taken for a slip: a block would last more than a quarter of an hour.
const MOST_CONFIGURATIONS: usize = 300;

/// What is to be run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) preset: Option<String>,
    pub(super) blocks: usize,
    pub(super) workloads: Vec<WorkloadSpec>,
    /// The last one is the reference once more.
    pub(super) configurations: Vec<Configuration>,
    pub(super) reference: usize,
    pub(super) invalid_combinations: Vec<InvalidCombination>,
}

impl Plan {
    /// Makes and checks it.
    ///
    /// # Errors
    /// If there is nothing to compare, or what is asked for cannot be: with what to do.
    pub(super) fn new(command: &SweepCommand) -> anyhow::Result<Self> {
        let SweepCommand { options, axes } = command;
        // Without a word it is the tour.
        let preset = options.preset.or_else(|| axes.is_empty().then_some(Preset::Tour));
        for axis in axes {
            axes::check(axis)?;
        }
        let definition = preset.map(Preset::definition);
        let bases = definition.as_ref().map_or_else(|| vec![Vec::new()], |preset| preset.configurations.clone());
        if let Some(preset) = preset {
            let taken: BTreeSet<&str> = bases.iter().flatten().map(|option| run_options::name(option)).collect();
            if let Some(axis) = axes.iter().find(|axis| taken.contains(axis.name())) {
                bail!("--preset {} sets {}: leave one of them out", preset.name(), axis.name());
            }
        }
        let kinds = match (&definition, options.workloads.is_empty()) {
            (_, false) => in_order(&options.workloads),
            (Some(definition), true) => definition.workloads.clone(),
            (None, true) => workloads::DEFAULT.to_vec(),
        };
        ensure!(
            options.trial_handshakes.is_none() || axes.iter().all(|axis| axis.name() != "--connections"),
            "--trial-handshakes is the number of connections: leave it or --connections out"
        );
        let (usual, asked) =
            definition.as_ref().map_or((workloads::TRIAL, &[][..]), |preset| (preset.trial, preset.asked.as_slice()));
        let workloads = workloads::workloads(&kinds, trial_time(options, usual)?, options.trial_handshakes, asked);
        let (mut configurations, invalid_combinations) = possible(suited(product(bases, axes)?), &workloads)?;
        let reference = reference(options.reference.as_deref(), &configurations)?;
        let again = again(&configurations, reference);
        configurations.extend(again);
        let blocks = options.blocks.unwrap_or(definition.map_or(BLOCKS, |definition| definition.blocks));
        ensure!(blocks > 0, "--blocks is 0: give at least 1, and at least 6 for intervals");
        let preset = preset.map(|preset| preset.name().to_owned());
        Ok(Self { preset, blocks, workloads, configurations, reference, invalid_combinations })
    }
}

fn in_order(kinds: &[wss_analysis::workload::Workload]) -> Vec<wss_analysis::workload::Workload> {
    kinds.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

fn trial_time(options: &SweepOptions, usual: HumanDuration) -> anyhow::Result<HumanDuration> {
    let trial = options.trial.unwrap_or(usual);
    ensure!(!trial.0.is_zero(), "--trial is 0: give a length of time such as 2s");
    ensure!(options.trial_handshakes != Some(0), "--trial-handshakes is 0: give at least 1");
    Ok(trial)
}

/// Every combination of a base and one value of each axis.
fn product(bases: Vec<Vec<String>>, axes: &[Axis]) -> anyhow::Result<Vec<Vec<String>>> {
    let number = axes.iter().fold(bases.len(), |number, axis| number.saturating_mul(axis.values.len()));
    ensure!(
        number <= MOST_CONFIGURATIONS,
        "these are {number} configurations, and a sweep takes at most {MOST_CONFIGURATIONS}: give fewer values"
    );
    Ok(axes.iter().fold(bases, |combinations, axis| {
        let with = |one: &Vec<String>| {
            let one = one.clone();
            axis.values.iter().map(move |value| one.iter().chain(value).cloned().collect::<Vec<_>>())
        };
        combinations.iter().flat_map(with).collect()
    }))
}

/// Each without what would be asked of it in vain.
fn suited(combinations: Vec<Vec<String>>) -> Vec<Vec<String>> {
    combinations.into_iter().map(axes::without_vain).collect()
}

/// Those combinations that can be, numbered, and why the others cannot.
fn possible(
    combinations: Vec<Vec<String>>,
    workloads: &[WorkloadSpec],
) -> anyhow::Result<(Vec<Configuration>, Vec<InvalidCombination>)> {
    let all: Vec<&[String]> = combinations.iter().map(Vec::as_slice).collect();
    let mut configurations: Vec<Configuration> = Vec::new();
    let mut invalid = Vec::new();
    for options in &combinations {
        let label = label_as_requested(options, &all);
        match understood(options, workloads) {
            // Two names of one thing are one configuration.
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
            "one configuration is nothing to compare: give an option several values, as in --suite aes128,chacha20, or \
             take a --preset"
        ),
        (1, _) => bail!("only one of the configurations can be, which is nothing to compare; of the others: {reasons}"),
        _ => Ok((configurations, invalid)),
    }
}

/// What a configuration is, if each of its workloads can be run.
fn understood(options: &[String], workloads: &[WorkloadSpec]) -> anyhow::Result<RunConfig> {
    let config = run_options::parse(options)?;
    check_possible(&config)?;
    for workload in workloads {
        check_possible(&run_options::parse(&workloads::arguments(workload, options))?)?;
    }
    Ok(config)
}

/// Whether a run of it can be: what the options say of each other, and what this build and this CPU have.
fn check_possible(config: &RunConfig) -> anyhow::Result<()> {
    config.check()?;
    preflight::check_times(config)?;
    wss_wire::tls::check(config)?;
    Ok(())
}

/// The configuration that `--reference` names.
fn reference(named: Option<&str>, configurations: &[Configuration]) -> anyhow::Result<usize> {
    let Some(named) = named else { return Ok(1) };
    if let Ok(number) = named.parse::<usize>() {
        ensure!(
            (1..=configurations.len()).contains(&number),
            "--reference {number}: the configurations have the numbers 1 to {}; --list shows them",
            configurations.len()
        );
        return Ok(number);
    }
    let words = named.to_lowercase();
    let label = |one: &&Configuration| one.label.to_lowercase();
    let exact = configurations.iter().filter(|one| label(one) == words);
    let holding = configurations.iter().filter(|one| label(one).contains(&words));
    let found: Vec<&Configuration> = if exact.clone().count() == 1 { exact.collect() } else { holding.collect() };
    match found.as_slice() {
        [one] => Ok(one.number),
        [] => bail!("--reference `{named}` is in no label: {}", labels(configurations)),
        several => bail!(
            "--reference `{named}` is in the labels of {} configurations: take one of their numbers: {}",
            several.len(),
            several.iter().map(|one| one.number.to_string()).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn labels(configurations: &[Configuration]) -> String {
    let labels = configurations.iter().map(|one| format!("{} {}", one.number, one.label));
    labels.collect::<Vec<_>>().join("; ")
}

/// The reference once more.
fn again(configurations: &[Configuration], reference: usize) -> Option<Configuration> {
    let one = configurations.iter().find(|one| one.number == reference)?;
    Some(Configuration { number: configurations.len() + 1, repeat_of: Some(reference), ..one.clone() })
}

/// About how long so many trials take.
pub(super) fn estimate(sweep: &SweepResult, trials: usize) -> Duration {
    let trial: Duration = sweep.workloads.iter().map(trial::lasts).sum();
    trial * u32::try_from(trials).unwrap_or(u32::MAX)
}

/// What would be run, in words.
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
        let _ = writeln!(text, "workload {}: {}", workload.kind, workload.options.join(" "));
    }
    let missing = sweep.blocks_planned.saturating_sub(sweep.complete_blocks());
    let time = estimate(sweep, missing * sweep.configurations.len()).as_secs();
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
