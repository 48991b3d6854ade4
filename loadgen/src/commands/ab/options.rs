//! The options of `wssbench ab`.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use wss_analysis::workload::{Workload, WorkloadSpec};
use wss_model::{HumanDuration, Percent};

use wss_analysis::statistics::{MIN_PAIRS, MIN_PAIRS_OF_LOOK};

use crate::child::interleave::InterleaveOption;
use crate::child::workloads;
use crate::commands::report::HtmlOption;

/// Default number of blocks.
const BLOCKS: usize = 12;
/// Default limit of blocks with `--until-width`.
const BLOCKS_UNTIL_WIDTH: usize = 60;
/// Default workloads of a trial.
const WORKLOADS: [Workload; 2] = [Workload::Handshake, Workload::Echo];

/// `wssbench ab`.
#[derive(Debug, Args)]
pub(crate) struct AbCommand {
    /// The baseline: options of run, e.g. "--suite aes128", "" for the defaults, or "--server 'CMD'" for any server; a
    /// URL; a TOML file as for run --config; or the paths of one or more wssbench executables, separated by commas
    ///
    /// Several executables take turns, one per trial: if each is linked in a different order, the effect of the link order,
    /// which can be a tenth of the CPU time, averages out.
    #[arg(long, value_name = "OPTIONS|URL|FILE|BUILD", allow_hyphen_values = true)]
    pub(super) a: String,

    /// The candidate to compare with the baseline, in the same forms as --a
    #[arg(long, value_name = "OPTIONS|URL|FILE|BUILD", allow_hyphen_values = true, required_unless_present = "aa")]
    pub(super) b: Option<String>,

    /// Compare A with a copy of itself: any difference is noise of this machine
    #[arg(long, conflicts_with = "b")]
    pub(super) aa: bool,

    /// Number of blocks of four trials each, ABBA or BAAB; confidence intervals need at least 6 [default: 12; with
    /// --until-width, up to 60]
    #[arg(long, value_name = "N")]
    pub(super) blocks: Option<usize>,

    /// Stop as soon as the confidence intervals of the primary metrics are no wider than this, regardless of the result
    #[arg(long, value_name = "PERCENT")]
    pub(super) until_width: Option<Percent>,

    /// Duration of one trial, divided among its workloads (each is preceded by a short warm-up)
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub(super) trial: HumanDuration,

    /// Workloads of a trial [default: handshake,echo]
    #[arg(
        long,
        value_enum,
        value_name = "WORKLOAD",
        value_delimiter = ',',
        default_values_t = WORKLOADS,
        hide_default_value = true
    )]
    pub(super) workloads: Vec<Workload>,

    #[command(flatten)]
    pub(super) slices: InterleaveOption,

    /// Seed for the order of the trials and for every run
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,

    /// Print the result as JSON, including all blocks
    #[arg(long, conflicts_with = "md", help_heading = "Output")]
    pub(super) json: bool,

    /// Print the tables as Markdown, for a pull request
    #[arg(long, help_heading = "Output")]
    pub(super) md: bool,

    /// File for the result, written after each block [default: results/runs/ID.comparison.json]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) out: Option<PathBuf>,

    #[command(flatten)]
    pub(super) html: HtmlOption,

    /// Options of run for both arms, after --
    #[arg(last = true, value_name = "OPTIONS OF RUN")]
    pub(super) run: Vec<String>,
}

impl AbCommand {
    /// The maximum number of blocks.
    pub(super) fn blocks(&self) -> anyhow::Result<usize> {
        let default = if self.until_width.is_some() { BLOCKS_UNTIL_WIDTH } else { BLOCKS };
        let blocks = self.blocks.unwrap_or(default);
        ensure!(blocks > 0, "--blocks is 0; give at least 1, or at least {MIN_PAIRS} for intervals");
        ensure!(
            self.until_width.is_none() || blocks >= MIN_PAIRS_OF_LOOK,
            "--until-width requires at least {MIN_PAIRS_OF_LOOK} blocks, but --blocks is {blocks}"
        );
        Ok(blocks)
    }

    /// The workloads of every trial, in the order in which they run.
    pub(super) fn trial_workloads(&self) -> anyhow::Result<Vec<WorkloadSpec>> {
        ensure!(!self.trial.0.is_zero(), "--trial is 0; give a duration such as 5s");
        let mut kinds = self.workloads.clone();
        kinds.sort_unstable();
        kinds.dedup();
        Ok(workloads::workloads(&kinds, self.trial, None, &[]))
    }
}
