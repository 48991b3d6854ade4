//! Records what the program is built from: commit, compiler, profile, versions of relevant crates.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates whose version affects measurements.
const CRATES: &[&str] =
    &["aws-lc-rs", "fastwebsockets", "hdrhistogram", "io-uring", "rustls", "tokio", "tokio-rustls", "tokio-uring"];

fn main() {
    // Read at run time of this script: several checkouts may share one target directory.
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    // The commit, and the files whose changes make the checkout dirty.
    for path in [".git/HEAD", ".git/index", "Cargo.lock", "Cargo.toml", "loadgen", "server", "wire", "model", "analysis", "report"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    let git = |arguments: &[&str]| output(Command::new("git").arg("-C").arg(&root).args(arguments));
    let set = |name: &str, value: &str| println!("cargo::rustc-env=WSSBENCH_{name}={value}");
    set("GIT_COMMIT", git(&["rev-parse", "HEAD"]).unwrap_or_default().trim());
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]);
    set("GIT_DIRTY", dirty.map_or("", |changes| if changes.trim().is_empty() { "false" } else { "true" }));
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    set("RUSTC", output(Command::new(rustc).arg("--version")).unwrap_or_default().trim());
    set("PROFILE", &std::env::var("PROFILE").unwrap_or_default());
    set("CRATES", &crates(&root.join("Cargo.lock")));
}

/// `name=version` of each of [`CRATES`] in Cargo.lock.
fn crates(lock: &Path) -> String {
    let Ok(lock) = std::fs::read_to_string(lock) else { return String::new() };
    // In each `[[package]]` a line `name = "…"` is followed by `version = "…"`. A parser of TOML takes seconds to build.
    let value =
        |line: &str, key: &str| Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned());
    let lines: Vec<&str> = lock.lines().collect();
    let versions: Vec<String> = lines
        .windows(2)
        .filter_map(|pair| Some((value(pair[0], "name")?, value(pair[1], "version")?)))
        .filter(|(name, _)| CRATES.contains(&name.as_str()))
        .map(|(name, version)| format!("{name}={version}"))
        .collect();
    versions.join(",")
}

/// The standard output of a command, if it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
