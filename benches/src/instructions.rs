//! Instructions of each operation, per end, under callgrind. Each end is counted in a child process, which is this program
//! started again: its `main` has to call [`run_as_child`] first.
//!
//! Handshakes contain random numbers. A repeat is therefore the average of several, in a process with its own certificate,
//! and the count has their range.

use std::path::Path;

use anyhow::{Context, bail};

use crate::callgrind;
use crate::end::{CallgrindMarkers, End};
use crate::operation::{Operation, Prepared};
use wss_analysis::counts::Count;

/// The first argument of a child process.
const EXECUTE: &str = "--execute-operation";

/// Executes the operation, if this process is a child that [`count`] started. `None` if it is not.
pub fn run_as_child(arguments: &[String]) -> Option<anyhow::Result<()>> {
    let [first, rest @ ..] = arguments else { return None };
    (first == EXECUTE).then(|| {
        let [name, executions] = rest else { bail!("{EXECUTE} requires an operation and a number") };
        let mut prepared = Prepared::new(Operation::by_name(name)?)?;
        for _ in 0..executions.parse::<usize>().context("parsing the number of executions")? {
            prepared.execute(&mut CallgrindMarkers)?;
        }
        Ok(())
    })
}

/// Instructions per execution, for each operation and end: the median of `repeats` processes, each of which averages over
/// `executions`.
///
/// # Errors
/// If a process fails.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
pub fn count(
    program: &Path,
    operations: &[Operation],
    repeats: usize,
    executions: impl Fn(Operation) -> usize,
) -> anyhow::Result<Vec<Count>> {
    let mut counts = Vec::new();
    for &operation in operations {
        let executions = executions(operation);
        let arguments = [EXECUTE.to_owned(), operation.name(), executions.to_string()];
        for end in End::BOTH {
            let once = |_| callgrind::instructions(program, &arguments, CallgrindMarkers::function(end));
            let totals: anyhow::Result<Vec<u64>> = (0..repeats).map(once).collect();
            let name = format!("{}/{}/instructions", operation.name(), end.name());
            let totals = totals.with_context(|| format!("counting {name}"))?;
            let per_execution: Vec<f64> = totals.into_iter().map(|total| total as f64 / executions as f64).collect();
            counts.push(Count::new(name, "instructions", &per_execution));
        }
    }
    Ok(counts)
}
