//! The comparison as a whole: in which order the servers have their turns, all trials, the file they go to, and the
//! medians and ratios made of them.
//!
//! A ratio is made of pairs of trials of the same round, which ran seconds apart: what changes on a machine from minute
//! to minute is in both and falls out ([`paired_ratio`]). Trials that are not valid are kept, counted and shown, and are
//! part of no median and no ratio.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use wss_analysis::statistics::{Ratio, median, paired_ratio};
use wss_model::run_result::{Environment, Tool};
use wss_model::{Rate, Size};

use crate::trial::{Figures, LegOptions, Trial};

/// Schema of [`Comparison`].
pub const SCHEMA: &str = "wssbench.baseline-comparison/2";

/// The servers, the baseline first: the ratios are the others over it.
pub const SERVERS: [&str; 4] = ["baseline", "wss-server uring", "wss-server epoll", "wss-server tokio-uring"];

/// Rounds from which on the figures are more than a trial: each server has had each place twice.
pub const ROUNDS_TO_QUOTE: usize = 8;

/// A Williams square: in four rounds each server has each place once, and each comes directly after each other once.
const ORDERS: [[usize; 4]; 4] = [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]];

/// The order of [`SERVERS`] in a round.
pub const fn order(round: usize) -> [usize; 4] {
    ORDERS[round % ORDERS.len()]
}

/// A load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// What it is called, in each trial as well.
    pub name: String,
    /// `max` (a closed loop) or messages a second.
    pub rate: Rate,
    /// Connections.
    pub connections: usize,
    /// Bytes a message.
    pub size: Size,
}

/// The loads of a comparison: few connections that always have something to say, many, many that rarely have, and
/// large messages.
pub fn loads() -> Vec<Load> {
    let load =
        |name: &str, rate, connections, size| Load { name: name.to_owned(), rate, connections, size: Size(size) };
    vec![
        load("64B-x64", Rate::Max, 64, 64),
        load("64B-x512", Rate::Max, 512, 64),
        load("64B-x200-20k/s", Rate::PerSecond(20_000.0), 200, 64),
        load("16KiB-x16", Rate::Max, 16, 16 << 10),
    ]
}

/// All of it, as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: String,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// This program's options as they were used.
    pub command_line: String,
    /// The generator's command line, for the first load.
    pub generator: String,
    /// Machine (kernel, CPU model …), as the first trial found it; its steal time is that trial's.
    pub environment: Option<Environment>,
    /// The generator: version, commit, profile, crates.
    pub tool: Option<Tool>,
    /// Profile of this program, `release` or `debug`; that of the servers if they were built by the same command.
    pub profile: String,
    /// What a trial was.
    pub options: LegOptions,
    /// The loads.
    pub loads: Vec<Load>,
    /// Rounds asked for.
    pub rounds: usize,
    /// Whether all of them were run.
    pub complete: bool,
    /// Every trial, in the order in which they ran.
    pub trials: Vec<Trial>,
}

impl Comparison {
    /// Writes it to `path` as JSON, whole or not at all.
    ///
    /// # Errors
    /// If the folder or the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let writing = || format!("writing the comparison to {} (--out takes another place)", path.display());
        let mut json = serde_json::to_vec_pretty(self).with_context(writing)?;
        json.push(b'\n');
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(writing)?;
        // As any file is made, less the umask; a temporary file would otherwise be for its owner alone.
        let permissions = Permissions::from_mode(0o666);
        let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(folder).with_context(writing)?;
        file.write_all(&json).and_then(|()| file.as_file().sync_all()).with_context(writing)?;
        file.persist(path).with_context(writing)?;
        File::open(folder).and_then(|folder| folder.sync_all()).with_context(writing)
    }

    /// The trials of one server at one load.
    pub fn trials_of<'a>(&'a self, load: &'a str, server: &'a str) -> impl Iterator<Item = &'a Trial> {
        self.trials.iter().filter(move |trial| trial.load == load && trial.server == server)
    }

    /// Median and range of a figure over the valid trials; `None` if there is none.
    pub fn spread(&self, load: &str, server: &str, figure: fn(&Figures) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.trials_of(load, server).filter_map(|trial| valid(trial).and_then(figure)).collect())
    }

    /// `server`'s figure over the baseline's, of the rounds in which both trials are valid.
    pub fn ratio(&self, load: &str, server: &str, figure: fn(&Figures) -> Option<f64>) -> Option<Ratio> {
        let baseline = |round| self.trials_of(load, SERVERS[0]).find(|trial| trial.round == round);
        paired_ratio(self.trials_of(load, server).filter_map(|trial| {
            let ours = figure(valid(trial)?)?;
            let theirs = figure(valid(baseline(trial.round)?)?)?;
            Some((ours, theirs))
        }))
    }
}

/// The figures of a trial that count.
fn valid(trial: &Trial) -> Option<&Figures> {
    trial.figures.as_ref().filter(|_| trial.valid)
}

/// Median and range of a few values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Median; of an even number of values the mean of the middle two.
    pub median: f64,
    /// Lowest.
    pub min: f64,
    /// Highest.
    pub max: f64,
    /// How many values.
    pub count: usize,
}

impl Spread {
    /// `None` of no values.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&min, &max) = values.first().zip(values.last())?;
        let count = values.len();
        Some(Self { median: median(values)?, min, max, count })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use wss_model::HumanDuration;

    /// A trial with so many messages a second; not valid if that is negative.
    pub(crate) fn trial(round: usize, server: &str, messages_per_s: f64) -> Trial {
        let valid = messages_per_s > 0.0;
        Trial {
            round,
            load: "paced".to_owned(),
            server: server.to_owned(),
            valid,
            reasons: if valid { Vec::new() } else { vec!["the generator was late".to_owned()] },
            figures: Some(Figures {
                messages_per_s: messages_per_s.abs(),
                server_cpu_us: 10.0,
                client_cpu_us: 9.0,
                client_cpu_share: 0.5,
                response_us_p50: Some(80.0),
                response_us_p99: None,
                received: 3,
                warmup_received: 1,
                handshakes: 128,
                server_cpu_ns: 40_000,
                server_threads_ended: 0,
                steal_percent: 0.0,
            }),
        }
    }

    pub(crate) fn comparison(trials: Vec<Trial>) -> Comparison {
        Comparison {
            schema: SCHEMA.to_owned(),
            started_at: "2026-01-01T00:00:00Z".to_owned(),
            command_line: String::new(),
            generator: String::new(),
            environment: None,
            tool: None,
            profile: "debug".to_owned(),
            options: LegOptions { duration: HumanDuration::from_secs(3), warmup: HumanDuration::from_secs(1) },
            loads: vec![Load { name: "paced".to_owned(), ..loads().remove(2) }],
            rounds: 3,
            complete: true,
            trials,
        }
    }

    #[test]
    fn four_rounds_give_every_server_every_place_and_every_predecessor_once() {
        let rounds: Vec<_> = (0..4).map(order).collect();
        for server in 0..SERVERS.len() {
            for place in 0..SERVERS.len() {
                assert_eq!(rounds.iter().filter(|order| order[place] == server).count(), 1);
            }
            for other in (0..SERVERS.len()).filter(|&other| other != server) {
                let after = |order: &&[usize; 4]| order.windows(2).any(|pair| pair == [other, server]);
                assert_eq!(rounds.iter().filter(after).count(), 1);
            }
        }
    }

    #[test]
    fn a_ratio_is_made_of_trials_of_the_same_round() {
        let [baseline, ours, ..] = SERVERS;
        let trials = [(100.0, 110.0), (200.0, 220.0), (1000.0, 1100.0)].into_iter().enumerate();
        let trials =
            trials.flat_map(|(round, (theirs, of_ours))| [trial(round, baseline, theirs), trial(round, ours, of_ours)]);
        let ratio = comparison(trials.collect()).ratio("paced", ours, |figures| Some(figures.messages_per_s)).unwrap();
        assert!((ratio.center - 1.1).abs() < 1e-9 && ratio.pairs == 3, "{ratio:?}");
        assert_eq!(ratio.interval, None, "three rounds have none");
    }

    #[test]
    fn a_trial_that_is_not_valid_is_in_no_median_and_in_no_ratio() {
        let [baseline, ours, ..] = SERVERS;
        let trials =
            vec![trial(0, baseline, -1.0), trial(0, ours, 50.0), trial(1, baseline, 100.0), trial(1, ours, 70.0)];
        let comparison = comparison(trials);
        let rate = |figures: &Figures| Some(figures.messages_per_s);
        assert_eq!(comparison.spread("paced", baseline, rate).map(|spread| spread.count), Some(1));
        assert_eq!(comparison.ratio("paced", ours, rate).map(|ratio| ratio.pairs), Some(1));
        assert_eq!(comparison.spread("saturated", ours, rate), None);
    }

    #[test]
    fn the_median_of_an_even_number_is_the_middle_of_the_middle_two() {
        assert_eq!(Spread::of(vec![4.0, 1.0, 3.0, 2.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn the_file_reads_back_and_replaces_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/comparison.json");
        let written = comparison(vec![trial(0, SERVERS[0], 1.0)]);
        written.write(&path).unwrap();
        written.write(&path).unwrap();
        let read: Comparison = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(read.trials[0].figures, written.trials[0].figures);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
