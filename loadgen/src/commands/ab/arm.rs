//! What A and B are: builds, a configuration file, or options; and which program has the next trial.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, ensure};
use wss_analysis::comparison::{self, Arm};

use super::AbCommand;
use crate::child::run::this_program;
use crate::config_file;

/// One of the two, with what runs it.
pub(super) struct Programs {
    pub(super) arm: Arm,
    programs: Vec<PathBuf>,
}

/// A program, and its index among those of its arm.
#[derive(Debug, PartialEq)]
pub(super) struct Program {
    pub(super) index: usize,
    pub(super) path: PathBuf,
}

impl Programs {
    /// The program of the trial after so many of this arm: they take turns.
    pub(super) fn after(&self, trials: usize) -> Program {
        let index = trials % self.programs.len();
        Program { index, path: self.programs[index].clone() }
    }
}

/// A and B as the command line says; copies of programs go to `folder`.
///
/// # Errors
/// If there is no such program or file, or what is given is no option.
pub(super) fn programs(command: &AbCommand, folder: &Path) -> anyhow::Result<[Programs; 2]> {
    let common = joined(&command.run)?;
    let a = one("--a", &command.a, &common)?;
    let b = match &command.b {
        Some(b) => one("--b", b, &common)?,
        None => copy(&a, folder)?,
    };
    ensure!(
        command.b.is_none() || a.arm.options != b.arm.options || a.programs != b.programs,
        "--a and --b are the same: give two that differ, or --aa to see the noise"
    );
    Ok([a, b])
}

fn one(option: &str, given: &str, common: &[String]) -> anyhow::Result<Programs> {
    ensure!(!given.trim().is_empty(), "{option} is empty: give a build of wssbench, a TOML file, or options of run");
    let (mut options, programs) = if given.starts_with('-') {
        let words =
            shlex::split(given).with_context(|| format!("{option}: a quotation mark in `{given}` has no end"))?;
        (joined(&words)?, vec![this_program()?])
    } else if Path::new(given).extension().is_some_and(|extension| extension == "toml") {
        ensure!(Path::new(given).is_file(), "{option}: there is no file {given}");
        // As options, so that they win over those of a workload, and so that the result says what was run.
        (config_file::options(Path::new(given)).with_context(|| option.to_owned())?, vec![this_program()?])
    } else {
        (Vec::new(), given.split(',').map(|path| program(option, path)).collect::<anyhow::Result<_>>()?)
    };
    // What an arm says itself wins over what is said of both.
    let name = |text: &String| text.split('=').next().map(str::to_owned);
    let of_both = common.iter().filter(|of_both| options.iter().all(|own| name(own) != name(of_both)));
    options = of_both.cloned().chain(options.clone()).collect();
    let named = |path: &PathBuf| comparison::Program { name: file_name(path), tool: None };
    let arm = Arm {
        label: if given.starts_with('-') { given.to_owned() } else { labels(given) },
        options,
        programs: programs.iter().map(named).collect(),
        negotiated: Vec::new(),
    };
    Ok(Programs { arm, programs })
}

/// Paths by their last two components: what tells `base/wssbench` from `head/wssbench`, and nothing of the machine.
fn labels(given: &str) -> String {
    let label = |path: &str| {
        let named = Path::new(path).components().filter(|workload| matches!(workload, Component::Normal(_)));
        let workloads: Vec<_> = named.rev().take(2).collect();
        workloads.into_iter().rev().collect::<PathBuf>().display().to_string()
    };
    given.split(',').map(label).collect::<Vec<_>>().join(", ")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A program that can be run.
fn program(option: &str, path: &str) -> anyhow::Result<PathBuf> {
    let found = fs::metadata(path).with_context(|| format!("{option}: looking for the program {path}"))?;
    ensure!(
        found.is_file() && found.permissions().mode() & 0o111 != 0,
        "{option}: {path} is no program: give a build of wssbench, a file that ends in .toml, or options of run in \
         quotation marks, as in \"--suite aes128\""
    );
    // Without a slash it would be looked for elsewhere.
    fs::canonicalize(path).with_context(|| format!("{option}: finding the program {path}"))
}

/// The same from copies of its programs.
fn copy(a: &Programs, folder: &Path) -> anyhow::Result<Programs> {
    let copied = a.programs.iter().enumerate().map(|(index, program)| {
        let copy = folder.join(index.to_string());
        fs::create_dir(&copy).context("making a folder for a copy of A")?;
        let copy = copy.join(program.file_name().unwrap_or_default());
        fs::copy(program, &copy).with_context(|| format!("copying {}", program.display()))?;
        Ok(copy)
    });
    let label = format!("{}, a copy", a.arm.label);
    Ok(Programs { arm: Arm { label, ..a.arm.clone() }, programs: copied.collect::<anyhow::Result<_>>()? })
}

/// `--suite aes128` → `--suite=aes128`: every option in one word.
fn joined(words: &[String]) -> anyhow::Result<Vec<String>> {
    let mut options: Vec<String> = Vec::new();
    let mut takes_value = false;
    for word in words {
        if word.starts_with("--") {
            takes_value = !word.contains('=');
            options.push(word.clone());
        } else if let (true, Some(last)) = (takes_value, options.last_mut()) {
            last.push('=');
            last.push_str(word);
            takes_value = false;
        } else {
            anyhow::bail!("`{word}` is no option of run: each begins with two dashes");
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use wss_analysis::workload::Workload;
    use wss_model::Size;

    use super::*;
    use crate::child::{run_options, workloads};

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_are_one_word_each() {
        assert_eq!(
            joined(&words("--suite aes128 --mtls --group=X25519 --insecure")).unwrap(),
            ["--suite=aes128", "--mtls", "--group=X25519", "--insecure"]
        );
        let sentence = joined(&words("--suite aes128 wss://elsewhere")).unwrap_err().to_string();
        assert!(sentence.contains("`wss://elsewhere`"), "{sentence}");
    }

    #[test]
    fn what_an_arm_says_wins_over_what_is_said_of_both() {
        let one = one("--a", "--suite aes128", &words("--suite=chacha20 --group=X25519")).unwrap();
        assert_eq!(one.arm.options, ["--group=X25519", "--suite=aes128"]);
    }

    #[test]
    fn what_a_file_says_wins_over_what_is_said_of_both_and_over_the_workload() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large.toml");
        fs::write(&file, "size = \"16KiB\"\nconnections = 9").unwrap();
        let one = one("--a", file.to_str().unwrap(), &words("--connections=5 --seed=3")).unwrap();
        assert_eq!(one.arm.options, ["--seed=3", "--connections=9", "--size=16KiB"]);
        let echo = &workloads::workloads(&[Workload::Echo], workloads::TRIAL, None, &[])[0];
        let config = run_options::parse(&workloads::arguments(echo, &one.arm.options)).unwrap();
        assert_eq!((config.size, config.connections), (Size(16 << 10), 9));
    }

    #[test]
    fn a_label_does_not_tell_where_on_the_machine_a_program_lies() {
        assert_eq!(labels("/home/somebody/work/base/wssbench,./wssbench"), "base/wssbench, wssbench");
    }

    #[test]
    fn what_is_no_program_is_told_with_what_could_be() {
        let sentence = format!("{:#}", one("--a", "Cargo.toml", &[]).err().unwrap());
        assert!(sentence.contains("Cargo.toml") && sentence.contains("unknown field"), "{sentence}");
        let sentence = format!("{:#}", one("--b", "src/ab.rs", &[]).err().unwrap());
        assert!(sentence.contains("is no program") && sentence.contains("--suite aes128"), "{sentence}");
        let sentence = format!("{:#}", one("--b", "nowhere", &[]).err().unwrap());
        assert!(sentence.contains("nowhere") && sentence.contains("No such file"), "{sentence}");
    }

    #[test]
    fn several_programs_take_turns() {
        let turns =
            Programs { arm: Arm::default(), programs: words("one two three").into_iter().map(PathBuf::from).collect() };
        let order: Vec<usize> = (0..5).map(|trials| turns.after(trials).index).collect();
        assert_eq!(order, [0, 1, 2, 0, 1]);
    }
}
