//! Deterministic counts of one scripted connection in one table: allocations, bytes and TLS records, instructions, system
//! calls, and ring operations. Each is exact, or has a range: that of its repeats.
//!
//! It measures no time. Counts that need a missing tool are skipped, with a sentence that says so.

use std::alloc::System;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::{Parser, ValueEnum};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use wss_analysis::counts::{Change, Counts};
use wss_benches::operation::Operation;
use wss_benches::over_sockets::Wssbench;
use wss_benches::{allocations, callgrind, instructions, strace, traffic};
use wss_model::{EngineKind, store};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The fewest repeats for a range.
const REPEATS_MIN: usize = 5;

/// A kind of count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Signal {
    /// Allocations and their bytes, in memory
    Allocations,
    /// Bytes and TLS records sent, in memory
    Wire,
    /// Instructions under callgrind, in memory
    Instructions,
    /// System calls under strace, over sockets
    Syscalls,
    /// Enters, submissions and completions of the rings, over sockets
    Rings,
}

impl Signal {
    const ALL: [Self; 5] = [Self::Allocations, Self::Wire, Self::Instructions, Self::Syscalls, Self::Rings];
}

/// Count the deterministic costs of one scripted connection
#[derive(Debug, Parser)]
struct Options {
    /// Write the counts to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Compare with the counts of another build; exit with 2 if any of them is higher by more than its range
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,

    /// Number of repeats, at least 5
    #[arg(long, value_name = "N", default_value_t = REPEATS_MIN)]
    repeats: usize,

    /// What to count
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Signal::ALL)]
    signal: Vec<Signal>,

    /// Engines whose system calls are counted, on both ends
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = EngineKind::ALL.to_vec())]
    engine: Vec<EngineKind>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match instructions::run_as_child(&arguments)
        .map_or_else(|| counts(&Options::parse()), |executed| executed.map(|()| ExitCode::SUCCESS))
    {
        Ok(code) => code,
        Err(error) => {
            eprintln!("counts: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn counts(options: &Options) -> anyhow::Result<ExitCode> {
    let repeats = options.repeats;
    ensure!(repeats >= REPEATS_MIN, "--repeats is {repeats}; give at least {REPEATS_MIN}");
    // Before counting, so that an unreadable file is reported at once.
    let before = options.against.as_deref().map(store::read::<Counts>).transpose()?;
    let program = std::env::current_exe()?;
    let (mut counts, mut skipped) = (Vec::new(), Vec::new());
    for signal in Signal::ALL.into_iter().filter(|signal| options.signal.contains(signal)) {
        match signal {
            Signal::Allocations => counts.extend(allocations::count(repeats)?),
            Signal::Wire => counts.extend(traffic::count(repeats)?),
            Signal::Instructions => match callgrind::check_installed() {
                Ok(()) => {
                    counts.extend(instructions::count(&program, &Operation::ALL, repeats, Operation::executions)?)
                }
                Err(reason) => skipped.push(reason),
            },
            Signal::Syscalls => match strace::check_installed() {
                Ok(()) => {
                    let wssbench = Wssbench::find()?;
                    for &engine in &options.engine {
                        counts.extend(wssbench.system_calls(engine, repeats)?);
                    }
                }
                Err(reason) => skipped.push(reason),
            },
            // The only engine that counts its ring operations.
            Signal::Rings if options.engine.contains(&EngineKind::Uring) => {
                counts.extend(Wssbench::find()?.rings(EngineKind::Uring, repeats)?);
            }
            Signal::Rings => {
                skipped.push("ring operations are counted only for the engine uring, which is not selected".into())
            }
        }
    }
    let counts = Counts::new(counts, skipped);
    print!("{}", counts.table());
    if let Some(path) = &options.json {
        store::write(&counts, path)?;
    }
    before.map_or(Ok(ExitCode::SUCCESS), |before| compare(&counts, &before))
}

/// Prints what differs from `before`, among the counts taken now.
fn compare(now: &Counts, before: &Counts) -> anyhow::Result<ExitCode> {
    ensure!(
        now.profile == before.profile,
        "cannot compare the counts of a {} build with those of a {} build",
        now.profile,
        before.profile
    );
    let changes = now.changes(before);
    println!();
    if changes.is_empty() {
        println!("Nothing differs by more than its range.");
    }
    for change in &changes {
        println!("{change}");
    }
    Ok(if changes.iter().any(Change::is_more) { ExitCode::from(2) } else { ExitCode::SUCCESS })
}
