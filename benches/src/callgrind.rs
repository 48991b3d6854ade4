//! Instructions of one function of a program, counted by valgrind's callgrind.
//!
//! Valgrind presents a CPU without AVX-512, so cryptography that would use it takes another path. Compare such counts
//! with each other, and not with times.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

/// Checks that valgrind is installed.
///
/// # Errors
/// A sentence with what to do, if it is not.
pub fn check_installed() -> Result<(), String> {
    match Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err("valgrind is not installed (apt-get install valgrind): instructions were not counted".to_owned()),
    }
}

/// Runs `program` and counts the instructions between entry and exit of `function`, callees included.
///
/// # Errors
/// If the program fails, or never enters the function.
pub fn instructions(program: &Path, arguments: &[String], function: &str) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir().context("creating a folder for callgrind's output")?;
    let out = folder.path().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(arguments);
    let output = command.stdin(Stdio::null()).output().context("starting valgrind")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed with {}: {stderr}", output.status);
    let text = std::fs::read_to_string(&out).context("reading callgrind's output")?;
    match total(&text) {
        Some(0) => bail!("callgrind did not find the function {function}; build the program with its symbols"),
        Some(instructions) => Ok(instructions),
        None => bail!("callgrind's output has no totals"),
    }
}

/// The total of the first event, which is the number of instructions.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_total_in_callgrinds_output() {
        let text = "# callgrind format\nversion: 1\nevents: Ir\nsummary: 7\n\nfn=(1) main\n12 7\n\ntotals: 1234567\n";
        assert_eq!(total(text), Some(1_234_567));
        assert_eq!(total("events: Ir\n"), None);
    }
}
