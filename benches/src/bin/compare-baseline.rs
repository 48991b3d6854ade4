//! wss-server beside the baseline server: the same generator, the same CPUs, all servers up at the same time, each
//! driven in turn, round by round in balanced order. Prints medians and ratios, and writes every trial.
//!
//! The servers share CPU 0, so that none has the better one; those that are not driven sleep. A server that is driven
//! has it for itself, and the generator has CPU 1.
//!
//! Exit code: 0 if every trial is valid, 3 if not, 1 if it could not run.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use clap::Parser;
use wss_benches::comparison::{Comparison, Load, SCHEMA, SERVERS, loads, order};
use wss_benches::server::{Server, beside_this};
use wss_benches::summary;
use wss_benches::trial::{self, Driven, LegOptions, SERVER_CPU, Trial};
use wss_model::{EngineKind, HumanDuration};

/// What the exit code says if a trial is not valid: the same as `wssbench run`.
const EXIT_INVALID: u8 = 3;

/// Compare wss-server with the plain baseline server, side by side
#[derive(Parser)]
#[command(name = "compare-baseline", version)]
struct Options {
    /// Rounds: each server once at each load; a multiple of 4 is balanced, fewer than 8 are a trial
    #[arg(long, value_name = "N", default_value_t = 8)]
    rounds: usize,

    /// How long a trial measures
    #[arg(long, value_name = "TIME", default_value = "2s")]
    duration: HumanDuration,

    /// How long it warms up before
    #[arg(long, value_name = "TIME", default_value = "500ms")]
    warmup: HumanDuration,

    /// Where to write all trials
    #[arg(long, value_name = "FILE", default_value = "results/baseline-comparison.json")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_INVALID),
        Err(error) => {
            eprintln!("compare-baseline: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs it; says whether every trial is valid.
fn run(options: &Options) -> anyhow::Result<bool> {
    let mut comparison = begin(options)?;
    let generator = beside_this("wssbench")?;
    let folder = tempfile::tempdir().context("making a folder for the CAs and the generator's results")?;
    let mut servers = start_servers()?;
    for (number, server) in servers.iter().enumerate() {
        std::fs::write(folder.path().join(ca_file(number)), &server.ready.ca_pem).context("writing a CA")?;
    }
    let driven = rounds(&mut comparison, &mut servers, &generator, folder.path(), &options.out);
    // Whatever ended the rounds, the trials until then are kept.
    comparison.write(&options.out)?;
    driven?;
    for server in servers {
        server.end()?;
    }
    println!("{}\nevery trial: {}", summary::render(&comparison), options.out.display());
    Ok(comparison.trials.iter().all(|trial| trial.valid))
}

/// Drives every server at every load, round by round.
fn rounds(
    comparison: &mut Comparison,
    servers: &mut [Server; 4],
    generator: &Path,
    folder: &Path,
    out: &Path,
) -> anyhow::Result<()> {
    for round in 0..comparison.rounds {
        let mut loads = comparison.loads.clone();
        // The loads change places as well.
        if round % 2 == 1 {
            loads.reverse();
        }
        for load in &loads {
            for number in order(round) {
                let (server, ca) = (&mut servers[number], ca_file(number));
                let driven = trial::drive(generator, folder, server, &ca, load, &comparison.options)?;
                keep(comparison, round, load, SERVERS[number], driven);
            }
        }
        // After each round: a Ctrl-C does not lose the earlier ones.
        comparison.write(out)?;
    }
    comparison.complete = true;
    Ok(())
}

/// Checks the options and lays out an empty comparison.
fn begin(options: &Options) -> anyhow::Result<Comparison> {
    ensure!(options.rounds > 0, "--rounds is 0: give at least 1");
    let trial_options = LegOptions { duration: options.duration, warmup: options.warmup };
    trial::check(&trial_options)?;
    let loads = loads();
    let generator = trial_options.command_line("URL", "FILE", &loads[0], "FILE").join(" ");
    let Options { rounds, duration, warmup, .. } = options;
    Ok(Comparison {
        schema: SCHEMA.to_owned(),
        started_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        // Made from what was understood: paths of this machine are nobody's business.
        command_line: format!("compare-baseline --rounds {rounds} --duration {duration} --warmup {warmup}"),
        generator: format!("wssbench {generator}"),
        environment: None,
        tool: None,
        profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        options: trial_options,
        loads,
        rounds: options.rounds,
        complete: false,
        trials: Vec::new(),
    })
}

/// The servers in the order of [`SERVERS`], all on the same CPU with one thread.
fn start_servers() -> anyhow::Result<[Server; 4]> {
    let (baseline, ours) = (beside_this("baseline-server")?, beside_this("wssbench")?);
    // The server by itself, the same code as the program of this name.
    let start_ours = |name: &str, engine: EngineKind| {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--engine", engine.name(), "--until-stdin-closes"];
        let threads = ["--threads", "1", "--cpus", SERVER_CPU];
        Server::start(name, &ours, &[arguments.as_slice(), &threads].concat())
    };
    Ok([
        Server::start(SERVERS[0], &baseline, &["--listen", "127.0.0.1:0", "--cpu", SERVER_CPU])?,
        start_ours(SERVERS[1], EngineKind::Uring)?,
        start_ours(SERVERS[2], EngineKind::Epoll)?,
        start_ours(SERVERS[3], EngineKind::TokioUring)?,
    ])
}

fn ca_file(server: usize) -> String {
    format!("ca-{server}.pem")
}

/// Keeps a trial and says in a line how it went.
fn keep(comparison: &mut Comparison, round: usize, load: &Load, server: &str, driven: Driven) {
    if let Some((environment, tool)) = driven.setting {
        comparison.environment.get_or_insert(environment);
        comparison.tool.get_or_insert(tool);
    }
    let valid = driven.reasons.is_empty();
    let went = match &driven.figures {
        Some(figures) => format!(
            "{:.0} messages/s, server CPU {:.2} µs/msg, client CPU {:.2} µs/msg",
            figures.messages_per_s, figures.server_cpu_us, figures.client_cpu_us
        ),
        None => "failed".to_owned(),
    };
    let why = if valid { String::new() } else { format!(": NOT VALID: {}", driven.reasons.join("; ")) };
    eprintln!("round {} of {}, {}, {server}: {went}{why}", round + 1, comparison.rounds, load.name);
    comparison.trials.push(Trial {
        round,
        load: load.name.clone(),
        server: server.to_owned(),
        valid,
        reasons: driven.reasons,
        figures: driven.figures,
    });
}
