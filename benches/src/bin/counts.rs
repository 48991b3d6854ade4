//! The deterministic signals of one scripted connection in one table: allocations, bytes and records on the wire,
//! instructions, system calls, and what the ring did; each exact, or with the floor that its repeats show.
//!
//! It reads no clock and tells no time. What needs a tool that is missing is skipped with a sentence.

use std::alloc::System;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use wss_benches::count::{Count, Counts};
use wss_benches::over_sockets::Programs;
use wss_benches::subject::Subject;
use wss_benches::{allocations, callgrind, instructions, on_the_wire, strace};
use wss_results::EngineKind;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The fewest repeats that a floor is told from.
const REPEATS_LEAST: usize = 5;

/// Count what one scripted connection costs that no clock is needed for
#[derive(Debug, Parser)]
struct Options {
    /// Write the counts to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// How often each is counted, 5 at least
    #[arg(long, value_name = "N", default_value_t = REPEATS_LEAST)]
    repeats: usize,

    /// Engines whose system calls are counted, on both ends
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = EngineKind::ALL.to_vec())]
    engine: Vec<EngineKind>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match instructions::asked_to_run(&arguments).unwrap_or_else(|| counts(&Options::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counts: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn counts(options: &Options) -> anyhow::Result<()> {
    let repeats = options.repeats;
    ensure!(repeats >= REPEATS_LEAST, "--repeats is {repeats}: a floor needs {REPEATS_LEAST} at least");
    let (mut counts, mut skipped) = (allocations::count(repeats)?, Vec::new());
    counts.extend(on_the_wire::count(repeats)?);
    let program = std::env::current_exe()?;
    match callgrind::find() {
        Ok(()) => counts.extend(instructions::count(&program, &Subject::ALL, repeats, Subject::averaged_over)?),
        Err(sentence) => skipped.push(sentence),
    }
    match Programs::beside(&program) {
        Ok(programs) => over_sockets(&programs, options, &mut counts, &mut skipped)?,
        Err(error) => skipped.push(format!("{error}: no system call and no ring was counted")),
    }
    let counts = Counts::new(counts, skipped);
    print!("{}", counts.table());
    if let Some(path) = &options.json {
        counts.write(path)?;
    }
    Ok(())
}

fn over_sockets(
    programs: &Programs,
    options: &Options,
    counts: &mut Vec<Count>,
    skipped: &mut Vec<String>,
) -> anyhow::Result<()> {
    let traces = strace::find();
    for &engine in &options.engine {
        if traces.is_ok() {
            counts.extend(programs.system_calls(engine, options.repeats)?);
        }
        // The one engine that counts what its ring does.
        if engine == EngineKind::Uring {
            counts.extend(programs.rings(engine, options.repeats)?);
        }
    }
    skipped.extend(traces.err());
    Ok(())
}
