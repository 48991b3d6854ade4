//! A and B resolved: builds, a configuration file, a URL, or options; and the program of each trial.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::ArgAction;
use wss_analysis::comparison::{self, Arm};
use wss_wire::target::Target;

use super::options::AbCommand;
use crate::child::run::this_program;
use crate::child::run_options::{name, run_command};
use crate::config_file;

/// An arm with its programs.
pub(super) struct ArmPrograms {
    pub(super) arm: Arm,
    paths: Vec<PathBuf>,
    /// Whether the arms have different programs, so that each trial runs a fresh copy.
    pub(super) is_copied: bool,
}

/// A program, and its index among those of its arm.
#[derive(Debug, PartialEq)]
pub(super) struct Program {
    pub(super) index: usize,
    pub(super) path: PathBuf,
}

impl ArmPrograms {
    /// The program of this arm's trial `number`, from 0: they alternate.
    pub(super) fn program_of_trial(&self, number: usize) -> Program {
        let index = number % self.paths.len();
        Program { index, path: self.paths[index].clone() }
    }
}

/// A and B of the command line.
///
/// # Errors
/// If a program or file does not exist, or an argument is not an option of `run`.
pub(super) fn resolve(command: &AbCommand) -> anyhow::Result<[ArmPrograms; 2]> {
    let common = arguments(&command.run)?;
    let mut a = resolve_arm("--a", &command.a, &common)?;
    let mut b = match &command.b {
        Some(b) => resolve_arm("--b", b, &common)?,
        None => ArmPrograms {
            arm: Arm { label: format!("{}, a copy", a.arm.label), ..a.arm.clone() },
            paths: a.paths.clone(),
            is_copied: true,
        },
    };
    a.is_copied = command.b.is_none() || a.paths != b.paths;
    b.is_copied = a.is_copied;
    ensure!(
        command.b.is_none() || a.arm.options != b.arm.options || a.paths != b.paths,
        "--a and --b are the same; make them differ, or use --aa to measure the noise"
    );
    Ok([a, b])
}

/// An arm that is given as options (or not at all), a URL, a TOML file, or programs.
fn resolve_arm(option: &str, given: &str, common: &[String]) -> anyhow::Result<ArmPrograms> {
    let given = given.trim();
    let is_options = given.is_empty() || given.starts_with('-') || given.contains("://");
    let (own, paths) = if is_options {
        let words = shlex::split(given)
            .with_context(|| format!("{option} `{given}` has an unclosed quotation mark; close it"))?;
        (arguments(&words)?, vec![this_program()?])
    } else if Path::new(given).extension().is_some_and(|extension| extension == "toml") {
        ensure!(Path::new(given).is_file(), "{option}: the file {given} does not exist; check the path");
        // As options, so that they override those of a workload, and so that the result lists them.
        (config_file::options(Path::new(given)).with_context(|| option.to_owned())?, vec![this_program()?])
    } else {
        (Vec::new(), given.split(',').map(|path| program(option, path)).collect::<anyhow::Result<_>>()?)
    };
    // The options of an arm override the common ones.
    let inherited = common.iter().filter(|common| own.iter().all(|own| name(own) != name(common)));
    let options = inherited.cloned().chain(own.clone()).collect();
    let label = match given {
        "" => "defaults".to_owned(),
        _ if is_options => given.to_owned(),
        _ => short_paths(given),
    };
    let programs = paths.iter().map(|path| comparison::Program { name: file_name(path), tool: None }).collect();
    let arm = Arm { label, options, programs, negotiated: Vec::new() };
    Ok(ArmPrograms { arm, paths, is_copied: false })
}

/// Paths by their last two components: enough to tell `base/wssbench` from `head/wssbench`, without the rest of this
/// machine's paths.
fn short_paths(given: &str) -> String {
    let short = |path: &str| {
        let components = Path::new(path).components().filter(|component| matches!(component, Component::Normal(_)));
        let last: Vec<_> = components.rev().take(2).collect();
        last.into_iter().rev().collect::<PathBuf>().display().to_string()
    };
    given.split(',').map(short).collect::<Vec<_>>().join(", ")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The absolute path of an executable file.
fn program(option: &str, path: &str) -> anyhow::Result<PathBuf> {
    let metadata = fs::metadata(path).with_context(|| format!("{option}: cannot find the program {path}"))?;
    ensure!(
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0,
        "{option}: {path} is not a program; give a build of wssbench, a file that ends in .toml, a URL, or options of run \
         in quotation marks, e.g. \"--suite aes128\""
    );
    // A name without a slash would be searched in PATH.
    fs::canonicalize(path).with_context(|| format!("{option}: cannot resolve the path {path}"))
}

/// One argument per option: `--suite aes128` becomes `--suite=aes128`. A URL stays as it is.
fn arguments(words: &[String]) -> anyhow::Result<Vec<String>> {
    let run = run_command();
    let is_flag = |option: &str| {
        let known = run.get_arguments().find(|known| known.get_long() == option.strip_prefix("--"));
        known.is_some_and(|known| matches!(known.get_action(), ArgAction::SetTrue | ArgAction::SetFalse))
    };
    let mut arguments: Vec<String> = Vec::new();
    let mut takes_value = false;
    for word in words {
        if let (true, Some(last)) = (takes_value, arguments.last_mut()) {
            last.push('=');
            last.push_str(word);
            takes_value = false;
        } else if word.starts_with("--") {
            takes_value = !word.contains('=') && !is_flag(word);
            arguments.push(word.clone());
        } else if Target::parse(word).is_ok() {
            arguments.push(word.clone());
        } else {
            bail!("unknown option `{word}` for run (options start with --)");
        }
    }
    Ok(arguments)
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
    fn joins_each_option_with_its_value() {
        assert_eq!(
            arguments(&words("--suite aes128 --mtls --group=X25519 --insecure")).unwrap(),
            ["--suite=aes128", "--mtls", "--group=X25519", "--insecure"]
        );
        assert_eq!(arguments(&words("--mtls wss://127.0.0.1:1/")).unwrap(), ["--mtls", "wss://127.0.0.1:1/"]);
        let server = shlex::split("--server 'a --b c'").unwrap();
        assert_eq!(arguments(&server).unwrap(), ["--server=a --b c"]);
        let error = arguments(&words("--suite aes128 elsewhere")).unwrap_err().to_string();
        assert!(error.contains("unknown option `elsewhere`"), "{error}");
    }

    #[test]
    fn options_of_an_arm_override_common_options() {
        let resolved = resolve_arm("--a", "--suite aes128", &words("--suite=chacha20 --group=X25519")).unwrap();
        assert_eq!(resolved.arm.options, ["--group=X25519", "--suite=aes128"]);
    }

    #[test]
    fn options_of_a_file_override_common_options_and_the_workload() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large.toml");
        fs::write(&file, "size = \"16KiB\"\nconnections = 9").unwrap();
        let resolved = resolve_arm("--a", file.to_str().unwrap(), &words("--connections=5 --seed=3")).unwrap();
        assert_eq!(resolved.arm.options, ["--seed=3", "--connections=9", "--size=16KiB"]);
        let echo = &workloads::workloads(&[Workload::Echo], workloads::TRIAL, None, &[])[0];
        let config = run_options::parse(&workloads::arguments(echo, &resolved.arm.options)).unwrap();
        assert_eq!((config.size, config.connections), (Size(16 << 10), 9));
    }

    #[test]
    fn a_label_has_only_the_end_of_a_path() {
        assert_eq!(short_paths("/home/somebody/work/base/wssbench,./wssbench"), "base/wssbench, wssbench");
    }

    #[test]
    fn rejects_a_file_that_is_not_a_program() {
        let sentence = format!("{:#}", resolve_arm("--a", "Cargo.toml", &[]).err().unwrap());
        assert!(sentence.contains("Cargo.toml") && sentence.contains("unknown field"), "{sentence}");
        let sentence = format!("{:#}", resolve_arm("--b", "src/commands/ab.rs", &[]).err().unwrap());
        assert!(sentence.contains("is not a program") && sentence.contains("--suite aes128"), "{sentence}");
        let sentence = format!("{:#}", resolve_arm("--b", "nowhere", &[]).err().unwrap());
        assert!(sentence.contains("nowhere") && sentence.contains("No such file"), "{sentence}");
    }

    #[test]
    fn several_programs_alternate() {
        let paths = words("one two three").into_iter().map(PathBuf::from).collect();
        let arm = ArmPrograms { arm: Arm::default(), paths, is_copied: false };
        let order: Vec<usize> = (0..5).map(|number| arm.program_of_trial(number).index).collect();
        assert_eq!(order, [0, 1, 2, 0, 1]);
    }
}
