//! The CPU time of a handshake over loopback, divided by that of the same handshake in memory, for each end.
//!
//! A round is the handshake in memory, each engine saturated and paced (`wssbench run --mode handshake --layer tls
//! --no-first-echo`), then the handshake in memory again. Each ratio pairs a run with the mean of the two in-memory figures
//! of its round. The figure over loopback contains the kernel, connect, accept and close; the one in memory contains none
//! of these, nor the adapter between rustls and tokio.
//!
//! Exit code: 0 if every run is valid, 3 if not, 1 if it could not run.

use std::collections::BTreeSet;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use wss_analysis::statistics::{Interval, Ratio, median, paired_ratio};
use wss_benches::in_memory::Peers;
use wss_benches::program;
use wss_model::config::tls::Verify;
use wss_model::text::phrases::describe_reasons;
use wss_model::{EngineKind, HumanDuration, RunResult, TlsOptions, store};
use wss_wire::machine;

const EXIT_INVALID: u8 = 3;

/// The CPU of the embedded server of `wssbench run`, on which the handshakes in memory run as well.
const SERVER_CPU: usize = 0;

/// Compare the CPU time of a TLS handshake over loopback with that in memory
#[derive(Parser)]
#[command(name = "network-over-memory", version)]
struct Options {
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 8)]
    rounds: usize,

    /// Measured duration of each run
    #[arg(long, value_name = "TIME", default_value = "2s")]
    duration: HumanDuration,

    /// Handshakes in memory before, and again after, the runs of a round
    #[arg(long, value_name = "N", default_value_t = 2000)]
    in_memory: u32,

    /// Rate of the paced load, in handshakes per second
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rate: u32,

    /// Engines, each used on both ends
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [EngineKind::Uring, EngineKind::Epoll])]
    engine: Vec<EngineKind>,

    /// What the client verifies over loopback; in memory it always verifies fully
    #[arg(long, value_enum, default_value_t = Verify::Full)]
    verify: Verify,

    /// TLS of both ends
    #[command(flatten)]
    tls: TlsOptions,
}

/// CPU time per handshake of one measurement.
#[derive(Debug, Clone, Copy)]
struct HandshakeCost {
    server_us: f64,
    client_us: f64,
    /// CPU time of the server's threads over elapsed time, 0 to 1.
    server_utilization: f64,
}

/// A load over loopback: an engine, and a rate as an argument of `--connect-rate`.
type Load<'a> = (EngineKind, &'a str);

/// The cost over loopback, with the mean cost in memory of the same round.
type Pair = (HandshakeCost, HandshakeCost);

fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_INVALID),
        Err(error) => {
            eprintln!("network-over-memory: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all rounds and prints the table; whether every run is valid.
fn compare(options: &Options) -> anyhow::Result<bool> {
    ensure!(options.rounds > 0 && options.in_memory > 0, "--rounds and --in-memory must be at least 1");
    let peers = Peers::new(&options.tls)?;
    let paced = format!("{}/s", options.rate);
    let loads: Vec<Load<'_>> =
        options.engine.iter().flat_map(|&engine| [(engine, "max"), (engine, paced.as_str())]).collect();
    let mut memory = Vec::new();
    let mut network = vec![Vec::new(); loads.len()];
    let mut invalid = Vec::new();
    for round in 0..options.rounds {
        let before = in_memory(&peers, options.in_memory)?;
        let mut costs = Vec::new();
        for position in 0..loads.len() {
            // Rotates the order, so that every load takes every position.
            let load = (round + position) % loads.len();
            let (engine, rate) = loads[load];
            costs.push((load, over_network(options, engine, rate, &mut invalid)?));
        }
        let after = in_memory(&peers, options.in_memory)?;
        let mean = HandshakeCost {
            server_us: f64::midpoint(before.server_us, after.server_us),
            client_us: f64::midpoint(before.client_us, after.client_us),
            server_utilization: 1.0,
        };
        memory.push(mean);
        for (load, cost) in costs {
            network[load].extend(cost.map(|cost| (cost, mean)));
        }
        eprintln!("round {} of {}", round + 1, options.rounds);
    }
    print_table(&loads, &memory, &network);
    for reason in &invalid {
        println!("invalid, and not in the table: {reason}");
    }
    Ok(invalid.is_empty())
}

/// Measures the handshake in memory on the server's CPU, in a thread of its own, so that this one keeps its affinity.
fn in_memory(peers: &Peers, count: u32) -> anyhow::Result<HandshakeCost> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            machine::pin_thread(&BTreeSet::from([SERVER_CPU])).context("pinning to the server's CPU")?;
            let (mut server, mut client) = (Duration::ZERO, Duration::ZERO);
            // The first tenth warms up caches and thread-local state.
            let warm_up = count / 10;
            for number in 0..count + warm_up {
                let times = peers.handshake()?;
                if number >= warm_up {
                    server += times.server;
                    client += times.client;
                }
            }
            let per_handshake = |total: Duration| total.as_secs_f64() * 1e6 / f64::from(count);
            Ok(HandshakeCost {
                server_us: per_handshake(server),
                client_us: per_handshake(client),
                server_utilization: 1.0,
            })
        });
        thread.join().map_err(|_| anyhow::anyhow!("the handshake in memory panicked"))?
    })
}

/// Runs one load over loopback; `None` if the run is invalid, with the reason added to `invalid`.
fn over_network(
    options: &Options,
    engine: EngineKind,
    rate: &str,
    invalid: &mut Vec<String>,
) -> anyhow::Result<Option<HandshakeCost>> {
    let folder = tempfile::tempdir().context("creating a folder for the result")?;
    let out = folder.path().join("result.json");
    let mut command = Command::new(program::sibling("wssbench")?);
    command
        .args(["run", "--mode=handshake", "--layer=tls", "--no-first-echo", "--warmup=500ms", "--json"])
        .args([format!("--engine={engine}"), format!("--connect-rate={rate}"), format!("--verify={}", options.verify)])
        .args([format!("--duration={}", options.duration), format!("--out={}", out.display())])
        .args(options.tls.arguments())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if options.tls.cost_split.is_none() {
        command.arg("--cost-split=off");
    }
    let status = command.status().context("starting wssbench")?;
    ensure!(matches!(status.code(), Some(0 | 3)), "wssbench run failed with {status}");
    let result = store::read::<RunResult>(&out).context("reading the result")?;
    let handshake = &result.handshake;
    match (handshake.server_cpu_ns, handshake.client_cpu_ns, &result.server) {
        (Some(server), Some(client), Some(end)) if result.valid => Ok(Some(HandshakeCost {
            server_us: server / 1e3,
            client_us: client / 1e3,
            server_utilization: end.cpu_utilization,
        })),
        _ => {
            invalid.push(format!("{engine} at {rate}: {}", describe_reasons(&result.invalid_because)));
            Ok(None)
        }
    }
}

fn print_table(loads: &[Load<'_>], memory: &[HandshakeCost], network: &[Vec<Pair>]) {
    let server = spread(memory.iter().map(|cost| cost.server_us).collect(), 1);
    let client = spread(memory.iter().map(|cost| cost.client_us).collect(), 1);
    println!("| where | rate | server µs | client µs | server ÷ memory | client ÷ memory | server's CPU used |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    println!("| memory | | {server} | {client} | | | |");
    for ((engine, rate), pairs) in loads.iter().zip(network) {
        let column = |figure: fn(&HandshakeCost) -> f64, digits| {
            spread(pairs.iter().map(|(network, _)| figure(network)).collect(), digits)
        };
        println!(
            "| {engine} | {rate} | {} | {} | {} | {} | {} |",
            column(|cost| cost.server_us, 1),
            column(|cost| cost.client_us, 1),
            ratio(pairs, |cost| cost.server_us),
            ratio(pairs, |cost| cost.client_us),
            column(|cost| cost.server_utilization, 2),
        );
    }
}

/// Median and range, `12.3 (11.9–13.0)`.
fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let range = values.first().copied().zip(values.last().copied());
    match range.zip(median(values)) {
        None => "—".to_owned(),
        Some(((min, max), median)) => format!("{median:.digits$} ({min:.digits$}–{max:.digits$})"),
    }
}

/// The figure over loopback divided by that in memory, paired by round, with Wilcoxon's interval.
fn ratio(pairs: &[Pair], figure: fn(&HandshakeCost) -> f64) -> String {
    match paired_ratio(pairs.iter().map(|(network, memory)| (figure(network), figure(memory)))) {
        None => "—".to_owned(),
        Some(Ratio { center, interval: None, .. }) => format!("{center:.2}"),
        Some(Ratio { center, interval: Some(Interval { low, high, .. }), .. }) => {
            format!("{center:.2} ({low:.2}–{high:.2})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_with_the_range() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0], 1), "2.0 (1.0–3.0)");
        assert_eq!(spread(Vec::new(), 1), "—");
    }
}
