//! The sweep's own options, beside those of `run` that are its axes.

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use wss_analysis::workload::Workload;
use wss_model::HumanDuration;

use super::axes::{self, Axis};
use super::presets::Preset;
use crate::child::run::InterleaveOption;

/// Seed if none is given.
const SEED: u64 = 1;

/// `wssbench sweep`.
#[derive(Debug)]
pub(crate) struct SweepCommand {
    pub(super) options: SweepOptions,
    /// What was given of the options of `run`.
    pub(super) axes: Vec<Axis>,
}

/// What is a sweep's alone.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Sweep")]
pub(super) struct SweepOptions {
    /// A common question, ready to run; options of run that it leaves open can be added [default, if no option of run
    /// is given: tour]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) preset: Option<Preset>,

    /// Blocks: each runs every configuration once; 6 are the fewest that give an interval [default: 12; tour: 8]
    #[arg(long, value_name = "N")]
    pub(super) blocks: Option<usize>,

    /// How long one configuration has its turn in a block, shared by its workloads; each has a short warm-up before
    /// [default: 2s; engines: 5s]
    #[arg(long, value_name = "TIME")]
    pub(super) trial: Option<HumanDuration>,

    /// Handshakes of the workload handshake, in place of its time: so many connections, opened once more than that to warm
    /// up, and kept open (closing them is then not in their cost)
    #[arg(long, value_name = "N", conflicts_with = "interleave")]
    pub(super) trial_handshakes: Option<usize>,

    /// What a turn consists of [default: handshake,echo,bulk; a preset has its own]
    #[arg(long, value_enum, value_name = "WORKLOAD", value_delimiter = ',')]
    pub(super) workloads: Vec<Workload>,

    #[command(flatten)]
    pub(super) slices: InterleaveOption,

    /// The configuration that the others are compared with: its number, or words of its label that no other has, both as
    /// --list shows them [default: 1]
    #[arg(long, value_name = "N|WORDS")]
    pub(super) reference: Option<String>,

    /// Seed of the order in the blocks, and of every run
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,

    /// Say what would be run and how long it would take, and run nothing
    #[arg(long)]
    pub(super) list: bool,

    /// Go on with a sweep that was cut short, or with --blocks add to one; what it compares stands in the file
    #[arg(long, value_name = "FILE")]
    pub(super) resume_from: Option<PathBuf>,

    /// Print the result as JSON, all blocks included
    #[arg(long, conflicts_with_all = ["csv", "md"], help_heading = "Input and output")]
    pub(super) json: bool,

    /// Print the figures as CSV, a line each
    #[arg(long, conflicts_with = "md", help_heading = "Input and output")]
    pub(super) csv: bool,

    /// Print the tables as Markdown
    #[arg(long, help_heading = "Input and output")]
    pub(super) md: bool,

    /// Where to write the result, after each block [default: results/runs/ID.sweep.json, or the file of --resume-from]
    #[arg(long, value_name = "FILE", help_heading = "Input and output")]
    pub(super) out: Option<PathBuf>,
}

impl SweepOptions {
    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or(SEED)
    }
}

impl Args for SweepCommand {
    fn augment_args(command: Command) -> Command {
        axes::augment(SweepOptions::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SweepCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { options: SweepOptions::from_arg_matches(matches)?, axes: axes::given(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
