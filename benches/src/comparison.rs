//! The comparison as a whole: in which order the servers have their turns, all legs, the file they go to, and the
//! medians and ratios made of them.
//!
//! A ratio is made of two legs of the same round, which ran seconds apart, and the median is taken of those: what
//! changes on a machine from minute to minute is in both and falls out. Legs that are not valid are kept, counted and
//! shown, and are part of no median.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use wss_results::Rate;
use wss_results::run_result::{Environment, Tool};

use crate::leg::{Figures, Leg, LegOptions};

/// Schema of [`Comparison`].
pub const SCHEMA: &str = "wssbench.baseline-comparison/1";

/// The servers, the baseline first: the ratios are the others over it.
pub const SERVERS: [&str; 3] = ["baseline", "wss-server epoll", "wss-server tokio-uring"];

/// Rounds from which on the figures are more than a trial.
pub const ROUNDS_TO_QUOTE: usize = 7;

/// Every order of three, so that in six rounds each server has each place twice, and each pair each order three times.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 0, 1], [1, 0, 2]];

/// The order of [`SERVERS`] in a round.
pub const fn order(round: usize) -> [usize; 3] {
    ORDERS[round % ORDERS.len()]
}

/// A load: its name and the rate that is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// `saturated` or `paced`.
    pub name: String,
    /// `max` or messages a second.
    pub rate: Rate,
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
    /// Machine (kernel, CPU model …), as the first leg found it; its steal time is that leg's.
    pub environment: Option<Environment>,
    /// The generator: version, commit, profile, crates.
    pub tool: Option<Tool>,
    /// Profile of this program, `release` or `debug`; that of the servers if they were built by the same command.
    pub profile: String,
    /// What a leg was.
    pub options: LegOptions,
    /// The loads.
    pub loads: Vec<Load>,
    /// Rounds asked for.
    pub rounds: usize,
    /// Whether all of them were run.
    pub complete: bool,
    /// Every leg, in the order in which they ran.
    pub legs: Vec<Leg>,
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

    /// The legs of one server at one load.
    pub fn legs_of<'a>(&'a self, load: &'a str, server: &'a str) -> impl Iterator<Item = &'a Leg> {
        self.legs.iter().filter(move |leg| leg.load == load && leg.server == server)
    }

    /// Median and range of a figure over the valid legs; `None` if there is none.
    pub fn spread(&self, load: &str, server: &str, figure: fn(&Figures) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.legs_of(load, server).filter_map(|leg| valid(leg).and_then(figure)).collect())
    }

    /// Median and range of `server`'s figure over the baseline's, round by round, of the rounds in which both legs
    /// are valid.
    pub fn ratio(&self, load: &str, server: &str, figure: fn(&Figures) -> Option<f64>) -> Option<Spread> {
        let baseline = |round| self.legs_of(load, SERVERS[0]).find(|leg| leg.round == round);
        let ratio = |leg: &Leg| {
            let ours = figure(valid(leg)?)?;
            let theirs = figure(valid(baseline(leg.round)?)?)?;
            (theirs > 0.0).then_some(ours / theirs)
        };
        Spread::of(self.legs_of(load, server).filter_map(ratio).collect())
    }
}

/// The figures of a leg that count.
fn valid(leg: &Leg) -> Option<&Figures> {
    leg.figures.as_ref().filter(|_| leg.valid)
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
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Some(Self { median, min, max, count: values.len() })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use wss_results::{HumanDuration, Size};

    /// A leg with so many messages a second; not valid if that is negative.
    pub(crate) fn leg(round: usize, server: &str, messages_per_s: f64) -> Leg {
        let valid = messages_per_s > 0.0;
        Leg {
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

    pub(crate) fn comparison(legs: Vec<Leg>) -> Comparison {
        Comparison {
            schema: SCHEMA.to_owned(),
            started_at: "2026-01-01T00:00:00Z".to_owned(),
            command_line: String::new(),
            generator: String::new(),
            environment: None,
            tool: None,
            profile: "debug".to_owned(),
            options: LegOptions {
                duration: HumanDuration::from_secs(3),
                warmup: HumanDuration::from_secs(1),
                connections: 64,
                size: Size(64),
            },
            loads: vec![Load { name: "paced".to_owned(), rate: Rate::PerSecond(20_000.0) }],
            rounds: 3,
            complete: true,
            legs,
        }
    }

    #[test]
    fn six_rounds_give_every_server_every_place_and_every_pair_every_order_equally_often() {
        let rounds: Vec<_> = (0..6).map(order).collect();
        for server in 0..3 {
            for place in 0..3 {
                assert_eq!(rounds.iter().filter(|order| order[place] == server).count(), 2);
            }
        }
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            let place = |order: &[usize; 3], server| order.iter().position(|&at| at == server).unwrap();
            assert_eq!(rounds.iter().filter(|order| place(order, one) < place(order, other)).count(), 3);
        }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_the_medians() {
        let [baseline, ours, _] = SERVERS;
        let legs = [(100.0, 110.0), (200.0, 180.0), (1000.0, 2000.0)].into_iter().enumerate();
        let legs =
            legs.flat_map(|(round, (theirs, of_ours))| [leg(round, baseline, theirs), leg(round, ours, of_ours)]);
        let ratio = comparison(legs.collect()).ratio("paced", ours, |figures| Some(figures.messages_per_s)).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max, ratio.count), (1.1, 0.9, 2.0, 3));
    }

    #[test]
    fn a_leg_that_is_not_valid_is_in_no_median_and_in_no_ratio() {
        let [baseline, ours, _] = SERVERS;
        let legs = vec![leg(0, baseline, -1.0), leg(0, ours, 50.0), leg(1, baseline, 100.0), leg(1, ours, 70.0)];
        let comparison = comparison(legs);
        let rate = |figures: &Figures| Some(figures.messages_per_s);
        assert_eq!(comparison.spread("paced", baseline, rate).map(|spread| spread.count), Some(1));
        assert_eq!(comparison.ratio("paced", ours, rate).map(|ratio| (ratio.median, ratio.count)), Some((0.7, 1)));
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
        let written = comparison(vec![leg(0, SERVERS[0], 1.0)]);
        written.write(&path).unwrap();
        written.write(&path).unwrap();
        let read: Comparison = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(read.legs[0].figures, written.legs[0].figures);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
