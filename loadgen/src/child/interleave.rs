//! `--interleave`: which workloads of a block run at the same time, in short alternating slices.
//!
//! What disturbs the machine then disturbs all trials of a block alike, so that CPU times compare far more exactly. Each
//! slice begins with cold caches, though, and a closed loop pauses between its slices, so latencies and rates are better
//! measured one trial after the other. By default a workload is therefore run twice, each time for half of its duration.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use wss_analysis::workload::{MetricSet, WorkloadSpec};
use wss_model::config::{ConfigError, time_slice_length};
use wss_model::{HumanDuration, Mode, Rate, RunConfig};

use super::{run_options, workloads};

/// Default length of a slice.
const SLICE: Duration = Duration::from_millis(50);
/// Least number of slices per trial by default: a shorter trial has shorter slices.
const MIN_SLICES: u32 = 4;
/// Most trials that run at the same time by default: each has a server and a generator.
const MAX_CONCURRENT: usize = 64;

/// `--interleave`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct InterleaveOption {
    /// Interleave the trials of a block in short time slices, so that noise of the machine affects all of them equally: auto,
    /// off, or the length of a slice (50ms without a value) [default: auto]
    ///
    /// With auto, each closed-loop workload runs twice, for half of its duration each: interleaved to measure CPU time, then
    /// one trial after the other to measure latencies and rates, which slices would distort. Open loops, and servers that are
    /// not embedded, are never interleaved.
    #[arg(
        long,
        value_name = "auto|off|TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "50ms",
        hide_default_value = true
    )]
    pub(crate) interleave: Option<Interleave>,
}

/// A value of `--interleave`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Interleave {
    /// Slices for CPU time where they are possible, else one trial after the other.
    #[default]
    Auto,
    /// One trial after the other.
    Off,
    /// Slices of this length for everything.
    Slices(HumanDuration),
}

impl FromStr for Interleave {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            length => time_slice_length(length)
                .map(Self::Slices)
                .map_err(|_| ConfigError::invalid("interleaving", text, "at least 1ms, such as 20ms, or auto, or off")),
        }
    }
}

impl fmt::Display for Interleave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Off => f.pad("off"),
            Self::Slices(length) => length.fmt(f),
        }
    }
}

/// The workloads of the trials of a block, divided into interleaved and sequential ones.
#[derive(Debug)]
pub(crate) struct Arrangement {
    /// Length of a slice, if anything is interleaved.
    pub(crate) slice: Option<HumanDuration>,
    /// The interleaved workloads come first.
    pub(crate) workloads: Vec<WorkloadSpec>,
}

/// Decides which workloads are interleaved, by `--interleave`. `trials` has the options of each trial of a block.
///
/// # Errors
/// If the requested slices are longer than a workload.
pub(crate) fn arrange(
    requested: Option<Interleave>,
    workloads: Vec<WorkloadSpec>,
    trials: &[&[String]],
) -> anyhow::Result<Arrangement> {
    match requested.unwrap_or_default() {
        Interleave::Off => Ok(Arrangement { slice: None, workloads }),
        Interleave::Slices(length) => {
            check_length(length, &workloads)?;
            Ok(Arrangement { slice: Some(length), workloads })
        }
        Interleave::Auto => Ok(split(workloads, trials)),
    }
}

/// Each workload that can be interleaved twice, for CPU time and for everything else.
fn split(all: Vec<WorkloadSpec>, trials: &[&[String]]) -> Arrangement {
    let mut interleaved = Vec::new();
    let mut sequential = Vec::new();
    let mut slice = SLICE;
    for workload in all {
        let Some(duration) = shortest(&workload, trials).filter(|_| trials.len() <= MAX_CONCURRENT) else {
            sequential.push(WorkloadSpec { sequential: true, ..workload });
            continue;
        };
        let half = duration / 2;
        slice = slice.min(half / MIN_SLICES).max(Duration::from_millis(1));
        let part = |metrics, sequential| WorkloadSpec { metrics, sequential, ..workloads::lasting(&workload, half) };
        interleaved.push(part(MetricSet::CpuTime, false));
        sequential.push(part(MetricSet::AllButCpuTime, true));
    }
    let slice = (!interleaved.is_empty()).then(|| HumanDuration(Duration::from_millis(slice.as_millis() as u64)));
    if slice.is_none() {
        // Nothing to distinguish from.
        sequential.iter_mut().for_each(|workload| workload.sequential = false);
    }
    interleaved.append(&mut sequential);
    Arrangement { slice, workloads: interleaved }
}

/// The shortest duration of the workload in any trial; `None` if one of them cannot be interleaved.
fn shortest(workload: &WorkloadSpec, trials: &[&[String]]) -> Option<Duration> {
    let durations = trials.iter().map(|options| {
        // Options that are not valid here may be valid for the program of an arm; if not, the run says so.
        let config = run_options::parse(&workloads::arguments(workload, options)).ok()?;
        can_interleave(&config).then_some(config.duration.0)
    });
    durations.collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// A closed loop with the embedded server. In an open loop the cold caches of a slice make the generator late, and copies of
/// other servers may need the same port.
fn can_interleave(config: &RunConfig) -> bool {
    let is_closed_loop = match config.mode {
        Mode::Echo => config.rate == Rate::Max,
        Mode::Handshake => config.connect_rate == Rate::Max,
        Mode::Subscribe => false,
    };
    is_closed_loop && config.is_embedded()
}

fn check_length(slice: HumanDuration, workloads: &[WorkloadSpec]) -> anyhow::Result<()> {
    for workload in workloads {
        let duration = run_options::parse(&workload.options)?.duration;
        ensure!(
            slice <= duration,
            "--interleave {slice} is longer than the workload {}, which lasts {duration}; give a shorter slice or a longer \
             --trial",
            workload.kind
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wss_analysis::workload::{self, Workload};

    use super::*;

    fn arranged(requested: Interleave, kinds: &[Workload], trial: &str, options: &[&str]) -> Arrangement {
        let workloads = workloads::workloads(kinds, trial.parse().unwrap(), None, &[]);
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        arrange(Some(requested), workloads, &[&[], &options]).unwrap()
    }

    fn kinds(arrangement: &Arrangement) -> Vec<(Workload, MetricSet, bool)> {
        arrangement.workloads.iter().map(|one| (one.kind, one.metrics, one.sequential)).collect()
    }

    #[test]
    fn closed_loops_are_split_and_open_loops_are_not() {
        let arrangement = arranged(Interleave::Auto, &[Workload::Echo, Workload::Paced], "2s", &[]);
        assert_eq!(
            kinds(&arrangement),
            [
                (Workload::Echo, MetricSet::CpuTime, false),
                (Workload::Echo, MetricSet::AllButCpuTime, true),
                (Workload::Paced, MetricSet::All, true),
            ]
        );
        assert_eq!(arrangement.slice, Some(HumanDuration(SLICE)));
        let durations = arrangement.workloads.iter().map(|one| run_options::parse(&one.options).unwrap().duration.0);
        assert_eq!(durations.collect::<Vec<_>>(), [500, 500, 1000].map(Duration::from_millis));
        assert_eq!(
            workload::schedule(&arrangement.workloads, arrangement.slice),
            workload::Schedule::Both(HumanDuration(SLICE))
        );
    }

    #[test]
    fn short_trials_have_short_slices() {
        let arrangement = arranged(Interleave::Auto, &[Workload::Handshake, Workload::Echo], "200ms", &[]);
        assert_eq!(arrangement.slice, Some(HumanDuration(Duration::from_millis(12))));
        let arrangement = arranged(Interleave::Auto, &[Workload::Handshake], "1ms", &[]);
        assert_eq!(arrangement.slice, Some(HumanDuration(Duration::from_millis(1))));
    }

    #[test]
    fn what_cannot_be_interleaved_runs_one_trial_after_the_other() {
        for options in [&["--rate=1000/s"][..], &["wss://127.0.0.1:1/"], &["--server=x"], &["--engine=warp"]] {
            let arrangement = arranged(Interleave::Auto, &[Workload::Echo], "2s", options);
            assert_eq!(kinds(&arrangement), [(Workload::Echo, MetricSet::All, false)], "{options:?}");
            assert_eq!(arrangement.slice, None);
        }
        // The rate of messages does not matter to handshakes.
        let arrangement = arranged(Interleave::Auto, &[Workload::Handshake], "2s", &["--rate=1000/s"]);
        assert_eq!(arrangement.workloads.len(), 2);
        let options = vec![&[][..]; MAX_CONCURRENT + 1];
        let workloads = workloads::workloads(&[Workload::Echo], workloads::TRIAL, None, &[]);
        assert_eq!(arrange(None, workloads, &options).unwrap().slice, None);
    }

    #[test]
    fn a_requested_length_applies_to_everything() {
        let length = HumanDuration(Duration::from_millis(20));
        let arrangement = arranged(Interleave::Slices(length), &[Workload::Echo, Workload::Paced], "2s", &[]);
        assert_eq!(
            workload::schedule(&arrangement.workloads, arrangement.slice),
            workload::Schedule::Interleaved(length)
        );
        let arrangement = arranged(Interleave::Off, &[Workload::Echo], "2s", &[]);
        assert_eq!(workload::schedule(&arrangement.workloads, arrangement.slice), workload::Schedule::Sequential);
    }

    #[test]
    fn round_trips_through_text() {
        for text in ["auto", "off", "20ms"] {
            assert_eq!(text.parse::<Interleave>().unwrap().to_string(), text);
        }
        assert!("on".parse::<Interleave>().is_err() && "10us".parse::<Interleave>().is_err());
    }
}
