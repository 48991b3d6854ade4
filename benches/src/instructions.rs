//! Instructions of each subject and side, under callgrind. Each side is counted in a process of its own, which is the
//! program that asks started once more: it has to begin with [`asked_to_run`].
//!
//! Handshakes have random numbers in them: a repeat is the average of several, in a process with a certificate of its
//! own, and what the repeats differ by is the floor.

use std::path::Path;

use anyhow::{Context, bail};

use crate::callgrind;
use crate::side::{Marked, Side};
use crate::subject::{Ready, Subject};
use wss_analysis::counts::Count;

/// The first argument of a process that is to run a subject and nothing else.
const RUN: &str = "--run-subject";

/// If this process was started to be counted: does that, and says how it ended.
pub fn asked_to_run(arguments: &[String]) -> Option<anyhow::Result<()>> {
    let [first, rest @ ..] = arguments else { return None };
    (first == RUN).then(|| {
        let [name, count] = rest else { bail!("{RUN} takes a name and a number") };
        let mut ready = Ready::new(Subject::named(name)?)?;
        for _ in 0..count.parse::<usize>().context("reading how often")? {
            ready.once(&mut Marked)?;
        }
        Ok(())
    })
}

/// Instructions of one handshake, opening or echo, each side: `repeats` processes each, of which `averaged_over` tells
/// how many each averages over.
///
/// # Errors
/// If a process fails.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
pub fn count(
    program: &Path,
    subjects: &[Subject],
    repeats: usize,
    averaged_over: impl Fn(Subject) -> usize,
) -> anyhow::Result<Vec<Count>> {
    let mut counts = Vec::new();
    for &subject in subjects {
        let times = averaged_over(subject);
        let arguments = [RUN.to_owned(), subject.name(), times.to_string()];
        for side in Side::BOTH {
            let once = |_| callgrind::instructions(program, &arguments, Marked::function(side));
            let each: anyhow::Result<Vec<u64>> = (0..repeats).map(once).collect();
            let name = format!("{}/{}/instructions", subject.name(), side.name());
            let each = each.with_context(|| format!("counting {name}"))?;
            let each: Vec<f64> = each.into_iter().map(|total| total as f64 / times as f64).collect();
            counts.push(Count::new(name, "instructions", &each));
        }
    }
    Ok(counts)
}
