//! What a network adds to a handshake: the CPU time of `wssbench run --mode handshake --layer tls --no-first-echo`
//! over that of the same handshake in memory, on each side, in rounds of one run.
//!
//! A round is the handshake in memory, then each engine saturated and paced, then the handshake in memory again: the
//! ratios are to the mean of the two, in pairs, with their exact interval. The network's figure holds the kernel, connect, accept and close; that of the
//! memory neither these nor the adapter between rustls and tokio.
//!
//! Exit code: 0 if every trial is valid, 3 if not, 1 if it could not run.

use std::collections::BTreeSet;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use wss_analysis::statistics::{Interval, Ratio, paired_ratio};
use wss_benches::comparison::Spread;
use wss_benches::in_memory::Ends;
use wss_benches::server::beside_this;
use wss_benches::trial::SERVER_CPU;
use wss_model::config::tls::Verify;
use wss_model::text::phrases::describe_reasons;
use wss_model::{EngineKind, HumanDuration, TlsOptions, store};
use wss_wire::machine;

const EXIT_INVALID: u8 = 3;

/// What a network adds to a TLS handshake: network over memory, server and client
#[derive(Parser)]
#[command(name = "network-over-memory", version)]
struct Options {
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 8)]
    rounds: usize,

    /// How long a trial measures
    #[arg(long, value_name = "TIME", default_value = "2s")]
    duration: HumanDuration,

    /// Handshakes in memory, before and after the trials of a round
    #[arg(long, value_name = "N", default_value_t = 2000)]
    in_memory: u32,

    /// Handshakes a second of the paced load
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rate: u32,

    /// Engines, of both ends
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [EngineKind::Uring, EngineKind::Epoll])]
    engine: Vec<EngineKind>,

    /// What the client verifies over the network; in memory it is always full
    #[arg(long, value_enum, default_value_t = Verify::Full)]
    verify: Verify,

    /// TLS of both ends
    #[command(flatten)]
    tls: TlsOptions,
}

/// Microseconds of CPU a handshake, of one trial.
#[derive(Debug, Clone, Copy)]
struct Took {
    server_us: f64,
    client_us: f64,
    server_used: f64,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_INVALID),
        Err(error) => {
            eprintln!("network-over-memory: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<bool> {
    ensure!(options.rounds > 0 && options.in_memory > 0, "--rounds and --in-memory have to be at least 1");
    let cpu = SERVER_CPU.parse().context("reading the server's CPU")?;
    let ends = Ends::new(&options.tls)?;
    let paced = format!("{}/s", options.rate);
    let trials: Vec<(EngineKind, &str)> =
        options.engine.iter().flat_map(|&engine| [(engine, "max"), (engine, paced.as_str())]).collect();
    let mut memory = Vec::new();
    let mut network = vec![Vec::new(); trials.len()];
    let mut invalid = Vec::new();
    for round in 0..options.rounds {
        let before = in_memory(&ends, options.in_memory, cpu)?;
        let mut took = Vec::new();
        for place in 0..trials.len() {
            // Every trial has every place in turn.
            let trial = (round + place) % trials.len();
            let (engine, rate) = trials[trial];
            took.push((trial, over_network(options, engine, rate, &mut invalid)?));
        }
        let after = in_memory(&ends, options.in_memory, cpu)?;
        let mean = Took {
            server_us: f64::midpoint(before.server_us, after.server_us),
            client_us: f64::midpoint(before.client_us, after.client_us),
            server_used: 1.0,
        };
        memory.push(mean);
        for (trial, took) in took {
            network[trial].extend(took.map(|took| (took, mean)));
        }
        eprintln!("round {} of {}", round + 1, options.rounds);
    }
    report(&trials, &memory, &network);
    for reason in &invalid {
        println!("not valid, and in no figure: {reason}");
    }
    Ok(invalid.is_empty())
}

/// The handshake in memory on the server's CPU, in a thread of its own, so that this one stays where it was.
fn in_memory(ends: &Ends, count: u32, cpu: usize) -> anyhow::Result<Took> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            machine::pin_thread(&BTreeSet::from([cpu])).context("pinning to the server's CPU")?;
            let (mut server, mut client) = (Duration::ZERO, Duration::ZERO);
            // A tenth before it counts: caches, and what a thread does once.
            for number in 0..count + count / 10 {
                let took = ends.handshake()?;
                if number >= count / 10 {
                    server += took.server;
                    client += took.client;
                }
            }
            let each = |all: Duration| all.as_secs_f64() * 1e6 / f64::from(count);
            Ok(Took { server_us: each(server), client_us: each(client), server_used: 1.0 })
        });
        thread.join().map_err(|_| anyhow::anyhow!("the handshake in memory panicked"))?
    })
}

/// One trial over the network; `None` if it is not valid, with the reason in `invalid`.
fn over_network(
    options: &Options,
    engine: EngineKind,
    rate: &str,
    invalid: &mut Vec<String>,
) -> anyhow::Result<Option<Took>> {
    let folder = tempfile::tempdir().context("making a folder for the result")?;
    let out = folder.path().join("trial.json");
    let mut command = Command::new(beside_this("wssbench")?);
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
    ensure!(matches!(status.code(), Some(0 | 3)), "wssbench ended with {status}");
    let result = store::read::<wss_model::RunResult>(&out).context("reading the result")?;
    let handshake = &result.handshake;
    match (handshake.server_cpu_ns, handshake.client_cpu_ns, &result.server) {
        (Some(server), Some(client), Some(side)) if result.valid => {
            Ok(Some(Took { server_us: server / 1e3, client_us: client / 1e3, server_used: side.cpu_utilization }))
        }
        _ => {
            invalid.push(format!("{engine} at {rate}: {}", describe_reasons(&result.invalid_because)));
            Ok(None)
        }
    }
}

/// The network's figure over the memory's, in pairs of a round, with Wilcoxon's interval.
fn ratio(took: &[(Took, Took)], figure: fn(&Took) -> f64) -> String {
    match paired_ratio(took.iter().map(|(network, memory)| (figure(network), figure(memory)))) {
        None => "—".to_owned(),
        Some(Ratio { center, interval: None, .. }) => format!("{center:.2}"),
        Some(Ratio { center, interval: Some(Interval { low, high, .. }), .. }) => {
            format!("{center:.2} ({low:.2}–{high:.2})")
        }
    }
}

fn report(trials: &[(EngineKind, &str)], memory: &[Took], network: &[Vec<(Took, Took)>]) {
    let spread = |values: Vec<f64>, digits: usize| match Spread::of(values) {
        None => "—".to_owned(),
        Some(Spread { median, min, max, .. }) => format!("{median:.digits$} ({min:.digits$}–{max:.digits$})"),
    };
    let server = spread(memory.iter().map(|took| took.server_us).collect(), 1);
    let client = spread(memory.iter().map(|took| took.client_us).collect(), 1);
    println!("| where | rate | server µs | client µs | server ÷ memory | client ÷ memory | server's CPU used |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    println!("| memory | | {server} | {client} | | | |");
    for ((engine, rate), took) in trials.iter().zip(network) {
        let of = |figure: fn(&(Took, Took)) -> f64, digits| spread(took.iter().map(figure).collect(), digits);
        println!(
            "| {engine} | {rate} | {} | {} | {} | {} | {} |",
            of(|(network, _)| network.server_us, 1),
            of(|(network, _)| network.client_us, 1),
            ratio(took, |took| took.server_us),
            ratio(took, |took| took.client_us),
            of(|(network, _)| network.server_used, 2),
        );
    }
}
