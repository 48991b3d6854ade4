//! Instructions of a part of a program, counted by valgrind's callgrind.
//!
//! The counts are those of the code that runs under valgrind: it shows a program a CPU without AVX-512, so that a
//! cryptography which would use that takes another way. Counts compare with counts, and not with a clock.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

/// Whether valgrind is there.
///
/// # Errors
/// A sentence that says that it is not, and what to do.
pub fn find() -> Result<(), String> {
    match Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err("valgrind is not installed (apt-get install valgrind): no instruction was counted".to_owned()),
    }
}

/// Runs `program` and counts the instructions between entry and exit of `function`, callees included.
///
/// # Errors
/// If it fails, or the function was never entered.
pub fn instructions(program: &Path, arguments: &[String], function: &str) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir().context("making a folder for callgrind's output")?;
    let out = folder.path().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(arguments);
    let ended = command.stdin(Stdio::null()).output().context("starting valgrind")?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "valgrind ended with {}: {said}", ended.status);
    let text = std::fs::read_to_string(&out).context("reading callgrind's output")?;
    match totals(&text) {
        Some(0) => bail!("callgrind never saw the function {function}: was the program stripped of its symbols?"),
        Some(instructions) => Ok(instructions),
        None => bail!("callgrind's output has no totals"),
    }
}

/// The total of the first event, which is the instructions.
fn totals(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_are_found_in_what_callgrind_writes() {
        let text = "# callgrind format\nversion: 1\nevents: Ir\nsummary: 7\n\nfn=(1) main\n12 7\n\ntotals: 1234567\n";
        assert_eq!(totals(text), Some(1_234_567));
        assert_eq!(totals("events: Ir\n"), None);
    }
}
