//! The sweep's own options, beside those of `run` that are its axes.

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use wss_analysis::workload::Workload;
use wss_model::HumanDuration;

use super::axes::{self, Axis};
use super::presets::Preset;
use super::ratios::RatioRequest;
use crate::child::interleave::InterleaveOption;
use crate::commands::report::HtmlOption;

/// Default seed.
const SEED: u64 = 1;

/// `wssbench sweep`.
#[derive(Debug)]
pub(crate) struct SweepCommand {
    pub(super) options: SweepOptions,
    /// The options of `run` that were given.
    pub(super) axes: Vec<Axis>,
}

/// The options of the sweep itself.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Sweep")]
pub(super) struct SweepOptions {
    /// A predefined sweep; add options of run that it does not set [default without options of run: tour]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(super) preset: Option<Preset>,

    /// Number of blocks, each of which runs every configuration once; confidence intervals need at least 6 [default: 12; tour: 8]
    #[arg(long, value_name = "N")]
    pub(super) blocks: Option<usize>,

    /// Duration of one trial, divided among its workloads (each is preceded by a short warm-up) [default: 2s; engines: 5s]
    #[arg(long, value_name = "TIME")]
    pub(super) trial: Option<HumanDuration>,

    /// Fixed number of handshakes for the handshake workload instead of a duration; connections stay open, so closing is
    /// not measured
    #[arg(long, value_name = "N", conflicts_with = "interleave")]
    pub(super) trial_handshakes: Option<usize>,

    /// Workloads of a trial [default: handshake,echo,bulk; a preset has its own]
    #[arg(long, value_enum, value_name = "WORKLOAD", value_delimiter = ',')]
    pub(super) workloads: Vec<Workload>,

    #[command(flatten)]
    pub(super) slices: InterleaveOption,

    /// The configuration that the others are compared with: its number, or an unambiguous part of its label; --list prints
    /// both [default: 1]
    #[arg(long, value_name = "N|LABEL")]
    pub(super) reference: Option<String>,

    /// Seed for the order in the blocks and for every run
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,

    /// Print the configurations and the expected duration, and run nothing
    #[arg(long)]
    pub(super) list: bool,

    /// Resume an interrupted sweep, or add blocks to it with --blocks; the configurations are those of the file
    #[arg(long, value_name = "FILE")]
    pub(super) resume_from: Option<PathBuf>,

    /// Print the ratio of any two configurations, e.g. 2/3, or of two metrics, e.g.
    /// 1:client_cpu_message_us/1:server_cpu_message_us; may be given several times
    #[arg(long, value_name = "N/M", conflicts_with_all = ["json", "csv", "md", "list"])]
    pub(super) ratio: Vec<RatioRequest>,

    /// Print the ratios of --ratio from the result of a sweep, and run nothing
    #[arg(long, value_name = "FILE", requires = "ratio", conflicts_with = "resume_from")]
    pub(super) from: Option<PathBuf>,

    /// Print the result as JSON, including all blocks
    #[arg(long, conflicts_with_all = ["csv", "md"], help_heading = "Output")]
    pub(super) json: bool,

    /// Print the metrics as CSV, one line each
    #[arg(long, conflicts_with = "md", help_heading = "Output")]
    pub(super) csv: bool,

    /// Print the tables as Markdown
    #[arg(long, help_heading = "Output")]
    pub(super) md: bool,

    /// File for the result, written after each block [default: results/runs/ID.sweep.json, or the file of --resume-from]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,

    #[command(flatten)]
    pub(super) html: HtmlOption,
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
