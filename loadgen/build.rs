//! Records what the program is built from: commit, compiler, profile, and versions of the crates that affect the figures.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates whose version affects the figures.
const CRATES: &[&str] = &[
    "aws-lc-rs",
    "fastwebsockets",
    "flate2",
    "h2",
    "hdrhistogram",
    "io-uring",
    "rustls",
    "tokio",
    "tokio-rustls",
    "tokio-uring",
    "zlib-rs",
];

fn main() {
    // Read at run time, not with `env!`: checkouts may share a target folder.
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    // The commit, and everything whose change makes the checkout differ from it.
    const INPUTS: [&str; 10] = [
        ".git/HEAD",
        ".git/index",
        "Cargo.lock",
        "Cargo.toml",
        "model",
        "wire",
        "server",
        "loadgen",
        "analysis",
        "report",
    ];
    // A missing input, as `.git/` in an unpacked archive, would count as changed each time.
    for path in INPUTS.iter().map(|path| root.join(path)).filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    // Without locks `git status` does not write the index, whose change would rebuild everything next time.
    let git = |arguments: &[&str]| {
        output(Command::new("git").arg("-C").arg(&root).arg("--no-optional-locks").args(arguments))
    };
    let set = |name: &str, value: &str| println!("cargo::rustc-env=WSSBENCH_{name}={value}");
    set("GIT_COMMIT", git(&["rev-parse", "HEAD"]).unwrap_or_default().trim());
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]);
    set("GIT_DIRTY", dirty.map_or("", |changes| if changes.trim().is_empty() { "false" } else { "true" }));
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    set("RUSTC", output(Command::new(rustc).arg("--version")).unwrap_or_default().trim());
    set("PROFILE", &profile());
    set("CRATES", &crates(&root.join("Cargo.lock")));
}

/// The profile: `debug`, `release` or `dist`. Cargo's PROFILE says `release` for `dist` as well, but the folder has its name:
/// `target/<profile>/build/<package>/out`.
fn profile() -> String {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let folder = out.ancestors().nth(3).and_then(Path::file_name).and_then(|name| name.to_str());
    match folder {
        Some("dist") => "dist".to_owned(),
        _ => std::env::var("PROFILE").unwrap_or_default(),
    }
}

/// `name=version` of each crate of [`CRATES`], as Cargo.lock has them.
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

/// Standard output of a command, if it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
