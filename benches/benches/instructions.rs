//! Instructions of the TLS handshake, of the opening of a whole connection, and of echoes of 64 bytes and 16 KiB, each end in
//! a process of its own under callgrind ([`wss_benches::instructions`]). No clock is read, so a busy machine counts as well
//! as a quiet one; each has the range of its repeats.
//!
//! Without valgrind it counts nothing and prints that it skipped. Under `cargo test` each operation is counted once, over
//! two executions.

use std::process::ExitCode;

use wss_analysis::counts::Counts;
use wss_benches::callgrind;
use wss_benches::instructions::{count, run_as_child};
use wss_benches::operation::Operation;

/// Repeats under `cargo bench`: a range needs at least five.
const REPEATS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run_as_child(&arguments).unwrap_or_else(|| print_table(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_table(arguments: &[String]) -> anyhow::Result<()> {
    if let Err(reason) = callgrind::check_installed() {
        println!("SKIPPED, neither passed nor failed: {reason}");
        return Ok(());
    }
    // As in criterion's benches: `cargo bench` passes `--bench`, `cargo test` does not.
    let benched = arguments.iter().any(|argument| argument == "--bench");
    // The remaining arguments filter by name.
    let filter: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let selected =
        |operation: &Operation| filter.is_empty() || filter.iter().any(|part| operation.name().contains(*part));
    let operations: Vec<Operation> = Operation::ALL.into_iter().filter(selected).collect();
    let program = std::env::current_exe()?;
    let counts = match benched {
        true => count(&program, &operations, REPEATS, Operation::executions)?,
        false => count(&program, &operations, 1, |_| 2)?,
    };
    print!("{}", Counts::new(counts, Vec::new()).table());
    Ok(())
}
