//! Instructions of the TLS handshake, of the opening of a whole connection, and of an echo of 64 bytes and of 16 KiB, each
//! side in a process of its own under callgrind: [`wss_benches::instructions`]. No clock is read, so that a machine
//! that others share counts as well as a quiet one; the floor is what repeats differ by.
//!
//! Where valgrind is missing nothing is pluralize, which is said. With `cargo test` each is counted once, of a few.

use std::process::ExitCode;

use wss_analysis::counts::Counts;
use wss_benches::callgrind;
use wss_benches::instructions::{asked_to_run, count};
use wss_benches::subject::Subject;

/// Repeats of a bench: the floor needs at least five.
const REPEATS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match asked_to_run(&arguments).unwrap_or_else(|| table(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn table(arguments: &[String]) -> anyhow::Result<()> {
    if let Err(sentence) = callgrind::find() {
        println!("SKIPPED, neither passed nor failed: {sentence}");
        return Ok(());
    }
    // As criterion's benches do: cargo says `--bench` when it is asked for benches, and nothing when for tests.
    let benched = arguments.iter().any(|argument| argument == "--bench");
    // What is left of cargo's arguments chooses by name.
    let filter: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = |subject: &Subject| filter.is_empty() || filter.iter().any(|part| subject.name().contains(*part));
    let subjects: Vec<Subject> = Subject::ALL.into_iter().filter(chosen).collect();
    let program = std::env::current_exe()?;
    let counts = match benched {
        true => count(&program, &subjects, REPEATS, Subject::averaged_over)?,
        false => count(&program, &subjects, 1, |_| 2)?,
    };
    print!("{}", Counts::new(counts, Vec::new()).table());
    Ok(())
}
