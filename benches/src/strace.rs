//! System calls of a program and its threads, by name, counted by strace.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

/// Number of calls by name.
pub type Calls = BTreeMap<String, u64>;

/// Checks that strace is installed and permitted to trace.
///
/// # Errors
/// A sentence with what to do, if it is not.
pub fn check_installed() -> Result<(), String> {
    let status = Command::new("strace").args(["-c", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => {
            Err("strace is not permitted to trace (see kernel.yama.ptrace_scope, or the container's settings): system \
                      calls were not counted"
                .to_owned())
        }
        Err(_) => Err("strace is not installed (apt-get install strace): system calls were not counted".to_owned()),
    }
}

/// The arguments of strace up to and including `program`; the table of calls goes to `out`.
pub fn arguments(out: &Path, program: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-f", "-c", "-U", "name,calls", "-o"].map(OsString::from).to_vec();
    arguments.extend([out.as_os_str().to_owned(), program.as_os_str().to_owned()]);
    arguments
}

/// Reads the table that strace wrote to `out`.
///
/// # Errors
/// If it cannot be read or parsed.
pub fn read(out: &Path) -> anyhow::Result<Calls> {
    let text = std::fs::read_to_string(out).context("reading strace's table")?;
    parse(&text).with_context(|| format!("parsing strace's table: {text}"))
}

/// Parses name and number of each line between the header and the total, which are set off by ruled lines.
fn parse(text: &str) -> Option<Calls> {
    let rows = text.lines().skip_while(|line| !line.starts_with('-')).skip(1).take_while(|line| !line.starts_with('-'));
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    let calls: Calls = rows.map(row).collect::<Option<_>>()?;
    (!calls.is_empty()).then_some(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_rows_between_header_and_total() {
        let table = "syscall              calls\n---------------- ---------\nread                     2\n\
                     io_uring_enter         412\n---------------- ---------\ntotal                  414\n";
        let expected = [("read".to_owned(), 2), ("io_uring_enter".to_owned(), 412)];
        assert_eq!(parse(table), Some(Calls::from(expected)));
        assert_eq!(parse("strace: Process 12 attached\n"), None);
        assert_eq!(parse("------- ----\nread many\n------- ----\n"), None);
    }
}
