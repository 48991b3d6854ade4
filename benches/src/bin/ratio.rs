//! The ratio between any two figures of a sweep, from its blocks: `wssbench sweep` prints those of each configuration to
//! the same figure of the reference.

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use wss_analysis::metric::Metric;
use wss_analysis::statistics::paired_ratio;
use wss_analysis::sweep::{Block, SweepResult};
use wss_benches::summary;
use wss_model::store;

/// A figure of one configuration of a sweep over another figure, or the same one of another configuration
///
/// Hodges–Lehmann center and exact Wilcoxon signed-rank interval of the blocks that have both.
#[derive(Debug, Parser)]
struct Options {
    /// What `wssbench sweep` wrote
    sweep: PathBuf,
    /// Number of a configuration, as `wssbench sweep --list` shows it
    number: usize,
    /// Its figure, as the file names it: server_cpu_message_us
    #[arg(value_parser = metric)]
    metric: Metric,
    /// Number of the configuration beneath the line
    beneath: usize,
    /// Its figure
    #[arg(value_parser = metric)]
    beneath_metric: Metric,
}

fn metric(name: &str) -> serde_json::Result<Metric> {
    serde_json::from_value(name.into())
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let sweep = store::read::<SweepResult>(&options.sweep)?;
    let of = |block: &Block, number: usize, metric: Metric| {
        block.trials.iter().find(|trial| trial.configuration == number)?.metric(metric)
    };
    let pair = |block| {
        let over = of(block, options.number, options.metric)?;
        Some((over, of(block, options.beneath, options.beneath_metric)?))
    };
    let ratio = paired_ratio(sweep.blocks.iter().filter_map(pair)).context("no block has both")?;
    println!("{} of {} blocks", summary::ratio_in_words(Some(&ratio)), ratio.pairs);
    Ok(())
}
