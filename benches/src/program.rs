//! The programs that cargo builds into the same folder as this one.

use std::path::PathBuf;

use anyhow::{Context, ensure};

/// The path of the program `name` in the folder of this program.
///
/// # Errors
/// If it has not been built: with the command that builds it.
pub fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("determining the path of this program")?;
    let path = this.with_file_name(name);
    let release = if cfg!(debug_assertions) { "" } else { "--release " };
    ensure!(
        path.is_file(),
        "{name} was not found beside this program; build it with `cargo build {release}-p wssbench -p wss-benches`"
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_command_that_builds_a_missing_program() {
        let error = sibling("no-such-program").unwrap_err().to_string();
        assert!(error.contains("cargo build") && error.contains("-p wssbench"), "{error}");
    }
}
