//! The deterministic signals of one scripted connection in one table: allocations, bytes and records on the wire,
//! instructions, system calls, and what the ring did; each exact, or with the floor that its repeats show.
//!
//! It reads no clock and tells no time. What needs a tool that is missing is skipped with a sentence.

use std::alloc::System;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::{Parser, ValueEnum};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use wss_analysis::counts::{Change, Counts};
use wss_benches::over_sockets::Programs;
use wss_benches::subject::Subject;
use wss_benches::{allocations, callgrind, instructions, on_the_wire, strace};
use wss_model::{EngineKind, store};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The fewest repeats that a floor is told from.
const REPEATS_LEAST: usize = 5;

/// A kind of count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Signal {
    /// Number and bytes, in memory
    Allocations,
    /// Bytes and TLS records, in memory
    Wire,
    /// Under callgrind, in memory
    Instructions,
    /// Under strace, of the real programs
    Syscalls,
    /// Enters, submissions and completions, of the real programs
    Rings,
}

impl Signal {
    const ALL: [Self; 5] = [Self::Allocations, Self::Wire, Self::Instructions, Self::Syscalls, Self::Rings];
}

/// Count what one scripted connection costs that no clock is needed for
#[derive(Debug, Parser)]
struct Options {
    /// Write the counts to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Say what differs from these counts, of another build, by more than the floors; exit code 2 if any is more
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,

    /// How often each is pluralize, 5 at least
    #[arg(long, value_name = "N", default_value_t = REPEATS_LEAST)]
    repeats: usize,

    /// What is counted
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Signal::ALL)]
    signal: Vec<Signal>,

    /// Engines whose system calls are pluralize, on both ends
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = EngineKind::ALL.to_vec())]
    engine: Vec<EngineKind>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match instructions::asked_to_run(&arguments)
        .map_or_else(|| counts(&Options::parse()), |ran| ran.map(|()| ExitCode::SUCCESS))
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
    ensure!(repeats >= REPEATS_LEAST, "--repeats is {repeats}: a floor needs {REPEATS_LEAST} at least");
    // What cannot be read is told before all the counting.
    let before = options.against.as_deref().map(store::read::<Counts>).transpose()?;
    let program = std::env::current_exe()?;
    let (mut counts, mut skipped) = (Vec::new(), Vec::new());
    for signal in Signal::ALL.into_iter().filter(|signal| options.signal.contains(signal)) {
        match signal {
            Signal::Allocations => counts.extend(allocations::count(repeats)?),
            Signal::Wire => counts.extend(on_the_wire::count(repeats)?),
            Signal::Instructions => match callgrind::find() {
                Ok(()) => counts.extend(instructions::count(&program, &Subject::ALL, repeats, Subject::averaged_over)?),
                Err(sentence) => skipped.push(sentence),
            },
            Signal::Syscalls => match strace::find() {
                Ok(()) => {
                    let programs = Programs::beside(&program)?;
                    for &engine in &options.engine {
                        counts.extend(programs.system_calls(engine, repeats)?);
                    }
                }
                Err(sentence) => skipped.push(sentence),
            },
            // The one engine that counts what its rings do.
            Signal::Rings if options.engine.contains(&EngineKind::Uring) => {
                counts.extend(Programs::beside(&program)?.rings(EngineKind::Uring, repeats)?);
            }
            Signal::Rings => {
                skipped.push("rings are counted of the engine uring alone, which was not asked for".into())
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

/// Says what differs, of the signals that were asked for now.
fn compare(now: &Counts, before: &Counts) -> anyhow::Result<ExitCode> {
    ensure!(
        now.profile == before.profile,
        "a {} build has other counts than a {} build: they are not comparable",
        now.profile,
        before.profile
    );
    let changes = now.changes(before);
    println!();
    if changes.is_empty() {
        println!("Nothing differs by more than its floor.");
    }
    for change in &changes {
        println!("{change}");
    }
    Ok(if changes.iter().any(Change::is_more) { ExitCode::from(2) } else { ExitCode::SUCCESS })
}
