//! `ab`, `compare` and `gate` as commands: blocks, files, errors and exit codes.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod arms;
mod interleaved;
mod results;
mod servers;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use common::{BOUND, Ended, start, start_in};
use tempfile::TempDir;
use wss_analysis::comparison::{ArmLabel, Comparison};
use wss_analysis::metric::Metric;

/// Very short trials.
const TINY: [&str; 4] = ["--trial=200ms", "--workloads=handshake,echo", "--json", "--blocks=2"];

/// A place to measure in. Each comparison runs a server and a generator or two; with more than two at a time, trials as short
/// as these would be empty.
fn place() -> MutexGuard<'static, ()> {
    static PLACES: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
    loop {
        for place in &PLACES {
            match place.try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ab(arguments: &[&str]) -> (Ended, Comparison) {
    let ended = start(&[&["ab"], &TINY[..], arguments].concat()).end_within(BOUND);
    let comparison = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{ended}"));
    (ended, comparison)
}

/// CPU time per handshake in each trial of one arm, including dropped blocks.
fn handshake_us(comparison: &Comparison, arm: ArmLabel) -> Vec<f64> {
    let trials = comparison.blocks.iter().flat_map(|block| &block.trials).filter(|trial| trial.arm == arm);
    let metric = Metric::ServerCpuHandshakeUs;
    trials.filter_map(|trial| trial.workloads[0].metrics.get(&metric).copied().flatten()).collect()
}

/// The output of a command that exits with `code`.
fn says(folder: &TempDir, code: i32, arguments: &[&str]) -> String {
    let inside = tempfile::tempdir_in(folder.path()).unwrap();
    let ended = start_in(inside, arguments).end_within(BOUND);
    assert_eq!(ended.code(), Some(code), "{arguments:?}\n{ended}");
    format!("{}{}", ended.stdout, ended.stderr)
}

fn path(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
