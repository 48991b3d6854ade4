//! `--interleave`: the trials of a block at the same time, in short alternating slices.

use anyhow::ensure;
use clap::Args;
use wss_analysis::workload::WorkloadSpec;
use wss_model::HumanDuration;
use wss_model::config::time_slice_length;

/// `--interleave`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct InterleaveOption {
    /// Run the trials of a block concurrently in short time slices, so that machine noise affects all of them equally
    ///
    /// Smaller differences in CPU time per message become visible. Each slice begins with cold caches, and the rate of a
    /// closed loop is lower because of the pauses.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "20ms",
        value_parser = time_slice_length
    )]
    pub(crate) interleave: Option<HumanDuration>,
}

/// Refuses slices that are longer than a workload.
///
/// # Errors
/// With the workload that is too short.
pub(crate) fn check_interleave(slice: Option<HumanDuration>, workloads: &[WorkloadSpec]) -> anyhow::Result<()> {
    let Some(slice) = slice else { return Ok(()) };
    for workload in workloads {
        let duration = super::run_options::parse(&workload.options)?.duration;
        ensure!(
            slice <= duration,
            "--interleave {slice} is longer than the workload {}, which lasts {duration}; give a shorter slice or a longer \
             --trial",
            workload.kind
        );
    }
    Ok(())
}
