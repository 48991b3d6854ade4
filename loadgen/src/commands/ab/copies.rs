//! A fresh copy of its program for each trial of a comparison of builds.
//!
//! Two files of equal content differ by about 1% in the CPU time of a handshake for as long as they are in the page cache,
//! because their pages are at other places in memory. That difference would be the same in every block and look like one of
//! the builds. With a fresh copy per trial it is noise, which the interval covers.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use tempfile::TempDir;

use super::arm::Program;

/// The copies of one block. Dropping them removes the files.
pub(super) struct ProgramCopies {
    _folder: TempDir,
    paths: Vec<PathBuf>,
}

impl ProgramCopies {
    /// Copies the program of each trial.
    ///
    /// # Errors
    /// If there is no room for them.
    pub(super) fn new(programs: &[Program]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for copies of programs")?;
        let copy = |(trial, Program { path, .. }): (usize, &Program)| {
            let copy = folder.path().join(trial.to_string());
            fs::create_dir(&copy).context("making a folder for the copy of a program")?;
            // The name stays, since it is shown in process lists and errors.
            let copy = copy.join(path.file_name().unwrap_or_default());
            fs::copy(path, &copy).with_context(|| format!("copying {}; make room in TMPDIR", path.display()))?;
            Ok(copy)
        };
        let paths = programs.iter().enumerate().map(copy).collect::<anyhow::Result<_>>()?;
        Ok(Self { _folder: folder, paths })
    }

    /// The copy for a trial, from 0.
    pub(super) fn of_trial(&self, trial: usize) -> PathBuf {
        self.paths[trial].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trial_has_a_file_of_its_own_until_the_block_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        fs::write(&path, "content").unwrap();
        let programs = [0, 1].map(|index| Program { index, path: path.clone() });
        let copies = ProgramCopies::new(&programs).unwrap();
        let paths = [copies.of_trial(0), copies.of_trial(1)];
        assert!(paths[0] != paths[1] && paths.iter().all(|path| fs::read_to_string(path).unwrap() == "content"));
        assert_eq!(paths[0].file_name().unwrap(), "program");
        drop(copies);
        assert!(!paths[0].exists());
    }
}
