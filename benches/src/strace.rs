//! System calls of a program and its threads by name, counted by strace.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

/// Calls by name.
pub type Calls = BTreeMap<String, u64>;

/// Whether strace is there and may trace.
///
/// # Errors
/// A sentence that says that it is not, and what to do.
pub fn find() -> Result<(), String> {
    let tried = Command::new("strace").args(["-c", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match tried {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("strace may not trace here (kernel.yama.ptrace_scope, or the container): no system call was \
                      counted"
            .to_owned()),
        Err(_) => Err("strace is not installed (apt-get install strace): no system call was counted".to_owned()),
    }
}

/// What strace is told, before the program and its arguments: the table of calls goes to `out`.
pub fn arguments(out: &Path, program: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-f", "-c", "-U", "name,calls", "-o"].map(OsString::from).to_vec();
    arguments.extend([out.as_os_str().to_owned(), program.as_os_str().to_owned()]);
    arguments
}

/// Reads the table.
///
/// # Errors
/// If it cannot be read, or is none.
pub fn read(out: &Path) -> anyhow::Result<Calls> {
    let text = std::fs::read_to_string(out).context("reading strace's table")?;
    parse(&text).with_context(|| format!("strace's table has a line that is none: {text}"))
}

/// Name and number in each line, between the head and the total, each of which has a ruled line beside it.
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
    fn the_table_is_read_without_its_head_and_total() {
        let table = "syscall              calls\n---------------- ---------\nread                     2\n\
                     io_uring_enter         412\n---------------- ---------\ntotal                  414\n";
        let expected = [("read".to_owned(), 2), ("io_uring_enter".to_owned(), 412)];
        assert_eq!(parse(table), Some(Calls::from(expected)));
        assert_eq!(parse("strace: Process 12 attached\n"), None);
        assert_eq!(parse("------- ----\nread many\n------- ----\n"), None);
    }
}
