//! The options of `wssbench ab`.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use wss_analysis::workload::{Workload, WorkloadSpec};
use wss_model::{HumanDuration, Percent};

use wss_analysis::statistics::MIN_PAIRS;

use crate::child::run::InterleaveOption;
use crate::child::workloads;

/// Blocks if nothing says otherwise.
const BLOCKS: usize = 12;
/// Blocks at most if it ends on the width of the intervals.
const BLOCKS_UNTIL_WIDTH: usize = 60;
/// What a turn consists of if nothing says otherwise.
const WORKLOADS: [Workload; 2] = [Workload::Handshake, Workload::Echo];

/// `wssbench ab`.
#[derive(Debug, Args)]
pub(crate) struct AbCommand {
    /// What is compared with: a build of wssbench or several with commas between them, which take turns (link order
    /// alone can make a tenth of difference); a TOML file as for run --config; or options of run, as in
    /// "--suite aes128 --group X25519"
    #[arg(long, value_name = "BINARY|CONFIG", allow_hyphen_values = true)]
    pub(super) a: String,

    /// What is compared with it, given in the same way
    #[arg(long, value_name = "BINARY|CONFIG", allow_hyphen_values = true, required_unless_present = "aa")]
    pub(super) b: Option<String>,

    /// Compare A with a copy of itself: what is found is the noise of this machine
    #[arg(long, conflicts_with = "b")]
    pub(super) aa: bool,

    /// Blocks, each of four trials, ABBA or BAAB; 6 are the fewest that give an interval [default: 12; with --until-width
    /// 60 at most]
    #[arg(long, value_name = "N")]
    pub(super) blocks: Option<usize>,

    /// End when the intervals of the primary figures are no longer than this (never when something is found)
    #[arg(long, value_name = "PERCENT")]
    pub(super) until_width: Option<Percent>,

    /// How long a trial lasts, shared by its workloads; each has a short warm-up before
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub(super) trial: HumanDuration,

    /// What a trial consists of
    #[arg(long, value_enum, value_name = "WORKLOAD", value_delimiter = ',', default_values_t = WORKLOADS)]
    pub(super) workloads: Vec<Workload>,

    #[command(flatten)]
    pub(super) slices: InterleaveOption,

    /// Seed of the order of the trials, and of every run
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,

    /// Print the result as JSON, all blocks included
    #[arg(long, conflicts_with = "md", help_heading = "Input and output")]
    pub(super) json: bool,

    /// Print the tables as Markdown, for a pull request
    #[arg(long, help_heading = "Input and output")]
    pub(super) md: bool,

    /// Where to write the result, after each block [default: results/runs/ID.comparison.json]
    #[arg(long, value_name = "FILE", help_heading = "Input and output")]
    pub(super) out: Option<PathBuf>,

    /// Options of run for both, after --
    #[arg(last = true, value_name = "OPTIONS OF RUN")]
    pub(super) run: Vec<String>,
}

impl AbCommand {
    /// How many blocks there are at most.
    pub(super) fn blocks(&self) -> anyhow::Result<usize> {
        let usual = if self.until_width.is_some() { BLOCKS_UNTIL_WIDTH } else { BLOCKS };
        let blocks = self.blocks.unwrap_or(usual);
        ensure!(blocks > 0, "--blocks is 0: give at least 1, and at least {MIN_PAIRS} for intervals");
        ensure!(
            self.until_width.is_none() || blocks >= MIN_PAIRS,
            "--until-width needs at least {MIN_PAIRS} blocks, and --blocks is {blocks}"
        );
        Ok(blocks)
    }

    /// What every trial is made of.
    pub(super) fn trial_workloads(&self) -> anyhow::Result<Vec<WorkloadSpec>> {
        ensure!(!self.trial.0.is_zero(), "--trial is 0: give a length of time such as 5s");
        let mut kinds = self.workloads.clone();
        kinds.sort_unstable();
        kinds.dedup();
        Ok(workloads::workloads(&kinds, self.trial, None, &[]))
    }
}
